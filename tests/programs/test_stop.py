"""Leaving a program at a site."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Normal

from helpers.programs import plate, sample, trace
from helpers.programs.stack import handlers
from helpers.programs.stop import StopAt, Stopped


def program():
    try:
        sample("a", Normal(0.0, 1.0))
        with plate("data", 3):
            sample("b", Normal(torch.tensor(0.0), 1.0))
    except Exception:
        raise AssertionError("the program's own except met the stop") from None


def test_a_program_is_left_at_a_site_with_its_plates_and_without_a_value():
    recorder = trace()
    with pytest.raises(Stopped) as stopped, recorder, StopAt(lambda site: site.name == "b"):
        program()
    site = stopped.value.site
    assert (
        site.value is None
        and site.distribution.batch_shape == (3,)
        and [frame.name for frame in site.plates] == ["data"]
    )
    assert list(recorder.trace) == ["a", "data"] and handlers() == ()


def test_a_condition_that_never_holds():
    with StopAt(lambda site: False):
        program()
