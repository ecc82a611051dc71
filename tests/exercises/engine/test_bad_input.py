"""Whatever a learner gives to `check`: it passes only what is right, and says the sentence that helps."""

from __future__ import annotations

import functools
import math
import sys
import time

import numpy
import pytest
import torch
from torch import nn

from helpers.exercises.engine.judge import judge
from tests.exercises.assertions import assert_verdict
from tests.exercises.toys import ENERGY, MATRIX, SAMPLE, energy, sample_and_cost

# --- right answers in other clothes ---


class Energy(nn.Module):
    def forward(self, loc, scale):
        return energy(loc, scale)


class Owner:
    def method(self, loc, scale):
        return energy(loc, scale)

    def __call__(self, mean, width):
        return energy(mean, width)


RIGHT = {
    "the solution": energy,
    "another way": lambda loc, scale: torch.einsum("bl,bl->b", loc, loc / scale) / 2 + scale.sum(1),
    "other names": lambda a, b: energy(a, b),
    "an extra default": lambda loc, scale, half=0.5: (half * loc**2 / scale + scale).sum(-1),
    "stars": lambda *args: energy(*args),
    "keywords only": lambda *, loc, scale: energy(loc, scale),
    "a partial": functools.partial(lambda power, loc, scale: (loc**power / (2 * scale) + scale).sum(-1), 2),
    "a module": Energy(),
    "a method": Owner().method,
    "an object that can be called": Owner(),
    "a decorated function": functools.wraps(energy)(lambda *args: energy(*args)),
    "a bound forward": Energy().forward,
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_passes_in_any_form(name):
    verdict = judge(ENERGY, RIGHT[name])
    assert verdict.passed, verdict
    assert (
        "gradients with respect to `loc`, `scale`" in verdict.sentence
        and "3 inputs (four; two; one)" in verdict.sentence
    )
    assert "1e-6" in verdict.sentence and "float32" in verdict.sentence


def test_several_results_pass_as_tuple_or_list():
    assert judge(SAMPLE, sample_and_cost).passed and judge(SAMPLE, lambda *a: list(sample_and_cost(*a))).passed


def test_a_check_is_quick():
    began = time.perf_counter()
    judge(ENERGY, energy)
    assert time.perf_counter() - began < 1.0


# --- nothing written yet ---


def dots(loc, scale):
    """Says what to do."""
    # your code


def passes(loc, scale):
    pass


def not_implemented(loc, scale):
    raise NotImplementedError("later")


def begun(loc, scale):
    """Says what to do."""
    total = loc**2  # noqa: F841
    # your code


def none(loc, scale):
    return None


@pytest.mark.parametrize("answer", [dots, passes, not_implemented, lambda loc, scale: ..., functools.partial(dots)])
def test_a_stub_is_not_attempted(answer):
    assert_verdict(answer, "in place of `...`", 'hint("77.1")', status="not attempted")


def test_a_stub_without_source_is_not_attempted():
    scope: dict = {}
    exec('def energy(loc, scale):\n    """Doc."""\n    ...', scope)
    assert_verdict(scope["energy"], status="not attempted")


@pytest.mark.parametrize("answer", [begun, none])
def test_a_begun_answer_or_a_written_none_is_an_attempt(answer):
    assert_verdict(answer, "returns None", "`return` missing")


# --- no function ---


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "You gave None, not the function"),
        (torch.zeros(3), "what your function returned (a Tensor)"),
        (numpy.zeros(3), "what your function returned (a ndarray)"),
        (3.5, "what your function returned (a float)"),
        ([1, 2], "what your function returned (a list)"),
        (True, "You gave a bool"),
        ("energy", "without quotes"),
        (Owner, "You gave a class, `Owner`"),
        (Energy, "Make a module of it first, `Energy(...)`"),
        pytest.param(object(), "which cannot be called", id="an object"),  # its own words hold an address
        (..., "which cannot be called"),
    ],
    ids=str,
)
def test_no_function(answer, words):
    assert_verdict(answer, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda: 1, "a function of 2 arguments, `loc`, `scale`. Yours takes: none"),
        (lambda loc: loc, "Yours takes: `loc`"),
        (lambda loc, scale, more: loc, "`more`"),
        (lambda scale, loc: energy(loc, scale), "in this order"),
        (functools.partial(energy, torch.zeros(1)), "2 arguments"),
    ],
)
def test_other_parameters(answer, words):
    assert_verdict(answer, words)


# --- answers that raise ---


def broadcasts_badly(loc, scale):
    squares = loc**2
    return (squares.sum(0) / scale.sum(1)) + scale.sum(-1)


def misspells(loc, scale):
    return (lox**2).sum(-1)  # noqa: F821


def recurses(loc, scale):
    return recurses(loc, scale) + 1


def eats_memory(loc, scale):
    return torch.zeros(10**14)


def exits(loc, scale):
    sys.exit(3)


def interrupts(loc, scale):
    raise KeyboardInterrupt


class Odd(BaseException):
    def __str__(self):
        raise ValueError


def odd(loc, scale):
    raise Odd


