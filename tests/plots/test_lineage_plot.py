"""Lineages: surviving particles, by hand; positions of lines and dots."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from helpers.plots import lineages
from helpers.plots.lineage_plot import LARGEST, living

Z = [[0.0, 1.0, 2.0], [0.5, 1.5, 2.5], [0.25, 1.25, 2.25]]
ANCESTORS = [[1, 1, 2], [0, 0, 1]]  # of the second step, of the third
WEIGHTS = [[0.1, 0.6, 0.3], [0.5, 0.5, 0.0], [0.2, 0.2, 0.6]]


def segments(picture):
    """(grey, coloured): sets of (x, y) → (x, y)."""
    return [
        {tuple(map(tuple, segment.vertices.tolist())) for segment in lines.get_paths()}
        for lines in picture.figure.axes[0].collections[:2]
    ]


def test_lines_lead_from_ancestor_to_child_and_the_living_are_apart():
    grey, coloured = segments(lineages(torch.tensor(Z), torch.tensor(ANCESTORS), WEIGHTS))
    # third step: all live; from the particles 0, 0, 1 of the second; those from 1 and 1 of the first
    assert coloured == {
        ((2.0, 0.5), (3.0, 0.25)), ((2.0, 0.5), (3.0, 1.25)), ((2.0, 1.5), (3.0, 2.25)), ((1.0, 1.0), (2.0, 0.5)), ((1.0, 1.0), (2.0, 1.5)),
    }  # fmt: skip
    assert grey == {((1.0, 2.0), (2.0, 2.5))}
    np.testing.assert_array_equal(
        living(np.array(ANCESTORS), 3), [[False, True, False], [True, True, False], [True, True, True]]
    )


def test_areas_are_weights():
    picture = lineages(Z, ANCESTORS, WEIGHTS, observed=[0.1, 0.2, 0.3])
    dropped, living_on, observed = picture.figure.axes[0].collections[2:]
    sizes = {
        tuple(place): size
        for dots in (dropped, living_on)
        for place, size in zip(dots.get_offsets(), dots.get_sizes(), strict=True)
    }
    for step in range(3):
        for particle in range(3):
            assert sizes[step + 1, Z[step][particle]] == pytest.approx(LARGEST**2 * WEIGHTS[step][particle] + 3)
    np.testing.assert_allclose(observed.get_offsets(), [[1, 0.1], [2, 0.2], [3, 0.3]])


def test_one_step_and_what_the_words_say():
    assert "Of those at the first step 2 lead to" in lineages([[0.0, 1.0]], [], [[0.5, 0.5]]).alt
    assert "first step 1 lead to" in lineages(Z, ANCESTORS, WEIGHTS).alt


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"weights": [[1.0, 0.0]] * 3}, "expected \\[steps, particles\\] for both"),
        ({"ancestors": ANCESTORS[:1]}, "\\[steps - 1, particles\\] = \\[2, 3\\]"),
        ({"ancestors": [[0, 1, 3], [0, 0, 0]]}, "from 0 to 2"),
        ({"ancestors": [[0, 1, 0.5], [0, 0, 0]]}, "whole numbers"),
        ({"weights": [[1.0, 1.0, 1.0]] * 3}, "divide by their sum"),
        ({"observed": [0.0]}, "one a step"),
    ],
)
def test_what_does_not_fit(changed, words):
    with pytest.raises(ValueError, match=words):
        lineages(**{"positions": Z, "ancestors": ANCESTORS, "weights": WEIGHTS} | changed)
