"""Commands that open the app, the lessons and the page of force fields."""

from __future__ import annotations

import argparse
from typing import Any

from fel_explorer.cli.file_flags import add_file_flags, file_options
from fel_explorer.cli.method_flags import add_scheduler_flags, choose_scheduler
from fel_explorer.cli.server_flags import add_server_flags, server_options


def add(commands: Any) -> None:
    """Add the commands to argparse's ``commands``."""
    page = commands.add_parser("open", help="open the app on files (the default)")
    page.add_argument(
        "paths", nargs="*", help="trajectories, a dataset (.zarr) and models (.fel), or a saved session"
    )
    add_file_flags(page)
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


def _open(arguments: argparse.Namespace):
    choose_scheduler(arguments)
    from fel_explorer.app import entry, explorer_pages

    options = server_options(arguments)
    make_page = explorer_pages.page_on(arguments.paths, **file_options(arguments), root=arguments.root)
    _serve(entry.with_physics(make_page, arguments.root), options)


def _demo(arguments):
    choose_scheduler(arguments)
    options = server_options(arguments)
    from fel_explorer.app.jobs.sample_features import finish, start_process

    featurization = start_process()
    from fel_explorer.app import entry

    def prepare():
        from fel_explorer.app import explorer_pages  # takes seconds, in which the server already answers

        remark = finish(featurization)
        explorer_pages.demo_data()
        return lambda: explorer_pages.demo_page(root, remark=remark)

    ready, root = entry.run_in_thread(prepare), arguments.root
    _serve(entry.with_physics(lambda: ready.result()(), root, ready), options)


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
