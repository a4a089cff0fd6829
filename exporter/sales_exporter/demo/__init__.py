"""The demo: a generator with known truth, importers of real files, and the local stack behind ``up``."""
