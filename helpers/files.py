"""Files written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file in one step: `with atomic_write(path) as partial: partial.write_bytes(...)`.

    The block writes and closes `partial`, a new file beside `path`; then `partial` replaces `path`. Readers, during the block and after a
    kill, see the old contents or the new. If the block raises, the old file stays and `partial` is removed. Each call has a partial file of
    its own, so several threads or processes may write one file: the last to finish wins.

    Args:
        path: File to write. Its folder is created if it is missing.

    Yields:
        Path of the partial file, in the folder of `path`; it does not exist yet.

    Raises:
        OSError: If the folder cannot be created or `path` cannot be replaced, for example because it is a folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
