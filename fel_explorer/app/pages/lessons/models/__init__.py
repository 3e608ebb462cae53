"""Calculations of the lessons; no panel, no plots."""
