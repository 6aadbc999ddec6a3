"""Guards that are taken away one by one, to see that a test notices: ``python -m tests.guards``."""
