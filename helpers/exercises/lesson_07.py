"""The exercises of lesson 07, the deep Markov model.

Beside what they are given, the solutions use `math` and `torch`; the lesson imports both. Log densities and bounds are in nats.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.exercise import Exercise, Misconception


def _normal(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return loc + scale * torch.randn(size, generator=generator, dtype=torch.float64)


def _leaf(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return _normal(generator, *size, scale=scale, loc=loc).requires_grad_()


# 07.1


def gated_mean(z, gate_logit, proposal, weight, bias):
    """Mean of p(z_t | z_{t-1}): (1 - g) (A z + a) + g h, with g = sigmoid(gate_logit), z = z_{t-1}.

    z, gate_logit, proposal h: [batch, latent]. weight A: [latent, latent], bias a: [latent]
    → [batch, latent]. Each coordinate of z has a gate of its own.
    """
    gate = gate_logit.sigmoid()
    linear = z @ weight.T + bias
    return (1 - gate) * linear + gate * proposal


def _gated_inputs(generator: Generator, batch: int, latent: int, scale: float = 1.0) -> dict[str, Tensor]:
    return {
        "z": _leaf(generator, batch, latent, scale=scale, loc=0.4),
        "gate_logit": _leaf(generator, batch, latent, scale=1.5 * scale, loc=0.6),
        "proposal": _leaf(generator, batch, latent, scale=2.0, loc=-0.7),
        "weight": _leaf(generator, latent, latent),
        "bias": _leaf(generator, latent, loc=0.9),
    }


def _gated_with(
    mix=lambda gate, linear, proposal: (1 - gate) * linear + gate * proposal,
    gate=lambda logit: logit.sigmoid(),
    linear=lambda z, weight, bias: z @ weight.T + bias,
):
    """A wrong answer with this mixture, gate, or linear part."""
    return lambda z, gate_logit, proposal, weight, bias: mix(gate(gate_logit), linear(z, weight, bias), proposal)


GATED = Exercise(
    id="07.1",
    title="Stay, or go somewhere new?",
    minutes=5,
    difficulty=1,
    statement=r"Write the mean of the gated transition, $m = (1 - g) \odot (A z + a) + g \odot h$, with the gate "
    r"$g = \mathrm{sigmoid}(\text{gate\_logit})$. One network has computed the gate's logits from $z = z_{t-1}$, another the "
    r"proposal $h$; both are given.",
    solution=gated_mean,
    why="Where a gate is shut, that coordinate of z takes a linear step; where it is open, it goes where the network says. A starts as the "
    "identity, so where a gate shuts, z stays where it is and gradients pass unchanged. Before training gates are about half open.",
    cases={
        "three vectors of four": lambda g: _gated_inputs(g, 3, 4),
        "gates wide open and shut": lambda g: _gated_inputs(g, 5, 2, scale=30.0),
        "one vector": lambda g: _gated_inputs(g, 1, 3),
        "gates half open": lambda g: {**_gated_inputs(g, 2, 5), "gate_logit": torch.zeros(2, 5, dtype=torch.float64).requires_grad_()},
    },
    dimensions={
        "z": ("batch", "latent"), "gate_logit": ("batch", "latent"), "proposal": ("batch", "latent"), "weight": ("latent", "latent"),
        "bias": ("latent",), "return": ("batch", "latent"),
    },  # fmt: skip
    returns=("the mean",),
    hints=(
        "Two places to go to, and a number between 0 and 1 for each coordinate that says how far towards the second.",
        "m[b, i] = (1 − g[b, i]) (Σ_j A[i, j] z[b, j] + a[i]) + g[b, i] h[b, i].",
        "gate = gate_logit.sigmoid()",
    ),
    misconceptions=(
        Misconception(
            "the gate the wrong way",
            _gated_with(lambda gate, linear, proposal: gate * linear + (1 - gate) * proposal),
            "Your gate opens the linear step and shuts the proposal. With g = 1 the mean is h.",
        ),
        Misconception(
            "the logits for the gate",
            _gated_with(gate=lambda logit: logit),
            "You use the gate's logits as they are. A gate lies between 0 and 1: `gate_logit.sigmoid()`.",
        ),
        Misconception(
            "the hyperbolic tangent for the gate",
            _gated_with(gate=torch.tanh),
            "Your gate is a tanh, from −1 to 1. A share lies between 0 and 1: take the sigmoid.",
        ),
        Misconception(
            "a softmax for the gate",
            _gated_with(gate=lambda logit: logit.softmax(-1)),
            "Your gates sum to 1 over the coordinates of z, as a softmax's do. Each coordinate has a gate of its own: a sigmoid.",
        ),
        Misconception(
            "the transpose",
            _gated_with(linear=lambda z, weight, bias: z @ weight + bias),
            "You multiply with A's transpose: for rows z, A z is `z @ weight.T`.",
        ),
        Misconception(
            "no bias",
            _gated_with(linear=lambda z, weight, bias: z @ weight.T + 0 * bias),
            "The linear part's bias a is missing.",
        ),
        Misconception(
            "the bias outside the gate",
            lambda z, gate_logit, proposal, weight, bias: (
                (1 - gate_logit.sigmoid()) * (z @ weight.T) + gate_logit.sigmoid() * proposal + bias
            ),
            "You add the bias whatever the gate does. It belongs to the linear step: (1 − g)(A z + a).",
        ),
        Misconception(
            "z for its linear step",
            _gated_with(linear=lambda z, weight, bias: z + 0 * (z @ weight.T + bias)),
            "With a shut gate your mean is z. It is A z + a, which only starts near z.",
        ),
        Misconception(
            "the linear step in full",
            _gated_with(lambda gate, linear, proposal: linear + gate * proposal),
            "You add g h to the whole linear step. The gate takes from the one what it gives to the other: (1 − g) on the linear step.",
        ),
        Misconception(
            "the proposal in full",
            _gated_with(lambda gate, linear, proposal: (1 - gate) * linear + proposal),
            "You add the whole proposal. It counts with the gate: g h.",
        ),
        Misconception(
            "no gate",
            _gated_with(lambda gate, linear, proposal: linear + proposal + 0 * gate),
            "You add both, and the gate decides nothing.",
        ),
        Misconception(
            "half and half",
            _gated_with(lambda gate, linear, proposal: (linear + proposal) / 2 + 0 * gate),
            "You take half of each. Shares are 1 − g and g.",
        ),
        Misconception(
            "one gate for all",
            _gated_with(gate=lambda logit: logit.sigmoid().mean(-1, keepdim=True)),
            "You average the gates over the coordinates of z. Each coordinate has its own.",
        ),
        Misconception(
            "the proposal squashed",
            _gated_with(lambda gate, linear, proposal: (1 - gate) * linear + gate * proposal.tanh()),
            "You take the tanh of the proposal. It enters as it is.",
        ),
        Misconception(
            "the proposal rectified",
            _gated_with(lambda gate, linear, proposal: (1 - gate) * linear + gate * proposal.relu()),
            "You rectify the proposal. That belongs to the transition's scale; the mean takes h as it is.",
        ),
        Misconception(
            "the gate detached",
            _gated_with(gate=lambda logit: logit.sigmoid().detach()),
            "The value is right, and the gate's network does not learn: nothing is to be detached.",
        ),
        Misconception(
            "z detached",
            _gated_with(linear=lambda z, weight, bias: z.detach() @ weight.T + bias),
            "The value is right, and no gradient flows back along the chain through z. Nothing is to be detached.",
        ),
    ),
)


# 07.2


def bound_per_step(log_likelihood, rate, lengths):
    """The bound of each sequence of a padded batch, and that of the batch per time step, in nats.

    log_likelihood: log p(x_t | z_t), rate: KL(q(z_t | z_{t-1}, x) || p(z_t | z_{t-1})), one number
    a step, [batch, steps]. lengths: int64 [batch]; beyond them anything may stand, NaN too.
    → bound of each sequence [batch]; all of them over all their steps [].
    """
    within = torch.arange(log_likelihood.shape[1], device=lengths.device) < lengths[:, None]
    bound = torch.where(within, log_likelihood - rate, 0.0).sum(1)  # [batch]
    return bound, bound.sum() / lengths.sum()


def _step_inputs(generator: Generator, lengths: list[int], steps: int, beyond: float | None = None) -> dict[str, Tensor]:
    """Per-step terms; beyond the ends random numbers as well, or `beyond`."""
    ends = torch.tensor(lengths)
    terms = {
        "log_likelihood": _normal(generator, len(lengths), steps, scale=2.0, loc=-7.0),
        "rate": _normal(generator, len(lengths), steps, loc=2.0).abs() + 0.1,
    }
    if beyond is not None:
        outside = torch.arange(steps) >= ends[:, None]
        terms = {name: term.masked_fill(outside, beyond) for name, term in terms.items()}
    return {**{name: term.requires_grad_() for name, term in terms.items()}, "lengths": ends}


def _within(values, lengths):
    return torch.arange(values.shape[1]) < lengths[:, None]


def _bound_with(
    step=lambda log_likelihood, rate: log_likelihood - rate,
    masked=lambda step, lengths: torch.where(_within(step, lengths), step, 0.0),
    whole=lambda bound, lengths, steps: bound.sum() / lengths.sum(),
    each=lambda bound, lengths: bound,
):
    """A wrong answer with this step's term, mask, number of the batch, or of a sequence."""

    def answer(log_likelihood, rate, lengths):
        bound = masked(step(log_likelihood, rate), lengths).sum(1)
        return each(bound, lengths), whole(bound, lengths, log_likelihood.shape[1])

    return answer


