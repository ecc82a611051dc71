"""Answers of readers to the exercises of lesson 07, from its text alone."""

from __future__ import annotations

import math
from functools import reduce

import torch
import torch.nn.functional as F
from torch.distributions import Categorical

from tests.exercises.first_try.tries import right, wrong

particles = 12  # of a notebook


# 07.1


@wrong("07.1", "gate the wrong way round: g on the linear step")
def gate_the_wrong_way_round(z, gate_logit, proposal, weight, bias):
    g = torch.sigmoid(gate_logit)
    return g * (z @ weight.T + bias) + (1 - g) * proposal


@wrong("07.1", "z A in place of A z: the weight is not transposed")
def weight_not_transposed(z, gate_logit, proposal, weight, bias):
    g = torch.sigmoid(gate_logit)
    return (1 - g) * (z @ weight + bias) + g * proposal


@wrong("07.1", "forgets the bias a of the linear step")
def bias_forgotten(z, gate_logit, proposal, weight, bias):
    g = torch.sigmoid(gate_logit)
    return (1 - g) * (z @ weight.T) + g * proposal


@wrong("07.1", "the logit is taken for the gate, no sigmoid")
def logit_as_gate(z, gate_logit, proposal, weight, bias):
    g = gate_logit
    return (1 - g) * (z @ weight.T + bias) + g * proposal


@wrong("07.1", "softmax over the coordinates in place of a sigmoid for each")
def softmax_gate(z, gate_logit, proposal, weight, bias):
    g = gate_logit.softmax(-1)
    return (1 - g) * F.linear(z, weight, bias) + g * proposal


@wrong("07.1", "tanh of the proposal, as in a GRU, though h is unbounded")
def tanh_of_proposal(z, gate_logit, proposal, weight, bias):
    g = torch.sigmoid(gate_logit)
    return (1 - g) * F.linear(z, weight, bias) + g * torch.tanh(proposal)


@wrong("07.1", "closes the gate on z before the linear step, not on its result")
def gate_inside_linear(z, gate_logit, proposal, weight, bias):
    g = torch.sigmoid(gate_logit)
    return F.linear((1 - g) * z, weight, bias) + g * proposal


@wrong("07.1", "the bias stands outside of the gate")
def bias_outside_gate(z, gate_logit, proposal, weight, bias):
    g = torch.sigmoid(gate_logit)
    return (1 - g) * (z @ weight.T) + bias + g * proposal


@wrong("07.1", "one gate for all coordinates: the mean of the gates")
def one_gate_for_all(z, gate_logit, proposal, weight, bias):
    g = torch.sigmoid(gate_logit).mean(-1, keepdim=True)
    return (1 - g) * (z @ weight.T + bias) + g * proposal


@wrong("07.1", "sigmoid as exp / (1 + exp), which overflows for large logits")
def sigmoid_by_exponential(z, gate_logit, proposal, weight, bias):
    e = gate_logit.exp()
    g = e / (1 + e)
    return (1 - g) * (z @ weight.T + bias) + g * proposal


@wrong("07.1", "z itself is kept, the linear step A z + a is forgotten")
def linear_step_forgotten(z, gate_logit, proposal, weight, bias):
    g = torch.sigmoid(gate_logit)
    return (1 - g) * z + g * proposal


@wrong("07.1", "the proposal is added to the linear step, which is not gated")
def residual_proposal(z, gate_logit, proposal, weight, bias):
    g = torch.sigmoid(gate_logit)
    return z @ weight.T + bias + g * proposal


@wrong("07.1", "a hard gate: open where the logit is positive")
def hard_gate(z, gate_logit, proposal, weight, bias):
    return torch.where(gate_logit > 0, proposal, z @ weight.T + bias)


@wrong("07.1", "the gate is detached and learns nothing")
def gate_detached(z, gate_logit, proposal, weight, bias):
    g = torch.sigmoid(gate_logit).detach()
    return (1 - g) * (z @ weight.T + bias) + g * proposal


@wrong("07.1", "multiplies the proposal in place")
def proposal_in_place(z, gate_logit, proposal, weight, bias):
    g = torch.sigmoid(gate_logit)
    with torch.no_grad():
        proposal *= g
    return (1 - g) * (z @ weight.T + bias) + proposal


@right("07.1", "the formula with F.linear")
def formula_with_linear(z, gate_logit, proposal, weight, bias):
    g = torch.sigmoid(gate_logit)
    return (1 - g) * F.linear(z, weight, bias) + g * proposal


@right("07.1", "einsum, and 1 - g as the sigmoid of minus the logit")
def einsum_and_minus_logit(z, gate_logit, proposal, weight, bias):
    linear = torch.einsum("ij,bj->bi", weight, z) + bias
    return (-gate_logit).sigmoid() * linear + gate_logit.sigmoid() * proposal


@right("07.1", "torch.lerp from the linear step to the proposal")
def lerp_of_both(z, gate_logit, proposal, weight, bias):
    return torch.lerp(torch.addmm(bias, z, weight.t()), proposal, torch.sigmoid(gate_logit))


@right("07.1", "loop over the batch with matrix times vector")
def loop_over_batch(z, gate_logit, proposal, weight, bias):
    means = []
    for one, logit, h in zip(z, gate_logit, proposal, strict=True):
        g = torch.sigmoid(logit)
        means.append((1 - g) * (weight @ one + bias) + g * h)
    return torch.stack(means)


@right("07.1", "the linear step plus g times what the proposal changes")
def linear_plus_change(z, gate_logit, proposal, weight, bias):
    linear = (weight @ z.T).T + bias
    return linear + (proposal - linear) * (0.5 * (1 + torch.tanh(gate_logit / 2)))


# 07.2


