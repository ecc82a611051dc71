"""Bach's chorales from their file, synthetic ones from none, and what stands in for what."""

from __future__ import annotations

import json

import pytest
import torch

from helpers import settings
from helpers.data import Chorales, load_chorales, rolls_from_pitches
from helpers.data.download.store import DataUnavailable
from helpers.data.music import chorales

# Of the published file: sequences, steps, shortest, longest, notes
JSB = {
    "train": (229, 13_807, 25, 129, 53_824),
    "valid": (76, 4_602, 32, 144, 17_811),
    "test": (77, 4_725, 32, 160, 18_367),
}
SMALL = (5, 3, 2)


@pytest.fixture
def bach(data_folder, server, monkeypatch):
    """A file like Bach's, at an address of its own."""
    pieces = {"train": [[[60, 64, 67, 72], []], [[21], [108], [59, 62]]], "valid": [[[60]]], "test": [[[62, 60, 60]]]}
    file = server.data_file(json.dumps(pieces).encode(), path="jsb/pieces.json", zipped=False)
    monkeypatch.setitem(chorales.MANIFEST, "jsb", {"quarter": file})
    return file


@pytest.fixture
def nowhere(data_folder, server, monkeypatch):
    """No file, and an address that does not have it."""
    file = server.data_file(b"{}", path="jsb/nothing.json", zipped=False)
    server.pages.clear()
    monkeypatch.setitem(chorales.MANIFEST, "jsb", {"quarter": file})


def test_the_published_chorales_are_all_there():
    if not (settings.data_dir() / "jsb/jsb-chorales-quarter.json").is_file():
        pytest.skip("WORKBOOK_DATA names no folder with the chorales")
    data = load_chorales("jsb")
    assert data.name == "jsb"
    for part, (num, steps, shortest, longest, notes) in JSB.items():
        of_part = getattr(data, part)
        assert of_part.rolls.shape == (num, longest, 88) and of_part.rolls.dtype == torch.float32
        assert (int(of_part.lengths.min()), int(of_part.lengths.max()), int(of_part.lengths.sum())) == (
            shortest,
            longest,
            steps,
        )
        assert int(of_part.rolls.sum()) == notes
    heard = data.train.rolls.flatten(0, 1).any(0).nonzero()
    assert (int(heard.min()) + 21, int(heard.max()) + 21) == (43, 96)
    # the first steps of the first chorale, as the file tells them
    steps = [(step.nonzero().flatten() + 21).tolist() for step in data.train.rolls[0, :3]]
    assert steps == [[60, 72, 79, 88], [72, 79, 88], [67, 70, 76, 84]]


def test_a_downloaded_file_is_kept_and_read(bach, data_folder):
    data = load_chorales("jsb")
    assert (data_folder / bach.path).is_file()
    assert data.train.lengths.tolist() == [2, 3]
    assert [(step.nonzero().flatten() + 21).tolist() for step in data.train.rolls[1]] == [[21], [108], [59, 62]]
    assert data.train.rolls[0, 1:].sum() == 0, "a silent step, and what is beyond the end"
    assert data.test.rolls.sum() == 2, "a pitch said twice sounds once"


def test_without_file_or_network_the_fallback_stands_in_with_a_notice(nowhere, capsys):
    with pytest.raises(DataUnavailable, match="WORKBOOK_DATA"):
        load_chorales("jsb")
    capsys.readouterr()
    data = load_chorales("jsb", fallback="synthetic", size=SMALL)
    notice = capsys.readouterr().out
    assert data.name == "synthetic"
    assert notice.count("\n") == 1 and "Using synthetic chorales instead of jsb" in notice and "WORKBOOK_DATA" in notice


def test_an_altered_file_is_not_read(bach, data_folder, server):
    server.pages.clear()
    path = data_folder / bach.path
    path.parent.mkdir(parents=True)
    path.write_text('{"train": [[[60]]], "valid": [[[60]]], "test": [[[60]]]}')
    with pytest.raises(DataUnavailable, match=f"(altered|truncated).*{bach.sha256}"):
        load_chorales("jsb")


def test_smoke_mode_takes_the_fallback_at_once_and_never_the_network(bach, server, monkeypatch, capsys):
    monkeypatch.setattr(settings, "SMOKE", True)
    assert load_chorales("jsb", fallback="synthetic", size=SMALL).name == "synthetic"
    assert "Smoke mode does without jsb" in capsys.readouterr().out
    with pytest.raises(DataUnavailable):
        load_chorales("jsb")
    assert not server.requests