def _rate_unmasked(log_likelihood, rate, lengths):
    bound = torch.where(_within(rate, lengths), log_likelihood, 0.0).sum(1) - rate.sum(1)
    return bound, bound.sum() / lengths.sum()


def _likelihood_unmasked(log_likelihood, rate, lengths):
    bound = log_likelihood.sum(1) - torch.where(_within(rate, lengths), rate, 0.0).sum(1)
    return bound, bound.sum() / lengths.sum()


PER_STEP = Exercise(
    id="07.2",
    title="Nats per step",
    minutes=7,
    difficulty=2,
    statement=r"Sequences of different lengths stand in one padded batch. From the terms of each step, $\log p(x_t \mid z_t)$ and "
    r"$\mathrm{KL}_t$, return the bound of each sequence, $\sum_{t \le T_n} [\log p(x_t \mid z_t) - \mathrm{KL}_t]$ with $T_n$ "
    r"the length of sequence $n$, and the batch's bound per step: the sum of the sequences' bounds divided by the sum of their lengths "
    r"(papers report minus this number). What stands beyond an end is no data: no number there, not even NaN, may change a value or a "
    r"gradient.",
    solution=bound_per_step,
    why="A long sequence counts for as many steps as it has. A mean of the sequences' means would count each step of a short one more. "
    "`torch.where` drops what it does not choose; multiplying by a mask keeps NaN, for 0 times NaN is NaN.",
    cases={
        "three sequences": lambda g: _step_inputs(g, [4, 2, 5], 7),
        "all of one length": lambda g: _step_inputs(g, [3, 3, 3, 3], 3),
        "NaN beyond the ends": lambda g: _step_inputs(g, [1, 6, 3, 2], 6, math.nan),
        "one short sequence": lambda g: _step_inputs(g, [2], 5),
        "large numbers beyond the ends": lambda g: _step_inputs(g, [5, 1], 8, 1e6),
    },
    dimensions={
        "log_likelihood": ("batch", "steps"), "rate": ("batch", "steps"), "lengths": ("batch",), "return": (("batch",), ()),
    },  # fmt: skip
    returns=("the bound of each sequence", "the bound per step"),
    hints=(
        "First a table [batch, steps] of True and False: does step t of sequence n exist? Steps are counted from 0.",
        "bound_n = Σ_{t < T_n} (log p_t − KL_t);   per step: Σ_n bound_n / Σ_n T_n.",
        "within = torch.arange(log_likelihood.shape[1]) < lengths[:, None]",
    ),
    misconceptions=(
        Misconception(
            "the padding counted",
            _bound_with(masked=lambda step, lengths: step),
            "You sum over the padding too. Step t of sequence n counts where t < lengths[n].",
        ),
        Misconception(
            "a mask by multiplication",
            _bound_with(masked=lambda step, lengths: step * _within(step, lengths)),
            "Right while the padding is finite. 0 times NaN is NaN: choose with `torch.where`, do not multiply.",
        ),
        Misconception(
            "the rate of the padding",
            _rate_unmasked,
            "The likelihood's terms are cut at the ends, the KL's are not. A step that does not exist has no KL.",
        ),
        Misconception(
            "the likelihood of the padding",
            _likelihood_unmasked,
            "The KL's terms are cut at the ends, the likelihood's are not. Silence beyond the end is no data, and easily predicted: it "
            "would flatter the model.",
        ),
        Misconception(
            "one step too many",
            _bound_with(masked=lambda step, lengths: torch.where(_within(step, lengths + 1), step, 0.0)),
            "You count one step beyond each end. From 0, the last step of a sequence is lengths − 1: `<`, and not `<=`.",
        ),
        Misconception(
            "one step too few",
            _bound_with(masked=lambda step, lengths: torch.where(_within(step, lengths - 1), step, 0.0)),
            "The last step of each sequence is missing.",
        ),
        Misconception(
            "the mean of means",
            _bound_with(whole=lambda bound, lengths, steps: (bound / lengths).mean()),
            "The sequences' bounds are right. The batch's number is a mean of the sequences' means, in which a step of a short sequence "
            "counts more. Sum over sequences, over the sum of lengths.",
        ),
        Misconception(
            "over the padded steps",
            _bound_with(whole=lambda bound, lengths, steps: bound.sum() / (len(lengths) * steps)),
            "The sequences' bounds are right. You divide by all places of the table, padding and all; divide by the sum of the lengths.",
        ),
        Misconception(
            "per sequence",
            _bound_with(whole=lambda bound, lengths, steps: bound.mean()),
            "The sequences' bounds are right. The batch's number is per sequence; return it per step.",
        ),
        Misconception(
            "over the longest",
            _bound_with(whole=lambda bound, lengths, steps: bound.mean() / lengths.max()),
            "The sequences' bounds are right. You divide as if all sequences were as long as the longest.",
        ),
        Misconception(
            "all nats of the batch",
            _bound_with(whole=lambda bound, lengths, steps: bound.sum()),
            "The sequences' bounds are right. Their sum is still to be divided by the sum of the lengths.",
        ),
        Misconception(
            "each per step",
            _bound_with(each=lambda bound, lengths: bound / lengths),
            "The batch's number is right. The first is per step; return each sequence's bound, summed over its steps.",
        ),
        Misconception(
            "the KL added",
            _bound_with(step=lambda log_likelihood, rate: log_likelihood + rate),
            "You add the KL. A code that leaves its prior costs: it is subtracted.",
        ),
        Misconception(
            "no KL",
            _bound_with(step=lambda log_likelihood, rate: log_likelihood),
            "The KL is missing. Without it that is the reconstruction alone, no bound on log p(x).",
        ),
        Misconception(
            "a loss",
            _bound_with(step=lambda log_likelihood, rate: rate - log_likelihood),
            "That is the loss. Return the bound, which is maximised; papers print it with its sign turned.",
        ),
        Misconception(
            "the rate detached",
            _bound_with(step=lambda log_likelihood, rate: log_likelihood - rate.detach()),
            "The values are right, and no gradient reaches the KL: nothing is to be detached.",
        ),
        Misconception(
            "the likelihood detached",
            _bound_with(step=lambda log_likelihood, rate: log_likelihood.detach() - rate),
            "The values are right, and no gradient reaches the likelihood: nothing is to be detached.",
        ),
    ),
)


