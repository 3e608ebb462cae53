"""The states over time."""
