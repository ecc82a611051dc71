"""The line that raised is the learner's: never one of the engine's own, which lie between `check` and the answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from helpers.exercises.engine import raising_line as module
from helpers.exercises.engine.judge import judge
from helpers.exercises.engine.raising_line import raising_line
from tests.exercises.toys import ENERGY, energy


def helper(loc):
    return loc.nonsense


def calls_a_helper(loc, scale):
    return helper(loc)


class Callable:
    def __call__(self, loc, scale):
        return loc.nonsense


def by_name_only(*, scale, loc):
    return loc.nonsense


def broken_backward(loc, scale):
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise ValueError("no gradient")

    return Broken.apply(energy(loc, scale))


def test_the_engines_frames_are_told_by_their_folder():
    engine = {path.name for path in module.ENGINE.glob("*.py")}
    assert {"judge.py", "trial.py", "run.py", "time_limit.py"} <= engine  # the frames above every answer
    assert not module.ENGINE.is_relative_to(Path(__file__).parents[1])


def test_no_line_if_the_answer_has_no_frame():
    """An answer written in C: all frames of the traceback are the engine's."""
    verdict = judge(replace(ENERGY, misconceptions=()), torch.matmul)
    assert "raises RuntimeError." in verdict.sentence and not verdict.code
    assert not any(path.name in repr(verdict) for path in module.ENGINE.glob("*.py"))


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        (calls_a_helper, "line 2 of your answer"),
        (by_name_only, "line 2 of your answer"),  # a frame of the engine lies between the call and the answer
        (Callable(), "of test_raising_line.py"),
        (broken_backward, "line 9 of your answer"),
    ],
    ids=["helper", "by name", "object", "backward"],
)
def test_the_line_is_the_learners(answer, place):
    verdict = judge(ENERGY, answer)
    assert place in verdict.sentence, verdict
    assert verdict.code and "within_seconds" not in verdict.code


def test_a_learners_file_beside_the_package_is_not_taken_for_the_engine(tmp_path):
    """The whole folder counts, not its name: a learner may have an `engine` too."""
    path = tmp_path / "engine" / "mine.py"
    path.parent.mkdir()
    path.write_text("def mine():\n    return missing\n")
    scope: dict = {}
    exec(compile(path.read_text(), str(path), "exec"), scope)
    with pytest.raises(NameError) as caught:
        scope["mine"]()
    assert raising_line(caught.value, scope["mine"].__code__).startswith("line 2 of your answer:\n\n    return missing")
    assert raising_line(caught.value, None).startswith("line 2 of mine.py")


def test_an_exception_without_traceback_has_no_line():
    assert raising_line(ValueError(), None) == ""
