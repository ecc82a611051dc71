"""A right answer whose first call imports something passes in a fresh process, also on a busy machine; torch is whole afterwards."""

from __future__ import annotations

import os
import random

import pytest

from tests.exercises.fresh_process import HEAVY, names, try_in_forks

COUNT = 20


@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_first_calls_beside_busy_processes():
    chosen = random.Random(0).sample(names(HEAVY), COUNT)
    assert {name.split("/")[1] for name in chosen} == set(HEAVY)
    assert {name.split("/")[2] for name in chosen} == {"quick", "slow"}
    assert [result for result in try_in_forks(chosen) if result[1] != "whole"] == []
