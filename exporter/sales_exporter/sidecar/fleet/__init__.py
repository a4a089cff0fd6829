"""Many series, one budget of false alarms: thresholds, causes, severities and words."""
