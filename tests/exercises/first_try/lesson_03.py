"""Answers to the exercises of lesson 03, written from its text alone."""

from itertools import accumulate

import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, Categorical

from tests.exercises.first_try.tries import right, wrong

# ---------------------------------------------------------------------------------------------------------------- 03.1


@right("03.1", "log_softmax and logsumexp of the log joint")
def by_log_softmax(log_prior, log_likelihood):
    log_joint = log_prior + log_likelihood
    return log_joint.log_softmax(-1), log_joint.logsumexp(-1)


@right("03.1", "explicit loop over categories with logaddexp")
def loop_over_categories(log_prior, log_likelihood):
    log_joint = [log_prior[k] + log_likelihood[:, k] for k in range(len(log_prior))]
    evidence = log_joint[0]
    for term in log_joint[1:]:
        evidence = torch.logaddexp(evidence, term)
    return torch.stack([term - evidence for term in log_joint], dim=-1), evidence


@right("03.1", "the largest term of each row taken out by hand")
def row_maximum_by_hand(log_prior, log_likelihood):
    joint = log_likelihood + log_prior.unsqueeze(0)
    top = joint.max(dim=1, keepdim=True).values.detach()
    log_p = top + torch.log(torch.sum(torch.exp(joint - top), dim=1, keepdim=True))
    return joint - log_p, log_p.squeeze(1)


@right("03.1", "Categorical normalises; log p(x) from Bayes' rule at the best category")
def by_categorical(log_prior, log_likelihood):
    log_joint = log_likelihood + log_prior
    posterior = Categorical(logits=log_joint).logits
    best = log_joint.argmax(-1, keepdim=True)
    return posterior, (log_joint.gather(-1, best) - posterior.gather(-1, best)).squeeze(-1)


@right("03.1", "one image after the other, stacked")
def one_image_at_a_time(log_prior, log_likelihood):
    posteriors, evidences = [], []
    for row in log_likelihood:
        evidence = torch.logsumexp(row + log_prior, dim=0)
        evidences.append(evidence)
        posteriors.append(row + log_prior - evidence)
    return torch.stack(posteriors), torch.stack(evidences)


@wrong("03.1", "maximum over the whole batch in the log-sum-exp")
def maximum_of_the_batch(log_prior, log_likelihood):
    joint = log_prior + log_likelihood
    top = joint.max()
    evidence = top + (joint - top).exp().sum(-1).log()
    return joint - evidence.unsqueeze(-1), evidence


@wrong("03.1", "exponentiates first: 0 / 0 at -1000")
def exponentiates_first(log_prior, log_likelihood):
    joint = log_prior.exp() * log_likelihood.exp()
    evidence = joint.sum(-1)
    return (joint / evidence.unsqueeze(-1)).log(), evidence.log()


@wrong("03.1", "log(p + 1e-8) against the underflow")
def log_with_epsilon(log_prior, log_likelihood):
    joint = torch.exp(log_prior + log_likelihood)
    evidence = torch.log(joint.sum(-1) + 1e-8)
    return log_prior + log_likelihood - evidence[:, None], evidence


@wrong("03.1", "forgets the prior")
def prior_forgotten(log_prior, log_likelihood):
    return log_likelihood.log_softmax(-1), log_likelihood.logsumexp(-1)


@wrong("03.1", "the prior's probability is added, not its log")
def prior_not_in_logs(log_prior, log_likelihood):
    joint = log_prior.exp() + log_likelihood
    return joint.log_softmax(-1), joint.logsumexp(-1)


@wrong("03.1", "returns the log joint as posterior, not normalised")
def joint_for_posterior(log_prior, log_likelihood):
    joint = log_prior + log_likelihood
    return joint, torch.logsumexp(joint, dim=-1)


@wrong("03.1", "normalises over the batch, dim 0, in the posterior")
def normalised_over_the_batch(log_prior, log_likelihood):
    joint = log_prior + log_likelihood
    return joint.log_softmax(0), joint.logsumexp(1)


@wrong("03.1", "posterior probabilities, not their logs")
def probabilities_not_logs(log_prior, log_likelihood):
    joint = log_prior + log_likelihood
    return joint.softmax(-1), joint.logsumexp(-1)


@wrong("03.1", "log p(x) as the prior's expectation of log p(x | z): log inside the sum")
def expected_log_likelihood(log_prior, log_likelihood):
    joint = log_prior + log_likelihood
    return joint.log_softmax(-1), (log_prior.exp() * log_likelihood).sum(-1)


@wrong("03.1", "mean for sum: subtracts log K although the prior holds it")
def mean_over_categories(log_prior, log_likelihood):
    joint = log_prior + log_likelihood
    return joint.log_softmax(-1), joint.logsumexp(-1) - torch.log(torch.tensor(float(joint.shape[-1]))).to(joint)


@wrong("03.1", "log p(x) as the largest log joint alone")
def largest_term_alone(log_prior, log_likelihood):
    joint = log_prior + log_likelihood
    return joint.log_softmax(-1), joint.amax(-1)