# 07.3


def reverse_each(x, lengths):
    """Each sequence backwards, from its own last step to its first; the padding stays as it is.

    x: [batch, steps, features], lengths: int64 [batch], 1 to steps → [batch, steps, features].
    """
    time = torch.arange(x.shape[1], device=x.device)
    mirrored = lengths[:, None] - 1 - time  # [batch, steps]; negative beyond the end
    source = torch.where(mirrored >= 0, mirrored, time)
    return x.gather(1, source[:, :, None].expand_as(x))


def _padded_inputs(generator: Generator, lengths: list[int], steps: int, features: int) -> dict[str, Tensor]:
    return {"x": _leaf(generator, len(lengths), steps, features, scale=2.0, loc=0.5), "lengths": torch.tensor(lengths)}


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
            "The sequences are right, and what stands beyond their ends is reversed too, for a negative index counts from the back. Beyond "
            "the end, place t keeps what it has.",
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
    ),
)


# 07.4


def importance_sampled(log_joint, log_q):
    """log p(x) from S whole paths z_s ~ q(z | x), in nats, and how many of them count.

    log_joint: log p(x, z_s), log_q: log q(z_s | x), summed over time: [samples, batch]
    → log of the mean weight [batch]; effective sample size (sum w)² / sum w² [batch].
    """
    log_weight = log_joint - log_q
    log_total = log_weight.logsumexp(0)  # [batch]
    effective = (2 * log_total - (2 * log_weight).logsumexp(0)).exp()
    return log_total - math.log(len(log_weight)), effective


