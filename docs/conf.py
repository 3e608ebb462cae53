"""Settings of Sphinx for the documentation: `make docs` builds it into build/docs, without a network."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "extensions"), str(DOCS.parent)]
os.environ["PYTHONPATH"] = str(DOCS.parent)  # pages that are notebooks run in processes of their own
os.environ.setdefault("OMP_NUM_THREADS", "1")

from fel_explorer import __version__  # noqa: E402

project = "fel_explorer"
author = "the fel_explorer authors"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "mathml",
    "sphinx_copybutton",
    "sphinxcontrib.bibtex",
    "registries",
]
source_suffix = {".md": "myst-nb"}
exclude_patterns = ["gallery.py", "extensions"]
root_doc = "index"
nitpicky = False

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "fel_explorer"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": []}

myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 4
suppress_warnings = ["myst.xref_missing"]

nb_execution_mode = os.environ.get("FEL_DOCS_EXECUTION", "cache")
nb_execution_cache_path = str(DOCS.parent / "build" / "docs-cache")
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True

autosummary_generate = ["reference/generated/api.md"]  # which `registries` writes before
autodoc_typehints = "none"  # the docstrings give shapes and units
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "unsrt"
