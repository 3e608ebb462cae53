"""Standard error of free energies."""

from fel_explorer.free_energy import free_energy_error  # noqa: F401
