"""Hostile clients and hostile applications against real server processes, with bounds on what they may cost."""
