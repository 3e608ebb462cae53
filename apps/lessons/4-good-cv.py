"""Lesson 4 for `panel serve apps/lessons/*.py`: what a collective variable is good for."""

from fel_explorer.app import entry
from fel_explorer.app.pages.lessons import GoodCVLesson

entry.load_extensions()
GoodCVLesson().servable()
