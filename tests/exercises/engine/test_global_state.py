"""An answer cannot change the learner's random state, default dtype or other settings of the process."""

from __future__ import annotations

import sys

import numpy
import pytest
import torch

from helpers.exercises.engine.judge import judge
from tests.exercises.toys import ENERGY, energy


def forever(loc, scale):
    while True:
        pass


def meddles(loc, scale):
    import random

    torch.manual_seed(1)
    numpy.random.seed(1)
    random.seed(1)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_grad_enabled(False)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
    torch.autograd.set_detect_anomaly(True)
    numpy.seterr(all="raise")
    sys.setrecursionlimit(5000)
    raise ValueError


@pytest.mark.parametrize(
    "answer",
    [energy, meddles, forever, lambda loc, scale: torch.randn(3)],
    ids=["right", "meddles", "forever", "draws"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("grad", [True, False])
def test_nothing_of_the_learners_is_moved(answer, dtype, grad):
    import random

    torch.set_default_dtype(dtype)
    torch.manual_seed(7)
    numpy.random.seed(7)
    random.seed(7)

    def state():
        return (
            torch.get_rng_state().tolist(), torch.initial_seed(), str(numpy.random.get_state()),
            random.getstate(), torch.get_default_dtype(),
            torch.get_default_device(), torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark,
            torch.is_anomaly_enabled(), numpy.geterr(), sys.getrecursionlimit(), torch.get_num_threads(), sys.stdout,
        )  # fmt: skip

    with torch.set_grad_enabled(grad):
        before = state()
        verdict = judge(ENERGY, answer, seconds=0.2 if answer is forever else 20.0)
        assert state() == before
    assert verdict.passed == (answer is energy)


def test_a_default_device_and_inference_mode_do_not_matter():
    with torch.device("meta"):
        assert judge(ENERGY, energy).passed
        assert torch.get_default_device().type == "meta"
    with torch.inference_mode():
        assert judge(ENERGY, energy).passed
        assert torch.is_inference_mode_enabled()
