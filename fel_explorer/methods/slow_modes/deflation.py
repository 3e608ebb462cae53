"""Known slow processes that are left out of what `SRV` finds.

Source: H. Sidky, W. Chen and A. L. Ferguson, Chem. Sci. 11, 9459 (2020), doi:10.1039/d0sc03635h, section 2.1.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from numpy.typing import ArrayLike

from fel_explorer.errors import FelError
from fel_explorer.methods.koopman import vamp


def nuisance(dataset: xr.Dataset, deflate: str | list[str] | ArrayLike) -> xr.DataArray:
    """The processes that `SRV.fit` deflates, as features (frame, feature) of the dataset's frames.

    Raises
    ------
    FelError
        For a column that the dataset does not have, another number of frames, or values not finite.
    """
    if isinstance(deflate, str) or (isinstance(deflate, list) and all(isinstance(n, str) for n in deflate)):
        names = [deflate] if isinstance(deflate, str) else deflate
        columns = [str(n) for n in dataset.data_vars if dataset[n].dims == ("frame",) and n != "weight"]
        if not names or set(names) - set(columns):
            raise FelError(f"deflate={deflate!r}.", f"Columns of the dataset are {columns}.")
        deflate = np.stack([dataset[name].values for name in names], axis=1)
    values = np.asarray(deflate, np.float32)
    values = values[:, None] if values.ndim == 1 else values
    n_frames = dataset.sizes["frame"]
    if values.ndim != 2 or len(values) != n_frames or not values.size or not np.isfinite(values).all():
        raise FelError(
            f"deflate holds values of shape {np.shape(deflate)}.",
            f"It has one finite value a frame, ({n_frames},), or one a frame and process ({n_frames}, n).",
        )
    names = [f"deflated {i}" for i in range(values.shape[1])]
    return xr.DataArray(values, dims=("frame", "feature"), coords={"feature": names})


def deflation(covariances: vamp.Covariances, n: int) -> Float[torch.Tensor, "function {n}"]:
    """Basis (function, direction) of what the first ``n`` functions span uncorrelated with the others.

    The projector 1 - S (S^T S)^-1 S^T, S the covariance of the first functions with the others; the
    identity where there are no others.
    """
    shared = covariances.c00[:n, n:]
    identity = torch.eye(len(covariances.c00), n, dtype=torch.float64, device=shared.device)
    if not shared.shape[1]:
        return identity
    gram = shared.T @ shared
    floor = 1e-12 * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return identity - torch.nn.functional.pad(
        shared @ torch.linalg.solve_ex(gram + floor, shared.T).result, (0, 0, 0, len(gram))
    )


def restrict(
    covariances: vamp.Covariances, basis: Float[torch.Tensor, "function direction"]
) -> vamp.Covariances:
    """Covariances of the combinations ``basis`` (function, direction) of the functions."""
    c00, c0t, ctt = (basis.T @ getattr(covariances, name) @ basis for name in ("c00", "c0t", "ctt"))
    return vamp.Covariances(c00, c0t, ctt, covariances.mean @ basis, covariances.mean_later @ basis)
