"""Public functions and methods state the type of every parameter and of what they return."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fel_explorer"
LAYERS = [
    "cli",
    "comparison",
    "data",
    "devices.py",
    "errors.py",
    "export",
    "features",
    "free_energy",
    "kinetics",
    "methods",
    "plots",
    "plugins.py",
    "progress.py",
    "resampling.py",
    "sampling",
    "structures",
    "systems",
    "training",
]
FILES = sorted(
    path
    for layer in LAYERS
    for path in ([PACKAGE / layer] if layer.endswith(".py") else (PACKAGE / layer).rglob("*.py"))
)


def public_functions(body, in_class=False):
    """Yield each public function, and each public method with ``__init__``, with its parameters less self."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body, in_class=True)
        elif isinstance(node, ast.If | ast.Try):
            yield from public_functions([*node.body, *node.orelse], in_class)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("_") and node.name != "__init__":
                continue
            static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
            arguments = node.args
            positional = [*arguments.posonlyargs, *arguments.args]
            rest = [*arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
            yield node, [*positional[in_class and not static :], *filter(None, rest)]


def unannotated(source):
    """What lacks an annotation: ``name(parameter)``, or ``name()`` where the return type is missing."""
    for node, parameters in public_functions(ast.parse(source).body):
        yield from (f"{node.name}({p.arg})" for p in parameters if p.annotation is None)
        if node.returns is None:
            yield f"{node.name}()"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_public_functions_are_annotated(path):
    assert list(unannotated(path.read_text())) == []


def test_every_missing_annotation_is_found():
    source = """
def whole(a: int, *b: int, c: int = 0, **d: int) -> int: ...
def part(a, *b, c: int = 0, **d): ...
def _private(a): ...
class Public:
    def __init__(self, x): ...
    def method(self, y: int): ...
    @staticmethod
    def static(z) -> None: ...
class _Private:
    def method(self, y): ...
"""
    assert list(unannotated(source)) == [
        "part(a)",
        "part(b)",
        "part(d)",
        "part()",
        "__init__(x)",
        "__init__()",
        "method()",
        "static(z)",
    ]
