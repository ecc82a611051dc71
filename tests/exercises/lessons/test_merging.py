"""Two versions of a lesson, merged cell by cell: nothing of either is lost, unless both changed the same cell."""

from __future__ import annotations

import itertools

import nbformat
import pytest

from helpers.exercises.lessons.merging import differing, merged
from helpers.exercises.lessons.record import prints
from tests.exercises.lessons.toy_project import ANSWER, FIRST, STUB, cell, sources

BASE = ("One.", STUB.format(**FIRST), "Three.", "Four.")
GIVEN = ANSWER.format(**FIRST, number=1)


def notebook(*texts: str):
    return nbformat.v4.new_notebook(cells=[cell(text) for text in texts])


def merge(one, other, base=BASE) -> tuple[list[str], list]:
    asked = []

    def settle(mine, theirs):
        asked.append((sources(nbformat.v4.new_notebook(cells=mine)), sources(nbformat.v4.new_notebook(cells=theirs))))
        return mine

    known = None if base is None else prints(notebook(*base))
    return sources(
        notebook(*[c.source for c in merged(known, notebook(*one).cells, notebook(*other).cells, settle)])
    ), asked


CHANGES = {
    "a cell": lambda cells: [text.replace("Three.", "Three!") for text in cells],
    "a cell taken out": lambda cells: [text for text in cells if text != "Four."],
    "a cell added at the start": lambda cells: ["Nought.", *cells],
    "an answer": lambda cells: [GIVEN if text == BASE[1] else text for text in cells],
}


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(CHANGES, 2)))
def test_changes_of_different_cells_are_all_taken(first, second):
    one, other = CHANGES[first](BASE), CHANGES[second](BASE)
    if {first, second} == {"a cell", "a cell taken out"}:
        return  # neighbours, between which nothing is common: settled, below
    assert merge(one, other) == (list(CHANGES[first](CHANGES[second](BASE))), [])


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_one_or_the_same_of_both_is_taken(name):
    changed = list(CHANGES[name](BASE))
    assert merge(changed, BASE) == merge(BASE, changed) == merge(changed, changed) == (changed, [])


def test_a_cell_that_both_changed_is_settled():
    one, other = CHANGES["a cell"](BASE), [text.replace("Three.", "Three?") for text in BASE]
    assert merge(one, other) == (one, [(["Three!"], ["Three?"])])
    other = [text.replace("return x + 1", "return x + 2") for text in CHANGES["an answer"](BASE)]
    assert merge(CHANGES["an answer"](BASE), other)[1] == [([GIVEN], [other[1]])]
    assert merge(CHANGES["a cell"](BASE), CHANGES["a cell taken out"](BASE))[1]


def test_without_a_base_additions_and_answers_are_taken_and_the_rest_is_settled():
    for name in ("a cell added at the start", "an answer"):
        changed = list(CHANGES[name](BASE))
        assert merge(changed, BASE, base=None) == merge(BASE, changed, base=None) == (changed, [])
    assert merge(CHANGES["a cell"](BASE), BASE, base=None)[1] == [(["Three!"], ["Three."])]


def test_cells_that_differ_are_named_by_place_and_exercise():
    assert differing(notebook(*BASE), notebook(*BASE)) == []
    assert differing(notebook(*CHANGES["an answer"](BASE)), notebook(*BASE)) == ["2 (exercise 77.1)"]
    assert differing(notebook(*CHANGES["a cell taken out"](BASE)), notebook(*BASE)) == ["after 3"]
    assert differing(notebook("Nought.", *BASE), notebook(*BASE)) == ["1"]