@wrong("03.1", "log-likelihoods clamped at -100 so that they do not underflow")
def clamped_likelihood(log_prior, log_likelihood):
    joint = log_prior + log_likelihood.clamp(min=-100)
    return joint.log_softmax(-1), joint.logsumexp(-1)


@wrong("03.1", "log p(x) keeps its dimension, [batch, 1]")
def evidence_keeps_dimension(log_prior, log_likelihood):
    joint = log_prior + log_likelihood
    evidence = joint.logsumexp(-1, keepdim=True)
    return joint - evidence, evidence


@wrong("03.1", "adds the prior in place to its argument")
def adds_in_place(log_prior, log_likelihood):
    log_likelihood += log_prior
    evidence = log_likelihood.logsumexp(-1)
    return log_likelihood - evidence.unsqueeze(-1), evidence


@wrong("03.1", "returns the two in the other order")
def other_order(log_prior, log_likelihood):
    joint = log_prior + log_likelihood
    return joint.logsumexp(-1), joint.log_softmax(-1)


# ---------------------------------------------------------------------------------------------------------------- 03.2


@right("03.2", "torch's Bernoulli, reward detached")
def by_bernoulli(f, logits, z):
    log_q = Bernoulli(logits=logits).log_prob(z).sum(-1)
    return (f + f.detach() * log_q).mean(0)


@right("03.2", "binary cross-entropy with logits")
def by_cross_entropy(f, logits, z):
    log_q = -F.binary_cross_entropy_with_logits(logits.expand_as(z), z, reduction="none").sum(dim=2)
    with torch.no_grad():
        reward = f.clone()
    return f.mean(dim=0) + (reward * log_q).mean(dim=0)


@right("03.2", "loop over samples, logsigmoid of both signs")
def loop_over_samples(f, logits, z):
    total = 0
    for f_s, z_s in zip(f, z, strict=True):
        log_q = (z_s * F.logsigmoid(logits) + (1 - z_s) * F.logsigmoid(-logits)).sum(-1)
        total = total + f_s + f_s.detach() * log_q
    return total / len(f)


@right("03.2", "bits as signs: logsigmoid of (2z - 1) times the logits")
def bits_as_signs(f, logits, z):
    log_q = F.logsigmoid((2 * z - 1) * logits).sum(-1)
    return torch.einsum("sb,sb->b", f.detach(), log_q) / f.shape[0] + f.sum(0) / f.shape[0]


@right("03.2", "exponential family: z times the logits less the softplus")
def exponential_family(f, logits, z):
    log_q = torch.einsum("sbd,bd->sb", z, logits) - F.softplus(logits).sum(-1)
    return torch.mean(f + f.detach() * log_q, 0)


@right("03.2", "logsigmoid picked by torch.where")
def picked_by_where(f, logits, z):
    log_probs = torch.where(z > 0.5, F.logsigmoid(logits), F.logsigmoid(-logits))
    return f.mean(0) + f.detach().mul(log_probs.sum(-1)).mean(0)


@wrong("03.2", "the reward is not detached")
def reward_with_graph(f, logits, z):
    log_q = Bernoulli(logits=logits).log_prob(z).sum(-1)
    return (f + f * log_q).mean(0)


@wrong("03.2", "the first f is missing: nothing for the model's parameters")
def first_term_missing(f, logits, z):
    log_q = Bernoulli(logits=logits).log_prob(z).sum(-1)
    return (f.detach() * log_q).mean(0)


@wrong("03.2", "both f detached: the model gets no gradient")
def both_detached(f, logits, z):
    reward = f.detach()
    log_q = Bernoulli(logits=logits).log_prob(z).sum(-1)
    return (reward + reward * log_q).mean(0)


@wrong("03.2", "log q detached in place of the reward")
def score_detached(f, logits, z):
    log_q = Bernoulli(logits=logits).log_prob(z).sum(-1)
    return (f + f * log_q.detach()).mean(0)


@wrong("03.2", "sum over samples for mean")
def sum_over_samples(f, logits, z):
    log_q = Bernoulli(logits=logits).log_prob(z).sum(-1)
    return (f + f.detach() * log_q).sum(0)


@wrong("03.2", "mean over bits for sum in log q")
def mean_over_bits(f, logits, z):
    log_q = Bernoulli(logits=logits).log_prob(z).mean(-1)
    return (f + f.detach() * log_q).mean(0)


@wrong("03.2", "log(1 - sigmoid): 0 times -inf at a logit of 50")
def log_of_sigmoid(f, logits, z):
    p = torch.sigmoid(logits)
    log_q = (z * torch.log(p) + (1 - z) * torch.log(1 - p)).sum(-1)
    return (f + f.detach() * log_q).mean(0)


@wrong("03.2", "log(p + 1e-8) in log q")
def sigmoid_with_epsilon(f, logits, z):
    p = torch.sigmoid(logits)
    log_q = (z * torch.log(p + 1e-8) + (1 - z) * torch.log(1 - p + 1e-8)).sum(-1)
    return (f + f.detach() * log_q).mean(0)


