"""One file a plot: data in, HoloViews elements out.  No widgets, no session."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["colours", "contours", "free_energy", "pixels", "points", "registry", "training"],
    submod_attrs={
        "colours": ["state_colours"],
        "contours": ["plot_contours"],
        "free_energy": [
            "free_energy_profile",
            "free_energy_surface",
            "plot_free_energy",
            "plot_profile",
        ],
        "pixels": ["plot_pixels"],
        "points": ["plot_points"],
        "registry": ["list_plots"],
        "training": ["plot_losses", "plot_preview"],
    },
)
