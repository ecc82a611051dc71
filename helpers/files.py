"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import stat
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ABANDONED = 24 * 3600  # seconds without a change after which a partial file of another machine counts as left by a kill


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Write a file in one step: `with atomic_write(path) as partial: partial.write_bytes(...)`.

    The block writes and closes `partial`, a new file beside `path`; then `partial` replaces `path`. Readers, during the block and after a
    kill, see the old contents or the new. If the block raises, the old file stays and `partial` is removed. Each call has a partial file of
    its own, so several threads or processes may write one file: the last to finish wins.

    Only a regular file is replaced. If `path` is a symbolic link, the file it points to is. An existing file keeps its mode; a new one gets
    the mode that `open` would give it. `os.devnull` means that nothing is kept: the block writes a temporary file that is then removed.
    Partial files of `path` that a killed process left are removed first.

    Args:
        path: File to write. Its folder is created if it is missing.

    Yields:
        Path of the partial file, in the folder of the file that is replaced; it does not exist yet.

    Raises:
        OSError: If the folder cannot be created, if `path` is a folder, a device, a pipe or a socket, or if it may not be written.
    """
    if keeps_nothing(path):
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / "partial"
        return
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = _mode_of_existing(path)
    remove_abandoned(path)
    partial = path.with_name(f".{path.name}.{_machine()}-{os.getpid()}-{os.urandom(4).hex()}.partial")
    if mode is None:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = stat.S_IMODE(
            partial.stat().st_mode
        )  # as the process's mask has it; some writers would make the file private
        partial.unlink()
    try:
        yield partial
        if stat.S_IMODE(partial.stat().st_mode) != mode:
            partial.chmod(mode)
        _mode_of_existing(path)  # raises if `path` has become something else in the meantime
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def keeps_nothing(path: Path) -> bool:
    """Whether a path is `os.devnull`, by name or by a link.

    Args:
        path: Any path; it need not exist.

    Returns:
        True if what is written there is not kept.
    """
    if os.path.normcase(path) == os.path.normcase(os.devnull):
        return True
    try:
        return os.path.samestat(os.stat(path), os.stat(os.devnull))
    except (OSError, ValueError):
        return False


def remove_abandoned(path: Path) -> None:
    """Remove the partial files of `path` whose writer was killed. Those of a live process, and other files, stay.

    Args:
        path: The file that the partial files were to replace.
    """
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(?:([0-9a-f]{{8}})-)?(\d{{1,10}})-[0-9a-f]{{8}}\.partial")
    with contextlib.suppress(OSError):
        for name in os.listdir(path.parent):
            match = pattern.fullmatch(name)
            if match is not None and _is_abandoned(path.with_name(name), match[1] or _machine(), int(match[2])):
                with contextlib.suppress(OSError):
                    path.with_name(name).unlink()


def _is_abandoned(partial: Path, machine: str, process: int) -> bool:
    try:
        state = partial.lstat()
    except OSError:
        return False
    if not stat.S_ISREG(state.st_mode):
        return False
    if time.time() - state.st_mtime > ABANDONED:
        return True
    if os.name == "nt" or machine != _machine():  # on Windows, os.kill would end the process that it asks about
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it lives, and belongs to somebody else
        return False
    except OverflowError:  # no process has such a number
        return True
    return False


def _machine() -> str:
    """Eight hexadecimal digits for this machine. A folder may be shared by several, each with processes of its own."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _mode_of_existing(path: Path) -> int | None:
    """Mode of a regular file that may be replaced; None if nothing is there."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        kind = next((words for test, words in _KINDS if test(mode)), "something else")
        error: type[OSError] = IsADirectoryError if stat.S_ISDIR(mode) else OSError
        raise error(
            f"{path} is {kind}; expected a regular file, or a name that is still free. It is left as it is. Usually the path of "
            f"another thing was given: name a file. ({os.devnull} keeps nothing.)"
        )
    if not os.access(path, os.W_OK):
        raise PermissionError(
            f"{path} is write-protected and is left as it is. Make it writable, or name another file."
        )
    return stat.S_IMODE(mode)


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)
