"""Imports point down only, without circles, and only files of the user interface import panel."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import networkx
import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fel_explorer"
LAYERS = [
    "errors",
    "plugins",
    "progress",
    "executors",
    "parallel",
    "resampling",
    "data",
    "features",
    "systems",
    "kinetics",
    "free_energy",
    "training",
    "methods",
    "structures",
    "comparison",
    "sampling",
    "export",
    "plots",
    "app",
    "cli",
]
GUI = {"panel", "panel_material_ui", "holoviews", "bokeh"}
FORBIDDEN = {
    "plugins": {*GUI, "torch", "mdtraj"},
    "executors": {*GUI, "torch", "mdtraj"},
    "parallel": {*GUI, "torch", "mdtraj"},
    "resampling": {*GUI, "torch", "mdtraj"},
    "data": {*GUI, "torch"},
    "structures": {*GUI, "torch"},
    "comparison": {*GUI, "torch"},
    "features": GUI,
    "kinetics": GUI,
    "free_energy": {*GUI, "torch", "mdtraj"},
    "systems": {*GUI, "mdtraj"},
    "training": {*GUI, "mdtraj"},
    "methods": {*GUI, "mdtraj"},
    "sampling": GUI,
    "export": GUI,
    "plots": {"panel", "panel_material_ui", "torch", "mdtraj"},
}
# Within `app`, these import panel; all other files work the same in a script, in a test and behind a page.
PANEL_FILE = re.compile(
    r"(^|_)(panel|dialog|bar|button|select|form|grid|table|parts|pages|page|cells|controls)\.py$"
)
PANEL_FOLDERS = {"widgets", "shell", "viewer", "workarounds", "lessons"}
PANEL_ENTRY = {"entry.py", "page_token.py", "server/server.py"}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem in LAYERS)
EACH = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))


def imported(path):
    """Absolute names of the modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@EACH
def test_imports_point_down(path):
    layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imported(path):
        assert name.split(".")[0] not in FORBIDDEN.get(layer, ()), f"{layer} imports {name}"
        if name.startswith("fel_explorer."):
            target = name.split(".")[1]
            if target in LAYERS:
                assert LAYERS.index(target) <= LAYERS.index(layer), f"{layer} imports {name}"


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "app").rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_only_files_of_the_user_interface_import_panel(path):
    inside = path.relative_to(PACKAGE / "app").parts
    if PANEL_FILE.search(path.name) or PANEL_FOLDERS & set(inside) or "/".join(inside) in PANEL_ENTRY:
        return
    found = {name.split(".")[0] for name in imported(path)} & {"panel", "panel_material_ui"}
    assert not found, f"{path.name} imports {found}: rename it or move what needs panel"


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "app").rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_the_page_draws_without_holoviews(path):
    assert not any(name.split(".")[0] == "holoviews" for name in imported(path))


# These ask objects of other libraries, whose attributes differ between versions or classes.
FOREIGN_OBJECTS = {
    "app/shell/skeleton.py",
    "app/widgets/param_form.py",
    "data/readers.py",
    "data/schema.py",
    "data/universe.py",
    "plots/export.py",
    "plots/glyphs.py",
    "plots/hooks.py",
    "systems/force_field_reading.py",
}


@EACH
def test_what_an_object_may_have_is_declared(path):
    """A `getattr` or `hasattr` with a constant name asks what a class should say; see `methods.Method`."""
    inside = path.relative_to(PACKAGE)
    if str(inside) in FOREIGN_OBJECTS or "workarounds" in inside.parts:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            asked = node.func.id in ("getattr", "hasattr") and isinstance(node.args[1], ast.Constant)
            assert not asked, f"{inside}:{node.lineno}: {ast.unparse(node)}: declare it on the class"


def test_no_module_imports_itself_through_others():
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }
    graph = networkx.DiGraph()
    for name, path in files.items():
        graph.add_edges_from((name, target) for target in _needed(path) if target in files and target != name)
    assert not list(networkx.simple_cycles(graph))


def _needed(path):
    """Modules that a file needs when its code runs: not those imported for type checkers alone."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def test_importing_the_package_is_light():
    code = "import sys, fel_explorer; print([m for m in ('torch', 'mdtraj', 'panel') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_server_starts_without_what_computes():
    """It answers with an empty page while these, which take seconds, are imported in a thread."""
    modules = "entry", "server.server", "shell.skeleton", "jobs.sample_features"
    heavy = "torch", "mdtraj", "openmm", "sklearn", "scipy", "matplotlib", "holoviews", "xarray", "IPython"
    code = f"import sys, fel_explorer.app, {', '.join(f'fel_explorer.app.{name}' for name in modules)}; "
    code += "fel_explorer.app.entry.load_extensions(); "
    code += f"print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_explorer_opens_without_what_only_some_analyses_need():
    code = "import sys, fel_explorer.app.explorer_pages as pages, fel_explorer.methods.registry as registry; "
    code += "registry.list_methods(); "
    code += "pages.Explorer(); "
    code += "heavy = 'sklearn', 'deeptime', 'matplotlib', 'holoviews', 'scipy.stats', 'scipy.signal'; "
    code += "print([name for name in heavy if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
