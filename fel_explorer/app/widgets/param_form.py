"""Forms made from Params: one widget a parameter, its doc as the tooltip, its bounds as the widget's."""

from __future__ import annotations

import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.widgets.float_field import FloatField
from fel_explorer.errors import FelError

ADVANCED = 10.0  # parameters of this precedence or more, or of none, are folded away
HALF_WIDTH = 18  # letters of a label that fit half of the sidebar


class Form(Viewer):
    """A form for the hyperparameters of a class; `values` is what the user set.

    Parameters
    ----------
    cls
        A `param.Parameterized` class with ``hyperparameter_names()``.
    time_unit
        Shown behind the names of times ("lag_time (ps)").
    overrides
        {name: value} to begin with instead of the class's defaults.
    """

    def __init__(self, cls, *, time_unit: str = "", overrides: dict | None = None, **params):
        super().__init__(**params)
        self.cls = cls
        self.widgets = {}
        for name in cls.hyperparameter_names():
            parameter = cls.param[name]
            if (parameter.precedence or 0) >= 0:
                default = (overrides or {}).get(name, parameter.default)
                self.widgets[name] = widget_for(parameter, default, time_unit)
        folded = [w for n, w in self.widgets.items() if _is_advanced(cls.param[n])]
        first = [w for w in self.widgets.values() if w not in folded]
        self.layout = pmui.Column(*_pairs(first), sizing_mode="stretch_width", margin=0)
        if folded:
            self.layout.append(
                pmui.Accordion(
                    ("Advanced", pmui.Column(*_pairs(folded), sizing_mode="stretch_width", margin=0)),
                    active=[],
                    dynamic=True,
                    disable_gutters=True,
                    title_variant="body2",
                    sizing_mode="stretch_width",
                    margin=0,
                    elevation=0,
                )
            )

    def __panel__(self):
        return self.layout

    @property
    def values(self) -> dict:
        """{name: value} of every hyperparameter.

        Raises
        ------
        FelError
            If a list of numbers can't be read.
        """
        return {name: _read(self.cls.param[name], widget.value) for name, widget in self.widgets.items()}


def label_of(parameter: param.Parameter, time_unit: str = "") -> str:
    """'Lag time (ps)'."""
    is_time = parameter.name.startswith("lag_time") and time_unit not in ("", "1")
    return parameter.label + (f" ({time_unit})" if is_time else "")


def _is_advanced(parameter):
    return parameter.precedence is None or parameter.precedence >= ADVANCED


def widget_for(parameter: param.Parameter, value, time_unit: str = ""):
    """The widget for one parameter."""
    about = {
        "label": label_of(parameter, time_unit),
        "description": parameter.doc,
        "sizing_mode": "stretch_width",
        "size": "small",
        "margin": (5, 5),
    }
    if isinstance(parameter, param.Boolean):
        return pmui.Checkbox(value=bool(value), **about)
    if isinstance(parameter, param.Selector):
        return pmui.Select(value=value, options=list(parameter.objects), **about)
    if isinstance(parameter, param.Integer):
        return pmui.IntInput(value=value, **_limits(parameter, 1), **about)
    if isinstance(parameter, param.Number):
        return FloatField(value=value, **_limits(parameter, _step(value)), **about)
    if isinstance(parameter, param.List | param.Tuple):
        return pmui.TextInput(value=", ".join(map(str, value or ())), **about)
    return pmui.TextInput(value="" if value is None else str(value), **about)


def _limits(parameter, step):
    low, high = parameter.bounds or (None, None)
    return {"start": low, "end": high, "step": parameter.step or step}


def _step(value):
    """A tenth of the leading digit: 20.0 -> 1, 0.001 -> 0.0001."""
    return (
        10.0 ** (len(f"{abs(value):.0f}") - 2)
        if value and abs(value) >= 1
        else (abs(value) / 10 if value else 0.1)
    )


def _pairs(widgets):
    """Numbers two in a row, everything else and long names alone."""
    rows, open_row = [], None
    for widget in widgets:
        if not isinstance(widget, pmui.IntInput | FloatField) or len(widget.label) > HALF_WIDTH:
            rows.append(_alone(widget))
            open_row = None
        elif open_row is None:
            open_row = pmui.Row(widget, sizing_mode="stretch_width", margin=(0, 5))
            rows.append(open_row)
        else:
            open_row.append(widget)
            open_row = None
    return [_alone(row[0]) if isinstance(row, pmui.Row) and len(row) == 1 else row for row in rows]


def _alone(widget):
    widget.margin = (5, 10)
    return widget


def _read(parameter, value):
    if isinstance(parameter, param.List | param.Tuple) and isinstance(value, str):
        return parse_list(parameter, value)
    if isinstance(parameter, param.String) and value == "" and parameter.allow_None:
        return None
    return value


def parse_list(parameter: param.Parameter, text: str):
    """The value of a list parameter from '128, 128'.

    Raises
    ------
    FelError
        If an entry is not a number where numbers are needed.
    """
    entries = [entry.strip() for entry in text.replace("[", "").replace("]", "").split(",") if entry.strip()]
    kind = getattr(parameter, "item_type", None)
    like = type(parameter.default[0]) if parameter.default else (kind if isinstance(kind, type) else float)
    try:
        values = [like(entry) for entry in entries]
    except ValueError as error:
        raise FelError(
            f"{parameter.name} = '{text}'.",
            f"It is a list of {like.__name__} values, such as {parameter.default}.",
        ) from error
    return tuple(values) if isinstance(parameter, param.Tuple) else values
