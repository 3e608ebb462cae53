"""The file of a fitted method: safetensors with a JSON header, so that loading runs no code."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
import torch
import xarray as xr
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from fel_explorer.data.atomic_folders import whole_file
from fel_explorer.errors import FelError
from fel_explorer.methods.registry import list_models

if TYPE_CHECKING:
    from fel_explorer.methods.base import Model

M = TypeVar("M", bound="Model")

FORMAT_VERSION = 1
SIZES = ("n_dims", "n_states")  # hyperparameters that are sizes of arrays, apart from hidden layers
USUAL = 4096  # a size up to which hyperparameters that a method did not use are built
LAYERS = 100
WEIGHTS = ("weight", "bias")  # last parts of the names of a network's arrays
HEADER = {
    "method": str,
    "hyperparameters": dict,
    "feature_names": list,
    "time_unit": str,
}


def write(method: Model, path: str | Path) -> None:
    """Write a fitted model to ``path``."""
    header, arrays = _pack(method)
    header = {"format": "fel_explorer", "format_version": FORMAT_VERSION, **header}
    with whole_file(path) as partial:
        # one entry of metadata: safetensors orders several at random, and equal models give equal files
        text = json.dumps({**header, "crc32": _checksum(header, arrays)})
        save_file(arrays, str(partial), metadata={"fel": text})


def _checksum(header: dict, arrays: dict[str, torch.Tensor]) -> str:
    """CRC-32 of the header and of the names and bytes of all arrays, in hex."""
    found = zlib.crc32(json.dumps(header).encode())
    for name in sorted(arrays):
        found = zlib.crc32(name.encode(), found)
        found = zlib.crc32(arrays[name].numpy().tobytes(), found)
    return f"{found:08x}"


def _pack(method) -> tuple[dict, dict[str, torch.Tensor]]:
    """Header and arrays of the file, those of the parts below "parts/NAME/"."""
    arrays = {name: tensor.detach().cpu().contiguous() for name, tensor in method._get_arrays().items()}
    for name, values in method.history.variables.items():
        arrays[f"history/{name}"] = torch.from_numpy(np.array(values.values))
    header = {
        "method": type(method).__name__,
        "hyperparameters": method.hyperparameters(),
        "feature_names": method.feature_names_,
        "time_unit": method.time_unit_,
        "parts": {},
    }
    for part, inner in method._get_parts().items():
        header["parts"][part], inside = _pack(inner)
        arrays |= {f"parts/{part}/{name}": tensor for name, tensor in inside.items()}
    return header, arrays


@runtime_checkable
class Movable(Protocol):
    """A tensor, a network, or an object of both that has a copy on another device."""

    def to(self, device: Any) -> Any:
        """The same on ``device``."""


def copy_on(method: M, device: str | torch.device = "cpu") -> M:
    """The model itself where it is on ``device``, else a copy of it there, as if saved and loaded."""
    device = torch.empty(0, device=device).device  # with its number
    if device.type == "cpu" and all(tensor.device == device for tensor in _all_arrays(method)):
        return method
    header, arrays = _pack(method)
    copied = cast("M", _unpack(header, arrays, type(method).__name__))
    if device.type != "cpu":
        _move(copied, device)
    return copied


def _move(method, device) -> None:
    """Move all tensors of a model, those of its parts and of objects with a ``to`` included."""
    for name, value in list(vars(method).items()):
        if name.startswith("_param__"):
            continue
        if isinstance(value, Movable):
            setattr(method, name, value.to(device))
    for part in method._get_parts().values():
        _move(part, device)


def _all_arrays(method) -> Iterator[torch.Tensor]:
    yield from method._get_arrays().values()
    for part in method._get_parts().values():
        yield from _all_arrays(part)


def state_of(model: Model) -> dict[str, Any]:
    """Hyperparameters, arrays, history and parts of a fitted model, as data; see `from_state`."""
    return {
        "hyperparameters": model.hyperparameters(),
        "feature_names": model.feature_names_,
        "time_unit": model.time_unit_,
        "history": model.history,
        "parts": model._get_parts(),
        "arrays": {name: tensor.detach().cpu() for name, tensor in model._get_arrays().items()},
    }


def from_state(kind: type[M], state: dict[str, Any]) -> M:
    """The model of the class ``kind`` whose `state_of` is given; its parts are those of the state."""
    model = kind(**state["hyperparameters"])
    model.feature_names_, model.time_unit_ = state["feature_names"], state["time_unit"]
    model.history = state["history"]
    model._set_parts(state["parts"])
    model._set_arrays(dict(state["arrays"]))
    return model


def load(path: str | Path, kind: type[M]) -> M:
    """Read a fitted model of the class ``kind``; a `FelError` where the file holds something else."""
    path = Path(path)
    if not path.is_file():
        raise FelError(f"No file '{path}'.", remedy="Give the path of a model saved with model.save(path).")
    header, arrays = _read(path)
    found = list_models().get(header.get("method"))
    if found is not None and not issubclass(found, kind):
        raise FelError(
            f"'{path.name}' holds a {found.__name__}, which is no {kind.__name__}.",
            remedy=f"Load it with {found.__name__}.load(path).",
        )
    return cast("M", _unpack(header, arrays, path.name))


def _unpack(header, arrays, where) -> Model:
    """The model that `_pack` took apart."""
    if missing := HEADER.keys() - header.keys():
        raise _not_a_model(where, f"no {sorted(missing)[0]}")
    for name, kind in HEADER.items():
        if not isinstance(header[name], kind):
            raise _not_a_model(where, f"{name} is {type(header[name]).__name__}")
    methods = list_models()
    if header["method"] not in methods:
        raise FelError(f"'{where}' holds the method '{header['method']}'.", f"Known: {sorted(methods)}.")
    _check_header(header, where)
    _check_sizes(header["hyperparameters"], arrays, where)
    try:
        method = methods[header["method"]](**header["hyperparameters"])
        method.feature_names_, method.time_unit_ = header["feature_names"], header["time_unit"]
        _fill(method, header.get("parts", {}), arrays, where)
    except FelError:
        raise
    except Exception as error:  # what is built from the parts of a damaged file fails in many ways
        raise FelError(
            f"'{where}' lacks or misshapes a part: {' '.join(str(error).split())[:200]}",
            "A model file holds the weights and the training history of one method.",
            "The file is damaged; copy it again, or train again.",
        ) from error
    return method


def _check_header(header, where) -> None:
    """Types of what lies within the header."""
    names, parts = header["feature_names"], header.get("parts", {})
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise _not_a_model(where, "feature_names are not different texts")
    if not (isinstance(parts, dict) and all(isinstance(part, dict) for part in parts.values())):
        raise _not_a_model(where, f"parts is {type(parts).__name__}")


def _check_sizes(hyperparameters, arrays, where) -> None:
    """Sizes of networks against the tensors of the file, and weights, before anything is built."""
    largest = max([USUAL, *(size for tensor in arrays.values() for size in tensor.shape)])
    for name in (n for n in hyperparameters if n in SIZES or "hidden" in n):
        value = hyperparameters[name]
        sizes = value if isinstance(value, list | tuple) else [value]
        if len(sizes) > LAYERS or any(isinstance(size, int) and size > largest for size in sizes):
            raise _not_a_model(where, f"{name} is {str(value)[:60]}, which its arrays don't hold")
    for name, tensor in arrays.items():
        if name.rsplit(".", 1)[-1] in WEIGHTS and not bool(torch.isfinite(tensor).all()):
            raise _not_a_model(where, f"'{name}' holds numbers that are not finite")


def _fill(method, parts, arrays, where) -> None:
    own = {name: tensor for name, tensor in arrays.items() if not name.startswith(("history/", "parts/"))}
    history = {name: tensor.numpy() for name, tensor in _below(arrays, "history/").items()}
    if history:
        step = history.pop("step")
        method.history = xr.Dataset({k: ("step", v) for k, v in history.items()}, coords={"step": step})
    inside = {name: _unpack(part, _below(arrays, f"parts/{name}/"), where) for name, part in parts.items()}
    method._set_parts(inside)
    method._set_arrays(own)


def _below(arrays, prefix):
    return {name.removeprefix(prefix): tensor for name, tensor in arrays.items() if name.startswith(prefix)}


def _not_a_model(where, why):
    return FelError(
        f"'{where}' is not a model file of fel_explorer ({why}).",
        "Models are files written by model.save(path).",
        "Train again, or choose another file.",
    )


def _read(path):
    """Header and arrays of a model file."""
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            header = json.loads(metadata["fel"])
            if not isinstance(header, dict) or not isinstance(header.get("method"), str):
                raise KeyError("method")
            if header["format"] != "fel_explorer":
                raise KeyError("format")
            if not isinstance(header["format_version"], int):
                raise TypeError("format_version")
            if header["format_version"] > FORMAT_VERSION:
                raise FelError(
                    f"'{path.name}' has model format {header['format_version']}.",
                    f"This version of fel_explorer reads up to format {FORMAT_VERSION}.",
                    "Update fel_explorer.",
                )
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            # files of earlier versions have no checksum
            checksum = header.pop("crc32", None)
            if checksum is not None and checksum != _checksum(header, arrays):
                raise FelError(
                    f"'{path.name}' is not as it was written: its checksum differs.",
                    "Each model file carries a checksum of its weights.",
                    "Copy it again, or train again; the disk may be failing.",
                )
            return header, arrays
    except FelError:
        raise
    except (SafetensorError, OSError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise _not_a_model(path.name, type(error).__name__) from error
