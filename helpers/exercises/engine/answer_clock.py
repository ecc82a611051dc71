"""`AnswerClock`: how much of its time an answer has used, and whether it may be interrupted now.

Imports and compilations cost nothing: the first call of a right answer may make torch import sympy, which takes longer than the answer.
What counts is CPU time of the thread. Behind it stand two generous limits on the clock on the wall, for an answer that waits and for
a machine that is too busy.
"""

from __future__ import annotations

import ast
import linecache
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

from helpers.exercises.engine.answer_frames import (
    Frames,
    is_cleaning_up,
    is_loading,
    is_own,
    is_swallowed,
    jumps_back,
    loop_around,
)

# Relative to the limit on CPU time. Beside four busy processes on two cores, an answer gets a third of a core; beside a class, a tenth.
WAITING = 2  # seconds of waiting without computing, as in `time.sleep`
WALL = 12  # seconds of any kind
IDLE = 0.005  # a thread that used less than this share of a tick waited for something; one that has to share a core uses more
CLEAN_UP = 5.0  # seconds that clean-up may take after the time is up
IN_A_LIBRARY = 1.0  # seconds until a library that does not come back to the answer's own lines is interrupted too
SWALLOWED = 3  # interruptions after which an answer is known to swallow them
ENDLESS = {"count", "cycle", "repeat", "iter"}  # what a `for` loop may never come to the end of

Cause = Literal["computing", "waiting", "busy machine"]


@dataclass
class Spent:
    """Seconds of one kind of work.

    Args:
        cpu: CPU time of the thread.
        idle: Time in which the thread waited.
        wall: Time by the clock on the wall.
    """

    cpu: float = 0.0
    idle: float = 0.0
    wall: float = 0.0

    def add(self, cpu: float, wall: float) -> None:
        """Add a stretch of work.

        Args:
            cpu: Its CPU time.
            wall: Its time by the clock on the wall.
        """
        self.cpu += cpu
        self.wall += wall
        if cpu < IDLE * wall:
            self.idle += wall

    @property
    def counted(self) -> float:
        """Seconds to hold against a limit on CPU time."""
        return max(self.cpu, self.idle / WAITING, self.wall / WALL)

    @property
    def cause(self) -> Cause:
        """Which of the three limits counts."""
        if self.counted == self.cpu:
            return "computing"
        return "waiting" if self.counted == self.idle / WAITING else "busy machine"


@dataclass(frozen=True)
class Stop:
    """Why an answer was stopped.

    Args:
        cause: Which limit it reached.
        spent: The answer's own seconds.
        loading: Seconds in imports and compilations.
        line: The line of the answer that ran; "" without source.
        loop: First line of the loop that ran; "" if there is none, or no source.
        progress: "stuck" if nothing changes that the loop's condition reads, "moving" if something does, "finite" for a `for` loop,
            "unknown" otherwise.
    """

    cause: Cause
    spent: Spent
    loading: Spent
    line: str = ""
    loop: str = ""
    progress: Literal["stuck", "moving", "finite", "unknown"] = "unknown"


