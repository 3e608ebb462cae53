"""The explorer for `panel serve apps/explorer.py`: on the sample data, or on FEL_EXPLORER_PATHS."""

import os

from fel_explorer.app import entry, explorer_pages

entry.load_extensions()
paths = os.environ.get("FEL_EXPLORER_PATHS", "").split()
root = os.environ.get("FEL_EXPLORER_ROOT", ".")
make = explorer_pages.page_on(paths, root=root) if paths else lambda: explorer_pages.demo_page(root)
make().servable()
