"""Systems to learn from without files: analytic potentials with known answers, force fields, and dynamics."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "double_well": ["DoubleWell"],
        "embedded": ["MullerBrown5D", "ThreeWell5D"],
        "force_field": ["ForceField"],
        "four_well": ["FourWell"],
        "muller_brown": ["MullerBrown"],
        "openmm_energy": ["OpenMMEnergy"],
        "periodic": ["PeriodicPotential"],
        "potential": ["Potential", "list_systems"],
        "shooting": ["near_saddles", "shoot"],
    },
)