@wrong("03.2", "only bits that are 1 count in log q")
def only_ones_count(f, logits, z):
    log_q = (z * F.logsigmoid(logits)).sum(-1)
    return (f + f.detach() * log_q).mean(0)


@wrong("03.2", "minus sign before the score term")
def minus_the_score(f, logits, z):
    log_q = Bernoulli(logits=logits).log_prob(z).sum(-1)
    return (f - f.detach() * log_q).mean(0)


@wrong("03.2", "cross-entropy without its minus: -log q")
def cross_entropy_for_log_q(f, logits, z):
    minus_log_q = F.binary_cross_entropy_with_logits(logits.expand_as(z), z, reduction="none").sum(-1)
    return (f + f.detach() * minus_log_q).mean(0)


@wrong("03.2", "subtracts the samples' mean from the reward, own sample inside the mean")
def own_sample_in_the_mean(f, logits, z):
    log_q = Bernoulli(logits=logits).log_prob(z).sum(-1)
    reward = f.detach()
    return (f + (reward - reward.mean(0)) * log_q).mean(0)


@wrong("03.2", "probability q for log q")
def probability_for_log(f, logits, z):
    q = Bernoulli(logits=logits).log_prob(z).sum(-1).exp()
    return (f + f.detach() * q).mean(0)


@wrong("03.2", "logits given to Bernoulli as if they were probabilities' sigmoid twice")
def sigmoid_twice(f, logits, z):
    log_q = Bernoulli(logits=torch.sigmoid(logits)).log_prob(z).sum(-1)
    return (f + f.detach() * log_q).mean(0)


@wrong("03.2", "averages over samples before the product: mean reward times mean log q")
def product_of_means(f, logits, z):
    log_q = Bernoulli(logits=logits).log_prob(z).sum(-1)
    return f.mean(0) + f.detach().mean(0) * log_q.mean(0)


@wrong("03.2", "mean over the batch as well, a scalar")
def mean_over_everything(f, logits, z):
    log_q = Bernoulli(logits=logits).log_prob(z).sum(-1)
    return (f + f.detach() * log_q).mean()


@wrong("03.2", "bits left unsummed, [batch, bits]")
def bits_left_unsummed(f, logits, z):
    log_q = Bernoulli(logits=logits).log_prob(z)
    return (f.unsqueeze(-1) + f.detach().unsqueeze(-1) * log_q).mean(0)


# ---------------------------------------------------------------------------------------------------------------- 03.3


@right("03.3", "weighted mean of f, weights q times squared length of the score")
def weighted_mean(probability, f, score):
    weight = probability * score.square().sum(-1)
    b = (weight * f).sum() / weight.sum()
    gradient = (f - b).unsqueeze(-1) * score
    mean = (probability.unsqueeze(-1) * gradient).sum(0)
    return b, (probability * gradient.square().sum(-1)).sum() - mean.square().sum()


@right("03.3", "by einsum")
def by_einsum(probability, f, score):
    length = torch.einsum("op,op->o", score, score)
    b = torch.einsum("o,o,o->", probability, f, length) / torch.einsum("o,o->", probability, length)
    g = torch.einsum("o,op->op", f - b, score)
    mean = torch.einsum("o,op->p", probability, g)
    deviation = g - mean
    return b, torch.einsum("o,op,op->", probability, deviation, deviation)


@right("03.3", "loop over outcomes and parameters' vectors")
def loop_over_outcomes(probability, f, score):
    top = bottom = 0.0
    for p, reward, s in zip(probability, f, score, strict=True):
        top = top + p * reward * s.dot(s)
        bottom = bottom + p * s.dot(s)
    b = top / bottom
    second = first = 0.0
    for p, reward, s in zip(probability, f, score, strict=True):
        g = (reward - b) * s
        first = first + p * g
        second = second + p * g.dot(g)
    return b, second - first.dot(first)


@right("03.3", "rewards centred by E[f] first, then corrected")
def centred_first(probability, f, score):
    expected = probability @ f
    centred = f - expected
    weight = probability * torch.linalg.vector_norm(score, dim=1) ** 2
    shift = weight @ centred / weight.sum()
    gradient_mean = (probability * centred) @ score
    return expected + shift, weight @ (centred - shift) ** 2 - gradient_mean @ gradient_mean


@right("03.3", "trace of the covariance matrix")
def trace_of_covariance(probability, f, score):
    weight = probability * (score * score).sum(1)
    b = torch.dot(weight / weight.sum(), f)
    g = (f - b)[:, None] * score
    mean = probability @ g
    covariance = (g - mean).T @ torch.diag(probability) @ (g - mean)
    return b, covariance.trace()


@wrong("03.3", "b is the expected reward E[f]")
def expected_reward(probability, f, score):
    b = probability @ f
    g = (f - b).unsqueeze(-1) * score
    return b, probability @ g.square().sum(-1) - (probability @ g).square().sum()


