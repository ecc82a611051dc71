"""MIDI files that give the same roll back, and files from elsewhere."""

from __future__ import annotations

import io
import struct

import mido
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.data import HarmonyModel, midi_to_roll, roll_to_midi
from helpers.data.music.midi import MOST_STEPS, held_notes


def a_file(*messages, ticks_per_beat: int = 100, end: int = 0) -> bytes:
    """A MIDI file of messages (kind, note, ticks since the one before, channel)."""
    track = mido.MidiTrack(
        mido.Message(kind, note=note, time=time, channel=channel) for kind, note, time, channel in messages
    )
    track.append(mido.MetaMessage("end_of_track", time=end))
    buffer = io.BytesIO()
    mido.MidiFile(ticks_per_beat=ticks_per_beat, tracks=[track]).save(file=buffer)
    return buffer.getvalue()


def where(roll: torch.Tensor) -> list[list[int]]:
    return roll.nonzero().tolist()


@given(steps=st.integers(1, 30), share=st.sampled_from([0.0, 0.05, 0.5, 1.0]), seed=st.integers(0, 99))
def test_any_roll_comes_back(steps, share, seed):
    roll = (torch.rand(steps, 88, generator=torch.Generator().manual_seed(seed)) < share).float()
    back = midi_to_roll(roll_to_midi(roll))
    assert back.dtype == torch.float32 and torch.equal(back, roll)


def test_chorales_come_back():
    sample = HarmonyModel().sample(5, seed=1)
    for roll, length in zip(sample.rolls, sample.lengths, strict=True):
        assert torch.equal(midi_to_roll(roll_to_midi(roll[:length], steps_per_minute=60)), roll[:length])


def test_what_another_reader_finds_in_the_file():
    """Middle C over two steps, then E in the third beside nothing, then a silent step: times in seconds at 120 steps a minute."""
    roll = torch.zeros(4, 88)
    roll[:2, 39] = roll[2, 43] = 1.0
    file = mido.MidiFile(file=io.BytesIO(roll_to_midi(roll, steps_per_minute=120, program=6)))
    now, heard = 0.0, []
    for message in file:  # mido itself turns ticks and tempo into seconds
        now += message.time
        if message.type.startswith("note"):
            heard.append((message.type, message.note, round(now, 6)))
    assert heard == [("note_on", 60, 0.0), ("note_off", 60, 1.0), ("note_on", 64, 1.0), ("note_off", 64, 1.5)]
    assert now == pytest.approx(2.0)
    assert [message.program for message in file if message.type == "program_change"] == [6]


def test_held_notes_are_bars_from_first_to_last_step():
    roll = torch.zeros(5, 88)
    roll[[0, 1, 3, 4], 7] = roll[2, 5] = 1.0
    assert held_notes(roll) == [(5, 2, 3), (7, 0, 2), (7, 3, 5)]


def test_files_from_elsewhere():
    on, off = "note_on", "note_off"
    # times a little off the beat are rounded; a short note takes a step; drums are left out; tracks and channels come together
    loose = a_file(
        (on, 60, 4, 0), (off, 60, 190, 0), (on, 62, 10, 1), (off, 62, 5, 1), (on, 40, 0, 9), (off, 40, 80, 9)
    )
    assert where(midi_to_roll(loose)) == [[0, 39], [1, 39], [2, 41]]
    assert len(midi_to_roll(loose)) == 3
    assert where(midi_to_roll(loose, steps_per_beat=2)) == [[0, 39], [1, 39], [2, 39], [3, 39], [4, 41]]
    # a note that is never released lasts to the end; one struck again while it sounds goes on
    assert where(midi_to_roll(a_file((on, 21, 100, 0), end=200))) == [[1, 0], [2, 0]]
    assert where(midi_to_roll(a_file((on, 108, 0, 0), (on, 108, 100, 0), (off, 108, 100, 0)))) == [[0, 87], [1, 87]]


def test_a_note_on_without_velocity_releases():
    track = mido.MidiTrack([mido.Message("note_on", note=60), mido.Message("note_on", note=60, velocity=0, time=100),
                            mido.MetaMessage("end_of_track", time=100)])  # fmt: skip
    buffer = io.BytesIO()
    mido.MidiFile(ticks_per_beat=100, tracks=[track]).save(file=buffer)
    roll = midi_to_roll(buffer.getvalue())
    assert len(roll) == 2 and where(roll) == [[0, 39]]


