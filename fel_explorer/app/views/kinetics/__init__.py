"""Kinetics between the states."""
