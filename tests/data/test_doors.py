"""The doors of the data sets: each mistake is a sentence that says what was given and what is expected; what is meant is taken."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from helpers.data import (
    Batches,
    Chorales,
    HarmonyModel,
    SemiSupervisedBatches,
    SequenceBatches,
    audio_to_wav,
    binarise_by_threshold,
    binarise_dynamically,
    load_chorales,
    load_images,
    midi_to_roll,
    roll_to_audio,
    roll_to_midi,
    rolls_from_pitches,
    split_labelled,
)
from helpers.data.images import Split

X = torch.linspace(0, 1, 96).reshape(6, 1, 4, 4)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
ROLLS, LENGTHS = torch.zeros(3, 5, 88), torch.tensor([5, 2, 3])


def semi(**changes) -> SemiSupervisedBatches:
    return SemiSupervisedBatches(
        **{"images": X, "labels": LABELS, "unlabelled": X, "num_classes": 3, "batch_size": 2, **changes}
    )


MISTAKES = {
    "a list of images": (lambda: Split([[1]]), "Got images as list; expected a tensor float32 .*as_tensor"),
    "an array of images": (lambda: Split(X.numpy()), "Got images as ndarray"),
    "a list of labels": (lambda: Split(X, LABELS.tolist()), "Got labels as list; expected a tensor int64"),
    "an array of labels": (lambda: Split(X, LABELS.numpy()), "Got labels as ndarray"),
    "no tensor": (lambda: Batches(batch_size=2), "Got no tensor to make batches of"),
    "an array to batch": (lambda: Batches(X.numpy(), batch_size=2), "Got a ndarray to make batches of"),
    "a data set to batch": (lambda: Batches(TensorDataset(X), batch_size=2), "Got a TensorDataset to make batches of"),
    "half a batch": (lambda: Batches(X, batch_size=0.5), "Got batch_size=0.5"),
    "a result for a transform": (lambda: Batches(X, batch_size=2, transform=X), "Got transform=.*expected a function"),
    "a list of greys": (lambda: binarise_dynamically([0.5]), "Got images as list"),
    "a rounding above 1": (lambda: binarise_dynamically(X * 1.0000001), r"to 1\.0000001.*rounding.*clamp"),
    "a rounding below 0": (lambda: binarise_dynamically(X - 1e-9), "from -1e-09 to 1 to binarise; .*rounding"),
    "above 1 everywhere": (lambda: Batches(X * 255 // 1, batch_size=2), "divide by 255"),
    "a threshold of 128": (lambda: binarise_by_threshold(X, 128), "Got threshold=128; expected a grey level from 0 to 1"),
    "a threshold of NaN": (lambda: binarise_by_threshold(X, math.nan), "Got threshold=nan"),
    "a threshold in words": (lambda: binarise_by_threshold(X, "0.5"), "Got threshold='0.5'"),
    "labels to split as a list": (lambda: split_labelled(LABELS.tolist(), 3, 0), "Got labels as list"),
    "one-hot labels": (lambda: split_labelled(torch.eye(3)[LABELS], 3, 0), "one class per item.*argmax"),
    "no seed": (lambda: split_labelled(LABELS, 3, None), "Got seed=None; expected a seed"),
    "half a seed": (lambda: split_labelled(LABELS, 3, 0.5), "Got seed=0.5"),
    "classes as a float": (lambda: split_labelled(LABELS, 3, 0, num_classes=3.0), "Got num_classes=3.0"),
    "no class": (lambda: split_labelled(LABELS, 3, 0, num_classes=0), "Got num_classes=0"),
    "a share of labels": (lambda: split_labelled(LABELS, np.float64(0.1), 0), "Got num_labelled=.*share"),
    "labels beside images as a list": (lambda: semi(labels=LABELS.tolist()), "Got labels as list"),
    "no labelled images": (lambda: semi(images=None), "Got images as NoneType"),
    "a split as unlabelled": (lambda: semi(unlabelled=Split(X)), "Got unlabelled as Split.*tensor inside"),
    "no labelled batch": (lambda: semi(labelled_batch_size=0), "Got labelled_batch_size=0"),
    "classes in words": (lambda: semi(num_classes="3"), "Got num_classes='3'"),
    "sequences as an array": (lambda: SequenceBatches(ROLLS.numpy(), LENGTHS), "Got rolls as ndarray"),
    "lengths first": (lambda: SequenceBatches(LENGTHS, ROLLS), "Got lengths|Got rolls of shape .3."),
    "lengths as a list": (lambda: SequenceBatches(ROLLS, LENGTHS.tolist()), "Got lengths as list"),
    "chorales for rolls": (lambda: SequenceBatches(Chorales(ROLLS, LENGTHS), LENGTHS), "Got rolls as Chorales"),
    "a roll with roundings": (lambda: SequenceBatches(ROLLS[:, :2] + 1.0000001, LENGTHS.clamp(max=2)), r"1\.0000001.*rounding"),
    "a roll of rests": (lambda: SequenceBatches(ROLLS[:, :2] - 1, LENGTHS.clamp(max=2)), "from -1 to -1, .*marks a rest"),
    "no name": (lambda: load_images(None), "Got data set None; expected one of"),
    "a size in words": (lambda: load_images("digits", size="28"), "Got size='28'"),
    "no valid": (lambda: load_images("digits", valid=None), "Got valid=None"),
    "no chorales": (lambda: load_chorales(None), "Got chorales None"),
    "an array of sizes": (lambda: load_chorales("synthetic", size=np.array([1, 1, 1])), "Got size=array"),
    "no chorale": (lambda: HarmonyModel().sample(0), "Got num=0; expected the number of chorales"),
    "half a chorale": (lambda: HarmonyModel().sample(1.5), "Got num=1.5"),
    "a sample without a seed": (lambda: HarmonyModel().sample(1, seed=None), "Got seed=None"),
    "one length": (lambda: HarmonyModel(lengths=5), "Got lengths=5; expected a sequence of several"),
    "rolls as an array": (lambda: HarmonyModel().log_marginal(ROLLS.numpy(), LENGTHS), "Got rolls as ndarray"),
    "several rolls": (lambda: roll_to_audio(ROLLS), "Usually several rolls"),
    "seconds in words": (lambda: roll_to_audio(ROLLS[0], "slow"), "Got seconds_per_step='slow'"),
    "both results": (lambda: audio_to_wav(roll_to_audio(ROLLS[0]), 22_050), "Got samples as tuple.*samples, rate"),
    "a rate in kHz": (lambda: audio_to_wav(torch.zeros(4), 22.05), "Got rate=22.05; expected an integer from 4,000"),
    "an instrument too many": (lambda: roll_to_midi(ROLLS[0], program=128), "Got program=128; expected .*0 to 127"),
    "a tempo in words": (lambda: roll_to_midi(ROLLS[0], "fast"), "Got steps_per_minute='fast'"),
    "a roll with a rounding": (lambda: roll_to_midi(ROLLS[0] + 1e-9), "values from 1e-09 to 1e-09.*rounding"),
    "the name of a file": (lambda: midi_to_roll("bach.mid"), "Got a str; expected the bytes.*read_bytes"),
    "no bytes": (lambda: midi_to_roll(None), "Got a NoneType; expected the bytes"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_a_sentence(mistake):
    call, words = MISTAKES[mistake]
    with pytest.raises(ValueError, match=words) as error:
        call()
    assert "\n" not in str(error.value) and "Got " in str(error.value) and "expected" in str(error.value)


PITCHES = {
    "-1 for a rest": (-1, "a rest: leave it out, an empty step is silent"),
    "0 for a rest": (0, "a rest: .*or keys counted from 0: add 21"),
    "NaN for a rest": (math.nan, "Got pitch nan at .*a rest"),
    "None for a rest": (None, "Got pitch None at .*a rest"),
    "numpy's -1": (np.int64(-1), "Got pitch -1 at .*a rest"),
    "numpy's NaN": (np.float32("nan"), "Got pitch nan at .*a rest"),
    "a key from 0": (12, "keys counted from 0: add 21"),
    "a float": (60.0, r"Got pitch 60.0 at .*read as floats: int\(pitch\)"),
    "numpy's float": (np.float64(60), "Got pitch 60.0 at .*read as floats"),
    "half a tone": (60.5, "frequencies in Hz"),
    "a frequency": (440.0, "frequencies in Hz"),
    "a whole frequency": (440, "frequencies in Hz"),
    "too high": (109, "another instrument's: transpose"),
    "a boolean": (True, "a piano roll: Chorales"),
    "numpy's boolean": (np.bool_(True), "Got pitch True at .*a piano roll"),
    "a name": ("C4", "names of notes: a pitch is a number"),
    "a list too deep": ([60], "a list too deep"),
}


@pytest.mark.parametrize("pitch", PITCHES)
def test_the_true_cause_of_a_pitch_that_is_none(pitch):
    given, words = PITCHES[pitch]
    with pytest.raises(ValueError, match=words) as error:
        rolls_from_pitches([[[60]], [[60], [], [60, given]]])
    assert "at step 2 of sequence 1; expected MIDI numbers from 21 to 108" in str(error.value)


@pytest.mark.parametrize(
    ("sequences", "words"),
    [
        ({"train": [[[60]]], "test": [[[60]]]}, "Got a dict of 'train', 'test'; .*give one part"),
        ("chorales.json", "Got a str; expected a list of sequences"),
        (None, "Got a NoneType"),
        ([[60, 62, 64]], r"Got 60 as step 0 of sequence 0; .*one voice"),
        ([[[60], None]], "Got None as step 1 of sequence 0; expected a list of the pitches"),
        (np.array([[60, 62]]), "Got 60 as step 0"),
        (np.array([[[60, -1]]]), "Got pitch -1 at step 0 of sequence 0"),
        ([60, 62], "no sequence, or one without steps.*without the list around it"),
        ([], "no sequence"),
        (np.zeros((0, 4, 4)), "no sequence"),
    ],
)
def test_what_is_no_list_of_sequences(sequences, words):
    with pytest.raises(ValueError, match=words):
        rolls_from_pitches(sequences)


def test_numpys_pitches_and_arrays_and_tensors_are_taken():
    plain = rolls_from_pitches([[[60, 64], []], [[21]]])
    for same in (
        [[[np.int64(60), np.int32(64)], []], [[np.uint8(21)]]],
        [[np.array([60, 64]), np.array([], dtype=int)], [np.array([21])]],
        [[torch.tensor([60, 64]), []], [torch.tensor([21])]],
        (((60, 64), ()), ((21,),)),
    ):
        again = rolls_from_pitches(same)
        assert torch.equal(again.rolls, plain.rolls) and torch.equal(again.lengths, plain.lengths)
    voices = rolls_from_pitches(np.full((2, 3, 4), 60))
    assert voices.rolls.shape == (2, 3, 88) and voices.rolls.sum() == 6


def test_numpys_integers_are_taken():
    two = np.int64(2)
    assert len(Batches(X, batch_size=two)) == 3
    assert len(SequenceBatches(ROLLS, LENGTHS, batch_size=two)) == 2
    assert len(semi(batch_size=two, labelled_batch_size=np.int32(3), num_classes=np.int64(3))) == 3
    assert len(split_labelled(LABELS, np.int64(3), np.int64(1), num_classes=np.int64(3))[0]) == 3
    assert load_images("digits", size=np.int64(8), valid=np.int64(10)).train.images.shape[2] == 8
    assert len(load_chorales("synthetic", size=(two, two, 1), seed=two).train) == 2
    assert len(HarmonyModel(lengths=(np.int64(8),)).sample(two, seed=two).rolls) == 2
    assert midi_to_roll(roll_to_midi(ROLLS[0], np.float32(90), two), two).shape == (10, 88)


def test_data_is_in_single_precision_whatever_the_default(data_folder):
    torch.set_default_dtype(torch.float64)
    assert load_images("digits", size=16).train.images.dtype == torch.float32
    assert load_images("digits").train.images.dtype == torch.float32
    data = load_chorales("synthetic", size=(2, 1, 1))
    assert data.train.rolls.dtype == torch.float32
    assert data.exact_log_marginal(data.train.rolls, data.train.lengths).isfinite().all()
    assert rolls_from_pitches([[[60]]]).rolls.dtype == torch.float32
    assert midi_to_roll(roll_to_midi(data.train.rolls[0])).dtype == torch.float32
    assert roll_to_audio(ROLLS[0], 0.05, 4_000)[0].dtype == torch.float32
