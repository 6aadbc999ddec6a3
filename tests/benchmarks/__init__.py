"""What tricorn and its peers cost: `python -m tests.benchmarks` measures, and asserts nothing about speed."""
