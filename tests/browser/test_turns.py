"""Turns: those who share go together, one who measures goes alone, and nobody who comes later goes before it."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

from tests.browser.turns import Turns


def enter(turn, inside: Event, leave: Event) -> Thread:
    """A thread that takes the turn, says so, and keeps it until it is told to leave."""

    def go() -> None:
        with turn:
            inside.set()
            leave.wait(10)

    thread = Thread(target=go)
    thread.start()
    return thread


def test_who_measures_is_alone_and_is_not_overtaken(tmp_path: Path):
    turns = Turns(tmp_path)
    inside, leave = [Event() for _ in range(4)], [Event() for _ in range(4)]
    first = enter(turns.shared(), inside[0], leave[0])
    second = enter(turns.shared(), inside[1], leave[1])
    assert inside[0].wait(5) and inside[1].wait(5)  # side by side
    alone = enter(turns.alone(), inside[2], leave[2])
    assert not inside[2].wait(0.2)
    late = enter(turns.shared(), inside[3], leave[3])
    leave[0].set()
    assert not inside[2].wait(0.2)  # one is still there
    leave[1].set()
    assert inside[2].wait(5)
    assert not inside[3].wait(0.2)  # came after, waits
    leave[2].set()
    assert inside[3].wait(5)
    leave[3].set()
    for thread in (first, second, alone, late):
        thread.join(5)


def test_a_failure_gives_the_turn_away(tmp_path: Path):
    turns, inside, leave = Turns(tmp_path), Event(), Event()
    try:
        with turns.alone():
            raise RuntimeError
    except RuntimeError:
        pass
    leave.set()
    enter(turns.alone(), inside, leave).join(5)
    assert inside.is_set()
