"""Lesson 1 for `panel serve apps/lessons/*.py`: what a free-energy landscape is."""

from fel_explorer.app import entry
from fel_explorer.app.pages.lessons import LandscapeLesson

entry.load_extensions()
LandscapeLesson().servable()
