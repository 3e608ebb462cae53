"""Four lessons on free-energy landscapes, each a page and a notebook with one picture to play with."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "landscape": ["LandscapeLesson"],
        "slow_mode": ["SlowModeLesson"],
        "time_scales": ["TimeScalesLesson"],
        "good_cv": ["GoodCVLesson"],
        "index": ["LESSONS", "pages"],
    },
)
