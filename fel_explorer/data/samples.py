"""Sample data of the package."""

from __future__ import annotations

import tarfile
from pathlib import Path

from fel_explorer.data.atomic_folders import whole_or_nothing
from fel_explorer.data.cache import cache_directory, file_hash
from fel_explorer.data.trajectories import TrajectorySet, load_trajectories
from fel_explorer.errors import FelError

PACKAGE = Path(__file__).parents[1]
FOLDERS = (PACKAGE / "sample_data", PACKAGE.parent / "sample_data")  # in the wheel, in a checkout
SUFFIX = ".tar.xz"
TEMPERATURES = {"alanine-dipeptide": 450.0}  # K, as sample_data/README.md says


def sample_data(name: str = "alanine-dipeptide") -> TrajectorySet:
    """Trajectories that come with the package; the first use unpacks them into the user's cache folder.

    `featurize` attaches their potential ``energy`` (kJ/mol).

    Raises
    ------
    FelError
        If there is no sample of that name.

    Examples
    --------
    >>> import fel_explorer as fel
    >>> fel.sample_data("alanine-dipeptide").n_frames
    200000
    """
    archives = {p.name.removesuffix(SUFFIX): p for folder in FOLDERS[::-1] for p in folder.glob(f"*{SUFFIX}")}
    if name not in archives:
        raise FelError(
            f"There is no sample data '{name}'.",
            f"There are: {', '.join(sorted(archives)) or 'none (the archives are missing)'}.",
            ""
            if archives
            else "Install the package again, or make them with sample_data/make_alanine_dipeptide.py.",
        )
    return open_archive(archives[name])


def open_archive(archive: Path) -> TrajectorySet:
    """Unpack a sample (``trajectory-*.xtc``, ``topology.pdb``, ``energies.csv``) once and load it."""
    folder = cache_directory() / "samples" / f"{archive.name.removesuffix(SUFFIX)}-{file_hash(archive)[:12]}"
    if not folder.is_dir():
        try:
            with whole_or_nothing(folder) as partial, tarfile.open(archive) as packed:
                packed.extractall(partial, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise FelError(
                f"'{archive}' can't be unpacked to '{folder}' ({error}).",
                remedy="Check the space on the disk, or install the package again.",
            ) from error
    files = sorted(folder.glob("trajectory-*.xtc"), key=lambda p: int(p.stem.split("-")[1]))
    trajs = load_trajectories(files, folder / "topology.pdb")
    if (folder / "energies.csv").is_file():
        trajs.columns_file, trajs.columns_units = folder / "energies.csv", {"energy": "kJ/mol"}
    trajs.temperature = TEMPERATURES.get(archive.name.removesuffix(SUFFIX))
    return trajs
