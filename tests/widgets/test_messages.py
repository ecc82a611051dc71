"""The explorer of messages: its words against the messages, legible in every state."""

from __future__ import annotations

import re

import pytest

from helpers.experiments.message_steps import STACKS
from helpers.experiments.message_steps import messages as steps_of
from helpers.widgets.messages import messages, messages_picture
from tests.widgets.legible import unreadable

EXPLORER = messages()


@pytest.mark.parametrize("stack", STACKS)
def test_every_step_says_and_shows_its_message(stack):
    steps = steps_of(stack)
    for number, message in enumerate(steps, 1):
        picture = messages_picture(handlers=stack, step=number)
        assert (
            picture.alt.startswith(f"Step {number} of {len(steps)}. The site {message.site}")
            and message.said in picture.alt
        )
        assert ("no value" in picture.alt) == (message.value is None)
        words = [text.get_text() for text in picture.figure.axes[0].texts]
        assert words.count(message.site) >= 1 and f"Bernoulli({message.probability:.2f})" in words
        assert not unreadable(picture.figure)
        if number == len(steps):
            joint = sum(row[2] for row in message.rows.values())
            shown = float(re.search(r"log joint is (\S+?)\.$", picture.caption)[1].replace("−", "-"))
            assert shown == pytest.approx(joint, abs=0.0051)


def test_beyond_the_last_step_the_last_one_stays():
    short, last = "trace", len(steps_of("trace"))
    assert EXPLORER.controls["step"].high > last
    assert messages_picture(handlers=short, step=last + 3).alt == messages_picture(handlers=short, step=last).alt
