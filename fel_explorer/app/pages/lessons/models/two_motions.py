"""A rare hop and a wide wobble: analysed by PCA and TICA."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from fel_explorer.app.pages.lessons.models.walkers import Walkers
from fel_explorer.systems import DoubleWell

KT = 2.2
TIME_STEP, STRIDE = 5e-3, 40  # a frame every 0.2
FRAME = TIME_STEP * STRIDE
N_WALKERS, N_FRAMES = 20, 750
LAG = 1.0
TURN = np.deg2rad(30)  # of the hop against feature 1


@dataclass(frozen=True, eq=False)
class Axis:
    """The first component that a method finds.

    Attributes
    ----------
    direction
        (2,) of length 1 among the features, pointing to the right.
    variance
        Its fraction of the variance of all features.
    timescale
        -lag / ln(autocorrelation at the lag): how long the projection remembers itself.
    """

    direction: np.ndarray
    variance: float
    timescale: float


class TwoMotions:
    """Runs of a double well in one direction and a harmonic spring across, in features turned by 30 degrees.

    The hop over the barrier is rare; the wobble in the spring is fast and as wide as one likes: it is
    independent of the hop, and stretching it changes no time scale.

    Attributes
    ----------
    hop, wobble
        (run, frame) coordinates; the wobble's standard deviation is 1.
    """

    def __init__(self, seed=0):
        system = DoubleWell(kT=KT)
        start = system.sample(N_WALKERS, seed=seed).numpy()
        walkers = Walkers(system, start, time_step=TIME_STEP, seed=seed)
        self.hop, self.wobble = np.moveaxis(walkers.run(N_FRAMES, STRIDE), 2, 0)
        self.wobble = self.wobble / np.sqrt(KT)  # the spring's constant is 1

    @property
    def well(self) -> np.ndarray:
        """Whether each frame (run, frame) is in the right well."""
        return self.hop > 0.17

    def features(self, width: float) -> np.ndarray:
        """(run, frame, 2) features with a wobble of standard deviation ``width``."""
        across = width * self.wobble
        return np.stack(
            [
                np.cos(TURN) * self.hop - np.sin(TURN) * across,
                np.sin(TURN) * self.hop + np.cos(TURN) * across,
            ],
            axis=-1,
        )

    def axes(self, width: float) -> dict[str, Axis]:
        """The first components by `fel_explorer.PCA` and `fel_explorer.TICA` at this width of the wobble."""
        import fel_explorer as fel

        features = self.features(width)
        data = fel.as_dataset(list(features), time_step=FRAME)
        methods = {
            "PCA": fel.PCA(n_dims=1),
            "TICA": fel.TICA(lag_time=LAG, n_dims=1, scaling="none"),
        }
        found = {}
        for name, method in methods.items():
            z = np.asarray(method.fit(data).transform(data))[:, 0]
            found[name] = _axis(features, z.reshape(features.shape[:2]))
        return found


def _axis(features, z):
    """The direction of the projection ``z`` (run, frame) of ``features`` (run, frame, 2)."""
    flat = features.reshape(-1, 2) - features.reshape(-1, 2).mean(axis=0)
    direction = np.linalg.lstsq(flat, z.ravel() - z.mean(), rcond=None)[0]
    direction /= np.linalg.norm(direction) * (np.sign(direction[0]) or 1)
    along = (features @ direction) - (features @ direction).mean()
    lag = round(LAG / FRAME)
    correlation = np.mean(along[:, lag:] * along[:, :-lag]) / np.mean(along**2)
    return Axis(
        direction, float(along.var() / flat.var(axis=0).sum()), float(-LAG / np.log(max(correlation, 1e-9)))
    )


@functools.cache
def two_motions() -> TwoMotions:
    """The one instance: its runs never change."""
    return TwoMotions()
