"""Business facts as counts: what collectors read instead of rows."""
