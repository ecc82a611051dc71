"""Numbers in words carry the minus sign."""

from __future__ import annotations

from helpers.plots.words import with_minus


def test_every_hyphen_becomes_a_minus_sign():
    assert with_minus("-1.5 ± 1e-9") == "\N{MINUS SIGN}1.5 ± 1e\N{MINUS SIGN}9"
    assert with_minus("+2.0") == "+2.0"
