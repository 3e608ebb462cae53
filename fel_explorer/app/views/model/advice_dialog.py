"""The dialog that asks three questions and recommends a method."""

from __future__ import annotations

from collections.abc import Callable

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.session.session import Session
from fel_explorer.app.views.certificate.analysis import trained_words
from fel_explorer.app.views.model.advice import QUESTIONS, Advice, advise
from fel_explorer.app.widgets.text import Text

CODE = {
    "& pre": {"fontSize": "13px", "margin": 0, "padding": "10px", "whiteSpace": "pre-wrap"},
    "& code": {"fontSize": "inherit"},
}
FIRST = {"have": "trajectories", "want": "states", "known": "nothing"}


class WhichMethod(Viewer):
    """Questions on the left, the recommendation on the right; made when it is first opened.

    Parameters
    ----------
    choose
        Called with a method's name and hyperparameters when the user takes the advice.
    """

    def __init__(self, session: Session, choose: Callable[[str, dict], None], **params):
        super().__init__(**params)
        self.session, self._choose = session, choose
        self.dialog = pmui.Dialog(
            title="Which method should I use?", open=False, close_on_click=True, show_close_button=True,
            width_option="lg",
        )  # fmt: skip
        self.questions: dict[str, pmui.RadioBoxGroup] = {}

    def __panel__(self):
        return self.dialog

    @property
    def advice(self) -> Advice:
        """Recommendation for the present answers."""
        return advise(**{name: group.value for name, group in self.questions.items()})

    def open(self) -> None:
        """Ask."""
        if not self.dialog.objects:
            self._make()
        self._show()
        self.dialog.open = True

    def _make(self):
        asked = []
        for name, (question, answers) in QUESTIONS.items():
            options = {text: key for key, text in answers.items()}
            group = pmui.RadioBoxGroup(
                options=options, value=FIRST[name], label=question, margin=(0, 8, 14, 8)
            )
            group.param.watch(self._show, "value")
            self.questions[name] = group
            asked.append(group)
        self.text = Text("", width=392, margin=(0, 8, 8, 8), sx=CODE)
        self.use = pmui.Button(
            label="Use it", icon="check", variant="contained", on_click=self._use, margin=8
        )
        answer = pmui.Paper(self.text, self.use, variant="outlined", width=430, margin=8, sx={"p": 2})
        self.dialog[:] = [pmui.Row(pmui.Column(*asked, width=430, margin=0), answer, margin=0)]

    def _show(self, *_):
        advice = self.advice
        self.text.object = "\n\n".join(filter(None, [words(advice), trained_words(self.session.own_results)]))
        self.use.visible = bool(advice.in_form)
        self.use.disabled = self.session.dataset is None
        self.use.label = f"Set up {advice.in_form}" if advice.in_form else ""
        self.use.description = (
            "Load data and compute features first."
            if self.session.dataset is None
            else "Choose it in the Model panel with these settings; press Train there."
        )

    def _use(self, _event):
        advice = self.advice
        self.dialog.open = False
        self._choose(advice.in_form, advice.parameters)


def words(advice: Advice) -> str:
    """The advice as Markdown."""
    parts = [f"### {advice.method}", advice.reason, f"**Bear in mind:** {advice.limits}"]
    if advice.elsewhere:
        parts += [f"It is trained {advice.elsewhere}. In Python:", f"```python\n{advice.code}\n```"]
    elif advice.parameters:
        parts.append("Settings: " + ", ".join(f"`{k} = {v}`" for k, v in advice.parameters.items()))
    return "\n\n".join(parts)
