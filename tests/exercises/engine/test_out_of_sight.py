"""What an answer prints, logs and shows does not appear above the verdict; a note says what it was."""

from __future__ import annotations

import logging
import sys
import warnings

import matplotlib.pyplot as plt
import pytest
import tqdm
import tqdm.auto
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from helpers.exercises.engine.judge import judge
from tests.exercises.toys import ENERGY, energy


def prints(loc, scale):
    print("loc is", tuple(loc.shape))
    return energy(loc, scale)


def warns(loc, scale):
    warnings.warn("careful", stacklevel=2)
    return energy(loc, scale)


def logs(loc, scale):
    logging.getLogger("learner").warning("logged words")
    return energy(loc, scale)


def sets_up_logs(loc, scale):
    logging.basicConfig(level=logging.INFO, force=True)
    logging.info("logged words")
    return energy(loc, scale)


def bar(loc, scale):
    for _ in tqdm.tqdm(range(3)):
        pass
    return energy(loc, scale)


def shows(loc, scale):
    plt.plot(loc.detach().flatten())
    plt.show()
    return energy(loc, scale)


def leaves_figures(loc, scale):
    plt.figure()
    plt.subplots()
    return energy(loc, scale)


def displays(loc, scale):
    display(loc)
    return energy(loc, scale)


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (prints, "prints: loc is (4, 3)"),
        (warns, ""),
        (logs, "prints: logged words"),
        (sets_up_logs, "prints: INFO:root:logged words"),
        (bar, ""),
        (shows, "a picture"),
        (leaves_figures, "2 pictures"),
        (displays, "prints: tensor"),
    ],
)
def test_nothing_appears_above_the_verdict(answer, note, capfd):
    old_handler = logging.StreamHandler(sys.stderr)  # as `basicConfig` in a lesson's first cell leaves
    logging.getLogger("learner").addHandler(old_handler)
    plt.close("all")
    figure = plt.figure()
    handlers, level, show = list(logging.root.handlers), logging.root.level, plt.show
    verdict = judge(ENERGY, answer)
    assert verdict.passed
    assert capfd.readouterr() == ("", "")
    assert len(verdict.notes) == bool(note) and note in " ".join(verdict.notes)
    assert plt.get_fignums() == [figure.number] and plt.gcf() is figure and plt.show is show
    assert (logging.root.handlers, logging.root.level) == (handlers, level)
    assert old_handler.stream is sys.stderr
    logging.getLogger("learner").removeHandler(old_handler)
    plt.close(figure)


def test_displays_of_a_notebook_are_counted_and_left_out(monkeypatch):
    shell = InteractiveShell()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.setattr(InteractiveShell, "initialized", classmethod(lambda cls: True))
    monkeypatch.setattr(InteractiveShell, "instance", classmethod(lambda cls, *_, **__: shell))
    publisher = shell.display_pub
    verdict = judge(ENERGY, displays)
    assert verdict.passed and "a picture or display at each call" in verdict.notes[0]
    assert shell.display_pub is publisher
