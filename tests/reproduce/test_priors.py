"""Priors by guides, and a mixture guide by its gradients, on a few images: budget, start, rows, and that a sitting resumes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from helpers import settings
from helpers.data import binarise_dynamically
from helpers.distributions import StandardNormalPrior
from helpers.evaluation import component_use
from helpers.models import Elbo
from helpers.reproduce import mixture_gradients, priors, runner
from helpers.reproduce.cell import Sitting
from helpers.reproduce.fashion_cell import EVALUATIONS, Fashion, FashionCell
from helpers.reproduce.mixture_gradients import COMMON, GRADIENTS
from helpers.reproduce.options import Options
from helpers.reproduce.priors import COMPONENTS, GUIDES, PRIORS, SYSTEMS, Priors, build_guide, build_prior
from helpers.reproduce.rows import read_rows
from helpers.reproduce.runner import run
from helpers.training.schedule import LinearWeight

TWO = ("priors-standard-mean-field", "priors-vamp-mean-field")
NOWHERE = Options(seeds=(0,), resume=False, smoke=True, only=(), checkpoints=Path(), results=Path(), weights=Path())
CELLS = Priors().cells(Sitting(NOWHERE))


@pytest.fixture
def data() -> Fashion:
    torch.manual_seed(0)
    grey, *binary = torch.rand(250, 1, 28, 28), *(torch.randint(2, (60, 1, 28, 28)).float() for _ in range(2))
    return Fashion(grey, *binary)


@pytest.fixture
def options(tmp_path: Path) -> Options:
    folders = {name: tmp_path / name for name in ("checkpoints", "results", "weights")}
    return Options(seeds=(0,), resume=False, smoke=True, only=TWO, **folders)


@pytest.fixture(autouse=True)
def small_data(data, monkeypatch):
    monkeypatch.setattr(Fashion, "load", lambda smoke: data)
    for cell in CELLS:
        cell.sitting._loaded["fashion"] = data


def test_every_prior_with_every_guide():
    assert [system.name for system in SYSTEMS] == [f"priors-{prior}-{guide}" for prior in PRIORS for guide in GUIDES]
    assert len({cell.name for cell in CELLS}) == len({cell.details["label"] for cell in CELLS}) == 15
    assert COMMON in [gradient.name for gradient in GRADIENTS]
    assert [cell.warm_up for cell in CELLS] == [0.4] * 9 + [0] * 6


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_budget_is_the_same_and_every_parameter_is_trained(cell, data):
    torch.manual_seed(0)
    objective, scored = cell.build(data.train), []
    objective.model.likelihood.register_forward_pre_hook(lambda _, inputs: scored.append(inputs[0].shape[:-1]))
    estimate = objective(binarise_dynamically(data.train[:5]))
    assert sum(shape.numel() for shape in scored) == 5 * EVALUATIONS
    (-estimate.surrogate.mean()).backward()
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_same_seed_starts_at_the_same_point(cell):
    first, again, other = (cell.start(seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert any(not torch.equal(value, other[name]) for name, value in first.items())


def test_a_flow_starts_as_the_gaussian_it_is_made_of(data):
    cell = next(cell for cell in CELLS if cell.name == "priors-standard-flow")
    q = cell.start(0).guide(data.test)
    z = q.sample()
    torch.testing.assert_close(q.log_prob(z.clone()), q.base.log_prob(z), rtol=0, atol=1e-2)


def test_pseudo_inputs_start_from_training_images_and_none_twice(data):
    vamp = build_prior("vamp", build_guide("mean-field"), data.train).pseudo_inputs
    apart = (vamp[:, None] - data.train.clamp(0.01, 0.99)).abs().flatten(2).amax(2)  # [pseudo-inputs, images]
    nearest = apart.min(1)
    assert nearest.values.max() < 1e-5
    assert len(set(nearest.indices.tolist())) == COMPONENTS


def test_only_a_mixture_has_components(data):
    for system, cell in zip(SYSTEMS, CELLS, strict=False):
        found = component_use(cell.start(0).guide, data.test)
        assert len(found.get("component_shares", [])) == (EVALUATIONS if system.guide == "mixture" else 0)


def test_what_is_not_there_is_named():
    with pytest.raises(ValueError, match="no prior 'cauchy'.*standard, mixture, vamp"):
        build_prior("cauchy", build_guide("flow"), torch.rand(20, 1, 28, 28))
    with pytest.raises(ValueError, match="no guide 'exact'.*mean-field, mixture, flow"):
        build_guide("exact")


def test_rows(options):
    rows = run(Priors(), options)
    assert [row.name for row in rows] == list(TWO)
    assert read_rows(options.results) == rows
    for row in rows:
        assert row.published is row.reached() is None
        (made,) = row.runs
        found = made.details
        assert made.steps == 3
        assert [epoch for epoch, _ in made.curve["valid"]] == [epoch for epoch, _ in made.curve["train"]] == [1]
        assert made.value == found["bound"] == pytest.approx(-found["rate"] - found["distortion"], rel=1e-6)
        assert found["bound"] < found["log_marginal_is"] < found["bound"] + 10
        assert found["valid_bound"] == pytest.approx(made.curve["valid"][0][1], abs=3)  # other draws of the same bound
        assert 0 <= found["active_units"] <= found["latent"] == 40
        assert found["seconds_per_step"] > 0
    standard, vamp = (row.runs[0].details["parameters"] for row in rows)
    assert vamp - standard == COMPONENTS * 784


def test_the_test_part_moves_nothing_but_what_is_reported_of_it(data, options, monkeypatch):
    options = replace(options, only=TWO[:1])
    (one,) = run(Priors(), options)
    monkeypatch.setattr(Fashion, "load", lambda smoke: Fashion(data.train, data.valid, 1 - data.test))
    (other,) = run(Priors(), options)
    assert one.runs[0].curve == other.runs[0].curve
    assert one.runs[0].details["valid_bound"] == other.runs[0].details["valid_bound"]
    assert one.runs[0].value != other.runs[0].value


def test_the_weight_of_the_rate_rises_once_and_a_resumed_run_goes_on_with_it():
    objective = CELLS[0].start(0)
    warm_up, weights = LinearWeight(objective, "rate_weight", 0.0, 1.0, 4), []
    for _ in range(6):
        weights.append(objective.rate_weight)
        warm_up.step()
    assert weights == [0, 0.25, 0.5, 0.75, 1, 1]
    again = CELLS[0].start(0)
    resumed = LinearWeight(again, "rate_weight", 0.0, 1.0, 4)
    warm_up.load_state_dict({"steps": 2})
    resumed.load_state_dict(warm_up.state_dict())
    resumed.step()
    assert again.rate_weight == 0.75
    with pytest.raises(ValueError, match="num_steps=0; expected 1 step or more"):
        LinearWeight(objective, "rate_weight", 0.0, 1.0, 0)


def test_a_curve_is_of_the_whole_bound_and_measured_once_the_rate_counts_in_full(options, monkeypatch):
    """One epoch of three steps, warmed up throughout: what is optimised is not yet the bound that the curve shows."""
    monkeypatch.setattr(priors, "WARM_UP", 1.0)
    seen, fit = [], runner.fit

    def spy(objective, *given, **more):
        seen.append((objective.rate_weight, history := fit(objective, *given, **more), objective.rate_weight))
        return history

    monkeypatch.setattr(runner, "fit", spy)
    (row,) = run(Priors(), replace(options, only=TWO[:1]))
    ((before, history, after),) = seen
    assert (before, after) == (0, 1)
    for name, record in (("train", history.train), ("valid", history.valid)):
        ((_, shown),) = row.runs[0].curve[name]
        assert shown == pytest.approx(-record["distortion"][0] - record["rate"][0], rel=1e-6)
    assert row.runs[0].curve["train"][0][1] < history.train["bound"][0] - 0.1  # weights 0, 1/3, 2/3 while it trained
    run(Priors(), replace(options, only=(COMMON,)))
    before, history, after = seen[1]
    assert before == after == 1
    assert -history.train["distortion"][0] - history.train["rate"][0] == pytest.approx(
        history.train["bound"][0], rel=1e-6
    )


def test_a_cell_that_fails_leaves_the_rows_before_it_and_the_sitting_goes_on_from_there(options, monkeypatch):
    trained = []
    prepare = FashionCell.prepare

    def fails_at_the_third(cell, seed):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append((cell.name, seed))
        return prepare(cell, seed)

    options = replace(options, seeds=(0, 1), resume=True)
    monkeypatch.setattr(FashionCell, "prepare", fails_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(Priors(), options)
    assert trained == [(TWO[0], 0), (TWO[1], 0)]  # all cells with one seed, before any with the next
    before = {row.name: row.runs[0].value for row in read_rows(options.results)}
    trained.clear()
    monkeypatch.setattr(
        FashionCell, "prepare", lambda cell, seed: trained.append((cell.name, seed)) or prepare(cell, seed)
    )
    rows = run(Priors(), options)
    assert trained == [(TWO[0], 1), (TWO[1], 1)]
    assert {row.name: row.runs[0].value for row in rows} == before
    assert [[made.seed for made in row.runs] for row in rows] == [[0, 1], [0, 1]]


def test_gradients_are_compared_at_the_same_weights_and_images(options, monkeypatch):
    seen = []
    noise = mixture_gradients.gradient_noise

    def spy(objective: Elbo, batches, x, **small):
        seen.append([x.clone(), *(parameter.detach().clone() for parameter in objective.parameters())])
        return noise(objective, batches, x, **small)

    monkeypatch.setattr(mixture_gradients, "gradient_noise", spy)
    rows = run(Priors(), replace(options, only=("gradients",)))
    assert [row.name for row in rows] == [gradient.name for gradient in GRADIENTS]
    assert all(torch.equal(a, b) for other in seen[1:] for a, b in zip(seen[0], other, strict=True))
    assert len(seen) == len(GRADIENTS)
    (_, *starts), *_ = seen
    untrained = CELLS[-1].start(0)
    assert not torch.equal(starts[0], next(untrained.parameters()))
    found = {row.name.removeprefix("priors-gradient-"): row.runs[0].details["gradient_noise"] for row in rows}
    assert all([at["epoch"] for at in noises] == [1] for noises in found.values())
    scored, leave_one_out, enumerated = (
        found[name][0]["variance"] for name in ("score-function", "leave-one-out", "enumerated")
    )
    assert scored > 10 * leave_one_out > 20 * enumerated > 0


def test_a_gradient_without_the_weights_at_which_it_is_compared_says_so(options):
    with pytest.raises(SystemExit, match="priors-gradient-enumerated.*missing: make that row first"):
        run(Priors(), replace(options, only=("priors-gradient-leave-one-out",)))


def test_gradients_are_left_out_unless_asked_for(options):
    assert [row.name for row in run(Priors(), options)] == list(TWO)
    assert all(isinstance(gradient.objective().model.prior, StandardNormalPrior) for gradient in GRADIENTS)


def test_the_images_are_binarised_once_where_they_are_evaluated(monkeypatch):
    monkeypatch.undo()
    first = Fashion.load(smoke=True)
    settings.seed_everything(7)
    again = Fashion.load(smoke=True)
    assert first.train.shape == first.valid.shape == first.test.shape == (300, 1, 28, 28)
    for one, other in ((first.valid, again.valid), (first.test, again.test)):
        assert torch.equal(one, other)
        assert set(one.unique().tolist()) == {0.0, 1.0}
    assert len(first.train.unique()) > 10  # greys
    one, other = (next(iter(first.batches())) for _ in range(2))
    assert set(one.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(one, other)
