"""Collective variables from several tasks: labels and energies."""
