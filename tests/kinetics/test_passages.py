"""Passages between states, counted by hand and by the book-keeping of a chain."""

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.kinetics.passages import passages


def test_passages_by_hand():
    first = [0, 0, 2, 0, 2, 2, 1, 1, 0, 1]
    second = [2, 1, 0, 2, 2]
    table = passages([np.array(first), np.array(second)], 0, 1, time_step=0.5)
    assert table[["trajectory", "first", "last"]].values.tolist() == [[0, 3, 6], [0, 8, 9]]
    assert table["duration"].tolist() == [1.5, 0.5]
    back = passages([np.array(first), np.array(second)], 1, 0)
    assert back[["first", "last"]].values.tolist() == [[7, 8], [11, 12]]
    assert passages([np.array([2, 2])], 0, 1).empty


def test_forth_and_back_alternate():
    states = np.random.default_rng(0).integers(4, size=5000)
    forth, back = passages(states, 0, 3), passages(states, 3, 0)
    assert abs(len(forth) - len(back)) <= 1
    for _, row in forth.iterrows():
        between = states[int(row["first"]) + 1 : int(row["last"])]
        assert not np.isin(between, [0, 3]).any()


def test_one_state_is_no_passage():
    with pytest.raises(fel.FelError, match="itself"):
        passages(np.zeros(5, int), 0, 0)