@wrong("07.2", "multiplies by the mask: NaN times zero is NaN")
def multiplies_by_mask(log_likelihood, rate, lengths):
    mask = (torch.arange(log_likelihood.shape[1]) < lengths[:, None]).to(log_likelihood.dtype)
    bound = ((log_likelihood - rate) * mask).sum(1)
    return bound, bound.sum() / lengths.sum()


@wrong("07.2", "no mask: sums over the padding too")
def no_mask(log_likelihood, rate, lengths):
    bound = (log_likelihood - rate).sum(1)
    return bound, bound.sum() / lengths.sum()


@wrong("07.2", "adds the KL in place of subtracting it")
def adds_the_kl(log_likelihood, rate, lengths):
    mask = torch.arange(log_likelihood.shape[1]) < lengths[:, None]
    bound = (log_likelihood + rate).masked_fill(~mask, 0).sum(1)
    return bound, bound.sum() / lengths.sum()


@wrong("07.2", "forgets the KL: the expected log-likelihood alone")
def forgets_the_kl(log_likelihood, rate, lengths):
    mask = torch.arange(log_likelihood.shape[1]) < lengths[:, None]
    bound = log_likelihood.masked_fill(~mask, 0).sum(1)
    return bound, bound.sum() / lengths.sum()


@wrong("07.2", "per step as the mean of the sequences' own means")
def mean_of_means(log_likelihood, rate, lengths):
    mask = torch.arange(log_likelihood.shape[1]) < lengths[:, None]
    bound = torch.where(mask, log_likelihood - rate, 0.0).sum(1)
    return bound, (bound / lengths).mean()


@wrong("07.2", "mean over sequences, not per step")
def mean_over_sequences(log_likelihood, rate, lengths):
    mask = torch.arange(log_likelihood.shape[1]) < lengths[:, None]
    bound = torch.where(mask, log_likelihood - rate, 0.0).sum(1)
    return bound, bound.mean()


@wrong("07.2", "the bound of a sequence as a mean over its steps")
def bound_as_mean_over_steps(log_likelihood, rate, lengths):
    mask = torch.arange(log_likelihood.shape[1]) < lengths[:, None]
    total = torch.where(mask, log_likelihood - rate, 0.0).sum(1)
    return total / lengths, total.sum() / lengths.sum()


@wrong("07.2", "divides by all steps of the padded batch")
def divides_by_padded_steps(log_likelihood, rate, lengths):
    mask = torch.arange(log_likelihood.shape[1]) < lengths[:, None]
    terms = torch.where(mask, log_likelihood - rate, 0.0)
    return terms.sum(1), terms.mean()


@wrong("07.2", "mask one step too long: t <= length from zero")
def mask_too_long(log_likelihood, rate, lengths):
    mask = torch.arange(log_likelihood.shape[1]) <= lengths[:, None]
    bound = torch.where(mask, log_likelihood - rate, 0.0).sum(1)
    return bound, bound.sum() / lengths.sum()


@wrong("07.2", "the last step of each sequence is left out")
def last_step_left_out(log_likelihood, rate, lengths):
    steps = torch.arange(1, log_likelihood.shape[1] + 1)
    bound = torch.where(steps < lengths[:, None], log_likelihood - rate, 0.0).sum(1)
    return bound, bound.sum() / lengths.sum()


@wrong("07.2", "nansum: takes NaN for the only sign of padding")
def nansum_for_mask(log_likelihood, rate, lengths):
    bound = (log_likelihood - rate).nansum(1)
    return bound, bound.sum() / lengths.sum()


@wrong("07.2", "masks the log-likelihood alone, the rate of the padding stays")
def rate_not_masked(log_likelihood, rate, lengths):
    mask = torch.arange(log_likelihood.shape[1]) < lengths[:, None]
    bound = torch.where(mask, log_likelihood, 0.0).sum(1) - rate.sum(1)
    return bound, bound.sum() / lengths.sum()


@wrong("07.2", "reports minus the bound per step, as papers do")
def per_step_negated(log_likelihood, rate, lengths):
    mask = torch.arange(log_likelihood.shape[1]) < lengths[:, None]
    bound = torch.where(mask, log_likelihood - rate, 0.0).sum(1)
    return bound, -bound.sum() / lengths.sum()


@wrong("07.2", "cuts all sequences to the shortest, so that no mask is needed")
def cut_to_shortest(log_likelihood, rate, lengths):
    shortest = int(lengths.min())
    bound = (log_likelihood - rate)[:, :shortest].sum(1)
    return bound, bound.sum() / (shortest * len(lengths))


@wrong("07.2", "writes zeros into its arguments")
def zeros_into_arguments(log_likelihood, rate, lengths):
    beyond = torch.arange(log_likelihood.shape[1]) >= lengths[:, None]
    with torch.no_grad():
        log_likelihood[beyond] = 0
        rate[beyond] = 0
    bound = (log_likelihood - rate).sum(1)
    return bound, bound.sum() / lengths.sum()


@wrong("07.2", "the bound per step as a Python float, which has no gradient")
def per_step_as_float(log_likelihood, rate, lengths):
    mask = torch.arange(log_likelihood.shape[1]) < lengths[:, None]
    bound = torch.where(mask, log_likelihood - rate, 0.0).sum(1)
    return bound, bound.sum().item() / lengths.sum().item()


@right("07.2", "torch.where, then sums")
def where_then_sums(log_likelihood, rate, lengths):
    inside = torch.arange(log_likelihood.shape[1]) < lengths[:, None]
    bound = torch.where(inside, log_likelihood - rate, torch.zeros_like(rate)).sum(1)
    return bound, bound.sum() / lengths.sum()


