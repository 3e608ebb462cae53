"""Imports point down only (docs/architecture.md)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fel_explorer"
LAYERS = [
    "errors",
    "resampling",
    "data",
    "systems",
    "kinetics",
    "free_energy",
    "training",
    "methods",
    "structures",
    "sampling",
    "export",
    "plots",
    "app",
    "cli",
]
# training.progress is the plain record that every long-running layer reports with.
SHARED = {"errors", "training.progress"}
FORBIDDEN = {
    "resampling": {"panel", "panel_material_ui", "holoviews", "bokeh", "torch", "mdtraj"},
    "data": {"panel", "panel_material_ui", "holoviews", "bokeh", "torch"},
    "structures": {"panel", "panel_material_ui", "holoviews", "bokeh", "torch"},
    "kinetics": {"panel", "panel_material_ui", "holoviews", "bokeh"},
    "free_energy": {"panel", "panel_material_ui", "holoviews", "bokeh", "torch", "mdtraj"},
    "systems": {"panel", "panel_material_ui", "holoviews", "bokeh", "mdtraj"},
    "training": {"panel", "panel_material_ui", "holoviews", "bokeh", "mdtraj"},
    "methods": {"panel", "panel_material_ui", "holoviews", "bokeh", "mdtraj"},
    "sampling": {"panel", "panel_material_ui", "holoviews", "bokeh"},
    "export": {"panel", "panel_material_ui", "holoviews", "bokeh"},
    "plots": {"panel", "panel_material_ui", "torch", "mdtraj"},
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem in LAYERS)


def imported(path):
    """Absolute names of the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imported(path):
        assert name.split(".")[0] not in FORBIDDEN.get(layer, ()), f"{layer} imports {name}"
        if name.startswith("fel_explorer.") and name.removeprefix("fel_explorer.") not in SHARED:
            target = name.split(".")[1]
            if target in LAYERS and name.removeprefix("fel_explorer.").rsplit(".", 1)[0] not in SHARED:
                assert LAYERS.index(target) <= LAYERS.index(layer), f"{layer} imports {name}"


def test_importing_the_package_is_light():
    code = "import sys, fel_explorer; print([m for m in ('torch', 'mdtraj', 'panel') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
