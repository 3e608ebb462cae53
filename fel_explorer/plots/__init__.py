"""One file a plot: data in, HoloViews elements out.  No widgets, no session."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "colours",
        "contours",
        "free_energy",
        "landscape",
        "pixels",
        "points",
        "quantities",
        "registry",
    ],
    submod_attrs={
        "chapman_kolmogorov": ["plot_ck_test"],
        "colours": ["state_colours"],
        "contours": ["plot_contours"],
        "cv_profile": ["plot_cv_profile"],
        "export": ["save"],
        "energy_units": ["EnergyUnit", "energy_unit"],
        "free_energy": [
            "free_energy_error",
            "free_energy_profile",
            "free_energy_surface",
            "plot_free_energy",
            "plot_profile",
        ],
        "level_sets": ["plot_decoder", "plot_level_sets"],
        "modes": ["plot_modes"],
        "network": ["Network", "plot_network"],
        "pixels": ["plot_pixels"],
        "points": ["plot_points"],
        "registry": ["list_plots"],
        "score": ["plot_score"],
        "sensitivity": ["plot_sensitivity"],
        "simulation": ["plot_simulated_profile", "plot_simulated_timescales", "plot_simulated_walk"],
        "simulation_maps": ["plot_simulated_tica", "plot_simulated_transitions"],
        "survival": ["Survival", "plot_survival", "survival_table"],
        "timescales": ["plot_implied_timescales", "plot_spectrum"],
        "umbrella": ["plot_windows"],
    },
)
