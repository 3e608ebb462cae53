"""The command line, in this process where it can be."""

import json
import subprocess
import sys
import time

import mdtraj
import numpy as np
import pytest
from peptides import make_trajectory

from fel_explorer import __version__, cli, load_model
from fel_explorer.cli.method_flags import train_parser
from fel_explorer.cli.parser import make_parser
from fel_explorer.cli.server_flags import server_options
from fel_explorer.data import as_dataset, open_dataset, save_dataset, trajectories_of
from fel_explorer.methods import list_methods


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "data.zarr"
    save_dataset(as_dataset([rng.normal(size=(200, 3)).astype(np.float32)]), path)
    return path


def test_help_is_quick_and_loads_nothing_heavy():
    code = "import sys; from fel_explorer import cli; cli.main(sys.argv[1:])"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    assert "fel-explorer demo" in done.stdout and time.perf_counter() - start < 3
    code = "import sys; from fel_explorer.cli.parser import make_parser; make_parser(); print([m for m in "
    code += "('torch', 'panel', 'mdtraj') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version(capsys):
    with pytest.raises(SystemExit) as exit:
        cli.main(["--version"])
    assert exit.value.code == 0 and __version__ in capsys.readouterr().out


def test_methods_are_listed_with_a_sentence(capsys):
    assert cli.main(["methods"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(list_methods())
    assert all(len(line.split()) > 4 for line in lines)


@pytest.mark.parametrize("cls", list_methods().values(), ids=lambda cls: cls.__name__)
def test_every_hyperparameter_is_a_flag(cls):
    parser = train_parser(cls)
    bare = parser.parse_args(["data.zarr", "-o", "m.fel"])
    for name in cls.hyperparameter_names():
        assert getattr(bare, name) is None
    flags = {flag for action in parser._actions for flag in action.option_strings}
    assert {f"--{name}" for name in cls.hyperparameter_names()} <= flags
    assert parser.format_help()


def test_train_writes_a_model_of_the_given_parameters(dataset, tmp_path):
    model = tmp_path / "model.fel"
    arguments = ["--lag-time", "5", "--n_dims", "1", "--no-reversible", "--device", "cpu"]
    assert cli.main(["train", "TICA", str(dataset), "-o", str(model), *arguments]) == 0
    method = load_model(model)
    assert (method.lag_time, method.n_dims, method.reversible) == (5.0, 1, False)


def test_states_are_found_in_the_embedding_of_a_model_file(dataset, tmp_path):
    tica, states = tmp_path / "tica.fel", tmp_path / "states.fel"
    assert cli.main(["train", "TICA", str(dataset), "-o", str(tica), "--n_dims", "3"]) == 0
    flags = ["--embedding", str(tica), "--n_states", "3"]
    assert cli.main(["train", "KMeans", str(dataset), "-o", str(states), *flags]) == 0
    method = load_model(states)
    assert type(method.embedding_).__name__ == "TICA" and (method.n_dims, method.n_states) == (3, 3)


def test_export_writes_what_plumed_reads(molecules, tmp_path, capsys):
    data, model, out = tmp_path / "data.zarr", tmp_path / "model.fel", tmp_path / "run"
    files = [str(molecules / "a.dcd"), "-t", str(molecules / "a.pdb")]
    assert cli.main(["featurize", *files, "-f", "heavy_atom_distances", "-o", str(data)]) == 0
    assert cli.main(["train", "PCA", str(data), "-o", str(model), "--n_dims", "1"]) == 0
    given = ["--bias", "metadynamics", "--temperature", "350"]
    assert cli.main(["export", str(model), str(data), "-o", str(out), *given]) == 0
    text = (out / "plumed.dat").read_text()
    assert "METAD" in text and "TEMP=350" in text and "ANN" in text and (out / "cv.pt2").is_file()
    assert "cv.pt2, plumed.dat" in capsys.readouterr().out
    assert cli.main(["export", str(model), str(data), "-o", str(out), "--engine", "pytorch"]) == 0
    assert (out / "cv.pt").is_file() and "PYTORCH_MODEL" in (out / "plumed.dat").read_text()


def test_the_generator_of_a_molecule_is_trained_from_a_dataset(molecules, tmp_path):
    data, model = tmp_path / "data.zarr", tmp_path / "model.fel"
    files = [str(molecules / "a.dcd"), "-t", str(molecules / "a.pdb")]
    assert cli.main(["featurize", *files, "-f", "heavy_atom_distances", "-o", str(data)]) == 0
    flags = ["--operator", "generator", "--n_dims", "1", "--n_steps", "2", "--validation-fraction", "0"]
    assert cli.main(["train", "Eigenfunctions", str(data), "-o", str(model), *flags, "--device", "cpu"]) == 0
    assert load_model(model).eigenvalues_.shape == (1,)


def test_featurize_streams_options_topologies_and_weights_into_a_dataset(molecules, tmp_path):
    out = tmp_path / "out.zarr"
    paths = [str(molecules / name) for name in ("a.dcd", "b.dcd", "a.pdb", "b.pdb", "COLVAR")]
    files = [paths[0], "-t", paths[2], "-t", paths[3], paths[1], "--stride", "2", "--time-step", "0.5"]
    features = ["-f", "coordinates", "-f", "distances:selection=name C or name N"]
    columns = ["--columns", paths[4], "--bias-column", "m.bias", "--temperature", "300"]
    arguments = ["featurize", *files, *features, *columns, "--atoms", "not water", "-o", str(out)]
    assert cli.main(arguments) == 0
    data = open_dataset(out)
    assert data.sizes["frame"] == 6 and data.attrs["time_step"] == 1.0
    assert data.sizes["feature"] == 12 + 1
    assert data["weight"].values.mean() == pytest.approx(1) and "m.bias" in data
    assert trajectories_of(data).frames([5]).n_atoms == 4
    assert cli.main(arguments) == 0  # the same again is there already


def test_featurize_joins_parts_in_natural_order_and_says_what_it_noticed(tmp_path, capsys):
    everything = make_trajectory(n_frames=30)
    everything[0].save_pdb(str(tmp_path / "top.pdb"))
    for number, start, stop in ((1, 0, 12), (2, 10, 20), (10, 20, 30)):
        everything[start:stop].save_xtc(str(tmp_path / f"part{number}.xtc"))
    files = sorted(map(str, tmp_path.glob("*.xtc")))  # part10 before part2, as a shell gives them
    arguments = ["featurize", *files, "-t", str(tmp_path / "top.pdb"), "-f", "torsions"]
    assert cli.main([*arguments, "-o", str(tmp_path / "apart.zarr")]) == 0
    assert "part2.xtc' goes on in time where" in capsys.readouterr().err
    assert cli.main([*arguments, "-o", str(tmp_path / "joined.zarr"), "--join"]) == 0
    joined = open_dataset(tmp_path / "joined.zarr")
    assert joined["time"].values.tolist() == everything.time.tolist()


@pytest.fixture
def molecules(tmp_path):
    """Two trajectories with topologies of their own, one of them in water, and a table of their frames."""
    rng = np.random.default_rng(0)
    for name, n_waters, n_frames in (("a", 0, 7), ("b", 2, 4)):
        topology = mdtraj.Topology()
        chain = topology.add_chain()
        residues = [topology.add_residue(kind, chain) for kind in ["ALA"] + n_waters * ["HOH"]]
        for residue in residues:
            for atom in ("N", "CA", "CB", "C") if residue.name == "ALA" else ("O",):
                topology.add_atom(atom, mdtraj.element.Element.getBySymbol(atom[0]), residue)
        xyz = rng.normal(size=(n_frames, topology.n_atoms, 3))
        part = mdtraj.Trajectory(xyz, topology)
        part.save_dcd(str(tmp_path / f"{name}.dcd"))
        part[0].save_pdb(str(tmp_path / f"{name}.pdb"))
    rows = "".join(f" {i} {i}.5\n" for i in range(11))
    (tmp_path / "COLVAR").write_text(f"#! FIELDS time m.bias\n{rows}")
    return tmp_path


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["train", "UMAP", "x", "-o", "y"], ["UMAP", "TICA"]),
        (["train"], ["No method", "train METHOD data.zarr"]),
        (["no-such-file.xtc"], ["no-such-file.xtc"]),
        (["--stride", "2", "no-such-file.xtc", "-t", "a.pdb", "b.xtc"], ["no-such-file.xtc"]),
        (["featurize", "-o", "x.zarr"], ["No trajectory file"]),
        (["featurize", "a.xtc", "-o", "x.zarr", "--bias-column", "b"], ["--columns"]),
        (["featurize", "missing.xtc", "-o", "x.zarr"], ["missing.xtc"]),
        (["demo", "--host", "0.0.0.0"], ["password"]),
        (["demo", "--root", "no-such-folder"], ["no-such-folder"]),
        (["demo", "--password-file", "no-such-file"], ["no-such-file"]),
        (["demo", "--token", "short"], ["16 letters"]),
        (["demo", "--token", "0123456789abcdef", "--no-token"], ["one of them"]),
        (["demo", "--certfile", "no-such-file"], ["no-such-file"]),
        (["demo", "--keyfile", "pyproject.toml"], ["--certfile"]),
        (["demo", "--trust-proxy", "nonsense"], ["nonsense", "10.0.0.0/8"]),
        (["methods", "--wrong"], ["--wrong"]),
        (["export", "missing.fel", "data.zarr", "-o", "x"], ["missing.fel"]),
    ],
)
def test_bad_input_ends_with_2_and_what_to_do(arguments, words, capsys):
    assert cli.main(arguments) == 2
    shown = capsys.readouterr().err
    assert all(word in shown for word in words) and "Traceback" not in shown


