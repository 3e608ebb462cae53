"""Widgets and drawing aids that several views share."""
