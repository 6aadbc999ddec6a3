"""``python -m runtime`` is the command ``tricorn``."""

import sys

from .cli import main

sys.exit(main())
