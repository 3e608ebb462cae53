"""Colours of words."""

import numpy as np

from fel_explorer.plots.colours import legible, state_colours


def test_words_in_the_colour_of_a_state_can_be_read_on_the_page():
    def luminance(colour):
        channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for dark, page in ((False, "#ffffff"), (True, "#121212")):
        for colour in state_colours(range(20), dark=dark).values():
            low, high = sorted((luminance(legible(colour, dark=dark)), luminance(page)))
            assert (high + 0.05) / (low + 0.05) > 4.4
    assert legible("#0072b2", dark=False) == "#0072b2" and legible("#6b7075", dark=False) == "#6b7075"
