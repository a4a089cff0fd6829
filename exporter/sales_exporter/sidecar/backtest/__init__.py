"""Backtest: weeks of history are judged moment by moment, as they would have been live, and shown."""
