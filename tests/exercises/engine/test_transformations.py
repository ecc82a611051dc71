"""A wrong answer that equals the solution, changed in one way, hears which way; a coincidence is no proof."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor
from torch.distributions import Normal

from helpers.exercises import Exercise, registry
from helpers.exercises.engine import argument_changes, solution_edits, solution_source, whole_edits
from helpers.exercises.engine.judge import judge
from helpers.exercises.engine.transformations import Candidate
from tests.exercises.assertions import assert_verdict
from tests.exercises.toys import ENERGY, SAMPLE, energy, normal, positive, sample_and_cost


def mixture(z, loc, scale, logits):
    """log of a mixture's density, and its entropy bound. z: [batch], loc, scale, logits: [components] → [batch], []."""
    log_weight = logits.log_softmax(-1)
    log_each = Normal(loc, scale).log_prob(z[:, None])  # [batch, components]
    return (log_weight + log_each).logsumexp(-1), (log_weight.exp() * scale.log()).sum() + math.log(len(loc))


def _inputs(generator: Generator, batch: int, components: int) -> dict[str, Tensor]:
    return {
        "z": normal(generator, batch),
        "loc": normal(generator, components),
        "scale": positive(generator, components),
        "logits": normal(generator, components),
    }


MIXTURE = Exercise(
    id="77.4",
    title="A mixture",
    minutes=3,
    difficulty=2,
    statement="Mix.",
    solution=mixture,
    why="Because.",
    cases={
        f"{b} of {k}": lambda g, b=b, k=k: _inputs(g, b, k) for b, k in ((4, 3), (2, 5), (6, 2))
    },
    dimensions={"z": ("batch",), "loc": ("components",), "scale": ("components",), "logits": ("components",),
                "return": (("batch",), ())},
    returns=("the log density", "the bound"),
    hints=("A nudge.", "A formula.", "A line."),
    misconceptions=(),
)  # fmt: skip


def with_normal(z, loc, scale, logits):
    log_weight = logits.log_softmax(-1)
    density = (log_weight + Normal(loc, scale**2).log_prob(z[:, None])).logsumexp(-1)
    return density, (log_weight.exp() * scale.log()).sum() + math.log(len(loc))


def by_hand(change_scale=lambda s: s, change_weight=lambda w: w):
    def answer(z, loc, scale, logits):
        scale, log_weight = change_scale(scale), change_weight(logits)
        log_each = -0.5 * ((z[:, None] - loc) / scale) ** 2 - scale.log() - 0.5 * math.log(2 * math.pi)
        return (log_weight + log_each).logsumexp(-1), (log_weight.exp() * scale.log()).sum() + math.log(len(loc))

    return answer


WRONG = [
    (by_hand(torch.square, lambda w: w.log_softmax(-1)), "square:scale", "the square of `scale`"),
    (by_hand(torch.sqrt, lambda w: w.log_softmax(-1)), "square-root:scale", "taken for a variance"),
    (by_hand(torch.exp, lambda w: w.log_softmax(-1)), "exp:scale", "taken for a logarithm"),
    (by_hand(lambda s: (s / 2).exp(), lambda w: w.log_softmax(-1)), "exp-half:scale", "logarithm of a variance"),
    (by_hand(lambda s: torch.nn.functional.softplus(s), lambda w: w.log_softmax(-1)), "softplus:scale", "softplus"),
    (by_hand(lambda s: 1 / s, lambda w: w.log_softmax(-1)), "reciprocal:scale", "1 / `scale`"),
    (by_hand(change_weight=lambda w: w), "without:log_softmax", "without `log_softmax`"),
    (by_hand(change_weight=lambda w: torch.full_like(w, -math.log(len(w)))), "uniform-log:logits", "uniform"),
    (by_hand(change_weight=lambda w: (-w).log_softmax(-1)), "negated:logits", "−`logits`"),
    (by_hand(change_weight=lambda w: w.sigmoid().log_softmax(-1)), "sigmoid:logits", "sigmoid"),
    (lambda z, loc, scale, logits: mixture(loc.mean() * 0 + z, 0 * loc, scale, logits), "left-out:loc", "`loc` left out"),
    (lambda z, loc, scale, logits: mixture(z, loc.roll(1), scale, logits), "shifted-0:loc", "along `components`"),
    (lambda z, loc, scale, logits: mixture(z, loc.flip(0), scale, logits), "reversed-0:loc", "reversed"),
    (lambda z, loc, scale, logits: mixture(z, logits, scale, loc), "exchanged:loc+logits", "exchanged"),
    (lambda z, loc, scale, logits: mixture(z, loc, scale, logits.clamp(min=0)), "without-negatives:logits", "negative"),
    (lambda z, loc, scale, logits: mixture(z, loc, scale, logits.mean().expand_as(logits)), "uniform-log:logits", "uniform"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "id", "words"), WRONG, ids=[id for _, id, _ in WRONG])
def test_a_change_of_an_argument_or_a_step_is_named(answer, id, words):
    verdict = assert_verdict(answer, words, exercise=MIXTURE)
    assert verdict.misconception_id == f"transformation:{id}", verdict
    assert verdict.misconception is None


