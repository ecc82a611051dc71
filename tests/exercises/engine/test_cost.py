"""A right answer that costs far more than it need passes, with a remark."""

from __future__ import annotations

from dataclasses import replace

import torch

from helpers.exercises import Exercise, Remark
from helpers.exercises.engine.cost import Cost, cost, remarks
from helpers.exercises.engine.judge import judge
from tests.exercises.toys import ENERGY, energy, normal, positive

WIDE = replace(
    ENERGY,
    misconceptions=(),
    cases={
        "wide": lambda g: {"loc": normal(g, 6, 20), "scale": positive(g, 6, 20)},
        "small": lambda g: {"loc": normal(g, 2, 3), "scale": positive(g, 2, 3)},
    },
)


def by_loops(loc, scale):
    rows = []
    for row, width in zip(loc, scale, strict=True):
        total = torch.zeros_like(row[0])
        for one, other in zip(row, width, strict=True):
            total = total + one**2 / (2 * other) + other
        rows.append(total)
    return torch.stack(rows)


def test_a_loop_over_elements_passes_with_a_remark():
    verdict = judge(WIDE, by_loops)
    assert verdict.passed
    (remark,) = verdict.remarks
    assert "roundabout" in remark and "on the case “wide”" in remark
    assert "Remark: " in repr(verdict) and "Remark: " in verdict._repr_html_()
    assert verdict.as_dict()["remarks"] == [remark]


def test_an_ordinary_answer_hears_no_remark():
    assert judge(WIDE, energy).remarks == ()
    assert (
        judge(WIDE, lambda loc, scale: torch.stack([energy(a, b) for a, b in zip(loc, scale, strict=True)])).remarks
        == ()
    )


def test_operations_and_arithmetic_are_counted():
    assert cost(WIDE, lambda loc, scale: loc @ scale.T, "wide", 5.0) == Cost(1, 6 * 6 * 20)
    assert cost(WIDE, lambda loc, scale: (loc + scale).sum(-1), "wide", 5.0) == Cost(2, 6 * 20 + 6)
    assert cost(WIDE, lambda loc, scale: torch.einsum("ik, jk -> ij", loc, scale), "wide", 5.0) == Cost(1, 6 * 6 * 20)
    assert cost(WIDE, lambda loc, scale: torch.addmm(loc[:, :6], loc, scale.T), "wide", 5.0) == Cost(2, 6 * 6 * 20)
    assert cost(WIDE, lambda loc, scale: loc[0].shape, "wide", 5.0) == Cost(1, 0)
    assert cost(WIDE, lambda loc, scale: loc.nothing, "wide", 5.0) is None


def pairs(rows, weight):
    """Sums of every row's features with every weight. rows: [points, features], weight: [outputs, features]."""
    return rows @ weight.T


def one_by_one(rows, weight):
    return (rows[:, None].expand(-1, 50, -1) @ weight.T).mean(1)


DEAR = Exercise(
    **{
        **vars(replace(ENERGY, misconceptions=())),
        "solution": pairs,
        "cases": {"some": lambda g: {"rows": normal(g, 4, 3), "weight": normal(g, 5, 3)}},
        "dimensions": {},
        "remarks": (Remark("fifty times", one_by_one, "You compute each product fifty times."),),
    }
)


def test_a_declared_costly_answer_hears_its_own_sentence():
    assert judge(DEAR, one_by_one).passed
    assert judge(DEAR, one_by_one).remarks == ("You compute each product fifty times.",)
    nearly = lambda rows, weight: (rows[:, None].repeat(1, 40, 1) @ weight.T)[:, 0]  # noqa: E731
    assert remarks(DEAR, nearly, 5.0) == ("You compute each product fifty times.",)
    assert remarks(DEAR, lambda rows, weight: (weight @ rows.T).T, 5.0) == ()
