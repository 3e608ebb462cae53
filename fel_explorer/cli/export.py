"""The command that exports a CV for PLUMED and torch."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command to argparse's ``commands``."""
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


def _export(arguments: argparse.Namespace):
    from fel_explorer.data import open_dataset
    from fel_explorer.export.plumed import plumed
    from fel_explorer.methods import load_model

    options = {name: getattr(arguments, name) for name in ("bias", "engine", "temperature", "barrier")}
    model, dataset = load_model(arguments.model), open_dataset(arguments.dataset)
    written = plumed(model, dataset, arguments.output, **options)
    print(f"{written}: {', '.join(sorted(path.name for path in written.parent.iterdir()))}")