def test_a_variance_given_to_normal_is_named_as_such():
    verdict = assert_verdict(
        with_normal, "Your first result, the log density,", "`Normal` takes a standard deviation", exercise=MIXTURE
    )
    assert verdict.misconception_id == "transformation:square:scale"


def terms(x, rate, log_prior):
    """A sum of terms. x, rate, log_prior: [batch, steps] → [batch]."""
    count = x.shape[1] - 1
    inner = (x.softmax(-1) * rate).cumsum(-1) / count
    return (log_prior.exp() + inner - rate.square() + (1 + x).abs().log()).sum(-1)


TERMS = replace(
    ENERGY,
    id="77.5",
    solution=terms,
    misconceptions=(),
    dimensions=dict.fromkeys(("x", "rate", "log_prior"), ("batch", "steps")) | {"return": ("batch",)},
    cases={
        f"{b} of {k}": lambda g, b=b, k=k: {
            "x": normal(g, b, k),
            "rate": positive(g, b, k),
            "log_prior": normal(g, b, k),
        }
        for b, k in ((4, 3), (2, 5), (3, 7))
    },
)


def edited(old, new):
    """The solution of TERMS with a piece of its source replaced."""
    scope = dict(terms.__globals__)
    text = solution_source.inspect.getsource(terms)
    assert old in text
    exec(text.replace(old, new), scope)
    return scope["terms"]


EDITS = [
    ("softmax(-1)", "softmax(0)", "softmax-over:0"),
    ("cumsum(-1)", "cumsum(0)", "cumsum-over:0"),
    ("rate.square()", "rate", "without:square"),
    ("- rate.square()", "+ rate.square()", "sign:rate-square"),
    ("+ inner ", "", "without:inner"),
    ("log_prior.exp()", "log_prior", "without:exp"),
    (" / count", "", "undivided:count"),
    ("(1 + x)", "x", "without:1"),
    ("shape[1] - 1", "shape[1]", "without:1"),
    ("(x.softmax(-1) * rate)", "x.softmax(-1)", "without:rate"),
    ("log_prior.exp() + inner - rate.square()", "inner", "only:1+3"),
    (".abs().log()", ".abs().add(1e-4).log()", "added-1e-4:logarithm"),
    ("/ count", "/ (count + 1e-3)", "added-1e-3:divisor"),
]


@pytest.mark.parametrize(("old", "new", "id"), EDITS)
def test_a_step_changed_is_named(old, new, id):
    verdict = judge(TERMS, edited(old, new))
    assert verdict.status == "not yet" and verdict.misconception_id == f"transformation:{id}", verdict


def test_a_result_that_is_something_on_the_way():
    verdict = judge(TERMS, edited("return (log_prior", "return inner.logsumexp(-1)\n    return (log_prior"))
    assert verdict.misconception_id == "transformation:on-the-way:inner.logsumexp(-1)", verdict


def test_the_wrong_result_alone_is_explained():
    def answer(weights, offset, eps):
        return sample_and_cost(weights, offset, eps)[0], sample_and_cost(weights, 0 * offset, eps)[1]

    verdict = assert_verdict(
        answer, "Your second result, the cost, equals the right one with `offset`", exercise=SAMPLE
    )
    assert verdict.misconception_id == "transformation:left-out:offset"


def test_a_change_that_proves_too_little_is_not_named():
    """On one case the argument is 1, where its square is itself: agreement there is no proof of anything."""

    def scaled(loc, scale):
        """loc * scale. loc: [batch], scale: [] → [batch]."""
        return loc * scale

    ones = {"loc": torch.ones(1, dtype=torch.float64), "scale": torch.tensor(3.0, dtype=torch.float64)}
    cases = {
        "one": lambda g: dict(ones),
        "again": lambda g: dict(ones),
        "two": lambda g: {"loc": normal(g, 1), "scale": torch.ones((), dtype=torch.float64)},
        "three": lambda g: {"loc": normal(g, 1), "scale": torch.ones((), dtype=torch.float64)},
    }
    lone = replace(ENERGY, solution=scaled, cases=cases, misconceptions=(), dimensions={"return": ("batch",)})
    once = replace(lone, cases={name: cases[name] for name in ("one", "two", "three")})
    wrong = lambda loc, scale: loc * (scale**2).clamp(max=9.0)  # noqa: E731
    assert judge(lone, wrong).misconception_id is not None  # two cases, the same slip
    assert judge(once, wrong).misconception_id is None  # one number on one case


def test_candidates_that_raise_are_passed_over():
    def picky(loc, scale):
        """Positive scales only."""
        if (scale <= 0).any() or (scale > 5).any():
            raise ValueError("scale")
        return energy(loc, scale)

    picked = replace(ENERGY, solution=picky, misconceptions=())
    verdict = judge(picked, lambda loc, scale: energy(loc, scale.sqrt()))
    assert verdict.misconception_id == "transformation:square-root:scale"


