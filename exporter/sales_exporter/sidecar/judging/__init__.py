"""What a tick does, part by part, in the process of its own: queries in, series and alerts out."""
