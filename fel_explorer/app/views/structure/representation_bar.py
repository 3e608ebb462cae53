"""Representation of structures: style, colours, hydrogens, and the ensemble that is overlaid."""

from __future__ import annotations

import panel_material_ui as pmui

from fel_explorer.app.session.session import Session
from fel_explorer.app.viewer import COLOURINGS, OF_CHAINS, REPRESENTATIONS, StructureViewer
from fel_explorer.app.viewer.scenes import BEHIND

CHOICES = {"medoids": "medoids", "nearest to the mean": "centroid", "random": "random"}
MAX_STRUCTURES = 12  # structures overlaid
MORE = "Hydrogens; number, choice and opacity of the superposed structures"
VALUES = "values"  # the choice that stands for the values of atoms, while there are any


class RepresentationBar:
    """The ``widgets`` above the structures and, folded away, ``more`` of them.

    What the user chose is kept in ``session.representation``, whose keys are "representation", "colouring",
    "hydrogens", "opacity" (of overlaid structures but the first), "count" and "choice" (of representatives);
    what was not chosen is not there.
    """

    def __init__(self, session: Session, viewer: StructureViewer):
        self.session, self.viewer = session, viewer
        self._chains, self._dark = False, False
        self._applying = False
        self._make_widgets()
        self._watcher = session.param.watch(self._apply, ["representation", "atom_values"])
        self._apply()

    def close(self) -> None:
        """Stop watching the session."""
        self.session.param.unwatch(self._watcher)

    def _make_widgets(self):
        small = {"size": "small", "variant": "outlined", "margin": (6, 3, 0, 3)}
        slider = {"size": "small", "width": 104, "margin": (2, 12, 0, 12)}
        self.representation = pmui.Select(
            label="Style", options=list(REPRESENTATIONS), width=118,
            description="How atoms and bonds are drawn.", **small,
        )  # fmt: skip
        self.colouring = pmui.Select(
            label="Colour", width=118,
            description="Colour by structure, or by parts of the molecule.", **small,
        )  # fmt: skip
        self.hydrogens = pmui.Switch(label="H atoms", size="small", margin=(12, 4, 0, 12))
        self.count = pmui.IntSlider(label="Structures", start=1, end=MAX_STRUCTURES, **slider)
        self.choice = pmui.Select(
            label="Choice", options=CHOICES, width=142,
            description="Medoids are the frames most like the others around them.", **small,
        )  # fmt: skip
        self.opacity = pmui.FloatSlider(label="Opacity", start=0.1, end=1.0, step=0.05, **slider)
        self._ensemble = (self.choice, self.count, self.opacity)
        self._fold = pmui.IconButton(
            icon="tune", description=MORE, size="small", margin=(6, 2, 0, 0), on_click=self._on_fold
        )
        self.widgets = (self._fold, self.representation, self.colouring)
        self.more = pmui.FlexBox(
            self.hydrogens, *self._ensemble, align_items="center", margin=0, visible=False
        )
        for name in ("representation", "colouring", "hydrogens", "choice"):
            getattr(self, name).param.watch(lambda event, name=name: self._choose(name, event.new), "value")
        for name in ("count", "opacity"):
            slider = getattr(self, name)
            slider.param.watch(lambda event, name=name: self._choose(name, event.new), "value_throttled")

    def _on_fold(self, _event):
        self.more.visible = not self.more.visible
        self._fold.color = "primary" if self.more.visible else "default"

    def offer(self, chains: bool) -> None:
        """Offer what molecules can have that consist of chains, or of none."""
        self._chains = chains
        self._apply()

    def show_ensemble(self, shown: bool) -> None:
        """Whether several structures are overlaid, so that there is a choice of them."""
        for widget in self._ensemble:
            widget.visible = shown

    def darken(self, dark: bool) -> None:
        """Take the scale's colours for a dark page, or for a light one."""
        self._dark = dark
        self._apply()

    def _choose(self, name, value):
        if self._applying:
            return
        if name == "colouring" and value == VALUES:
            return
        self.session.param.update(
            representation={**self.session.representation, name: value},
            atom_values=None if name == "colouring" else self.session.atom_values,
        )

    def _apply(self, *_):
        """Make widgets and viewer what the session says; what is not possible here falls back."""
        chosen, values = self.session.representation, self.session.atom_values
        styles = [style for style in REPRESENTATIONS if self._chains or style not in OF_CHAINS]
        style = chosen.get("representation")
        style = style if style in styles else "cartoon" if self._chains else "ball+stick"
        colouring = chosen.get("colouring", "structure")
        options = {words: name for name, words in COLOURINGS.items()}
        if values is not None:
            options = {values.title[0].upper() + values.title[1:]: VALUES} | options
        self._applying = True
        try:
            self.representation.param.update(options=styles, value=style)
            self.colouring.param.update(options=options, value=VALUES if values is not None else colouring)
            self.hydrogens.value = chosen.get("hydrogens", True)
            self.count.value = chosen.get("count", 3)
            self.choice.value = chosen.get("choice", "medoids")
            self.opacity.value = chosen.get("opacity", BEHIND)
        finally:
            self._applying = False
        self.viewer.param.update(
            representation=style,
            colouring=colouring,
            hydrogens=self.hydrogens.value,
            atom_values={} if values is None else values.as_dict(dark=self._dark),
        )