def test_synthetic_chorales_need_no_file_and_the_seed_decides(data_folder, capsys):
    data, again, other = (load_chorales("synthetic", size=SMALL, seed=seed) for seed in (0, 0, 1))
    assert data.name == "synthetic" and [len(part) for part in (data.train, data.valid, data.test)] == list(SMALL)
    assert torch.equal(data.train.rolls, again.train.rolls)
    assert not torch.equal(data.train.lengths, other.train.lengths)
    assert not data_folder.exists() and not capsys.readouterr().out


def test_parts_are_drawn_apart():
    data, larger = load_chorales("synthetic", size=SMALL), load_chorales("synthetic", size=(5, 30, 30))
    assert torch.equal(data.train.rolls, larger.train.rolls), "a larger test part must leave the training part alone"
    everything = [
        part.rolls[n, :length]
        for part in (larger.train, larger.valid, larger.test)
        for n, length in enumerate(part.lengths)
    ]
    assert len({tuple(roll.flatten().tolist()) for roll in everything}) == 65, "no chorale is in two parts"


def test_synthetic_chorales_know_their_likelihood_and_bachs_do_not(bach):
    data = load_chorales("synthetic", size=SMALL)
    values = data.exact_log_marginal(data.test.rolls, data.test.lengths)
    assert values.shape == (2,) and values.dtype == torch.float64 and (values < 0).all()
    floor, error = data.entropy_floor(data.train.rolls, data.train.lengths)
    assert floor == pytest.approx(
        float(-data.exact_log_marginal(data.train.rolls, data.train.lengths).sum() / data.train.lengths.sum())
    )
    assert 0 < error < 1
    real = load_chorales("jsb")
    for question in (real.exact_log_marginal, real.entropy_floor):
        with pytest.raises(ValueError, match="Got chorales 'jsb', whose exact likelihood is unknown.*synthetic"):
            question(real.test.rolls, real.test.lengths)


@pytest.mark.parametrize(("given", "words"), [
    ({"name": "jsb_chorales"}, "Did you mean 'jsb'"),
    ({"name": "synthetic", "size": (5, 3)}, "three integers of 1 or more"),
    ({"name": "synthetic", "size": 5}, "three integers of 1 or more"),
    ({"name": "synthetic", "size": (5, 0, 1)}, "three integers of 1 or more"),
    ({"name": "synthetic", "seed": -1}, "integer of 0 or more"),
    ({"name": "jsb", "size": (5, 3, 2)}, "for jsb; expected None"),
    ({"name": "jsb", "fallback": "digits"}, "expected 'synthetic'"),
])  # fmt: skip
def test_wrong_arguments(given, words):
    with pytest.raises(ValueError, match=words) as error:
        load_chorales(**given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("pitch", [20, 109, -1, 60.0, True])
def test_pitches_off_the_keyboard_are_refused(pitch):
    with pytest.raises(
        ValueError, match=f"Got pitch {pitch!r} at step 2 of sequence 1; expected MIDI numbers from 21 to 108"
    ):
        rolls_from_pitches([[[60]], [[60], [], [60, pitch]]])


def test_pitches_to_rolls_and_what_is_no_sequence():
    both = rolls_from_pitches([[[]], [[21, 108], []]])
    assert both.lengths.tolist() == [1, 2] and both.rolls.nonzero().tolist() == [[1, 0, 0], [1, 0, 87]]
    for wrong in ([], [[[60]], []]):
        with pytest.raises(ValueError, match="one or more sequences of one step or more"):
            rolls_from_pitches(wrong)


def test_a_part_is_checked_when_it_is_made():
    rolls, lengths = torch.zeros(2, 4, 88), torch.tensor([4, 2])
    assert repr(Chorales(rolls, lengths)) == "Chorales(2 of 2 to 4 steps, 6 in all)"
    rolls[1, 3, 0] = 1.0
    with pytest.raises(ValueError, match="of sequence 1, which ends after 2 steps"):
        Chorales(rolls, lengths)
    for wrong in (torch.zeros(2, 4, 128), torch.zeros(2, 4, 88, dtype=torch.float64)):
        with pytest.raises(ValueError, match=r"expected float32 \[N, T, 88\]"):
            Chorales(wrong, lengths)


def test_the_file_is_looked_for_where_the_data_folder_has_it():
    file = chorales.MANIFEST["jsb"]["quarter"]
    assert file.path == "jsb/jsb-chorales-quarter.json" and all(
        url.endswith("/jsb-chorales-quarter.json") for url in file.urls
    )
