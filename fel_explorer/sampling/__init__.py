"""Umbrella sampling along a learned collective variable, its free energies, and potential energies."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "energies": ["potential_energies"],
        "molecules": ["MolecularSystem"],
        "reweighting": [
            "basin_difference",
            "mbar_weights",
            "profile",
            "profile_barrier",
            "reweighted_statistic",
            "unbiased_profile",
        ],
        "umbrella": ["umbrella"],
        "windows": ["Windows", "place_windows"],
    },
)
