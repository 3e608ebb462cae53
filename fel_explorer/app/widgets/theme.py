"""Colours and sizes of the pages' words and widgets."""

from __future__ import annotations

LARGE = 17  # px of usual words, which are 14 px else


def _icons(family: str) -> dict:
    """Style of icons that are words in a font; in notebooks the style sheet of the widgets is missing."""
    return {
        "fontFamily": family, "fontWeight": "normal", "lineHeight": 1, "letterSpacing": "normal",
        "textTransform": "none", "whiteSpace": "nowrap", "fontFeatureSettings": "'liga'",
    }  # fmt: skip


DENSE = {
    "MuiIcon": {
        "styleOverrides": {
            "root": {
                "&.material-icons": _icons("Material Icons"),
                "&.material-icons-outlined": _icons("Material Icons Outlined"),
            }
        }
    },
    "MuiToolbar": {"defaultProps": {"variant": "dense"}},
    "MuiAccordionSummary": {"styleOverrides": {"root": {"minHeight": "36px"}}},
    "MuiTooltip": {
        # else it stays open under the pointer, over the buttons next to its own
        "defaultProps": {"disableInteractive": True},
        "styleOverrides": {"tooltip": {"width": "max-content", "maxWidth": "200px", "fontSize": "13px"}},
    },
    "MuiInputBase": {
        "styleOverrides": {
            "root": {"&.MuiInputBase-sizeSmall": {"fontSize": "14px"}},
            "inputSizeSmall": {"&&": {"paddingTop": "6px", "paddingBottom": "6px"}},
        }
    },
    "MuiToggleButton": {
        "styleOverrides": {
            "root": {"textTransform": "none"},
            "sizeSmall": {"padding": "3px 7px", "fontSize": "13px", "lineHeight": 1.6},
        }
    },
    "MuiDrawer": {"styleOverrides": {"paper": {"scrollbarWidth": "thin"}}},
}
DARK_BAR = {
    "MuiAppBar": {"styleOverrides": {"colorPrimary": {"backgroundColor": "#0f3441", "color": "#ffffff"}}}
}
THEME = {
    "light": {
        "palette": {"primary": {"main": "#155e75"}, "secondary": {"main": "#b45309"}},
        "components": DENSE,
    },
    "dark": {
        "palette": {
            "primary": {"main": "#67c5de"},
            "secondary": {"main": "#f59e0b"},
            "default": {"dark": "#e0e0e0"},
        },
        "components": {**DENSE, **DARK_BAR},
    },
}


def theme(large: bool) -> dict:
    """The page's colours and sizes; ``large`` words read from the last row."""
    if not large:
        return THEME
    return {mode: {**look, "typography": {"fontSize": LARGE}} for mode, look in THEME.items()}
