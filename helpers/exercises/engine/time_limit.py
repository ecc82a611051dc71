"""`TimeLimit`: calls a function, and stops it if it computes for too long.

On the main thread, where Jupyter runs cells, a timer looks at the answer twenty times a second. On other threads and on Windows, a
watching thread does. When the time is up (`answer_clock` says how it is counted), `Stopped` is raised in the answer, but only where an
exception of the answer's own could be raised too: never in an import or a compilation of torch, and not in clean-up, unless that takes
long as well (`answer_frames` tells these). If the answer swallows it, it is raised again, from then on also at the next line that
runs, which is in the handler that swallowed it. Neither way can interrupt one long operation inside torch: the call stops after it.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from helpers.exercises.engine.answer_clock import AnswerClock, Stop
from helpers.exercises.engine.answer_frames import frames_inside, inside, is_own

TICK = 0.05  # seconds between two looks at the answer


class Stopped(BaseException):
    """The time is up. Not an `Exception`, so that an answer's `except Exception:` does not catch it.

    Args:
        stop: Why; None while the answer is being interrupted.
    """

    def __init__(self, stop: Stop | None = None):
        super().__init__("the time is up")
        self.stop = stop


class TimeLimit:
    """Calls a function and stops it when the time is up.

    Args:
        seconds: Limit on the CPU time of the call, without imports and compilations. `answer_clock.WAITING` and `answer_clock.WALL`
            times as many seconds of waiting and of any kind are allowed.
    """

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.spent = 0.0  # seconds of the limit that the last call has used

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function.

        Args:
            function: The function, without arguments.

        Returns:
            What it returns.

        Raises:
            Stopped: If the time is up. Its `stop` says why.
            KeyboardInterrupt: If the user interrupts.
            RuntimeError: If the function itself raises KeyboardInterrupt. Other exceptions of the function pass through.
        """
        on_main_thread = threading.current_thread() is threading.main_thread()
        by_timer = on_main_thread and hasattr(signal, "setitimer")
        clock = AnswerClock(self.seconds, time.thread_time if by_timer else _cpu_time_of_this_thread())
        try:
            value = (_by_timer if by_timer else _by_watcher)(function, clock)
        except KeyboardInterrupt:
            raise
        except BaseException:
            if clock.attempts:  # a Stopped, or what the answer made of it
                raise Stopped(clock.stop) from None
            raise
        finally:
            clock.end()
            self.spent = clock.own.counted
        if clock.attempts:
            raise Stopped(clock.stop)
        return value


def _cpu_time_of_this_thread() -> Callable[[], float]:
    """The clock of the calling thread's CPU time that another thread can read; where there is none, the process's."""
    if hasattr(time, "pthread_getcpuclockid"):
        clock = time.pthread_getcpuclockid(threading.get_ident())
        return lambda: time.clock_gettime(clock)
    return time.process_time


def _by_timer(call: Callable[[], Any], clock: AnswerClock) -> Any:
    interrupted = looking = False

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not is_own(frame):
            return None
        if event in ("line", "opcode") and clock.at_line(frames_inside(frame)):
            signal.setitimer(signal.ITIMER_REAL, TICK / 50, TICK)  # Python forgets a trace function that raised
            raise Stopped
        return trace

    def look(_: int, frame: FrameType | None) -> None:
        nonlocal looking
        if looking:  # it took longer than a tick
            return
        looking = True
        try:
            stop = clock.tick(frames_inside(frame))
            if clock.by_line and sys.gettrace() is not trace:
                sys.settrace(trace)
                while frame is not None and frame.f_code is not inside.__code__:
                    if is_own(frame):
                        frame.f_trace = trace
                    frame = frame.f_back
        finally:
            looking = False
        if stop:
            raise Stopped

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        user(number, frame)

    tracer, began = sys.gettrace(), time.monotonic()
    user = signal.getsignal(signal.SIGINT)
    alarm = signal.signal(signal.SIGALRM, look)
    if callable(user):
        signal.signal(signal.SIGINT, interrupt)
    delay, interval = signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
    try:
        return inside(call)
    except KeyboardInterrupt:
        if (
            user is not None and not interrupted
        ):  # if None, the handler is not Python's, and the interrupt may be the user's
            raise RuntimeError("the answer raised KeyboardInterrupt itself") from None
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.settrace(tracer)
        signal.signal(signal.SIGALRM, alarm if alarm is not None else signal.SIG_DFL)
        if callable(user):
            signal.signal(signal.SIGINT, user)
        if delay:  # a timer that was already set, as by a test runner
            signal.setitimer(signal.ITIMER_REAL, max(delay - (time.monotonic() - began), 1e-3), interval)
        if interrupted and not isinstance(sys.exc_info()[1], KeyboardInterrupt):
            raise KeyboardInterrupt  # the answer had swallowed it


def _by_watcher(call: Callable[[], Any], clock: AnswerClock) -> Any:
    watcher, tracer = _Watcher(clock), sys.gettrace()
    clock.by_line = True  # what another thread raises may arrive a few instructions later, perhaps in clean-up

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if event in ("line", "opcode") and clock.by_line and clock.at_line(frames_inside(frame)):
            raise Stopped
        return trace if is_own(frame) else None  # to follow every line of torch would take seconds

    watcher.start()
    try:
        try:
            sys.settrace(trace)  # now, because the watching thread cannot do it later
            return inside(call)
        finally:
            sys.settrace(tracer)
            watcher.end()
    except Stopped:
        while not watcher.ended:  # another may arrive while one is handled
            try:
                watcher.end()
            except Stopped:
                continue
        sys.settrace(tracer)
        raise


class _Watcher(threading.Thread):
    """Raises Stopped in the thread that made it, whenever the clock says so, until `end` is called."""

    def __init__(self, clock: AnswerClock):
        super().__init__(daemon=True, name="exercise time limit")
        self.clock, self.target = clock, threading.get_ident()
        self.lock, self.over, self.ended, self.raised = threading.Lock(), threading.Event(), False, False

    def run(self) -> None:
        while not self.over.wait(TICK):
            with self.lock:
                if not self.over.is_set() and self.clock.tick(frames_inside(sys._current_frames().get(self.target))):
                    self.raised = True
                    self._raise_in_target()

    def end(self) -> None:
        with self.lock:
            self.over.set()
        if self.raised and not self.ended:
            # A Stopped may be pending. Cancelling it with None leaves CPython's flag set, which hangs a tracer: let one arrive.
            try:
                self._raise_in_target()
                while True:
                    time.sleep(0)
            except Stopped:
                pass
        self.ended = True

    def _raise_in_target(self) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.target), ctypes.py_object(Stopped))
