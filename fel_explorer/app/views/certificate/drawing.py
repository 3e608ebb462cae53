"""The curves of a certificate as figures."""

from __future__ import annotations

from fel_explorer.methods.assessment.certificate import Certificate
from fel_explorer.plots import sheet
from fel_explorer.plots.chapman_kolmogorov import plot_ck_modes
from fel_explorer.plots.effective_dynamics import plot_effective_dynamics
from fel_explorer.plots.score import plot_score_over_lags
from fel_explorer.plots.timescales import plot_implied_timescales

CURVES = {  # {title: table of the certificate}
    "Time scales": "timescales",
    "Chapman-Kolmogorov": "chapman_kolmogorov",
    "VAMP-2": "vamp2",
    "Drift": "effective_dynamics",
    "Diffusion": "effective_dynamics",
}
ABOUT = {
    "Time scales": "Implied time scales of the embedding at each lag; level where the lag is long enough.",
    "Chapman-Kolmogorov": "Correlation of each slow mode with itself: lines are predicted from the lag, dots "
    "are the data. They agree where the embedding is Markovian.",
    "VAMP-2": "VAMP-2 score of the embedding's axes at each lag.",
    "Drift": "Drift along the axis with the slowest effective dynamics; dashed: of a diffusion in equilibrium"
    " with the same density.",
    "Diffusion": "Diffusion coefficient along the axis with the slowest effective dynamics.",
}


def curves_of(certificate: Certificate | None) -> list[str]:
    """Titles of the curves that a certificate has."""
    tables = {} if certificate is None else certificate.tables
    return [title for title, name in CURVES.items() if name in tables]


def draw_curve(certificate: Certificate, title: str, *, dark: bool = False) -> sheet.Sheet:
    """A curve of `CURVES` of a certificate that has it."""
    table, unit, lag = certificate.tables[CURVES[title]], certificate.time_unit, certificate.lag_time
    if title == "Time scales":
        return plot_implied_timescales.sheet(table, time_unit=unit, lag_time=lag, dark=dark)
    if title == "Chapman-Kolmogorov":
        return plot_ck_modes.sheet(table, dark=dark)
    if title == "VAMP-2":
        return plot_score_over_lags.sheet(table, lag_time=lag, dark=dark)
    return plot_effective_dynamics.sheet(table, quantity=title.lower(), time_unit=unit, dark=dark)