@right("07.2", "masked_fill of both terms, each summed")
def masked_fill_of_both(log_likelihood, rate, lengths):
    beyond = torch.arange(rate.size(1)).expand_as(rate) >= lengths.unsqueeze(1)
    bound = log_likelihood.masked_fill(beyond, 0).sum(1) - rate.masked_fill(beyond, 0).sum(1)
    return bound, bound.sum() / lengths.sum()


@right("07.2", "loop over sequences with slices")
def loop_with_slices(log_likelihood, rate, lengths):
    bounds = [(log_likelihood[n, :end] - rate[n, :end]).sum() for n, end in enumerate(lengths.tolist())]
    return torch.stack(bounds), sum(bounds) / sum(lengths.tolist())


@right("07.2", "real steps picked out, then index_add by sequence; the mean of the real steps")
def picked_and_index_add(log_likelihood, rate, lengths):
    row, step = (torch.arange(rate.shape[1]) < lengths[:, None]).nonzero(as_tuple=True)
    terms = log_likelihood[row, step] - rate[row, step]
    return terms.new_zeros(len(lengths)).index_add(0, row, terms), terms.mean()


@right("07.2", "cumulative sums read at each end")
def cumulative_sums(log_likelihood, rate, lengths):
    terms = F.pad((log_likelihood - rate).cumsum(1), (1, 0))
    bound = terms.gather(1, lengths[:, None])[:, 0]
    return bound, bound.sum() / lengths.sum()


@right("07.2", "real steps split by length")
def split_by_length(log_likelihood, rate, lengths):
    inside = torch.arange(rate.shape[1])[None] < lengths[:, None]
    pieces = (log_likelihood[inside] - rate[inside]).split(lengths.tolist())
    bound = torch.stack([piece.sum() for piece in pieces])
    return bound, bound.sum() / inside.sum()


# 07.3


@wrong("07.3", "flips the time axis: the padding comes first")
def flips_time_axis(x, lengths):
    return x.flip(1)


@wrong("07.3", "the padding becomes zero")
def padding_becomes_zero(x, lengths):
    out = torch.zeros_like(x)
    for n, end in enumerate(lengths.tolist()):
        out[n, :end] = x[n, :end].flip(0)
    return out


@wrong("07.3", "index length - t, one too large")
def index_one_too_large(x, lengths):
    t = torch.arange(x.shape[1])
    index = torch.where(t < lengths[:, None], lengths[:, None] - t, t).clamp(max=x.shape[1] - 1)
    return x.gather(1, index[..., None].expand_as(x))


@wrong("07.3", "index modulo the number of steps: the padding is reversed too")
def padding_reversed_too(x, lengths):
    index = (lengths[:, None] - 1 - torch.arange(x.shape[1])) % x.shape[1]
    return x.gather(1, index[..., None].expand_as(x))


@wrong("07.3", "index clamped at zero: the padding becomes the first step")
def padding_becomes_first_step(x, lengths):
    index = (lengths[:, None] - 1 - torch.arange(x.shape[1])).clamp(min=0)
    return x.gather(1, index[..., None].expand_as(x))


@wrong("07.3", "flips the features")
def flips_features(x, lengths):
    out = x.clone()
    for n, end in enumerate(lengths.tolist()):
        out[n, :end] = x[n, :end].flip(-1)
    return out


@wrong("07.3", "flips time and features")
def flips_time_and_features(x, lengths):
    out = x.clone()
    for n, end in enumerate(lengths.tolist()):
        out[n, :end] = x[n, :end].flip(0, 1)
    return out


@wrong("07.3", "all sequences are reversed within the longest length")
def within_the_longest(x, lengths):
    longest = int(lengths.max())
    return torch.cat([x[:, :longest].flip(1), x[:, longest:]], 1)


@wrong("07.3", "the first sequence's length serves for all")
def length_of_the_first(x, lengths):
    end = int(lengths[0])
    return torch.cat([x[:, :end].flip(1), x[:, end:]], 1)


@wrong("07.3", "shifts each sequence in place of reversing it: the last step comes first, the order stays")
def shifted_not_reversed(x, lengths):
    t = torch.arange(x.shape[1])
    index = torch.where(t < lengths[:, None], (t - 1) % lengths[:, None], t)
    return x.gather(1, index[..., None].expand_as(x))


@wrong("07.3", "the last step stays in its place, only what is before it is reversed")
def last_step_stays(x, lengths):
    out = x.clone()
    for n, end in enumerate(lengths.tolist()):
        out[n, : end - 1] = x[n, : end - 1].flip(0)
    return out


@wrong("07.3", "right order, but aligned to the right end, padding in front")
def aligned_to_the_right(x, lengths):
    rows = [torch.cat([x[n, end:], x[n, :end].flip(0)]) for n, end in enumerate(lengths.tolist())]
    return torch.stack(rows)


@wrong("07.3", "reverses in place, in its argument")
def reverses_in_place(x, lengths):
    with torch.no_grad():
        for n, end in enumerate(lengths.tolist()):
            x[n, :end] = x[n, :end].flip(0)
    return x


@wrong("07.3", "through NumPy: no gradient comes back")
def through_numpy(x, lengths):
    out = x.detach().numpy().copy()
    for n, end in enumerate(lengths.tolist()):
        out[n, :end] = out[n, :end][::-1].copy()
    return torch.from_numpy(out)


@wrong("07.3", "cuts the padding to the longest sequence")
def cut_to_longest(x, lengths):
    t = torch.arange(int(lengths.max()))
    index = torch.where(t < lengths[:, None], lengths[:, None] - 1 - t, t)
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[2]))


@wrong("07.3", "returns the time axis first, as recurrent networks like it")
def time_axis_first(x, lengths):
    t = torch.arange(x.shape[1])
    index = torch.where(t < lengths[:, None], lengths[:, None] - 1 - t, t)
    return x.gather(1, index[..., None].expand_as(x)).transpose(0, 1)


