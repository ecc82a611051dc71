"""Adam by part: the sum of the parts is Adam's step, and a part's length is its own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from helpers.experiments.adam_by_part import AdamByPart


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def losses(module: nn.Module, step: int) -> dict[str, torch.Tensor]:
    """Two losses of very different size; the second is there in every third step only."""
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
    found = {"many": module(x).square().mean()}
    if step % 3 == 1:
        found["few"] = 100 * module(x)[:, 0].sum()
    return found


def test_the_parts_add_up_to_adam():
    ours, theirs = network(), network()
    by_part = AdamByPart(ours.parameters(), 0.01)
    adam = torch.optim.Adam(theirs.parameters(), lr=0.01)
    for step in range(10):
        by_part.step(losses(ours, step))
        adam.zero_grad()
        sum(losses(theirs, step).values()).backward()
        adam.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-12)


def test_one_loss_has_the_whole_step():
    module = network()
    by_part = AdamByPart(module.parameters(), 0.01)
    for step in (0, 3):
        before = nn.utils.parameters_to_vector(module.parameters()).detach().clone()
        lengths = by_part.step(losses(module, step))
        moved = nn.utils.parameters_to_vector(module.parameters()).detach() - before
        assert set(lengths) == {"many"} and lengths["many"] == pytest.approx(moved.norm().item(), rel=1e-12)


def test_two_halves_of_a_loss_share_the_step_and_an_absent_one_fades():
    module = network()
    by_part = AdamByPart(module.parameters(), 0.01)
    half = 0.5 * module(torch.ones(1, 3, dtype=torch.float64)).square().sum()
    together = by_part.step({"one": half, "other": half})
    assert together["one"] == pytest.approx(together["other"], rel=1e-12)
    later = [by_part.step({"one": module(torch.ones(1, 3, dtype=torch.float64)).sum()})["other"] for _ in range(20)]
    assert later[-1] < 0.2 * together["other"]


def test_a_parameter_that_no_loss_reaches_stays():
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    AdamByPart([used, unused], 0.1).step({"loss": used.sum()})
    assert torch.equal(unused.detach(), torch.ones(3)) and not torch.equal(used.detach(), torch.ones(2))


def test_refusals_are_sentences():
    with pytest.raises(ValueError, match="no parameters"):
        AdamByPart([], 0.1)
    with pytest.raises(ValueError, match="must be above 0"):
        AdamByPart([nn.Parameter(torch.ones(1))], 0.0)
    with pytest.raises(ValueError, match="no losses"):
        AdamByPart([nn.Parameter(torch.ones(1))], 0.1).step({})