def test_no_candidate_is_the_solution_itself():
    for exercise in (ENERGY, MIXTURE, TERMS):
        case = next(iter(exercise.cases))
        arguments = exercise.cases[case](Generator().manual_seed(0))
        names = [
            candidate.id
            for candidates in (
                argument_changes.likely_changes(exercise, arguments, exercise.solution),
                argument_changes.rarer_changes(exercise, arguments),
                solution_edits.solution_edits(exercise),
                whole_edits.whole_edits(exercise),
            )
            for candidate in candidates
            if isinstance(candidate, Candidate)
        ]
        assert len(names) > 50


def test_the_search_ends_in_time():
    def sleepy(loc, scale):
        """Slow."""
        end = time.thread_time() + 0.02
        while time.thread_time() < end:
            pass
        return energy(loc, scale)

    slow = replace(ENERGY, solution=sleepy, misconceptions=())
    began = time.thread_time()
    assert_verdict(lambda loc, scale: energy(loc, scale) + loc.sin().sum(-1), "values differ", exercise=slow)
    assert time.thread_time() - began < 4.0


def weighted(f, log_q, baseline):
    """A surrogate. f, log_q: [samples, batch], baseline: [batch] → [batch]."""
    signal = (f - baseline).detach()
    return (f + signal * log_q).mean(0) + log_q.exp().mean(0) - log_q.exp().mean(0).detach()


WEIGHTED = replace(
    ENERGY,
    id="77.6",
    solution=weighted,
    misconceptions=(),
    dimensions={},
    cases={
        f"{s} of {b}": lambda g, s=s, b=b: {"f": normal(g, s, b), "log_q": normal(g, s, b), "baseline": normal(g, b)}
        for s, b in ((3, 4), (5, 2))
    },
)


def without_gradient_in_value(t):
    return t - t.detach()


def log_q_detached_once(f, log_q, baseline):
    signal = (f - baseline).detach()
    return (f + signal * log_q.detach() + without_gradient_in_value(log_q.exp())).mean(0)


def signal_attached(f, log_q, baseline):
    return (f + (f - baseline) * log_q + without_gradient_in_value(log_q.exp())).mean(0)


@pytest.mark.parametrize(
    ("answer", "id", "words"),
    [
        (lambda *a: weighted(*a) + a[2] - a[2].detach(), "gradient:attached:baseline", "a `.detach()` is missing"),
        (lambda *a: weighted(a[0].detach(), *a[1:]), "gradient:missing:f", "no gradient reaches `f`"),
        (log_q_detached_once, "transformation:detached:log_q", "with `log_q` detached"),
        (signal_attached, "transformation:attached:f-baseline", "without a `.detach()`"),
    ],
)
def test_a_detach_in_the_wrong_place_is_named(answer, id, words):
    verdict = assert_verdict(answer, "right values", words, exercise=WEIGHTED)
    assert verdict.misconception_id == id, verdict


SLIPS = {
    ("01.1", "exp-half:scale"): lambda loc, scale: 0.5 * (loc**2 + scale.exp() - 1 - scale).sum(-1),
    ("01.1", "exp:scale"): lambda loc, scale: 0.5 * (loc**2 + (2 * scale).exp() - 1 - 2 * scale).sum(-1),
    ("01.2", "mean-for-sum"): lambda log_global, log_local, num_data: (
        log_global + num_data / log_local.shape[1] * log_local.mean(1),
        num_data * log_local.std(1) * ((1 - log_local.shape[1] / num_data) / log_local.shape[1]) ** 0.5,
    ),
    ("04.1", "previous:f:baseline"): lambda f, log_q: (f + (f - f.roll(1, 0)).detach() * log_q).mean(0),
    ("04.5", "without:sigmoid"): lambda p, f, slope: (
        p * (1 - p) * (f[1] - f[0]),
        p * (1 - p) * ((1 - p) * slope[0] + p * slope[1] - f[1] + f[0]),
    ),
    ("06.1", "softmax-1:logits"): lambda logits, bound: (
        logits.softmax(-1).softmax(-1) * (bound - logits.softmax(-1).log_softmax(-1))
    ).sum(-1),
}


@pytest.mark.parametrize("slip", SLIPS, ids=" ".join)
def test_common_slips_in_the_lessons_are_named(slip):
    """Unless the exercise has come to know the slip by a misconception of its own."""
    exercise = registry.find(slip[0])
    verdict = judge(exercise, SLIPS[slip])
    assert verdict.status == "not yet"
    assert verdict.misconception or verdict.misconception_id == f"transformation:{slip[1]}", verdict


def test_the_size_of_another_dimension_is_named():
    def repeats_for_batch(log_global, log_local, num_data):
        batch = log_local.shape[0]
        error = num_data * (log_local.var(1) / batch * (1 - batch / num_data)).clamp(min=0).sqrt()
        return log_global + num_data / batch * log_local.sum(1), error

    sentence = judge(registry.find("01.2"), repeats_for_batch).sentence
    assert "the size `log_local.shape[0]` in place of `log_local.shape[1]`" in sentence
