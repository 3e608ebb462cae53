"""The command line: open the app, or featurize and train without it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from fel_explorer import __version__
from fel_explorer.cli_flags import add_scheduler_flags, choose_scheduler, train_parser
from fel_explorer.cli_server import add_server_flags, server_options
from fel_explorer.errors import FelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fel_explorer.progress import Progress


COMMANDS = ("open", "demo", "lessons", "physics", "featurize", "train", "export", "methods", "doctor")
TRAIN = (
    "Write fel-explorer train METHOD data.zarr -o model.fel; fel-explorer train METHOD --help lists its "
    "parameters."
)
EXAMPLES = """examples:
  fel-explorer demo                                    the app on the sample data
  fel-explorer lessons                                 four lessons, each with a picture to play with
  fel-explorer physics                                 learn from a force field, without data
  fel-explorer run*.xtc --topology protein.pdb         the app on your trajectories
  fel-explorer methods                                 what can be trained
  fel-explorer doctor                                  what is installed, and what is missing
  fel-explorer featurize run*.xtc -t protein.pdb -o features.zarr
  fel-explorer featurize meta.xtc -t protein.pdb -f backbone_torsions --columns COLVAR \\
      --bias-column metad.rbias --temperature 300 -o biased.zarr
  fel-explorer train IDM features.zarr --lag_time 100 -o model.fel
  fel-explorer export model.fel features.zarr --bias opes --temperature 300 -o run
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 on success, 2 on bad input, 130 when interrupted."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or (argv[0] not in COMMANDS and argv[0] not in ("-h", "--help", "--version")):
        argv.insert(0, "open")
    try:
        arguments, rest = _parser().parse_known_args(argv)
        if arguments.command in ("open", "featurize"):  # argparse takes paths in one place only
            arguments.paths += [text for text in rest if not text.startswith("-")]
            rest = [text for text in rest if text.startswith("-")]
        if rest and arguments.command != "train":
            raise FelError(f"Unknown argument {rest[0]}.", remedy="See fel-explorer --help.")
        arguments.rest = rest
        return arguments.run(arguments) or 0
    except FelError as error:
        print("\n".join(filter(None, (error.given, error.valid, error.remedy))), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fel-explorer",
        description="Explore the free-energy landscapes of molecular simulations.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fel_explorer {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")

    page = commands.add_parser("open", help="open the app on files (the default)")
    page.add_argument(
        "paths", nargs="*", help="trajectories, a dataset (.zarr) and models (.fel), or a saved session"
    )
    _files(page)
    add_server_flags(page)
    add_scheduler_flags(page)
    page.set_defaults(run=_open)

    demo = commands.add_parser("demo", help="open the app on the sample data")
    add_server_flags(demo)
    add_scheduler_flags(demo)
    demo.set_defaults(run=_demo)

    lessons = commands.add_parser("lessons", help="open the lessons on free-energy landscapes")
    add_server_flags(lessons, browses=False)
    lessons.set_defaults(run=_lessons, root=".")

    physics = commands.add_parser("physics", help="learn CVs and structures from a force field, without data")
    add_server_flags(physics)
    physics.set_defaults(run=_physics)

    featurize = commands.add_parser("featurize", help="trajectories -> dataset")
    featurize.add_argument("paths", nargs="*", help="trajectories")
    _files(featurize)
    featurize.add_argument(
        "-f",
        "--features",
        action="append",
        help="names with commas, or one with options: 'distances:selection=name CA'; may be repeated "
        "(default heavy_atom_distances)",
    )
    featurize.add_argument(
        "--columns",
        metavar="TABLE",
        action="append",
        help="table of per-frame values (CSV, XVG, COLVAR, ...); once for all trajectories, or once for each",
    )
    featurize.add_argument("--weight-column", help="column of the table that holds frame weights")
    featurize.add_argument("--bias-column", help="column with the bias in kJ/mol, such as metad.rbias")
    featurize.add_argument("--temperature", type=float, help="of the biased simulation, in K")
    featurize.add_argument("-o", "--output", required=True, help="dataset to write (a .zarr folder)")
    add_scheduler_flags(featurize)
    featurize.set_defaults(run=_featurize)

    train = commands.add_parser(
        "train",
        help="fit a method to a dataset",
        description="Fit a method to a dataset. `fel-explorer train METHOD --help` lists its parameters.",
        add_help=False,
    )
    train.add_argument("method", nargs="?", help="see fel-explorer methods")
    train.set_defaults(run=_train)

    export = commands.add_parser(
        "export",
        help="write the CV of a model for PLUMED and torch",
        description="Write plumed.dat with features, CV and a biased run, and the CV as files next to it.",
    )
    export.add_argument("model", help="model file (.fel)")
    export.add_argument("dataset", help="the dataset that it was trained on")
    export.add_argument("-o", "--output", required=True, help="folder to write to")
    export.add_argument("--bias", choices=["opes", "metadynamics", "none"], default="opes")
    export.add_argument(
        "--engine", choices=["auto", "ann", "pytorch"], default="auto",
        help="the CV as text of PLUMED's ANN, or as TorchScript for PYTORCH_MODEL (auto: text where it goes)",
    )  # fmt: skip
    export.add_argument("--temperature", type=float, metavar="K", help="of the run (default: the data's)")
    export.add_argument("--barrier", type=float, default=40.0, metavar="KJ/MOL", help="to cross (default 40)")
    export.set_defaults(run=_export)

    methods = commands.add_parser("methods", help="list the methods")
    methods.set_defaults(run=_methods)

    doctor = commands.add_parser("doctor", help="say what is installed here and what is missing")
    doctor.add_argument(
        "--browser", action=argparse.BooleanOptionalAction, default=True, help="start a browser to test WebGL"
    )
    doctor.set_defaults(run=_doctor)
    return parser


