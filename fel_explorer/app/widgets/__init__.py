"""Widgets and drawing aids common to several views."""
