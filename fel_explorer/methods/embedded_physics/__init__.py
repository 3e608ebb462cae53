"""Collective variables from a force field, without data."""
