"""Comparison of two sets of frames, feature by feature."""
