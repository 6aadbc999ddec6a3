"""Campaigns against the machine: ``python -m fuzz TARGET SECONDS``."""
