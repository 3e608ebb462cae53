"""The selected frames."""
