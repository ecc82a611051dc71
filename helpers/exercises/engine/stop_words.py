"""What to say to an answer that was stopped, without accusing it of more than is known, and what else happened in its runs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from helpers.exercises.engine.answer_clock import Stop
from helpers.exercises.engine.run import Run
from helpers.exercises.engine.time_limit import Stopped

FIRST_TIME = 0.5  # seconds of imports and compilation that are worth a word
BAR = re.compile(r"\d+%\|.*\||\d+it \[\d\d:\d\d")  # of tqdm
REPLACE = "One tensor operation on the whole batch can often replace a loop, and takes microseconds."


def why_unfinished(runs: Iterable[Run]) -> str | None:
    """Why an answer has no result that could be judged.

    Args:
        runs: Runs of the answer.

    Returns:
        One to three sentences; None unless one of the runs was stopped, or failed because it asked for a person.
    """
    for one in runs:
        if isinstance(one.error, Stopped):
            return why_stopped(one.error.stop)
        if one.error is not None and one.asked:
            return f"Your answer {one.asked}"
    return None


def notes_on(runs: Iterable[Run]) -> tuple[str, ...]:
    """What an answer did beside computing its result.

    Args:
        runs: Runs of the answer; the first that printed or showed something is reported.

    Returns:
        Notes: what it printed, how many pictures it showed, which modes of torch it left open.
    """
    runs = list(runs)
    notes = []
    text = next((words for one in runs if (words := _words(one.printed))), "")
    if text:
        notes.append(f"Your answer prints: {text[:120]}{'…' if len(text) > 120 else ''}")
    pictures = next((one.pictures for one in runs if one.pictures), 0)
    if pictures:
        what = f"{pictures} pictures or displays" if pictures > 1 else "a picture or display"
        notes.append(f"Your answer shows {what} at each call; `check` leaves {'them' if pictures > 1 else 'it'} out.")
    left = ", ".join(dict.fromkeys(name for one in runs for name in one.left_open))
    if left:
        notes.append(
            f"Your answer leaves {left} on in torch, which would change what runs after it; `check` turned it off again."
        )
    return tuple(notes)


def _words(printed: str) -> str:
    """Printed text on one line. A line that was written over, as progress bars are, counts as it stood at last; the bars do not."""
    lines = (re.split(r"\r", line.rstrip("\r"))[-1] for line in printed.split("\n"))
    return " ".join(" ".join(line for line in lines if not BAR.search(line)).split())


def why_stopped(stop: Stop | None) -> str:
    """What to say to an answer that was stopped.

    Args:
        stop: Why it was stopped; None if that is not known.

    Returns:
        One to three sentences.
    """
    if stop is None:
        return "Your answer took too long, and was stopped."
    at = f", in the line `{stop.line}`," if stop.line and "`" not in stop.line and not stop.loop else ""
    again = (
        f" Another {stop.loading.wall:.0f} seconds went to imports or compilation that happen only once, so run the cell again."
        if stop.loading.wall > FIRST_TIME
        else ""
    )
    if stop.cause == "busy machine":
        return (
            f"Your answer was stopped after {stop.spent.wall:.0f} seconds, of which this machine had only {stop.spent.cpu:.1f} for it: "
            "it is busy with something else. That may be no fault of the answer; run the cell again." + again
        )
    if stop.cause == "waiting":
        return (
            f"Your answer waited for {stop.spent.idle:.1f} seconds{at} without computing anything, and was stopped. "
            "Leave out `time.sleep`, locks, and whatever waits for a person or another program."
        )
    words = f"Your answer was stopped after {stop.spent.cpu:.1f} seconds of computing{at.rstrip(',')}; milliseconds are enough. "
    return words + _loop(stop) + again


def _loop(stop: Stop) -> str:
    loop = f"`{stop.loop}`" if stop.loop and "`" not in stop.loop else "the loop"
    if not stop.loop:
        return (
            "Is there a loop that a tensor operation could replace, or one whose end is never reached? "
            "Or a tensor that is far larger than its inputs?"
        )
    if stop.progress == "stuck":
        return f"Nothing that {loop} depends on has changed for a while: is it a loop that never ends?"
    if stop.progress == "moving":
        return f"{loop} was still making progress, but too slowly, or away from its end. {REPLACE}"
    if stop.progress == "finite":
        return f"{loop} has an end, but takes long to reach it. {REPLACE}"
    return f"Does {loop} reach its end, by `break` or `return` perhaps? If it does, it takes too many rounds. {REPLACE}"
