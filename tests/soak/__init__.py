"""A server under mixed traffic for a long time: every response is checked, and nothing may grow."""
