"""Whose turn it is, where several workers test on one machine and some of them measure time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path


class Turns:
    """Workers share the machine, but for the moments when one of them measures time: then the others wait.

    folder: the same for all workers; it holds the locks, one for the machine, and one for the door before it: who waits to be alone
    keeps the door, so that those who share cannot follow one another for ever.
    """

    def __init__(self, folder: Path):
        self.door, self.machine = folder / "door.lock", folder / "machine.lock"

    def shared(self) -> AbstractContextManager[None]:
        """Beside others that share; not while one measures."""
        return self._locked(fcntl.LOCK_SH)

    def alone(self) -> AbstractContextManager[None]:
        """While nobody else is there."""
        return self._locked(fcntl.LOCK_EX)

    @contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        with self.machine.open("w") as machine:  # a closed file, or a dead process, holds no lock
            with self.door.open("w") as door:
                fcntl.flock(door, fcntl.LOCK_EX)
                fcntl.flock(machine, kind)
            yield
