"""Shapes in annotations are checked while tests run."""

import ast
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float, TypeCheckError, jaxtyped
from shape_checks import checked

from fel_explorer.methods.koopman import vamp
from fel_explorer.methods.multitask.objective import basin_weights
from fel_explorer.training.pairs import Batch, pair_starts

PACKAGE = Path(__file__).parents[1] / "fel_explorer"
DTYPES = {"Bool", "Float", "Int", "Num", "Shaped"}


@pytest.mark.parametrize(
    "call",
    [
        lambda: vamp.covariances(torch.zeros(5, 2), torch.zeros(4, 2)),
        lambda: vamp.covariances(torch.zeros(5, 2), torch.zeros(5, 2), torch.ones(5, 1)),
        lambda: vamp.whitening(torch.zeros(3, 2)),
        lambda: basin_weights(np.zeros((4, 1))),
        lambda: Batch(torch.zeros(6), torch.ones(3)),
        lambda: pair_starts(np.zeros((2, 3), int), 1),
    ],
    ids=["pairs", "weights", "square", "array", "dataclass", "segments"],
)
def test_an_array_of_a_wrong_shape_is_refused(call):
    with pytest.raises(TypeCheckError):
        call()


def test_a_result_of_a_wrong_shape_is_refused():
    @jaxtyped(typechecker=checked)
    def norms(x: Float[torch.Tensor, "frame cv"]) -> Float[torch.Tensor, "frame"]:
        return x.norm(dim=1, keepdim=True)

    with pytest.raises(TypeCheckError, match="return value"):
        norms(torch.zeros(3, 2))


def test_only_annotations_of_arrays_are_checked():
    @jaxtyped(typechecker=checked)
    def scaled(x: Float[torch.Tensor, "frame"], factor: int) -> torch.Tensor:
        return x * factor

    torch.testing.assert_close(scaled(torch.ones(2), 0.5), torch.full((2,), 0.5))


def test_checked_functions_can_be_pickled_for_other_processes():
    assert pickle.loads(pickle.dumps(vamp.covariances)) is vamp.covariances


def test_every_shape_is_a_string():
    """A bare name is not an error: jaxtyping can't evaluate it and checks nothing."""
    wrong = []
    for layer in ("kinetics", "methods", "systems", "training"):
        for path in (PACKAGE / layer).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Subscript) and ast.unparse(node.value) in DTYPES:
                    if not isinstance(node.slice.elts[1], ast.Constant):
                        wrong.append(f"{path}:{node.lineno}")
    assert not wrong
