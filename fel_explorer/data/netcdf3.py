"""Number of complete records in a classic NetCDF file, also where its end is missing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}  # bytes by type
STREAMING = 0xFFFFFFFF


class _Header:
    """Reads the header of the classic format (1, 2 and 5), as the NetCDF user's guide specifies it."""

    def __init__(self, stream):
        self.stream = stream
        self.version = stream.read(4)[3]

    def number(self, wide: bool = False) -> int:
        n = 8 if wide else 4
        return int.from_bytes(self.stream.read(n), "big")

    def count(self) -> int:
        return self.number(self.version == 5)

    def skip(self, n_bytes: int) -> None:
        self.stream.seek(-(-n_bytes // 4) * 4, os.SEEK_CUR)

    def attributes(self) -> None:
        self.number()
        for _ in range(self.count()):
            self.skip(self.count())
            kind = self.number()
            self.skip(self.count() * SIZES[kind])

    def dimensions(self) -> list[int]:
        self.number()
        lengths = []
        for _ in range(self.count()):
            self.skip(self.count())
            lengths.append(self.count())
        return lengths

    def variables(self, lengths: list[int]) -> list[tuple[int, int]]:
        """Bytes per record and first byte of each variable that grows with the records."""
        self.number()
        found = []
        for _ in range(self.count()):
            self.skip(self.count())
            dims = [self.count() for _ in range(self.count())]
            self.attributes()
            kind = self.number()
            self.count()  # size, which is not reliable for large variables
            begin = self.number(self.version > 1)
            if dims and lengths[dims[0]] == 0:
                n_bytes = SIZES[kind] * int(np.prod([lengths[d] for d in dims[1:]], dtype=np.int64))
                found.append((-(-n_bytes // 4) * 4, begin))
        return found


def count_records(path: Path) -> tuple[int, int] | None:
    """Records that the header announces and records that are complete; None where it is no such file."""
    with open(path, "rb") as stream:
        if stream.read(3) != b"CDF":
            return None
        stream.seek(0)
        header = _Header(stream)
        announced = header.count()
        lengths = header.dimensions()
        header.attributes()
        growing = header.variables(lengths)
    if not growing:
        return None
    whole = max(0, os.path.getsize(path) - min(begin for _, begin in growing)) // sum(n for n, _ in growing)
    return whole if announced == STREAMING else announced, int(whole)
