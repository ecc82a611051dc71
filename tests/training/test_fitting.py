"""`fit` when all goes well: history, optimisers, clipping, early stopping, the bar."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from helpers import settings
from helpers.data import Batches
from helpers.estimators import Estimate
from helpers.training import NonFiniteError, average_terms, fit


class Quadratic(nn.Module):
    """-|x - w|² - |w|²/10: a bound whose every value and gradient is known."""

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.full((2,), start))

    def forward(self, x):
        distortion = ((x - self.w) ** 2).sum(-1)
        rate = 0.1 * (self.w**2).sum().expand(len(x))
        return Estimate.of(-(distortion + rate), distortion=distortion, rate=rate)


class Noisy(Quadratic):
    def forward(self, x):
        return super().forward(nn.functional.dropout(x + torch.randn_like(x), 0.3, self.training))


def sgd(objective, lr=0.05):
    return torch.optim.SGD(objective.parameters(), lr=lr)


def test_history_of_every_term_weighs_items_alike():
    """Seven items in batches of 3, 3 and 1: averages over items, not over batches. Nothing is learned, so they are exact."""
    x, v = torch.randn(7, 2), torch.randn(4, 2)
    objective = Quadratic(0.5)
    history = fit(
        objective, Batches(x, batch_size=3), epochs=2, valid=Batches(v, batch_size=3), optimizers=sgd(objective, 0.0)
    )
    for record, data in ((history.train, x), (history.valid, v)):
        distortion = ((data - 0.5) ** 2).sum(-1).mean().item()
        assert set(record) == {"bound", "distortion", "rate"}
        assert record["distortion"] == pytest.approx([distortion] * 2, rel=1e-6)
        assert record["rate"] == pytest.approx([0.05] * 2, rel=1e-6)
        assert record["bound"] == pytest.approx([-distortion - 0.05] * 2, rel=1e-6)
    assert (history.epochs, history.steps, history.stopped) == (2, 6, "")
    assert 0 < history.seconds[0] <= history.seconds[1]


@pytest.mark.parametrize("items", [1, 2])
def test_a_batch_of_one(items):
    history = fit(Quadratic(), Batches(torch.ones(items, 2), batch_size=1), epochs=1)
    assert history.steps == items
    assert math.isfinite(history.train["bound"][0])


def test_steps_are_gradient_ascent_on_the_mean_surrogate():
    x = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    objective = Quadratic()
    fit(objective, Batches(x, batch_size=2), epochs=1, optimizers=sgd(objective, 0.1))
    assert objective.w.tolist() == pytest.approx([0.1 * 2 * 2.0, 0.0])  # d/dw mean -|x - w|² = 2 (mean x - w)


def test_the_default_optimiser_learns():
    objective = Quadratic()
    history = fit(objective, Batches(torch.ones(8, 2), batch_size=4), epochs=30)
    assert history.train["bound"][-1] > history.train["bound"][0]


def test_the_auxiliary_loss_is_minimised_beside_the_bound():
    class WithBaseline(Quadratic):
        def __init__(self):
            super().__init__()
            self.baseline = nn.Parameter(torch.tensor(0.0))

        def forward(self, x):
            estimate = super().forward(x)
            return Estimate(estimate.value, estimate.surrogate, estimate.terms, (self.baseline - 4.0) ** 2)

    objective = WithBaseline()
    fit(objective, Batches(torch.ones(2, 2), batch_size=2), epochs=1, optimizers=sgd(objective, 0.1))
    assert objective.baseline.item() == pytest.approx(0.8)  # 0 - 0.1 * 2 * (0 - 4)
    assert objective.w.tolist() == pytest.approx([0.2, 0.2])


def test_parameter_groups_with_their_own_optimisers_and_schedulers():
    objective = nn.ModuleDict({"a": Quadratic(), "b": Quadratic()})
    objective.forward = lambda x: objective["a"](x) + objective["b"](x)
    optimizers = [sgd(objective["a"], 0.1), torch.optim.SGD(objective["b"].parameters(), lr=0.0)]
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizers[0], gamma=0.9)
    fit(objective, Batches(torch.ones(6, 2), batch_size=2), epochs=2, optimizers=optimizers, schedulers=[scheduler])
    assert optimizers[0].param_groups[0]["lr"] == pytest.approx(0.1 * 0.9**6)  # stepped after every step, six of them
    assert objective["a"].w.abs().min() > 0.1
    assert objective["b"].w.tolist() == [0.0, 0.0]


def test_clipping_clips_long_gradients_and_leaves_short_ones():
    for clip, expected in ((0.5, 0.5), (1e6, 2 * math.hypot(30, 40))):
        objective = Quadratic()
        data = Batches(torch.tensor([[30.0, 40.0]]), batch_size=1)
        fit(objective, data, epochs=1, optimizers=sgd(objective, 1.0), clip_norm=clip)
        assert objective.w.norm().item() == pytest.approx(expected, rel=1e-5)
        assert (objective.w[1] / objective.w[0]).item() == pytest.approx(4 / 3, rel=1e-5)  # the direction is kept


def passing_by(checkpoint=None, resume=False, after_epoch=None):
    """w runs from -1 to 5 along the training data, past 0, where the validation data lie: best there, worse after."""
    objective = Quadratic(-1.0)
    history = fit(
        objective,
        Batches(torch.full((4, 2), 5.0), batch_size=4),
        valid=Batches(torch.zeros(3, 2), batch_size=3),
        epochs=50,
        optimizers=sgd(objective, 0.01),
        patience=3,
        checkpoint=checkpoint,
        resume=resume,
        after_epoch=after_epoch,
    )
    return objective, history


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_decays_below_the_smallest_normal_number_becomes_zero(dtype):
    """A weight without a gradient of its own, under weight decay: subnormal numbers slow every product they are in."""
    tiny = torch.finfo(dtype).tiny
    objective = Quadratic().to(dtype)
    objective.unused = nn.Parameter(torch.tensor([tiny / 8, -tiny / 8, 4 * tiny, -0.5], dtype=dtype))
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    # As a masked weight has: a gradient of zero, to which the decay is added.
    objective.w.register_hook(lambda gradient: setattr(objective.unused, "grad", torch.zeros(4, dtype=dtype)))
    fit(objective, Batches(torch.ones(3, 2, dtype=dtype), batch_size=3), epochs=1, optimizers=optimizer)
    moment = optimizer.state[objective.unused]["momentum_buffer"]
    expected = torch.tensor([0, 0, 4 * tiny * (1 - 0.1 * 0.01), -0.5 * (1 - 0.1 * 0.01)], dtype=dtype)
    torch.testing.assert_close(objective.unused.data, expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(moment, torch.tensor([0, 0, 0, -0.005], dtype=dtype), rtol=1e-6, atol=0)


def test_early_stopping_goes_back_to_the_best_parameters(tmp_path):
    seen = []
    checkpoint = tmp_path / "run.pt"
    objective, history = passing_by(checkpoint)
    passing_by(after_epoch=lambda epoch, history: seen.append(history.valid["bound"][-1]))
    best = max(history.valid["bound"])
    position = history.valid["bound"].index(best)
    assert history.stopped == "early"
    assert history.epochs == position + 1 + 3  # patience of three epochs after the best
    assert 0 < position < 46
    assert seen == history.valid["bound"]
    assert average_terms(objective, [torch.zeros(3, 2)])["bound"] == pytest.approx(best)

    again, resumed = passing_by(checkpoint, resume=True)  # a run that has stopped stays stopped, at its best
    assert resumed.valid == history.valid
    assert torch.equal(again.w, objective.w)


def test_a_nan_at_first_validation_is_not_the_best_for_ever():
    class NanAtFirst(Quadratic):
        def forward(self, x):
            estimate = super().forward(x)
            return estimate + math.nan if not self.training and self.w.abs().max() < 0.5 else estimate

    objective = NanAtFirst()
    data = Batches(torch.ones(2, 2), batch_size=2)
    history = fit(objective, data, epochs=6, valid=data, optimizers=sgd(objective, 0.1), patience=4)
    assert math.isnan(history.valid["bound"][0])
    assert objective.w.mean() > 0.6


def test_validation_disturbs_nothing():
    """Same seed, with and without validation: the same parameters; and validation's own noise is the same every epoch."""
    x = torch.randn(12, 2)
    ends, histories = [], []
    for valid in (None, Batches(x[:5], batch_size=2)):
        torch.manual_seed(1)
        objective = Noisy()
        histories.append(fit(objective, Batches(x, batch_size=5), epochs=3, valid=valid, optimizers=sgd(objective)))
        ends.append((objective.w.detach().clone(), torch.get_rng_state()))
    assert torch.equal(ends[0][0], ends[1][0])
    assert torch.equal(ends[0][1], ends[1][1])
    still = Noisy()
    history = fit(still, Batches(x, batch_size=5), epochs=2, valid=Batches(x, batch_size=5), optimizers=sgd(still, 0.0))
    assert history.valid["bound"][0] == history.valid["bound"][1]
    assert history.train["bound"][0] != history.train["bound"][1]


