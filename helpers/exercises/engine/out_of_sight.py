"""`out_of_sight`: keeps what an answer prints, logs and shows from appearing nine times above the verdict."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any

LONGEST = 1000  # characters that are kept


class Seen(io.StringIO):
    """What an answer printed and showed.

    It is the file that the answer prints to. It keeps the first thousand characters, so that a loop that prints does not fill the
    memory.
    """

    pictures: int = 0  # figures and displays

    def write(self, text: str) -> int:
        super().write(text[: max(0, LONGEST - self.tell())])
        return len(text)


@contextmanager
def out_of_sight() -> Iterator[Seen]:
    """Context in which an answer runs: standard output and error, log messages, IPython's displays and pyplot's figures go nowhere.

    Figures that the learner has open stay open, and are not the answer's current figure.

    Yields:
        What the answer printed and showed; complete at the end of the context.
    """
    seen = Seen()
    streams = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    with ExitStack() as stack:
        _capture_logs(stack, seen, streams)
        stack.enter_context(redirect_stdout(seen))
        stack.enter_context(redirect_stderr(seen))
        _capture_displays(stack, seen)
        _capture_figures(stack, seen)
        yield seen


def _capture_logs(stack: ExitStack, seen: Seen, streams: tuple[Any, ...]) -> None:
    """Handlers write to the stream that they were made with, whatever is redirected since."""
    root = logging.root
    stack.callback(setattr, root, "handlers", list(root.handlers))
    stack.callback(setattr, root, "level", root.level)
    stack.callback(logging.disable, root.manager.disable)
    for logger in (root, *root.manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):
            stream = getattr(handler, "stream", None)
            if stream is not None and any(stream is one for one in streams):
                stack.callback(setattr, handler, "stream", stream)
                handler.stream = seen


def _capture_displays(stack: ExitStack, seen: Seen) -> None:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:  # then `display` prints
        return
    from IPython.core.displaypub import CapturingDisplayPublisher

    publisher = CapturingDisplayPublisher()
    stack.callback(lambda: setattr(seen, "pictures", seen.pictures + len(publisher.outputs)))
    stack.callback(setattr, shell, "display_pub", shell.display_pub)
    shell.display_pub = publisher


def _capture_figures(stack: ExitStack, seen: Seen) -> None:
    """An empty list of open figures for the answer, and a `show` that does not show."""
    shown: set[int] = set()

    def close() -> None:
        helpers = sys.modules.get("matplotlib._pylab_helpers")
        if helpers is not None:
            shown.update(id(manager) for manager in helpers.Gcf.figs.values())
            helpers.Gcf.destroy_all()
            helpers.Gcf.figs.update(theirs)
        seen.pictures += len(shown)

    def show(*_: Any, **__: Any) -> None:
        figures = sys.modules["matplotlib._pylab_helpers"].Gcf.figs
        shown.update(id(manager) for manager in figures.values())

    helpers = sys.modules.get("matplotlib._pylab_helpers")
    theirs = {} if helpers is None else dict(helpers.Gcf.figs)
    if helpers is not None:
        helpers.Gcf.figs.clear()
    stack.callback(close)
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        stack.callback(setattr, pyplot, "show", pyplot.show)
        pyplot.show = show
        backend = getattr(pyplot, "_backend_mod", None)
        if hasattr(backend, "show"):  # what `from matplotlib.pyplot import show` leads to
            stack.callback(setattr, backend, "show", backend.show)
            backend.show = show