@pytest.mark.parametrize(("midi", "words"), [
    (b"", "Got 0 bytes that are no MIDI file"),
    (b"RIFF and so on", "no MIDI file"),
    (roll_to_midi(torch.ones(3, 88))[:40], "no MIDI file"),
    (a_file(), "of 0 steps"),
    (a_file(end=100 * MOST_STEPS + 100), "100,001 steps"),
    (a_file(("note_on", 20, 0, 0), ("note_off", 20, 100, 0)), "note 20; expected 21 to 108"),
    (a_file(("note_on", 109, 0, 0), ("note_off", 109, 100, 0)), "note 109; expected 21 to 108"),
], ids=["nothing", "another format", "truncated", "no step", "far too long", "below the keyboard", "above it"])  # fmt: skip
def test_bytes_that_give_no_roll(midi, words):
    with pytest.raises(ValueError, match=words) as error:
        midi_to_roll(midi)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("roll", "words"), [
    (torch.zeros(3, 128), r"shape \[3, 128\].*expected \[T, 88\]"),
    (torch.zeros(0, 88), r"shape \[0, 88\]"),
    (torch.zeros(2, 3, 88), r"rolls\[0, :lengths\[0\]\]"),
    (torch.full((3, 88), 0.5), "probabilities: torch.bernoulli"),
    (torch.full((3, 88), torch.nan), "other than 0 and 1"),
    ([[0] * 88], "Got a list"),
])  # fmt: skip
def test_what_is_no_roll(roll, words):
    with pytest.raises(ValueError, match=words):
        roll_to_midi(roll)


@pytest.mark.parametrize("steps", [0, 0.5])
def test_steps_that_are_no_part_of_a_beat(steps):
    with pytest.raises(ValueError, match="integer of 1 or more"):
        midi_to_roll(roll_to_midi(torch.zeros(3, 88)), steps_per_beat=steps)


@pytest.mark.parametrize("tempo", [0, -90, 1e6, float("nan")])
def test_tempos_that_no_one_can_play(tempo):
    with pytest.raises(ValueError, match="expected 4 to 1000"):
        roll_to_midi(torch.zeros(3, 88), steps_per_minute=tempo)


def raw_file(
    body: bytes, division: int = 100, kind: int = 0, num_tracks: int = 1, end: bytes = b"\x00\xff\x2f\x00"
) -> bytes:
    """A MIDI file of one track's bytes, repeated, so that it may be wrong as no library writes it."""
    track = b"MTrk" + struct.pack(">I", len(body + end)) + body + end
    return b"MThd" + struct.pack(">IHHH", 6, kind, num_tracks, division) + track * num_tracks


NOTE = bytes([0, 0x90, 60, 64, 100, 0x80, 60, 64])  # middle C for 100 ticks


@pytest.mark.parametrize(("midi", "words"), [
    (raw_file(NOTE, division=0), "of 0 ticks to a quarter note; expected 1 or more"),
    (raw_file(NOTE, division=0xE728), r"in seconds \(SMPTE, 25 frames a second of 40 ticks\)"),
    (raw_file(NOTE, division=0xE250), r"SMPTE, 30 frames a second of 80 ticks"),
    (raw_file(NOTE, division=0x8000), "SMPTE"),
    (raw_file(bytes([0, 0x90, 60, 200]) + NOTE), "data byte above 127"),
    (raw_file(bytes([0, 0x90, 0xBC, 64]) + NOTE), "data byte above 127"),
    (raw_file(bytes([0, 60, 64]) + NOTE), "no MIDI file or a damaged one .*running status.*copy it again"),
    (raw_file(NOTE, kind=2, num_tracks=3), "of type 2, whose 3 tracks are independent pieces"),
    (raw_file(NOTE)[:-6], "EOFError.*truncated download"),
    (raw_file(NOTE)[:10], "no MIDI file.*begin with MThd"),
    (raw_file(NOTE).replace(b"MThd", b"MThx"), "begin with MThd. Usually a file of another format"),
    (b"<html>", "file of another format"),
])  # fmt: skip
def test_files_that_no_program_should_write(midi, words):
    with pytest.raises(ValueError, match=words) as error:
        midi_to_roll(midi)
    assert "\n" not in str(error.value)


def test_what_is_unusual_and_right():
    expected = [[0, 39]]
    running = bytes(
        [0, 0x90, 60, 64, 100, 60, 0]
    )  # a second event without its status, and a velocity of 0 for a release
    tempi = bytes(
        [0, 0xFF, 0x51, 3, 7, 0xA1, 0x20, 0, 0x90, 60, 64, 50, 0xFF, 0x51, 3, 1, 0xA1, 0x20, 50, 0x80, 60, 64]
    )
    system = bytes([0, 0xF0, 3, 1, 2, 0xF7]) + NOTE
    for body in (NOTE, running, tempi, system):
        assert where(midi_to_roll(raw_file(body))) == expected
    assert where(midi_to_roll(raw_file(NOTE, end=b""))) == expected  # without the end of a track
    assert where(midi_to_roll(raw_file(NOTE, kind=1, num_tracks=2))) == expected
    assert where(midi_to_roll(raw_file(NOTE, kind=2))) == expected  # one piece only
    assert where(midi_to_roll(bytearray(raw_file(NOTE)))) == expected
    wrapped = b"RIFF" + struct.pack("<I", 99) + b"RMIDdata" + struct.pack("<I", 99) + raw_file(NOTE)
    assert where(midi_to_roll(wrapped)) == expected
    assert len(midi_to_roll(raw_file(NOTE, division=32767), steps_per_beat=1)) == 1
    silent = midi_to_roll(raw_file(b"", end=bytes([0x81, 0x48, 0xFF, 0x2F, 0])))
    assert len(silent) == 2 and silent.sum() == 0
