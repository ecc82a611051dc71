"""Checkpoints and weights: written whole or not at all, read without running anything, refused where they do not fit."""

from __future__ import annotations

import os
import pickle

import pytest
import safetensors.torch
import torch
from torch import nn

from helpers.data import Batches
from helpers.estimators import Estimate
from helpers.training import fit, load_checkpoint, load_weights, save_weights


class Shift(nn.Module):
    """-|x - w|² with w of any size."""

    def __init__(self, size: int = 2) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(size))
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        return Estimate.of(-((x[..., :1] - self.w) ** 2).sum(-1))


class Trap:
    """Unpickling this creates a file: the mark of code that was run."""

    def __init__(self, mark) -> None:
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def train(objective, checkpoint, epochs=1, resume=False, **options):
    data = Batches(torch.ones(4, 2), batch_size=2)
    return fit(objective, data, epochs=epochs, checkpoint=checkpoint, resume=resume, progress=False, **options)


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "run.pt"
    train(Shift(), path, epochs=2)
    return path


def test_the_null_device_as_a_checkpoint_keeps_nothing_and_has_nothing_to_resume():
    before = os.stat(os.devnull)
    objective = Shift()
    history = train(objective, os.devnull, epochs=2, resume=True)
    assert history.epochs == 2 and torch.all(objective.w != 0)
    save_weights(objective, os.devnull)
    after = os.stat(os.devnull)
    assert (after.st_mode, after.st_rdev, after.st_ino) == (before.st_mode, before.st_rdev, before.st_ino)


def test_weights_and_checkpoints_may_be_read_by_others(checkpoint):
    plain = checkpoint.with_name("plain.txt")
    plain.write_text("")
    save_weights(Shift(), checkpoint.with_name("w.safetensors"))
    modes = {path.stat().st_mode for path in (plain, checkpoint, checkpoint.with_name("w.safetensors"))}
    assert len(modes) == 1


def dies(*args, **kwargs):
    raise KeyboardInterrupt


@pytest.mark.parametrize("broken", ["torch.save", "os.replace", "os.fsync"])
def test_a_checkpoint_that_fails_midway_leaves_the_old_one_whole(checkpoint, monkeypatch, broken):
    old = checkpoint.read_bytes()

    def writes_half(content, file):
        file.write(b"half of it")
        raise OSError("no space left")

    monkeypatch.setattr(broken, writes_half if broken == "torch.save" else dies)
    if broken == "torch.save":
        with pytest.raises(OSError, match="no space left"):
            train(Shift(), checkpoint)
    else:
        assert train(Shift(), checkpoint).stopped == "interrupted"
    assert checkpoint.read_bytes() == old
    assert os.listdir(checkpoint.parent) == [checkpoint.name]


@pytest.mark.parametrize(
    "write",
    [lambda path, trap: path.write_bytes(pickle.dumps(trap, protocol=2)), lambda path, trap: torch.save(trap, path)],
)
def test_a_checkpoint_that_would_run_code_is_refused_and_nothing_runs(tmp_path, write):
    path, mark = tmp_path / "run.pt", tmp_path / "mark"
    write(path, {"objective": Trap(mark)})
    with pytest.raises(ValueError, match="was not loaded .*because other files could run code"):
        train(Shift(), path, resume=True)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Trap(mark)))  # the trap is a real one
    assert mark.exists()


def test_a_truncated_checkpoint_is_refused_by_name(checkpoint):
    checkpoint.write_bytes(checkpoint.read_bytes()[:-200])
    with pytest.raises(ValueError, match="Got .*run.pt, which was not loaded .* damaged.*delete it to start anew"):
        train(Shift(), checkpoint, resume=True)


@pytest.mark.parametrize("content", [torch.ones(2), [1, 2], {"w": torch.ones(2)}, {"objective": {}}, 3])
def test_a_file_of_tensors_that_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "run.pt"
    torch.save(content, path)
    objective = Shift()
    with pytest.raises(ValueError, match="run.pt(, which holds .*something else; expected a checkpoint| does not fit)"):
        train(objective, path, resume=True)
    assert objective.w.tolist() == [0, 0]


