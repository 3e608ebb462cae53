"""A fitted CV as input for PLUMED: the features, the CV, and a biased run along it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import xarray as xr

from fel_explorer.data.atomic_folders import whole_file, writing
from fel_explorer.errors import FelError
from fel_explorer.export.ann import ann_action, dense_layers
from fel_explorer.export.plumed_features import feature_lines, position_lines
from fel_explorer.export.torch_files import save_archive, save_torchscript
from fel_explorer.methods.base import Method

BIASES = ("opes", "metadynamics", "none")
ENGINES = ("auto", "ann", "pytorch")
STRIDE, PACE = 100, 500  # steps between two lines of COLVAR, and between two kernels


def plumed(
    method: Method,
    data: xr.Dataset,
    path: str | Path,
    *,
    bias: str = "opes",
    engine: str = "auto",
    temperature: float | None = None,
    barrier: float = 40.0,
) -> Path:
    """Write a folder from which PLUMED biases a simulation along the CV.

    Parameters
    ----------
    method
        Fitted; any method of the registry.
    data
        The dataset it was fitted on: it holds the atoms of each feature and the width of the CV.
    path
        Folder, made when missing: ``plumed.dat``; ``cv.pt`` (TorchScript) where PYTORCH_MODEL is used; and
        ``cv.pt2``, a `torch.export` archive of the same CV.
    bias
        "opes" (OPES_METAD, which finds its own widths), "metadynamics" (well-tempered METAD), or "none".
    engine
        "ann": the network as text in ``plumed.dat``, for linear methods and networks with tanh;
        "pytorch": PYTORCH_MODEL, for which PLUMED must be built with LibTorch; "auto": the first that goes.
    temperature
        Of the simulation to come, in K; default that of the data, or 300 where it is not known.
    barrier
        The highest that is to be crossed, in kJ/mol.

    Returns
    -------
    Path of ``plumed.dat``.

    Raises
    ------
    FelError
        For features without a counterpart in PLUMED, data of other features, or an engine that can't hold
        the method.
    """
    fitted, names = method.fitted_feature_names(), [str(name) for name in data["feature"].values]
    if names != fitted:
        raise FelError(
            f"The {type(method).__name__} was fitted on {len(fitted)} features"
            f" ({fitted[0]}, ...), the data have {len(names)} ({names[0]}, ...).",
            remedy="Give the dataset that it was fitted on.",
        )
    for value, valid, name in ((bias, BIASES, "bias"), (engine, ENGINES, "engine")):
        if value not in valid:
            raise FelError(f"{name}={value!r}.", f"It is one of {', '.join(map(repr, valid))}.")
    lines, labels = position_lines(data) if method.ignores_rigid_motion else feature_lines(data)
    layers = None if engine == "pytorch" else dense_layers(method)
    if engine == "ann" and layers is None:
        raise FelError(
            f"engine='ann' for {type(method).__name__}.",
            "PLUMED's ANN holds linear methods and networks with tanh.",
            "Take engine='pytorch'.",
        )
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    if layers is None:
        cv = f"cv: PYTORCH_MODEL FILE=cv.pt ARG={','.join(labels)}"
    else:
        cv = ann_action(layers, "cv", labels)
    nodes = [f"cv.node-{i}" for i in range(method.n_dims)]
    if temperature is None:
        temperature = float(data.attrs.get("temperature", 300.0))
    widths = 0.1 * method.transform(data).values.std(axis=0)
    text = [
        f"# {type(method).__name__} of fel_explorer on {len(labels)} features; nm, kJ/mol, ps.",
        *(f"# {label}: {name}" for label, name in zip(labels, names, strict=True)),
        *lines,
        cv,
        *_bias(bias, nodes, widths, temperature, barrier),
    ]
    # all are written before the first takes its place
    with writing(f"'{folder}' can't be written"), ExitStack() as stack:
        if layers is None:
            save_torchscript(method, stack.enter_context(whole_file(folder / "cv.pt")))
        save_archive(method, stack.enter_context(whole_file(folder / "cv.pt2")))
        stack.enter_context(whole_file(folder / "plumed.dat")).write_text("\n".join(text) + "\n")
    return folder / "plumed.dat"


def _bias(kind: str, nodes: list[str], widths: np.ndarray, temperature: float, barrier: float) -> list[str]:
    """The lines of the bias and of what is printed."""
    arguments, printed = ",".join(nodes), list(nodes)
    lines = []
    if kind == "opes":
        lines = [f"bias: OPES_METAD ARG={arguments} PACE={PACE} TEMP={temperature:g} BARRIER={barrier:g}"]
    elif kind == "metadynamics":
        # as high as the barrier at convergence: (gamma - 1) kT = barrier and a bit
        factor = max(2.0, 1.0 + 1.2 * barrier / (0.00831446261815324 * temperature))
        sigma = ",".join(f"{width:.4g}" for width in widths)
        lines = [
            "# SIGMA is a tenth of the spread of the CV in the data",
            f"bias: METAD ARG={arguments} SIGMA={sigma} HEIGHT=1.2 PACE={PACE} "
            f"BIASFACTOR={factor:.3g} TEMP={temperature:g} FILE=HILLS",
        ]
    if lines:
        printed.append("bias.bias")
    return [*lines, f"PRINT ARG={','.join(printed)} STRIDE={STRIDE} FILE=COLVAR"]
