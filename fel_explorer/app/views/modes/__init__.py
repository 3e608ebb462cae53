"""Slow modes: time scales, eigenfunctions, scores, sensitivities."""