def _path_inputs(generator: Generator, samples: int, batch: int, loc: float = -12.0, spread: float = 1.4) -> dict[str, Tensor]:
    log_q = _normal(generator, samples, batch, scale=2.0, loc=-5.0)
    centre = _normal(generator, batch, scale=3.0, loc=loc)
    return {"log_joint": log_q + centre + _normal(generator, samples, batch, scale=spread), "log_q": log_q}


def _importance_with(
    weight=lambda log_joint, log_q: log_joint - log_q,
    estimate=lambda log_weight: log_weight.logsumexp(0) - math.log(len(log_weight)),
    effective=lambda log_weight: 1 / log_weight.softmax(0).square().sum(0),
):
    """A wrong answer with this log weight, estimate, or effective sample size."""

    def answer(log_joint, log_q):
        log_weight = weight(log_joint, log_q)
        return estimate(log_weight), effective(log_weight)

    return answer


IMPORTANCE = Exercise(
    id="07.4",
    title="The likelihood of a sequence",
    minutes=7,
    difficulty=2,
    statement=r"Estimate $\log p(x)$ from $S$ whole paths $z_s \sim q(z \mid x)$ with the weights $w_s = p(x, z_s) / q(z_s \mid x)$: "
    r"return $\log \frac 1 S \sum_s w_s$ for each sequence, and the effective sample size $\big(\sum_s w_s\big)^2 / \sum_s w_s^2$. A "
    r"sequence has hundreds of nats: weights themselves are 0 in floating point.",
    solution=importance_sampled,
    why="The mean weight has p(x) for its expectation; its log lies below log p(x) on average, and above the bound, the mean of the logs. "
    "Where one path in a thousand carries all the weight, the effective size is near 1, and the estimate is not to be trusted.",
    cases={
        "four paths": lambda g: _path_inputs(g, 4, 3),
        "weights too small for a float": lambda g: _path_inputs(g, 3, 5, loc=-900.0),
        "one path": lambda g: _path_inputs(g, 1, 4),
        "one path carries all": lambda g: _path_inputs(g, 6, 2, spread=25.0),
        "weights nearly alike": lambda g: _path_inputs(g, 5, 4, spread=0.1),
    },
    dimensions={"log_joint": ("samples", "batch"), "log_q": ("samples", "batch"), "return": (("batch",), ("batch",))},
    returns=("the estimate of log p(x)", "the effective sample size"),
    hints=(
        "Stay in logs. What is the log of a sum whose terms you know by their logs?",
        "log w = log_joint − log_q;   logsumexp_s(log w) − log S;   size = exp(2 logsumexp_s(log w) − logsumexp_s(2 log w)).",
        "log_weight = log_joint - log_q",
    ),
    misconceptions=(
        Misconception(
            "the bound",
            _importance_with(estimate=lambda log_weight: log_weight.mean(0)),
            "The size is right. You average the log weights: that is the bound. Average the weights, then take the log: `logsumexp`.",
        ),
        Misconception(
            "the sum for the mean",
            _importance_with(estimate=lambda log_weight: log_weight.logsumexp(0)),
            "The size is right. The estimate is too large by log S: the weights are averaged, not summed.",
        ),
        Misconception(
            "log S added",
            _importance_with(estimate=lambda log_weight: log_weight.logsumexp(0) + math.log(len(log_weight))),
            "The size is right. You add log S, and a mean divides by S: subtract it.",
        ),
        Misconception(
            "the best path",
            _importance_with(estimate=lambda log_weight: log_weight.amax(0)),
            "The size is right. You take the largest weight; the estimate is the mean of all.",
        ),
        Misconception(
            "by exponentials",
            _importance_with(
                estimate=lambda log_weight: log_weight.exp().mean(0).log(),
                effective=lambda log_weight: log_weight.exp().sum(0).square() / log_weight.exp().square().sum(0),
            ),
            "Right for short sequences. At −900 nats all weights are 0, and so is what you divide by. Stay in logs: `logsumexp`.",
        ),
        Misconception(
            "the size by exponentials",
            _importance_with(effective=lambda log_weight: log_weight.exp().sum(0).square() / log_weight.exp().square().sum(0)),
            "The estimate is right. The size still uses the weights themselves, which at −900 nats are all 0: 0/0. A factor common to all "
            "weights cancels in it, so normalise them first, or stay in logs.",
        ),
        Misconception(
            "no q",
            _importance_with(weight=lambda log_joint, log_q: log_joint),
            "You average p(x, z) over paths that q drew. Each is to be divided by q(z | x).",
        ),
        Misconception(
            "q multiplied",
            _importance_with(weight=lambda log_joint, log_q: log_joint + log_q),
            "You multiply by q(z | x). What q draws too often must weigh less: divide, log w = log p − log q.",
        ),
        Misconception(
            "upside down",
            _importance_with(weight=lambda log_joint, log_q: log_q - log_joint),
            "Your weights are upside down: w = p(x, z) / q(z | x).",
        ),
        Misconception(
            "the size upside down",
            _importance_with(effective=lambda log_weight: log_weight.softmax(0).square().sum(0)),
            "The estimate is right. The size is upside down: (Σ w)² / Σ w², between 1 and S.",
        ),
        Misconception(
            "the share that counts",
            _importance_with(effective=lambda log_weight: 1 / log_weight.softmax(0).square().sum(0) / len(log_weight)),
            "The estimate is right. You return the share of paths that count; return their number, between 1 and S.",
        ),
        Misconception(
            "one over the largest",
            _importance_with(effective=lambda log_weight: 1 / log_weight.softmax(0).amax(0)),
            "The estimate is right. You divide by the largest normalised weight; divide by the sum of their squares.",
        ),
        Misconception(
            "by the entropy",
            _importance_with(effective=lambda log_weight: (-(log_weight.softmax(0) * log_weight.log_softmax(0)).sum(0)).exp()),
            "The estimate is right. You return the exponential of the weights' entropy, another measure. Return (Σ w)² / Σ w².",
        ),
        Misconception(
            "the size of log weights",
            _importance_with(effective=lambda log_weight: log_weight.sum(0).square() / log_weight.square().sum(0)),
            "The estimate is right. In the size you put log weights for weights.",
        ),
        Misconception(
            "the number of paths",
            _importance_with(effective=lambda log_weight: torch.full_like(log_weight[0], len(log_weight))),
            "The estimate is right. You return S. Weights that differ count for fewer: (Σ w)² / Σ w².",
        ),
        Misconception(
            "the log of the size",
            _importance_with(effective=lambda log_weight: -log_weight.softmax(0).square().sum(0).log()),
            "The estimate is right. The size is still a logarithm.",
        ),
        Misconception(
            "no square above",
            _importance_with(effective=lambda log_weight: (log_weight.logsumexp(0) - (2 * log_weight).logsumexp(0)).exp()),
            "The estimate is right. In the size the sum above the line is squared: a factor common to all weights must cancel.",
        ),
        Misconception(
            "the mean over the sequences",
            _importance_with(estimate=lambda log_weight: (log_weight.logsumexp(0) - math.log(len(log_weight))).mean()),
            "You average over the sequences. Return one estimate for each.",
        ),
    ),
)


