"""The structures behind frames, states and paths."""
