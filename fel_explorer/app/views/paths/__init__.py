"""Paths on the landscape."""