@wrong("03.3", "outcomes all weigh the same: probability forgotten in b")
def uniform_weights(probability, f, score):
    length = score.square().sum(-1)
    b = (f * length).mean() / length.mean()
    g = (f - b).unsqueeze(-1) * score
    return b, probability @ g.square().sum(-1) - (probability @ g).square().sum()


@wrong("03.3", "plain averages over outcomes in the variance")
def plain_averages_in_variance(probability, f, score):
    weight = probability * score.square().sum(-1)
    b = weight @ f / weight.sum()
    g = (f - b).unsqueeze(-1) * score
    return b, g.square().sum(-1).mean() - g.mean(0).square().sum()


@wrong("03.3", "length of the score for its square")
def length_not_squared(probability, f, score):
    weight = probability * score.norm(dim=-1)
    b = weight @ f / weight.sum()
    g = (f - b).unsqueeze(-1) * score
    return b, probability @ g.square().sum(-1) - (probability @ g).square().sum()


@wrong("03.3", "one baseline for each parameter")
def one_for_each_parameter(probability, f, score):
    weight = probability.unsqueeze(-1) * score.square()
    b = (weight * f.unsqueeze(-1)).sum(0) / weight.sum(0)
    g = (f.unsqueeze(-1) - b) * score
    return b, probability @ g.square().sum(-1) - (probability @ g).square().sum()


@wrong("03.3", "each parameter's best baseline, averaged")
def average_of_parameters_best(probability, f, score):
    weight = probability.unsqueeze(-1) * score.square()
    b = ((weight * f.unsqueeze(-1)).sum(0) / weight.sum(0)).mean()
    g = (f - b).unsqueeze(-1) * score
    return b, probability @ g.square().sum(-1) - (probability @ g).square().sum()


@wrong("03.3", "second moment for variance: the squared mean is not subtracted")
def second_moment(probability, f, score):
    weight = probability * score.square().sum(-1)
    b = weight @ f / weight.sum()
    return b, weight @ (f - b).square()


@wrong("03.3", "standard deviation for variance")
def standard_deviation(probability, f, score):
    weight = probability * score.square().sum(-1)
    b = weight @ f / weight.sum()
    g = (f - b).unsqueeze(-1) * score
    return b, (probability @ g.square().sum(-1) - (probability @ g).square().sum()).sqrt()


@wrong("03.3", "variance averaged over the parameters")
def averaged_over_parameters(probability, f, score):
    weight = probability * score.square().sum(-1)
    b = weight @ f / weight.sum()
    g = (f - b).unsqueeze(-1) * score
    return b, (probability @ g.square() - (probability @ g).square()).mean()


@wrong("03.3", "square of the summed score for the sum of squares")
def square_of_sum(probability, f, score):
    weight = probability * score.sum(-1).square()
    b = weight @ f / weight.sum()
    g = (f - b).unsqueeze(-1) * score
    return b, probability @ g.square().sum(-1) - (probability @ g).square().sum()


@wrong("03.3", "the variance of the gradient without the baseline")
def variance_without_baseline(probability, f, score):
    weight = probability * score.square().sum(-1)
    b = weight @ f / weight.sum()
    g = f.unsqueeze(-1) * score
    return b, probability @ g.square().sum(-1) - (probability @ g).square().sum()


@wrong("03.3", "forgets to divide by E|s|^2")
def not_divided(probability, f, score):
    b = (probability * f * score.square().sum(-1)).sum()
    g = (f - b).unsqueeze(-1) * score
    return b, probability @ g.square().sum(-1) - (probability @ g).square().sum()


@wrong("03.3", "covariance of f with the squared score over the variance of that: the usual control variate's formula")
def regression_formula(probability, f, score):
    length = score.square().sum(-1)
    deviation = length - probability @ length
    b = probability @ ((f - probability @ f) * deviation) / (probability @ deviation.square())
    g = (f - b).unsqueeze(-1) * score
    return b, probability @ g.square().sum(-1) - (probability @ g).square().sum()


@wrong("03.3", "sign of b")
def sign_of_b(probability, f, score):
    weight = probability * score.square().sum(-1)
    b = weight @ f / weight.sum()
    g = (f - b).unsqueeze(-1) * score
    return -b, probability @ g.square().sum(-1) - (probability @ g).square().sum()


@wrong("03.3", "variance of the reward under q, in place of the gradient's")
def variance_of_the_reward(probability, f, score):
    weight = probability * score.square().sum(-1)
    b = weight @ f / weight.sum()
    return b, probability @ (f - b).square()


@wrong("03.3", "subtracts b from f in place")
def f_less_b_in_place(probability, f, score):
    weight = probability * score.square().sum(-1)
    b = weight @ f / weight.sum()
    f -= b
    g = f.unsqueeze(-1) * score
    return b, probability @ g.square().sum(-1) - (probability @ g).square().sum()


