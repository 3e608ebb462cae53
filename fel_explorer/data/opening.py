"""Inspection of trajectory files before they are used: their names, agreement and faults."""

from __future__ import annotations

import glob
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mdtraj

from fel_explorer.data.file_names import natural_key
from fel_explorer.data.readers import FileInfo, Reader
from fel_explorer.data.schema import check_time_step
from fel_explorer.data.times import EPS, chains_of_parts
from fel_explorer.data.topologies import missing_file
from fel_explorer.data.universe import UniverseReader
from fel_explorer.errors import FelError


@dataclass(frozen=True)
class Segment:
    """Frames ``start`` to ``stop`` (not included) of the file with the index ``file``."""

    file: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def expand(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """Files of a path, a pattern or a list of these; what a pattern matches is in natural order."""
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    files = []
    for entry in given:
        path = Path(entry).expanduser()
        if path.exists():
            files.append(path)
        elif glob.has_magic(str(path)):
            found = sorted(glob.glob(str(path), recursive=True), key=natural_key)
            if not found:
                raise FelError(
                    f"No file matches '{entry}' (searched in {Path.cwd()}).",
                    "A pattern must match at least one trajectory file.",
                    "Check the folder and the extension.",
                )
            files.extend(map(Path, found))
        else:
            raise missing_file(path)
    if not files:
        raise FelError("No trajectory file was given.", "At least one is needed.")
    return files


def probe(file: Path, topology: mdtraj.Topology, universe: Any = None) -> FileInfo:
    """Look at a file, or at a universe, that should have the atoms of ``topology``."""
    with Reader(file, topology) if universe is None else UniverseReader(universe, file, topology) as reader:
        info = reader.probe()
    if info.n_atoms != topology.n_atoms:
        raise FelError(
            f"'{file}' has {info.n_atoms} atoms and its topology has {topology.n_atoms}.",
            "Trajectory and topology must hold the same atoms.",
            "Give the topology that was written with this trajectory (without water if it has none).",
        )
    return info


def common_time_step(
    files: Sequence[Path], infos: Sequence[FileInfo], time_step: float | None
) -> tuple[float, str]:
    """Time step of all files in ps, and a sentence if it is not from the files.

    Raises
    ------
    FelError
        If steps differ or the times of a file are uneven, and no step is given.
    """
    if time_step is not None:
        check_time_step(time_step)
        return float(time_step), f"The time step of {time_step:g} ps was given, not read from the files."
    for file, info in zip(files, infos, strict=True):
        if info.uneven:
            raise uneven_times(file, info.uneven)
    steps = {i: info.time_step for i, info in enumerate(infos) if info.time_step is not None}
    if not steps:
        return 1.0, "The files hold no times: one frame counts as 1 ps, unless you give the time step."
    first = max(steps, key=lambda i: infos[i].n_frames)  # whose step float32 blurs least
    step = steps[first]
    for file, info in zip(files, infos, strict=True):
        if info.n_frames < 2:
            continue
        if info.time_step is None or abs(info.time_step - step) > _step_tolerance(info, step):
            raise FelError(
                f"'{files[first]}' has a frame every {step:g} ps and '{file}' "
                + (f"every {info.time_step:g} ps." if info.time_step else "holds no times."),
                "All trajectories must have the same time step.",
                "Load them apart, thin the finer one first, or give the time step if the files are wrong.",
            )
    return step, ""


def _step_tolerance(info: FileInfo, step: float) -> float:
    last = abs(info.first_time or 0.0) + info.n_frames * step
    return 1e-3 * step + 4 * EPS * last / (info.n_frames - 1)


def uneven_times(file: Path, how: str) -> FelError:
    return FelError(
        f"'{file}': {how}.",
        "The time between frames must be constant.",
        "Remove double or missing frames, or give the time step to number the frames anew.",
    )


def parts_of_simulations(infos: Sequence[FileInfo], step: float) -> list[list[int]]:
    """Which files, in order, go on in time where another ends: lists of their indices."""
    spans: list[tuple[float, float, float] | None] = []
    for info in infos:
        if info.first_time is None or info.time_step is None or info.uneven:
            spans.append(None)
        else:
            spans.append((info.first_time, info.first_time + (info.n_frames - 1) * step, step))
    return chains_of_parts(spans)


def join_parts(chains: list[list[int]], infos: Sequence[FileInfo], step: float) -> list[list[Segment]]:
    """Frames of each file that are used: where parts overlap those of the later one."""
    trajectories = []
    for chain in chains:
        segments = []
        for index, after in zip(chain, [*chain[1:], None], strict=True):
            info, stop = infos[index], infos[index].n_frames
            if after is not None:
                begin, follows = info.first_time, infos[after].first_time
                assert begin is not None and follows is not None  # files with times alone are parts
                stop = min(stop, round((follows - begin) / step))
            segments.append(Segment(index, 0, stop))
        trajectories.append(segments)
    return trajectories


def notes_of(
    files: Sequence[Path],
    infos: Sequence[FileInfo],
    chains: Sequence[Sequence[int]],
    joined: bool,
    time_note: str,
) -> list[str]:
    """Notes on the files for the user: cut ends, boxes, duplicates, parts that could be joined."""
    notes = [
        f"'{file}' ends within a frame, is damaged, or ends before the frames that its header announces: its "
        f"{info.n_frames} complete frames are used. Is it still being written, or was it copied in part?"
        for file, info in zip(files, infos, strict=True)
        if info.cut
    ]
    notes += [info.cell.note for info in infos if info.cell.note]
    boxed = [info.cell.kind in ("periodic", "shape matrix") for info in infos]
    if any(boxed) and not all(boxed):
        without = files[boxed.index(False)]
        notes.append(f"'{without}' is used without a periodic box, '{files[boxed.index(True)]}' with one.")
    notes += _duplicates(files, infos)
    parts = [chain for chain in chains if len(chain) > 1]
    if parts and not joined and not time_note:
        one, two = (files[index] for index in parts[0][:2])
        notes.append(
            f"'{two}' goes on in time where '{one}' ends: they seem to be parts of one simulation. "
            "Load them with join=True to use them as one trajectory, without the frames that overlap."
        )
    if joined and not parts:
        notes.append("No file goes on in time where the one before it ends: nothing was joined.")
    return notes


def _duplicates(files, infos) -> list[str]:
    seen: dict[Hashable, Path] = {}
    notes = []
    for file, info in zip(files, infos, strict=True):
        for key in (file.resolve(), info.fingerprint):
            if key in seen:
                same = "is given twice" if seen[key].resolve() == file.resolve() else "hold the same frames"
                which = f"'{file}'" if "twice" in same else f"'{seen[key]}' and '{file}'"
                notes.append(f"{which} {same}: they count twice in every statistic.")
                break
        for key in (file.resolve(), info.fingerprint):
            seen.setdefault(key, file)
    return notes
