"""The dialog of all jobs: the queue, progress, time left, logs, and failures with their remedies."""

from __future__ import annotations

import math

import param
from panel.custom import JSComponent

from fel_explorer.app.jobs.job import Job
from fel_explorer.app.jobs.queue_status import cause, queue_text, situation
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.widgets.dom import ELEMENT, MODAL

_ESM = """
export function render({model, el}) {
  element("style", "", el, model.css)
  const dialog = element("dialog", "", el)
  dialog.setAttribute("aria-label", "Jobs")
  const head = element("header", "", dialog)
  element("h2", "", head, "Jobs")
  const queue = element("span", "less", head)
  const clear = action(head, "Empty the queue", () => model.send_msg({act: "empty"}))
  clear.title = "Take all jobs that wait out of the queue"
  action(head, "Close", () => dialog.close()).autofocus = true
  const list = element("div", "list", dialog)
  let opened = null, drawn = ""

  function action(parent, label, act) {
    const button = element("button", "", parent, label)
    button.type = "button"
    button.onclick = act
    return button
  }

  function line(job) {
    const row = element("section", job.state, list)
    const top = element("div", "top", row)
    element("strong", "", top, job.label)
    element("span", "less", top, job.text)
    const ask = (act) => () => model.send_msg({act, id: job.id})
    if (job.active && !job.stopping) {
      action(top, job.state === "queued" ? "Cancel" : "Stop", ask("cancel"))
    }
    if (job.stopping) {
      const end = action(top, "End now", ask("cancel"))
      end.title = "It is finishing what it keeps. End it at once; only checkpoints stay."
    }
    if (job.again) action(top, job.again, ask("again"))
    if (job.recipe) {
      action(top, "Use its parameters", () => { ask("reuse")(); dialog.close() })
    }
    const log = action(top, opened === job.id ? "Hide log" : "Log", () => {
      opened = opened === job.id ? null : job.id
      model.send_msg({act: "log", id: opened})
      draw()
    })
    log.setAttribute("aria-expanded", opened === job.id)
    if (job.state === "running") {
      const bar = element("progress", "", row)
      if (job.fraction >= 0) bar.value = job.fraction
      bar.setAttribute("aria-label", `Progress of ${job.label}`)
    }
    if (job.what) element("p", "what", row, job.what)
    if (job.remedy) element("p", "", row, job.remedy)
    if (opened === job.id) {
      const text = element("pre", "", row, model.log)
      text.tabIndex = 0
      text.scrollTop = text.scrollHeight
    }
  }

  function draw() {
    const now = JSON.stringify([model.rows, model.queue, model.log, opened])
    if (!dialog.open || now === drawn) return  // what did not change keeps its focus
    drawn = now
    const place = list.scrollTop
    queue.textContent = model.queue
    clear.style.display = model.rows.some((job) => job.state === "queued") ? "" : "none"
    list.replaceChildren()
    if (!model.rows.length) element("p", "less", list, "What takes time is listed here, also after its end.")
    model.rows.forEach(line)
    list.scrollTop = place
  }
  model.on(["rows", "queue", "log"], draw)
  modal(dialog, model, () => {
    drawn = ""
    draw()
  })
}
"""

_CSS = """
dialog {width: min(760px, 92vw); max-height: 80vh; padding: 16px 22px; border: 0; border-radius: 10px;
  overflow: hidden; box-shadow: 0 12px 48px #0007; font: 15px/1.5 Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--panel-on-surface-color, #202124); background: var(--panel-surface-color, #fff)}
dialog[open] {display: flex; flex-direction: column}
dialog::backdrop {background: #0005}
header, .top {display: flex; align-items: center; gap: 10px}
header .less, .top .less {flex: 1; text-align: right}
h2 {margin: 4px 0; font-size: 20px; font-weight: 500}
.list {overflow-y: auto; margin-top: 8px}
section {padding: 7px 2px; border-top: 1px solid color-mix(in srgb, currentColor 14%, transparent)}
strong {font-weight: 500}
.less {opacity: .75; font-size: 14px; font-variant-numeric: tabular-nums}
.failed strong::before {content: "⚠ "}
progress {width: 100%; height: 6px; accent-color: var(--panel-primary-color, #0e7490)}
p {margin: 4px 0; font-size: 14px}
.what {font-weight: 500}
pre {margin: 6px 0; padding: 8px 12px; max-height: 220px; overflow: auto; border-radius: 6px;
  font: 13px/1.5 monospace; background: color-mix(in srgb, currentColor 7%, transparent)}
button {font: inherit; font-size: 14px; padding: 2px 10px; border-radius: 6px; color: inherit;
  cursor: pointer; background: transparent; white-space: nowrap;
  border: 1px solid color-mix(in srgb, currentColor 30%, transparent)}
button:hover {background: color-mix(in srgb, currentColor 10%, transparent)}
"""


class JobList(JSComponent):
    """Jobs of the page's dataset, the latest first; it follows the board while it is open.

    An event of a job can change it ten times a second, so a closed one is not touched.
    """

    rows = param.List([], doc="What is listed, see `_row`.")
    queue = param.String("", doc="How many run and wait, and how long.")
    log = param.String("", doc="Log of the job whose log is open.")
    shown = param.Boolean(False, doc="Whether it is open.")
    css = param.String(_CSS, constant=True)

    _esm = ELEMENT + MODAL + _ESM

    def __init__(self, board: PageJobs, **params):
        super().__init__(**params)
        self._board, self._logged = board, None
        self._watcher = board.param.watch(self._update, "version")

    def close(self) -> None:
        """Stop watching the jobs."""
        self._board.param.unwatch(self._watcher)

    def open(self) -> None:
        """Show the jobs."""
        self.shown = True
        self._update()

    def _update(self, *_):
        if not self.shown:
            return
        jobs, now = self._board.jobs, self._board.manager.clock()
        logged = next((job for job in jobs if job.id == self._logged), None)
        log = "" if logged is None else "\n".join([*logged.log, logged.trace]).strip()
        rows = [self._row(job, now) for job in sorted(jobs, key=_place)]
        self.param.update(rows=rows, queue=queue_text(jobs, now), log=log)

    @staticmethod
    def _row(job: Job, now: float) -> dict:
        again = "" if job.active or job.state == "done" else "Resume" if job.resumable else "Try again"
        return {
            "id": job.id,
            "label": job.label,
            "state": job.state,
            "active": job.active,
            "stopping": job.stopping,
            "text": situation(job, now),
            "fraction": job.fraction if math.isfinite(job.fraction) else -1.0,
            "again": again,
            "recipe": job.state == "failed" and job.recipe is not None,
            **cause(job),
        }

    def _handle_msg(self, message: dict) -> None:
        act, job = message["act"], self._find(message.get("id"))
        if act == "log":
            self._logged = message["id"]
        elif act == "empty":
            for waiting in [job for job in self._board.jobs if job.state == "queued"]:
                self._board.cancel(waiting)
        elif job is not None and act == "cancel":
            self._board.cancel(job)
        elif job is not None and act == "again" and not job.active:
            self._board.again(job)
        elif job is not None and act == "reuse":
            self._board.session.recipe = None  # the same recipe twice in a row counts
            self._board.session.recipe = job.recipe
        self._update()

    def _find(self, number):
        return next((job for job in self._board.jobs if job.id == number), None)


def _place(job: Job) -> tuple:
    """Sort key: running jobs, then the queue in its order, then those that ended, the latest first."""
    rank = {"running": 0, "queued": 1}.get(job.state, 2)
    return rank, job.id if job.active else -job.id
