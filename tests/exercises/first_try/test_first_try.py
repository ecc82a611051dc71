"""No wrong answer of a first try passes and no right one is refused; prints what the answers heard then."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path

import pytest

from helpers.exercises import registry
from helpers.exercises.engine.judge import judge
from tests.exercises.first_try.tries import HEARD, TRIES, said

LESSONS = sorted(path.stem.removeprefix("lesson_") for path in Path(__file__).parent.glob("lesson_*.py"))
for _lesson in LESSONS:
    importlib.import_module(f"tests.exercises.first_try.lesson_{_lesson}")


@pytest.mark.thorough
@pytest.mark.parametrize("one", TRIES, ids=lambda one: one.key.replace(" ", "-"))
def test_right_answers_pass_and_wrong_ones_do_not(one):
    assert judge(registry.find(one.exercise), one.answer).passed is one.is_right, one.about


def test_every_exercise_has_ten_wrong_and_five_right_answers_and_each_was_judged():
    then = said()
    assert set(then) == {one.key for one in TRIES}
    for lesson in LESSONS:
        for exercise in registry.exercises_of(lesson):
            kinds = Counter(one.is_right for one in TRIES if one.exercise == exercise.id)
            assert kinds[False] >= 10 and kinds[True] >= 5, f"{exercise.id}: {kinds}"
    assert {entry["heard"] for entry in then.values()} <= set(HEARD)


def test_the_counts_of_the_first_try(capsys):
    then = said()
    rows = {}
    for one in TRIES:
        row = rows.setdefault(one.exercise, Counter())
        heard = then[one.key]["heard"]
        row["right, " + heard if one.is_right else heard] += 1
    total = sum(rows.values(), Counter())
    with capsys.disabled():
        print("\n\nfirst try   wrong: passed named general misleading   right: passed refused")
        for name, row in [*sorted(rows.items()), ("all", total)]:
            wrong = [row[heard] for heard in HEARD[:4]]
            print(
                f"{name:9} {sum(wrong):7}  {wrong[0]:6} {wrong[1]:5} {wrong[2]:7} {wrong[3]:10} "
                f"  {row['right, passed'] + row['right, refused']:5}  {row['right, passed']:6} {row['right, refused']:7}"
            )
    assert sum(total.values()) == len(TRIES)
