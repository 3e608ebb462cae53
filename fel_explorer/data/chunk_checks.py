"""Checks of a stored dataset's chunks: present, of a credible size, with the checksum that they carry.

Sizes are read from metadata and from the heads of the chunks (RFC 8878, section 3.1.1), before anything is
unpacked: a file of a stranger can claim any size, and can name codecs that execute code (numcodecs' pickle in
zarr v2).
"""

from __future__ import annotations

import itertools
import json
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from fel_explorer.errors import FelError

CODECS = {"bytes", "vlen-utf8", "zstd", "blosc", "crc32c"}
LARGEST_METADATA = 256 * 2**20  # bytes of zarr.json, which holds the topology
LARGEST_CHUNK = 256 * 2**20  # bytes of one chunk when it is unpacked
ROOM, RATIO = 64 * 2**20, 200  # arrays unpack to no more than ROOM bytes plus RATIO times their files
HEAD = 18  # bytes of the longest head of a zstd frame
ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class StoredArray:
    """What the metadata of an array say.

    Attributes
    ----------
    itemsize
        Bytes of a value; 0 of text, whose values differ in length.
    """

    name: str
    shape: tuple[int, ...]
    chunk_shape: tuple[int, ...]
    itemsize: int
    codecs: tuple[str, ...]
    separator: str

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of chunks along each dimension."""
        return tuple(-(-n // size) for n, size in zip(self.shape, self.chunk_shape, strict=True))

    @property
    def chunk_bytes(self) -> int:
        """Bytes of an unpacked chunk; 0 of text."""
        return math.prod(self.chunk_shape) * self.itemsize

    def chunk_keys(self) -> Iterator[str]:
        """Paths of the chunks below the array's folder."""
        for place in itertools.product(*map(range, self.grid)):
            yield self.separator.join(["c", *map(str, place)])


def check_chunks(path: Path) -> None:
    """Raise a `ValueError` that names the array unless all chunks of a store are there and of credible size.

    Chunks of stores without checksums, which earlier versions wrote, may be missing where they hold the fill
    value; of features none.
    """
    _check_files(path)
    claimed = stored = 0
    for array in stored_arrays(path):
        folder = path / array.name
        if array.chunk_bytes > LARGEST_CHUNK:
            raise ValueError(f"'{array.name}' has chunks of {array.chunk_bytes / 1e9:.3g} GB")
        sizes = {str(f.relative_to(folder)): f.stat().st_size for f in folder.rglob("*") if f.is_file()}
        sizes.pop("zarr.json")
        n_chunks = math.prod(array.grid)
        if n_chunks > len(sizes) and ("crc32c" in array.codecs or array.name in ("features", "feature")):
            raise ValueError(
                f"{n_chunks - len(sizes):,} of {n_chunks:,} blocks of '{array.name}' are missing"
            )
        if n_chunks <= len(sizes) and any(key not in sizes for key in array.chunk_keys()):
            raise ValueError(f"blocks of '{array.name}' are missing")
        found = sum(_claimed_bytes(array, folder / key, size) for key, size in sizes.items())
        claimed += max(found, math.prod(array.shape) * array.itemsize)
        stored += sum(sizes.values())
        if claimed > ROOM + RATIO * stored:
            raise ValueError(f"'{array.name}' claims {claimed / 1e9:.3g} GB in {stored / 1e6:.3g} MB")


def _check_files(path: Path) -> None:
    """Raise for what is neither a file nor a folder, such as a FIFO, which would never end."""
    for folder, _, files in os.walk(path):
        for name in files:
            if not stat.S_ISREG(os.stat(os.path.join(folder, name)).st_mode):
                raise ValueError(f"'{name}' is not a file")


def stored_arrays(path: Path) -> list[StoredArray]:
    """The arrays of a store, by their metadata.

    Raises
    ------
    ValueError
        If metadata are missing or damaged, or name codecs that datasets don't have.
    """
    if _metadata(path).get("node_type") != "group":
        raise ValueError("it is not a group of arrays")
    found = sorted(one for one in path.iterdir() if (one / "zarr.json").is_file())
    return [_stored_array(one.name, _metadata(one)) for one in found]


def _metadata(folder: Path) -> dict[str, Any]:
    file = folder / "zarr.json"
    if file.stat().st_size > LARGEST_METADATA:
        raise ValueError(f"'{folder.name}' has {file.stat().st_size / 1e9:.3g} GB of metadata")
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the metadata of '{folder.name}' can't be read") from error
    if not isinstance(about, dict):
        raise ValueError(f"the metadata of '{folder.name}' hold no fields")
    return about