@right("07.3", "gather with an index of each place")
def gather_with_index(x, lengths):
    t = torch.arange(x.shape[1])
    end = lengths[:, None]
    index = torch.where(t < end, end - 1 - t, t)
    return x.gather(1, index[..., None].expand_as(x))


@right("07.3", "loop over sequences, reversed part and padding joined")
def loop_and_cat(x, lengths):
    return torch.stack([torch.cat([x[n, :end].flip(0), x[n, end:]]) for n, end in enumerate(lengths.tolist())])


@right("07.3", "advanced indexing with rows and places")
def advanced_indexing(x, lengths):
    batch, steps, _ = x.shape
    place = torch.arange(steps).repeat(batch, 1)
    back = lengths.unsqueeze(1) - 1 - place
    return x[torch.arange(batch).unsqueeze(1), torch.where(back >= 0, back, place)]


@right("07.3", "argsort: inside by time left, then the padding by time")
def by_argsort(x, lengths):
    t = torch.arange(x.shape[1]).expand(x.shape[:2])
    order = torch.where(t < lengths[:, None], -t - 1, t).argsort(1)
    return torch.take_along_dim(x, order[..., None], 1)


@right("07.3", "whole axis flipped, each row rolled back, padding from x")
def flipped_and_rolled(x, lengths):
    flipped = x.flip(1)
    steps = x.shape[1]
    rolled = torch.stack([flipped[n].roll(end - steps, 0) for n, end in enumerate(lengths.tolist())])
    inside = torch.arange(steps) < lengths[:, None]
    return torch.where(inside[..., None], rolled, x)


@right("07.3", "a copy, written by a double loop")
def double_loop(x, lengths):
    out = x.clone()
    for n in range(x.shape[0]):
        end = int(lengths[n])
        for t in range(end):
            out[n, t] = x[n, end - 1 - t]
    return out


# 07.4


@wrong("07.4", "mean of the log weights: the bound again")
def mean_of_log_weights(log_joint, log_q):
    log_w = log_joint - log_q
    share = log_w.softmax(0)
    return log_w.mean(0), 1 / (share**2).sum(0)


@wrong("07.4", "weights themselves: exp of hundreds of nats is 0")
def weights_themselves(log_joint, log_q):
    w = (log_joint - log_q).exp()
    return w.mean(0).log(), w.sum(0) ** 2 / (w**2).sum(0)


@wrong("07.4", "forgets log S: a sum of the weights, no mean")
def forgets_log_samples(log_joint, log_q):
    log_w = log_joint - log_q
    total = log_w.logsumexp(0)
    return total, (2 * total - (2 * log_w).logsumexp(0)).exp()


@wrong("07.4", "forgets q: weights are the joint")
def forgets_q(log_joint, log_q):
    total = log_joint.logsumexp(0)
    return total - math.log(len(log_joint)), (2 * total - (2 * log_joint).logsumexp(0)).exp()


@wrong("07.4", "weights upside down, q / p")
def weights_upside_down(log_joint, log_q):
    log_w = log_q - log_joint
    total = log_w.logsumexp(0)
    return total - math.log(len(log_w)), (2 * total - (2 * log_w).logsumexp(0)).exp()


@wrong("07.4", "sums over the batch in place of the samples")
def sums_over_batch(log_joint, log_q):
    log_w = log_joint - log_q
    total = log_w.logsumexp(1)
    return total - math.log(log_w.shape[1]), (2 * total - (2 * log_w).logsumexp(1)).exp()


@wrong("07.4", "effective sample size from log weights")
def effective_of_log_weights(log_joint, log_q):
    log_w = log_joint - log_q
    return log_w.logsumexp(0) - math.log(len(log_w)), log_w.sum(0) ** 2 / (log_w**2).sum(0)


@wrong("07.4", "effective sample size upside down: the sum of squared shares")
def effective_upside_down(log_joint, log_q):
    log_w = log_joint - log_q
    return log_w.logsumexp(0) - math.log(len(log_w)), (log_w.softmax(0) ** 2).sum(0)


@wrong("07.4", "effective sample size as one over the largest share")
def one_over_largest_share(log_joint, log_q):
    log_w = log_joint - log_q
    return log_w.logsumexp(0) - math.log(len(log_w)), 1 / log_w.softmax(0).amax(0)


@wrong("07.4", "effective sample size with means for sums: a share of S")
def effective_as_share(log_joint, log_q):
    log_w = log_joint - log_q
    w = (log_w - log_w.amax(0)).exp()
    return log_w.amax(0) + w.mean(0).log(), w.mean(0) ** 2 / (w**2).mean(0)


@wrong("07.4", "effective sample size as exp of the entropy of the shares")
def effective_as_perplexity(log_joint, log_q):
    log_w = log_joint - log_q
    return log_w.logsumexp(0) - math.log(len(log_w)), Categorical(logits=log_w.T).entropy().exp()


@wrong("07.4", "log(mean weight + 1e-8): small weights are lost")
def small_constant_in_log(log_joint, log_q):
    log_w = log_joint - log_q
    return (log_w.exp().mean(0) + 1e-8).log(), 1 / (log_w.softmax(0) ** 2).sum(0)


@wrong("07.4", "subtracts the largest log weight of the whole batch: other sequences underflow")
def maximum_of_whole_batch(log_joint, log_q):
    log_w = log_joint - log_q
    largest = log_w.max()
    w = (log_w - largest).exp()
    return largest + w.mean(0).log(), w.sum(0) ** 2 / (w**2).sum(0)


@wrong("07.4", "estimate by logsumexp, effective sample size by the weights themselves: 0 / 0")
def effective_of_raw_weights(log_joint, log_q):
    log_w = log_joint - log_q
    w = log_w.exp()
    return log_w.logsumexp(0) - math.log(len(log_w)), w.sum(0).square() / w.square().sum(0)


