"""What `check` says to an answer."""

from __future__ import annotations

from helpers.exercises.engine.judge import judge
from tests.exercises.toys import ENERGY


def assert_verdict(answer, *words: str, exercise=ENERGY, status="not yet"):
    verdict = judge(exercise, answer, seconds=2.0)
    assert verdict.status == status, verdict
    for word in words:
        assert word in verdict.sentence, verdict
    return verdict