# 07.5


def particle_step(log_z, log_weight, z, offset):
    """One step of sequential Monte Carlo: log Z_hat, and the particles drawn anew.

    log_weight: log w of this step alone, w = p(z_t | z_{t-1}) p(x_t | z_t) / q(z_t | z_{t-1}, x),
    [batch, particles]. z: z_t of each particle, [batch, particles, latent].
    log_z: log Z_hat up to the step before, [batch]. offset: the points' u in [0, 1), [batch]
    → log Z_hat with this step [batch]; z, resampled, by point [batch, particles, latent].
    """
    count = log_weight.shape[1]
    points = (torch.arange(count, device=z.device) + offset[:, None]) / count  # [batch, particles]
    edges = log_weight.softmax(1).cumsum(1)
    chosen = torch.searchsorted(edges, points, right=True).clamp(max=count - 1)
    log_z = log_z + log_weight.logsumexp(1) - math.log(count)
    return log_z, z.gather(1, chosen[:, :, None].expand_as(z))


def _particle_inputs(
    generator: Generator, batch: int, particles: int, latent: int, loc: float = -6.0, spread: float = 1.2
) -> dict[str, Tensor]:
    return {
        "log_z": _normal(generator, batch, scale=4.0, loc=-20.0),
        "log_weight": _normal(generator, batch, particles, scale=spread) + _normal(generator, batch, 1, scale=2.0, loc=loc),
        "z": _normal(generator, batch, particles, latent),
        "offset": torch.rand(batch, generator=generator, dtype=torch.float64),
    }


def _dead_first(generator: Generator) -> dict[str, Tensor]:
    """The first particle has no weight at all, and the first point stands at 0."""
    given = _particle_inputs(generator, 2, 5, 3)
    given["log_weight"][:, 0] = -math.inf
    given["offset"] = torch.zeros(2, dtype=torch.float64)
    return given


def _particle_with(
    gain=lambda log_weight: log_weight.logsumexp(1) - math.log(log_weight.shape[1]),
    total=lambda log_z, gain: log_z + gain,
    weights=lambda log_weight: log_weight.softmax(1),
    teeth=lambda index, offset, count: (index + offset[:, None]) / count,
    find=lambda edges, teeth: torch.searchsorted(edges, teeth, right=True),
):
    """A wrong answer with this gain, sum, weights, comb, or choice."""

    def answer(log_z, log_weight, z, offset):
        count = log_weight.shape[1]
        comb = teeth(torch.arange(count), offset, count)
        chosen = find(weights(log_weight).cumsum(1), comb.contiguous()).clamp(0, count - 1)
        return total(log_z, gain(log_weight)), z.gather(1, chosen[:, :, None].expand_as(z))

    return answer


def _not_resampled(log_z, log_weight, z, offset):
    return particle_step(log_z, log_weight, z, offset)[0], z.clone()


def _weighted_particles(log_z, log_weight, z, offset):
    return particle_step(log_z, log_weight, z, offset)[0], log_weight.softmax(1)[:, :, None] * z


def _best_particle(log_z, log_weight, z, offset):
    best = log_weight.argmax(1)[:, None, None].expand_as(z)
    return particle_step(log_z, log_weight, z, offset)[0], z.gather(1, best)


def _unclamped(log_z, log_weight, z, offset):
    count = log_weight.shape[1]
    chosen = torch.searchsorted(log_weight.softmax(1).cumsum(1), (torch.arange(count) + offset[:, None]) / count, right=True)
    drawn = z.gather(1, chosen[:, :, None].expand_as(z))
    return particle_step(log_z, log_weight, z, offset)[0], drawn


def _sorted_first(log_z, log_weight, z, offset):
    order = log_weight.argsort(1, descending=True)
    return particle_step(log_z, log_weight.gather(1, order), z.gather(1, order[:, :, None].expand_as(z)), offset)


