"""The command line: the app, and everything of it that needs no page."""

from fel_explorer.cli.parser import main

__all__ = ["main"]
