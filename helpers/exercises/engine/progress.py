"""The learner's progress, in one small JSON file: the number of tries of each exercise, and when it was passed.

    {"version": 1, "exercises": {"01.1": {"tries": 3, "passed": "2026-01-31T12:00:00+00:00"}}}

Every change reads the file again, adds to it under a lock, and replaces it in one step, so that two kernels do not overwrite each
other's entries and a kill leaves the old file or the new one. Nothing here raises: problems are returned as sentences.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from helpers import settings
from helpers.files import atomic_write

Entries = dict[str, dict[str, Any]]
PATIENCE = 2.0  # seconds to wait for another kernel's lock, which is held for milliseconds


def record(id: str, passed: bool) -> list[str]:
    """Count one more try of an exercise. A pass stays a pass.

    Args:
        id: Id of the exercise.
        passed: Whether the try passed.

    Returns:
        Sentences that the learner should read; empty if all went well.
    """
    path: Path | None = None
    notes: list[str] = []
    try:
        path = settings.progress_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            entries, notes = _read(path)
            entry = entries.setdefault(id, {"tries": 0, "passed": None})
            entry["tries"] += 1
            if passed and not entry["passed"]:
                entry["passed"] = datetime.now(UTC).isoformat(timespec="seconds")
            _write(path, entries)
    except (OSError, RuntimeError) as error:  # RuntimeError if there is no home folder
        notes.append(
            f"Your progress could not be saved{f' in {path}' if path else ''} ({_reason(error)}). The verdict stands."
        )
    return notes


def table() -> tuple[Entries, list[str]]:
    """The contents of the progress file.

    Returns:
        The entry of every exercise tried, by id, and sentences that the learner should read about the file.
    """
    try:
        return _read(settings.progress_file())
    except (OSError, RuntimeError) as error:
        return {}, [f"Your progress file cannot be read ({_reason(error)})."]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _read(path: Path) -> tuple[Entries, list[str]]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return {}, []
    try:
        return _checked(json.loads(text.decode("utf-8"))), []
    except (ValueError, RecursionError):  # neither JSON nor what we write
        aside = path.with_name(f"{path.stem}.damaged-{time.time_ns()}{path.suffix}")
        os.replace(path, aside)
        return {}, [
            f"Your progress file was damaged. It now lies beside the new one as {aside.name}, and counting starts anew."
        ]


def _checked(contents: Any) -> Entries:
    entries = contents.get("exercises") if isinstance(contents, dict) else None
    if not isinstance(entries, dict):
        raise ValueError("no exercises")
    for entry in entries.values():
        if (
            not isinstance(entry, dict)
            or type(entry.get("tries")) is not int
            or not isinstance(entry.get("passed"), (str, type(None)))
        ):
            raise ValueError("not an entry")
    return entries


def _write(path: Path, entries: Entries) -> None:
    with atomic_write(path) as partial, open(partial, "w", encoding="utf-8") as file:
        json.dump({"version": 1, "exercises": entries}, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock the file against other kernels of this workbook. A lock older than PATIENCE was left by a kill."""
    lock = path.with_name(f".{path.name}.lock")
    end = time.monotonic() + 2 * PATIENCE
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            break
        except FileExistsError:
            with contextlib.suppress(OSError):
                if time.time() - lock.stat().st_mtime > PATIENCE or time.monotonic() > end:
                    lock.unlink()
            time.sleep(0.005)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()