def _files(parser):
    parser.add_argument(
        "-t",
        "--topology",
        action="append",
        help="PDB, GRO, PSF, ... with the atoms; once for all trajectories, or once for each",
    )
    parser.add_argument("--stride", type=int, default=1, help="use every n-th frame")
    parser.add_argument("--atoms", help="mdtraj selection, such as protein")
    parser.add_argument(
        "--time-step",
        type=float,
        metavar="PS",
        help="time between two frames of the files, if they hold none",
    )
    parser.add_argument(
        "--join",
        action="store_true",
        help="join parts of one simulation (part0001, part0002, restarts), without the frames that overlap",
    )


# ---- the app


def _open(arguments):
    choose_scheduler(arguments)
    from fel_explorer.app import entry, explorer_pages

    options = server_options(arguments)
    make_page = explorer_pages.page_on(
        arguments.paths,
        topology=_one_or_all(arguments.topology),
        stride=arguments.stride,
        atoms=arguments.atoms,
        time_step=arguments.time_step,
        join=arguments.join,
        root=arguments.root,
    )
    _serve(entry.with_physics(make_page, arguments.root), options)


def _demo(arguments):
    choose_scheduler(arguments)
    options = server_options(arguments)
    from fel_explorer.app.jobs.sample_features import start_process

    featurization = start_process()
    from fel_explorer.app import entry

    def prepare():
        from fel_explorer.app import explorer_pages  # takes seconds, in which the server already answers

        if featurization is not None:
            featurization.wait()
        explorer_pages.demo_data()
        return explorer_pages

    ready, root = entry.run_in_thread(prepare), arguments.root
    _serve(entry.with_physics(lambda: ready.result().demo_page(root=root), root, ready), options)


def _lessons(arguments):
    options = server_options(arguments)
    from fel_explorer.app.pages import lessons

    _serve(lessons.pages(), options)


def _physics(arguments):
    options = server_options(arguments)
    from fel_explorer.app.pages.embedded_physics import pages as physics_pages

    _serve(physics_pages.pages(arguments.root), options)


def _serve(pages, options):
    from fel_explorer.app import entry
    from fel_explorer.app.server.server import serve

    entry.load_extensions()
    serve(pages, **options)


# ---- without the app


