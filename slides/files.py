"""Files written whole or not at all, and fingerprints of what a result depends on."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write(path: Path, contents: str | bytes) -> Path:
    """Write `path`, whose folder is made where it is missing; whoever reads it meanwhile sees the old contents or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = contents.encode("utf-8") if isinstance(contents, str) else contents
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)  # mkstemp makes it private, and a deck is there to be passed on
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def fingerprint(*parts: Any) -> str:
    """A hash of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()


def fingerprint_of_files(paths: Iterable[Path], root: Path) -> str:
    """A hash of the files' places under `root` and their contents."""
    return fingerprint(
        sorted((path.relative_to(root).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths)
    )
