"""What is heard is what the roll says: pitches in the spectrum, beginnings and ends in time."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest
import torch

from helpers.data import HarmonyModel, audio_to_wav, roll_to_audio
from helpers.data.music.audio import LOUDEST, RELEASE


def peaks(samples: torch.Tensor, rate: int, share: float = 0.05) -> list[float]:
    """Frequencies of the local maxima of the spectrum above `share` of the largest."""
    spectrum = torch.fft.rfft(samples * torch.hann_window(len(samples))).abs()
    inner = spectrum[1:-1]
    top = (inner > spectrum[:-2]) & (inner > spectrum[2:]) & (inner > share * spectrum.max())
    return ((top.nonzero().flatten() + 1) * rate / len(samples)).tolist()


def one_note(key: int, steps: int = 2) -> torch.Tensor:
    roll = torch.zeros(steps, 88)
    roll[0, key] = 1.0
    return roll


@pytest.mark.parametrize(("key", "frequency"), [(48, 440.0), (39, 261.6256), (0, 27.5)])
def test_a_key_sounds_at_its_frequency_with_its_partials(key, frequency):
    samples, rate = roll_to_audio(one_note(key), seconds_per_step=2.0)
    found = peaks(samples[: 2 * rate], rate, share=0.2)
    assert found[0] == pytest.approx(frequency, abs=0.5)
    assert found == pytest.approx([frequency * n for n in range(1, len(found) + 1)], abs=0.5) and len(found) == 3


def test_partials_beyond_half_the_rate_do_not_come_back_as_wrong_tones():
    samples, rate = roll_to_audio(
        one_note(87), seconds_per_step=1.0, rate=11_025
    )  # 4186 Hz: its octave would fold to 2653 Hz
    assert peaks(samples[:rate], rate, share=0.01) == pytest.approx([4186.01], abs=2)


def test_notes_begin_and_end_with_their_steps():
    roll = torch.zeros(4, 88)
    roll[1, 50] = 1.0
    samples, rate = roll_to_audio(roll, seconds_per_step=0.5)
    assert len(samples) == round(2.0 * rate) + round(RELEASE * rate)
    sounding = samples.abs() > 1e-3
    first, last = int(sounding.nonzero()[0]) / rate, int(sounding.nonzero()[-1]) / rate
    assert 0.5 <= first < 0.51 and 1.0 <= last <= 1.0 + RELEASE


def test_a_held_note_is_not_struck_again():
    roll = torch.zeros(3, 88)
    roll[:, 50] = 1.0
    samples, rate = roll_to_audio(roll, seconds_per_step=0.5)
    loudness = samples[: 30 * (len(samples) // 30)].view(30, -1).abs().amax(1)[2:24]
    assert loudness.min() > 0.8 * loudness.max()
    roll[1, 50] = 0.0
    broken, _ = roll_to_audio(roll, seconds_per_step=0.5)
    assert broken[int(0.7 * rate) : int(0.95 * rate)].abs().max() == 0


def test_a_chorale_and_a_whole_keyboard_stay_within_bounds_and_a_silent_roll_is_silent():
    sample = HarmonyModel().sample(1, seed=0)
    samples, _ = roll_to_audio(sample.rolls[0, : sample.lengths[0]], seconds_per_step=0.2)
    assert samples.dtype == torch.float32 and 0.3 < samples.abs().max() <= LOUDEST + 1e-6
    everything, _ = roll_to_audio(torch.ones(2, 88))
    assert everything.abs().max() == pytest.approx(LOUDEST, abs=1e-6)
    silence, _ = roll_to_audio(torch.zeros(2, 88))
    assert silence.abs().max() == 0 and len(silence) > 0


def test_a_wav_file_holds_the_samples():
    samples, rate = roll_to_audio(one_note(40), rate=8_000)
    with wave.open(io.BytesIO(audio_to_wav(samples, rate))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (
            1,
            2,
            8_000,
            len(samples),
        )
        back = np.frombuffer(file.readframes(len(samples)), "<i2") / 32_767
    np.testing.assert_allclose(back, samples.numpy(), atol=1 / 32_767)


def test_bad_input_is_one_clear_sentence():
    roll = one_note(40)
    for call, words in (
        (lambda: roll_to_audio(roll, seconds_per_step=0), "0.05 to 10 seconds"),
        (lambda: roll_to_audio(roll, rate=0), "4,000 to 192,000"),
        (lambda: roll_to_audio(roll, rate=22_050.0), "an integer"),
        (lambda: roll_to_audio(roll * 0.5), "other than 0 and 1"),
        (lambda: roll_to_audio(roll[None]), r"rolls\[0, :lengths\[0\]\]"),
        (lambda: audio_to_wav(torch.zeros(2, 100), 8_000), r"\[2, 100\]; expected \[n\]"),
        (lambda: audio_to_wav(torch.full((100,), 1.5), 8_000), "within ±1"),
        (lambda: audio_to_wav(torch.full((100,), torch.nan), 8_000), "finite"),
    ):
        with pytest.raises(ValueError, match=words) as error:
            call()
        assert "\n" not in str(error.value)
