"""A fitted CV as a file of its own: TorchScript for PLUMED's PYTORCH_MODEL, and a `torch.export` archive.

Both map features (1, feature) float32 to the CV (1, cv) float32, and can be differentiated.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from fel_explorer.data.atomic_folders import whole_file
from fel_explorer.methods.base import Method
from fel_explorer.sampling.cv_function import map_of


def graph_of(method: Method) -> torch.fx.GraphModule:
    """The CV of a fitted method as a graph of tensor operations on the CPU, its weights inside."""
    transform = map_of(method)
    example = torch.zeros(1, len(method.fitted_feature_names()))
    with torch.no_grad():
        graph = make_fx(lambda features: transform(features).float().cpu())(example)
    for parameter in graph.parameters():
        parameter.requires_grad_(False)
    return graph.cpu()


def save_torchscript(method: Method, path: str | Path) -> Path:
    """Write the CV as TorchScript, which PLUMED's PYTORCH_MODEL and `torch.jit.load` read."""
    graph, example = graph_of(method), torch.zeros(1, len(method.fitted_feature_names()))
    with warnings.catch_warnings():
        # deprecated since torch 2.11, but PLUMED reads nothing else
        warnings.filterwarnings(
            "ignore", message=r".*torch\.jit\..* is deprecated", category=DeprecationWarning
        )
        content = io.BytesIO()  # torch's own writer ends the process where the disk is full
        torch.jit.save(torch.jit.trace(graph, example), content)
    with whole_file(path) as partial:
        partial.write_bytes(content.getbuffer())
    return Path(path)


def save_archive(method: Method, path: str | Path) -> Path:
    """Write the CV as a ``.pt2`` archive, which `torch.export.load` reads."""
    example = torch.zeros(1, len(method.fitted_feature_names()))
    archive = torch.export.export(graph_of(method), (example,))
    content = io.BytesIO()
    torch.export.save(archive, content)
    with whole_file(path) as partial:
        partial.write_bytes(content.getbuffer())
    return Path(path)