@wrong("03.3", "variance left per parameter, not summed")
def variance_per_parameter(probability, f, score):
    weight = probability * score.square().sum(-1)
    b = weight @ f / weight.sum()
    g = (f - b).unsqueeze(-1) * score
    return b, probability @ g.square() - (probability @ g).square()


# ---------------------------------------------------------------------------------------------------------------- 03.4


@right("03.4", "loop: subtract, then update")
def subtract_then_update(rewards, mean):
    centred = []
    for batch in rewards:
        centred.append(batch - mean)
        mean = 0.9 * mean + 0.1 * batch.mean()
    return torch.stack(centred), mean


@right("03.4", "means first by accumulate, all subtracted at once")
def by_accumulate(rewards, mean):
    start = torch.as_tensor(mean, dtype=rewards.dtype)
    means = list(accumulate(rewards.mean(1), lambda m, new: m + 0.1 * (new - m), initial=start))
    return rewards - torch.stack(means[:-1]).unsqueeze(1), means[-1]


@right("03.4", "closed form: a triangular matrix of powers of 0.9")
def powers_of_nine_tenths(rewards, mean):
    steps = len(rewards)
    t = torch.arange(steps + 1).unsqueeze(1)
    i = torch.arange(steps)
    power = 0.9 ** (t - 1 - i).clamp(min=0).to(rewards.dtype)
    weight = torch.where(i < t, 0.1 * power, torch.zeros_like(power))
    means = weight @ rewards.mean(1) + 0.9 ** t.squeeze(1).to(rewards.dtype) * mean
    return rewards - means[:-1, None], means[-1]


@right("03.4", "fills an empty tensor, index by index")
def fills_a_tensor(rewards, mean):
    centred = torch.zeros_like(rewards)
    running = mean
    for t in range(rewards.shape[0]):
        centred[t] = rewards[t] - running
        running = running * 0.9 + rewards[t].sum() / rewards.shape[1] * 0.1
    return centred, running


@right("03.4", "recursion over the steps")
def by_recursion(rewards, mean):
    first = rewards[:1] - mean
    following = mean + 0.1 * (rewards[0] - mean).mean()
    if len(rewards) == 1:
        return first, following
    rest, last = by_recursion(rewards[1:], following)
    return torch.cat([first, rest]), last


@wrong("03.4", "updates the mean before subtracting: own batch inside")
def update_then_subtract(rewards, mean):
    centred = []
    for batch in rewards:
        mean = 0.9 * mean + 0.1 * batch.mean()
        centred.append(batch - mean)
    return torch.stack(centred), mean


@wrong("03.4", "weights swapped: the new batch weighs 0.9")
def weights_swapped(rewards, mean):
    centred = []
    for batch in rewards:
        centred.append(batch - mean)
        mean = 0.1 * mean + 0.9 * batch.mean()
    return torch.stack(centred), mean


@wrong("03.4", "sum of the batch for its mean")
def sum_of_the_batch(rewards, mean):
    centred = []
    for batch in rewards:
        centred.append(batch - mean)
        mean = 0.9 * mean + 0.1 * batch.sum()
    return torch.stack(centred), mean


@wrong("03.4", "returns the mean before the last step's update")
def mean_before_last(rewards, mean):
    centred = []
    for batch in rewards:
        used = mean
        centred.append(batch - used)
        mean = 0.9 * mean + 0.1 * batch.mean()
    return torch.stack(centred), used


@wrong("03.4", "each batch centred by its own mean")
def own_batch_mean(rewards, mean):
    for batch in rewards:
        mean = 0.9 * mean + 0.1 * batch.mean()
    return rewards - rewards.mean(1, keepdim=True), mean


@wrong("03.4", "the running mean is updated with the centred rewards")
def updated_with_centred(rewards, mean):
    centred = []
    for batch in rewards:
        left = batch - mean
        centred.append(left)
        mean = 0.9 * mean + 0.1 * left.mean()
    return torch.stack(centred), mean


@wrong("03.4", "starts from 0, not from the mean given")
def starts_from_zero(rewards, mean):
    centred = []
    mean = torch.zeros((), dtype=rewards.dtype)
    for batch in rewards:
        centred.append(batch - mean)
        mean = 0.9 * mean + 0.1 * batch.mean()
    return torch.stack(centred), mean


@wrong("03.4", "starts from the first batch's mean")
def starts_from_first_batch(rewards, mean):
    centred = []
    mean = rewards[0].mean()
    for batch in rewards:
        centred.append(batch - mean)
        mean = 0.9 * mean + 0.1 * batch.mean()
    return torch.stack(centred), mean


@wrong("03.4", "wrong sign: mean less reward")
def mean_less_reward(rewards, mean):
    centred = []
    for batch in rewards:
        centred.append(mean - batch)
        mean = 0.9 * mean + 0.1 * batch.mean()
    return torch.stack(centred), mean


@wrong("03.4", "one running mean for each place in the batch")
def mean_for_each_place(rewards, mean):
    centred = []
    for batch in rewards:
        centred.append(batch - mean)
        mean = 0.9 * mean + 0.1 * batch
    return torch.stack(centred), mean.mean()


