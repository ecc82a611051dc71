"""The learner's progress, in one small JSON file: tries, misconceptions met and the time of the pass of each exercise.

    {"version": 1, "exercises": {"01.1": {"tries": 3, "tried": "2026-01-31T12:00:00+00:00", "passed": "2026-01-31T12:00:00+00:00",
                                          "misconceptions": {"forgets-half": 2}}}}

Every change reads the file again, adds to it under a lock, and replaces it in one step, so that two kernels do not overwrite each
other's entries and a kill leaves the old file or the new one. Keys that this version does not know are kept. A file that is not a
progress file is left alone. Nothing here raises: problems are returned as sentences.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from helpers import settings
from helpers.files import atomic_write, keeps_nothing

Entries = dict[str, dict[str, Any]]
PATIENCE = 4.0  # seconds to wait for another kernel's lock, which is held for milliseconds
LARGEST = 1 << 24  # bytes: no progress file is larger, and a file of somebody else is not read to its end


class _NotOurs(Exception):
    """The file at the place of the progress file is something else; the message says what."""


@dataclass
class _Contents:
    """What a progress file holds.

    whole: the document, with the keys that this version does not know; exercises: its entries that can be read; damaged: the bytes
    of the file, if a part of them cannot be read.
    """

    whole: dict[str, Any] = field(default_factory=lambda: {"version": 1})
    exercises: Entries = field(default_factory=dict)
    damaged: bytes | None = None


def record(id: str, passed: bool, misconception: str | None = None) -> list[str]:
    """Count one more try of an exercise. A pass stays a pass.

    Args:
        id: Id of the exercise.
        passed: Whether the try passed.
        misconception: Id of the misconception that the answer shows; None if it shows none that is known.

    Returns:
        Sentences that the learner should read; empty if all went well.
    """
    path: Path | None = None
    notes: list[str] = []
    try:
        path = settings.progress_file()
        if keeps_nothing(path):
            return []
        _read(path)  # before anything, even a lock, is written beside a file that may be somebody else's
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            contents = _read(path)
            if contents.damaged is not None:
                notes.append(_set_aside(path, contents))
            entry = contents.exercises.setdefault(id, {"tries": 0, "passed": None})
            _count(entry, passed, misconception)
            _write(path, contents)
    except _NotOurs as problem:
        notes.append(f"Your progress is not kept: {problem}. The verdict stands.")
    except (OSError, RuntimeError) as error:  # RuntimeError if there is no home folder
        notes.append(
            f"Your progress could not be saved{f' in {path}' if path else ''} ({_reason(error)}). The verdict stands."
        )
    return notes


def table() -> tuple[Entries, list[str]]:
    """The contents of the progress file. Nothing on disk changes.

    Returns:
        The entry of every exercise tried, by id, and sentences that the learner should read about the file.
    """
    try:
        path = settings.progress_file()
        if keeps_nothing(path):
            return {}, []
        contents = _read(path)
    except _NotOurs as problem:
        return {}, [f"No progress is shown: {problem}."]
    except (OSError, RuntimeError) as error:
        return {}, [f"Your progress file cannot be read ({_reason(error)})."]
    if contents.damaged is None:
        return contents.exercises, []
    return contents.exercises, [
        f"Your progress file {path} is damaged; {_what_is_left(contents)}. It is left as it is until the next `check`, "
        "which copies it aside."
    ]


def last_tried(entries: Entries) -> str | None:
    """The exercise that was tried last.

    Args:
        entries: The entry of each exercise tried, by id, as `table` returns them.

    Returns:
        Its id; None if no entry has a time.
    """
    times = {id: str(entry.get("tried") or entry.get("passed") or "") for id, entry in entries.items()}
    last = max(times, key=lambda id: (times[id], id), default=None)
    return last if last is not None and times[last] else None


def _count(entry: dict[str, Any], passed: bool, misconception: str | None) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry["tries"] += 1
    entry["tried"] = now
    if passed and not entry["passed"]:
        entry["passed"] = now
    if misconception is not None:
        met = entry.setdefault("misconceptions", {})
        met[misconception] = met.get(misconception, 0) + 1


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error).rstrip(".")


def _read(path: Path) -> _Contents:
    """Read the file at `path`, in UTF-8, with or without a byte order mark, UTF-16 or UTF-32."""
    if not path.exists():
        return _Contents()
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; expected a file")
    if not path.is_file():
        raise _NotOurs(f"{path} is no regular file and is left alone")
    text = path.read_bytes() if path.stat().st_size <= LARGEST else b"too long"
    if not text.strip(b"\0 \t\r\n"):  # made by `touch` or `mktemp`; or zeros, which some disks leave after a power cut
        return _Contents(damaged=text if b"\0" in text else None)
    other = (
        f"{path} is not a progress file of this workbook and is left alone. Name another file by WORKBOOK_PROGRESS, one that does "
        "not exist yet, and restart the kernel"
    )
    try:
        whole = json.loads(text)  # finds out the encoding by itself
    except (ValueError, RecursionError):
        if _begins_as_ours(text):
            return _Contents(damaged=text)
        raise _NotOurs(other) from None
    exercises = whole.get("exercises") if isinstance(whole, dict) else None
    if not isinstance(exercises, dict) or not (type(whole.get("version")) is int or any(map(_is_id, exercises))):
        raise _NotOurs(other)
    good = {id: entry for id, entry in exercises.items() if _is_entry(entry)}
    return _Contents(whole, good, damaged=text if len(good) < len(exercises) else None)


def _begins_as_ours(text: bytes) -> bool:
    """Whether a file that is no JSON, such as one that was cut off, begins as `_write` begins it."""
    start = text[:400].replace(b"\0", b"").decode("ascii", errors="ignore")  # UTF-16 too
    return re.match(r'\s*\{\s*"(?:exercises"\s*:\s*\{|version"\s*:\s*\d+\s*,\s*"exercises")', start) is not None


def _is_id(name: str) -> bool:
    return re.fullmatch(r"\d\d\.\d+", name) is not None


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or type(entry.get("tries")) is not int:
        return False
    met = entry.get("misconceptions", {})
    return (
        isinstance(entry.get("passed"), (str, type(None)))
        and isinstance(met, dict)
        and all(type(count) is int for count in met.values())
    )


def _set_aside(path: Path, contents: _Contents) -> str:
    """Copy a damaged file, which is about to be replaced, and say so. The same damage is copied once."""
    assert contents.damaged is not None
    digest = hashlib.sha256(contents.damaged).hexdigest()[:8]
    aside = path.with_name(f"{path.stem}.damaged-{digest}{path.suffix}")
    with atomic_write(aside) as partial:
        partial.write_bytes(contents.damaged)
    return f"Your progress file was damaged; {_what_is_left(contents)}. A copy of it as it was lies beside it: {aside.name}."


def _what_is_left(contents: _Contents) -> str:
    count = len(contents.exercises)
    if not count:
        return "counting starts anew"
    return f"{count} {'exercise' if count == 1 else 'exercises'} could be read"


def _write(path: Path, contents: _Contents) -> None:
    with atomic_write(path) as partial, open(partial, "w", encoding="utf-8") as file:
        json.dump({**contents.whole, "exercises": contents.exercises}, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock the file against other kernels of this workbook. The system frees the lock of a process that is killed."""
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=PATIENCE, poll_interval=0.005)
    try:
        lock.acquire()
    except NotImplementedError:  # a disk without locks: two kernels at the same moment may then lose a try
        yield
        return
    try:
        yield
    finally:
        lock.release()