def test_an_impossible_lag_ends_with_2(dataset, tmp_path, capsys):
    assert cli.main(["train", "TICA", str(dataset), "-o", str(tmp_path / "m"), "--lag_time", "500"]) == 2
    assert "longest trajectory" in capsys.readouterr().err


def test_other_hosts_need_a_password(tmp_path):
    passwords = tmp_path / "passwords.json"
    passwords.write_text(json.dumps({"ada": "secret"}))
    arguments = make_parser()[0].parse_args(["demo", "--host", "0.0.0.0", "--password-file", str(passwords)])
    access = server_options(arguments)["access"]
    assert access.login("ada", "secret") and not access.login("ada", "wrong") and not access.login("bob", "")


def test_each_start_has_a_token_of_its_own(monkeypatch, capsys):
    def access(*flags):
        return server_options(make_parser()[0].parse_args(["demo", *flags]))["access"]

    assert len(access().token) == 48 and access().token != access().token
    monkeypatch.setenv("FEL_EXPLORER_TOKEN", "from-the-environment")
    assert access().token == "from-the-environment"
    assert access("--token", "0123456789abcdef").token == "0123456789abcdef"
    assert not capsys.readouterr().err
    assert access("--no-token").open and "every user of this machine" in capsys.readouterr().err


@pytest.mark.parametrize("value, show", [("1", False), ("0", True), ("", True)])
def test_no_browser_by_environment(value, show, monkeypatch):
    monkeypatch.setenv("NO_BROWSER", value)
    assert server_options(make_parser()[0].parse_args(["demo"]))["show"] is show
    assert server_options(make_parser()[0].parse_args(["demo", "--no-browser"]))["show"] is False
    assert server_options(make_parser()[0].parse_args(["demo"]))["address"] == "127.0.0.1"