PARTICLES = Exercise(
    id="07.5",
    title="Particles that die and multiply",
    minutes=15,
    difficulty=3,
    statement=r"$K$ particles, of equal weight so far, have each been extended by $z_t$. Particle $k$'s weight for this step is "
    r"$w_k = p(z_t \mid z_{t-1})\, p(x_t \mid z_t) / q(z_t \mid z_{t-1}, x)$. Add $\log \frac 1 K \sum_k w_k$ to $\log \hat Z$. Then "
    r"resample: cut $[0, 1]$ into $K$ pieces, in the particles' order and as long as their shares $w_k / \sum w$. Put $K$ points on it, "
    r"at $(j + u) / K$ for $j = 0, \dots, K - 1$, with one $u \in [0, 1)$, which is given. Each point draws the particle whose piece it "
    r"falls in; on a boundary, the one on the right.",
    solution=particle_step,
    why="A particle with twice the mean weight is drawn twice, and one without weight dies: the next step spends its effort where weight "
    "is. The mean weight goes into Z_hat before it is forgotten, so E[Z_hat] = p(x_1..t) stays exact.",
    cases={
        "five particles": lambda g: _particle_inputs(g, 3, 5, 2),
        "weights too small for a float": lambda g: _particle_inputs(g, 2, 4, 3, loc=-900.0),
        "one particle carries all": lambda g: _particle_inputs(g, 4, 6, 2, spread=20.0),
        "a dead particle under the first point": _dead_first,
        "many particles": lambda g: _particle_inputs(g, 2, 12, 1),
        "u just below 1": lambda g: {**_particle_inputs(g, 2, 5, 3), "offset": torch.full((2,), 1 - 2**-53, dtype=torch.float64)},
        "one particle": lambda g: _particle_inputs(g, 3, 1, 2),
    },
    dimensions={
        "log_z": ("batch",), "log_weight": ("batch", "particles"), "z": ("batch", "particles", "latent"), "offset": ("batch",),
        "return": (("batch",), ("batch", "particles", "latent")),
    },  # fmt: skip
    returns=("log Z_hat", "the resampled particles"),
    hints=(
        "Normalised weights, added up one after another, give the right edge of each particle's piece. A point draws the first particle "
        "whose right edge lies beyond it.",
        "log Z_hat + logsumexp_k log w_k − log K;   edges = cumsum(softmax(log w));   `torch.searchsorted(edges, points, right=True)`. The "
        "last edge may round to just below 1, the last point to 1: `.clamp(max=K - 1)`.",
        "points = (torch.arange(count, device=z.device) + offset[:, None]) / count",
    ),
    misconceptions=(
        Misconception(
            "the sum of the weights",
            _particle_with(gain=lambda log_weight: log_weight.logsumexp(1)),
            "The particles are right. log Z_hat grows by log K too much a step: the weights are averaged.",
        ),
        Misconception(
            "the mean of the log weights",
            _particle_with(gain=lambda log_weight: log_weight.mean(1)),
            "The particles are right. You add the mean of the log weights, a bound; Z_hat is multiplied by the mean of the weights.",
        ),
        Misconception(
            "the best weight",
            _particle_with(gain=lambda log_weight: log_weight.amax(1)),
            "The particles are right. You add the largest log weight; Z_hat is multiplied by the mean of all weights.",
        ),
        Misconception(
            "by exponentials",
            _particle_with(
                gain=lambda log_weight: log_weight.exp().mean(1).log(),
                weights=lambda log_weight: log_weight.exp() / log_weight.exp().sum(1, keepdim=True),
            ),
            "Right while the weights are not too small for a floating-point number. At −900 they are 0, all of them: stay in logs.",
        ),
        Misconception(
            "the past forgotten",
            _particle_with(total=lambda log_z, gain: gain),
            "The particles are right. You return this step's share of log Z_hat alone; add it to what was there.",
        ),
        Misconception(
            "the gain subtracted",
            _particle_with(total=lambda log_z, gain: log_z - gain),
            "The particles are right. You subtract this step's log mean weight; it is added.",
        ),
        Misconception(
            "not resampled",
            _not_resampled,
            "log Z_hat is right. The particles are those that came in: draw them anew in proportion to their weights.",
        ),
        Misconception(
            "weights on the particles",
            _weighted_particles,
            "log Z_hat is right. You multiply the particles by their weights. Resampling changes no particle: it copies some and drops "
            "others.",
        ),
        Misconception(
            "the best particle for all",
            _best_particle,
            "log Z_hat is right. You copy the particle of the largest weight K times. Each is copied in proportion to its weight.",
        ),
        Misconception(
            "sorted first",
            _sorted_first,
            "log Z_hat is right. You sort the particles by weight first. That too would be fair, but the pieces are to stand in "
            "the particles' own order.",
        ),
        Misconception(
            "log weights side by side",
            _particle_with(weights=lambda log_weight: log_weight),
            "log Z_hat is right. You add up log weights. The lengths of the pieces are the normalised weights: `softmax` first.",
        ),
        Misconception(
            "not normalised",
            _particle_with(weights=torch.exp),
            "log Z_hat is right. Your weights do not sum to 1, and the points run from 0 to 1: normalise them, `softmax`.",
        ),
        Misconception(
            "normalised over the batch",
            _particle_with(weights=lambda log_weight: log_weight.softmax(0)),
            "log Z_hat is right. You normalise over the sequences; the particles of one sequence share the interval.",
        ),
        Misconception(
            "all weights alike",
            _particle_with(weights=lambda log_weight: torch.full_like(log_weight, 1 / log_weight.shape[1])),
            "log Z_hat is right. You draw all particles alike. Their shares are their normalised weights.",
        ),
        Misconception(
            "points without offset",
            _particle_with(teeth=lambda index, offset, count: (index + 0 * offset[:, None]) / count),
            "log Z_hat is right. Your points always stand at j / K. Without u the draw is no random one, and Z_hat is not unbiased.",
        ),
        Misconception(
            "the points at the middles",
            _particle_with(teeth=lambda index, offset, count: (index + 0.5 + 0 * offset[:, None]) / count),
            "log Z_hat is right. Your points always stand at (j + ½) / K. Without u the draw is no random one, and Z_hat is not unbiased.",
        ),
        Misconception(
            "the offset undivided",
            _particle_with(teeth=lambda index, offset, count: index / count + offset[:, None]),
            "log Z_hat is right. Your points stand at j / K + u, some beyond 1. The offset is a share of the distance "
            "between two: (j + u) / K.",
        ),
        Misconception(
            "one offset for all sequences",
            _particle_with(teeth=lambda index, offset, count: ((index + offset[0]) / count).expand(len(offset), -1)),
            "log Z_hat is right. You use the first sequence's offset for all. Each has its own: `offset[:, None]`.",
        ),
        Misconception(
            "every point at u",
            _particle_with(teeth=lambda index, offset, count: offset[:, None].expand(-1, count)),
            "log Z_hat is right. All your points stand at u, and draw the same particle. Point j stands at (j + u) / K.",
        ),
        Misconception(
            "points from one on",
            _particle_with(teeth=lambda index, offset, count: (index + 1 + offset[:, None]) / count),
            "log Z_hat is right. Your points begin at (1 + u) / K, and the last stands beyond 1. Count j from 0.",
        ),
        Misconception(
            "the particle before",
            _particle_with(find=lambda edges, teeth: torch.searchsorted(edges, teeth, right=True) - 1),
            "log Z_hat is right. You take the particle before the one whose piece it is: `cumsum` gives right edges, so the first edge "
            "beyond a point is that of its particle.",
        ),
        Misconception(
            "the particle that ends there",
            _particle_with(find=lambda edges, teeth: torch.searchsorted(edges, teeth)),
            "Right, except where a point lies on a boundary: there the particle on the right is drawn. With u = 0 your first point draws a "
            "particle of weight 0: `right=True`.",
        ),
        Misconception(
            "no clamp",
            _unclamped,
            "Right, until rounding puts the last point at 1 or the last edge just below it: then no edge lies beyond the point, and the "
            "index is K. The last piece ends at 1: `.clamp(max=K - 1)`.",
        ),
    ),
)


