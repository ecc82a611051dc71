"""`within_seconds`: call a function, and stop it if it does not end in time.

On the main thread, where Jupyter runs cells, an interval timer raises `Stopped` inside the call, again and again, in case a bare
`except:` swallows it; from the second time on also at the next line that runs, which is in the handler that swallowed it. On other
threads and on Windows, a watching thread does the same. Neither can interrupt one long operation inside torch: the call stops after it.
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

AGAIN = 0.05  # seconds until the next attempt


class Stopped(BaseException):
    """The time is up. Not an `Exception`, so that an answer's `except Exception:` does not catch it."""


def within_seconds(call: Callable[[], Any], seconds: float) -> Any:
    """Call a function and stop it when the time is up.

    Args:
        call: The function, without arguments.
        seconds: Time limit.

    Returns:
        What `call` returns.

    Raises:
        Stopped: If the call takes longer than `seconds`.
        KeyboardInterrupt: If the user interrupts.
        RuntimeError: If the call itself raises KeyboardInterrupt. Other exceptions of the call pass through.
    """
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        return _by_timer(call, seconds)
    return _by_watcher(call, seconds)


def _inside(call: Callable[[], Any]) -> Any:
    """Call the answer. The frame marks where the answer begins: only code inside it is ever interrupted."""
    return call()


def _is_inside(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code is _inside.__code__:
            return True
        frame = frame.f_back
    return False


def _is_installed(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return "site-packages" in file or file.startswith(("<frozen", sys.base_prefix))


def _by_timer(call: Callable[[], Any], seconds: float) -> Any:
    attempts = 0
    interrupted = False

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and _is_inside(frame):
            signal.setitimer(signal.ITIMER_REAL, AGAIN / 100, AGAIN)  # Python forgets a trace function that raised
            raise Stopped
        return trace

    def stop(_: int, frame: FrameType | None) -> None:
        nonlocal attempts
        if not _is_inside(frame):
            return
        attempts += 1
        if attempts > 1:
            sys.settrace(trace)
            while frame is not None and frame.f_code is not _inside.__code__:
                frame.f_trace = trace
                frame = frame.f_back
        raise Stopped

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        user(number, frame)

    tracer, began = sys.gettrace(), time.monotonic()
    user = signal.getsignal(signal.SIGINT)
    alarm = signal.signal(signal.SIGALRM, stop)
    if callable(user):
        signal.signal(signal.SIGINT, interrupt)
    delay, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        return _inside(call)
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


def _by_watcher(call: Callable[[], Any], seconds: float) -> Any:
    watcher, tracer = _Watcher(seconds), sys.gettrace()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and watcher.attempts > 1 and _is_inside(frame):
            raise Stopped
        return None if _is_installed(frame) else trace  # to follow every line of torch would take seconds

    watcher.start()
    try:
        try:
            sys.settrace(trace)  # now, because the watching thread cannot do it later
            return _inside(call)
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
    """Raises Stopped in the thread that made it, from `seconds` on until `end` is called."""

    def __init__(self, seconds: float):
        super().__init__(daemon=True, name="exercise time limit")
        self.seconds, self.target = seconds, ctypes.c_ulong(threading.get_ident())
        self.lock, self.over, self.ended, self.attempts = threading.Lock(), threading.Event(), False, 0

    def run(self) -> None:
        wait = self.seconds
        while not self.over.wait(wait):
            wait = AGAIN
            with self.lock:
                if not self.over.is_set():
                    self.attempts += 1
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(self.target, ctypes.py_object(Stopped))

    def end(self) -> None:
        with self.lock:
            self.over.set()
        if self.attempts and not self.ended:
            # A Stopped may be pending. Cancelling it with None leaves CPython's flag set, which hangs a tracer: let one arrive.
            try:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(self.target, ctypes.py_object(Stopped))
                while True:
                    time.sleep(0)
            except Stopped:
                pass
        self.ended = True