@wrong("07.4", "effective sample size still in logs")
def effective_in_logs(log_joint, log_q):
    log_w = log_joint - log_q
    total = log_w.logsumexp(0)
    return total - math.log(len(log_w)), 2 * total - (2 * log_w).logsumexp(0)


@wrong("07.4", "log weights clamped at -80 against underflow")
def clamped_log_weights(log_joint, log_q):
    w = (log_joint - log_q).clamp(min=-80, max=80).double().exp()
    return w.mean(0).log().to(log_q.dtype), (w.sum(0) ** 2 / (w**2).sum(0)).to(log_q.dtype)


@wrong("07.4", "log q is detached")
def log_q_detached(log_joint, log_q):
    log_w = log_joint - log_q.detach()
    return log_w.logsumexp(0) - math.log(len(log_w)), 1 / (log_w.softmax(0) ** 2).sum(0)


@wrong("07.4", "both stacked into one tensor")
def both_stacked(log_joint, log_q):
    log_w = log_joint - log_q
    estimate = log_w.logsumexp(0) - math.log(len(log_w))
    return torch.stack([estimate, 1 / (log_w.softmax(0) ** 2).sum(0)])


@right("07.4", "logsumexp for all three sums")
def all_by_logsumexp(log_joint, log_q):
    log_w = log_joint - log_q
    total = torch.logsumexp(log_w, 0)
    return total - math.log(log_w.shape[0]), torch.exp(2 * total - torch.logsumexp(2 * log_w, 0))


@right("07.4", "one over the sum of squared shares")
def shares_by_softmax(log_joint, log_q):
    log_w = log_joint - log_q
    share = log_w.softmax(0)
    return log_w.logsumexp(0) - math.log(log_w.shape[0]), share.square().sum(0).reciprocal()


@right("07.4", "each sequence's largest subtracted by hand")
def largest_by_hand(log_joint, log_q):
    log_w = log_joint - log_q
    largest = log_w.detach().max(0, keepdim=True).values
    w = (log_w - largest).exp()
    return largest[0] + w.mean(0).log(), w.sum(0) ** 2 / (w * w).sum(0)


@right("07.4", "logaddexp over the samples, one by one")
def logaddexp_one_by_one(log_joint, log_q):
    log_w = list(log_joint - log_q)
    total = reduce(torch.logaddexp, log_w)
    squares = reduce(torch.logaddexp, [2 * one for one in log_w])
    return total - math.log(len(log_w)), (2 * total - squares).exp()


@right("07.4", "shares from a Categorical, by sequence")
def shares_of_categorical(log_joint, log_q):
    log_w = (log_joint - log_q).T
    share = Categorical(logits=log_w).probs
    return log_w.logsumexp(1) - math.log(log_w.shape[1]), 1 / torch.einsum("bs,bs->b", share, share)


# 07.5


