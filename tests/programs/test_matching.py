"""Guides that do not fit their model."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from helpers.experiments.two_languages import t
from helpers.programs import ProgramElbo, condition, factor, replay, sample, trace
from helpers.programs.matching import check_match

STANDARD = Normal(t(0), t(1))


def model():
    z = sample("z", STANDARD)
    sample("w", Normal(z, t(1)))
    sample("x", Normal(z, t(1)), obs=t(0.3))


def guide(*names, auxiliary=False):
    def run():
        for name in names:
            sample(name, STANDARD, auxiliary=auxiliary and name not in ("z", "w"))

    return run


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("z",), r"The model draws 'w' \(line \d+ of test_matching.py\).*no such site.*guide's sites: 'z'"),
        (("z", "w", "x"), r"The guide draws 'x' .* which the model observes .*: the draw would replace the datum"),
        (("z", "w", "v"), r"The guide draws 'v' .*Its latent sites: 'z', 'w'.*auxiliary=True"),
        ((), "guide's sites: none"),
    ],
)
def test_a_guide_that_does_not_fit(names, message):
    with pytest.raises(ValueError, match=message):
        ProgramElbo(model, guide(*names))()


def test_an_auxiliary_site_is_declared():
    ProgramElbo(model, guide("z", "w", "v", auxiliary=True))()


def test_a_guide_that_observes():
    for observing in (condition(guide("z", "w"), {"w": t(1.0)}), lambda: factor("f", sample("z", STANDARD))):
        with pytest.raises(ValueError, match="a guide only draws"):
            ProgramElbo(model, observing)()


def test_recursions_that_end_at_different_depths():
    def longer():
        for n in range(3):
            sample(f"stop {n}", Bernoulli(t(0.5)))

    def shorter():
        sample("stop 0", Bernoulli(t(0.5)))

    with pytest.raises(ValueError, match="The model draws 'stop 1'.*another depth"):
        ProgramElbo(longer, shorter)()
    with pytest.raises(ValueError, match="The guide draws 'stop 1'.*another depth"):
        ProgramElbo(shorter, longer)()


def test_traces_that_fit():
    proposal = trace(guide("z", "w")).get_trace()
    assert check_match(trace(replay(model, proposal)).get_trace(), proposal) is None
    assert torch.is_grad_enabled()
