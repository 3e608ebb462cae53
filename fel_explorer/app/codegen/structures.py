"""Python code for paths, structures, pins and simulators of a session."""

from __future__ import annotations

from fel_explorer.app.codegen.data import changed_arguments, constructor_code, has_structures, text
from fel_explorer.app.codegen.positions import Scope, landscape_lines, periods
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.simulate.simulation import shown_simulation, shown_simulator

N_STRUCTURES = 3


def path_code(session: Session) -> str:
    """The path through the anchors, and its frames; '' where an axis is gone."""
    path = session.path
    lines = landscape_lines(Scope(session, session.shown), path.anchors.axes)
    if not lines:
        return ""
    anchors = [tuple(round(float(value), 6) for value in anchor) for anchor in path.through]
    around = periods(session, path.anchors.axes)
    given = f", periods={around}" if any(around) else ""
    saved = ['fel.structures.export_frames(trajs, path.frames, "path.pdb")'] * has_structures(session)
    return text(
        *lines,
        f"anchors = {anchors}",
        f'path = fel.structures.path(xy, data, anchors, "{path.curve.kind}", free_energy=surface{given})',
        *saved,
    )


def representatives_code(session: Session) -> str:
    """Structures that stand for the selected frames, which are ``frames``."""
    space = "None" if session.shown is None else "cvs"
    return text(
        f"typical = fel.structures.representatives({space}, data, n={N_STRUCTURES}, frames=frames)",
        'fel.structures.export_frames(trajs, typical.frames, "structures.pdb")',
    )


def pins_code(session: Session) -> str:
    """The pinned frames, each laid upon the one that the page compares them with."""
    pinned = session.pinned
    frames = [pin.frame for pin in pinned.pins if pin.observed]
    drawn = len(pinned) - len(frames)
    note = f"# {drawn} pinned on the page came from a model: the PDB export there has their coordinates"
    if not frames:
        return text(note)
    reference = pinned.reference_pin.frame if pinned.reference_pin.observed else frames[0]
    return text(
        *[note] * bool(drawn),
        f"pinned = fel.structures.superpose(trajs.frames({frames}), trajs.frames([{reference}]))",
        'pinned.save_pdb("pinned.pdb")',
    )


def simulator_code(session: Session, name: str) -> str:
    """The latent space simulator on the shown model, and what it simulated last."""
    trained, simulation = shown_simulator(session), shown_simulation(session)
    simulator = trained.simulator
    given = ", ".join(
        [
            name,
            constructor_code(simulator.propagator),
            constructor_code(simulator.decoder),
            *changed_arguments(simulator),
        ]
    )
    data = "data, trajs" if trained.has_decoder else "data"
    lines = ["# on the page this training was stopped before its end"] * trained.partial
    lines.append(f"simulator = fel.LatentSpaceSimulator({given})")
    lines.append(f"simulator.fit({data})")
    if simulation is not None:
        size, seed = f"{simulation.n_steps}, {simulation.n_trajectories}", simulation.seed
        lines.append(f"simulated = simulator.simulate({size}, seed={seed})  # (frame, psi)")
        if simulation.file is not None:
            lines.append(f'simulator.decode_to("synthetic.xtc", simulated, seed={seed})')
    return text(*lines)
