"""An answer that waits for a person is told so, at once."""

from __future__ import annotations

import builtins
import getpass
import sys

import pytest

from helpers.exercises.engine.judge import judge
from helpers.exercises.engine.nobody_answers import nobody_answers
from tests.exercises.toys import ENERGY, energy


def types(loc, scale):
    return loc * float(input("factor? "))


def reads(loc, scale):
    return loc * float(sys.stdin.readline())


def iterates(loc, scale):
    return [loc for _ in sys.stdin]


def password(loc, scale):
    return getpass.getpass()


def breaks(loc, scale):
    breakpoint()
    return energy(loc, scale)


def debugs(loc, scale):
    import pdb

    pdb.set_trace()
    return energy(loc, scale)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (types, "typed"),
        (reads, "typed"),
        (iterates, "typed"),
        (password, "typed"),
        (breaks, "debugger"),
        (debugs, "debugger"),
    ],
)
def test_it_is_said_what_the_answer_waits_for(answer, words):
    before = builtins.input, sys.stdin, sys.breakpointhook, sys.gettrace()
    sentence = judge(ENERGY, answer).sentence
    assert words in sentence and sentence.startswith("Your answer ")
    assert before == (builtins.input, sys.stdin, sys.breakpointhook, sys.gettrace())


def test_outside_the_context_input_is_as_it_was():
    before = builtins.input
    with nobody_answers() as asked, pytest.raises(RuntimeError):
        input()
    assert builtins.input is before and len(asked) == 1