@wrong("03.4", "Adam's correction of the start: subtracts m / (1 - 0.9^t)")
def corrected_like_adam(rewards, mean):
    centred = []
    for t, batch in enumerate(rewards):
        centred.append(batch - (mean if t == 0 else mean / (1 - 0.9**t)))
        mean = 0.9 * mean + 0.1 * batch.mean()
    return torch.stack(centred), mean


@wrong("03.4", "plain average of all past batches, each weighing the same")
def plain_average_of_past(rewards, mean):
    centred = []
    for t, batch in enumerate(rewards):
        centred.append(batch - mean)
        mean = (mean * (t + 1) + batch.mean()) / (t + 2)
    return torch.stack(centred), mean


@wrong("03.4", "the old mean does not decay: m + 0.1 r")
def no_decay(rewards, mean):
    centred = []
    for batch in rewards:
        centred.append(batch - mean)
        mean = mean + 0.1 * batch.mean()
    return torch.stack(centred), mean


@wrong("03.4", "the mean after the last step is subtracted from every batch")
def last_mean_for_all(rewards, mean):
    for batch in rewards:
        mean = 0.9 * mean + 0.1 * batch.mean()
    return rewards - mean, mean


@wrong("03.4", "mean updated reward by reward inside the batch")
def updated_reward_by_reward(rewards, mean):
    centred = torch.zeros_like(rewards)
    for t in range(len(rewards)):
        for n in range(rewards.shape[1]):
            centred[t, n] = rewards[t, n] - mean
            mean = 0.9 * mean + 0.1 * rewards[t, n]
    return centred, mean


@wrong("03.4", "subtracts in place from its argument")
def centred_in_place(rewards, mean):
    for t in range(len(rewards)):
        batch_mean = rewards[t].mean()
        rewards[t] -= mean
        mean = 0.9 * mean + 0.1 * batch_mean
    return rewards, mean


@wrong("03.4", "returns a list of batches, not stacked")
def list_of_batches(rewards, mean):
    centred = []
    for batch in rewards:
        centred.append(batch - mean)
        mean = 0.9 * mean + 0.1 * batch.mean()
    return centred, mean


# ---------------------------------------------------------------------------------------------------------------- 03.5


@right("03.5", "two detaches in the surrogate, one in the loss")
def three_detaches(f, log_q, baseline):
    surrogate = (f + (f - baseline).detach() * log_q).mean(0)
    return surrogate, ((f.detach() - baseline) ** 2).mean()


@right("03.5", "mse_loss of the expanded baseline")
def by_mse_loss(f, log_q, baseline):
    target = f.detach()
    reward = target - baseline.detach()
    return f.mean(0) + (reward * log_q).mean(0), F.mse_loss(baseline.expand_as(target), target)


@right("03.5", "loop over samples")
def samples_in_a_loop(f, log_q, baseline):
    surrogate = torch.zeros_like(baseline.detach())
    loss = 0.0
    for f_s, log_q_s in zip(f, log_q, strict=True):
        reward = f_s.detach()
        surrogate = surrogate + f_s + (reward - baseline.detach()) * log_q_s
        loss = loss + (baseline - reward).square().mean()
    return surrogate / len(f), loss / len(f)


@right("03.5", "einsum, reward under no_grad")
def reward_under_no_grad(f, log_q, baseline):
    with torch.no_grad():
        reward = f - baseline.unsqueeze(0)
        target = f * 1.0
    samples, batch = f.shape
    surrogate = (torch.einsum("sb->b", f) + torch.einsum("sb,sb->b", reward, log_q)) / samples
    gap = target - baseline
    return surrogate, torch.einsum("sb,sb->", gap, gap) / (samples * batch)


@right("03.5", "product multiplied out; the loss from mean and spread over samples")
def multiplied_out(f, log_q, baseline):
    reward, b = f.detach(), baseline.detach()
    surrogate = f.mean(0) + (reward * log_q).mean(0) - b * log_q.mean(0)
    loss = (reward.mean(0) - baseline).square() + reward.var(0, unbiased=False)
    return surrogate, loss.mean()


@wrong("03.5", "nothing is detached")
def nothing_detached(f, log_q, baseline):
    return (f + (f - baseline) * log_q).mean(0), (f - baseline).square().mean()


@wrong("03.5", "the baseline is not detached in the surrogate")
def baseline_hears_surrogate(f, log_q, baseline):
    return (f + (f.detach() - baseline) * log_q).mean(0), (f.detach() - baseline).square().mean()


@wrong("03.5", "the reward f is not detached in the surrogate")
def reward_keeps_its_graph(f, log_q, baseline):
    return (f + (f - baseline.detach()) * log_q).mean(0), (f.detach() - baseline).square().mean()


@wrong("03.5", "f is not detached in the auxiliary loss: the model learns to be predictable")
def model_hears_loss(f, log_q, baseline):
    return (f + (f - baseline).detach() * log_q).mean(0), (f - baseline).square().mean()


