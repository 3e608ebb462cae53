"""Learning from a force field for `panel serve apps/physics.py`; sessions go to FEL_EXPLORER_ROOT."""

import os

from fel_explorer.app import entry
from fel_explorer.app.page_token import page_token
from fel_explorer.app.pages.embedded_physics import PhysicsPage

entry.load_extensions()
PhysicsPage(root=os.environ.get("FEL_EXPLORER_ROOT", "."), owner=page_token()).servable()
