"""Forecasts with bands, capacity dates and tests of trends."""
