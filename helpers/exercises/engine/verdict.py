"""What `check` returns, and the card that shows verdicts, hints and solutions: HTML in a notebook, plain text in a terminal."""

from __future__ import annotations

import html
import re
import textwrap
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["not attempted", "passed", "not yet"]
SYMBOLS = {"not attempted": "○", "passed": "✓", "not yet": "➜"}
HEADLINES = {"not attempted": "Not attempted yet", "passed": "Passed", "not yet": "Not yet"}
# Visible on white and on black; they repeat what symbol and headline say. Text has the page's own colour.
EDGES = {"not attempted": "#8c8c8c", "passed": "#2e9e5b", "not yet": "#d9822b"}
_MARK = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, repr=False)
class Verdict:
    """What `check` found.

    Args:
        exercise: Id of the exercise; "" if `check` was called without a known one.
        title: Its title.
        status: "not attempted", "passed" or "not yet".
        sentence: The one most useful sentence. `Backticks` mark code.
        facts: Evidence, as (label, text).
        code: Lines of the answer; "" if none help.
        notes: What does not affect the status, such as what the answer printed, or that progress could not be saved.
        misconception: Name of the misconception that the answer equals, or None.
        misconception_id: What a table of many answers can count: the `id` of the misconception, or of the general slip that was
            recognised, as "transformation:square:scale". None if neither was.
        remarks: What could be better about an answer that passed, such as that it is costly.
    """

    exercise: str
    title: str
    status: Status
    sentence: str
    facts: tuple[tuple[str, str], ...] = ()
    code: str = ""
    notes: tuple[str, ...] = field(default=())
    misconception: str | None = None
    misconception_id: str | None = None
    remarks: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.status == "passed"

    def as_dict(self) -> dict[str, Any]:
        """The verdict as plain data, for `json.dumps` and for tables.

        Returns:
            Every field by name; tuples are lists.
        """
        return {
            "exercise": self.exercise,
            "title": self.title,
            "status": self.status,
            "sentence": self.sentence,
            "facts": [list(fact) for fact in self.facts],
            "code": self.code,
            "notes": list(self.notes),
            "misconception": self.misconception,
            "misconception_id": self.misconception_id,
            "remarks": list(self.remarks),
        }

    @property
    def headline(self) -> str:
        """Status and exercise, as "✓ Passed · 01.1 A divergence in closed form"."""
        what = f" · {self.exercise} {self.title}".rstrip() if self.exercise else ""
        return f"{SYMBOLS[self.status]} {HEADLINES[self.status]}{what}"

    def __repr__(self) -> str:
        parts = [self.headline, wrapped(self.sentence)]
        if self.code:
            parts.append(textwrap.indent(self.code, "    "))
        parts += [wrapped(f"{label}: {text}") for label, text in self.facts]
        parts += [wrapped(f"Remark: {remark}") for remark in self.remarks]
        parts += [wrapped(f"Note: {note}") for note in self.notes]
        return "\n".join(parts)

    def _repr_html_(self) -> str:
        body = f'<div style="margin-top:0.3em">{marked(self.sentence)}</div>'
        if self.code:
            body += preformatted(self.code)
        if self.facts:
            rows = "".join(f"<div><b>{marked(label)}:</b> {marked(text)}</div>" for label, text in self.facts)
            body += f'<div style="margin-top:0.4em;font-size:0.92em">{rows}</div>'
        below = [("Remark", text) for text in self.remarks] + [("Note", text) for text in self.notes]
        body += "".join(
            f'<div style="margin-top:0.4em;font-size:0.92em"><i>{kind}: {marked(text)}</i></div>'
            for kind, text in below
        )
        return card(self.headline, body, EDGES[self.status], "workbook-verdict")


def card(headline: str, body: str, edge: str, name: str) -> str:
    """A headline over a body, with a coloured edge.

    Args:
        headline: Plain text.
        body: HTML.
        edge: CSS colour of the edge.
        name: CSS class of the card.

    Returns:
        HTML.
    """
    style = (
        f"border:1px solid #8886;border-left:0.45em solid {edge};border-radius:4px;padding:0.5em 0.9em;margin:0.4em 0;"
        "max-width:60em;line-height:1.45"
    )
    return f'<div class="{name}" style="{style}"><div><b>{html.escape(headline)}</b></div>{body}</div>'


def marked(text: str) -> str:
    """Plain text as HTML: escaped, with `backticks` as code. The page itself typesets $math$.

    Args:
        text: Plain text.

    Returns:
        HTML.
    """
    parts = _MARK.split(text)
    parts[::2] = [html.escape(part) for part in parts[::2]]
    parts[1::2] = [f"<code>{html.escape(part)}</code>" for part in parts[1::2]]
    return "".join(parts).replace("\n", "<br>")


def preformatted(code: str) -> str:
    """Lines of code as HTML. Nothing in them is typeset as mathematics.

    Args:
        code: Lines of code.

    Returns:
        HTML.
    """
    return f'<pre style="margin:0.4em 0;white-space:pre-wrap;background:transparent;color:inherit">{html.escape(code)}</pre>'


def wrapped(text: str) -> str:
    """Text folded and indented for a terminal.

    Args:
        text: Plain text. Its line breaks are kept.

    Returns:
        Lines of at most 100 characters, unless a word is longer.
    """
    return "\n".join(
        textwrap.fill(line, 100, initial_indent="  ", subsequent_indent="  ", break_long_words=False)
        for line in text.split("\n")
    )