@wrong("03.5", "the difference is detached once and used in both: the baseline learns nothing")
def baseline_learns_nothing(f, log_q, baseline):
    reward = (f - baseline).detach()
    return (f + reward * log_q).mean(0), reward.square().mean()


@wrong("03.5", "the baseline is detached in the loss in place of f")
def wrong_one_detached(f, log_q, baseline):
    return (f + (f - baseline).detach() * log_q).mean(0), (f - baseline.detach()).square().mean()


@wrong("03.5", "the first f is missing")
def no_first_f(f, log_q, baseline):
    return ((f - baseline).detach() * log_q).mean(0), (f.detach() - baseline).square().mean()


@wrong("03.5", "the first f is detached")
def first_f_detached(f, log_q, baseline):
    reward = f.detach()
    return (reward + (reward - baseline.detach()) * log_q).mean(0), (reward - baseline).square().mean()


@wrong("03.5", "the baseline is subtracted from the first f too")
def first_f_centred(f, log_q, baseline):
    centred = f - baseline.detach()
    return (centred + centred.detach() * log_q).mean(0), (f.detach() - baseline).square().mean()


@wrong("03.5", "b - f in the surrogate, wrong sign")
def baseline_less_f(f, log_q, baseline):
    return (f + (baseline - f).detach() * log_q).mean(0), (f.detach() - baseline).square().mean()


@wrong("03.5", "the score term forgets the baseline, which only learns")
def baseline_not_used(f, log_q, baseline):
    return (f + f.detach() * log_q).mean(0), (f.detach() - baseline).square().mean()


@wrong("03.5", "the loss compares b with the mean over samples: the spread between samples is lost")
def squares_after_the_mean(f, log_q, baseline):
    return (f + (f - baseline).detach() * log_q).mean(0), (f.detach().mean(0) - baseline).square().mean()


@wrong("03.5", "the loss is summed over samples, averaged over the batch alone")
def loss_summed_over_samples(f, log_q, baseline):
    return (f + (f - baseline).detach() * log_q).mean(0), (f.detach() - baseline).square().sum(0).mean()


@wrong("03.5", "half of the squared error")
def half_the_square(f, log_q, baseline):
    return (f + (f - baseline).detach() * log_q).mean(0), 0.5 * (f.detach() - baseline).square().mean()


@wrong("03.5", "absolute error for squared error")
def absolute_error(f, log_q, baseline):
    return (f + (f - baseline).detach() * log_q).mean(0), (f.detach() - baseline).abs().mean()


@wrong("03.5", "log q is detached: the guide gets no gradient")
def guide_gets_nothing(f, log_q, baseline):
    return (f + (f - baseline).detach() * log_q.detach()).mean(0), (f.detach() - baseline).square().mean()


@wrong("03.5", "the surrogate is summed over samples")
def surrogate_summed(f, log_q, baseline):
    return (f + (f - baseline).detach() * log_q).sum(0), (f.detach() - baseline).square().mean()


@wrong("03.5", "the surrogate is averaged over the batch too, a scalar")
def surrogate_a_scalar(f, log_q, baseline):
    return (f + (f - baseline).detach() * log_q).mean(), (f.detach() - baseline).square().mean()


@wrong("03.5", "the auxiliary loss is left per datum, [batch]")
def loss_per_datum(f, log_q, baseline):
    return (f + (f - baseline).detach() * log_q).mean(0), (f.detach() - baseline).square().mean(0)


@wrong("03.5", "baseline as a column: [batch, 1] against [samples, batch]")
def baseline_as_column(f, log_q, baseline):
    b = baseline.unsqueeze(1)
    return (f + (f - b).detach() * log_q).mean(0), (f.detach() - b).square().mean()


@wrong("03.5", "one total loss: auxiliary loss subtracted from the surrogate")
def one_total(f, log_q, baseline):
    loss = (f.detach() - baseline).square().mean()
    return (f + (f - baseline).detach() * log_q).mean(0) - loss


# ---------------------------------------------------------------------------------------------------------------- 03.6


@right("03.6", "cumulative sum from the far end by two flips")
def by_two_flips(log_prior, log_p, log_q):
    terms = (log_p - log_q).detach()
    return terms.flip(0).cumsum(0).flip(0) + log_prior.detach()


@right("03.6", "loop from the top layer down")
def from_the_top_down(log_prior, log_p, log_q):
    reward = log_prior.detach()
    rewards = []
    for p, q in zip(reversed(log_p.detach()), reversed(log_q.detach()), strict=True):
        reward = reward + p - q
        rewards.insert(0, reward)
    return torch.stack(rewards)


@right("03.6", "a triangular matrix over layers by einsum")
def triangular_over_layers(log_prior, log_p, log_q):
    with torch.no_grad():
        layers = log_p.shape[0]
        after = torch.ones(layers, layers, dtype=log_p.dtype, device=log_p.device).triu()
        return torch.einsum("lk,ksb->lsb", after, log_p - log_q) + log_prior