# 07.6


def forward_log_likelihood(log_initial, log_transition, log_emission):
    """log p(x_1, ..., x_T) of a hidden Markov model, in nats, by the forward algorithm.

    log_initial: log p(z_1 = i) [states]. log_transition: log p(z_t = j | z_{t-1} = i) at [i, j],
    [states, states]. log_emission: log p(x_t | z_t = j) of the x at hand, [batch, steps, states]
    → [batch].
    """
    log_forward = log_initial + log_emission[:, 0]  # log p(x_1, z_1): [batch, states]
    for t in range(1, log_emission.shape[1]):
        log_ahead = (log_forward[:, :, None] + log_transition).logsumexp(1)  # log p(x_1..t-1, z_t)
        log_forward = log_ahead + log_emission[:, t]
    return log_forward.logsumexp(1)


def _chain_inputs(
    generator: Generator, batch: int, steps: int, states: int, loc: float = -2.0, spread: float = 1.5
) -> dict[str, Tensor]:
    return {
        "log_initial": _normal(generator, states, scale=spread).log_softmax(-1).requires_grad_(),
        "log_transition": _normal(generator, states, states, scale=spread).log_softmax(-1).requires_grad_(),
        "log_emission": _leaf(generator, batch, steps, states, loc=loc, scale=1.3),
    }


def _forbidden(generator: Generator) -> dict[str, Tensor]:
    """Half of the transitions have probability 0, and so have the states beyond the first at the start."""
    given = {name: value.detach() for name, value in _chain_inputs(generator, 3, 5, 4).items()}
    log_transition = given["log_transition"].tril(1).masked_fill(torch.ones(4, 4).triu(2).bool(), -math.inf)
    log_initial = torch.tensor([0.0, *3 * [-math.inf]], dtype=torch.float64)
    return {**given, "log_initial": log_initial, "log_transition": log_transition.log_softmax(-1)}


def _forward_with(
    first=lambda log_initial, log_transition, emission: log_initial + emission,
    ahead=lambda log_forward, log_transition: (log_forward[:, :, None] + log_transition).logsumexp(1),
    seen=lambda log_ahead, emission: log_ahead + emission,
    last=lambda log_forward: log_forward.logsumexp(1),
    times=lambda steps: range(1, steps),
):
    """A wrong answer with this first step, step ahead, observation, end, or range of steps."""

    def answer(log_initial, log_transition, log_emission):
        log_forward = first(log_initial, log_transition, log_emission[:, 0])
        for t in times(log_emission.shape[1]):
            log_forward = seen(ahead(log_forward, log_transition), log_emission[:, t])
        return last(log_forward)

    return answer


def _by_probabilities(log_initial, log_transition, log_emission):
    forward = log_initial.exp() * log_emission[:, 0].exp()
    for t in range(1, log_emission.shape[1]):
        forward = (forward @ log_transition.exp()) * log_emission[:, t].exp()
    return forward.sum(1).log()


def _independent_steps(log_initial, log_transition, log_emission):
    return (log_initial + log_emission).logsumexp(2).sum(1) + 0 * log_transition.exp().sum()