class AnswerClock:
    """The time of one call.

    Args:
        seconds: Limit on CPU time.
        cpu_time: Returns the CPU time of the answer's thread in seconds.
    """

    def __init__(self, seconds: float, cpu_time: Callable[[], float] = time.thread_time):
        self.seconds, self.cpu_time = seconds, cpu_time
        self.own, self.loading, self.cleaning, self.in_library = Spent(), Spent(), Spent(), Spent()
        self.up = False  # the time is up; stays so
        self.attempts = 0  # how often the answer was interrupted
        self.by_line = False  # it is to be interrupted at the next line of its own too
        self.stop: Stop | None = None
        self._cpu, self._wall = cpu_time(), time.monotonic()
        self._earlier: dict[tuple[int, str], Any] | None = None

    def tick(self, frames: Frames | None) -> bool:
        """Charge what has passed since the last tick.

        Args:
            frames: Where the answer stands now; None if it is not running.

        Returns:
            Whether to interrupt it now.
        """
        loading = bool(frames) and is_loading(frames or [])
        account = self.loading if loading else self.own
        cpu, wall = self._passed()
        if self.up and not loading:
            account = self.cleaning if frames and is_cleaning_up(frames) else self.in_library
        account.add(cpu, wall)
        if frames is None or loading:
            return False
        if self._earlier is None and self.own.counted > self.seconds / 2:
            self._earlier = _state(frames)
        if not self.up:
            self.up = self.own.counted > self.seconds
            if not self.up:
                return False
            self.stop = self._stop(frames)
        if is_cleaning_up(frames) and not self.patience_is_over:
            self.by_line = True  # once it is done
            return False
        if frames and self.in_library.counted < IN_A_LIBRARY:
            jumping = jumps_back(frames[0]) and self.attempts < SWALLOWED
            if jumping:
                frames[0].f_trace_opcodes = True  # `while True: pass` never comes to a new line
            if jumping or not is_own(frames[0]) or (self.by_line and not self.attempts):
                self.by_line = True
                return False
        self.attempts += 1
        self.by_line = self.by_line or self.attempts > 1
        return True

    def at_line(self, frames: Frames | None) -> bool:
        """Whether to interrupt the answer at a line of its own, if the time is up.

        Args:
            frames: Where the answer stands.

        Returns:
            False during imports and clean-up.
        """
        if not self.up or not self.by_line or not frames or is_loading(frames):
            return False
        if not self.attempts and is_swallowed(frames):  # it is final only in the handler, on the second attempt
            return False
        if is_cleaning_up(frames) and not self.patience_is_over:
            return False
        self.attempts += 1
        return True

    def end(self) -> None:
        """Charge the rest, when the call has ended."""
        self.own.add(*self._passed())

    @property
    def patience_is_over(self) -> bool:
        """Whether clean-up has had its time."""
        return self.cleaning.counted > CLEAN_UP

    def _passed(self) -> tuple[float, float]:
        cpu, wall = self.cpu_time(), time.monotonic()
        passed = max(cpu - self._cpu, 0.0), wall - self._wall
        self._cpu, self._wall = cpu, wall
        return passed

    def _stop(self, frames: Frames) -> Stop:
        cause, spent, loading = self.own.cause, Spent(**vars(self.own)), Spent(**vars(self.loading))
        own = [frame for frame in frames if is_own(frame)]
        line = _line(own[0], own[0].f_lineno) if own else ""
        loops = [(frame, loop) for frame in own if (loop := loop_around(frame)) is not None]
        loops.sort(key=lambda pair: isinstance(pair[1], ast.For))  # a `while` loop is the likelier one
        if not loops:
            return Stop(cause, spent, loading, line)
        frame, loop = loops[0]
        return Stop(cause, spent, loading, line, _line(frame, loop.lineno), self._progress(frame, loop, _state(frames)))

    def _progress(self, frame: FrameType, loop: ast.While | ast.For, now: dict[tuple[int, str], Any]) -> Any:
        if isinstance(loop, ast.For):
            called = loop.iter.func if isinstance(loop.iter, ast.Call) else None
            name = getattr(called, "attr", getattr(called, "id", ""))
            return "unknown" if name in ENDLESS else "finite"
        keys = {(id(frame), node.id) for node in ast.walk(loop.test) if isinstance(node, ast.Name)}
        before = self._earlier or {}
        if not keys or not keys <= before.keys() & now.keys():
            return "unknown"
        return "stuck" if all(before[key] == now[key] for key in keys) else "moving"


def _state(frames: Frames) -> dict[tuple[int, str], Any]:
    """What the variables of the answer hold, as values that compare: the same number, or the same object at the same version."""
    return {
        (id(frame), name): value
        if isinstance(value, (bool, int, float, str))
        else (id(value), getattr(value, "_version", 0), len(value) if isinstance(value, (list, dict, set)) else 0)
        for frame in frames
        if is_own(frame)
        for name, value in frame.f_locals.items()
    }


def _line(frame: FrameType, number: int) -> str:
    return linecache.getline(frame.f_code.co_filename, number, frame.f_globals).strip()