def test_a_checkpoint_of_another_model_or_other_optimisers_changes_nothing(checkpoint, tmp_path):
    for other, wrong in ((Shift(3), "w"), (nn.Sequential(Shift()), "0.w")):
        before = [parameter.detach().clone() for parameter in other.parameters()]
        with pytest.raises(
            ValueError, match=f"run.pt does not fit what is being trained.*{wrong}.*another model"
        ) as caught:
            train(other, checkpoint, resume=True)
        assert "\n" not in str(caught.value)  # one sentence, not torch's list
        assert all(torch.equal(a, b) for a, b in zip(before, other.parameters(), strict=True))
    objective = Three()
    train(objective, tmp_path / "three.pt", optimizers=torch.optim.SGD(objective.parameters(), lr=0.1))
    objective = Three()
    for optimizers, words in (
        ([torch.optim.SGD([objective.w]), torch.optim.SGD([objective.v])], "Got 1 optimizers in the file; expected 2"),
        (torch.optim.Adam(objective.parameters()), "Got Adam as optimisers; expected SGD, as in the file"),
        (torch.optim.SGD([objective.w, objective.v]), "Got an optimiser of 2 parameters; expected 3, as in the file"),
        (
            torch.optim.SGD([objective.w, objective.u, objective.v]),
            "Got an optimiser of u; expected v, as in the file, in the same",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            train(objective, tmp_path / "three.pt", resume=True, optimizers=optimizers)
    assert objective.w.tolist() == [0, 0]


class Three(Shift):
    """Two more parameters, which learn nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.v, self.u = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))


def test_a_checkpoint_that_fits_in_part_changes_no_optimiser(tmp_path):
    """The first optimiser fits, the second has its parameters in two groups and not in one."""
    objective = Three()
    first = [torch.optim.SGD([objective.w], lr=0.25), torch.optim.SGD([objective.v, objective.u], lr=0.25)]
    train(objective, tmp_path / "run.pt", optimizers=first)
    groups = [{"params": [objective.v]}, {"params": [objective.u]}]
    second = [torch.optim.SGD([objective.w], lr=0.5), torch.optim.SGD(groups, lr=0.5)]
    with pytest.raises(ValueError, match="does not fit"):
        train(objective, tmp_path / "run.pt", optimizers=second, epochs=2, resume=True)
    assert [optimizer.param_groups[0]["lr"] for optimizer in second] == [0.5, 0.5]


def test_a_checkpoint_of_an_earlier_version_is_refused(checkpoint):
    content = torch.load(checkpoint, weights_only=True)
    del content["given"]
    torch.save(content, checkpoint)
    with pytest.raises(ValueError, match="without the settings of its optimisers.*earlier version.*start anew"):
        train(Shift(), checkpoint, resume=True)


def test_a_checkpoint_reads_back_as_tensors_and_plain_values(checkpoint):
    content = load_checkpoint(checkpoint)
    assert set(content["objective"]) == {"w", "seen"}
    assert len(content["history"]["seconds"]) == 2
    resumed = Shift()
    history = train(resumed, checkpoint, epochs=3, resume=True)
    assert (history.epochs, history.steps) == (3, 6)


def test_weights_go_there_and_back(tmp_path):
    path = tmp_path / "new" / "weights.safetensors"
    saved, loaded = Shift(), Shift()
    nn.init.normal_(saved.w)
    saved.seen += 3
    save_weights(saved, path)
    load_weights(loaded, path)
    assert torch.equal(saved.w, loaded.w)
    assert loaded.seen == 3
    save_weights(nn.Linear(2, 3).requires_grad_(False), path)  # overwrites; strides and gradients do not matter


def test_weights_that_fail_midway_leave_the_old_ones_whole(tmp_path, monkeypatch):
    path = tmp_path / "weights.safetensors"
    save_weights(Shift(), path)
    old = path.read_bytes()
    monkeypatch.setattr("os.replace", dies)
    with pytest.raises(KeyboardInterrupt):
        save_weights(Shift(3), path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == [path.name]


def test_a_pickle_is_no_weights_file(tmp_path):
    path, mark = tmp_path / "weights.safetensors", tmp_path / "mark"
    for write in (lambda: path.write_bytes(pickle.dumps(Trap(mark))), lambda: torch.save({"w": torch.ones(2)}, path)):
        write()
        with pytest.raises(ValueError, match="no safetensors file and was not loaded.*pickle could run any code"):
            load_weights(Shift(), path)
    assert not mark.exists()
    with pytest.raises(FileNotFoundError):
        load_weights(Shift(), tmp_path / "nothing")


@pytest.mark.parametrize(
    ("weights", "wrong"),
    [
        ({"w": torch.ones(3), "seen": torch.ones(())}, r"w .*\(3,\).*\(2,\)"),
        ({"w": torch.ones(2)}, "seen"),
        ({"w": torch.ones(2), "seen": torch.ones(()), "v": torch.ones(1)}, "v"),
    ],
)
def test_weights_of_another_model_are_refused_and_change_nothing(tmp_path, weights, wrong):
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(weights, path)
    module = Shift()
    with pytest.raises(ValueError, match=f"do not fit this model.*{wrong}"):
        load_weights(module, path)
    assert module.w.tolist() == [0, 0]
    assert module.seen == 0
