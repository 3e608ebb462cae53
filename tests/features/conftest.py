import pytest
from peptides import make_trajectory


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FEL_EXPLORER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def written(tmp_path):
    """Three XTC files of a capped alanine (7, 12 and 1 frames), their topology, and what they hold."""
    parts = [make_trajectory(n_frames=n, seed=n) for n in (7, 12, 1)]
    parts[0][0].save_pdb(str(tmp_path / "top.pdb"))
    for number, part in enumerate(parts):
        part.save_xtc(str(tmp_path / f"run{number}.xtc"))
    return tmp_path, parts


@pytest.fixture
def trajs(written):
    import fel_explorer as fel

    folder, _ = written
    return fel.load_trajectories(folder / "run*.xtc", folder / "top.pdb")
