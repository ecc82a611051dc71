"""Answers that run and are wrong: the sentence names what is wrong with type, shape, numbers or gradients."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from helpers.exercises.engine.judge import judge
from helpers.exercises.engine.shapes import describe_shape, explain_shape
from tests.exercises.assertions import assert_verdict
from tests.exercises.toys import (
    ENERGY,
    HALF_LOG_TWO_PI,
    MATRIX,
    SAMPLE,
    energy,
    normal,
    positive,
    sample_and_cost,
    square_matrix,
)

# --- answers that return something else ---


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: list(t), ("returns a list", "torch.stack")),
        (lambda t: (t,), ("list or tuple",)),
        (lambda t: t.detach().numpy(), ("a NumPy array",)),
        (lambda t: t.sum().item() * 2, ("a Python number", ".item()")),
        (lambda t: torch.distributions.Normal(t, 1.0), ("a distribution (Normal)", ".log_prob")),
        (lambda t: lambda: t, ("a function or module",)),
        (lambda t: (x for x in t), ("generator", "`yield`")),
        (lambda t: "seven", ("type str",)),
        (lambda t: {"energy": t}, ("type dict",)),
        (lambda t: t.to_sparse(), ()),
        (lambda t: t.to("meta"), ()),
        (lambda t: t.to(torch.complex128), ("dtype complex128",)),
    ],
)
def test_another_type(change, words):
    assert_verdict(lambda loc, scale: change(energy(loc, scale)), *words)


async def awaits(loc, scale):
    return energy(loc, scale)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_coroutine():
    assert_verdict(awaits, "coroutine", "`async def`")


@pytest.mark.parametrize("change", [lambda z, c: z, lambda z, c: (z,), lambda z, c: (z, c, c), lambda z, c: None])
def test_another_number_of_results(change):
    assert_verdict(lambda *a: change(*sample_and_cost(*a)), exercise=SAMPLE)
    if change(1, 2) is not None:
        assert_verdict(
            lambda *a: change(*sample_and_cost(*a)), "asks for 2 results, the sample and the cost", exercise=SAMPLE
        )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda loc, scale: 2 * (loc**2 / (2 * scale) + scale),
            (
                "[4, 3], that is [batch, latent]; the exercise asks for [4], that is [batch]",
                "`latent` (size 3) is still there",
            ),
        ),
        (lambda loc, scale: energy(loc, scale) / 3 + 0 * loc.sum(), ()),
        (lambda loc, scale: energy(loc, scale).sum(), ("You summed over `batch` (size 4) too",)),
        (lambda loc, scale: (loc**2 / (2 * scale) + scale).sum(0), ("`latent` is in the place of `batch` (size 4)",)),
        (lambda loc, scale: energy(loc, scale).unsqueeze(-1), ("A dimension of size 1 is left over",)),
        (lambda loc, scale: energy(loc, scale) + energy(loc, scale).unsqueeze(1), ("The size 4 appears twice",)),
    ],
)
def test_a_wrong_shape_names_its_dimension(change, words):
    assert_verdict(change, *words)


def test_a_size_of_one_is_not_named_after_a_dimension_that_happens_to_have_it():
    thin = replace(
        ENERGY, cases={"thin": lambda g: {"loc": normal(g, 4, 1), "scale": positive(g, 4, 1)}}, misconceptions=()
    )
    verdict = assert_verdict(
        lambda loc, scale: energy(loc, scale).unsqueeze(-1),
        "[4, 1], that is [batch, 1]; the exercise asks for [4]",
        exercise=thin,
    )
    assert "latent" not in verdict.sentence
    sizes = {"batch": 5, "channel": 1, "height": 3}
    assert describe_shape((5, 1, 1, 1), None, sizes) == "[5, 1, 1, 1], that is [batch, 1, 1, 1]"
    assert describe_shape((1, 1), None, sizes) == "[1, 1]" and describe_shape((), None, sizes) == "[]"
    assert describe_shape((5, 1), ("batch", "channel"), sizes) == "[5, 1], that is [batch, channel]"
    got, want = torch.zeros(5, 1), torch.zeros(5, 3)
    assert "channel" not in explain_shape(got, want, ("batch", "height"), sizes)
    assert "`channel`" not in explain_shape(torch.zeros(5, 1, 7), torch.ones(5, 7), None, sizes)


def test_a_dimension_left_unsummed_is_told_by_its_values():
    exercise = MATRIX
    answer = lambda rows: rows[:, None] * rows.detach()[None] - 1 / rows.shape[1]  # noqa: E731
    assert_verdict(answer, "`features` (size 3) was left unsummed", "dim=-1", exercise=exercise)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda *a: (sample_and_cost(*a)[0], sample_and_cost(*a)[1].float()),
            (
                "Your second result, the cost, has dtype float32; the exercise asks for float64, the dtype of the inputs.",
            ),
        ),
        (
            lambda *a: (sample_and_cost(*a)[0].T, sample_and_cost(*a)[1]),
            ("Your first result, the sample,", "another order"),
        ),
        (lambda *a: (sample_and_cost(*a)[0], sample_and_cost(*a)[1].log()), ("NaN",)),
        (lambda *a: (sample_and_cost(*a)[0], sample_and_cost(*a)[1] / 0), ("infinite",)),
    ],
)
def test_a_wrong_dtype_and_nan(answer, words):
    assert_verdict(answer, *words, exercise=SAMPLE)


def test_float64_made_of_float32_is_noticed():
    assert_verdict(lambda loc, scale: energy(loc.double(), scale.double()), "dtype float64 when the inputs are float32")
    assert_verdict(
        lambda loc, scale: (1e30 * energy(loc, scale)) ** 2 / 1e60 / energy(loc, scale), "far off in float32"
    )


# --- misconceptions and numbers ---


@pytest.mark.parametrize("misconception", ENERGY.misconceptions, ids=lambda m: m.name)
def test_a_misconception_comes_before_the_general_sentence(misconception):
    verdict = assert_verdict(misconception.answer)
    assert (verdict.misconception, verdict.sentence) == (misconception.name, misconception.sentence)


def test_a_misconception_is_known_by_what_it_does():
    def otherwise(loc, scale):
        return ((loc / scale) * (loc / 2)).sum(1)

    assert assert_verdict(otherwise).misconception == "forgets scale"
    assert (
        assert_verdict(lambda loc, scale: otherwise(loc, scale).detach()).misconception == "forgets scale"
    )  # wrong values weigh more
    assert assert_verdict(lambda loc, scale: energy(loc, scale).detach()).misconception is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t, k: -t, "the right one with the wrong sign"),
        (lambda t, k: 2 * t, "2 times too large"),
        (lambda t, k: t / 2, "half of the expected value"),
        (lambda t, k: -2 * t, "2 times too large and has the wrong sign"),
        (lambda t, k: t / 4, "a quarter"),
        (lambda t, k: t / math.log(2), "bits in place of nats"),
        (lambda t, k: t / math.pi, "too small by the factor 3.142"),
        (lambda t, k: 1.7 * t, "1.7 times the right one"),
        (lambda t, k: 0 * t, "zero everywhere"),
        (lambda t, k: t / k, "too small by the size of `latent`: is a mean over `latent` used where a sum is needed?"),
        (lambda t, k: t * k, "too large by the size of `latent`: is a sum over `latent` used where a mean is needed?"),
        (lambda t, k: t - HALF_LOG_TWO_PI, "too small by ½ log 2π"),
        (lambda t, k: t + k * HALF_LOG_TWO_PI, "too large by ½ log 2π for each of `latent`"),
        (lambda t, k: t + 1, "too large by 1: is a constant"),
        (lambda t, k: t.log(), "the logarithm of the right one"),
        (lambda t, k: t.exp(), "the exponential of the right one"),
        (lambda t, k: t**2, "the square of the right one"),
        (lambda t, k: t.flip(0), "reversed order"),
        (lambda t, k: t + t.sin(), "the right shape, but its values differ"),
    ],
)
def test_wrong_numbers_are_named(change, words):
    verdict = assert_verdict(lambda loc, scale: change(energy(loc, scale), loc.shape[1]), words)
    facts = dict(verdict.facts)
    assert facts["Tolerance"].startswith("1e-6") and any(label.startswith("Given") for label in facts)


def test_a_transposed_square_is_named():
    assert_verdict(
        lambda rows: square_matrix(rows).T * 1, exercise=MATRIX
    )  # symmetric in value; only its gradient is another
    assert_verdict(
        lambda rows: (square_matrix(rows) + torch.arange(len(rows))).T - torch.arange(len(rows)),
        "but its values differ",
        exercise=MATRIX,
    )


# --- the more basic fault speaks first ---


def test_a_changed_argument_comes_before_wrong_values():
    """It has the values of a misconception that changes nothing; that one is told beside."""

    def changes(loc, scale):
        value = (loc**2 / (2 * scale)).sum(-1)
        scale.data += 1
        return value

    verdict = assert_verdict(changes, "changes its argument `scale` in place")
    assert verdict.notes == ("Besides: The scale itself is missing.",) and verdict.misconception is None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda: torch.manual_seed(3), "seeds the global random generator"),
        (lambda: torch.rand(1), ""),
    ],
)
def test_seeding_comes_before_wrong_values(spoil, words):
    def answer(loc, scale):
        spoil()
        return (loc**2 / (2 * scale)).sum(-1)

    assert_verdict(answer, words or "The scale itself is missing.")


def test_wrong_values_come_before_shared_memory():
    plain = replace(SAMPLE, misconceptions=())
    verdict = assert_verdict(
        lambda weights, offset, eps: (
            eps.view_as(eps).mul(1.0).T.T if len(eps) < 0 else eps[:],
            sample_and_cost(weights, offset, eps)[1],
        ),
        "is the argument `eps`, unchanged",
        exercise=plain,
    )
    assert len(verdict.notes) == 1 and "shares its memory with the argument `eps`" in verdict.notes[0]


# --- numbers that are nearly right ---


@pytest.mark.parametrize("off", [1e-5, 2e-6, 3e-4])
def test_numbers_are_printed_until_they_differ(off):
    facts = dict(assert_verdict(lambda loc, scale: energy(loc, scale) * (1 + off)).facts)
    (given,) = [text for label, text in facts.items() if label.startswith("Given")]
    (expected,) = [text for label, text in facts.items() if label.startswith("Expected")]
    assert given != expected
    assert "is 1 times" not in assert_verdict(lambda loc, scale: energy(loc, scale) * (1 + off)).sentence


def test_a_small_number_or_a_short_constant_is_suspected():
    assert_verdict(lambda loc, scale: energy(loc, scale + 1e-5), "almost right", "a small number added")
    short = lambda loc, scale: energy(loc, scale) + loc.shape[1] * (0.9189 - HALF_LOG_TWO_PI)  # noqa: E731
    assert_verdict(short, "for each of `latent`", "a constant with few digits")
    single = lambda loc, scale: energy(loc, scale.float().double()).float().to(loc)  # noqa: E731
    assert judge(ENERGY, single).passed or "float32" in judge(ENERGY, single).sentence
    half = lambda loc, scale: energy((loc * 1.00003).half().to(loc), scale)  # noqa: E731
    assert "values differ" in judge(ENERGY, half).sentence or "almost right" in judge(ENERGY, half).sentence


def test_rounding_in_a_gradient_is_no_missing_detach():
    """The gradient should be 0 on one case and is 1e-7: no `.detach()` is missing there."""
    flat = replace(
        ENERGY,
        solution=lambda loc, scale: (0.5 * scale**2 - scale.log()).sum(-1),
        misconceptions=(),
        cases={"ones": lambda g: {"loc": normal(g, 2, 3), "scale": torch.ones(2, 3, dtype=torch.float64).requires_grad_()},
               **ENERGY.cases},
    )  # fmt: skip
    nearly = lambda loc, scale: (0.5 * scale**2 - scale.log() * (1 + 1e-7)).sum(-1)  # noqa: E731
    verdict = assert_verdict(nearly, "right values", "off by about 2e-07", "float32", exercise=flat)
    assert "detach" not in verdict.sentence


def test_a_gradient_that_is_wrong_in_float32_only():
    """log(e / tanh(e / 2)) near 0: right in float64, and noise in float32."""
    near_zero = replace(
        ENERGY,
        solution=lambda loc, scale: (math.log(2) + loc**2 / 12 - 7 * loc**4 / 1440).sum(-1),
        misconceptions=(),
        cases={f"near {b}": lambda g, b=b: {"loc": (1e-3 * normal(g, b, 3)).detach().requires_grad_(), "scale": positive(g, b, 3)}
               for b in (4, 2)},
    )  # fmt: skip
    direct = lambda loc, scale: (loc / (loc / 2).tanh()).log().sum(-1)  # noqa: E731
    verdict = assert_verdict(direct, "right in float64 but far off in float32", exercise=near_zero)
    assert verdict.misconception_id == "gradient:float32:loc"
    horner = lambda loc, scale: (math.log(2) + loc**2 * (1 / 12 - 7 / 1440 * loc**2)).sum(-1)  # noqa: E731
    assert judge(near_zero, horner).passed


def test_right_for_some_inputs_only():
    assert_verdict(
        lambda loc, scale: energy(loc, scale) + (0 if len(loc) == 4 else loc.sum(-1)),
        "right for some inputs (four) and wrong for others (two, one)",
    )


def test_the_tolerance_is_what_is_said():
    assert judge(ENERGY, lambda loc, scale: energy(loc, scale) * (1 + 1e-8)).passed
    assert_verdict(lambda loc, scale: energy(loc, scale) * (1 + 1e-5), "times the right one")
    assert_verdict(lambda loc, scale: energy(loc, scale) + 1e-4, "too large by 0.0001")


def test_one_wrong_result_of_two():
    assert_verdict(
        lambda *a: (sample_and_cost(*a)[0], -sample_and_cost(*a)[1]),
        "Your second result, the cost, is the right one with the wrong sign. The rest is right.",
        exercise=SAMPLE,
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda loc, scale: energy(loc, scale).detach(), "no gradient flows through it"),
        (lambda loc, scale: torch.tensor(energy(loc, scale).tolist()).to(loc), "no gradient flows"),
        (lambda loc, scale: energy(loc.detach(), scale), "no gradient reaches `loc`"),
        (
            lambda loc, scale: energy(loc, scale) + loc.sum(-1) - loc.sum(-1).detach(),
            "its gradient with respect to `loc` is wrong",
        ),
        (lambda loc, scale: 2 * energy(loc, scale) - energy(loc, scale).detach(), "It is 2 times too large"),
        (lambda loc, scale: energy(loc, scale) + (0 * loc).sqrt().sum(-1), "is NaN or infinite"),
    ],
)
def test_right_values_with_wrong_gradients(answer, words):
    assert_verdict(answer, "right values", words)


def test_a_gradient_where_none_should_be():
    from dataclasses import replace

    free = replace(ENERGY, solution=lambda loc, scale: energy(loc, scale.detach()), misconceptions=())
    assert_verdict(energy, "a gradient reaches `scale` that should not", exercise=free)
    cut = replace(ENERGY, solution=lambda loc, scale: energy(loc, scale).detach(), misconceptions=())
    assert_verdict(energy, "that should not", exercise=cut)
    assert judge(cut, lambda loc, scale: energy(loc, scale).detach()).passed


def test_a_backward_pass_that_fails():
    def spoils(loc, scale):
        root = loc.exp()
        total = (root * scale).sum(-1)
        result = energy(loc, scale) + 0 * total
        root.mul_(2)
        return result

    assert_verdict(spoils, "Your values are right", "changed in place")


def test_an_answer_that_needs_gradients():
    def grad(loc, scale):
        torch.autograd.grad(loc.sum(), loc)
        return energy(loc, scale)

    assert_verdict(grad, "when its arguments require no gradients")
