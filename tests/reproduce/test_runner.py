"""The one frame of all experiments: runs are merged and never lost, what is there is not made again, shards cover every run once."""

from __future__ import annotations

import itertools
import json
from argparse import Namespace
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from helpers.estimators import Estimate
from helpers.reproduce import runner
from helpers.reproduce.__main__ import EXPERIMENTS, experiment_called, main
from helpers.reproduce.cell import Cell, Experiment, Measurement, Prepared, Sitting, every
from helpers.reproduce.options import Options
from helpers.reproduce.rows import RESULTS, Row, Run, add_run, read_row, read_rows
from helpers.reproduce.runner import needed_first, rows_of, run, shard
from helpers.training import History


class Distance(nn.Module):
    """-(w - x)² for each x: training moves w towards the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(()))

    def forward(self, x: Tensor) -> Estimate:
        return Estimate.of(-((self.w - x) ** 2))


class Toy(Cell):
    trained: list[tuple[str, int]] = []

    def __init__(self, sitting: Sitting, name: str, needs: str | None = None, epochs: int = 3) -> None:
        super().__init__(sitting, name, epochs)
        self.needs = needs
        self.ships = f"{name}.txt" if needs is None else None

    def rows(self) -> list[Row]:
        return [
            Row(f"{self.name}-{metric}", "a toy", metric, None, None, True, "nowhere", f"{self.epochs} epochs")
            for metric in ("mean", "noise")
        ]

    def prepare(self, seed: int) -> Prepared:
        self.trained.append((self.name, seed))
        objective = Distance()
        return Prepared(objective, [torch.ones(4)] * 2, torch.optim.SGD(objective.parameters(), lr=0.1))

    def measure(self, prepared: Prepared, history: History, seed: int) -> dict[str, Measurement]:
        w = prepared.objective.w.item()
        return {
            f"{self.name}-mean": Measurement(w, 0.1, {"w": w}),
            f"{self.name}-noise": Measurement(torch.rand(()).item(), None),
        }

    def ship(self, prepared: Prepared, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(prepared.objective.w.item()))


class Toys(Experiment):
    name = "toys"
    epochs = 3

    def __init__(self) -> None:
        self.finished: list[list[str]] = []

    def cells(self, sitting: Sitting) -> list[Cell]:
        return [Toy(sitting, "later", needs="first", epochs=self.epochs), Toy(sitting, "first", epochs=self.epochs)]

    def after_all(self, cells: list[Cell], sitting: Sitting) -> None:
        self.finished.append([cell.name for cell in cells])


@pytest.fixture
def options(tmp_path: Path) -> Options:
    Toy.trained.clear()
    folders = {name: tmp_path / name for name in ("checkpoints", "results", "weights")}
    return Options(seeds=(0,), resume=False, smoke=False, only=(), **folders)


def test_a_run_is_trained_measured_and_written_under_its_row(options):
    rows = run(Toys(), options)
    assert [row.name for row in rows] == [
        "later-mean",
        "later-noise",
        "first-mean",
        "first-noise",
    ]  # the experiment's order
    assert Toy.trained == [("first", 0), ("later", 0)]  # what others need comes first
    (only,) = rows[0].runs
    assert (only.seed, only.epochs, only.steps) == (0, 3, 6)
    assert [epoch for epoch, _ in only.curve["train"]] == [1, 2, 3]
    assert only.details == {"w": only.value}
    assert rows[0].command == "python -m helpers.reproduce toys --only later --seeds 0"
    assert read_rows(options.results) == sorted(rows, key=lambda row: row.name)
    assert [path.name for path in options.weights.iterdir()] == ["first.txt"]


def test_no_run_of_a_row_is_ever_lost(options):
    run(Toys(), options)
    alone = read_row("first-mean", options.results).runs[0]
    run(Toys(), replace(options, seeds=(1,)))  # without --resume, too
    both = read_row("first-mean", options.results)
    assert [each.seed for each in both.runs] == [0, 1] and both.runs[0] == alone
    assert both.command.endswith("--seeds 0 1")
    assert not (options.weights / "later.txt").exists()
    again = {row.name: row for row in run(Toys(), replace(options, seeds=(0, 1), resume=True))}
    assert again["first-mean"] == both
    anew = {
        row.name: row for row in run(Toys(), replace(options, seeds=(0, 1), checkpoints=options.checkpoints / "new"))
    }
    assert [each.value for each in anew["first-mean"].runs] == [
        each.value for each in both.runs
    ]  # the seed decides everything
    assert [each.value for each in anew["first-noise"].runs] == [each.value for each in again["first-noise"].runs]


def test_what_is_there_is_not_made_again_and_nothing_is_measured_on_all(options, monkeypatch):
    toys = Toys()
    run(toys, options)
    Toy.trained.clear()
    run(toys, replace(options, resume=True))
    assert Toy.trained == [] and toys.finished == [["later", "first"]]
    noise = read_row("later-noise", options.results).runs
    (options.results / "later-noise.json").unlink()
    fit = runner.fit
    monkeypatch.setattr(runner, "fit", lambda *given, **more: (fit(*given, **more), torch.rand(7))[0])
    run(toys, replace(options, resume=True))
    assert Toy.trained == [("later", 0)]  # a cell with one row missing is measured anew, from its checkpoint
    assert read_row("later-noise", options.results).runs == noise  # with the same draws, whatever was drawn before


def test_a_row_of_another_protocol_is_kept_aside_and_named(options, capsys):
    run(Toys(), options)
    before = (options.results / "first-mean.json").read_text()
    longer = Toys()
    longer.epochs = 4
    rows = {row.name: row for row in run(longer, replace(options, seeds=(1,), resume=True))}
    assert [each.seed for each in rows["first-mean"].runs] == [1]
    kept = options.results / "superseded" / "first-mean-1.json"
    assert kept.read_text() == before
    assert str(kept) in capsys.readouterr().out
    run(Toys(), options)
    assert (options.results / "superseded" / "first-mean-2.json").exists() and kept.read_text() == before


@pytest.mark.parametrize("note", ["another", "none"])
def test_a_checkpoint_of_another_protocol_is_not_gone_on_from(options, note):
    run(Toys(), options)
    (options.results / "first-mean.json").unlink()
    path = options.checkpoints / "first-0.protocol.txt"
    assert path.read_text() == "3 epochs\n3 epochs\n"
    path.write_text("4 epochs\n4 epochs\n") if note == "another" else path.unlink()
    with pytest.raises(SystemExit, match="another protocol.*--checkpoints"):
        run(Toys(), replace(options, resume=True))
    assert run(Toys(), options)  # anew


def test_only_names_cells_groups_or_rows(options):
    def names(*only: str) -> list[str]:
        return [row.name for row in run(Toys(), replace(options, only=only, resume=True))]

    assert names("first") == names("first-noise") == ["first-mean", "first-noise"]
    assert names("nothing") == []


def test_smoke_runs_say_so_and_share_no_row_with_real_ones(options):
    (row, *_) = run(Toys(), replace(options, smoke=True))
    assert row.protocol.startswith("a smoke run")
    assert row.protocol.endswith(": 3 epochs")
    (real, *_) = run(Toys(), options)
    assert len(real.runs) == 1 and real.protocol == "3 epochs"


def test_a_training_that_was_stopped_writes_nothing_and_says_how_to_go_on(options, monkeypatch):
    monkeypatch.setattr(runner, "fit", lambda *_, **__: History(stopped="interrupted", seconds=[1.0]))
    with pytest.raises(SystemExit, match="--resume"):
        run(Toys(), options)
    assert not options.results.exists() or read_rows(options.results) == []


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shards_cover_each_run_once_and_keep_what_needs_what_together(options, count):
    sitting = Sitting(options)
    cells = needed_first([Toy(sitting, "c", "b"), Toy(sitting, "b", "a"), Toy(sitting, "a"), Toy(sitting, "alone")])
    assert [cell.name for cell in cells] == ["a", "b", "c", "alone"]
    runs = [(seed, cell) for seed in (0, 1, 2) for cell in cells]
    parts = [shard(runs, replace(options, shard=(i, count))) for i in range(1, count + 1)]
    assert sorted((seed, cell.name) for part in parts for seed, cell in part) == sorted(
        (seed, cell.name) for seed, cell in runs
    )
    for part in parts:
        for seed in (0, 1, 2):
            assert {cell.name for each, cell in part if each == seed} & {"a", "b", "c"} in (set(), {"a", "b", "c"})
    if count == 3:
        assert [len(part) for part in parts] == [5, 5, 2] or all(parts)


def test_cells_that_need_one_another_are_refused(options):
    sitting = Sitting(options)
    with pytest.raises(ValueError, match="a, b"):
        needed_first([Toy(sitting, "a", "b"), Toy(sitting, "b", "a")])


def _add(arguments: tuple[int, Path]) -> None:
    seed, folder = arguments
    add_run(
        Row("toy", "a toy", "metric", None, None, True, "nowhere", "p"),
        Run(seed, float(seed), None, 1, 1, 1.0),
        folder,
        "command",
    )


def test_many_processes_add_to_one_row_and_none_is_lost(tmp_path):
    with get_context("fork").Pool(8) as pool:
        pool.map(_add, [(seed, tmp_path) for seed in range(24)], chunksize=1)
    row = read_row("toy", tmp_path)
    assert [each.seed for each in row.runs] == list(range(24)) and row.mean == 11.5


def test_every_spaces_the_waypoints_and_has_the_last():
    assert every(1, 20) == {1}
    assert every(7, 20) == set(range(1, 8))
    assert every(100, 20) == set(range(5, 101, 5))
    assert every(45, 20) == {*range(2, 46, 2), 45}


SMALL = {
    "vae": [],
    "iwae": ["--only", "iwae-1"],
    "nvil": ["--only", "sbn-200-disarm", "race-leave-one-out", "race-centred"],
    "ssvae": ["--variants", "baseline,sampled"],
    "dmm": ["--only", "synthetic"],
    "priors": ["--only", "priors-standard-mean-field", "priors-gradient-enumerated"],
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_seed_0_then_seed_1_then_both_for_every_experiment(name, tmp_path, monkeypatch, capsys):
    results, common = (
        tmp_path / "results",
        ["--smoke", "--results", str(tmp_path / "results"), "--checkpoints", str(tmp_path / "c")],
    )

    def values(*more: str) -> dict[str, list[tuple[int, float]]]:
        assert main([name, *SMALL[name], *common, *more]) == 0
        return {row.name: [(each.seed, each.value) for each in row.runs] for row in read_rows(results)}

    first = values("--seeds", "0")
    assert first and all([seed for seed, _ in runs] == [0] for runs in first.values())
    second = values("--seeds", "1", "--resume")
    assert {row: runs[:1] for row, runs in second.items()} == first
    assert all([seed for seed, _ in runs] == [0, 1] for runs in second.values())
    monkeypatch.setattr(runner, "fit", lambda *_, **__: pytest.fail("trained again"))
    assert values("--seeds", "0", "1", "--resume") == second
    assert not list(results.glob("superseded/*"))


def test_the_accuracy_of_the_curve_is_that_of_the_row(tmp_path):
    main(["ssvae", "--variants", "baseline", "--smoke", "--results", str(tmp_path)])
    (made,) = read_rows(tmp_path)[0].runs
    assert made.curve["test"] == [[1, made.value]]
    assert made.details["error"] == 1 - made.value and 0 < made.value < 1


def test_iwae_50_starts_from_a_finished_iwae_5_only(tmp_path):
    common = ["--smoke", "--results", str(tmp_path / "results"), "--checkpoints", str(tmp_path / "checkpoints")]
    with pytest.raises(SystemExit, match="missing: make that row first"):
        main(["iwae", "--only", "iwae-50", *common])
    path = tmp_path / "checkpoints" / "iwae-5-0.pt"
    main(["iwae", "--only", "iwae-5", *common])
    content = torch.load(path, weights_only=True)
    content["history"]["seconds"] = []
    torch.save(content, path)
    with pytest.raises(SystemExit, match="not trained to its end"):
        main(["iwae", "--only", "iwae-50", *common])


def declared_rows() -> dict[str, Row]:
    """The rows of all cells with the arguments that the committed rows were made with. Data is not loaded."""
    rows, every_guide = {}, ("future", "past", "both", "mean-field")
    for name, epochs in itertools.product(EXPERIMENTS, (None, 2000)):
        own = Namespace(labels=(), variants=(), splits=None, guides=every_guide, flows=(0, 1, 2), epochs=epochs)
        sitting = Sitting(Options((0,), False, False, (), Path(), Path(), Path(), own=own))
        sitting.once("binary images", lambda: SimpleNamespace(part="validation"))
        rows |= {row.name: row for cell in experiment_called(name).cells(sitting) for row in rows_of(cell)}
    return rows


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_committed_row_is_one_that_its_cell_declares(path):
    """So that new seeds join it: another protocol would put it aside."""
    content, declared = json.loads(path.read_text()), declared_rows()[path.stem]
    for name in ("system", "metric", "published", "reach", "higher_is_better", "source", "protocol"):
        assert content[name] == getattr(declared, name), name
