"""How the documentation is built: Sphinx with MyST and furo, and nothing from the network."""

import importlib.metadata

project = "tricorn"
author = "The tricorn authors"
project_copyright = "2026, The tricorn authors"
version = release = importlib.metadata.version("tricorn")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# A quotation mark in the text is often one that has to be typed.
smartquotes = False

html_theme = "furo"
html_title = "tricorn"

# Single backticks in docstrings are code, of whatever kind.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

# Only our own names can be resolved: the rest would have to come from the network.
nitpick_ignore_regex = [(r"py:.*", r"(?!(sansio|runtime)\.).*")]
