"""The alert desk: who has which alert, what was done about it, and what happens when nobody does anything."""
