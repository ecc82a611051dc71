"""The race of the estimators and the long runs, on a few digits: what rows hold, what the budget is, and that a sitting can be resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers.models import sigmoid_belief_network
from helpers.reproduce import estimator_race, nvil, runner
from helpers.reproduce.cell import Sitting
from helpers.reproduce.estimator_race import RaceCell, RacedElbo
from helpers.reproduce.nvil import BinaryImages, Nvil
from helpers.reproduce.options import Options
from helpers.reproduce.racers import BITS, COMMON, EVALUATIONS, RACERS
from helpers.reproduce.rows import Run, read_row, write_row
from helpers.reproduce.runner import run

NOWHERE = Options(seeds=(0,), resume=False, smoke=True, only=(), checkpoints=Path(), results=Path(), weights=Path())
TWO = ("race-centred", COMMON)


@pytest.fixture
def images():
    torch.manual_seed(0)
    return torch.randint(2, (250, 1, 28, 28)).float(), torch.randint(2, (100, 1, 28, 28)).float()


@pytest.fixture(autouse=True)
def small_data(images, monkeypatch):
    train, valid = images
    monkeypatch.setattr(nvil, "binary_images", lambda sitting: BinaryImages(train, valid, valid, "validation"))


@pytest.fixture
def options(tmp_path: Path) -> Options:
    folders = {name: tmp_path / name for name in ("checkpoints", "results", "weights")}
    return Options(seeds=(0,), resume=False, smoke=True, only=TWO, **folders)


@pytest.mark.parametrize("racer", RACERS, ids=lambda racer: racer.name)
def test_every_racer_evaluates_f_as_often_as_it_says(racer):
    torch.manual_seed(0)
    model, guide = sigmoid_belief_network((BITS,), (1, 28, 28))
    x = torch.randint(2, (2, 1, 28, 28)).float()
    q, evaluations = guide(x), []

    def log_weight(z):
        evaluations.append(len(z))
        return model.log_joint(x, z) - q.log_prob(z)

    estimate = racer.build()(log_weight, q, racer.evaluations, context=x)
    assert sum(evaluations) == racer.evaluations
    assert racer.evaluations == (1 + BITS if racer.name == "race-local-enumeration" else EVALUATIONS)
    assert torch.isfinite(estimate.surrogate).all()


def test_racers_have_names_and_legends_of_their_own():
    assert len({racer.name for racer in RACERS}) == len({racer.label for racer in RACERS}) == len(RACERS)
    assert all(racer.name.startswith("race-") for racer in RACERS)
    assert COMMON in [racer.name for racer in RACERS]


def test_committed_rows_bear_the_estimators_own_labels():
    for racer in RACERS:
        for made in read_row(racer.name).runs:
            assert (made.details["label"], made.details["unbiased"]) == (racer.label, racer.unbiased), racer.name


def test_rows_of_the_race(options):
    rows = run(Nvil(), options)
    assert [row.name for row in rows] == list(TWO)  # in the order of RACERS, although the common one runs first
    for row in rows:
        assert row.published is row.reached() is None
        (made,) = row.runs
        seconds = made.details["seconds_per_step"]
        assert made.details["steps_per_epoch"] == made.steps == 3
        assert [x for x, _ in made.curve["valid"]] == [1]
        assert made.curve["valid_by_seconds"] == [[3 * seconds, made.curve["valid"][0][1]]]
        assert made.value == pytest.approx(made.curve["valid"][-1][1], abs=3)  # other draws of the same bound
        (noise,) = made.details["gradient_noise"]
        assert noise["epoch"] == 1
        assert noise["variance"] > 0
    assert rows[0].runs[0].details["gradient_noise"] != rows[1].runs[0].details["gradient_noise"]


def test_local_enumeration_gets_as_many_steps_as_its_evaluations_leave(options, monkeypatch):
    monkeypatch.setattr(estimator_race, "gradient_noise", lambda *_, **__: {})
    monkeypatch.setattr(estimator_race, "evaluate_bound", nothing_measured)
    monkeypatch.setattr(estimator_race, "average_terms", lambda *_: {"bound": 0.0})
    monkeypatch.setattr(estimator_race, "BATCH", 1)  # 250 steps an epoch
    monkeypatch.setattr(nvil, "time_racers", lambda *_: None)
    rows = run(Nvil(), replace(options, only=("race-local-enumeration", COMMON)))
    steps = {row.name: row.runs[0].steps for row in rows}
    assert steps == {COMMON: 250, "race-local-enumeration": round(250 * 6 / 201)}
    local = next(row for row in rows if row.name == "race-local-enumeration")
    assert [x for x, _ in local.runs[0].curve["valid"]] == [7 / 250]
    assert "6/201 of the steps" in local.protocol


def test_a_race_without_the_run_at_which_gradients_are_compared_says_so(options):
    with pytest.raises(SystemExit, match="race-leave-one-out.*missing: make that row first"):
        run(Nvil(), replace(options, only=("race-centred",)))


def test_the_race_resumes(options, monkeypatch):
    before = run(Nvil(), options)
    monkeypatch.setattr(runner, "fit", never)
    again = run(Nvil(), replace(options, resume=True))
    assert again == before  # nothing is timed anew either
    monkeypatch.undo()


def test_a_racer_goes_on_from_its_checkpoint_to_the_same_row(options):
    before = {row.name: row for row in run(Nvil(), options)}
    (options.results / f"{COMMON}.json").unlink()
    (anew,) = run(Nvil(), replace(options, resume=True, only=(COMMON,)))
    assert timeless(anew.runs[0]) == timeless(
        before[COMMON].runs[0]
    )  # the same training and the same draws, to the bit


def test_a_row_of_another_protocol_is_made_anew(options, monkeypatch):
    run(Nvil(), options)
    other = read_row("race-centred", options.results)
    other.protocol = "twice as long"
    write_row(other, options.results)
    monkeypatch.setattr(runner, "fit", never)
    with pytest.raises(AssertionError, match="trained again"):
        run(Nvil(), replace(options, resume=True))


def test_long_runs_resume_and_make_two_rows(images, options, monkeypatch):
    options = replace(options, only=("sbn-200-disarm",))
    held_out, train = run(Nvil(), options)
    assert (held_out.name, train.name) == ("sbn-200-disarm", "sbn-200-disarm-train")
    assert "validation NLL bound" in held_out.metric
    for row, sign, key in ((held_out, -1, "valid_bound"), (train, 1, "train_bound")):
        assert row.higher_is_better == (sign > 0)
        assert row.runs[0].value == sign * row.runs[0].details[key]
        assert 0 < row.runs[0].details["standard_error_of_draws"] < row.runs[0].standard_error
    with monkeypatch.context() as patch:
        patch.setattr(runner, "fit", never)
        assert run(Nvil(), replace(options, resume=True, only=("sbn-200-disarm-train",))) == [held_out, train]
    monkeypatch.setattr(nvil, "binary_images", lambda sitting: BinaryImages(*images, images[1], "test"))
    tested, _ = run(Nvil(), replace(options, results=options.results / "test"))
    assert tested.metric == "test NLL bound, nats"


def test_all_racers_are_judged_by_the_same_bound():
    x = torch.randint(2, (20, 1, 28, 28)).float()
    found = []
    for racer in RACERS:
        torch.manual_seed(0)
        model, guide = sigmoid_belief_network((BITS,), (1, 28, 28))
        objective = RacedElbo(model, guide, racer).eval()
        torch.manual_seed(1)
        found.append(objective(x).value)
    assert all(torch.equal(value, found[0]) for value in found)


def timeless(run: Run) -> dict:
    """A run without what is measured anew in every sitting."""
    curve = {name: points for name, points in run.curve.items() if name != "valid_by_seconds"}
    details = {name: value for name, value in run.details.items() if name != "seconds_per_step"}
    return vars(run) | {"curve": curve, "details": details}


def never(*_, **__):
    raise AssertionError("trained again")


def nothing_measured(*_, **__):
    from helpers.evaluation import BoundEvaluation, Measured

    zero = Measured(0.0, 0.0)
    return BoundEvaluation(zero, zero, zero, zero, 1, 1)


def test_weight_decay_is_on_matrices_alone():
    model, guide = sigmoid_belief_network((4, 3), (1, 2, 2))
    both = nn.ModuleDict({"model": model, "guide": guide})
    optimizer = nvil.adamw(both, 1e-2, 0.03)
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert len(decays) == len(list(both.parameters()))
    for name, parameter in both.named_parameters():
        assert decays[id(parameter)] == (0.03 if parameter.ndim == 2 else 0.0), name
    assert {group["lr"] for group in optimizer.param_groups} == {1e-2}


def test_every_racer_sees_the_same_weights_batches_and_noise(images):
    sitting = Sitting(NOWHERE)
    found = []
    for racer in RACERS:
        objective = RaceCell(sitting, racer, lambda: images).start(3)
        found.append(
            [
                torch.rand(4),
                *(p.detach() for p in objective.own.model.parameters()),
                *(p.detach() for p in objective.own.guide.parameters()),
            ]
        )
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))
