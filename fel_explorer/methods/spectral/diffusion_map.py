"""Diffusion maps: the slow modes of a random walk over the data."""

from __future__ import annotations

import numpy as np
import param
import scipy.linalg
import torch
from torch import Tensor

from fel_explorer.errors import FelError
from fel_explorer.methods import parameters
from fel_explorer.methods.base import Method
from fel_explorer.methods.koopman.timescales import SPECTRUM, STEPS, TimeScales, implied_timescales
from fel_explorer.methods.registry import register
from fel_explorer.methods.subsample import frame_weights, random_frames, take, warn_sampled
from fel_explorer.training.data import Scaling

PAIRS = 2**18  # distances at once: what a processor's cache holds
SCALE_SAMPLE = 800  # landmarks from whose distances the kernel width is chosen
SMALLEST = 1e-6  # eigenvalue by which the extension to new frames can still be divided


@register
class DiffusionMap(Method):
    """Maps frames by a random walk between similar frames.  Frames hard to reach from each other lie apart.

    Blind to time.  With alpha = 1 the map does not depend on how densely frames were sampled; with 1/2
    it approximates the slow modes of overdamped dynamics; 0 is the plain graph Laplacian.  Features are
    standardised.  The walk is solved on random landmarks and extended to all frames by Nystroem's formula.

    Source: R. R. Coifman and S. Lafon, Appl. Comput. Harmon. Anal. 21, 5 (2006),
    doi:10.1016/j.acha.2006.04.006, kernel k = exp(-d^2 / epsilon). By default epsilon is where ln sum_ij k_ij
    rises most steeply with ln epsilon: R. R. Coifman et al., IEEE Trans. Image Process. 17, 1891 (2008),
    doi:10.1109/TIP.2008.2002305; T. Berry and J. Harlim, Appl. Comput. Harmon. Anal. 40, 68 (2016),
    doi:10.1016/j.acha.2015.01.001.

    Attributes
    ----------
    eigenvalues_
        (cv,) of the random walk, largest first, without the constant one.
    spectrum_
        (mode,) up to twelve eigenvalues, also beyond ``n_dims``: they show how many modes are slow.
    epsilon_
        The kernel width used, in squared standard deviations of the features.
    n_sampled_
        Number of frames that the walk was solved on; a warning says so of stored data, which have more.
    """

    has_modes = True
    has_timescales = True

    n_dims = parameters.n_dims(doc="Number of diffusion coordinates to keep.", maximum=100, precedence=1)
    alpha = param.Magnitude(
        1.0,
        precedence=1.1,
        label="Normalisation (alpha)",
        doc="How much of the sampling density is taken out: 1 all of it, 0.5 so that slow modes of the "
        "dynamics remain, 0 nothing.",
    )
    epsilon = param.Number(
        0.0,
        bounds=(0, None),
        precedence=1.2,
        label="Kernel width (epsilon)",
        doc="Squared distance over which frames count as neighbours, in standardised features. 0 chooses it "
        "from the data.",
    )
    n_landmarks = param.Integer(
        2000,
        bounds=(4, 20_000),
        precedence=10,
        label="Landmarks",
        doc="Frames on which the walk is solved. More are finer; memory grows with the square, time with "
        "the cube.",
    )
    diffusion_time = param.Number(
        1.0,
        bounds=(0, None),
        precedence=10.1,
        label="Diffusion time",
        doc="Steps of the walk: each axis is scaled by its eigenvalue to this power, so that distances are "
        "diffusion distances. At 0 all axes have unit variance.",
    )

    def _fit(self, dataset, *, device, callback, checkpoint_dir):
        frames = random_frames(dataset, self.n_landmarks, self.seed)
        if self.n_dims > len(frames) - 2:
            raise FelError(
                f"n_dims={self.n_dims} with {len(frames)} landmarks.",
                f"At most {max(len(frames) - 2, 0)} dimensions can be found.",
                "Take fewer dimensions or more frames.",
            )
        self.n_sampled_ = len(frames)
        warn_sampled(self, dataset, len(frames))
        self._scaling = Scaling.of(dataset)
        self._landmarks = self._scaling(take(dataset, frames)).double()
        weight = torch.from_numpy(frame_weights(dataset, frames))
        weight = weight / weight.sum()
        squared = squared_distances(self._landmarks, self._landmarks)
        self.epsilon_ = self.epsilon or kernel_width(squared, weight)
        n = min(max(SPECTRUM, self.n_dims), len(frames) - 2)
        values, functions, self._bias = diffusion_modes(
            squared, weight, epsilon=self.epsilon_, alpha=self.alpha, n=n
        )
        self.spectrum_ = values.numpy()
        values, functions = values[: self.n_dims], functions[:, : self.n_dims]
        if values[-1] < SMALLEST:
            raise FelError(
                f"n_dims={self.n_dims}, and eigenvalue {self.n_dims} is {values[-1]:.1g}.",
                "The kernel is too wide to resolve so many dimensions.",
                f"Take n_dims={max(1, int((values > SMALLEST).sum()))} or a smaller epsilon.",
            )
        self.eigenvalues_ = values.numpy()
        self._axes = functions * values ** (self.diffusion_time - 1.0)

    def _timescales(self):
        return TimeScales(implied_timescales([1.0, *self.spectrum_.clip(0)], 1.0), STEPS)

    def _transform(self, features):
        """psi(x) = sum_j p(x, j) psi_j / lambda, the walk's step from x to the landmarks (Nystroem)."""
        points = self._scaling(features).double()
        # -d^2 / epsilon but for |x|^2, which is the same for all landmarks j and leaves p(x, j) as it is
        slope = self._landmarks.T * (2.0 / self.epsilon_)
        offset = self._bias - self._landmarks.square().sum(1) / self.epsilon_
        blocks = points.split(max(1, PAIRS // len(self._landmarks)))
        walks = (torch.softmax(torch.addmm(offset, block, slope), dim=1) for block in blocks)
        return torch.cat([walk @ self._axes for walk in walks]).float()

    def _get_arrays(self):
        scaling = self._scaling
        return {
            "mean": scaling.mean,
            "scale": scaling.scale,
            "keep": scaling.keep,
            "landmarks": self._landmarks,
            "bias": self._bias,
            "axes": self._axes,
            "eigenvalues": torch.from_numpy(self.eigenvalues_),
            "spectrum": torch.from_numpy(self.spectrum_),
            "epsilon": torch.tensor(self.epsilon_, dtype=torch.float64),
        }

    def _set_arrays(self, arrays):
        self._scaling = Scaling(arrays["mean"], arrays["scale"], arrays["keep"])
        self._landmarks, self._bias, self._axes = (arrays[k] for k in ("landmarks", "bias", "axes"))
        self.eigenvalues_ = arrays["eigenvalues"].numpy()
        self.spectrum_ = arrays.get("spectrum", arrays["eigenvalues"]).numpy()  # older files lack it
        self.epsilon_ = arrays["epsilon"].item()
        self.n_sampled_ = len(self._landmarks)


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """|x_i - y_j|^2, (x, y)."""
    return torch.cdist(x, y).square()


def kernel_width(squared: Tensor, weight: Tensor) -> float:
    """The epsilon where ln sum_ij w_i w_j exp(-d_ij^2 / epsilon) rises most steeply with ln epsilon.

    The slope is <d^2> / epsilon over the kernel: below, frames see only themselves; above, everything.  Half
    the manifold's dimension between the two.
    """
    squared, weight = squared[:SCALE_SAMPLE, :SCALE_SAMPLE], weight[:SCALE_SAMPLE]
    positive = squared[squared > 0]
    if not len(positive):
        raise FelError("All landmarks are the same point.", remedy="Load other frames or features.")
    pair_weight = weight[:, None] * weight
    low, high = np.log(float(positive.min())), np.log(float(positive.max()))
    best, steepest = 0.0, -np.inf
    for epsilon in np.exp(np.arange(low, high + 1.0, 0.1)):
        scaled = squared / epsilon
        kernel = pair_weight * torch.exp(-scaled)
        slope = float((kernel * scaled).sum() / kernel.sum())
        if slope > steepest:
            best, steepest = float(epsilon), slope
    return best


def diffusion_modes(
    squared: Tensor, weight: Tensor, *, epsilon: float, alpha: float, n: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The ``n`` slowest modes of the random walk with kernel exp(-d^2 / epsilon).

    Parameters
    ----------
    squared
        (landmark, landmark) squared distances.
    weight
        (landmark,) of each landmark, as if it stood for so many points.

    Returns
    -------
    eigenvalues
        (n,) largest first, without the constant mode.
    functions
        (landmark, n), of unit variance under the walk's stationary distribution; the largest value of each is
        positive.
    bias
        (landmark,) ln (w_j / q_j^alpha): the walk from any point x goes to j in proportion to
        k(x, j) exp(bias_j).

    Notes
    -----
    Source: R. R. Coifman and S. Lafon (2006), doi:10.1016/j.acha.2006.04.006, section 3.1: k^alpha = k /
    (q^alpha q^alpha) with q the kernel's density, then rows are normalised.
    """
    kernel = torch.exp(-squared / epsilon)
    density = kernel @ weight
    scale = weight / density**alpha
    kernel = kernel * scale[:, None] * scale  # = w_i k^alpha_ij w_j, symmetric
    stationary = kernel.sum(1)
    root = stationary.sqrt()
    symmetric = (kernel / root[:, None] / root).numpy()
    last = len(symmetric) - 1
    values, vectors = scipy.linalg.eigh(symmetric, subset_by_index=[last - n, last])
    values, vectors = values[::-1][1:].copy(), vectors[:, ::-1][:, 1:].copy()
    functions = torch.from_numpy(vectors) / root[:, None] * stationary.sum().sqrt()
    largest = functions[functions.abs().argmax(0), torch.arange(n)]
    return torch.from_numpy(values), functions * largest.sign(), scale.log()