def test_score_is_in_evaluation_mode_without_gradients_and_puts_the_mode_back():
    seen = []

    class Watching(Quadratic):
        def forward(self, x):
            seen.append((self.training, torch.is_grad_enabled()))
            if len(x) == 1:
                raise RuntimeError("one")
            return super().forward(x)

    objective = Watching()
    average_terms(objective, [torch.ones(2, 2)])
    assert seen == [(False, False)]
    assert objective.training
    with pytest.raises(RuntimeError, match="one"):
        average_terms(objective, [torch.ones(1, 2)])
    assert objective.training


def test_the_bar_is_one_line_and_says_how_it_goes(capsys, monkeypatch):
    data = Batches(torch.ones(8, 2), batch_size=4)
    fit(Quadratic(), data, epochs=3, valid=data)
    bar = capsys.readouterr().err
    assert bar.count("\n") == 1
    for words in ("epoch 3/3", "6/6", "train", "valid", "step"):
        assert words in bar
    fit(Quadratic(), data, epochs=3, progress=False)
    monkeypatch.setattr(settings, "SMOKE", True)
    fit(Quadratic(), data, epochs=3)
    assert capsys.readouterr() == ("", "")


def test_calls_that_cannot_work_are_refused(tmp_path):
    data = Batches(torch.ones(2, 2), batch_size=2)
    with pytest.raises(ValueError, match="Got resume=True without checkpoint; expected checkpoint=FILE"):
        fit(Quadratic(), data, epochs=1, resume=True)
    with pytest.raises(ValueError, match="Got patience=.* without valid; expected .*valid="):
        fit(Quadratic(), data, epochs=1, patience=2)
    with pytest.raises(ValueError, match="used only once, for 2 epochs.*no batch left"):
        fit(Quadratic(), iter(data), epochs=2)
    history = fit(
        Quadratic(), data, epochs=1, checkpoint=tmp_path / "new" / "run.pt", resume=True
    )  # none yet: from the start
    assert history.epochs == 1


