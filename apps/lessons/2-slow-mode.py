"""Lesson 2 for `panel serve apps/lessons/*.py`: why PCA can miss the slow mode."""

from fel_explorer.app import entry
from fel_explorer.app.pages.lessons import SlowModeLesson

entry.load_extensions()
SlowModeLesson().servable()
