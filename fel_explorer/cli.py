"""The command line: open the app, or featurize and train without it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from fel_explorer import __version__
from fel_explorer.errors import FelError

COMMANDS = ("open", "demo", "lessons", "physics", "featurize", "train", "methods")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
EXAMPLES = """examples:
  fel-explorer demo                                    the app on the sample data
  fel-explorer lessons                                 four lessons, each with a picture to play with
  fel-explorer physics                                 learn from a force field, without data
  fel-explorer run*.xtc --topology protein.pdb         the app on your trajectories
  fel-explorer methods                                 what can be trained
  fel-explorer featurize run*.xtc -t protein.pdb -o features.zarr
  fel-explorer train IDM features.zarr --lag_time 100 -o model.fel
"""


def main(argv=None) -> int:
    """Run the command line; 0 on success, 2 on bad input, 130 when interrupted."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or (argv[0] not in COMMANDS and argv[0] not in ("-h", "--help", "--version")):
        argv.insert(0, "open")
    try:
        arguments, rest = _parser().parse_known_args(argv)
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
    _server(page)
    page.set_defaults(run=_open)

    demo = commands.add_parser("demo", help="open the app on the sample data")
    _server(demo)
    demo.set_defaults(run=_demo)

    lessons = commands.add_parser("lessons", help="open the lessons on free-energy landscapes")
    _server(lessons, browses=False)
    lessons.set_defaults(run=_lessons, root=".")

    physics = commands.add_parser("physics", help="learn CVs and structures from a force field, without data")
    _server(physics)
    physics.set_defaults(run=_physics)

    featurize = commands.add_parser("featurize", help="trajectories -> dataset")
    featurize.add_argument("paths", nargs="+", help="trajectories")
    _files(featurize)
    featurize.add_argument(
        "-f", "--features", default="heavy_atom_distances", help="one or more, with commas"
    )
    featurize.add_argument("-o", "--output", required=True, help="dataset to write (a .zarr folder)")
    featurize.set_defaults(run=_featurize)

    train = commands.add_parser(
        "train",
        help="fit a method to a dataset",
        description="Fit a method to a dataset. `fel-explorer train METHOD --help` lists its parameters.",
        add_help=False,
    )
    train.add_argument("method", nargs="?", help="see fel-explorer methods")
    train.set_defaults(run=_train)

    methods = commands.add_parser("methods", help="list the methods")
    methods.set_defaults(run=_methods)
    return parser


def _files(parser):
    parser.add_argument("-t", "--topology", help="PDB, GRO, PSF, ... with the atoms")
    parser.add_argument("--stride", type=int, default=1, help="use every n-th frame")
    parser.add_argument("--atoms", help="mdtraj selection, such as protein")


def _server(parser, *, browses=True):
    parser.add_argument("--port", type=int, default=5006, help="0 takes a free one (default 5006)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to bind; beyond this machine see --password-file"
    )
    if browses:
        parser.add_argument(
            "--root", default=".", help="folder that the page's file browser may see (default: here)"
        )
    parser.add_argument(
        "--password-file", help="JSON {user: password}; required with a --host other than loopback"
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="only print the address (also NO_BROWSER=1)"
    )


# ---- the app


def _open(arguments):
    from fel_explorer.app import entry

    options = server_options(arguments)
    make_page = entry.page_on(
        arguments.paths,
        topology=arguments.topology,
        stride=arguments.stride,
        atoms=arguments.atoms,
        root=arguments.root,
    )
    entry.serve(entry.with_physics(make_page, arguments.root), **options)


def _demo(arguments):
    options = server_options(arguments)
    print("Preparing the sample data ...", flush=True)
    from fel_explorer.app import entry

    entry.demo_data()
    root = arguments.root
    entry.serve(entry.with_physics(lambda: entry.demo_page(root=root), root), **options)


def _lessons(arguments):
    options = server_options(arguments)
    from fel_explorer.app import entry, lessons

    entry.serve(lessons.pages(), **options)


def _physics(arguments):
    options = server_options(arguments)
    from fel_explorer.app import entry
    from fel_explorer.app.physics import routes

    entry.serve(routes.pages(arguments.root), **options)


