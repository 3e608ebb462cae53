"""Calls, progress and results as bytes between the page's process and its workers.

Models travel as hyperparameters and arrays, as in their files; large arrays as files that are mapped.  The
objects that a call was given come back as themselves: a result that refers to the page's dataset or model
refers to the same object afterwards, not to a copy.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from fel_explorer import parallel
from fel_explorer.app.jobs import array_files
from fel_explorer.app.jobs.array_files import ArrayFiles
from fel_explorer.app.jobs.call import Call, found, named
from fel_explorer.app.jobs.registered import import_modules, registered_modules
from fel_explorer.methods.base import Model
from fel_explorer.methods.model_file import from_state, state_of
from fel_explorer.parallel import Choice

HEAD = struct.Struct("!Q")
# of which there may be many equal ones, and which have no identity that anything asks for
PLAIN = (str, bytes, int, float, complex, bool, type(None), tuple, list, dict, type, np.ndarray)


class NotSendable(Exception):
    """A call that another process can't make, and why."""


def _rebuild_tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)


class Pickler(pickle.Pickler):
    """Pickles with ``reference(obj)`` for known objects, and ``as_file(array)`` for large arrays."""

    def __init__(self, file, reference: Callable[[Any], Any], as_file: Callable[[np.ndarray], Any]) -> None:
        super().__init__(file, protocol=5)
        self._reference, self._as_file = reference, as_file

    def persistent_id(self, obj: Any) -> Any:
        return self._reference(obj)

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, np.ndarray) and array_files.is_large(obj):
            return self._as_file(obj)
        if type(obj) is torch.Tensor and not obj.requires_grad and obj.layout is torch.strided:
            return _rebuild_tensor, (obj.cpu().numpy(),)
        if isinstance(obj, Model) and obj.is_fitted:
            return from_state, (type(obj), state_of(obj))
        if isinstance(obj, type) and obj.__module__ == "__main__":
            raise NotSendable(f"{obj.__name__} is defined in the script or notebook itself")
        return NotImplemented


class Unpickler(pickle.Unpickler):
    """Reads what `Pickler` wrote; ``lookup`` finds the object of a reference."""

    def __init__(self, data: bytes, lookup: Callable[[Any], Any]) -> None:
        super().__init__(io.BytesIO(data))
        self.persistent_load = lookup


class Sent:
    """A call as bytes, and the objects that it was given, by number; without ``files`` arrays are among them.

    Raises
    ------
    NotSendable
        If an argument can't be sent.
    """

    def __init__(self, call: Call, files: ArrayFiles | None) -> None:
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._tables: list[bytes] = []
        self._top = {id(value) for value in (*call.args, *call.kwargs.values()) if _is_given(value)}
        self._files = files
        modules = registered_modules()
        if "__main__" in modules:
            raise NotSendable("a method or feature is defined in the script or notebook itself")
        try:
            main = self._dump((named(call.function), call.args, call.kwargs))
        except (pickle.PicklingError, AttributeError, TypeError, RecursionError) as error:
            raise NotSendable(str(error)) from error
        self.choice = Choice() if call.whole else parallel.choice()
        self.message = (modules, main, self._tables, self.choice)

    def _dump(self, obj: Any, root: Any = None) -> bytes:
        def reference(one):
            return None if one is root else self._number(one)

        file = io.BytesIO()
        Pickler(file, reference, self._as_file).dump(obj)
        return file.getvalue()

    def _as_file(self, array: np.ndarray) -> Any:
        return NotImplemented if self._files is None else (array_files.read, (str(self._files.path(array)),))

    def _number(self, obj: Any) -> int | None:
        """Number of an object that is to come back as itself; its own bytes are made with the first look."""
        if id(obj) in self._numbers:
            return self._numbers[id(obj)]
        if id(obj) not in self._top and not (isinstance(obj, Model) and obj.is_fitted):
            return None
        number = self._numbers[id(obj)] = len(self._objects)
        self._objects.append(obj)
        self._tables.append(b"")
        self._tables[number] = self._dump(obj, root=obj)
        return number

    def load(self, data: bytes) -> Any:
        """What the worker sent."""
        return Unpickler(data, self._objects.__getitem__).load()


def _is_given(value: Any) -> bool:
    return not isinstance(value, PLAIN) and not (isinstance(value, Model) and not value.is_fitted)


class Received:
    """A call in the worker, from the bytes of `Sent`; large arrays of results become files in ``folder``."""

    def __init__(self, message: tuple[list[str], bytes, list[bytes], Choice], folder: Path | None) -> None:
        (modules, main, self._tables, self.choice), self._folder = message, folder
        import_modules(modules)
        self._objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        name, args, kwargs = Unpickler(main, self._lookup).load()
        self.call = Call(found(*name), args, kwargs)

    def _lookup(self, number: int) -> Any:
        if number not in self._objects:
            made = Unpickler(self._tables[number], self._lookup).load()
            self._objects[number], self._numbers[id(made)] = made, number
        return self._objects[number]

    def dump(self, obj: Any) -> bytes:
        """``obj`` for the page's process."""
        file = io.BytesIO()
        Pickler(file, lambda one: self._numbers.get(id(one)), self._as_file).dump(obj)
        return file.getvalue()

    def dump_error(self, error: BaseException) -> bytes:
        """An exception for the page's process; one that can't be sent as its text."""
        try:
            pickle.loads(pickle.dumps(error))
            return self.dump(error)
        except Exception:  # exceptions of libraries refuse in many ways
            return self.dump(RuntimeError(f"{type(error).__name__}: {error}"))

    def _as_file(self, array: np.ndarray) -> Any:
        path = None if self._folder is None else array_files.write_once(array, self._folder)
        return NotImplemented if path is None else (array_files.take, (str(path),))


def send(stream: BinaryIO, kind: str, body: Any = None) -> None:
    """Write a message, whose body is of plain values and bytes."""
    data = pickle.dumps((kind, body), protocol=5)
    stream.write(HEAD.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[str, Any]:
    """Read a message; an `EOFError` where the other side has ended."""
    head = stream.read(HEAD.size)
    if head is None or len(head) < HEAD.size:
        raise EOFError
    (size,) = HEAD.unpack(head)
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return pickle.loads(data)
