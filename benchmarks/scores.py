"""How well predicted states agree with reference states, and a table to print it in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix


def accuracy(reference, predicted) -> float:
    """ACC: the fraction of frames whose predicted state is matched with their reference state.

    States are matched one to one so that it is largest (Hungarian method); frames of states left
    without a partner count as wrong.  Both arguments (frame,) int.
    """
    table = contingency_matrix(reference, predicted)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())


def nmi(reference, predicted) -> float:
    """Normalised mutual information, I(a; b) / [(H(a) + H(b)) / 2].  Both arguments (frame,) int."""
    return float(normalized_mutual_info_score(reference, predicted))


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean and range of several runs, for a table: "0.998 (0.997-0.999)"."""
    values = np.asarray(values, float)
    return f"{values.mean():.{digits}f} ({values.min():.{digits}f}-{values.max():.{digits}f})"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence]) -> str:
    """A Markdown table of strings or numbers."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
