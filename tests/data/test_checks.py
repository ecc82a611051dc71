"""Images that cannot be right are refused, with the shape given, the shape expected and the usual cause."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.data import checks
from helpers.data.checks import (
    between,
    binary_cause,
    check_finite,
    check_function,
    check_images,
    check_integer,
    check_name,
    describe,
    is_binary,
    value_range,
)
from helpers.data.images import Split

GOOD = torch.rand(5, 1, 8, 8)


def test_good_images_pass():
    check_images(GOOD)
    check_images(torch.zeros(1, 3, 5, 7))


def with_one(value: float) -> torch.Tensor:
    images = GOOD.clone()
    images[3, 0, 4, 5] = value
    return images


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (GOOD[:, 0], r"\[5, 8, 8\].*channel is missing.*unsqueeze\(1\)"),
        (GOOD.flatten(1), r"\[5, 64\].*expected float32 \[N, C, H, W\].*view"),
        (GOOD[:0], r"\[0, 1, 8, 8\].*no pixel"),
        (torch.rand(5, 8, 8, 3), r"C is 1, 3 or 4.*permute\(0, 3, 1, 2\)"),
        (torch.rand(5, 2, 8, 8), r"\[5, 2, 8, 8\].*C is 1, 3 or 4"),
        ((GOOD * 255).byte(), "uint8.*divide by 255 and convert to float32"),
        (GOOD * 255, r"in \[0, 1\].*divide by 255"),
        (GOOD.double(), r"float64.*images.float\(\)"),
        (GOOD * 2 - 1, r"scaled to \[-1, 1\]: \(images \+ 1\) / 2"),
        (GOOD * 4 - 2, "standardised"),
        (with_one(math.nan), "from nan to nan.*NaN pixels"),
        (with_one(math.inf), "Infinite pixels"),
        (with_one(-math.inf), "Infinite pixels"),
        (with_one(1.0000001), r"to 1\.0000001[0-9]*; .*rounding.*clamp\(0, 1\)"),
        (with_one(-1e-9), "from -1e-09 to .*rounding"),
        (with_one(-1e-30), "from -1e-30 to .*rounding"),
        (with_one(1.3), "to 1.3; .*overshoots"),
        (with_one(-0.2), "from -0.2 to .*noise"),
        (with_one(2.0), "divide by 255"),
        (GOOD * 65_535, "divide by 65,535"),
    ],
)
def test_what_cannot_be_right_is_refused(images, message):
    with pytest.raises(ValueError, match=message):
        check_images(images)
    with pytest.raises(ValueError, match=message):
        Split(images)


@pytest.mark.parametrize(
    "labels", [torch.arange(4), torch.arange(5).float(), torch.eye(5).long(), torch.arange(5).to(torch.int32)]
)
def test_labels_must_be_one_class_number_an_image(labels):
    with pytest.raises(ValueError, match=r"for 5 images; expected int64 \[5\].*argmax"):
        Split(GOOD, labels)


@pytest.mark.parametrize("value", [2, 3, 10**20])
def test_integers_of_the_minimum_or_more_pass(value):
    check_integer(value, "steps", "steps to a beat", minimum=2)


@pytest.mark.parametrize("value", [1, -3, 2.0, "3", True, None])
def test_other_values_than_integers_of_the_minimum_are_refused(value):
    with pytest.raises(ValueError) as error:
        check_integer(value, "steps", "steps to a beat", minimum=2)
    assert str(error.value) == f"Got steps={value!r}; expected steps to a beat, an integer of 2 or more."


def test_a_name_that_is_none_of_them_is_refused_with_the_nearest():
    check_name("jsb", ("jsb", "synthetic"), "chorales")
    with pytest.raises(ValueError) as error:
        check_name("Synthetics", ("jsb", "synthetic"), "chorales")
    assert str(error.value) == "Got chorales 'Synthetics'; expected one of jsb, synthetic. Did you mean 'synthetic'?"
    with pytest.raises(ValueError, match="expected one of jsb.$"):
        check_name(3, ["jsb"], "chorales")


def test_the_range_of_values_is_nan_if_any_value_is():
    assert value_range(torch.tensor([2, -1, 5])) == (-1, 5)
    assert all(math.isnan(value) for value in value_range(torch.tensor([0.0, math.nan, 1.0])))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_refused(bad):
    assert check_finite(torch.tensor([0.5, -2.0]), "rolls") == (-2.0, 0.5)
    with pytest.raises(
        ValueError, match=r"Got rolls of shape \[2\] .*; expected finite values\. Usually a division by zero"
    ):
        check_finite(torch.tensor([0.0, bad]), "rolls")


@pytest.mark.parametrize(
    ("values", "binary"),
    [([0.0, 1.0], True), ([True, False], True), ([0.0, 0.5], False), ([-1, 1], False), ([0.0, math.nan], False)],
)
def test_binary_means_zeros_and_ones_only(values, binary):
    assert is_binary(torch.tensor(values)) is binary


def test_a_description_has_name_shape_and_dtype():
    assert describe(torch.zeros(2, 3, dtype=torch.int64), "labels") == "labels of shape [2, 3] and dtype int64"


def test_every_error_of_the_data_sets_says_what_was_given_and_what_was_expected():
    folder = Path(checks.__file__).parent
    raised = [
        ast.unparse(node.exc)
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Raise) and node.exc is not None and "ValueError" in ast.unparse(node.exc)
    ]
    assert len(raised) > 40
    assert [sentence for sentence in raised if "Got " not in sentence or "expected" not in sentence] == []


def test_a_range_is_said_with_the_digits_that_tell_it_from_0_and_1():
    assert between(0.0, 1.0) == "values from 0 to 1"
    assert between(0.25, 1.0000001) == "values from 0.25 to 1.0000001"
    assert between(-1e-9, 0.9999999999) == "values from -1e-09 to 0.9999999999"
    assert between(-123456.789, math.inf) == "values from -123457 to inf"
    below = 1 - 2.0**-53
    assert float(between(0.0, below).rpartition(" ")[2]) == below


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.0, 1.0000001], "rounding: x.round()"),
        ([-1e-9, 1.0], "rounding"),
        ([0.0, 0.5], "probabilities: torch.bernoulli(x)"),
        ([0.0, 72.0], "MIDI velocities: use (x > 0)"),
        ([-1.0, 1.0], "-1 marks a rest"),
        ([math.nan, 1.0], "missing values"),
    ],
)
def test_the_cause_of_keys_that_are_neither_on_nor_off(values, words):
    assert words in binary_cause(torch.tensor(values), "x")


def test_a_function_or_none():
    check_function(None, "transform", "a batch", "f")
    check_function(torch.round, "transform", "a batch", "f")
    with pytest.raises(ValueError, match="Got transform=3; expected a function of a batch, such as f, or None"):
        check_function(3, "transform", "a batch", "f")


def test_numpys_integers_are_integers():
    value = check_integer(np.int64(3), "steps", "steps")
    assert value == 3 and type(value) is int
    with pytest.raises(ValueError) as error:
        check_integer(torch.ones(50, 50), "steps", "steps")
    assert len(str(error.value)) < 200 and "\n" not in str(error.value)
    for wrong in (np.float64(3), np.bool_(True), np.int64(0)):
        with pytest.raises(ValueError, match="Got steps="):
            check_integer(wrong, "steps", "steps")
