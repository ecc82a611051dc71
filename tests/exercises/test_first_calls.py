"""A right answer whose first call imports something passes in a fresh process, also on a busy machine; torch is whole afterwards."""

from __future__ import annotations

from tests.exercises.fresh_process import HEAVY, names, try_all

COUNT = 20


def test_first_calls_beside_busy_processes():
    every = names(HEAVY)
    chosen = every[:: len(every) // COUNT][:COUNT]
    assert {name.split("/")[1] for name in chosen} == set(HEAVY)
    assert {name.split("/")[2] for name in chosen} == {"quick", "slow"}
    assert [result for result in try_all(chosen) if result[2] != "whole"] == []