@pytest.mark.parametrize(
    ("answer", "words", "line"),
    [
        (broadcasts_badly, ("RuntimeError", "line 3 of your answer", "3 against 4 at dimension 0", "unsqueeze"), "return (squares.sum(0)"),
        (misspells, ("NameError", "line 2", "Did you mean `loc`?"), "return (lox**2)"),
        (lambda loc, scale: Normal(loc, scale), ("`from torch.distributions import Normal`",), ""),  # noqa: F821
        (lambda loc, scale: softmax(loc), ("Did you mean `torch.softmax`?",), ""),  # noqa: F821
        (lambda loc, scale: loc.summ(-1), ("AttributeError", "no `summ` in a tensor. Did you mean `sum`?"), "summ"),
        (lambda loc, scale: math.log(loc), ("math.log",), ""),
        (lambda loc, scale: torch.exp(1.5) * loc, ("`torch.exp` takes a tensor and was given a Python float",), ""),
        (lambda loc, scale: scale.T @ loc.T, ("matrix product", "`.T`"), ""),
        (lambda loc, scale: loc.sum(2), ("no dimension 2, only -2 to 1",), ""),
        (lambda loc, scale: loc @ torch.eye(loc.shape[1]), ("different dtype",), ""),
        (lambda loc, scale: loc if loc > 0 else scale, ("truth value", "torch.where"), ""),
        (lambda loc, scale: loc.mul_(2).sum(-1), ("changes its argument in place",), ""),
        (lambda loc, scale: torch.tensor(loc.numpy()), ("NumPy",), ""),
        (lambda loc, scale: torch.distributions.Normal(scale, loc).mean, ("`Normal` got a `scale` outside its range",), ""),
        (lambda loc, scale: loc.view(7), ("cannot be given the shape [7]",), ""),
        (lambda loc, scale: (2 + loc)(scale), ("Parentheses follow something that is not a function",), ""),
        (lambda loc, scale: loc + None, ("does not work between",), ""),
        (lambda loc, scale: 1 / 0, ("divided by zero",), ""),
        (recurses, ("RecursionError", "calls itself"), ""),
        (eats_memory, ("not enough memory",), "torch.zeros(10**14)"),
        (exits, ("SystemExit", "end Python"), ""),
        (interrupts, ("KeyboardInterrupt itself",), ""),
        (odd, (), ""),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_an_exception_names_its_line_and_what_it_means(answer, words, line):
    verdict = assert_verdict(answer, *words)
    assert line in verdict.code
    if words:
        assert dict(verdict.facts)["Case"] == "four: loc [4, 3], scale [4, 3]" and "Python says" in dict(verdict.facts)


def test_the_part_of_the_line_that_raised_is_marked():
    code = assert_verdict(broadcasts_badly).code.splitlines()
    start, end = code[1].index("^"), code[1].rindex("^") + 1
    assert "squares.sum(0) / scale.sum(1)" in code[0][start:end] and len(code[0][start:end]) < 40


# --- conduct ---


def aliases(rows):
    return rows


def test_an_answer_that_aliases_its_input():
    from dataclasses import replace

    free = replace(
        MATRIX,
        solution=lambda rows: rows + 0,
        dimensions={"rows": ("points", "features"), "return": ("points", "features")},
    )
    assert_verdict(aliases, "shares its memory with the argument `rows`", "`.clone()`", exercise=free)
    assert_verdict(lambda rows: rows.view_as(rows), "shares its memory", exercise=free)
    assert judge(replace(free, may_share_memory=True), aliases).passed


def test_an_answer_that_changes_its_input():
    def in_place(loc, scale):
        scale.data.mul_(3.0)
        return energy(loc, scale / 3)

    assert_verdict(in_place, "changes its argument `scale` in place")

    def only_without_gradients(loc, scale):
        if not scale.requires_grad:
            scale.add_(0.0).mul_(1 + 1e-6)
        return energy(loc, scale)

    assert_verdict(only_without_gradients, "changes its argument `scale` in place")

    def only_in_float64_afterwards(loc, scale):
        result = energy(loc, scale)
        if not scale.requires_grad and scale.dtype == torch.float64:
            scale.mul_(3)
        return result

    assert_verdict(only_in_float64_afterwards, "changes its argument `scale` in place")


def seeds_torch(loc, scale):
    torch.manual_seed(0)
    return energy(loc, scale)


def seeds_numpy(loc, scale):
    numpy.random.seed(0)
    return energy(loc, scale)


def seeds_python(loc, scale):
    import random

    random.seed(0)
    return energy(loc, scale)


def seeds_afresh(loc, scale):
    torch.seed()
    return energy(loc, scale)


def seeds_and_draws(loc, scale):
    torch.manual_seed(0)
    return energy(loc, scale) + torch.randn(len(loc))


@pytest.mark.parametrize("answer", [seeds_torch, seeds_numpy, seeds_python, seeds_afresh, seeds_and_draws])
def test_an_answer_that_seeds(answer):
    assert_verdict(answer, "seeds the global random generator")


def test_an_answer_that_draws():
    assert_verdict(
        lambda weights, offset, eps: sample_and_cost(weights, offset, torch.randn_like(eps)),
        "draws random numbers of its own",
        "Use `eps`",
        exercise=SAMPLE,
    )
    calls = []

    def remembers(loc, scale):
        calls.append(1)
        return energy(loc, scale) * len(calls)

    assert_verdict(remembers, "Two calls of your answer on equal inputs give different results")


def test_an_answer_that_prints_passes_with_a_note(capsys):
    def prints(loc, scale):
        print("shape", loc.shape, "<b>")
        print("warning", file=sys.stderr)
        return energy(loc, scale)

    verdict = judge(ENERGY, prints)
    assert verdict.passed and verdict.notes == ("Your answer prints: shape torch.Size([4, 3]) <b> warning",)
    assert "&lt;b&gt;" in verdict._repr_html_() and "<b> warning" not in verdict._repr_html_()
    assert capsys.readouterr() == ("", "")


def test_printing_without_end_does_not_fill_the_memory():
    def prints(loc, scale):
        for _ in range(3000):
            print("x" * 1000)
        return energy(loc, scale)

    verdict = judge(ENERGY, prints)
    assert verdict.passed and len(verdict.notes[0]) < 200
