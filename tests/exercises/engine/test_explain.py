"""What an exception means is said only as far as the exception proves it."""

from __future__ import annotations

import pytest
import torch

from helpers.exercises.engine.explain import explain


def raised(call) -> BaseException:
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ((4, 3), (5, 3), "fit if the second is transposed"),
        ((3, 4), (3, 5), "fit if the first is transposed"),
        ((4, 3), (5, 4), "fit in the other order"),
        ((4, 3), (2, 5), "No transpose makes them fit"),
    ],
)
def test_a_transpose_is_suggested_only_if_it_makes_the_sizes_fit(one, other, words):
    sentence = explain(raised(lambda: torch.ones(one) @ torch.ones(other)))
    assert words in sentence
    assert ("transposed" in sentence) == ("transposed" in words)


@pytest.mark.parametrize(
    "error",
    [
        AssertionError("Torch not compiled with CUDA enabled"),
        RuntimeError("Found no NVIDIA driver on your system."),
        RuntimeError("No CUDA GPUs are available"),
    ],
)
def test_a_gpu_that_is_not_there(error):
    assert "There is no GPU here" in explain(error) and "x.device" in explain(error)


def test_an_assertion_of_the_answer_is_no_missing_gpu():
    assert "`assert`" in explain(AssertionError("shapes"))


def test_a_name_near_to_an_argument_is_that_argument():
    error = raised(lambda: eval("logit", {}))
    assert "Did you mean `logits`?" in explain(error, ["logit_of", "log"], ["logits", "x"])
    assert "torch.logit" in explain(error, [], ["x"])
