"""The simulator as a whole: parts, files, structures and the report, against processes with known answers."""

import dataclasses
from itertools import pairwise

import mdtraj
import numpy as np
import pytest
from spectra import relaxing

import fel_explorer as fel
from fel_explorer.data.schema import assemble
from fel_explorer.errors import FelError
from fel_explorer.free_energy import aligned_rms
from fel_explorer.kinetics import relaxation
from fel_explorer.methods import ConditionalFlowMatching, MixtureDensityPropagator
from fel_explorer.methods.latent_simulator import simulation_report
from fel_explorer.methods.latent_simulator.latent_report import basin_borders
from fel_explorer.methods.latent_simulator.structure_report import clash_fraction, rmsd
from fel_explorer.structures import geometry

N, LENGTHS = 3000, [1500, 1500]


def molecule():
    """Butane's carbons and two more, whose two torsions are a slow and a fast process; and its trajectory."""
    slow, fast = relaxing([60, 5], N).T
    angle = np.tanh(slow) * 1.5
    random = np.random.default_rng(0)
    xyz = np.zeros((N, 5, 3))
    xyz[:, 1] = [0.15, 0, 0]
    xyz[:, 2] = [0.2, 0.14, 0]
    xyz[:, 3] = xyz[:, 2] + 0.15 * np.stack([np.full(N, 0.3), 0.9 * np.cos(angle), 0.9 * np.sin(angle)], 1)
    xyz[:, 4] = xyz[:, 3] + 0.15 * np.stack([np.full(N, 0.9), 0.4 * np.cos(fast), 0.4 * np.sin(fast)], 1)
    xyz += 0.002 * random.normal(size=xyz.shape)
    topology = mdtraj.Topology()
    residue = topology.add_residue("UNK", topology.add_chain())
    atoms = [topology.add_atom(f"C{i}", mdtraj.element.carbon, residue) for i in range(5)]
    for first, second in pairwise(atoms):
        topology.add_bond(first, second)
    trajectory = mdtraj.Trajectory(xyz.astype(np.float32), topology)
    features = np.stack([np.cos(angle), np.sin(angle), np.cos(fast), np.sin(fast)], axis=1)
    names = ["slow cos", "slow sin", "fast cos", "fast sin"]
    return assemble(features.astype(np.float32), names, LENGTHS, time_step=1.0), trajectory


def small(**params):
    propagator = MixtureDensityPropagator(lag_time=5.0, n_steps=250, n_kernels=4, hidden=[24], batch_size=512)
    decoder = ConditionalFlowMatching(
        n_steps=400, hidden=[48, 48], batch_size=256, flow_steps=10, learning_rate=4e-3
    )
    return fel.LatentSpaceSimulator(
        fel.TICA, propagator, decoder, **{"lag_time": 5.0, "n_dims": 1, "atoms": "all", **params}
    )


@pytest.fixture(scope="module")
def system():
    return molecule()


@pytest.fixture(scope="module")
def simulator(system):
    return small().fit(*system, device="cpu")


@pytest.fixture(scope="module")
def report(simulator, system):
    return simulator.report(*system, n_trajectories=20, n_structures=400, device="cpu")


def test_parts_are_made_from_classes_with_the_simulators_settings():
    simulator = fel.LatentSpaceSimulator(lag_time=7.0, n_dims=4, seed=3)
    assert simulator.encoder.lag_time == simulator.propagator.lag_time == 7.0
    assert type(simulator.encoder) is fel.SRV and simulator.encoder.n_dims == 4
    assert simulator.decoder.seed == simulator.propagator.seed == 3
    with pytest.raises(FelError, match="It is a Decoder"):
        fel.LatentSpaceSimulator(decoder=fel.PCA)


