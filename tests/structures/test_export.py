import io
import sys

import mdtraj
import numpy as np
import pandas as pd
import pytest
from strands import cut_strands

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.structures import export_frames, pdb_text, read_pdb, to_nglview

FRAMES = [7, 3, 39]


def test_pdb_has_one_model_per_frame(trajs, peptide, tmp_path):
    export_frames(trajs, FRAMES, tmp_path / "out.pdb", how="lasso on IDM 1, added state 2")
    back = mdtraj.load(str(tmp_path / "out.pdb"))
    np.testing.assert_allclose(back.xyz, peptide.xyz[FRAMES], atol=1e-4)
    text = (tmp_path / "out.pdb").read_text()
    assert "Selected by: lasso on IDM 1, added state 2" in text
    assert "MODEL 1 IS FRAME 7, 7 PS" in text


def test_xtc_keeps_order_coordinates_and_times(trajs, peptide, tmp_path):
    buffer = io.BytesIO()
    export_frames(trajs, FRAMES, buffer, "xtc")
    path = tmp_path / "frames.xtc"
    path.write_bytes(buffer.getvalue())
    back = mdtraj.load(str(path), top=peptide.topology)
    np.testing.assert_allclose(back.xyz, peptide.xyz[FRAMES], atol=1e-3)
    np.testing.assert_allclose(back.time, FRAMES)


def test_csv_locates_every_frame(dataset):
    buffer = io.BytesIO()
    export_frames(None, FRAMES, buffer, "csv", dataset=dataset, columns=["energy"], how="state 2\nof IDM 1")
    text = buffer.getvalue().decode()
    assert text.startswith(
        "# 3 frames exported by fel_explorer\n# Selected by: state 2 of IDM 1\n# time in ps\n"
        "# trajectories are counted from 1, frames from 0\n"
    )
    table = pd.read_csv(io.StringIO(text), comment="#")
    assert table["frame"].tolist() == FRAMES
    assert table["trajectory_number"].tolist() == [1, 1, 2]
    assert table["frame_in_trajectory"].tolist() == [7, 3, 14]
    assert table["time"].tolist() == [14.0, 6.0, 28.0]
    np.testing.assert_allclose(table["energy"], np.array(FRAMES) / 3, rtol=1e-6)


def test_blocks_are_joined_without_a_seam(trajs, peptide, monkeypatch):
    monkeypatch.setattr("fel_explorer.structures.export.BLOCK", 3)
    buffer = io.BytesIO()
    export_frames(trajs, np.arange(10), buffer, "pdb")
    np.testing.assert_allclose(read_pdb(buffer.getvalue().decode()).xyz, peptide.xyz[:10], atol=1e-4)


def test_impossible_exports_say_why(trajs, dataset, tmp_path):
    with pytest.raises(FelError, match="empty selection"):
        export_frames(trajs, [], tmp_path / "a.pdb")
    with pytest.raises(FelError, match="Formats are pdb, xtc, csv"):
        export_frames(trajs, [1], tmp_path / "a.docx")
    with pytest.raises(FelError, match="no trajectories"):
        export_frames(None, [1], tmp_path / "a.pdb")
    with pytest.raises(FelError, match="'energy'"):
        export_frames(None, [1], tmp_path / "a.csv", dataset=dataset, columns=["enthalpy"])


def test_pdb_text_keeps_names_and_bonds(peptide):
    back = read_pdb(pdb_text(peptide.topology, peptide.xyz[0]))
    assert [str(a) for a in back.topology.atoms] == [str(a) for a in peptide.topology.atoms]

    def bonds(topology):
        return {tuple(sorted((a.index, b.index))) for a, b in topology.bonds}

    assert bonds(peptide.topology) <= bonds(back.topology)
    np.testing.assert_allclose(back.xyz[0], peptide.xyz[0], atol=1e-4)


def test_text_that_is_no_pdb_is_refused():
    with pytest.raises(FelError, match="not PDB text"):
        read_pdb("HEADER    A POEM\nEND\n")


def test_missing_nglview_names_the_extra(peptide, monkeypatch):
    monkeypatch.setitem(sys.modules, "nglview", None)
    with pytest.raises(FelError, match="notebook"):
        to_nglview(peptide)


def longest_bond(structures):
    bonds = np.array([(a.index, b.index) for a, b in structures.topology.bonds])
    return np.linalg.norm(structures.xyz[:, bonds[:, 0]] - structures.xyz[:, bonds[:, 1]], axis=2).max()


@pytest.mark.parametrize("format", ["pdb", "xtc"])
def test_exported_molecules_are_whole_and_keep_their_box(tmp_path, format):
    true, broken = cut_strands("triclinic")
    broken.save_dcd(str(tmp_path / "raw.dcd"))
    trajs = fel.load_trajectories(tmp_path / "raw.dcd", true.topology, time_step=1.0)
    for whole in (True, False):
        path = tmp_path / f"{whole}.{format}"
        export_frames(trajs, [5, 2], path, whole=whole)
        written = mdtraj.load(str(path), **({} if format == "pdb" else {"top": true.topology}))
        np.testing.assert_allclose(written.unitcell_lengths, true.unitcell_lengths[:2], atol=1e-3)
        np.testing.assert_allclose(written.unitcell_angles, true.unitcell_angles[:2], atol=1e-2)
        assert (longest_bond(written) < 0.25) == whole
