"""Base of the methods that find states in the embedding of another method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.data.blocks import finite_blocks
from fel_explorer.data.moments import Covariance, Moments, accumulate_features, weights_of
from fel_explorer.errors import FelError
from fel_explorer.methods import block_mapping, parameters
from fel_explorer.methods.base import Method
from fel_explorer.methods.spectral.pca import PCA
from fel_explorer.methods.subsample import Sample, random_frames, take, warn_sampled
from fel_explorer.progress import Callback
from fel_explorer.training.data import Scaling

SAMPLE = 100_000  # frames, at most, from which cluster centres are found
SAMPLE_VALUES = 2**27  # numbers in that sample


class EmbeddedStates(Method):
    """Base of the methods that find states in an embedding.

    A method writes `_find`, `_memberships` and `_reorder`.  Its ``transform`` is that of the embedding, which
    is saved with it.

    Attributes
    ----------
    populations_
        (state,) fraction of frames (of weight, in a weighted dataset) whose largest membership is that state;
        states are numbered by it, largest first.
    n_sampled_
        Number of frames from which the centres were found, at most 100,000; 0 of files of earlier versions.
    """

    has_states = True
    takes_embedding = True
    lag_time: float  # a parameter of those that need one

    n_states = parameters.n_states(maximum=1000, precedence=1)

    def fit(
        self,
        X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        *,
        embedding: Method | None = None,
        device: str | torch.device = "auto",
        callback: Callback | None = None,
        checkpoint_dir: str | Path | None = None,
    ) -> EmbeddedStates:
        """Fit to ``X``; see `Method.fit`.

        Parameters
        ----------
        embedding
            A fitted method; the states are found in ``embedding.transform(X)``.  None: in the standardised
            features themselves, and `transform` then is their projection on the first two principal
            components, because a map is needed to show the states on.

        Raises
        ------
        FelError
            If the embedding is not fitted or was fitted on other features.
        """
        if embedding is not None and not isinstance(embedding, Method):
            raise FelError(
                f"embedding is a {type(embedding).__name__}.",
                "It is a fitted method, such as fel.TICA(lag_time=10).fit(data).",
            )
        self._given = embedding
        return super().fit(X, device=device, callback=callback, checkpoint_dir=checkpoint_dir)

    @property
    def embedding_(self) -> Method:  # type: ignore[override]  # None for methods that take no embedding
        """The method on whose embedding the states are shown."""
        self._check_fitted()
        return self._embedding

    @property
    def n_dims(self) -> int:
        """Dimensions of the embedding."""
        return self.embedding_.n_dims

    # ---- what a method implements

    def _find(self, dataset: xr.Dataset, points: torch.Tensor, frames: np.ndarray) -> None:
        """Find the states; ``points`` (frame, dimension) are those of a sample of ``frames``."""
        raise NotImplementedError

    def _memberships(self, points: torch.Tensor) -> torch.Tensor:
        """(frame, state) of points (frame, dimension)."""
        raise NotImplementedError

    def _reorder(self, order: torch.Tensor) -> None:
        """Number the states anew: state i becomes what state ``order[i]`` was."""
        raise NotImplementedError

    # ---- fit

    @torch.no_grad()
    def _fit(self, dataset, *, device, callback, checkpoint_dir):
        if self.needs_lag:
            schema.lag_in_frames(dataset, self.lag_time)  # before anything slow
        size = min(SAMPLE, max(SAMPLE // 10, SAMPLE_VALUES // dataset.sizes["feature"]))
        frames = random_frames(dataset, size, self.seed)
        self.n_sampled_ = len(frames)
        warn_sampled(self, dataset, len(frames))
        sample = self._choose_space(dataset, self._given, frames)
        points = torch.cat([self._points(block) for block in sample.split(block_mapping.BLOCK)])
        self._find(dataset, points, frames)
        self._number(dataset)

    def _choose_space(self, dataset, embedding, frames) -> torch.Tensor:
        """Set the space in which states are found; returns the features (frame, feature) of ``frames``."""
        self._scaling, sample = None, Sample(frames)
        if embedding is None:
            moments, covariance = Moments(), Covariance(weights_of(dataset))
            accumulate_features(dataset, moments, covariance, sample)
            n_dims = min(2, dataset.sizes["feature"], dataset.sizes["frame"])
            embedding = PCA(n_dims=n_dims).fit_covariance(covariance, dataset)
            self._scaling = Scaling.from_moments(moments, dataset)
        theirs, own = embedding.fitted_feature_names(), self.fitted_feature_names()
        if theirs != own:
            raise FelError(
                f"The {type(embedding).__name__} was fitted on {len(theirs)} features"
                f" ({theirs[0]}, ...), the data have {len(own)} ({own[0]}, ...).",
                "An embedding belongs to the features that it was fitted on.",
                "Featurize with the same featurizers, or fit the embedding to these data.",
            )
        self._embedding = embedding
        return sample.features if self._scaling is not None else take(dataset, frames)

    def _number(self, dataset):
        """Number the states by population and set `populations_`."""
        weight = torch.ones(dataset.sizes["frame"], dtype=torch.float64)
        if "weight" in dataset:
            weight = torch.as_tensor(dataset["weight"].values).double()
        population = torch.zeros(self.n_states, dtype=torch.float64)
        for start, points in self._blocks(dataset):
            state = self._memberships(points).argmax(1)
            population.index_add_(0, state, weight[start : start + len(state)])
        order = population.argsort(descending=True, stable=True)
        self._reorder(order)
        self.populations_ = (population[order] / population.sum()).numpy()

    def _blocks(self, dataset):
        """Yield (first frame, points) over all frames."""
        for start, block in finite_blocks(dataset):
            for first in range(0, len(block), block_mapping.BLOCK):
                part = np.array(block[first : first + block_mapping.BLOCK], np.float32)
                yield start + first, self._points(torch.from_numpy(part))

    def _points(self, features) -> torch.Tensor:
        """Where states are looked for: (frame, dimension) on the CPU."""
        if self._scaling is None:
            return self._embedding._transform(features).cpu().float()
        return self._scaling(features)

    def _check_distinct(self, points, n, what):
        """Raise a `FelError` when there are fewer than ``n`` different points for ``what``."""
        distinct = len(np.unique(points.numpy(), axis=0))
        if distinct < n:
            raise FelError(
                f"{what} for {distinct} different points.",
                "Each needs at least one point of its own.",
                "Take fewer, or more frames.",
            )

    # ---- the verbs and the file

    def _transform(self, features):
        return self._embedding._transform(features)

    def _predict_proba(self, features):
        return self._memberships(self._points(features))

    def _get_parts(self):
        return {"embedding": self._embedding}

    def _set_parts(self, parts):
        if "embedding" not in parts:
            raise FelError("The model file lacks its embedding.", remedy="The file is damaged; train again.")
        self._embedding = parts["embedding"]

    def _get_arrays(self):
        arrays = {"populations": torch.from_numpy(self.populations_)}
        arrays["n_sampled"] = torch.tensor(self.n_sampled_)
        if self._scaling is not None:
            arrays |= {"mean": self._scaling.mean, "scale": self._scaling.scale, "keep": self._scaling.keep}
        return arrays

    def _set_arrays(self, arrays):
        self.populations_ = arrays["populations"].numpy()
        self.n_sampled_ = int(arrays.get("n_sampled", 0))
        self._scaling = None
        if {"mean", "scale", "keep"} & arrays.keys():
            self._scaling = Scaling(arrays["mean"], arrays["scale"], arrays["keep"])


def nearest(points: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Index (point,) of the nearest centre."""
    # without the matrix product, whose rounding can turn a near tie with the size of a block
    return torch.cdist(points, centres, compute_mode="donot_use_mm_for_euclid_dist").argmin(1)