def _stored_array(name: str, about: dict[str, Any]) -> StoredArray:
    try:
        grid, keys = about["chunk_grid"], about["chunk_key_encoding"]
        array = StoredArray(
            name,
            tuple(about["shape"]),
            tuple(grid["configuration"]["chunk_shape"]),
            _itemsize(about["data_type"]),
            tuple(codec["name"] for codec in about["codecs"]),
            keys.get("configuration", {}).get("separator", "/"),
        )
        numbers = [*array.shape, *array.chunk_shape]
        regular = grid["name"] == "regular" and keys["name"] == "default"
        valid = about["node_type"] == "array" and regular and len(array.shape) == len(array.chunk_shape)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the metadata of '{name}' are damaged") from error
    if not valid or not all(isinstance(n, int) and n >= 0 for n in numbers) or 0 in array.chunk_shape:
        raise ValueError(f"the metadata of '{name}' are damaged")
    if other := set(array.codecs) - CODECS:
        raise ValueError(f"'{name}' is packed by {', '.join(sorted(map(str, other)))}")
    return array


def _itemsize(data_type: Any) -> int:
    if isinstance(data_type, dict):
        return int(data_type["configuration"]["length_bytes"])
    return 0 if data_type == "string" else np.dtype(data_type).itemsize


def _claimed_bytes(array: StoredArray, file: Path, size: int) -> int:
    """Bytes to which a chunk says that it unpacks."""
    with file.open("rb") as stream:
        head = stream.read(HEAD)
    packed = size - 4 * ("crc32c" in array.codecs)
    claimed: int | None = packed
    if "zstd" in array.codecs:
        claimed = zstd_content_size(head)
    elif "blosc" in array.codecs:
        claimed = blosc_content_size(head, packed)
    if claimed is None or (array.itemsize and claimed != array.chunk_bytes) or claimed > LARGEST_CHUNK:
        shown = "an unknown size" if claimed is None else f"{claimed:,} bytes"
        raise ValueError(f"a block of '{array.name}' claims {shown}")
    return claimed


def zstd_content_size(head: bytes) -> int | None:
    """Size to which a zstd frame says that it unpacks; None where it says none, or is not a frame.

    RFC 8878, sections 3.1.1.1 and 3.1.1.1.4.
    """
    if len(head) < 6 or head[:4] != ZSTD:
        return None
    descriptor = head[4]
    flag, single_segment, dictionary = descriptor >> 6, descriptor >> 5 & 1, descriptor & 3
    n_bytes = (1 if single_segment else 0, 2, 4, 8)[flag]
    start = 5 + (not single_segment) + (0, 1, 2, 4)[dictionary]
    field = head[start : start + n_bytes]
    if n_bytes == 0 or len(field) < n_bytes:
        return None
    return int.from_bytes(field, "little") + (256 if n_bytes == 2 else 0)


def blosc_content_size(head: bytes, packed: int) -> int | None:
    """Size to which a Blosc 1 buffer of ``packed`` bytes says that it unpacks; None where it is not one.

    Its head is in README_HEADER.rst of c-blosc: sizes are the 4-byte integers at 4, 8 and 12.
    """
    if len(head) < 16 or int.from_bytes(head[12:16], "little") != packed:
        return None
    return int.from_bytes(head[4:8], "little")


class CheckedStore(LocalStore):
    """A store for reading, whose chunks are compared with their checksums: the error names the array."""

    _with_checksums: set[str] | None = None

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """The content of a file of the store; None where it has none.

        Raises
        ------
        FelError
            If a chunk is missing, or is not the one that was written.
        """
        found = await super().get(key, prototype, byte_range)
        array, _, chunk = key.partition("/")
        if byte_range is None and chunk.startswith("c/") and array in self._checked():
            if found is None:
                raise _changed(self.root, array, "is missing")
            content = found.to_bytes()
            if int.from_bytes(content[-4:], "little") != google_crc32c.value(content[:-4]):
                raise _changed(self.root, array, "is not as it was written (its checksum differs)")
        return found

    def _checked(self) -> set[str]:
        """Names of the arrays that have checksums."""
        if self._with_checksums is None:
            arrays = stored_arrays(self.root)
            self._with_checksums = {array.name for array in arrays if array.codecs[-1:] == ("crc32c",)}
        return self._with_checksums


def _changed(path: Path, array: str, how: str) -> FelError:
    return FelError(
        f"'{path}': a block of '{array}' {how}.",
        "Each block is compared with a checksum when it is read.",
        "Copy the dataset again, or featurize the trajectories again; the disk may be failing.",
    )
