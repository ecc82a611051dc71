"""Exercise 07.3: backwards, each from its own end."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal_leaf
from helpers.exercises.exercise import Exercise, Misconception


def reverse_each(x, lengths):
    """Each sequence backwards, from its own last step to its first; the padding stays as it is.

    x: [batch, steps, features], lengths: int64 [batch], 1 to steps → [batch, steps, features].
    """
    time = torch.arange(x.shape[1], device=x.device)
    mirrored = lengths[:, None] - 1 - time  # [batch, steps]; negative beyond the end
    source = torch.where(mirrored >= 0, mirrored, time)
    return x.gather(1, source[:, :, None].expand_as(x))


def _padded_inputs(generator: Generator, lengths: list[int], steps: int, features: int) -> dict[str, Tensor]:
    return {
        "x": normal_leaf(generator, len(lengths), steps, features, scale=2.0, loc=0.5),
        "lengths": torch.tensor(lengths),
    }


def _taken(source):
    """A wrong answer: at step t of each sequence x[source(t, length, steps)], all of them [batch, steps]."""

    def answer(x, lengths):
        time = torch.arange(x.shape[1])[None]
        index = source(time, lengths[:, None], x.shape[1]).expand(len(x), -1)
        return x.gather(1, index[:, :, None].expand_as(x))

    return answer


def _mirror(time, length):
    return torch.where(time < length, length - 1 - time, time)


REVERSED = Exercise(
    id="07.3",
    title="Backwards, each from its own end",
    minutes=10,
    difficulty=2,
    statement="The guide's network reads each sequence from its last step to its first. Reverse every sequence of a padded batch within "
    "its own length; what stands beyond its end stays where and what it is. Try it without a loop over "
    "sequences.",
    solution=reverse_each,
    why="A network that runs over `x.flip(1)` reads the padding first and meets the sequence in a state that depends on how far it was "
    "padded. Reversed by its own length, a sequence meets the network's initial state, whatever stands beside it in the batch. The "
    "states that come out are reversed too: the same function turns them back, for it is its own inverse.",
    cases={
        "three sequences": lambda g: _padded_inputs(g, [4, 2, 5], 6, 3),
        "all of full length": lambda g: _padded_inputs(g, [4, 4], 4, 3),
        "one step": lambda g: _padded_inputs(g, [1, 5, 3, 4], 7, 2),
        "one sequence, one feature": lambda g: _padded_inputs(g, [3], 8, 1),
        "all sizes alike": lambda g: _padded_inputs(g, [2, 3, 1], 3, 3),
        "one step in all": lambda g: _padded_inputs(g, [1, 1], 1, 3),
        "88 keys": lambda g: _padded_inputs(g, [5, 9, 2, 7], 10, 88),
    },
    dimensions={"x": ("batch", "steps", "features"), "lengths": ("batch",), "return": ("batch", "steps", "features")},
    returns=("the reversed batch",),
    hints=(
        "Ask of each place where its content comes from. In a sequence of length 4, place 0 takes step 3, place 1 takes step 2, ..., and "
        "place 4 itself.",
        "source[n, t] = T_n − 1 − t where that is 0 or more, else t;   `x.gather(1, ...)` takes them.",
        "time = torch.arange(x.shape[1], device=x.device)",
    ),
    misconceptions=(
        Misconception(
            "all at once",
            lambda x, lengths: x.flip(1),
            "You reverse the padding along with the sequence: it comes first now, and the network would read it before any data. Reverse "
            "each sequence within its own length.",
        ),
        Misconception(
            "padding reversed behind the sequence",
            _taken(lambda time, length, steps: (length - 1 - time) % steps),
            "The sequences are right, and what stands beyond their ends is reversed too. Beyond the end, place t keeps what it has.",
        ),
        Misconception(
            "the first step for the padding",
            _taken(lambda time, length, steps: (length - 1 - time).clamp(min=0)),
            "The sequences are right, and beyond their ends their first step is repeated. There, place t keeps what it has.",
        ),
        Misconception(
            "zeros for the padding",
            lambda x, lengths: reverse_each(x, lengths) * (torch.arange(x.shape[1]) < lengths[:, None])[:, :, None],
            "The sequences are right, and what stands beyond their ends is now zero. It stays what it is.",
        ),
        Misconception(
            "the longest length for all",
            _taken(lambda time, length, steps: _mirror(time, length.max())),
            "You reverse all sequences by the longest one's length. Each has its own.",
        ),
        Misconception(
            "the first length for all",
            _taken(lambda time, length, steps: _mirror(time, length[0])),
            "You reverse all sequences by the first one's length. Each has its own: `lengths[:, None]`.",
        ),
        Misconception(
            "one step short",
            _taken(lambda time, length, steps: torch.where(time < length - 1, length - 2 - time, time)),
            "You leave the last step where it is. From 0, the last step is lengths − 1, and it comes first.",
        ),
        Misconception(
            "one step beyond",
            _taken(lambda time, length, steps: _mirror(time, (length + 1).clamp(max=steps))),
            "Your sequences begin with a step of padding. From 0, the last step is lengths − 1.",
        ),
        Misconception(
            "indices beyond the last step",
            _taken(lambda time, length, steps: torch.where(time <= length, length - time, time)),
            "An index is too large by one: place 0 of a sequence of length 4 takes step 3, for steps are counted from 0. The index is "
            "lengths − 1 − t.",
        ),
        Misconception(
            "indices beyond the last step, inside the sequences alone",
            _taken(lambda time, length, steps: torch.where(time < length, length - time, time)),
            "Inside the sequences, each index is too large by one. With length 4, place 0 takes step 3: lengths − 1 − t.",
        ),
        Misconception(
            "negative indices",
            _taken(lambda time, length, steps: length - 1 - time),
            "Beyond a sequence's end lengths − 1 − t is negative, and `gather` takes no negative index. There, place t keeps what it has: "
            "index t.",
        ),
        Misconception(
            "the features",
            lambda x, lengths: reverse_each(x, lengths).flip(2),
            "The steps are right, and the features are reversed as well.",
        ),
        Misconception(
            "the features alone",
            lambda x, lengths: x.flip(2),
            "You reverse the features, the last dimension. Time is the middle one.",
        ),
        Misconception(
            "the sequences",
            lambda x, lengths: x.flip(0),
            "You reverse the order of the sequences. Time is the middle dimension.",
        ),
        Misconception(
            "nothing",
            lambda x, lengths: x.clone(),
            "Nothing is reversed.",
        ),
        Misconception(
            "rolled",
            _taken(lambda time, length, steps: torch.where(time < length, (time - 1) % length, time)),
            "The last step comes first, and the others follow in their old order. Reverse all of them.",
        ),
        Misconception(
            "detached",
            lambda x, lengths: reverse_each(x.detach(), lengths),
            "The values are right, and no gradient reaches x: nothing is to be detached.",
        ),
        Misconception(
            "the last step repeated",
            _taken(lambda time, length, steps: torch.where(time < length, length - 1, time)),
            "Each place of a sequence holds its last step. Place t takes step lengths − 1 − t.",
        ),
        Misconception(
            "first and last exchanged",
            _taken(
                lambda time, length, steps: torch.where(time == 0, length - 1, torch.where(time == length - 1, 0, time))
            ),
            "The first and the last step are exchanged, and those between stay. Reverse all of them.",
        ),
        Misconception(
            "the sequences behind their padding",
            _taken(lambda time, length, steps: torch.where(time < steps - length, time + length, steps - 1 - time)),
            "Your sequences stand behind the padding. They stay at the front, from place 0 on.",
        ),
        Misconception(
            "the sequences moved to the end",
            _taken(lambda time, length, steps: (time - (steps - length)) % steps),
            "You move the sequences to the end of the table, in their old order. Reverse them where they stand.",
        ),
    ),
)