FORWARD = Exercise(
    id="07.6",
    title="The likelihood of a hidden Markov model",
    minutes=11,
    difficulty=2,
    statement=r"With discrete $z_t$ the sum over all paths, $K^T$ of them, can be done step by step. Let "
    r"$\alpha_t(j) = p(x_1, \dots, x_t, z_t = j)$; then $\alpha_1(j) = p(z_1 = j)\, p(x_1 \mid z_1 = j)$ and "
    r"$\alpha_t(j) = p(x_t \mid z_t = j) \sum_i \alpha_{t-1}(i)\, p(z_t = j \mid z_{t-1} = i)$. Return $\log p(x) = \log \sum_j "
    r"\alpha_T(j)$, computed in logs: after a hundred steps $\alpha$ itself is 0 in floating point.",
    solution=forward_log_likelihood,
    why="The sum over z_{t-1} is taken as soon as nothing later needs it: T K² operations for K^T paths. This is how the entropy "
    "floor of the synthetic chorales is computed, below which no model can come on average.",
    cases={
        "four states": lambda g: _chain_inputs(g, 3, 5, 4),
        "probabilities too small for a float": lambda g: _chain_inputs(g, 2, 30, 3, loc=-60.0),
        "one step": lambda g: _chain_inputs(g, 4, 1, 3),
        "forbidden transitions": _forbidden,
        "one sequence of two states": lambda g: _chain_inputs(g, 1, 7, 2, spread=0.8),
    },
    dimensions={
        "log_initial": ("states",), "log_transition": ("states", "states"), "log_emission": ("batch", "steps", "states"),
        "return": ("batch",),
    },  # fmt: skip
    returns=("log p(x)",),
    hints=(
        "Keep one number for each state: the log probability of all that was seen so far and of being there now. What does one step do to "
        "it?",
        "log α_t(j) = log p(x_t | j) + logsumexp_i (log α_{t−1}(i) + log p(j | i));   log p(x) = logsumexp_j log α_T(j).",
        "log_forward = log_initial + log_emission[:, 0]",
    ),
    misconceptions=(
        Misconception(
            "the best path",
            _forward_with(
                ahead=lambda log_forward, log_transition: (log_forward[:, :, None] + log_transition).amax(1),
                last=lambda log_forward: log_forward.amax(1),
            ),
            "That is the log probability of the best path (Viterbi). p(x) is the sum over all paths: `logsumexp` in place of the maximum.",
        ),
        Misconception(
            "the best path to each last state",
            _forward_with(ahead=lambda log_forward, log_transition: (log_forward[:, :, None] + log_transition).amax(1)),
            "On the way you keep the best path to each state, and only the last step sums. Sum over z_{t−1} at every step: `logsumexp`.",
        ),
        Misconception(
            "the best last state",
            _forward_with(last=lambda log_forward: log_forward.amax(1)),
            "You take the most likely last state. log p(x) sums over it too: `logsumexp`.",
        ),
        Misconception(
            "the transition transposed",
            _forward_with(ahead=lambda log_forward, log_transition: (log_forward[:, :, None] + log_transition.T).logsumexp(1)),
            "You go through the transitions backwards: log_transition[i, j] leads from i to j. The state before is its first index.",
        ),
        Misconception(
            "summed over the state after",
            _forward_with(ahead=lambda log_forward, log_transition: (log_forward[:, :, None] + log_transition).logsumexp(2)),
            "You sum over the state that follows, so that no step is ever taken: transitions from a state sum to 1. Sum over the state "
            "before.",
        ),
        Misconception(
            "a transition before the first step",
            _forward_with(
                first=lambda log_initial, log_transition, emission: (log_initial[:, None] + log_transition).logsumexp(0) + emission
            ),
            "You take a transition before the first step. Here p(z_1) is given, and x_1 is seen before any transition.",
        ),
        Misconception(
            "the first observation left out",
            _forward_with(first=lambda log_initial, log_transition, emission: log_initial + 0 * emission),
            "x_1 is left out: start with log p(z_1) + log p(x_1 | z_1).",
        ),
        Misconception(
            "the start alike in all states",
            _forward_with(first=lambda log_initial, log_transition, emission: emission - math.log(emission.shape[1])),
            "You start in every state alike. The chain starts with p(z_1), `log_initial`.",
        ),
        Misconception(
            "the start left out",
            _forward_with(first=lambda log_initial, log_transition, emission: emission),
            "log p(z_1) is missing at the start.",
        ),
        Misconception(
            "the last observation left out",
            _forward_with(times=lambda steps: range(1, max(steps - 1, 1))),
            "Your loop ends one step early: the last observation is left out.",
        ),
        Misconception(
            "the first observation twice",
            _forward_with(times=lambda steps: range(steps)),
            "Your loop begins with the first step, which the start has seen already.",
        ),
        Misconception(
            "by probabilities",
            _by_probabilities,
            "Right for short sequences. After a few hundred nats the probabilities are 0 in floating point, and their log −∞: stay in "
            "logs.",
        ),
        Misconception(
            "steps on their own",
            _independent_steps,
            "You treat the steps as independent draws of p(z_1). Each state depends on the one before.",
        ),
        Misconception(
            "no transitions",
            _forward_with(ahead=lambda log_forward, log_transition: log_forward),
            "Your chain stays in its first state for ever: the transitions are missing.",
        ),
        Misconception(
            "normalised at each step",
            _forward_with(seen=lambda log_ahead, emission: (log_ahead + emission).log_softmax(1)),
            "You normalise at each step, and throw away what you divide by. That is the filter, p(z_t | x_1..t); log p(x) is the sum of "
            "those normalisers.",
        ),
        Misconception(
            "the mean over the last state",
            _forward_with(last=lambda log_forward: log_forward.logsumexp(1) - math.log(log_forward.shape[1])),
            "You average over the last state. α has its probability in it already: sum.",
        ),
        Misconception(
            "the last state not summed out",
            _forward_with(last=lambda log_forward: log_forward),
            "You return log α_T, one number a state. Sum the last state out: `logsumexp`.",
        ),
        Misconception(
            "logs added at the end",
            _forward_with(last=lambda log_forward: log_forward.sum(1)),
            "At the end you add up log α_T, which is the log of a product. Return the log of the sum of α_T: `logsumexp`.",
        ),
        Misconception(
            "the past detached",
            _forward_with(
                ahead=lambda log_forward, log_transition: (log_forward.detach()[:, :, None] + log_transition).logsumexp(1)
            ),
            "The value is right, and gradients stop at each step. Nothing is to be detached: so the model's parameters learn from all "
            "steps.",
        ),
        Misconception(
            "a loss",
            lambda *given, **named: -forward_log_likelihood(*given, **named),
            "That is −log p(x), a loss. Return log p(x).",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (GATED, PER_STEP, REVERSED, IMPORTANCE, PARTICLES, FORWARD)
