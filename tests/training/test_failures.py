"""`fit` when something breaks: NaN, Ctrl-C, a kill. The history so far is kept, and a resumed run ends as an unbroken one."""

from __future__ import annotations

import json
import math
import os
import random
import runpy
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import nn

from helpers.data import Batches
from helpers.estimators import Estimate
from helpers.training import NonFiniteError, fit

SCRIPT = Path(__file__).parent / "long_run.py"
EPOCHS = 16


class Breaks(nn.Module):
    """Fine for seven steps; then one part of it is no number."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(2))
        self.what = what
        self.before: list[torch.Tensor] = []

    def forward(self, x):
        self.before.append(self.w.detach().clone())
        breaking = len(self.before) > 7
        distortion = ((x - self.w) ** 2).sum(-1)
        rate = (self.w**2).sum().expand(len(x))
        side = torch.zeros(len(x))
        if breaking and self.what == "distortion":
            distortion = distortion / 0
        if breaking and self.what == "rate":
            rate = rate * math.nan
        if breaking and self.what == "side":
            side = side + math.inf
        bound = -(distortion + rate)
        if breaking and self.what == "gradient":
            bound = bound + (self.w * 0).abs().sum().sqrt()  # 0, with an infinite slope times 0
        loss = bound.new_tensor(math.nan if breaking and self.what == "loss" else 0.0)
        return Estimate(bound.detach(), bound, {"distortion": distortion, "rate": rate, "side": side}, loss)


@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("distortion", "distortion and bound"),
        ("rate", "rate and bound"),
        ("side", "side became"),
        ("loss", "loss became"),
        ("gradient", "the gradient of w"),
    ],
)
def test_nan_guard_names_step_and_term_and_keeps_the_last_finite_state(what, named):
    objective = Breaks(what)
    batches = Batches(torch.randn(12, 2), batch_size=4)
    with pytest.raises(NonFiniteError, match=f"stopped at step 8.*{named}.*Usual causes") as caught:
        fit(objective, batches, epochs=9, optimizers=torch.optim.SGD(objective.parameters(), lr=0.1))
    assert torch.equal(objective.w, objective.before[7])  # as before that step
    assert not torch.equal(objective.before[7], objective.before[6])
    assert caught.value.history.epochs == 2
    assert caught.value.history.steps == 7
    assert len(caught.value.history.train["bound"]) == 2


class Interrupted(Breaks):
    """Ctrl-C in the eighth training batch, or in the midst of the first validation."""

    def __init__(self, where: str) -> None:
        super().__init__("")
        self.where, self.validations = where, 0

    def forward(self, x):
        self.validations += not self.training
        if (self.where == "training" and len(self.before) == 7) or (
            self.where == "validation" and self.validations == 3
        ):
            raise KeyboardInterrupt
        return super().forward(x)


@pytest.mark.parametrize("where", ["training", "validation"])
def test_ctrl_c_returns_the_history_so_far(where, capsys):
    objective = Interrupted(where)
    batches = Batches(torch.randn(12, 2), batch_size=4)
    history = fit(objective, batches, valid=None if where == "training" else batches, epochs=9)
    whole = 2 if where == "training" else 0
    assert history.stopped == "interrupted"
    assert history.epochs == whole
    for record in (history.train, history.valid):  # no half epoch in any list
        assert all(len(values) == whole for values in record.values())
    assert objective.training
    assert f"Interrupted after {whole} whole epoch(s)" in capsys.readouterr().out


def start(checkpoint: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])}
    command = [sys.executable, str(SCRIPT), str(checkpoint), str(EPOCHS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def wait_for_epoch(process: subprocess.Popen, epoch: int) -> None:
    for line in process.stdout:
        if line.strip() == f"epoch {epoch}":
            return
    raise AssertionError("the run ended before it could be stopped")


def assert_same_bits(ours, theirs) -> None:
    for mine, other in zip(ours[:3], theirs[:3], strict=True):
        states = [
            [m.state_dict() for m in part] if isinstance(part, list) else part.state_dict() for part in (mine, other)
        ]
        assert repr_of_bits(states[0]) == repr_of_bits(states[1])
    histories = [{**asdict(run[3]), "seconds": None} for run in (ours, theirs)]
    assert histories[0] == histories[1]


def repr_of_bits(tree):
    if isinstance(tree, torch.Tensor):
        return tree.dtype, tree.shape, tree.numpy().tobytes()
    if isinstance(tree, dict):
        return {key: repr_of_bits(value) for key, value in tree.items()}
    return [repr_of_bits(value) for value in tree] if isinstance(tree, list | tuple) else tree


def test_killed_and_resumed_is_bit_for_bit_the_unbroken_run(tmp_path):
    run = runpy.run_path(str(SCRIPT))["run"]
    unbroken = run(None, EPOCHS)
    random_state = torch.get_rng_state()

    checkpoint = tmp_path / "killed.pt"
    process = start(checkpoint)
    wait_for_epoch(process, 4)  # an epoch is announced before it is saved: three are
    time.sleep(
        random.Random(time.time_ns()).uniform(0, 0.2)
    )  # any moment will do: between steps, in validation, in a save
    process.kill()
    assert process.wait() == -signal.SIGKILL
    epochs_done = len(torch.load(checkpoint, weights_only=True)["history"]["seconds"])
    assert 3 <= epochs_done < EPOCHS

    torch.manual_seed(999)  # the resumed run must bring its own random state
    resumed = run(checkpoint, EPOCHS, resume=True)
    assert_same_bits(resumed, unbroken)
    assert [epoch for epoch, _ in resumed[3].waypoints["luck"]] == list(range(1, EPOCHS + 1))
    assert torch.equal(torch.get_rng_state(), random_state)
    assert resumed[3].seconds == sorted(resumed[3].seconds)

    untouched = run(checkpoint, EPOCHS, resume=True)  # a finished run resumed does nothing more
    assert_same_bits(untouched, unbroken)


def test_a_real_ctrl_c_ends_the_process_well(tmp_path):
    process = start(tmp_path / "interrupted.pt")
    wait_for_epoch(process, 2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "resume=True to go on" in output
    history = json.loads(output.splitlines()[-1])
    assert history["stopped"] == "interrupted"
    assert 2 <= len(history["seconds"]) < EPOCHS
    assert {len(values) for values in history["train"].values()} == {len(history["seconds"])}
