"""Columns that are calculated from others by a formula."""

from __future__ import annotations

import ast
import functools
import re

import numexpr
import numpy as np
import xarray as xr

from fel_explorer.data.frame_values import frame_values, has_values, quantities
from fel_explorer.errors import FelError

FUNCTIONS = "abs arccos arcsin arctan arctan2 cos cosh exp log log10 sin sinh sqrt tan tanh where".split()
QUOTED = re.compile(r"`([^`]*)`")
WORD = re.compile(r"\b[A-Za-z_]\w*\b")
LONGEST = 2_000  # characters of a formula
DEEPEST = 60  # brackets and operations within each other
GRAMMAR: tuple[type[ast.AST], ...] = (
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.Call,
    ast.Name,
    ast.Constant,
    ast.operator,
    ast.unaryop,
)
GRAMMAR += (ast.cmpop, ast.expr_context, ast.BoolOp, ast.boolop)
KNOWN = {*FUNCTIONS, "and", "or", "not"}
EXAMPLE = "Such as energy / 4.184, or where(`phi ALA2` > 0, 1, 0)."


def add_column(dataset: xr.Dataset, name: str, formula: str, *, units: str = "") -> xr.Dataset:
    """``dataset`` with a further column ``name``, (frame,) float32, of the values of `evaluate`.

    Raises
    ------
    FelError
        If the name is empty or taken, or the formula can't be evaluated.
    """
    name = name.strip()
    if not name or "`" in name or has_values(dataset, name):
        raise FelError(
            f"A column called '{name}'.",
            "Its name must be new, and without backticks." if name else "It needs a name.",
            "Use another name.",
        )
    attrs = {"formula": formula} | ({"units": units} if units else {})
    return dataset.assign({name: ("frame", evaluate(dataset, formula), attrs)})


def names_in(formula: str) -> list[str]:
    """Names of what ``formula`` is calculated from, in their order."""
    parts = QUOTED.split(formula)
    words = [[part] if i % 2 else WORD.findall(part) for i, part in enumerate(parts)]
    return [name for found in words for name in found if name not in KNOWN]


def evaluate(dataset: xr.Dataset, formula: str) -> np.ndarray:
    """Value of ``formula`` for every frame, (frame,) float32; where it is true 1, where it is false 0.

    Parameters
    ----------
    formula
        Of the dataset's columns, torsions (in degrees; functions take radians) and features by their names,
        in backticks where a name is more than one word, with numbers,
        ``+ - * / ** % < <= > >= == != & | ~``, ``and``, ``or``, ``not``, brackets and `FUNCTIONS`;
        comparisons may follow each other, ``-90 < phi < 0``.
        It is read by numexpr, which runs nothing but arithmetic.

    Raises
    ------
    FelError
        If it has an unknown name or is not a formula.
    """
    return np.broadcast_to(np.asarray(_values(dataset, formula), np.float32), dataset.sizes["frame"]).copy()


def select(dataset: xr.Dataset, condition: str) -> np.ndarray:
    """Frames where ``condition`` holds, (frame,) bool.

    Parameters
    ----------
    condition
        A formula as of `evaluate` that is true or false: ``phi < 0 and not d12 > 0.5``.

    Raises
    ------
    FelError
        If it can't be evaluated, or is a number.

    Examples
    --------
    >>> left = fel.data.select(data, "-180 <= `phi ALA2` < 0 or `psi ALA2` > 100")
    >>> left.dtype
    dtype('bool')
    """
    found = np.asarray(_values(dataset, condition))
    if found.dtype != bool:
        raise FelError(
            f"The condition '{_short(condition)}' is a number for each frame.",
            "A condition is true or false: it compares, with < <= > >= == !=, and, or, not.",
            "Such as `phi ALA2` < 0 and time > 100.",
        )
    return np.broadcast_to(found, dataset.sizes["frame"]).copy()


def _values(dataset: xr.Dataset, formula: str):
    """What numexpr makes of ``formula``, numbers or bools; one, or one for each frame."""
    if len(formula) > LONGEST:
        raise FelError(
            f"A formula of {len(formula):,} characters.",
            f"It has up to {LONGEST:,}.",
            "Make it of several columns.",
        )
    names: dict[str, str] = {}

    def placeholder(name):
        if not has_values(dataset, name):
            raise FelError(
                f"The formula has '{name}'.",
                f"There are {', '.join(quantities(dataset)[:6])}, ...; functions are {', '.join(FUNCTIONS)}.",
                "Write names of more than one word in backticks, such as `phi ALA2`.",
            )
        return names.setdefault(name, f"v{len(names)}_")

    parts = QUOTED.split(formula)  # odd entries were between backticks
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = placeholder(part)
        else:
            parts[i] = WORD.sub(lambda w: w[0] if w[0] in KNOWN else placeholder(w[0]), part)
    try:
        text = _arithmetic("".join(parts))
        values = {variable: frame_values(dataset, name) for name, variable in names.items()}
        return numexpr.evaluate(text, local_dict=values, global_dict={})
    except FelError:
        raise
    except Exception as error:  # numexpr raises whatever Python's parser and its own checks do
        raise FelError(
            f"The formula '{_short(formula)}' can't be read ({_short(error)}).", EXAMPLE
        ) from error


def _arithmetic(formula: str) -> str:
    """``formula`` with its numbers as floats, which overflow at once where integers would grow for hours."""
    tree = ast.parse(formula.strip(), mode="eval").body
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [inner for node in level for inner in ast.iter_child_nodes(node)]
    if level:
        raise ValueError(f"more than {DEEPEST} levels of brackets and operations")
    for node in ast.walk(tree):
        if not isinstance(node, GRAMMAR):
            raise ValueError(f"{type(node).__name__.lower()} is not arithmetic")
        if isinstance(node, ast.Constant):
            if not isinstance(node.value, int | float):
                raise ValueError(f"{type(node.value).__name__} is not a number")
            if not isinstance(node.value, bool):
                node.value = float(node.value)
    return ast.unparse(_Connectives().visit(tree))


class _Connectives(ast.NodeTransformer):
    """``and``, ``or``, ``not`` and comparisons in a row as the operations on bools that numexpr knows."""

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        sign = ast.BitAnd() if isinstance(node.op, ast.And) else ast.BitOr()
        return functools.reduce(lambda a, b: ast.BinOp(a, sign, b), [self.visit(one) for one in node.values])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        inner = self.visit(node.operand)
        return ast.UnaryOp(ast.Invert() if isinstance(node.op, ast.Not) else node.op, inner)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        values = [self.visit(one) for one in (node.left, *node.comparators)]
        pairs: list[ast.expr] = [
            ast.Compare(left, [sign], [right])
            for left, sign, right in zip(values, node.ops, values[1:], strict=False)
        ]
        return functools.reduce(lambda a, b: ast.BinOp(a, ast.BitAnd(), b), pairs)


def _short(text: object) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(str(text).split())
    return line if len(line) <= 80 else f"{line[:77]}..."
