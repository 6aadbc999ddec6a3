"""``python -m runtime`` is the command ``tricorn``."""

from .cli import command

command()