class Pair(nn.Module):
    """-(w - x)² - scale (v - x)²: two parameters, each for an optimiser of its own."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.w, self.v, self.scale = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(())), scale

    def forward(self, x):
        return Estimate.of(-((self.w - x) ** 2) - self.scale * (self.v - x) ** 2)


def two(objective: Pair, lr: float = 0.1) -> list[torch.optim.Optimizer]:
    return [torch.optim.SGD([objective.w], lr=lr), torch.optim.SGD([objective.v], lr=lr)]


def test_every_scheduler_is_stepped_once_a_step():
    objective = Pair()
    optimizers = two(objective, lr=1.0)
    schedulers = [
        torch.optim.lr_scheduler.ExponentialLR(each, gamma) for each, gamma in zip(optimizers, (0.5, 0.25), strict=True)
    ]
    fit(objective, [torch.ones(1)] * 3, epochs=1, optimizers=optimizers, schedulers=schedulers, progress=False)
    assert [each.param_groups[0]["lr"] for each in optimizers] == [0.5**3, 0.25**3]


def test_the_norm_is_of_the_gradients_of_all_optimisers():
    """Gradients -2 and -20: clipped to 1 together, each keeps its share."""
    objective = Pair(scale=10.0)
    fit(objective, [torch.ones(1)], epochs=1, optimizers=two(objective), clip_norm=1.0, progress=False)
    norm = math.hypot(2, 20)
    assert objective.w.item() == pytest.approx(0.1 * 2 / norm, rel=1e-4)
    assert objective.v.item() == pytest.approx(0.1 * 20 / norm, rel=1e-4)


def test_a_gradient_of_the_second_optimiser_that_is_not_finite_stops_training():
    objective = Pair()
    objective.v.register_hook(lambda gradient: gradient * math.nan)
    with pytest.raises(NonFiniteError, match="gradient of v"):
        fit(objective, [torch.ones(1)], epochs=1, optimizers=two(objective), progress=False)
    assert objective.w.item() == objective.v.item() == 0.0


def test_the_best_parameters_come_back_also_if_the_epochs_run_out_first():
    """The step overshoots: the bound is best after the first epoch, and patience is longer than what is left."""
    objective = Pair()
    bounds = []
    fit(
        objective,
        [torch.ones(1)],
        epochs=3,
        valid=[torch.ones(1)],
        optimizers=two(objective, lr=1.05),
        patience=10,
        after_epoch=lambda epoch, history: bounds.append(history.valid["bound"][-1]),
        progress=False,
    )
    assert bounds[0] > bounds[1] > bounds[2]
    assert average_terms(objective, [torch.ones(1)])["bound"] == pytest.approx(bounds[0])
