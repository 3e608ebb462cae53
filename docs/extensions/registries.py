"""Pages of the reference that are made from the registries when the documentation is built.

Methods, featurizers, observables, plots with a picture of each, views, keys and commands: all that is
registered is documented, and nothing else.
"""

import importlib
import inspect
import re
from pathlib import Path

import fel_explorer as fel
from fel_explorer.methods.registry import list_models

HEAD = "<!-- made from the registries by docs/extensions/registries.py -->\n\n"
PACKAGE = Path(fel.__file__).parent


def write_pages(app):
    """Write all pages into docs/reference/generated, and leave alone those that did not change."""
    folder = Path(app.srcdir) / "reference" / "generated"
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    pages = {
        "methods": methods(),
        "featurizers": featurizers(),
        "observables": observables(),
        "plots": plots(folder / "plots"),
        "views": views(),
        "keys": keys(),
        "commands": commands(),
        "advice": advice(),
        "api": api(),
    }
    for name, text in pages.items():
        path, text = folder / f"{name}.md", HEAD + text
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def paragraphs(thing):
    """Docstring of a class or function as Markdown: its text, without sections of parameters."""
    text = inspect.cleandoc(thing.__doc__ or "")
    text = re.split(r"\n\w[\w ]+\n-{3,}\n", text)[0]
    return code_in_single_backticks(text)


def code_in_single_backticks(text):
    return re.sub(r"`+([^`]+)`+", r"`\1`", text)


def cell(value):
    return code_in_single_backticks(str(value)).replace("|", "\\|").replace("\n", " ")


def methods():
    lines = [
        "# Methods\n",
        "All that `fel.list_methods()` returns, in the order of their names. "
        "[Equations and departures from the sources](../../methods.md); "
        "[how well each works](../../validation.md).\n",
    ]
    for name, cls in sorted(fel.list_methods().items()):
        lines += [
            f"## {name}\n",
            paragraphs(cls) + "\n",
            "| parameter | default | what it is |",
            "|---|---|---|",
        ]
        for parameter_name in cls.hyperparameter_names():
            parameter = cls.param[parameter_name]
            default = cell(repr(parameter.default))
            lines.append(
                f"| `{parameter_name}` | `{default}` | {cell(parameter.doc or '')}{valid(parameter)} |"
            )
        lines.append("")
    return "\n".join(lines)


def valid(parameter):
    """What a parameter may be, in words."""
    choices = getattr(parameter, "objects", None)
    if choices:
        return " One of " + ", ".join(f"`{choice!r}`" for choice in choices) + "."
    low, high = getattr(parameter, "bounds", None) or (None, None)
    if isinstance(parameter.default, list | tuple) or (low is None and high is None):
        return ""
    if high is None:
        return f" From {low}."
    return f" At most {high}." if low is None else f" From {low} to {high}."


def featurizers():
    lines = [
        "# Featurizers\n",
        "All that `fel.list_featurizers()` returns; [which for which molecule](../../features.md).\n",
    ]
    for name, cls in sorted(fel.list_featurizers().items()):
        lines += [f"## {name}\n", paragraphs(cls) + "\n"]
        options = [p for p in inspect.signature(cls).parameters.values() if p.kind is not p.VAR_KEYWORD]
        if options:
            lines += ["| option | default |", "|---|---|"]
            lines += [f"| `{p.name}` | `{cell(repr(p.default))}` |" for p in options]
            lines.append("")
    return "\n".join(lines)


def observables():
    from fel_explorer.structures.observation import list_observables

    lines = [
        "# Observables\n",
        "Quantities of structures for `fel.structures.observables`, and columns of the page.\n",
    ]
    for name, observable in sorted(list_observables().items()):
        lines += [f"## {name}\n", paragraphs(observable_function(observable)) + "\n"]
    return "\n".join(lines)


def observable_function(observable):
    return next((v for v in vars(observable).values() if inspect.isfunction(v) and v.__doc__), observable)


def plots(folder):
    """The gallery: a picture of each registered plot, drawn from its example."""
    from fel_explorer.plots import save
    from fel_explorer.plots.registry import list_plots

    lines = [
        "# Plots\n",
        "Each plot with the data of its example. They return HoloViews elements, which `fel.plots.save` "
        "writes as SVG, PDF or PNG.\n",
    ]
    for name, plot in sorted(list_plots().items()):
        picture = folder / f"{name}.png"
        save(plot.example(), picture, size=(14.0, 9.0))
        image = f"```{{image}} plots/{picture.name}\n:alt: {plot.draw.__name__}\n:width: 560px\n```\n"
        lines += [f"## {plot.draw.__name__}\n", paragraphs(plot.draw) + "\n", image]
    return "\n".join(lines)


def advice():
    from fel_explorer.app.views.model.advice import ADVICE

    lines = [
        "# Which method when\n",
        "The answers of *Which method should I use?* in the page, which asks three questions on the data.\n",
        "| for | method | why | what not to expect |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | `{one.method}` | {cell(one.reason)} | {cell(one.limits)} |"
        for name, one in ADVICE.items()
    ]
    return "\n".join(lines) + "\n"


def views():
    from fel_explorer.app.views.tabs import TABS

    lines = [
        "# Views of the page\n",
        "The tabs below the map. A view is offered when there is something to show in it.\n",
        "| view | key | what it shows |",
        "|---|---|---|",
    ]
    lines += [
        f"| **{tab.title}** | {f'`{tab.shortcut}`' if tab.shortcut else ''} | {cell(tab.about)} |"
        for tab in TABS
    ]
    return "\n".join(lines) + "\n"


def keys():
    from fel_explorer.app.shell.commands import by_shortcut

    lines = ["# Keys of the page\n", "| key | what it does |", "|---|---|"]
    lines += [f"| `{key}` | {cell(command.title)} |" for key, command in sorted(by_shortcut().items())]
    return "\n".join(lines) + "\n"


def commands():
    from fel_explorer.cli.parser import make_parser

    parser, commands = make_parser()
    lines = ["# Command line\n", f"```text\n{parser.format_help()}```\n"]
    for name, command in commands.items():
        lines += [f"## fel-explorer {name}\n", f"```text\n{command.format_help()}```\n"]
    return "\n".join(lines)


def api():
    lines = ["# Python API\n", "Public names, by package. `import fel_explorer as fel`.\n"]
    for module in ("fel_explorer", *packages()):
        names = public_names(module)
        if not names:
            continue
        table = [".. autosummary::", "   :toctree: api", "", *(f"   {name}" for name in names)]
        lines += [f"## {module}\n", "```{eval-rst}", f".. currentmodule:: {module}", "", *table, "```\n"]
    return "\n".join(lines)


def packages():
    """Packages that list their public names: by a stub, or by ``__dir__``."""
    stubs = {path.parent.name for path in PACKAGE.glob("*/__init__.pyi")}
    return [f"fel_explorer.{name}" for name in sorted({*stubs, "methods"})]


def public_names(module):
    """Functions and classes of a package; methods have a page of their own."""
    found = importlib.import_module(module)
    elsewhere = list_models() if found is fel else fel.list_methods()
    names = (name for name in dir(found) if not name.startswith("_") and name not in elsewhere)
    return [name for name in names if callable(getattr(found, name))]


def setup(app):
    app.connect("builder-inited", write_pages, priority=100)  # autosummary reads them at 500
    return {"parallel_read_safe": True, "parallel_write_safe": True}
