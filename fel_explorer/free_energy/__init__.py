"""Free energies over collective variables: surfaces, profiles, barriers, basin differences, errors."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "barrier_heights": ["Barrier", "barrier", "barriers", "path_barrier"],
        "basins": ["basin_difference"],
        "comparison": ["aligned_rms"],
        "density": ["from_density", "marginal"],
        "estimator": ["FreeEnergy", "estimate"],
        "grid": ["Grid", "default_bins"],
        "interpolation": ["at_points"],
        "surface": ["free_energy_error", "free_energy_profile", "free_energy_surface"],
    },
)
