"""Piano rolls as sound, by adding up sines."""

from __future__ import annotations

import io
import math
import wave
from numbers import Integral, Real

import torch
from torch import Tensor

from helpers.data.music.midi import LOWEST_KEY, check_roll, held_notes

HARMONICS = (1.0, 0.5, 0.3, 0.15, 0.1, 0.05)  # amplitudes of a tone's partials: soft, organ-like
ATTACK, RELEASE = 0.03, 0.12  # seconds
LOUDEST = 0.9
_GAIN = 0.14  # amplitude of one note, so that four seldom reach LOUDEST


def roll_to_audio(roll: Tensor, seconds_per_step: float = 0.6, rate: int = 22_050) -> tuple[Tensor, int]:
    """Synthesise a piano roll.

    A note of frequency f = 440 * 2^((m - 69) / 12) Hz, for MIDI number m, sounds as sum_k a_k sin(2 pi k f t), without partials above
    rate / 2 (they would alias), under an envelope that rises over 0.03 s and falls over 0.12 s after the release. A key that sounds in
    consecutive steps is held. In a notebook: `IPython.display.Audio(samples, rate=rate, normalize=False)`.

    Args:
        roll: Piano roll [T, 88] of 0 and 1, floats or booleans.
        seconds_per_step: Duration of a step, 0.05 to 10 seconds.
        rate: Samples a second, 4,000 to 192,000.

    Returns:
        Mono samples, float32 [n] within ±0.9, and their rate in samples a second.

    Raises:
        ValueError: If `roll` is no piano roll, or if duration or rate are out of range.
    """
    check_roll(roll)
    if (
        isinstance(seconds_per_step, bool)
        or not isinstance(seconds_per_step, Real)
        or not 0.05 <= seconds_per_step <= 10
    ):
        raise ValueError(
            f"Got seconds_per_step={seconds_per_step!r}; expected 0.05 to 10 seconds, such as 0.6. Usually milliseconds were given."
        )
    rate = _check_rate(rate)
    tail = round(RELEASE * rate)
    samples = torch.zeros(round(len(roll) * seconds_per_step * rate) + tail, dtype=torch.float32)
    for key, begin, end in held_notes(roll):
        first, last = round(begin * seconds_per_step * rate), round(end * seconds_per_step * rate)
        samples[first : last + tail] += _GAIN * _tone(LOWEST_KEY + key, last - first, tail, rate)
    return samples / max(1.0, float(samples.abs().max()) / LOUDEST), rate


def audio_to_wav(samples: Tensor, rate: int) -> bytes:
    """Encode mono samples as a WAV file of 16 bits a sample.

    Args:
        samples: Samples [n] within ±1.
        rate: Samples a second, 4,000 to 192,000.

    Returns:
        Contents of the file.

    Raises:
        ValueError: If samples have another shape, or values that would clip, or if the rate is out of range.
    """
    if not isinstance(samples, Tensor):
        raise ValueError(
            f"Got samples as {type(samples).__name__}; expected a tensor [n]. Usually both results of roll_to_audio: samples, rate = ..."
        )
    rate = _check_rate(rate)
    if samples.dim() != 1 or not samples.numel() or not float(samples.abs().max()) <= 1:
        raise ValueError(
            f"Got samples of shape {list(samples.shape)}; expected [n], finite, within ±1. Usually two channels, or a sum."
        )
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples.detach().cpu() * 32_767).round().to(torch.int16).numpy().astype("<i2").tobytes())
    return buffer.getvalue()


def _check_rate(rate: object) -> int:
    if isinstance(rate, bool) or not isinstance(rate, Integral) or not 4_000 <= rate <= 192_000:
        raise ValueError(
            f"Got rate={rate!r}; expected an integer from 4,000 to 192,000 samples a second, such as 22050. Usually kHz were given."
        )
    return int(rate)


def _tone(number: int, held: int, tail: int, rate: int) -> Tensor:
    """One note of `held` + `tail` samples. Its partials add up to an amplitude of 1 to 2."""
    frequency = 440.0 * 2.0 ** ((number - 69) / 12)
    time = torch.arange(held + tail, dtype=torch.float64) / rate  # float32 would be out of tune after a minute
    tone = torch.zeros_like(time)
    for partial, amplitude in enumerate(HARMONICS, 1):
        if partial * frequency < rate / 2:
            tone += amplitude * torch.sin(2 * math.pi * partial * frequency * time)
    attack = (time / ATTACK).clamp_max(1.0)
    release = ((held + tail - torch.arange(held + tail)) / tail).clamp_max(1.0)
    return (tone * attack * release).to(torch.float32)
