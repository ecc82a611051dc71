"""`raising_line`: the line of an answer that raised an exception."""

from __future__ import annotations

import linecache
import traceback
from pathlib import Path
from types import CodeType

ENGINE = Path(__file__).parent  # its frames lie between `check` and the answer, and are never the learner's


def raising_line(error: BaseException, code: CodeType | None) -> str:
    """The line of the answer that raised, with marks under the part that raised.

    The last frame in the answer's function; if there is none, the last frame outside the engine and installed packages,
    as in a helper function of the learner.

    Args:
        error: The exception, with its traceback.
        code: Code of the answer's function; None if it is unknown, as for an answer written in C.

    Returns:
        "line 3 of your answer:", an empty line, and the line with its marks. Without source, "line 3 of your answer". "" if
        no frame is the learner's.
    """
    frames = [
        (frame, number)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if ENGINE not in Path(frame.f_code.co_filename).parents
    ]
    in_answer = [
        (f, n)
        for f, n in frames
        if code is not None and f.f_code.co_filename == code.co_filename and _within(f.f_code, code)
    ]
    elsewhere = [
        (f, n) for f, n in frames if "site-packages" not in f.f_code.co_filename and f.f_code.co_filename[:1] != "<"
    ]
    if not in_answer and not elsewhere:
        return ""
    frame, number = (in_answer or elsewhere)[-1]
    text = linecache.getline(frame.f_code.co_filename, number, frame.f_globals).rstrip("\n")
    place = (
        f"line {number - code.co_firstlineno + 1} of your answer"
        if in_answer and code
        else f"line {number} of {Path(frame.f_code.co_filename).name}"
    )
    if not text.strip():
        return place
    return f"{place}:\n\n" + _marked(error, number, text, frame.f_code.co_filename)


def _within(inner: CodeType, outer: CodeType) -> bool:
    return inner is outer or any(
        _within(inner, constant) for constant in outer.co_consts if isinstance(constant, CodeType)
    )


def _marked(error: BaseException, number: int, text: str, file: str) -> str:
    """The line, with ^^^ under what raised if the compiler noted its columns."""
    indent = len(text) - len(text.lstrip())
    line = "    " + text.strip()
    entries = traceback.extract_tb(error.__traceback__)[::-1]
    entry = next((entry for entry in entries if (entry.filename, entry.lineno) == (file, number)), None)
    if entry is None or entry.colno is None or entry.end_colno is None or entry.lineno != entry.end_lineno:
        return line
    start = len(text.encode()[: entry.colno].decode(errors="replace"))
    end = len(text.encode()[: entry.end_colno].decode(errors="replace"))
    if end - start >= len(text.strip()):
        return line
    return f"{line}\n    {' ' * (start - indent)}{'^' * (end - start)}"
