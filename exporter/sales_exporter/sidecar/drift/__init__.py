"""Drift of models: evidence that accuracy fell, with and without labels."""