@right("03.6", "each layer sums its own tail")
def each_sums_its_tail(log_prior, log_p, log_q):
    rewards = [log_prior + log_p[layer:].sum(0) - log_q[layer:].sum(0) for layer in range(len(log_p))]
    return torch.stack(rewards).detach()


@right("03.6", "recursion: a layer's terms and what the layers above get")
@torch.no_grad()
def terms_and_what_is_above(log_prior, log_p, log_q):
    if len(log_p) == 0:
        return log_p
    above = terms_and_what_is_above(log_prior, log_p[1:], log_q[1:])
    rest = above[0] if len(above) else log_prior
    return torch.cat([(log_p[0] - log_q[0] + rest).unsqueeze(0), above])


@wrong("03.6", "every layer gets the whole log weight")
def whole_log_weight(log_prior, log_p, log_q):
    whole = log_prior + (log_p - log_q).sum(0)
    return whole.detach().expand_as(log_p)


@wrong("03.6", "forgets the prior")
def no_prior(log_prior, log_p, log_q):
    return (log_p - log_q).detach().flip(0).cumsum(0).flip(0)


@wrong("03.6", "the prior for the top layer alone")
def prior_for_the_top_alone(log_prior, log_p, log_q):
    rewards = (log_p - log_q).detach().flip(0).cumsum(0).flip(0)
    rewards[-1] = rewards[-1] + log_prior.detach()
    return rewards


@wrong("03.6", "cumulative sum from the data upwards: what was settled before is kept, what comes after left out")
def sum_from_the_data_up(log_prior, log_p, log_q):
    return ((log_p - log_q).cumsum(0) + log_prior).detach()


@wrong("03.6", "the layer's own -log q is left out")
def own_log_q_left_out(log_prior, log_p, log_q):
    terms = log_p - log_q
    return (terms.flip(0).cumsum(0).flip(0) + log_q + log_prior).detach()


@wrong("03.6", "the layer's own log p(h_{l-1} | h_l) is left out, as if it were settled")
def own_log_p_left_out(log_prior, log_p, log_q):
    terms = log_p - log_q
    return (terms.flip(0).cumsum(0).flip(0) - log_p + log_prior).detach()


@wrong("03.6", "off by one: the terms of the layer below are kept too")
def layer_below_kept(log_prior, log_p, log_q):
    tails = (log_p - log_q).flip(0).cumsum(0).flip(0) + log_prior
    return torch.stack([tails[max(layer - 1, 0)] for layer in range(len(tails))]).detach()


@wrong("03.6", "keeps the graph: not detached")
def keeps_the_graph(log_prior, log_p, log_q):
    return (log_p - log_q).flip(0).cumsum(0).flip(0) + log_prior


@wrong("03.6", "detaches log q alone; log p and the prior keep their graph")
def log_p_keeps_its_graph(log_prior, log_p, log_q):
    return (log_p - log_q.detach()).flip(0).cumsum(0).flip(0) + log_prior


@wrong("03.6", "plus log q for minus")
def plus_log_q(log_prior, log_p, log_q):
    return ((log_p + log_q).flip(0).cumsum(0).flip(0) + log_prior).detach()


@wrong("03.6", "no log q at all: the log joint's tail")
def no_log_q(log_prior, log_p, log_q):
    return (log_p.flip(0).cumsum(0).flip(0) + log_prior).detach()


@wrong("03.6", "each layer its own terms alone, nothing from above")
def own_terms_alone(log_prior, log_p, log_q):
    return (log_p - log_q + log_prior).detach()


@wrong("03.6", "mean of the downstream terms for their sum")
def mean_of_the_tail(log_prior, log_p, log_q):
    terms = (log_p - log_q).detach()
    return torch.stack([terms[layer:].mean(0) + log_prior.detach() for layer in range(len(terms))])


@wrong("03.6", "the prior is added to each layer before the sum, so that it counts several times")
def prior_counted_again(log_prior, log_p, log_q):
    return (log_p - log_q + log_prior).flip(0).cumsum(0).flip(0).detach()


@wrong("03.6", "summed over the samples' dimension, not the layers'")
def summed_over_samples(log_prior, log_p, log_q):
    return ((log_p - log_q).flip(1).cumsum(1).flip(1) + log_prior).detach()


@wrong("03.6", "forgets the second flip: rewards in the order from the top")
def no_second_flip(log_prior, log_p, log_q):
    return ((log_p - log_q).flip(0).cumsum(0) + log_prior).detach()


@wrong("03.6", "each layer's mean over samples is subtracted, own sample inside")
def less_mean_over_samples(log_prior, log_p, log_q):
    rewards = ((log_p - log_q).flip(0).cumsum(0).flip(0) + log_prior).detach()
    return rewards - rewards.mean(1, keepdim=True)


@wrong("03.6", "hard-coded for two layers")
def two_layers_hard_coded(log_prior, log_p, log_q):
    upper = log_prior + log_p[1] - log_q[1]
    return torch.stack([upper + log_p[0] - log_q[0], upper]).detach()
