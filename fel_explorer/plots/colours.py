"""Colours: states, sequential and cyclic scales, chosen to survive colour blindness.

The state colours start from Okabe and Ito's set and go on by farthest points in CIELAB, under normal,
deuteranope and protanope vision (G. M. Machado, M. M. Oliveira and L. A. F. Fernandes, IEEE Trans. Vis.
Comput. Graph. 15, 1291 (2009), doi:10.1109/TVCG.2009.113); the first 16 stay at least 16 (light) and 15
(dark) CIELAB units apart in all three.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from bokeh.palettes import Viridis256

LIGHT = (
    "#0072b2 #e69f00 #009e73 #cc79a7 #56b4e9 #d55e00 #851414 #0070f5 #ccd685 #663352"
    " #2933a3 #e02952 #5c99ff #662970 #5ce0f5 #ad3d14 #a3d6a3 #ff8f52 #8f5285 #851f33"
).split()
DARK = (
    "#4ea3e0 #f5b335 #2fbf94 #e093c0 #8fd3f7 #f0743a #2966eb #8fffa3 #995c3d #ad3d99"
    " #7affd6 #3dcc66 #3d7ad6 #ccf57a #b84714 #8ff5f5 #0a998f #d61470 #7ae0a3 #66a366"
).split()

APART = "#4411ff #dd8855 #77ee55 #885588 #bbddbb #337744 #0044dd #3366cc".split()
"""Colours of structures that are not of states, at least 15 CIELAB units from the first 16 of states."""

FREE_ENERGY = Viridis256
DIVERGING = ("#0072b2", "#c3c7cc", "#d55e00")  # below 0, 0, above
DIVERGING_DARK = ("#4ea3e0", "#5f6368", "#f0743a")


def state_colours(states: Iterable[int], *, dark: bool = False) -> dict[int, str]:
    """``{state: colour}``; a state's colour depends on its number only, so that subsets keep their colours.

    Colours repeat after 20 states.
    """
    palette = DARK if dark else LIGHT
    return {int(state): palette[int(state) % len(palette)] for state in states}


def legible(colour: str, *, dark: bool) -> str:
    """A colour for words on a page: darker, or on a dark page lighter, as far as its contrast needs.

    Greys, which are chosen for words, stay; the contrast is that of WCAG 2.2, 4.5 to 1.
    """
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    if len(colour) > 7 or np.ptp(channels) < 0.1:
        return colour
    ground, ink = (0.006, 1.0) if dark else (1.0, 0.0)  # luminance of the page; what is mixed in
    for part in np.linspace(0, 1, 21):
        mixed = (1 - part) * channels + part * ink
        low, high = sorted((ground, _luminance(mixed)))
        if (high + 0.05) / (low + 0.05) >= 4.5:
            break
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in mixed)


def _luminance(channels: np.ndarray) -> float:
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def tints(colour: str, n: int) -> list[str]:
    """``n`` neighbours of a colour: one stays as it is, more differ in lightness and a little in hue."""
    if n < 2:
        return [colour] * n
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    middle = float(np.clip(lightness, 0.42, 0.6))
    shades = [
        colorsys.hls_to_rgb((hue + 0.03 * offset) % 1, middle - 0.16 * offset, saturation)
        for offset in np.linspace(-1, 1, n)
    ]
    return ["#" + "".join(f"{round(255 * channel):02x}" for channel in shade) for shade in shades]


def underlay(dark: bool) -> str:
    """The grey of frames that are not selected."""
    return "#5f6368" if dark else "#c3c7cc"


def sequential(palette: Sequence[str] = Viridis256, dark: bool = False) -> list[str]:
    """``palette`` without the end that would drown in the page's background."""
    return list(palette[28:] if dark else palette[:244])


@dataclass(frozen=True)
class Scale:
    """Map from values to colours.

    Attributes
    ----------
    label
        What is shown, with its unit: the title of the colour bar.
    kind
        "sequential", "cyclic" (values are degrees) or "categorical" (values are 0, 1, ... in ``names``).
    limits
        Values of the first and the last colour.
    palette
        Colours from low to high; one per category where categorical.
    names
        Names of the categories.
    """

    label: str
    kind: str
    limits: tuple[float, float]
    palette: tuple[str, ...]
    names: tuple[str, ...] = ()


def sequential_scale(
    label: str, values: np.ndarray, *, dark: bool = False, limits: tuple[float, float] | None = None
) -> Scale:
    """From the lowest to the highest finite value, or between ``limits``."""
    if limits is None:
        finite = values[np.isfinite(values)]
        limits = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if limits[0] == limits[1]:
        limits = (limits[0] - 0.5, limits[1] + 0.5)
    return Scale(label, "sequential", limits, tuple(sequential(dark=dark)))


def diverging_scale(label: str, values: np.ndarray, *, dark: bool = False) -> Scale:
    """From the lowest to the highest value, 0 grey: each sign has all shades of its own colour.

    The rarest thousandth on either side counts as the end.
    """
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.001, 0.999]) if len(finite) else (0.0, 0.0)
    low, high = min(float(low), -1e-9), max(float(high), 1e-9)
    place = np.linspace(low, high, 256)
    ends = DIVERGING_DARK if dark else DIVERGING
    channels = [[int(colour[i : i + 2], 16) for colour in ends] for i in (1, 3, 5)]
    mixed = np.stack([np.interp(place, [low, 0.0, high], channel) for channel in channels], axis=1)
    palette = tuple("#" + "".join(f"{round(c):02x}" for c in row) for row in mixed)
    return Scale(label, "sequential", (low, high), palette)


def banded(scale: Scale, step: float) -> Scale:
    """``scale`` in bands of one colour, from one multiple of ``step`` to the next."""
    low, high = scale.limits
    n = 512
    places = low + (np.arange(n) + 0.5) * (high - low) / n
    middles = np.clip((np.floor(places / step) + 0.5) * step, low, high)
    last = len(scale.palette) - 1
    numbers = np.round((middles - low) / (high - low) * last).astype(int)
    return replace(scale, palette=tuple(scale.palette[number] for number in numbers))


def cyclic_scale(label: str) -> Scale:
    """For angles in degrees, -180 to 180: perceptually uniform, and its two ends meet."""
    from colorcet import CET_C2  # brings matplotlib, without which a page opens a quarter of a second sooner

    return Scale(label, "cyclic", (-180.0, 180.0), tuple(CET_C2))


def categorical_scale(label: str, colours: dict[int, str], names: Sequence[str]) -> Scale:
    """One colour per category, in the order of ``colours``."""
    return Scale(label, "categorical", (-0.5, len(colours) - 0.5), tuple(colours.values()), tuple(names))
