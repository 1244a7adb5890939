"""Sphinx configuration: `just docs` builds with warnings as errors."""

from carapace import __version__

project = "Carapace"
copyright = "the Carapace authors"  # noqa: A001 - Sphinx's own name
release = __version__
extensions = ["myst_parser", "sphinx.ext.doctest"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # Mermaid is shown as text
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Carapace"
