import numpy as np
import pandas as pd
import pytest

import fel_explorer as fel
from fel_explorer.data.columns import column_names
from fel_explorer.errors import FelError

N = 12


@pytest.fixture
def data():
    return fel.as_dataset([np.random.default_rng(i).normal(size=(n, 2)) for i, n in enumerate((5, 7))])


def test_rows_are_matched_by_trajectory_and_frame(data, tmp_path):
    table = pd.DataFrame({"trajectory": [0] * 5 + [1] * 8, "frame_in_trajectory": [*range(5), *range(8)]})
    table["energy"] = table["trajectory"] * 100.0 + table["frame_in_trajectory"]
    table.sample(frac=1, random_state=0).to_csv(tmp_path / "energies.csv", index=False)
    result = fel.attach_columns(data, tmp_path / "energies.csv", units={"energy": "kJ/mol"})
    assert result["energy"].values.tolist() == [*range(5), *range(100, 107)]
    assert result["energy"].attrs["units"] == "kJ/mol" and result["energy"].dims == ("frame",)
    assert "energy" not in data


def test_rows_are_matched_before_the_stride(trajs, written):
    folder, _ = written
    strided = fel.load_trajectories(folder / "run*.xtc", folder / "top.pdb", stride=3)
    data = fel.featurize(strided, "heavy_atom_distances")
    original = np.concatenate([np.arange(n) for n in (7, 12, 1)])
    expected = [0, 3, 6, 0, 3, 6, 9, 0]
    keyed = {"trajectory": [0] * 7 + [1] * 12 + [2], "frame_in_trajectory": original, "label": original}
    assert fel.attach_columns(data, keyed)["label"].values.tolist() == expected
    assert fel.attach_columns(data, {"label": original})["label"].values.tolist() == expected
    assert fel.attach_columns(data, {"label": expected})["label"].values.tolist() == expected


def test_a_csv_may_name_units_and_its_time_is_left_out(data, tmp_path):
    pd.DataFrame({"time": range(N), "rg [nm]": np.ones(N), "T (K)": range(N)}).to_csv(
        tmp_path / "a.csv", index=False
    )
    result = fel.attach_columns(data, tmp_path / "a.csv")
    assert (result["rg"].attrs["units"], result["T"].attrs["units"]) == ("nm", "K")
    assert result["time"].values.tolist() == data["time"].values.tolist()


def colvar(path, bias):
    lines = ["#! FIELDS time phi metad.rbias", "#! SET min_phi -pi", "#! SET max_phi pi"]
    lines += [f" {i}.000 {0.1 * i:.6f} {b:.6f}" for i, b in enumerate(bias)]
    lines.insert(8, lines[0])  # PLUMED repeats its header when a run is restarted
    path.write_text("\n".join(lines) + "\n")
    return path


def test_colvar_columns_and_weights_from_a_bias(data, tmp_path):
    bias = np.random.default_rng(3).uniform(0, 30, N).round(6)
    path = colvar(tmp_path / "COLVAR", bias)
    result = fel.attach_columns(data, path, bias_column="metad.rbias", temperature=300.0)
    expected = np.exp(bias / (1.380649e-23 * 6.02214076e23 / 1000 * 300.0))
    np.testing.assert_allclose(result["weight"], expected / expected.mean(), rtol=1e-6)
    np.testing.assert_allclose(result["phi"], 0.1 * np.arange(N))
    np.testing.assert_allclose(result["metad.rbias"], bias)
    assert "weight" not in fel.attach_columns(data, path)


def test_a_table_tells_its_columns_and_columns_tell_their_table(data, tmp_path):
    path = tmp_path / "table.csv"
    rows = "".join(f"{i}, {i}, {i + 1}\n" for i in range(N))
    path.write_text("time [ps], energy [kJ/mol], w\n" + rows)
    assert column_names(path) == ["energy", "w"]
    result = fel.attach_columns(data, path, weight_column="w")
    options = {"table": str(path), "table_options": '{"weight_column": "w"}'}
    assert result["weight"].attrs == options
    assert result["energy"].attrs == options | {"units": "kJ/mol"}


def test_a_large_bias_does_not_overflow(data):
    result = fel.attach_columns(data, {"b": np.linspace(0, 1e5, N)}, bias_column="b", temperature=300.0)
    assert result["weight"].values[-1] == pytest.approx(N)


def test_a_column_of_weights(data):
    result = fel.attach_columns(data, {"w": np.arange(N)}, weight_column="w")
    np.testing.assert_allclose(result["weight"], np.arange(N) / 5.5)


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ({"e": range(13)}, {}, r"13 rows. One row per frame is needed: 12\. Drop.*'trajectory'"),
        ({"features": range(N)}, {}, "'features', a name that the dataset uses itself. Rename"),
        ({"weight": range(N)}, {}, "'weight', a name .*weight_column='weight'"),
        ({"e": ["a"] * N}, {}, "Column 'e' holds .*Columns must be numbers"),
        ({"e": [1, 2], "f": [1]}, {}, "one value per frame"),
        ({}, {}, "without columns"),
        (None, {}, "table of type NoneType"),
        ({"b": range(N)}, {"bias_column": "b"}, "temperature=None. The temperature"),
        ({"x.bias": range(N)}, {"temperature": 300.0}, r"without a bias column.*x\.bias.*Give bias_column"),
        ({"b": range(N)}, {"bias_column": "c", "temperature": 300.0}, "no column 'c'. It has b"),
        ({"b": range(N)}, {"weight_column": "b", "bias_column": "b"}, "from one of them"),
        ({"b": [-1.0] * N}, {"weight_column": "b"}, "'weight' is negative"),
        (
            {"trajectory": [0] * N, "frame_in_trajectory": range(N), "e": range(N)},
            {},
            "no row for 7 of 12.*1, frame 0",
        ),
        (
            {"trajectory": [0] * N, "frame_in_trajectory": [0] * N, "e": range(N)},
            {},
            "two rows for trajectory 0",
        ),
        ({"a [x]": range(N), "a [y]": range(N)}, {}, "two columns 'a'"),
    ],
)
def test_bad_tables_are_told(data, table, options, message):
    with pytest.raises(FelError, match=message):
        fel.attach_columns(data, table, **options)


def test_files_that_are_no_tables_are_told(data, tmp_path):
    with pytest.raises(FelError, match=r"does not exist"):
        fel.attach_columns(data, tmp_path / "none.csv")
    (tmp_path / "a.edr").write_bytes(b"\0\1")
    with pytest.raises(FelError, match=r"GROMACS energy file.*CSV, XVG or COLVAR.*panedr"):
        fel.attach_columns(data, tmp_path / "a.edr")
    for content in ("", "a,b\n1,2\n1,2,3,4\n", "a,b\n"):
        (tmp_path / "a.csv").write_text(content)
        with pytest.raises(FelError, match=r"a.csv' (can't be read|has no rows)"):
            fel.attach_columns(data, tmp_path / "a.csv")
