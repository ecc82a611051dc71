"""What lesson 00 asks first: the plain report of `helpers.set_up`, and a widget that shows whether the page answers."""

from __future__ import annotations

from typing import Any

from helpers.set_up import Finding, print_report, remedy
from helpers.widgets.parts.mime import widget_view

WAITING = "waiting for the page to answer; if this line stays as it is, reload the page, then run this cell again"
STILL = "asleep: no kernel runs behind this page, so explorers show still pictures"
MISSING = "ipywidgets cannot be imported ({error}), so explorers stay still pictures. {remedy}"


def check_set_up() -> Heartbeat | None:
    """Print the report, one line each, then ask the page for an answer: the last line, in a notebook, shows it.

    It never raises: a failed check becomes a line with its remedy.

    Returns:
        The last line, a widget; None if ipywidgets is missing, which is printed.
    """
    print_report()
    try:
        return Heartbeat()
    except ImportError as error:
        print(Finding("widgets", MISSING.format(error=error, remedy=remedy()), False), flush=True)
        return None


class Heartbeat:
    """The last line of the report: a widget that asks the page to answer.

    Two values, 1 and 0, are linked in the page only: the page makes them equal and sends the second one back. When it arrives in the
    kernel, messages have gone both ways, and the line says so. (It gives no time: under Run All, the kernel listens only after it has run
    the other cells.)

    Attributes:
        finding: The line as it is now.
        view: Widget that shows it.
        asked: Value 1, in the page.
        answer: Value 0, which the page sets to 1.
        link: Link of the two, in the page.
    """

    def __init__(self) -> None:
        import ipywidgets  # only here, so that the report is printed without it too

        self.finding = Finding("widgets", WAITING, False)
        self.view = ipywidgets.HTML(_html(self.finding))
        self.view.add_class("heartbeat")
        self.asked, self.answer = ipywidgets.IntText(1), ipywidgets.IntText(0)
        self.answer.observe(self._answered, names="value")
        self.link = ipywidgets.jsdlink((self.asked, "value"), (self.answer, "value"))

    def _answered(self, _: Any) -> None:
        self.finding = Finding("widgets", "alive: the page has answered")
        self.view.value = _html(self.finding)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        still = Finding("widgets", STILL)
        return {**widget_view(self.view), "text/html": _html(still), "text/plain": str(still)}


def _html(finding: Finding) -> str:
    return f'<pre style="margin:0 0 0 5px;line-height:1.3;white-space:pre-wrap">{finding}</pre>'
