"""Ids of misconceptions are stable: tables of many learners' answers count them. The list beside this file may only grow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.exercises import check, judge, registry
from helpers.exercises.exercise import Misconception
from helpers.exercises.registry import UnknownExercise

LIST = Path(__file__).with_name("misconception_ids.txt")
EVERY = [exercise for lesson in registry.lessons() for exercise in registry.exercises_of(lesson)]
HERE = [f"{exercise.id} {misconception.id}" for exercise in EVERY for misconception in exercise.misconceptions]


def test_an_id_is_the_name_in_lower_case_with_hyphens():
    assert Misconception("N/B, forgotten: log Z_hat's", print, "").id == "n-b-forgotten-log-z-hat-s"


def test_ids_are_unique_in_their_exercise():
    assert all(line.split(" ")[1] for line in HERE)
    assert len(set(HERE)) == len(HERE)


def test_no_id_is_lost_and_every_new_one_is_listed():
    listed = LIST.read_text(encoding="utf-8").splitlines()
    lost = [line for line in listed if line not in HERE]
    assert not lost, (
        f"These misconceptions were removed or renamed: {lost}. Tables of earlier answers count them by these ids: keep the "
        "names, and reword the sentences instead."
    )
    new = [line for line in HERE if line not in listed]
    assert not new, f"Add these lines to {LIST.name}, so that their ids stay as they are:\n" + "\n".join(new)


def test_a_program_reads_the_verdict_as_plain_data(capsys):
    exercise = EVERY[0]
    wrong = exercise.misconceptions[0]
    verdict = judge(exercise.id, wrong.answer)
    assert capsys.readouterr().out == ""
    told = json.loads(json.dumps(verdict.as_dict()))
    assert (told["status"], told["misconception_id"], told["misconception"]) == ("not yet", wrong.id, wrong.name)
    assert set(told) == set(vars(verdict))
    assert judge(exercise.id, exercise.solution).as_dict()["misconception_id"] is None


def test_judging_for_a_program_keeps_no_progress(monkeypatch):
    from helpers.exercises.engine import checking

    monkeypatch.setattr(checking, "record", lambda *given: pytest.fail("progress was recorded"))
    assert judge(EVERY[0].id, EVERY[0].solution).passed
    monkeypatch.setattr(checking, "record", lambda *given: [])
    assert check(EVERY[0].id, EVERY[0].solution).passed


def test_an_unknown_id_raises_for_a_program():
    with pytest.raises(UnknownExercise, match="nearest"):
        judge("1.1", print)
