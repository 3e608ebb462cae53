"""The certificate of the shown model in a report, next to those of the other models."""

from __future__ import annotations

from html import escape

import numpy as np

from fel_explorer.app.report.figures import SMALL, figure_html
from fel_explorer.app.session.certificates import known_certificate
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.certificate.analysis import COLUMNS
from fel_explorer.app.views.certificate.drawing import ABOUT, curves_of, draw_curve
from fel_explorer.methods.assessment.certificate_definitions import DEFINITIONS
from fel_explorer.plots.quantities import time_text

NOTE = "Measures of the models with standard errors; point at a name for its definition."


def certificate(session: Session) -> list[str]:
    """Measures of all certified models, and limits and curves of the shown one; empty without any."""
    known = {label: known_certificate(result) for label, result in session.own_results.items()}
    known = {label: found for label, found in known.items() if found is not None}
    if not known:
        return []
    parts = [_table(known)]
    found = known.get(session.active)
    if found is not None:
        parts.append(f"<p>Not seen by that of {escape(session.active)}: {escape(' '.join(found.limits))}</p>")
        parts += [
            figure_html(draw_curve(found, title), f"{title}. {ABOUT[title]}", SMALL)
            for title in curves_of(found)
        ]
    return parts


def _table(known) -> str:
    """A column for each model, a row for each measure."""
    lags = {label: time_text(found.lag_time, found.time_unit) for label, found in known.items()}
    head = "".join(f"<th>{escape(label)}<br>lag {escape(lags[label])}</th>" for label in known)
    body = ""
    for key in COLUMNS:
        about = DEFINITIONS[key]
        cells = f'<td title="{escape(about.text, quote=True)}">{escape(about.title)}</td>'
        for found in known.values():
            measure = next((m for m in found.measures if m.key == key), None)
            text = "" if measure is None or np.isnan(measure.value) else measure.text
            cells += f"<td>{escape(text)}</td>"
        body += f"<tr>{cells}</tr>"
    return f"<table><thead><tr><th>Measure</th>{head}</tr></thead><tbody>{body}</tbody></table>"
