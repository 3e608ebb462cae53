"""The contract of a method: a `param` class with scikit-learn's verbs, and the registry of all of them.

To add a method write one file in this package with one registered class::

    @register
    class MyCV(Method):
        '''One sentence: shown as the method's help.'''

        n_dims = param.Integer(2, bounds=(1, None), doc="Dimensions of the embedding.")

        def _fit(self, dataset, *, device, callback, checkpoint_dir): ...
        def _transform(self, features): ...        # tensor (frame, feature) -> tensor (frame, cv)
        def _get_arrays(self): ...                 # everything fitted, {name: tensor}
        def _set_arrays(self, arrays): ...

That is all: the package imports every module in it.  The method is then ``fel.MyCV`` and has a form in the
app, flags in the command line, a file format, and the contract tests.  Another package adds a method by an
entry point, see `fel_explorer.plugins`.

The form shows the parameters by ``precedence``: the few that matter from 1, those for experts from 10.
``label`` is the form's label and ``doc`` its tooltip, in plain language, with the unit.  Values are JSON
types.
A method that is trained step by step sets what `_transform` needs before its first step, because the
callback may call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import param
import torch
import xarray as xr
from numpy.typing import ArrayLike

from fel_explorer.data import schema
from fel_explorer.devices import resolve_device
from fel_explorer.errors import FelError
from fel_explorer.methods import model_file
from fel_explorer.methods.block_mapping import map_features, map_into_store
from fel_explorer.methods.koopman.timescales import TimeScales
from fel_explorer.methods.registry import list_methods
from fel_explorer.progress import Callback

if TYPE_CHECKING:
    import networkx


class Model(param.Parameterized):
    """Base of everything that is fitted: hyperparameters, the fit to a dataset, and the file.

    Hyperparameters are Params.  Fitted attributes end in ``_``.  ``feature_names_`` and ``time_unit_`` are
    those of the data seen by `fit`.
    """

    seed = param.Integer(
        0,
        bounds=(0, 2**31 - 1),
        precedence=9,
        label="Seed",
        doc="Seed of every random choice: the same seed gives the same result.",
    )

    def __init__(self, **params: Any) -> None:
        unknown = set(params) - set(self.hyperparameter_names())
        if unknown:
            raise FelError(
                f"{type(self).__name__} got {sorted(unknown)}.",
                f"Its parameters are {', '.join(self.hyperparameter_names())}.",
            )
        try:
            super().__init__(**params)
        except ValueError as error:
            raise FelError(f"{type(self).__name__}: {error}") from error
        self.history = xr.Dataset()
        self.feature_names_: list[str] | None = None
        self.time_unit_: str | None = None

    # ---- hyperparameters

    @classmethod
    def hyperparameter_names(cls) -> list[str]:
        """Names of the hyperparameters in the order of the form."""
        return sorted(
            (name for name in cls.param if name != "name"),
            key=lambda name: (cls.param[name].precedence or 0, list(cls.param).index(name)),
        )

    def hyperparameters(self) -> dict:
        """The hyperparameters' values, all of them JSON types."""
        return {name: getattr(self, name) for name in self.hyperparameter_names()}

    # ---- the fit and the file

    def fit(
        self,
        X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        *,
        device: str | torch.device = "auto",
        callback: Callback | None = None,
        checkpoint_dir: str | Path | None = None,
    ) -> Self:
        """Fit to ``X``: a dataset, an array (frame, feature), or a list of arrays (one per trajectory).

        Parameters
        ----------
        device
            "auto" (CUDA when there is one), "cpu", "cuda", "cuda:1", ...
        callback
            Called with `progress.Progress`; returns True to stop early and keep the result so far.
            It may call `transform` and `predict_proba`.
        checkpoint_dir
            Folder for checkpoints; a fit that was killed resumes from there to the same numbers.
        """
        dataset = schema.as_dataset(X)
        self.feature_names_ = [str(name) for name in dataset["feature"].values]
        self.time_unit_ = dataset.attrs["time_unit"]
        self._fit(dataset, device=resolve_device(device), callback=callback, checkpoint_dir=checkpoint_dir)
        return self

    @property
    def is_fitted(self) -> bool:
        """Whether it was fitted, or read from a file."""
        return self.feature_names_ is not None

    def save(self, path: str | Path) -> None:
        """Write the fitted method to one file: safetensors with a JSON header, no pickle."""
        self._check_fitted()
        model_file.write(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote; a `FelError` where the file holds something else than this class."""
        return model_file.load(path, cls)

    # ---- what a model implements

    def _fit(self, dataset, *, device, callback, checkpoint_dir) -> None:
        raise NotImplementedError

    def _get_arrays(self) -> dict[str, torch.Tensor]:
        raise NotImplementedError

    def _set_arrays(self, arrays: dict[str, torch.Tensor]) -> None:
        raise NotImplementedError

    def _get_parts(self) -> dict[str, Model]:
        """Fitted models that this one is made of, saved in the same file; names without "/"."""
        return {}

    def _set_parts(self, parts: dict[str, Model]) -> None:
        """Take the parts back; called before `_set_arrays`."""

    # ---- helpers

    def _check_fitted(self) -> None:
        self.fitted_feature_names()

    def fitted_feature_names(self) -> list[str]:
        """Names of the features that were seen by `fit`; a `FelError` before."""
        if self.feature_names_ is None:
            raise FelError(
                f"This {type(self).__name__} is not fitted.",
                remedy=f"Call fit(data) first, or {type(self).__name__}.load(path).",
            )
        return self.feature_names_


class Method(Model):
    """Base of all methods; see the module's docstring for how to write one.

    What a method can do is declared by the attributes below.  The app, the command line and the assessment
    read them and never look whether an attribute exists; the contract tests check them against behaviour.  A
    method for which one depends on hyperparameters makes it a property.

    Attributes
    ----------
    n_dims : int
        Dimensions of the embedding; every method has them, as a hyperparameter or a property.
    needs_lag
        It has ``lag_time``; where 0 is allowed it means no lag.
    needs_columns
        It learns from columns of the dataset (labels, energies) too.
    takes_embedding
        ``fit(embedding=...)`` takes another fitted method, which is then `embedding_`.
    embedding_
        The fitted method in whose embedding this one works, else None.
    has_states
        `predict_proba` and `predict`.
    has_tree
        The states form a tree: `graph` and `n_levels`, and `transform`, `predict_proba` and `predict` take a
        ``level``.
    has_microstates
        The states are made of microstates: `predict_microstates` and `microstate_memberships`.
    has_modes
        The axes of the embedding are modes with ``eigenvalues_``.
    has_timescales
        `timescales`: of the modes, or of the Markov model of the states.
    has_decoder
        `inverse_transform`.
    has_energies
        `predict_energy`, learned from the column ``energy_column``.
    ignores_rigid_motion
        The embedding of coordinates does not change when all atoms move or turn together.
    score_name
        Name of the score that training maximises, among the losses that it reports; "" where it minimises a
        loss.  The negative of the score on held-out data is then "validation".
    trains_on_ranks
        Its objective is made of sums over a batch, which are reduced over the processes of ``torchrun``.
    reversible
        The data are taken to be at equilibrium: each pair of frames counts in both directions of time.
    """

    needs_lag = False
    needs_columns = False
    takes_embedding = False
    embedding_: Method | None = None
    has_states = False
    has_tree = False
    has_microstates = False
    has_modes = False
    has_timescales = False
    has_decoder = False
    has_energies = False
    ignores_rigid_motion = False
    trains_on_ranks = False
    energy_column = ""
    score_name = ""
    reversible = True
    implied_timescales_: np.ndarray  # of the methods that have time scales

    if TYPE_CHECKING:

        @property
        def n_dims(self) -> int:
            """Dimensions of the embedding: a parameter or a property of each method."""
            raise NotImplementedError

        @property
        def lag_time(self) -> float:
            """Lag time in the data's time unit: a parameter of the methods that need a lag."""
            raise NotImplementedError

    def needs_positions(self, dataset: xr.Dataset) -> bool:
        """Whether `fit` to ``dataset`` needs ``positions``, those of the atoms behind its features."""
        return False

    @property
    def lags(self) -> tuple[float, ...]:
        """Lags that resolve the dynamics, in the data's time unit, one for each level of a tree; or ()."""
        return (self.lag_time,) if self.needs_lag and self.lag_time else ()

    # ---- the public verbs

    def transform(
        self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray], *, out: str | Path | None = None
    ) -> xr.DataArray:
        """Embedding, (frame, cv) float32.

        Parameters
        ----------
        out
            Path of a zarr folder to write to, block by block: memory then does not grow with the number of
            frames, and the result is read from there when it is used.  The folder is a dataset, with the
            axes of the embedding as its features, that `fel.open_dataset` opens and other methods can be
            fitted to.

        Raises
        ------
        FelError
            If the method is not fitted, the features are others, or ``out`` is taken or can't be written.
        """
        return self._map(X, self._transform, "cv", out)

    def fit_transform(
        self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray], **options: Any
    ) -> xr.DataArray:
        """`fit`, then `transform` of the same data."""
        return self.fit(X, **options).transform(X)

    def predict_proba(
        self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray], *, out: str | Path | None = None
    ) -> xr.DataArray:
        """Soft memberships chi, (frame, state) float32; rows sum to 1.  ``out`` as in `transform`."""
        self._require(self.has_states, "predict_proba", "states", "has_states")
        return self._map(X, self._predict_proba, "state", out)

    def predict(self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray]) -> xr.DataArray:
        """State of each frame, (frame,) int: the largest membership."""
        self._require(self.has_states, "predict_proba", "states", "has_states")
        return self._map_states(X, self._predict_proba)

    def inverse_transform(self, Z: ArrayLike) -> np.ndarray:
        """Features (frame, feature) decoded from points (frame, cv) of the embedding."""
        self._require(self.has_decoder, "inverse_transform", "a decoder", "has_decoder")
        self._check_fitted()
        Z = np.atleast_2d(np.asarray(Z, np.float32))
        with torch.no_grad():
            return self._inverse_transform(torch.from_numpy(Z)).cpu().numpy()

    def timescales(self) -> TimeScales:
        """Time scales of the fitted method, slowest first."""
        self._require(self.has_timescales, "time scales", "slow processes", "has_timescales")
        self._check_fitted()
        return self._timescales()

    @property
    def graph(self) -> networkx.DiGraph:
        """The tree of states; see `DivisiveIDM.graph`."""
        raise self._lacking("graph", "a tree of states", "has_tree")

    @property
    def n_levels(self) -> int:
        """Levels of the tree of states; 1 without a tree."""
        return 1

    @property
    def default_level(self) -> int:
        """Level of the tree to look at first: that of the shortest lag, unless a method chooses another."""
        return self.n_levels - 1

    def predict_microstates(self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray]) -> xr.DataArray:
        """Microstate (frame,) int32 of each frame, of a method whose states are made of microstates."""
        raise self._lacking("predict_microstates", "microstates", "has_microstates")

    def microstate_memberships(self, level: int = -1) -> np.ndarray:
        """Memberships (microstate, state) float32 at a level, from which those of frames are looked up."""
        raise self._lacking("microstate_memberships", "microstates", "has_microstates")

    def predict_energy(self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray]) -> xr.DataArray:
        """Potential energy (frame,), in the unit of the column ``energy_column``."""
        raise self._lacking("predict_energy", "energies", "has_energies")

    def dense_layers(self) -> list[tuple[np.ndarray, np.ndarray, str]] | None:
        """Layers from features to embedding, for programs that know these only, such as PLUMED's ANN.

        Returns
        -------
        (weight (out, in), bias (out,), "Tanh" or "Linear") of each layer, float64, standardisation included;
        None where the method is not such a network.
        """
        return None

    # ---- what a method implements, besides `_fit`, `_get_arrays` and `_set_arrays`

    def _transform(self, features: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def _predict_proba(self, features: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def _inverse_transform(self, points: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def _timescales(self) -> TimeScales:
        return TimeScales(self.implied_timescales_, self.time_unit_ or "")

    # ---- helpers

    def _require(self, present, verb, what, flag):
        if not present:
            raise self._lacking(verb, what, flag)

    def _lacking(self, verb, what, flag) -> FelError:
        """The error of a method that can't do ``verb``: it names those that can."""
        able = [name for name, cls in list_methods().items() if getattr(cls, flag)]
        return FelError(f"{type(self).__name__} has no {verb}: it does not learn {what}.", f"{able} do.")

    def _map(self, X, function, dim, out=None) -> xr.DataArray:
        """Apply ``function`` in blocks of frames; into a store at ``out``, or into an array."""
        names = self.fitted_feature_names()
        dataset = X if isinstance(X, xr.Dataset) else schema.as_dataset(X)
        if dataset.sizes["feature"] != len(names):
            raise FelError(
                f"The data have {dataset.sizes['feature']} features.",
                f"This {type(self).__name__} was fitted on {len(names)} ({names[0]}, ...).",
                "Featurize with the same featurizers.",
            )
        if out is None:
            return map_features(dataset, function, dim)
        return map_into_store(dataset, function, dim, out)

    def _map_states(self, X, memberships) -> xr.DataArray:
        """State (frame,) int of the largest of ``memberships``, a function of features."""

        def states(features):
            return memberships(features).argmax(1, keepdim=True)

        return self._map(X, states, "one")[:, 0].rename("state")


def load_model(path: str | Path) -> Method:
    """Read a fitted method that `Method.save` wrote.  Files from anywhere are safe to load: nothing runs.

    Raises
    ------
    FelError
        If the file is missing, corrupt, not a method of fel_explorer, or of a newer format.
    """
    return model_file.load(path, Method)
