"""An answer that does not end is stopped, and the user's own interrupt is not swallowed."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time

import pytest
import torch

from helpers.exercises.engine import answer_clock
from helpers.exercises.engine.judge import judge
from helpers.exercises.engine.time_limit import Stopped, TimeLimit
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
    assert time.monotonic() - began < 8
    assert "was stopped" in verdict.sentence
    assert signal.getsignal(signal.SIGALRM) is handler and sys.gettrace() is tracer
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert judge(ENERGY, energy).passed


def forever_deaf_and_busy(loc, scale):
    while True:
        try:  # noqa: SIM105
            loc = loc + 1
        except BaseException:
            pass


@pytest.mark.parametrize("answer", [forever, forever_deaf, forever_deaf_and_busy])
def test_it_is_stopped_in_another_thread_too(answer):
    verdicts = []
    thread = threading.Thread(
        target=lambda: verdicts.extend([judge(ENERGY, answer, seconds=0.3), judge(ENERGY, energy)]), daemon=True
    )
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert "was stopped" in verdicts[0].sentence and verdicts[1].passed


def test_no_stop_arrives_after_the_end():
    arrived = []

    def spins():
        while True:
            time.sleep(0)

    def in_order():
        with contextlib.suppress(Stopped):
            TimeLimit(0.05).call(spins)
        for _ in range(1000):
            time.sleep(0)
        arrived.append("in order")

    thread = threading.Thread(target=in_order, daemon=True)
    thread.start()
    thread.join(20)
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


LOG: list[str] = []


class Context:
    def __enter__(self):
        LOG.append("opened")

    def __exit__(self, *_):
        time.sleep(0.2)
        LOG.append("closed")


@contextlib.contextmanager
def generated():
    LOG.append("opened")
    try:
        yield
    finally:
        time.sleep(0.2)
        LOG.append("closed")


def in_a_context(loc, scale):
    with Context():
        while True:
            loc = loc + 1


def in_a_generated_context(loc, scale):
    with generated(), generated():
        time.sleep(100)


def loop_first_in_a_try(loc, scale):
    LOG.append("opened")
    try:
        while True: loc = loc + 1  # fmt: skip # noqa: E701
    finally:
        time.sleep(0.2)
        LOG.append("closed")


def jumps_to_itself_in_a_try(loc, scale):
    LOG.append("opened")
    try:
        while True: pass  # fmt: skip # noqa: E701
    finally:
        time.sleep(0.2)
        LOG.append("closed")


def context_in_a_loop(loc, scale):
    while True:
        with generated():
            pass


def before_a_try(loc, scale):
    lock = threading.Lock()
    while True:
        lock.acquire()
        LOG.append("opened")
        try:
            time.sleep(0)
        finally:
            lock.release()
            LOG.append("closed")


def abandoned_generator(loc, scale):
    def numbers():
        LOG.append("opened")
        try:
            while True:
                yield 1
        finally:
            time.sleep(0.2)
            LOG.append("closed")

    return sum(numbers())


CLEAN = [
    in_a_context, in_a_generated_context, loop_first_in_a_try, jumps_to_itself_in_a_try, context_in_a_loop, before_a_try,
    abandoned_generator,
]  # fmt: skip


@pytest.mark.parametrize("answer", CLEAN)
@pytest.mark.parametrize("on", ["main thread", "another thread"])
def test_clean_up_is_never_cut_off(answer, on):
    if on == "another thread" and answer is in_a_generated_context:
        pytest.skip("a sleep cannot be interrupted from another thread")
    LOG.clear()
    verdicts = []

    def work():
        verdicts.append(judge(ENERGY, answer, seconds=0.2))

    if on == "main thread":
        work()
    else:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(30)
    assert "was stopped" in verdicts[0].sentence
    assert LOG.count("opened") == LOG.count("closed") > 0


def test_clean_up_that_never_ends_is_stopped_too(monkeypatch):
    monkeypatch.setattr(answer_clock, "CLEAN_UP", 0.2)

    def answer(loc, scale):
        try:
            return loc
        finally:
            while True:
                time.sleep(0)

    assert "was stopped" in judge(ENERGY, answer, seconds=0.2).sentence


SLOW_MODULE = """
import time
began = time.thread_time()
while time.thread_time() - began < 0.5:
    pass
from . import inner
"""


def make_slow_package(folder, monkeypatch):
    package = folder / "slow_to_import"
    package.mkdir()
    (package / "__init__.py").write_text(SLOW_MODULE)
    (package / "inner.py").write_text(SLOW_MODULE.replace("from . import inner", "value = 1"))
    monkeypatch.syspath_prepend(str(folder))
    for name in ("slow_to_import", "slow_to_import.inner"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def imports_something(loc, scale):
    import slow_to_import

    return energy(loc, scale) * slow_to_import.inner.value


@pytest.mark.parametrize("on", ["main thread", "another thread"])
def test_a_first_import_does_not_count(tmp_path, monkeypatch, on):
    """It takes 1 s of CPU time, the limit is 0.3 s."""
    make_slow_package(tmp_path, monkeypatch)
    verdicts = []

    def work():
        verdicts.append(judge(ENERGY, imports_something, seconds=0.3))

    if on == "main thread":
        work()
    else:
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(30)
    assert verdicts[0].passed, verdicts


def test_an_import_that_the_user_interrupts_is_undone(tmp_path, monkeypatch):
    make_slow_package(tmp_path, monkeypatch)
    (tmp_path / "slow_to_import" / "__init__.py").write_text("from . import inner\n" + SLOW_MODULE)
    timer = threading.Timer(0.75, lambda: signal.raise_signal(signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        judge(ENERGY, imports_something)
    timer.join()
    assert judge(ENERGY, imports_something).passed


def for_ever_so_long(loc, scale):
    for _ in range(10**9):
        loc = loc + 1
    return loc


def counts(loc, scale):
    step = 0
    while step < 10**9:
        step += 1
    return loc


def stuck(loc, scale):
    step = 0
    while step < 10:
        loc = loc + 1
    return loc


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (for_ever_so_long, "has an end, but takes long"),
        (counts, "still making progress"),
        (stuck, "a loop that never ends"),
        (sleeps, "without computing anything"),
        (forever, "Does `while True:` reach its end"),
    ],
)
def test_slow_is_told_from_endless(answer, words):
    sentence = judge(ENERGY, answer, seconds=0.3).sentence
    assert words in sentence
    assert ("never ends" in sentence) == (answer is stuck)
