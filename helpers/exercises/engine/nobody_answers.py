"""`nobody_answers`: in a call of an answer, `input()` and debuggers raise instead of waiting for a person."""

from __future__ import annotations

import builtins
import getpass
import io
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

TYPING = "asks for something to be typed (`input()` or the like), but nobody is there to type. All it needs is in its arguments."
DEBUGGING = (
    "opens a debugger (`breakpoint()` or the like), where `check` cannot go on. Remove that line before you check."
)


class AsksAPerson(RuntimeError):
    """The answer waits for a person. The message goes on after "Your answer"."""


@contextmanager
def nobody_answers() -> Iterator[list[str]]:
    """Context in which an answer runs.

    Yields:
        What it asked for, a sentence that goes on after "Your answer"; empty if nothing. Complete at the end of the context.
    """
    asked: list[str] = []

    def refuse_typing(*_: Any, **__: Any) -> Any:
        asked.append(DEBUGGING if "bdb" in sys.modules and _in_debugger() else TYPING)
        raise AsksAPerson(asked[-1])

    def refuse_debugging(*_: Any, **__: Any) -> Any:
        asked.append(DEBUGGING)
        raise AsksAPerson(asked[-1])

    class Silent(io.TextIOBase):
        read = readline = readlines = __next__ = refuse_typing

    with ExitStack() as stack:
        for owner, name, refusal in (
            (builtins, "input", refuse_typing),
            (getpass, "getpass", refuse_typing),
            (sys, "breakpointhook", refuse_debugging),
            (sys, "stdin", Silent()),
        ):
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, refusal)
        yield asked


def _in_debugger() -> bool:
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") in ("bdb", "pdb", "cmd"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
