"""Lesson 3 for `panel serve apps/lessons/*.py`: time scales and metastability."""

from fel_explorer.app import entry
from fel_explorer.app.pages.lessons import TimeScalesLesson

entry.load_extensions()
TimeScalesLesson().servable()
