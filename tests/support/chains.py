"""Markov chains as test data."""

import numpy as np

CENTRES = np.array([[-2.0, -1.0], [-2.0, 1.0], [2.0, 0.0]])
FAST, SLOW = 0.02, 0.0005


def markov_chain(matrix, n, seed=0):
    random = np.random.default_rng(seed)
    cumulative, states = np.cumsum(matrix, axis=1), [0]
    for uniform in random.random(n - 1):
        states.append(min(int(np.searchsorted(cumulative[states[-1]], uniform)), len(matrix) - 1))
    return np.array(states)


def nested_chain(n_frames, seed):
    """States (frame,) and noisy positions (frame, 2): A = {0, 1} and 2; 0 and 1 exchange 40 times faster."""
    rng = np.random.default_rng(seed)
    P = np.array(
        [[1 - FAST - SLOW, FAST, SLOW], [FAST, 1 - FAST - SLOW, SLOW], [SLOW / 2, SLOW / 2, 1 - SLOW]]
    )
    edges, draws, states = P.cumsum(1), rng.random(n_frames), np.zeros(n_frames, int)
    state = int(rng.choice(3, p=[0.25, 0.25, 0.5]))
    for i in range(n_frames):
        states[i] = state = int(np.searchsorted(edges[state], draws[i]))
    return states, CENTRES[states] + 0.25 * rng.normal(size=(n_frames, 2))
