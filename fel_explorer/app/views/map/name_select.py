"""A select of grouped names, of which there may be tens of thousands: it is searched as one types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import panel_material_ui as pmui
from panel.viewable import Viewer

SHOWN = 100  # names of one group in the page at once; each costs it a millisecond


class NameSelect(Viewer):
    """One name of several groups; of a long group only what matches the search is sent to the page.

    Parameters
    ----------
    label
        Title of the select.
    on_choice
        Called with the name that the user chose.
    about
        Further parameters of `pmui.Select`.
    """

    def __init__(self, label: str, on_choice, **about):
        super().__init__()
        self.groups: dict[str, list[str]] = {}
        self._labels: dict[str, str] = {}
        self._on_choice, self._settling = on_choice, False
        self.widget = pmui.Select(label=label, groups={}, searchable=True, **about)
        self.widget.param.watch(self._choose, "value")
        self.widget.param.watch(self._fill, "filter_str")

    def __panel__(self):
        return self.widget

    @property
    def value(self) -> str:
        """The chosen name."""
        return self.widget.value

    @property
    def names(self) -> set[str]:
        """All names that can be chosen."""
        return {name for names in self.groups.values() for name in names}

    def offer(self, groups: Mapping[str, Sequence[str]], labels: Mapping[str, str], value: str) -> None:
        """Offer other names, {group: names}, with the labels of those that read otherwise, and choose one."""
        self.groups, self._labels = {group: list(names) for group, names in groups.items()}, dict(labels)
        self._set(value)

    def show(self, value: str) -> None:
        """Show ``value`` as chosen, without calling ``on_choice``."""
        if value != self.widget.value:
            self._set(value)

    def choose(self, value: str) -> None:
        """Choose as a user does."""
        self._set(self.widget.value, also=value)
        self.widget.value = value

    def _set(self, value, also=None):
        self._settling = True
        try:
            self.widget.param.update(groups=self._matching(value, also), value=value)
        finally:
            self._settling = False

    def _fill(self, *_):
        if any(len(names) > SHOWN for names in self.groups.values()):
            self._set(self.widget.value)

    def _matching(self, *always) -> dict[str, dict[str, str]]:
        """{group: {label: name}} of what the page is to hold: what matches, and ``always``."""
        text, groups = self.widget.filter_str.lower(), {}
        for group, names in self.groups.items():
            label = self._labels.get
            if len(names) > SHOWN:
                matching = [name for name in names if text in label(name, name).lower()]
                title = f"{group} ({len(names):,}: type to find one)" if len(matching) > SHOWN else group
                shown = matching[:SHOWN] + [n for n in always if n in names and n not in matching[:SHOWN]]
            else:
                title, shown = group, names
            groups[title] = {label(name, name): name for name in shown}
        return groups

    def _choose(self, event):
        if self._settling or not event.new:
            return
        if self.widget.filter_str:
            self.widget.filter_str = ""  # the next search begins anew
        self._on_choice(event.new)
