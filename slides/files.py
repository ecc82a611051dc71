"""Files written whole or not at all, and fingerprints of what a result depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from helpers.files import atomic_write


def write(path: Path, contents: str | bytes) -> Path:
    """Write a file atomically: readers see the old contents or the new.

    Args:
        path: File to write. Its folder is created if it is missing.
        contents: Bytes, or text that is written as UTF-8.

    Returns:
        `path`.
    """
    with atomic_write(path) as partial:
        partial.write_bytes(contents.encode("utf-8") if isinstance(contents, str) else contents)
    return path


def fingerprint(*parts: Any) -> str:
    """Hash of values that determine a result.

    Args:
        *parts: Anything that JSON can hold; the order of dictionary keys does not matter.

    Returns:
        SHA-256, in hexadecimal.
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()


def fingerprint_of_files(paths: Iterable[Path], root: Path) -> str:
    """Hash of files: their paths relative to `root` and their contents.

    Args:
        paths: The files, in any order.
        root: Folder that contains them.

    Returns:
        SHA-256, in hexadecimal.
    """
    return fingerprint(
        sorted((path.relative_to(root).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths)
    )
