"""The door of `fit`: each mistake is a sentence that says what was given and what is expected, and what may be given is taken."""

from __future__ import annotations

import math
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR, LambdaLR, ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset

from helpers.data import Batches, load_images
from helpers.distributions import BernoulliConditional, GaussianConditional, StandardNormalPrior
from helpers.estimators import Estimate, Pathwise
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel
from helpers.networks import FeedForward
from helpers.training import LinearWeight, average_terms, fit

IMAGES = torch.rand(8, 1, 2, 2, generator=torch.Generator().manual_seed(0))


def elbo() -> Elbo:
    model = LatentVariableModel(StandardNormalPrior(2), BernoulliConditional(2, (1, 2, 2), FeedForward((3,))))
    return Elbo(model, AmortizedGuide(GaussianConditional((1, 2, 2), 2, FeedForward((3,)))))


def batches(images: torch.Tensor = IMAGES) -> Batches:
    return Batches(images, batch_size=4)


class Returns(nn.Module):
    """An objective that returns what it is told to."""

    def __init__(self, what) -> None:
        super().__init__()
        self.w, self.what = nn.Parameter(torch.ones(())), what

    def forward(self, x):
        return self.what(self, x)


def adam(objective: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(objective.parameters())


def of(optimizer: torch.optim.Optimizer) -> ExponentialLR:
    return ExponentialLR(optimizer, 0.9)


def weight(objective: nn.Module) -> LinearWeight:
    return LinearWeight(objective, "rate_weight", 0, 1, 5)


def mixes(objective: Returns, x: torch.Tensor) -> Estimate:
    return Estimate.of(x @ torch.ones(2) * objective.w)


def frozen() -> nn.Module:
    return elbo().requires_grad_(False)


def a_loss(x: torch.Tensor) -> torch.Tensor:
    return x.mean()


def on_meta() -> Elbo:
    objective = elbo()
    objective.guide.to("meta")
    return objective


# What is given to fit(objective, train, epochs=2, ...); the function receives an objective in training, and makes the changes.
MISTAKES = {
    "no objective": (lambda o: {"objective": None}, "Got None as objective; expected an objective"),
    "a class for an objective": (lambda o: {"objective": Elbo}, "Got the class Elbo as objective.*parentheses"),
    "a model for an objective": (lambda o: {"objective": o.model}, "Got a LatentVariableModel as objective.*holds both"),
    "a guide for an objective": (lambda o: {"objective": o.guide}, "Got an AmortizedGuide as objective.*holds both"),
    "an estimator": (lambda o: {"objective": Pathwise()}, "Got a Pathwise as objective.*estimator alone"),
    "a function for an objective": (lambda o: {"objective": a_loss}, "Got a function, a_loss, as objective.*-loss"),
    "a bound method": (lambda o: {"objective": o.forward}, "Got a function, forward, as objective"),
    "torch's loss": (lambda o: {"objective": nn.MSELoss()}, "Got a MSELoss as objective.*Estimate.of"),
    "swapped": (lambda o: {"objective": batches(), "train": o}, "Got a Batches as objective.*another order"),
    "a tensor for an objective": (lambda o: {"objective": IMAGES}, "Got a tensor of shape .8, 1, 2, 2. .*another order"),
    "a name": (lambda o: {"objective": "elbo"}, "Got 'elbo' as objective"),
    "images for batches": (lambda o: {"train": IMAGES}, r"Got a tensor of shape \[8, 1, 2, 2\].*as train.*Batches\(images"),
    "an array for batches": (lambda o: {"train": IMAGES.numpy()}, "Got a ndarray as train.*not batches"),
    "a class for batches": (lambda o: {"train": Batches}, "Got the class Batches as train"),
    "a data set": (lambda o: {"train": load_images("digits")}, "Got an ImageData as train.*data.train.images"),
    "a split": (lambda o: {"train": load_images("digits").train}, "Got a Split as train.*data.train.images"),
    "a torch data set": (lambda o: {"train": TensorDataset(IMAGES)}, "Got a TensorDataset as train.*DataLoader"),
    "a generator": (lambda o: {"train": (x for x in [IMAGES])}, "Got a generator as train.*only once, for 2 epochs"),
    "a zip": (lambda o: {"train": zip([IMAGES], [IMAGES], strict=True)}, "Got a zip as train.*only once"),
    "an empty list": (lambda o: {"train": []}, "Got a list of 0 as train, which holds no batch"),
    "an empty loader": (lambda o: {"train": DataLoader([])}, "Got a DataLoader as train, which holds no batch"),
    "no batches": (lambda o: {"train": None}, "Got None as train"),
    "a path for batches": (lambda o: {"train": "mnist"}, "Got 'mnist' as train"),
    "a dictionary": (lambda o: {"train": {"images": IMAGES}}, "Got a dict of 1 as train"),
    "a function for batches": (lambda o: {"train": batches}, "Got a function, batches, as train"),
    "images to validate": (lambda o: {"valid": IMAGES}, "as valid.*not batches"),
    "a generator to validate": (lambda o: {"valid": iter([IMAGES])}, "Got a list_iterator as valid.*only once"),
    "nothing to validate": (lambda o: {"valid": []}, "as valid, which holds no batch"),
    "an objective to validate": (lambda o: {"valid": o}, "Got an Elbo as valid.*another order"),
    "no epoch": (lambda o: {"epochs": 0}, "Got epochs=0; expected the passes.*1 or more"),
    "epochs below zero": (lambda o: {"epochs": -1}, "Got epochs=-1"),
    "half an epoch": (lambda o: {"epochs": 1.5}, "Got epochs=1.5"),
    "epochs as a float": (lambda o: {"epochs": 2.0}, "Got epochs=2.0"),
    "epochs as a bool": (lambda o: {"epochs": True}, "Got epochs=True"),
    "epochs as a word": (lambda o: {"epochs": "2"}, "Got epochs='2'"),
    "epochs as a range": (lambda o: {"epochs": range(2)}, r"Got epochs=range\(0, 2\)"),
    "no batch a step": (lambda o: {"accumulate": 0}, "Got accumulate=0; expected the batches of an optimiser step"),
    "a share of a batch": (lambda o: {"accumulate": 0.5}, "Got accumulate=0.5"),
    "no optimiser": (lambda o: {"optimizers": []}, r"Got optimizers=\[\]; expected an optimiser.*None makes the default"),
    "another model's": (lambda o: {"optimizers": adam(elbo())}, "Got an Adam that holds no parameter of Elbo"),
    "one of two another's": (lambda o: {"optimizers": [adam(o.model), adam(nn.Linear(1, 1))]}, "holds no parameter of Elbo"),
    "the same twice": (lambda o: {"optimizers": [adam(o)] * 2}, "Got a parameter in two optimisers"),
    "a parameter twice": (lambda o: {"optimizers": [adam(o), adam(o.guide)]}, "Got a parameter in two optimisers"),
    "a class of optimisers": (lambda o: {"optimizers": torch.optim.Adam}, "Got the class Adam as an optimiser.*parentheses"),
    "parameters": (lambda o: {"optimizers": o.parameters()}, "Got a tensor .* as an optimiser.*made of them"),
    "a learning rate": (lambda o: {"optimizers": 1e-3}, "Got 0.001 as an optimiser"),
    "an optimiser's name": (lambda o: {"optimizers": "adam"}, "Got 'a' as an optimiser|Got 'adam' as an optimiser"),
    "a scheduler": (lambda o: {"optimizers": ExponentialLR(adam(o), 0.9)}, "Got an ExponentialLR as an optimiser.*schedulers="),
    "a closure": (lambda o: {"optimizers": torch.optim.LBFGS(o.parameters())}, "Got a LBFGS as an optimiser.*closure"),
    "frozen": (lambda o: {"objective": frozen()}, "without a parameter to train; expected one or more"),
    "two devices": (lambda o: {"objective": (c := on_meta()), "optimizers": adam(c)}, "Got parameters on cpu and meta; expected one"),
    "two devices, no optimiser": (lambda o: {"objective": on_meta()}, "Got parameters on cpu and meta"),
    "a foreign scheduler": (lambda o: {"optimizers": adam(o), "schedulers": [of(adam(o))]}, "Got an ExponentialLR in sch.*not in use"),
    "a scheduler alone": (lambda o: {"schedulers": [ExponentialLR(adam(o), 0.9)]}, "belongs to an optimiser which is not in use"),
    "a plateau a step": (lambda o: {"optimizers": (a := adam(o)), "schedulers": ReduceLROnPlateau(a)}, "Got a Reduce.*epoch_schedulers"),
    "a class of schedulers": (lambda o: {"schedulers": [ExponentialLR]}, "Got the class ExponentialLR in schedulers"),
    "a function of the step": (lambda o: {"schedulers": [lambda step: 0.1]}, "Got a function, <lambda>, in schedulers.*LambdaLR"),
    "an optimiser to schedule": (lambda o: {"schedulers": adam(o)}, "Got an Adam in schedulers"),
    "a number to schedule": (lambda o: {"epoch_schedulers": 0.9}, "Got 0.9 in epoch_schedulers"),
    "another objective's weight": (lambda o: {"schedulers": weight(elbo())}, "sets an Elbo which is not in training"),
    "a norm of 0": (lambda o: {"clip_norm": 0}, "Got clip_norm=0; expected a number above 0"),
    "a norm below 0": (lambda o: {"clip_norm": -1}, "Got clip_norm=-1"),
    "a norm of NaN": (lambda o: {"clip_norm": math.nan}, "Got clip_norm=nan"),
    "a norm as a word": (lambda o: {"clip_norm": "1"}, "Got clip_norm='1'"),
    "clip_norm=True": (lambda o: {"clip_norm": True}, "Got clip_norm=True"),
    "no patience": (lambda o: {"patience": 0, "valid": batches()}, "Got patience=0; expected None, or the epochs"),
    "half patience": (lambda o: {"patience": 2.5, "valid": batches()}, "Got patience=2.5"),
    "hyperparameters": (lambda o: {"hyperparameters": 0.1}, "Got hyperparameters=0.1; expected 'checkpoint' or 'call'"),
    "a callback called": (lambda o: {"after_step": [].append(1) or 3}, "Got 3 as after_step; expected a function"),
    "an epoch's callback": (lambda o: {"after_epoch": "print"}, "Got 'print' as after_epoch"),
    "a true checkpoint": (lambda o: {"checkpoint": True}, "Got True as checkpoint; expected the name of a file"),
    "no name": (lambda o: {"checkpoint": ""}, "Got '' as checkpoint"),
    "a state as checkpoint": (lambda o: {"checkpoint": o.state_dict()}, "Got an OrderedDict of 8 as checkpoint.*contents of a checkpoint"),
    "resume alone": (lambda o: {"resume": True}, "Got resume=True without checkpoint"),
    "half precision": (lambda o: {"train": batches(IMAGES.half())}, r"input of dtype torch\.float16; expected torch\.float32"),
    "bfloat16": (lambda o: {"train": batches(IMAGES.bfloat16())}, r"input of dtype torch\.bfloat16; expected torch\.float32"),
    "on another device": (lambda o: {"train": [IMAGES.to("meta")], "objective": Returns(mixes)}, "on meta for .* expected one device"),
    "a float returned": (lambda o: {"objective": Returns(lambda o, x: 1.0)}, "Got 1.0 from Returns; expected an Estimate"),
    "a tensor returned": (lambda o: {"objective": Returns(lambda o, x: o.w * x)}, r"Got a tensor of .* from Returns.*Estimate.of\(bound\)"),
    "a tuple returned": (lambda o: {"objective": Returns(lambda o, x: (o.w, x))}, "Got a tuple of 2 from Returns"),
    "nothing returned": (lambda o: {"objective": Returns(lambda o, x: None)}, "Got None from Returns.*no return"),
    "no gradient": (lambda o: {"objective": Returns(lambda o, x: Estimate.of(x))}, "surrogate has no gradient"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_a_sentence_and_changes_nothing(mistake):
    objective = elbo()
    before = [parameter.detach().clone() for parameter in objective.parameters()]
    given = {
        "objective": objective,
        "train": batches(),
        "epochs": 2,
        "progress": False,
        **MISTAKES[mistake][0](objective),
    }
    with pytest.raises(ValueError, match=MISTAKES[mistake][1]) as error:
        fit(given.pop("objective"), given.pop("train"), **given)
    assert "\n" not in str(error.value) and ("Got " in str(error.value) or "expected" in str(error.value))
    now = [p for p in objective.parameters() if p.device.type == "cpu"]
    assert all(torch.equal(a, b) for a, b in zip(before, now, strict=False))


def test_a_folder_or_a_device_is_no_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="a folder; expected the name of a file.*run.pt"):
        fit(elbo(), batches(), epochs=1, checkpoint=tmp_path)
    device = Path("/dev/full")
    if device.exists():
        with pytest.raises(ValueError, match="a device or a pipe; expected the name of a file"):
            fit(elbo(), batches(), epochs=1, checkpoint=device)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        with pytest.raises(ValueError, match="a device or a pipe"):
            fit(elbo(), batches(), epochs=1, checkpoint=tmp_path / "s")


TAKEN = {
    "numpy's integers": lambda o: {"epochs": np.int64(2), "accumulate": np.int32(1), "train": Batches(IMAGES, batch_size=np.int64(4))},
    "a part of the parameters": lambda o: {"optimizers": torch.optim.SGD(o.guide.parameters(), lr=0.1)},
    "a tuple of optimisers": lambda o: {"optimizers": (adam(o.model), adam(o.guide))},
    "a generator of optimisers": lambda o: {"optimizers": (adam(part) for part in (o.model, o.guide))},
    "one scheduler alone": lambda o: {"optimizers": (a := adam(o)), "schedulers": ExponentialLR(a, 0.9)},
    "one scheduler of epochs": lambda o: {"optimizers": (a := adam(o)), "epoch_schedulers": LambdaLR(a, lambda e: 0.5)},
    "a plateau of epochs": lambda o: {"optimizers": (a := adam(o)), "epoch_schedulers": [ReduceLROnPlateau(a)]},
    "a weight alone": lambda o: {"schedulers": LinearWeight(o, "rate_weight", 0, 1, 5)},
    "a list of batches": lambda o: {"train": [IMAGES, IMAGES[:3]]},
    "a loader": lambda o: {"train": DataLoader(IMAGES, batch_size=4)},
    "numpy's norm": lambda o: {"clip_norm": np.float32(1.0)},
    "an infinite norm": lambda o: {"clip_norm": math.inf},
    "nothing to keep": lambda o: {"checkpoint": os.devnull, "resume": True},
    "nothing to keep, as a path": lambda o: {"checkpoint": Path(os.devnull)},
    "a rate as a tensor": lambda o: {"optimizers": torch.optim.Adam(o.parameters(), lr=torch.tensor(0.01))},
}  # fmt: skip


@pytest.mark.parametrize("given", TAKEN)
def test_what_is_meant_is_taken(given):
    objective = elbo()
    arguments = {"train": batches(), "epochs": 2, "progress": False, **TAKEN[given](objective)}
    history = fit(objective, arguments.pop("train"), **arguments)
    assert history.epochs == 2 and history.steps == 4
    assert type(history.learning_rate[-1][0]) is float


def test_one_epoch_of_a_generator_is_taken():
    assert fit(elbo(), (x for x in [IMAGES]), valid=iter([IMAGES]), epochs=1, progress=False).steps == 1


def test_what_no_optimiser_holds_stays_as_it_is():
    objective = elbo()
    before = [parameter.detach().clone() for parameter in objective.model.parameters()]
    fit(objective, batches(), epochs=1, optimizers=adam(objective.guide), progress=False)
    assert all(torch.equal(a, b) for a, b in zip(before, objective.model.parameters(), strict=True))


def test_averages_have_the_same_door():
    for objective, given, words in (
        (elbo().model, batches(), "Got a LatentVariableModel as objective"),
        (elbo(), IMAGES, "as batches.*not batches"),
        (batches(), elbo(), "Got a Batches as objective"),
        (Returns(lambda o, x: x), batches(), "expected an Estimate"),
        (elbo(), batches(IMAGES.half()), r"dtype torch\.float16"),
    ):
        with pytest.raises(ValueError, match=words):
            average_terms(objective, given)


def test_everything_works_in_double_precision_by_default():
    torch.set_default_dtype(torch.float64)
    objective, images = elbo(), IMAGES.double()
    history = fit(
        objective, batches(images), valid=batches(images), epochs=2, clip_norm=1.0, patience=2, progress=False
    )
    assert all(parameter.dtype == torch.float64 for parameter in objective.parameters())
    assert history.epochs == 2