@wrong("07.5", "mean of the log weights is added, not log of the mean")
def adds_mean_of_logs(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    points = (torch.arange(k) + offset[:, None]) / k
    index = torch.searchsorted(log_weight.softmax(-1).cumsum(-1), points, right=True).clamp(max=k - 1)
    return log_z + log_weight.mean(-1), z.gather(1, index[..., None].expand_as(z))


@wrong("07.5", "forgets log K: the sum of the weights is added")
def sum_of_weights_added(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    points = (torch.arange(k) + offset[:, None]) / k
    index = torch.searchsorted(log_weight.softmax(-1).cumsum(-1), points, right=True).clamp(max=k - 1)
    return log_z + log_weight.logsumexp(-1), z.gather(1, index[..., None].expand_as(z))


@wrong("07.5", "this step's mean alone, log Z_hat of the steps before is forgotten")
def past_forgotten(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    points = (torch.arange(k) + offset[:, None]) / k
    index = torch.searchsorted(log_weight.softmax(-1).cumsum(-1), points, right=True).clamp(max=k - 1)
    return log_weight.logsumexp(-1) - math.log(k), z.gather(1, index[..., None].expand_as(z))


@wrong("07.5", "no resampling: the particles go on as they are")
def no_resampling(log_z, log_weight, z, offset):
    return log_z + log_weight.logsumexp(-1) - math.log(log_weight.shape[1]), z


@wrong("07.5", "multinomial draws, the offset is not used")
def multinomial_draws(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    index = Categorical(logits=log_weight).sample((k,)).T
    return log_z + log_weight.logsumexp(-1) - math.log(k), z.gather(1, index[..., None].expand_as(z))


@wrong("07.5", "points at j / K + u: the offset is not divided by K")
def offset_not_divided(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    points = torch.arange(k) / k + offset[:, None]
    index = torch.searchsorted(log_weight.softmax(-1).cumsum(-1), points, right=True).clamp(max=k - 1)
    return log_z + log_weight.logsumexp(-1) - math.log(k), z.gather(1, index[..., None].expand_as(z))


@wrong("07.5", "points from 0 to 1 by linspace, the offset forgotten")
def points_by_linspace(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    points = torch.linspace(0, 1, k, dtype=z.dtype).expand_as(log_weight).contiguous()
    index = torch.searchsorted(log_weight.softmax(-1).cumsum(-1), points, right=True).clamp(max=k - 1)
    return log_z + log_weight.logsumexp(-1) - math.log(k), z.gather(1, index[..., None].expand_as(z))


@wrong("07.5", "on a boundary the particle on the left: searchsorted as it comes")
def boundary_to_the_left(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    points = (torch.arange(k) + offset[:, None]) / k
    index = torch.searchsorted(log_weight.softmax(-1).cumsum(-1), points).clamp(max=k - 1)
    return log_z + log_weight.logsumexp(-1) - math.log(k), z.gather(1, index[..., None].expand_as(z))


@wrong("07.5", "the particles are sorted by weight before the interval is cut")
def sorted_by_weight(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    share, order = log_weight.softmax(-1).sort(descending=True)
    points = (torch.arange(k) + offset[:, None]) / k
    index = order.gather(1, torch.searchsorted(share.cumsum(-1), points, right=True).clamp(max=k - 1))
    return log_z + log_weight.logsumexp(-1) - math.log(k), z.gather(1, index[..., None].expand_as(z))


@wrong("07.5", "weights by exp: 0 / 0 where all are hundreds of nats down")
def particle_weights_by_exp(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    w = log_weight.exp()
    points = (torch.arange(k) + offset[:, None]) / k
    cumulative = (w / w.sum(-1, keepdim=True)).cumsum(-1)
    index = torch.searchsorted(cumulative, points, right=True).clamp(max=k - 1)
    return log_z + w.mean(-1).log(), z.gather(1, index[..., None].expand_as(z))


@wrong("07.5", "all points draw the particle of the largest weight")
def largest_for_all(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    index = log_weight.argmax(-1, keepdim=True).expand(-1, k)
    return log_z + log_weight.logsumexp(-1) - math.log(k), z.gather(1, index[..., None].expand_as(z))


@wrong("07.5", "scales the particles by their weights in place of drawing")
def scaled_particles(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    return log_z + log_weight.logsumexp(-1) - math.log(k), k * log_weight.softmax(-1)[..., None] * z


@wrong("07.5", "shares over the batch, not over the particles")
def shares_over_batch(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    points = (torch.arange(k) + offset[:, None]) / k
    index = torch.searchsorted(log_weight.softmax(0).cumsum(-1), points, right=True).clamp(max=k - 1)
    return log_z + log_weight.logsumexp(-1) - math.log(k), z.gather(1, index[..., None].expand_as(z))


@wrong("07.5", "the particle before: the index is one too small")
def particle_before(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    points = (torch.arange(k) + offset[:, None]) / k
    index = (torch.searchsorted(log_weight.softmax(-1).cumsum(-1), points, right=True) - 1).clamp(0, k - 1)
    return log_z + log_weight.logsumexp(-1) - math.log(k), z.gather(1, index[..., None].expand_as(z))


@wrong("07.5", "subtracts the log of the mean weight in place of adding it")
def subtracts_the_step(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    points = (torch.arange(k) + offset[:, None]) / k
    index = torch.searchsorted(log_weight.softmax(-1).cumsum(-1), points, right=True).clamp(max=k - 1)
    return log_z - (log_weight.logsumexp(-1) - math.log(k)), z.gather(1, index[..., None].expand_as(z))


@wrong("07.5", "the number of particles of the notebook in place of this call's")
def particles_of_notebook(log_z, log_weight, z, offset):
    points = (torch.arange(particles) + offset[:, None]) / particles
    index = torch.searchsorted(log_weight.softmax(-1).cumsum(-1), points, right=True).clamp(max=z.shape[1] - 1)
    index = index[..., None].expand(-1, -1, z.shape[2])
    return log_z + log_weight.logsumexp(-1) - math.log(particles), z.gather(1, index)


@wrong("07.5", "adds to log_z in place")
def log_z_in_place(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    points = (torch.arange(k) + offset[:, None]) / k
    index = torch.searchsorted(log_weight.softmax(-1).cumsum(-1), points, right=True).clamp(max=k - 1)
    with torch.no_grad():
        log_z += log_weight.logsumexp(-1) - math.log(k)
    return log_z, z.gather(1, index[..., None].expand_as(z))


@wrong("07.5", "the first sequence's draws serve for the whole batch")
def draws_of_the_first(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    points = (torch.arange(k) + offset[0]) / k
    index = torch.searchsorted(log_weight[0].softmax(-1).cumsum(-1), points, right=True).clamp(max=k - 1)
    return log_z + log_weight.logsumexp(-1) - math.log(k), z[:, index]


@right("07.5", "searchsorted in the cumulative shares")
def searched_in_cumulative(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    cumulative = log_weight.softmax(-1).cumsum(-1)
    cumulative = cumulative / cumulative[:, -1:]
    points = (torch.arange(k, dtype=z.dtype) + offset[:, None]) / k
    index = torch.searchsorted(cumulative, points.to(cumulative.dtype), right=True).clamp(max=k - 1)
    return log_z + log_weight.logsumexp(-1) - math.log(k), torch.take_along_dim(z, index[..., None], 1)


@right("07.5", "counts the pieces that end at or before a point")
def counts_of_ended_pieces(log_z, log_weight, z, offset):
    batch, k = log_weight.shape
    ends = torch.softmax(log_weight, 1).cumsum(1)
    points = (torch.arange(k)[None, :] + offset[:, None]) / k
    index = (ends[:, None, :-1] <= points[:, :, None]).sum(-1)
    largest = log_weight.detach().amax(1)
    mean = (log_weight - largest[:, None]).exp().mean(1)
    return log_z + largest + mean.log(), z[torch.arange(batch)[:, None], index]


@right("07.5", "a pointer walks along the pieces, sequence by sequence")
def walking_pointer(log_z, log_weight, z, offset):
    k = log_weight.shape[1]
    rows = []
    for log_w, states, u in zip(log_weight, z, offset, strict=True):
        ends = log_w.softmax(0).cumsum(0)
        at, drawn = 0, []
        for j in range(k):
            while at < k - 1 and ends[at] <= (j + u) / k:
                at += 1
            drawn.append(states[at])
        rows.append(torch.stack(drawn))
    return log_z + torch.logsumexp(log_weight - math.log(k), 1), torch.stack(rows)


@right("07.5", "one-hot rows of the pieces times the particles")
def one_hot_times_particles(log_z, log_weight, z, offset):
    k = log_weight.shape[-1]
    w = (log_weight - log_weight.amax(-1, keepdim=True)).exp().detach()
    ends = w.cumsum(-1)
    points = (torch.arange(k) + offset[:, None]) / k * ends[:, -1:]
    chosen = F.one_hot((points[..., None] >= ends[:, None]).sum(-1).clamp(max=k - 1), k).to(z.dtype)
    return log_z + log_weight.logsumexp(-1) - math.log(k), torch.einsum("bjk,bkd->bjd", chosen, z)


@right("07.5", "numbers of copies from how many points lie before each end, repeat_interleave")
def numbers_of_copies(log_z, log_weight, z, offset):
    batch, k = log_weight.shape
    ends = log_weight.softmax(-1).cumsum(-1)
    points = (torch.arange(k) + offset[:, None]) / k
    before = (points[:, None, :] < ends[:, :, None]).sum(-1)
    before[:, -1] = k
    copies = before.diff(dim=1, prepend=before.new_zeros(batch, 1))
    drawn = [states.repeat_interleave(number, dim=0) for states, number in zip(z, copies, strict=True)]
    return log_z + log_weight.logsumexp(-1) - math.log(k), torch.stack(drawn)


# 07.6


@wrong("07.6", "sums over the index of the new state: the transition is transposed")
def transition_transposed(log_initial, log_transition, log_emission):
    alpha = log_initial + log_emission[:, 0]
    for t in range(1, log_emission.shape[1]):
        alpha = (alpha[:, None, :] + log_transition).logsumexp(-1) + log_emission[:, t]
    return alpha.logsumexp(-1)


@wrong("07.6", "in probabilities: alpha is 0 after a hundred steps")
def in_probabilities(log_initial, log_transition, log_emission):
    a, b = log_transition.exp(), log_emission.exp()
    alpha = log_initial.exp() * b[:, 0]
    for t in range(1, b.shape[1]):
        alpha = (alpha @ a) * b[:, t]
    return alpha.sum(-1).log()


@wrong("07.6", "forgets the initial distribution")
def initial_forgotten(log_initial, log_transition, log_emission):
    alpha = log_emission[:, 0]
    for t in range(1, log_emission.shape[1]):
        alpha = (alpha[:, :, None] + log_transition).logsumexp(1) + log_emission[:, t]
    return alpha.logsumexp(-1)


@wrong("07.6", "forgets the emission of the first step")
def first_emission_forgotten(log_initial, log_transition, log_emission):
    alpha = log_initial.expand(len(log_emission), -1)
    for t in range(1, log_emission.shape[1]):
        alpha = (alpha[:, :, None] + log_transition).logsumexp(1) + log_emission[:, t]
    return alpha.logsumexp(-1)


@wrong("07.6", "the loop starts at the first step again: its emission counts twice")
def first_step_twice(log_initial, log_transition, log_emission):
    alpha = log_initial + log_emission[:, 0]
    for t in range(log_emission.shape[1]):
        alpha = (alpha[:, :, None] + log_transition).logsumexp(1) + log_emission[:, t]
    return alpha.logsumexp(-1)


@wrong("07.6", "a transition before the first step: the initial distribution is taken for z_0's")
def transition_before_first(log_initial, log_transition, log_emission):
    alpha = log_initial.expand(len(log_emission), -1)
    for t in range(log_emission.shape[1]):
        alpha = (alpha[:, :, None] + log_transition).logsumexp(1) + log_emission[:, t]
    return alpha.logsumexp(-1)


@wrong("07.6", "the best path (Viterbi) in place of the sum over paths")
def best_path(log_initial, log_transition, log_emission):
    alpha = log_initial + log_emission[:, 0]
    for t in range(1, log_emission.shape[1]):
        alpha = (alpha[:, :, None] + log_transition).amax(1) + log_emission[:, t]
    return alpha.amax(-1)


@wrong("07.6", "at the end the best last state, not the sum over them")
def best_last_state(log_initial, log_transition, log_emission):
    alpha = log_initial + log_emission[:, 0]
    for t in range(1, log_emission.shape[1]):
        alpha = (alpha[:, :, None] + log_transition).logsumexp(1) + log_emission[:, t]
    return alpha.amax(-1)


@wrong("07.6", "the last step is left out")
def last_step_of_chain_left_out(log_initial, log_transition, log_emission):
    alpha = log_initial + log_emission[:, 0]
    for t in range(1, log_emission.shape[1] - 1):
        alpha = (alpha[:, :, None] + log_transition).logsumexp(1) + log_emission[:, t]
    return alpha.logsumexp(-1)


@wrong("07.6", "the sum over last states is forgotten")
def last_sum_forgotten(log_initial, log_transition, log_emission):
    alpha = log_initial + log_emission[:, 0]
    for t in range(1, log_emission.shape[1]):
        alpha = (alpha[:, :, None] + log_transition).logsumexp(1) + log_emission[:, t]
    return alpha


@wrong("07.6", "each step on its own, a mixture by the initial distribution: no transition")
def steps_on_their_own(log_initial, log_transition, log_emission):
    return (log_initial + log_emission).logsumexp(-1).sum(-1)


@wrong("07.6", "the emission of the state before: added before the move")
def emission_before_the_move(log_initial, log_transition, log_emission):
    alpha = log_initial + log_emission[:, 0]
    for t in range(1, log_emission.shape[1]):
        alpha = ((alpha + log_emission[:, t])[:, :, None] + log_transition).logsumexp(1)
    return alpha.logsumexp(-1)


@wrong("07.6", "a mean over the states before in place of the sum")
def mean_over_states(log_initial, log_transition, log_emission):
    states = len(log_initial)
    alpha = log_initial + log_emission[:, 0]
    for t in range(1, log_emission.shape[1]):
        alpha = (alpha[:, :, None] + log_transition).logsumexp(1) - math.log(states) + log_emission[:, t]
    return alpha.logsumexp(-1)


@wrong("07.6", "divides by the number of steps")
def per_step_of_chain(log_initial, log_transition, log_emission):
    alpha = log_initial + log_emission[:, 0]
    for t in range(1, log_emission.shape[1]):
        alpha = (alpha[:, :, None] + log_transition).logsumexp(1) + log_emission[:, t]
    return alpha.logsumexp(-1) / log_emission.shape[1]


@wrong("07.6", "normalises alpha at each step and forgets the constants")
def constants_forgotten(log_initial, log_transition, log_emission):
    alpha = (log_initial + log_emission[:, 0]).log_softmax(-1)
    for t in range(1, log_emission.shape[1] - 1):
        alpha = ((alpha[:, :, None] + log_transition).logsumexp(1) + log_emission[:, t]).log_softmax(-1)
    return ((alpha[:, :, None] + log_transition).logsumexp(1) + log_emission[:, -1]).logsumexp(-1)


@wrong("07.6", "scaled probabilities: a state far behind is 0 and cannot win any more")
def scaled_probabilities(log_initial, log_transition, log_emission):
    a = log_transition.exp()
    log_alpha = log_initial + log_emission[:, 0]
    total = log_alpha.logsumexp(-1)
    share = log_alpha.softmax(-1)
    for t in range(1, log_emission.shape[1]):
        log_alpha = (share @ a).log() + log_emission[:, t]
        total = total + log_alpha.logsumexp(-1)
        share = log_alpha.softmax(-1)
    return total


@wrong("07.6", "subtracts the largest of the whole batch: other sequences underflow")
def largest_of_the_batch(log_initial, log_transition, log_emission):
    a = log_transition.exp()
    alpha = log_initial + log_emission[:, 0]
    for t in range(1, log_emission.shape[1]):
        largest = alpha.max()
        alpha = ((alpha - largest).exp() @ a).log() + largest + log_emission[:, t]
    return alpha.logsumexp(-1)


@wrong("07.6", "adds the initial distribution into its argument")
def initial_into_argument(log_initial, log_transition, log_emission):
    with torch.no_grad():
        log_emission[:, 0] += log_initial
    alpha = log_emission[:, 0]
    for t in range(1, log_emission.shape[1]):
        alpha = (alpha[:, :, None] + log_transition).logsumexp(1) + log_emission[:, t]
    return alpha.logsumexp(-1)


@wrong("07.6", "sums over the batch too")
def sums_over_the_batch_too(log_initial, log_transition, log_emission):
    alpha = log_initial + log_emission[:, 0]
    for t in range(1, log_emission.shape[1]):
        alpha = (alpha[:, :, None] + log_transition).logsumexp(1) + log_emission[:, t]
    return alpha.logsumexp(-1).sum()


@right("07.6", "forward in logs")
def forward_in_logs(log_initial, log_transition, log_emission):
    alpha = log_initial + log_emission[:, 0]
    for step in log_emission[:, 1:].unbind(1):
        alpha = torch.logsumexp(alpha[:, :, None] + log_transition[None], 1) + step
    return alpha.logsumexp(-1)


@right("07.6", "backward in logs, from the last step to the first")
def backward_in_logs(log_initial, log_transition, log_emission):
    beta = torch.zeros_like(log_emission[:, 0])
    for step in log_emission[:, 1:].flip(1).unbind(1):
        beta = torch.logsumexp(log_transition + (step + beta)[:, None, :], -1)
    return torch.logsumexp(log_initial + log_emission[:, 0] + beta, -1)


@right("07.6", "loops over sequences and states")
def loops_over_states(log_initial, log_transition, log_emission):
    states = log_initial.shape[0]
    found = []
    for one in log_emission:
        alpha = [log_initial[j] + one[0, j] for j in range(states)]
        for t in range(1, one.shape[0]):
            before = torch.stack(alpha)
            alpha = [torch.logsumexp(before + log_transition[:, j], 0) + one[t, j] for j in range(states)]
        found.append(torch.logsumexp(torch.stack(alpha), 0))
    return torch.stack(found)


@right("07.6", "products of matrices in logs, one for each step")
def products_of_matrices(log_initial, log_transition, log_emission):
    def times(left, right_):
        return torch.logsumexp(left[..., :, :, None] + right_[..., None, :, :], -2)

    factors = [(log_initial + log_emission[:, 0])[:, None, :]]
    factors += [log_transition + step[:, None, :] for step in log_emission[:, 1:].unbind(1)]
    return reduce(times, factors).squeeze(1).logsumexp(-1)


@right("07.6", "shares in logs and the log of each step's constant")
def shares_in_logs(log_initial, log_transition, log_emission):
    total = log_emission.new_zeros(log_emission.shape[0])
    predicted = log_initial.expand(log_emission.shape[0], -1)
    for t in range(log_emission.shape[1]):
        joint = predicted + log_emission[:, t]
        constant = joint.logsumexp(-1)
        total = total + constant
        filtered = joint - constant[:, None]
        predicted = (filtered.unsqueeze(-1) + log_transition).logsumexp(-2)
    return total


@right("07.6", "pairwise logaddexp over the states before")
def pairwise_logaddexp(log_initial, log_transition, log_emission):
    states = len(log_initial)
    alpha = log_initial + log_emission[:, 0]
    for t in range(1, log_emission.shape[1]):
        moved = [alpha[:, i, None] + log_transition[i] for i in range(states)]
        alpha = reduce(torch.logaddexp, moved) + log_emission[:, t]
    return reduce(torch.logaddexp, alpha.unbind(-1))
