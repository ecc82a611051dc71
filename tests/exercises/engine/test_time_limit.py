"""An answer that does not end is stopped, and the user's own interrupt is not swallowed."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time

import pytest
import torch

from helpers.exercises.engine import time_limit
from helpers.exercises.engine.judge import judge
from tests.exercises.toys import ENERGY, energy


def forever(loc, scale):
    while True:
        pass


def forever_deaf(loc, scale):
    while True:
        try:  # noqa: SIM105
            time.sleep(0.01)
        except:  # noqa: E722
            pass


def forever_doubly_deaf(loc, scale):
    while True:
        try:
            try:
                time.sleep(10)
            except:  # noqa: E722
                time.sleep(10)
        except BaseException:
            continue


def sleeps(loc, scale):
    time.sleep(1000)


def forever_backwards(loc, scale):
    class Deep(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            while True:
                pass

    return Deep.apply(energy(loc, scale))


@pytest.mark.parametrize("answer", [forever, forever_deaf, forever_doubly_deaf, sleeps, forever_backwards])
def test_an_answer_that_never_ends_is_stopped(answer):
    handler, tracer, began = signal.getsignal(signal.SIGALRM), sys.gettrace(), time.monotonic()
    verdict = judge(ENERGY, answer, seconds=0.3)
    assert time.monotonic() - began < 3
    assert "still running after 0.3 seconds, and was stopped" in verdict.sentence
    assert signal.getsignal(signal.SIGALRM) is handler and sys.gettrace() is tracer
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert judge(ENERGY, energy).passed


@pytest.mark.parametrize("answer", [forever, forever_deaf])
def test_it_is_stopped_in_another_thread_too(answer):
    verdicts = []
    thread = threading.Thread(
        target=lambda: verdicts.extend([judge(ENERGY, answer, seconds=0.3), judge(ENERGY, energy)]), daemon=True
    )
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert "still running" in verdicts[0].sentence and verdicts[1].passed


def test_no_stop_arrives_after_the_end():
    arrived = []

    def in_order():
        watcher = time_limit._Watcher(0.05)
        watcher.start()
        with contextlib.suppress(time_limit.Stopped):
            time.sleep(0.2)
        watcher.end()
        for _ in range(1000):
            time.sleep(0)
        arrived.append("in order")

    thread = threading.Thread(target=in_order, daemon=True)
    thread.start()
    thread.join(10)
    assert arrived == ["in order"]


def test_somebody_elses_timer_survives():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        assert judge(ENERGY, energy).passed
        time.sleep(0.4)
        assert rung == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("answer", [sleeps, forever_deaf])
def test_the_users_interrupt_stops_cleanly(answer):
    torch.manual_seed(5)
    state, handler = torch.get_rng_state(), signal.getsignal(signal.SIGINT)
    timer = threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        judge(ENERGY, answer, seconds=1.5)
    timer.join()
    assert torch.equal(state, torch.get_rng_state()) and torch.is_grad_enabled()
    assert signal.getsignal(signal.SIGINT) is handler and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def raises_it(loc, scale):
    raise KeyboardInterrupt


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN, signal.SIG_DFL])
def test_an_answers_own_keyboard_interrupt_is_not_the_users(handler):
    """Also if Ctrl-C is ignored, as in a background job of a shell."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        assert "KeyboardInterrupt itself" in judge(ENERGY, raises_it).sentence
    finally:
        signal.signal(signal.SIGINT, before)