def test_a_simulation_has_the_time_scale_of_the_data(simulator, system, report):
    scales = report.time_scales
    observed, found = scales["time"].values[:, 0]
    assert found == pytest.approx(observed, rel=0.25)
    assert scales["autocorrelation_time"].values[:, 0] == pytest.approx([observed, observed], rel=0.35)
    assert report.transition_density.attrs["total_variation"] < 0.4  # 600 pairs in 40 bins are noise
    assert report.free_energy.attrs["rms"] < 1.0
    psi = simulator.latents(system[0])["features"].values[:, 0]
    edges = np.linspace(*np.quantile(psi, (0.001, 0.999)), 41)
    with np.errstate(divide="ignore"):
        halves = [-np.log(np.histogram(half, edges)[0]) for half in (psi[: N // 2], psi[N // 2 :])]
    expected = aligned_rms(*halves)
    assert report.free_energy.attrs["rms_of_halves"] == pytest.approx(expected)
    assert report.time == {"md": 3000.0, "synthetic": 20 * 300 * 5.0}


def test_the_simulation_returns_to_its_basins_as_the_data_do(simulator, system, report):
    test, borders = report.chapman_kolmogorov, report.free_energy.attrs["borders"]
    assert test["multiple"].values.tolist() == [1, 2, 4, 8] and test.sizes["basin"] == len(borders) + 1
    psi = simulator.latents(system[0])["features"].values[:, 0]
    basin = np.digitize(psi, borders).reshape(2, 1500)
    for multiple in (1, 8):
        now, later = basin[:, : -5 * multiple], basin[:, 5 * multiple :]
        expected = [(later[now == b] == b).mean() for b in range(len(borders) + 1)]
        np.testing.assert_allclose(test["stays"].sel(ensemble="md", multiple=multiple), expected)
    difference = np.abs(test["stays"][0] - test["stays"][1])
    assert float(difference.max()) < 0.2 and (test["error"] >= 0).all()


def test_structures_are_those_of_the_data(report):
    bonds = report.structures["bonds"]
    np.testing.assert_allclose(bonds["mean"][1], bonds["mean"][0], rtol=0.01)
    assert report.structures["torsions"]["total_variation"].max() < 0.35
    gyration = report.structures["gyration"]["mean"].values
    assert gyration[1] == pytest.approx(gyration[0], rel=0.02)
    assert report.numbers["clashes"] == report.numbers["clashes_md"] == 0
    assert report.numbers["rmsd_to_frame"] < 1.3 * report.numbers["rmsd_floor"]
    assert report.structures["tica"]["free_energy"].dims == ("ensemble", "tic_1", "tic_2")
    assert report.cost["structures per second"] > 0 and report.cost["train decoder"] > 0


def test_memory_and_places_without_data_are_warned_of():
    random = np.random.default_rng(1)
    blurred = relaxing([60], 6000)[:, 0] + 0.6 * random.normal(
        size=6000
    )  # what is behind it remembers longer
    data = fel.as_dataset([np.c_[blurred, random.normal(size=6000)]])
    simulator = small(n_dims=1).fit(data, device="cpu")
    found = simulator.report(data, n_trajectories=5, device="cpu")
    assert any("The data remember more than one lag" in warning for warning in found.warnings)
    stays = found.chapman_kolmogorov
    stays = stays.assign(stays=stays["stays"] * (stays["ensemble"] == "md"), error=stays["error"] * 0)
    told = " ".join(simulation_report._warnings(dataclasses.replace(found, chapman_kolmogorov=stays)))
    assert "Basin 1 along psi_1 fails the Chapman-Kolmogorov test: after" in told
    assert "100% of the data are there again, 0% of the simulation" in told
    assert not any("clipped" in warning for warning in found.warnings)
    weighted = simulator.report(data.assign(weight=("frame", np.ones(6000))), n_trajectories=2, device="cpu")
    assert "not by their weights" in weighted.warnings[-1] and "weights" not in " ".join(found.warnings)
    simulator.propagator.low_ = simulator.propagator.low_ * 0  # as if data ended there
    found = simulator.report(data, n_trajectories=5, device="cpu")
    assert any("clipped" in warning for warning in found.warnings)
    assert found.structures == {} and found.numbers == {}


def test_a_decoded_simulation_is_a_trajectory_and_a_file_in_blocks(simulator, tmp_path, monkeypatch):
    simulated = simulator.simulate(30, 2, device="cpu")
    trajectory = simulator.decode(simulated, device="cpu", seed=1)
    assert trajectory.n_frames == 60 and trajectory.n_atoms == 5
    np.testing.assert_allclose(trajectory.time[:3], [0, 5, 10])
    for name in ("a.xtc", "a.dcd"):
        assert simulator.decode_to(tmp_path / name, simulated, device="cpu", seed=1) == 60
        read = mdtraj.load(str(tmp_path / name), top=trajectory.topology)
        np.testing.assert_allclose(read.xyz, trajectory.xyz, atol=6e-4)
    with pytest.raises(FelError, match="Formats are xtc, dcd"):
        simulator.decode_to(tmp_path / "a.txt", simulated)
    stopped = simulator.decode_to(tmp_path / "b.xtc", simulated, device="cpu", callback=lambda p: True)
    assert stopped == 60  # one block


def test_a_simulator_is_one_file(simulator, tmp_path):
    simulator.save(tmp_path / "s.fel")
    loaded = fel.LatentSpaceSimulator.load(tmp_path / "s.fel")
    first, second = (s.simulate(20, 2, device="cpu")["features"] for s in (simulator, loaded))
    np.testing.assert_array_equal(first, second)
    frames = [s.decode(first.values, device="cpu") for s in (simulator, loaded)]
    np.testing.assert_array_equal(frames[0].xyz, frames[1].xyz)
    assert loaded.topology_ == simulator.topology_ and set(loaded.seconds_) == set(simulator.seconds_)
    with pytest.raises(FelError, match=r"LatentSpaceSimulator\.load"):
        fel.load_model(tmp_path / "s.fel")


def test_without_trajectories_it_simulates_but_does_not_decode(system):
    encoder = fel.TICA(lag_time=5.0, n_dims=1).fit(system[0])
    simulator = small()
    simulator.encoder = encoder
    simulator.fit(system[0], device="cpu")
    assert simulator.encoder is encoder and "encoder" not in simulator.seconds_
    assert simulator.simulate(5, device="cpu").sizes["frame"] == 5
    with pytest.raises(FelError, match="fit_decoder"):
        simulator.decode(np.zeros((1, 1)))


def test_stopping_leaves_the_further_parts_untrained(system):
    simulator = small().fit(*system, device="cpu", callback=lambda progress: True)
    assert simulator.encoder.feature_names_ and simulator.decoder.feature_names_ is None


def test_trajectories_of_other_frames_are_refused(simulator, system):
    data, trajectory = system
    with pytest.raises(FelError, match="same stride"):
        simulator.fit_decoder(data, trajectory[:100])
    with pytest.raises(FelError, match="stopped"):
        simulator.report(data, n_trajectories=2, device="cpu", callback=lambda progress: True)


def test_relaxation_times_are_those_of_the_process_and_blocks_cover_all():
    x = relaxing([100, 10], 60_000)
    parts = [x[:20_000] @ [[1, 0.5], [0.3, 2]], x[20_000:] @ [[1, 0.5], [0.3, 2]]]
    assert relaxation.relaxation_times(parts, 5, 5.0) == pytest.approx([100, 10], rel=0.15)
    times = relaxation.autocorrelation_times([x], np.arange(5, 51, 5), 1.0)
    assert times == pytest.approx([100, 10], rel=0.15)
    pieces = relaxation.blocks(parts, 7)
    np.testing.assert_array_equal(
        np.concatenate([p for block in pieces for p in block]), np.concatenate(parts)
    )
    assert {sum(map(len, block)) for block in pieces} <= {8571, 8572}
    error = relaxation.block_error([np.random.default_rng(0).normal(size=5000)], lambda p: np.mean(p[0]))
    assert 0.003 < error < 0.05  # 1 / sqrt(5000) = .014, from five blocks


def test_transitions_and_crossings_by_hand():
    series = [np.array([0.5, 0.5, 1.5, 1.5]), np.array([1.5, 0.5])]
    edges = np.array([0.0, 1.0, 2.0, 3.0])
    np.testing.assert_allclose(relaxation.transition_density(series, edges, 1)[:2, :2], [[0.5, 0.5]] * 2)
    assert relaxation.crossings(series, 0.9, 1.1) == 2
    np.testing.assert_allclose(relaxation.returns(series, np.array([1.0]), 1), [1 / 2, 1 / 2])
    np.testing.assert_allclose(relaxation.returns(series, np.array([1.0]), 2), [0.0, np.nan])
    assert aligned_rms(np.array([0.0, 1, np.nan]), np.array([5.0, 6, 1])) == pytest.approx(0)
    centres = np.linspace(-2, 2, 41)
    np.testing.assert_allclose(basin_borders(centres, 2 * (centres**2 - 1) ** 2), [0], atol=0.11)
    assert len(basin_borders(centres, centres**2)) == 0


def test_rmsd_is_kabschs_and_clashes_are_seen():
    xyz = np.random.default_rng(0).normal(size=(6, 7, 3)).astype(np.float32)
    expected = [geometry.rmsd(a, b) for a, b in zip(xyz[:3], xyz[3:], strict=True)]
    np.testing.assert_allclose(rmsd(xyz[:3], xyz[3:]), expected, rtol=1e-5)
    bonds = np.array([(i, i + 1) for i in range(6)])
    squeezed = xyz.copy()
    squeezed[0, 6] = squeezed[0, 0] + 1e-4
    assert clash_fraction(xyz, xyz, bonds) == 0
    assert clash_fraction(xyz, squeezed, bonds) == pytest.approx(1 / 6)
