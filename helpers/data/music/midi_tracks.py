"""The tracks of a MIDI file, or a sentence on why it cannot be read in steps of a beat."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mido


def read_tracks(midi: bytes) -> tuple[int, list[list[mido.Message]]]:
    """Read the messages of a MIDI file. The wrapper of a RIFF MIDI file (.rmi) is taken off.

    Args:
        midi: Contents of the file.

    Returns:
        Ticks to a quarter note, 1 or more, and the messages of each track.

    Raises:
        ValueError: If it is no MIDI file or a damaged one, or if its ticks are not parts of a quarter note.
    """
    import mido  # only here: lessons without sound do not need it

    expected = "expected the bytes of a .mid file"
    if not isinstance(midi, bytes | bytearray | memoryview):
        cause = "Usually the name of the file, or the open file: Path(name).read_bytes() gives the bytes."
        raise ValueError(f"Got a {type(midi).__name__}; {expected}. {cause}")
    midi = bytes(midi)
    start = midi.find(b"MThd") if midi[:4] == b"RIFF" and midi[8:12] == b"RMID" else 0
    header = midi[max(start, 0) :]
    if header[:4] != b"MThd" or len(header) < 14:
        cause = (
            "Usually a truncated download." if b"MThd".startswith(header[:4]) else "Usually a file of another format."
        )
        raise ValueError(f"Got {len(midi):,} bytes that are no MIDI file; {expected}, which begin with MThd. {cause}")
    kind, num_tracks, division = struct.unpack(">HHH", header[8:14])
    if kind == 2 and num_tracks > 1:
        raise ValueError(
            f"Got a MIDI file of type 2, whose {num_tracks} tracks are independent pieces; expected type 0 or 1. Usually patterns: "
            "save the piece that is meant as a file of its own."
        )
    if division & 0x8000:
        frames = 256 - (division >> 8)
        raise ValueError(
            f"Got a MIDI file whose time is in seconds (SMPTE, {frames} frames a second of {division & 0xFF} ticks); expected ticks to a "
            "quarter note, because a step is part of a beat. Usually made for film: save it again with ticks per quarter note."
        )
    if division == 0:
        raise ValueError(
            "Got a MIDI file of 0 ticks to a quarter note; expected 1 or more, such as 480. Usually a damaged header, or a faulty program."
        )
    try:
        file = mido.MidiFile(file=io.BytesIO(header))
        return division, [list(track) for track in file.tracks]
    except Exception as error:  # mido raises errors of many types
        fault = " ".join(str(error).split())
        if "data byte" in fault:
            raise ValueError(
                "Got a MIDI file with a data byte above 127; expected notes and velocities from 0 to 127. Usually a damaged file, or one "
                "that was sent as text: copy it again."
            ) from None
        cause = (
            "Usually a truncated download." if isinstance(error, EOFError) else "Usually a damaged file: copy it again."
        )
        fault = f"{type(error).__name__}: {fault}".removesuffix(": ")
        raise ValueError(
            f"Got {len(midi):,} bytes that are no MIDI file or a damaged one ({fault}); {expected}. {cause}"
        ) from None