def server_options(arguments) -> dict:
    """What the server is started with.

    Raises
    ------
    FelError
        If a host other than this machine is asked for without a password file, or the root is no folder.
    """
    if not Path(arguments.root).is_dir():
        raise FelError(f"--root {arguments.root} is no folder.", remedy="Give an existing folder.")
    options = {
        "port": arguments.port,
        "address": arguments.host,
        "show": not (arguments.no_browser or os.environ.get("NO_BROWSER", "") not in ("", "0")),
    }
    if arguments.password_file:
        if not Path(arguments.password_file).is_file():
            raise FelError(f"No file '{arguments.password_file}'.", 'It is JSON: {"user": "password"}.')
        options["password_file"] = str(Path(arguments.password_file).resolve())
    elif arguments.host not in LOOPBACK:
        raise FelError(
            f"--host {arguments.host} without a password.",
            "Others on the network could read the files below --root and run jobs on this machine.",
            'Add --password-file FILE with JSON {"user": "password"}, or use ssh -L 5006:localhost:5006.',
        )
    return options


# ---- without the app


def _featurize(arguments):
    from fel_explorer.data import featurize, load_trajectories, save_dataset

    trajectories = load_trajectories(
        arguments.paths, arguments.topology, stride=arguments.stride, atoms=arguments.atoms
    )
    names = [name.strip() for name in arguments.features.split(",") if name.strip()]
    dataset = featurize(trajectories, names, callback=bar)
    save_dataset(dataset, arguments.output)
    print(f"{arguments.output}: {dataset.sizes['frame']} frames, {dataset.sizes['feature']} features")


def _methods(_arguments):
    from fel_explorer.methods import list_methods

    for name, cls in sorted(list_methods().items()):
        print(f"{name:12} {cls.__doc__.strip().splitlines()[0]}")


def _train(arguments):
    from fel_explorer.data import open_dataset
    from fel_explorer.methods import list_methods, load_model

    methods = list_methods()
    if arguments.method not in methods:
        raise FelError(f"Method {arguments.method}.", f"There are {', '.join(sorted(methods))}.")
    cls = methods[arguments.method]
    given = _train_parser(cls).parse_args(arguments.rest)
    method = cls(
        **{n: v for n, v in vars(given).items() if n in cls.hyperparameter_names() and v is not None}
    )
    dataset, options = open_dataset(given.dataset), {}
    if cls.takes_embedding and given.embedding:
        options["embedding"] = load_model(given.embedding)
    method.fit(dataset, device=given.device, callback=bar, checkpoint_dir=given.checkpoint_dir, **options)
    method.save(given.output)
    print(f"{given.output}: {arguments.method} on {given.dataset}")


def _train_parser(cls) -> argparse.ArgumentParser:
    """A parser with one flag for every hyperparameter of a method."""
    parser = argparse.ArgumentParser(
        prog=f"fel-explorer train {cls.__name__}", description=cls.__doc__.strip().split("\n\n")[0]
    )
    parser.add_argument("dataset", help="a dataset that featurize wrote")
    parser.add_argument("-o", "--output", required=True, help="model file to write (.fel)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    parser.add_argument("--checkpoint-dir", help="folder for checkpoints; a killed run resumes from there")
    if cls.takes_embedding:
        parser.add_argument(
            "--embedding", help="model file: find the states in its embedding, not in features"
        )
    for name in cls.hyperparameter_names():
        parameter = cls.param[name]
        text = f"{parameter.doc or ''} (default {parameter.default})".replace("%", "%%")
        parser.add_argument(
            f"--{name}", f"--{name.replace('_', '-')}", dest=name, help=text, **flag(parameter)
        )
    return parser


def flag(parameter) -> dict:
    """argparse's keywords for a Param: its type, its choices, or a list of values."""
    import param

    if isinstance(parameter, param.Boolean):
        return {"action": argparse.BooleanOptionalAction}
    if isinstance(parameter, param.Selector):
        return {"choices": list(parameter.objects)}
    if isinstance(parameter, param.Integer):
        return {"type": int}
    if isinstance(parameter, param.Number):
        return {"type": float}
    if isinstance(parameter, param.List | param.Tuple):
        return {"nargs": "*", "type": type(parameter.default[0]) if parameter.default else float}
    return {"type": str}


def bar(progress) -> None:
    """A progress callback for the terminal."""
    if not sys.stderr.isatty() and progress.step < progress.n_steps:
        return
    left = f", {progress.eta:.0f} s left" if progress.eta > 0 else ""
    print(f"\r{progress.message} {progress.step}/{progress.n_steps}{left}   ", end="", file=sys.stderr)
    if progress.step >= progress.n_steps:
        print(file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