def _featurize(arguments):
    choose_scheduler(arguments)
    from fel_explorer.data import attach_columns, write_columns
    from fel_explorer.data.file_names import in_natural_order
    from fel_explorer.data.remote import is_url, local_copies
    from fel_explorer.data.trajectories import open_trajectories
    from fel_explorer.features import featurize

    weights = ("weight_column", "bias_column", "temperature")
    options = {name: getattr(arguments, name) for name in weights if getattr(arguments, name) is not None}
    if options and not arguments.columns:
        raise FelError(
            f"--{next(iter(options)).replace('_', '-')} without a table.", remedy="Add --columns TABLE."
        )
    topology, paths = _one_or_all(arguments.topology), arguments.paths
    if not isinstance(topology, list) and not any(map(is_url, paths)):  # URLs keep their order
        paths = in_natural_order(paths)
    local = None if topology is None else [str(path) for path in local_copies(arguments.topology)]
    trajectories = open_trajectories(
        [str(path) for path in local_copies(paths)],
        _one_or_all(local),
        stride=arguments.stride,
        atoms=arguments.atoms,
        time_step=arguments.time_step,
        join=arguments.join,
    )
    for note in (trajectories.time_note, *trajectories.notes):
        if note:
            print(f"Note: {note}", file=sys.stderr)
    features = arguments.features or ["heavy_atom_distances"]
    specs = [
        spec for text in features for spec in ([text] if "=" in text else text.split(",")) if spec.strip()
    ]
    dataset = featurize(trajectories, specs, store=arguments.output, callback=bar)
    if arguments.columns:
        dataset = attach_columns(dataset, _one_or_all(arguments.columns), **options)
        write_columns(dataset, arguments.output)
    columns = [str(name) for name in dataset.data_vars if name != "features"]
    print(
        f"{arguments.output}: {dataset.sizes['frame']} frames, {dataset.sizes['feature']} features"
        + (f", columns {', '.join(columns)}" if columns else "")
    )


def _one_or_all(paths: list[str] | None):
    """One path as it is, several as a list."""
    return paths[0] if paths and len(paths) == 1 else paths


def _methods(_arguments):
    from fel_explorer.methods import list_methods

    for name, cls in sorted(list_methods().items()):
        print(f"{name:12} {cls.__doc__.strip().splitlines()[0]}")


def _doctor(arguments):
    from fel_explorer.installation import describe, inspect_installation

    findings = inspect_installation(browser=arguments.browser)
    print(describe(findings))
    return int(any(finding.problem for finding in findings))


def _train(arguments):
    from fel_explorer.data import open_dataset, positions_of
    from fel_explorer.methods import list_methods, load_model
    from fel_explorer.training import ranks

    if arguments.method is None and {"-h", "--help"} & set(arguments.rest):
        print(f"Fit a method to a dataset.\n{TRAIN}\n\nmethods:")
        return _methods(arguments)
    methods = list_methods()
    if arguments.method not in methods:
        named = (
            "No method is named." if arguments.method is None else f"There is no method {arguments.method}."
        )
        raise FelError(
            named,
            f"There are {', '.join(sorted(methods))}.",
            TRAIN,
        )
    cls = methods[arguments.method]
    given = train_parser(cls).parse_args(arguments.rest)
    choose_scheduler(given)
    method = cls(
        **{n: v for n, v in vars(given).items() if n in cls.hyperparameter_names() and v is not None}
    )
    dataset, options = open_dataset(given.dataset), {}
    if method.needs_positions(dataset):
        options["positions"] = positions_of(dataset)
    if cls.takes_embedding and given.embedding:
        options["embedding"] = load_model(given.embedding)
    with ranks.joined(given.device) as device:
        _check_ranks(cls)
        first = ranks.rank() == 0
        callback = bar if first else None
        method.fit(dataset, device=device, callback=callback, checkpoint_dir=given.checkpoint_dir, **options)
        if first:
            method.save(given.output)
            print(f"{given.output}: {arguments.method} on {given.dataset}")


def _check_ranks(cls):
    from fel_explorer.methods import list_methods
    from fel_explorer.training import ranks

    if ranks.n_ranks() > 1 and not cls.trains_on_ranks:
        able = [name for name, other in sorted(list_methods().items()) if other.trains_on_ranks]
        raise FelError(
            f"{cls.__name__} on {ranks.n_ranks()} processes of torchrun.",
            f"{', '.join(able)} train on several.",
            "Start it without torchrun.",
        )


def _export(arguments):
    from fel_explorer.data import open_dataset
    from fel_explorer.export.plumed import plumed
    from fel_explorer.methods import load_model

    options = {name: getattr(arguments, name) for name in ("bias", "engine", "temperature", "barrier")}
    model, dataset = load_model(arguments.model), open_dataset(arguments.dataset)
    written = plumed(model, dataset, arguments.output, **options)
    print(f"{written}: {', '.join(sorted(path.name for path in written.parent.iterdir()))}")


def bar(progress: Progress) -> None:
    """A progress callback for the terminal."""
    if not sys.stderr.isatty() and progress.step < progress.n_steps:
        return
    left = f", {progress.eta:.0f} s left" if progress.eta > 0 else ""
    print(f"\r{progress.message} {progress.step}/{progress.n_steps}{left}   ", end="", file=sys.stderr)
    if progress.step >= progress.n_steps:
        print(file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
