"""The alert desk."""
