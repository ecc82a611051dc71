"""Answers to the exercises of lesson 01, by readers who knew only the notebooks."""

import math

import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from tests.exercises.first_try.tries import right, wrong

LOG_2PI = math.log(2 * math.pi)

# names of the notebook, for those who use them in place of an argument
weight = torch.tensor([[1.0, 0.8], [0.9, 1.1], [1.2, 0.5]])
bias = torch.tensor([0.5, -1.0, 2.0])
noise = 0.5
batch = 20
covariance = weight @ weight.T + noise**2 * torch.eye(3)
gain = torch.linalg.solve(covariance, weight).T
posterior_precision = torch.linalg.inv(torch.eye(2) - gain @ weight)


def log_joint(x, z):
    log_prior = Normal(0.0, 1.0).log_prob(z).sum(-1)
    return log_prior + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)


# 01.1


@right("01.1", "the closed form, on a line")
def kl_closed_form(loc, scale):
    return 0.5 * (loc**2 + scale**2 - 1 - 2 * torch.log(scale)).sum(-1)


@right("01.1", "kl_divergence of torch")
def kl_by_torch(loc, scale):
    q = Independent(Normal(loc, scale), 1)
    p = Independent(Normal(torch.zeros_like(loc), torch.ones_like(scale)), 1)
    return kl_divergence(q, p)


@right("01.1", "cross-entropy minus entropy")
def kl_by_entropies(loc, scale):
    cross = 0.5 * (LOG_2PI + loc.square() + scale.square())
    entropy = Normal(loc, scale).entropy()
    return (cross - entropy).sum(dim=-1)


@right("01.1", "a loop over the latent dimensions")
def kl_by_loop(loc, scale):
    total = 0.0
    for d in range(loc.shape[-1]):
        m, s = loc[..., d], scale[..., d]
        total = total + (m * m + s * s - 1.0) / 2 - s.log()
    return total


@right("01.1", "as for full covariances: trace, squared norm, log-determinant, by einsum")
def kl_by_matrices(loc, scale):
    covariance = torch.diag_embed(scale**2)
    trace = torch.einsum("...ii->...", covariance)
    norm = torch.einsum("...i,...i->...", loc, loc)
    return 0.5 * (trace + norm - loc.shape[-1] - torch.logdet(covariance))


@wrong("01.1", "forgets the factor one half")
def kl_without_half(loc, scale):
    return (loc**2 + scale**2 - 1 - torch.log(scale**2)).sum(-1)


@wrong("01.1", "log of the scale where log of the variance belongs")
def kl_log_scale(loc, scale):
    return 0.5 * (loc**2 + scale**2 - 1 - torch.log(scale)).sum(-1)


@wrong("01.1", "takes scale for the variance")
def kl_scale_is_variance(loc, scale):
    return 0.5 * (loc**2 + scale - 1 - torch.log(scale)).sum(-1)


@wrong("01.1", "forgets the -1")
def kl_without_one(loc, scale):
    return 0.5 * (loc**2 + scale**2 - torch.log(scale**2)).sum(-1)


@wrong("01.1", "the -1 once, not once for each dimension")
def kl_one_only_once(loc, scale):
    return 0.5 * ((loc**2 + scale**2 - torch.log(scale**2)).sum(-1) - 1)


@wrong("01.1", "the sign of the VAE paper, where minus KL stands")
def kl_negative(loc, scale):
    return 0.5 * (1 + torch.log(scale**2) - loc**2 - scale**2).sum(-1)


@wrong("01.1", "the other direction: KL(N(0, 1) || q)")
def kl_reversed(loc, scale):
    return (torch.log(scale) + (1 + loc**2) / (2 * scale**2) - 0.5).sum(-1)


@wrong("01.1", "mean over the latent dimensions")
def kl_mean(loc, scale):
    return 0.5 * (loc**2 + scale**2 - 1 - torch.log(scale**2)).mean(-1)


@wrong("01.1", "forgets the square of loc")
def kl_loc_not_squared(loc, scale):
    return 0.5 * (loc + scale**2 - 1 - torch.log(scale**2)).sum(-1)


@wrong("01.1", "leaves the mean's term out")
def kl_without_loc(loc, scale):
    return 0.5 * (scale**2 - 1 - torch.log(scale**2)).sum(-1)


@wrong("01.1", "gives Normal the variance for its scale")
def kl_normal_of_variance(loc, scale):
    return kl_divergence(Normal(loc, scale**2), Normal(0.0, 1.0)).sum(-1)


@wrong("01.1", "plus the logarithm of the variance")
def kl_plus_log(loc, scale):
    return 0.5 * (loc**2 + scale**2 - 1 + torch.log(scale**2)).sum(-1)


@wrong("01.1", "takes scale for a log-variance, as an encoder returns it")
def kl_of_log_variance(loc, scale):
    return -0.5 * (1 + scale - loc**2 - scale.exp()).sum(-1)


@wrong("01.1", "logarithm of the summed variances, not the sum of the logarithms")
def kl_log_of_sum(loc, scale):
    variance = scale**2
    return 0.5 * ((loc**2 + variance - 1).sum(-1) - variance.sum(-1).log())


@wrong("01.1", "an average over a thousand draws, not the closed form")
def kl_by_sampling(loc, scale):
    q = Normal(loc, scale)
    z = q.rsample((1000,))
    return (q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)).sum(-1).mean(0)


@wrong("01.1", "1e-6 added to the variance in the logarithm")
def kl_log_with_tiny(loc, scale):
    return 0.5 * (loc**2 + scale**2 - 1 - torch.log(scale**2 + 1e-6)).sum(-1)


@wrong("01.1", "no sum over the last dimension")
def kl_not_summed(loc, scale):
    return 0.5 * (loc**2 + scale**2 - 1 - torch.log(scale**2))


@wrong("01.1", "squares scale in place")
def kl_in_place(loc, scale):
    variance = scale.pow_(2)
    return 0.5 * (loc**2 + variance - 1 - torch.log(variance)).sum(-1)


# 01.2


@right("01.2", "N times the mean, and N times the mean's standard error")
def whole_by_mean(log_global, log_local, num_data):
    size = log_local.shape[1]
    estimate = log_global + num_data * log_local.mean(1)
    variance = log_local.var(1) / size * (1 - size / num_data)
    return estimate, num_data * variance.sqrt()


@right("01.2", "N/B times the sum; the error rearranged to one root")
def whole_by_sum(log_global, log_local, num_data):
    repeats, size = log_local.shape
    estimate = log_global + num_data / size * log_local.sum(dim=-1)
    error = torch.std(log_local, dim=-1) * math.sqrt(num_data * (num_data - size) / size)
    return estimate, error


@right("01.2", "a loop over the repeats, squares summed by hand")
def whole_by_loop(log_global, log_local, num_data):
    estimates, errors = [], []
    for one_global, terms in zip(log_global, log_local, strict=True):
        count = len(terms)
        mean = terms.sum() / count
        sample_variance = ((terms - mean) ** 2).sum() / (count - 1)
        estimates.append(one_global + num_data * mean)
        errors.append(num_data * torch.sqrt(sample_variance / count * (1 - count / num_data)))
    return torch.stack(estimates), torch.stack(errors)


@right("01.2", "torch.var_mean, and one fraction (N - B)/(B N) under the root")
def whole_by_var_mean(log_global, log_local, num_data):
    variance, mean = torch.var_mean(log_local, dim=1)
    size = log_local.size(1)
    return log_global + num_data * mean, num_data * (variance * (num_data - size) / (size * num_data)).sqrt()


@right("01.2", "einsum for the sum, norm of the deviations for the error")
def whole_by_norm(log_global, log_local, num_data):
    size = log_local.shape[-1]
    estimate = log_global + torch.einsum("rb->r", log_local) * (num_data / size)
    deviation = log_local - log_local.mean(-1, keepdim=True)
    s = torch.linalg.vector_norm(deviation, dim=-1) / (size - 1) ** 0.5
    return estimate, num_data * s * ((1 / size - 1 / num_data) ** 0.5)


@wrong("01.2", "N/B forgotten in estimate and error")
def whole_without_factor(log_global, log_local, num_data):
    size = log_local.shape[1]
    error = size * torch.sqrt(log_local.var(1) / size * (1 - size / num_data))
    return log_global + log_local.sum(1), error


@wrong("01.2", "N/B times the global term as well")
def whole_scales_global(log_global, log_local, num_data):
    size = log_local.shape[1]
    error = num_data * torch.sqrt(log_local.var(1) / size * (1 - size / num_data))
    return num_data / size * (log_global + log_local.sum(1)), error


@wrong("01.2", "N/B times the mean instead of the sum")
def whole_factor_on_mean(log_global, log_local, num_data):
    size = log_local.shape[1]
    error = num_data * torch.sqrt(log_local.var(1) / size * (1 - size / num_data))
    return log_global + num_data / size * log_local.mean(1), error


@wrong("01.2", "the global term is forgotten")
def whole_without_global(log_global, log_local, num_data):
    size = log_local.shape[1]
    error = num_data * torch.sqrt(log_local.var(1) / size * (1 - size / num_data))
    return num_data * log_local.mean(1), error


@wrong("01.2", "variance divided by B, as numpy does, not by B - 1")
def whole_population_variance(log_global, log_local, num_data):
    size = log_local.shape[1]
    s2 = log_local.var(1, unbiased=False)
    return log_global + num_data * log_local.mean(1), num_data * torch.sqrt(s2 / size * (1 - size / num_data))


@wrong("01.2", "forgets that the batch is drawn without replacement")
def whole_with_replacement(log_global, log_local, num_data):
    size = log_local.shape[1]
    return log_global + num_data * log_local.mean(1), num_data * log_local.std(1) / math.sqrt(size)


@wrong("01.2", "1 - B/N outside the root")
def whole_correction_outside(log_global, log_local, num_data):
    size = log_local.shape[1]
    error = num_data * log_local.std(1) / math.sqrt(size) * (1 - size / num_data)
    return log_global + num_data * log_local.mean(1), error


@wrong("01.2", "the textbook's correction (N - B)/(N - 1), which goes with another variance")
def whole_textbook_correction(log_global, log_local, num_data):
    size = log_local.shape[1]
    correction = (num_data - size) / (num_data - 1)
    error = num_data * torch.sqrt(log_local.var(1) / size * correction)
    return log_global + num_data * log_local.mean(1), error


@wrong("01.2", "returns the variance of the estimate, no root")
def whole_variance(log_global, log_local, num_data):
    size = log_local.shape[1]
    variance = num_data**2 * log_local.var(1) / size * (1 - size / num_data)
    return log_global + num_data * log_local.mean(1), variance


@wrong("01.2", "the standard error of the mean, not scaled to the whole")
def whole_error_of_mean(log_global, log_local, num_data):
    size = log_local.shape[1]
    error = torch.sqrt(log_local.var(1) / size * (1 - size / num_data))
    return log_global + num_data * log_local.mean(1), error


@wrong("01.2", "variance of the estimate is N times that of the mean: N under the root, not its square")
def whole_root_of_num_data(log_global, log_local, num_data):
    size = log_local.shape[1]
    error = torch.sqrt(num_data * log_local.var(1) / size * (1 - size / num_data))
    return log_global + num_data * log_local.mean(1), error


@wrong("01.2", "the standard deviation of the terms: 1/B forgotten")
def whole_without_batch_size(log_global, log_local, num_data):
    size = log_local.shape[1]
    error = num_data * torch.sqrt(log_local.var(1) * (1 - size / num_data))
    return log_global + num_data * log_local.mean(1), error


@wrong("01.2", "std over B instead of over its root")
def whole_std_over_size(log_global, log_local, num_data):
    size = log_local.shape[1]
    error = num_data * log_local.std(1) / size * math.sqrt(1 - size / num_data)
    return log_global + num_data * log_local.mean(1), error


@wrong("01.2", "the number of repeats for the batch size")
def whole_repeats_for_batch(log_global, log_local, num_data):
    size = len(log_local)
    error = num_data * torch.sqrt((log_local.var(1) / size * (1 - size / num_data)).clamp(min=0))
    return log_global + num_data / size * log_local.sum(1), error


@wrong("01.2", "the error from the spread over repeats, the same for all")
def whole_spread_of_repeats(log_global, log_local, num_data):
    estimate = log_global + num_data * log_local.mean(1)
    return estimate, estimate.std().expand_as(estimate)


@wrong("01.2", "one variance for all the repeats together")
def whole_pooled_variance(log_global, log_local, num_data):
    size = log_local.shape[1]
    error = num_data * torch.sqrt(log_local.var() / size * (1 - size / num_data))
    return log_global + num_data * log_local.mean(1), error.expand_as(log_global)


@wrong("01.2", "mean of squares minus square of the mean: cancels where the terms are large and alike")
def whole_cancels(log_global, log_local, num_data):
    size = log_local.shape[1]
    s2 = ((log_local**2).mean(1) - log_local.mean(1) ** 2) * size / (size - 1)
    error = num_data * torch.sqrt(s2.clamp(min=0) / size * (1 - size / num_data))
    return log_global + num_data * log_local.mean(1), error


@wrong("01.2", "the notebook's batch of 20 in place of the argument's size")
def whole_notebook_batch(log_global, log_local, num_data):
    error = num_data * torch.sqrt(log_local.var(1) / batch * (1 - batch / num_data))
    return log_global + num_data / batch * log_local.sum(1), error


@wrong("01.2", "stacked into one tensor")
def whole_stacked(log_global, log_local, num_data):
    size = log_local.shape[1]
    error = num_data * torch.sqrt(log_local.var(1) / size * (1 - size / num_data))
    return torch.stack([log_global + num_data * log_local.mean(1), error], dim=1)


# 01.3


@right("01.3", "adds precisions, solves for the mean")
def posterior_by_precisions(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise**2
    mean = torch.linalg.solve(precision, weight.T @ (x - bias).T / noise**2).T
    return mean, precision


@right("01.3", "mean by the gain of section 4, precision by adding")
def posterior_by_gain(x, weight, bias, noise):
    observed, latent = weight.shape
    c = weight @ weight.T + noise**2 * torch.eye(observed, dtype=weight.dtype)
    mean = (x - bias) @ torch.linalg.solve(c, weight)
    precision = weight.T @ weight / noise**2 + torch.eye(latent, dtype=weight.dtype)
    return mean, precision


@right("01.3", "Cholesky factor of the precision")
def posterior_by_cholesky(x, weight, bias, noise):
    scaled = weight / noise
    precision = scaled.T @ scaled
    precision = precision + torch.diag(torch.ones_like(precision[0]))
    right_side = ((x - bias) / noise) @ scaled
    mean = torch.cholesky_solve(right_side.T, torch.linalg.cholesky(precision)).T
    return mean, precision


@right("01.3", "a loop over the instruments, one outer product each; a loop over the rows")
def posterior_by_loop(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype)
    for row in weight:
        precision = precision + torch.outer(row, row) / noise**2
    means = []
    for one in x:
        means.append(torch.linalg.solve(precision, (weight * (one - bias)[:, None]).sum(0) / noise**2))
    return torch.stack(means), precision


@right("01.3", "einsum throughout, with the inverse of the precision")
def posterior_by_einsum(x, weight, bias, noise):
    precision = torch.eye(weight.shape[-1], dtype=weight.dtype) + torch.einsum("oi,oj->ij", weight, weight) / noise**2
    covariance = torch.linalg.inv(precision)
    mean = torch.einsum("ij,oj,bo->bi", covariance, weight, x - bias) / noise**2
    return mean, precision


@right("01.3", "eigenvectors of the Gram matrix")
def posterior_by_eigenvectors(x, weight, bias, noise):
    values, vectors = torch.linalg.eigh(weight.T @ weight)
    values = 1 + values / noise**2
    precision = (vectors * values) @ vectors.T
    mean = ((x - bias) @ weight / noise**2) @ (vectors / values) @ vectors.T
    return mean, precision


@wrong("01.3", "returns the covariance for the precision")
def posterior_covariance_returned(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise**2
    covariance = torch.linalg.inv(precision)
    return (x - bias) @ weight @ covariance / noise**2, covariance


@wrong("01.3", "the prior's precision is forgotten in both")
def posterior_without_prior(x, weight, bias, noise):
    precision = weight.T @ weight / noise**2
    return (x - bias) @ weight @ torch.linalg.inv(precision) / noise**2, precision


@wrong("01.3", "least squares for the mean: prior in the precision only")
def posterior_least_squares(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise**2
    return (x - bias) @ torch.linalg.pinv(weight).T, precision


@wrong("01.3", "noise taken for a variance")
def posterior_noise_is_variance(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise
    return (x - bias) @ weight @ torch.linalg.inv(precision) / noise, precision


@wrong("01.3", "noise multiplies where it divides")
def posterior_times_noise(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + noise**2 * weight.T @ weight
    return noise**2 * (x - bias) @ weight @ torch.linalg.inv(precision), precision


@wrong("01.3", "noise is left out of the precision, so of the mean")
def posterior_unit_noise(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight
    return (x - bias) @ weight @ torch.linalg.inv(precision), precision


@wrong("01.3", "bias forgotten")
def posterior_without_bias(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise**2
    return x @ weight @ torch.linalg.inv(precision) / noise**2, precision


@wrong("01.3", "bias added")
def posterior_plus_bias(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise**2
    return (x + bias) @ weight @ torch.linalg.inv(precision) / noise**2, precision


@wrong("01.3", "centred by the batch's mean, not by bias")
def posterior_batch_mean(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise**2
    return (x - x.mean(0)) @ weight @ torch.linalg.inv(precision) / noise**2, precision


@wrong("01.3", "precision times mean is returned for the mean")
def posterior_natural_parameter(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise**2
    return (x - bias) @ weight / noise**2, precision


@wrong("01.3", "one over the noise's variance is forgotten in the mean only")
def posterior_mean_without_noise(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise**2
    return (x - bias) @ weight @ torch.linalg.inv(precision), precision


@wrong("01.3", "the ridge matrix W'W + noise² I for the precision: off by noise²")
def posterior_ridge(x, weight, bias, noise):
    ridge = noise**2 * torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight
    return (x - bias) @ weight @ torch.linalg.inv(ridge), ridge


@wrong("01.3", "multiplies by the precision where it should solve")
def posterior_times_precision(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise**2
    return (x - bias) @ weight @ precision / noise**2, precision


@wrong("01.3", "only the precision's diagonal: the best mean-field q")
def posterior_diagonal(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise**2
    return (x - bias) @ weight @ torch.linalg.inv(precision) / noise**2, precision.diag().diag()


@wrong("01.3", "one over every entry for the inverse")
def posterior_entrywise_inverse(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise**2
    return (x - bias) @ weight @ (1 / precision) / noise**2, precision


@wrong("01.3", "precision of x in place of that of z given x")
def posterior_precision_of_x(x, weight, bias, noise):
    c = weight @ weight.T + noise**2 * torch.eye(weight.shape[0], dtype=weight.dtype)
    return (x - bias) @ torch.linalg.solve(c, weight), torch.linalg.inv(c)


@wrong("01.3", "1e-4 added to the variance of the noise to be safe")
def posterior_jitter(x, weight, bias, noise):
    variance = noise**2 + 1e-4
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / variance
    return (x - bias) @ weight @ torch.linalg.inv(precision) / variance, precision


@wrong("01.3", "the notebook's gain and precision, whatever the arguments")
def posterior_of_notebook(x, weight, bias, noise):
    return (x - bias) @ gain.T.to(x.dtype), posterior_precision


@wrong("01.3", "the mean transposed, [latent, batch]")
def posterior_transposed(x, weight, bias, noise):
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise**2
    return torch.linalg.solve(precision, weight.T @ (x - bias).T / noise**2), precision


@wrong("01.3", "subtracts bias from x in place")
def posterior_in_place(x, weight, bias, noise):
    x -= bias
    precision = torch.eye(weight.shape[1], dtype=weight.dtype) + weight.T @ weight / noise**2
    return x @ weight @ torch.linalg.inv(precision) / noise**2, precision


# 01.4


@right("01.4", "three torch distributions at one reparameterised sample")
def elbo_by_torch(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_prior = Normal(0.0, 1.0).log_prob(z).sum(-1)
    log_likelihood = Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    log_q = Normal(loc, scale).log_prob(z).sum(-1)
    return (log_prior + log_likelihood - log_q).mean(0)


@right("01.4", "Gaussian densities written out; that of q by eps")
def elbo_written_out(x, loc, scale, weight, bias, noise, eps):
    noise = torch.as_tensor(noise)
    z = torch.addcmul(loc, scale, eps)
    error = (x - bias - z @ weight.T) / noise
    log_likelihood = -0.5 * (error**2).sum(-1) - x.shape[-1] * (noise.log() + 0.5 * LOG_2PI)
    log_ratio = 0.5 * (eps**2 - z**2).sum(-1) + scale.log().sum(-1)
    return (log_likelihood + log_ratio).mean(dim=0)


@right("01.4", "a loop over the samples")
def elbo_by_loop(x, loc, scale, weight, bias, noise, eps):
    total = torch.zeros_like(loc[:, 0])
    q = Independent(Normal(loc, scale), 1)
    prior = Independent(Normal(torch.zeros_like(loc), torch.ones_like(loc)), 1)
    for noise_draw in eps:
        z = loc + scale * noise_draw
        likelihood = Independent(Normal(torch.nn.functional.linear(z, weight, bias), noise), 1)
        total = total + prior.log_prob(z) + likelihood.log_prob(x) - q.log_prob(z)
    return total / len(eps)


@right("01.4", "einsum for the readings; average of each term on its own")
def elbo_by_einsum(x, loc, scale, weight, bias, noise, eps):
    z = torch.einsum("bl,sbl->sbl", scale, eps) + loc
    readings = torch.einsum("ol,sbl->sbo", weight, z) + bias
    log_likelihood = Normal(readings, noise).log_prob(x).sum(-1).mean(0)
    log_prior = (-0.5 * z.square() - 0.5 * LOG_2PI).sum(-1).mean(0)
    log_q = (-0.5 * eps.square() - scale.log() - 0.5 * LOG_2PI).sum(-1).mean(0)
    return log_likelihood + log_prior - log_q


@right("01.4", "multivariate Gaussians with diagonal scale_tril")
def elbo_by_multivariate(x, loc, scale, weight, bias, noise, eps):
    z = loc + eps * scale
    q = MultivariateNormal(loc, scale_tril=torch.diag_embed(scale))
    prior = MultivariateNormal(torch.zeros_like(loc[0]), torch.eye(loc.shape[-1], dtype=loc.dtype))
    spread = noise * torch.eye(x.shape[-1], dtype=x.dtype)
    likelihood = MultivariateNormal(z @ weight.T + bias, scale_tril=spread)
    return (prior.log_prob(z) + likelihood.log_prob(x) - q.log_prob(z)).mean(0)


@wrong("01.4", "the sample is detached")
def elbo_detached_sample(x, loc, scale, weight, bias, noise, eps):
    z = (loc + scale * eps).detach()
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return (log_p - Normal(loc, scale).log_prob(z).sum(-1)).mean(0)


@wrong("01.4", "draws by sample() and does not use eps")
def elbo_own_draws(x, loc, scale, weight, bias, noise, eps):
    q = Normal(loc, scale)
    z = q.sample((len(eps),))
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return (log_p - q.log_prob(z).sum(-1)).mean(0)


@wrong("01.4", "reparameterised, but with rsample() in place of eps")
def elbo_rsample(x, loc, scale, weight, bias, noise, eps):
    q = Normal(loc, scale)
    z = q.rsample((len(eps),))
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return (log_p - q.log_prob(z).sum(-1)).mean(0)


@wrong("01.4", "the prior is forgotten")
def elbo_without_prior(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_likelihood = Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return (log_likelihood - Normal(loc, scale).log_prob(z).sum(-1)).mean(0)


@wrong("01.4", "log q is forgotten")
def elbo_without_entropy(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return log_p.mean(0)


@wrong("01.4", "log q is added")
def elbo_plus_log_q(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return (log_p + Normal(loc, scale).log_prob(z).sum(-1)).mean(0)


@wrong("01.4", "the noise's variance given for its standard deviation")
def elbo_noise_squared(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise**2).log_prob(x).sum(-1)
    return (log_p - Normal(loc, scale).log_prob(z).sum(-1)).mean(0)


@wrong("01.4", "scale squared in the sample")
def elbo_variance_in_sample(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale**2 * eps
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return (log_p - Normal(loc, scale).log_prob(z).sum(-1)).mean(0)


@wrong("01.4", "log q with the variance for its scale")
def elbo_variance_in_q(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return (log_p - Normal(loc, scale**2).log_prob(z).sum(-1)).mean(0)


@wrong("01.4", "log q is the density of eps: log scale, the change of variables, is forgotten")
def elbo_density_of_eps(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return (log_p - Normal(0.0, 1.0).log_prob(eps).sum(-1)).mean(0)


@wrong("01.4", "log of the mean weight: the importance-weighted bound")
def elbo_log_mean_exp(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    log_w = log_p - Normal(loc, scale).log_prob(z).sum(-1)
    return log_w.logsumexp(0) - math.log(len(eps))


@wrong("01.4", "the sum over the samples")
def elbo_sum_of_samples(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return (log_p - Normal(loc, scale).log_prob(z).sum(-1)).sum(0)


@wrong("01.4", "the samples are averaged first, then one log-density taken")
def elbo_of_mean_sample(x, loc, scale, weight, bias, noise, eps):
    z = (loc + scale * eps).mean(0)
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return log_p - Normal(loc, scale).log_prob(z).sum(-1)


@wrong("01.4", "bias forgotten")
def elbo_without_bias(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T, noise).log_prob(x).sum(-1)
    return (log_p - Normal(loc, scale).log_prob(z).sum(-1)).mean(0)


@wrong("01.4", "squared error for the log-likelihood: its normalising constant is dropped")
def elbo_squared_error(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_likelihood = -(((x - z @ weight.T - bias) / noise) ** 2).sum(-1) / 2
    log_prior = Normal(0.0, 1.0).log_prob(z).sum(-1)
    return (log_prior + log_likelihood - Normal(loc, scale).log_prob(z).sum(-1)).mean(0)


@wrong("01.4", "mean over the instruments in the likelihood")
def elbo_mean_of_instruments(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).mean(-1)
    return (log_p - Normal(loc, scale).log_prob(z).sum(-1)).mean(0)


@wrong("01.4", "a loss: the negative ELBO")
def elbo_negative(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return (Normal(loc, scale).log_prob(z).sum(-1) - log_p).mean(0)


@wrong("01.4", "log q cut off from loc and scale, in its sample as well")
def elbo_log_q_no_grad(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    with torch.no_grad():
        log_q = Normal(loc, scale).log_prob(z).sum(-1)
    return (log_p - log_q).mean(0)


@wrong("01.4", "the notebook's log_joint, with the notebook's weight, bias and noise")
def elbo_of_notebook(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    return (log_joint(x, z) - Normal(loc, scale).log_prob(z).sum(-1)).mean(0)


@wrong("01.4", "the mean over the rows too: one number")
def elbo_one_number(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return (log_p - Normal(loc, scale).log_prob(z).sum(-1)).mean()


@wrong("01.4", "the mean over the batch instead of the samples")
def elbo_mean_of_batch(x, loc, scale, weight, bias, noise, eps):
    z = loc + scale * eps
    log_p = Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)
    return (log_p - Normal(loc, scale).log_prob(z).sum(-1)).mean(-1)


# 01.5


@right("01.5", "differences first, then mean and standard error")
def gaps_by_differences(log_marginal, elbo_best, elbo_encoder):
    approximation = log_marginal - elbo_best
    amortization = elbo_best - elbo_encoder
    root = math.sqrt(len(log_marginal))
    return approximation.mean(), approximation.std() / root, amortization.mean(), amortization.std() / root


@right("01.5", "both gaps stacked, torch.var_mean, then unbound")
def gaps_by_var_mean(log_marginal, elbo_best, elbo_encoder):
    both = torch.stack([log_marginal - elbo_best, elbo_best - elbo_encoder])
    variance, mean = torch.var_mean(both, dim=1)
    error = (variance / both.shape[1]).sqrt()
    return mean[0], error[0], mean[1], error[1]


@right("01.5", "a helper that sums squares by hand")
def gaps_by_helper(log_marginal, elbo_best, elbo_encoder):
    def measured(values):
        count = values.numel()
        mean = values.sum() / count
        return mean, torch.sqrt(((values - mean) ** 2).sum() / (count - 1) / count)

    return (*measured(log_marginal - elbo_best), *measured(elbo_best - elbo_encoder))


@right("01.5", "torch.diff of the three bounds in order, turned")
def gaps_by_diff(log_marginal, elbo_best, elbo_encoder):
    steps = -torch.diff(torch.stack([log_marginal, elbo_best, elbo_encoder], dim=-1), dim=-1)  # [batch, 2]
    means = steps.mean(0)
    errors = torch.linalg.vector_norm(steps - means, dim=0) / (len(steps) * (len(steps) - 1)) ** 0.5
    return means[0], errors[0], means[1], errors[1]


@right("01.5", "torch.cov of the two gaps")
def gaps_by_cov(log_marginal, elbo_best, elbo_encoder):
    first, second = log_marginal.sub(elbo_best), elbo_best.sub(elbo_encoder)
    covariance_of_mean = torch.cov(torch.stack([first, second])) / first.shape[0]
    errors = covariance_of_mean.diagonal().sqrt()
    return torch.mean(first), errors[0], torch.mean(second), errors[1]


@wrong("01.5", "errors of the two means added in quadrature, as if they were independent")
def gaps_unpaired(log_marginal, elbo_best, elbo_encoder):
    n = len(log_marginal)
    first = ((log_marginal.var() + elbo_best.var()) / n).sqrt()
    second = ((elbo_best.var() + elbo_encoder.var()) / n).sqrt()
    return log_marginal.mean() - elbo_best.mean(), first, elbo_best.mean() - elbo_encoder.mean(), second


@wrong("01.5", "the difference of the two standard errors")
def gaps_difference_of_errors(log_marginal, elbo_best, elbo_encoder):
    n = len(log_marginal)
    se = [values.std() / math.sqrt(n) for values in (log_marginal, elbo_best, elbo_encoder)]
    first, second = log_marginal - elbo_best, elbo_best - elbo_encoder
    return first.mean(), (se[0] - se[1]).abs(), second.mean(), (se[1] - se[2]).abs()


@wrong("01.5", "the errors of log p(x) and of the encoder's bound, not of the gaps")
def gaps_errors_of_bounds(log_marginal, elbo_best, elbo_encoder):
    root = len(log_marginal) ** 0.5
    first, second = log_marginal - elbo_best, elbo_best - elbo_encoder
    return first.mean(), log_marginal.std() / root, second.mean(), elbo_encoder.std() / root


@wrong("01.5", "the standard deviation: root of the number of observations forgotten")
def gaps_std(log_marginal, elbo_best, elbo_encoder):
    first, second = log_marginal - elbo_best, elbo_best - elbo_encoder
    return first.mean(), first.std(), second.mean(), second.std()


@wrong("01.5", "divided by the number of observations, not by its root")
def gaps_std_over_n(log_marginal, elbo_best, elbo_encoder):
    first, second = log_marginal - elbo_best, elbo_best - elbo_encoder
    n = len(first)
    return first.mean(), first.std() / n, second.mean(), second.std() / n


@wrong("01.5", "the variance of the mean, no root")
def gaps_variance(log_marginal, elbo_best, elbo_encoder):
    first, second = log_marginal - elbo_best, elbo_best - elbo_encoder
    n = len(first)
    return first.mean(), first.var() / n, second.mean(), second.var() / n


@wrong("01.5", "standard deviation as numpy has it, divided by N and not N - 1")
def gaps_population_std(log_marginal, elbo_best, elbo_encoder):
    first, second = log_marginal - elbo_best, elbo_best - elbo_encoder
    root = math.sqrt(len(first))
    return first.mean(), first.std(unbiased=False) / root, second.mean(), second.std(unbiased=False) / root


@wrong("01.5", "corrects twice: std of torch, and the root of N - 1")
def gaps_corrected_twice(log_marginal, elbo_best, elbo_encoder):
    first, second = log_marginal - elbo_best, elbo_best - elbo_encoder
    root = math.sqrt(len(first) - 1)
    return first.mean(), first.std() / root, second.mean(), second.std() / root


@wrong("01.5", "amortization gap from log p(x): both gaps together")
def gaps_total(log_marginal, elbo_best, elbo_encoder):
    first, second = log_marginal - elbo_best, log_marginal - elbo_encoder
    root = math.sqrt(len(first))
    return first.mean(), first.std() / root, second.mean(), second.std() / root


@wrong("01.5", "both differences the wrong way round: negative gaps")
def gaps_negative(log_marginal, elbo_best, elbo_encoder):
    first, second = elbo_best - log_marginal, elbo_encoder - elbo_best
    root = math.sqrt(len(first))
    return first.mean(), first.std() / root, second.mean(), second.std() / root


@wrong("01.5", "the two gaps confused: amortization first")
def gaps_swapped(log_marginal, elbo_best, elbo_encoder):
    amortization, approximation = elbo_best - elbo_encoder, log_marginal - elbo_best
    root = math.sqrt(len(amortization))
    return amortization.mean(), amortization.std() / root, approximation.mean(), approximation.std() / root


@wrong("01.5", "the names best and encoder mixed up: distance to the encoder's bound for the family's gap")
def gaps_best_and_encoder_mixed(log_marginal, elbo_best, elbo_encoder):
    first, second = log_marginal - elbo_encoder, elbo_encoder - elbo_best
    root = math.sqrt(len(first))
    return first.mean(), first.std() / root, second.mean(), second.std() / root


@wrong("01.5", "negative gaps set to zero, because no gap can be negative")
def gaps_clamped(log_marginal, elbo_best, elbo_encoder):
    first, second = (log_marginal - elbo_best).clamp(min=0), (elbo_best - elbo_encoder).clamp(min=0)
    root = math.sqrt(len(first))
    return first.mean(), first.std() / root, second.mean(), second.std() / root


@wrong("01.5", "absolute values of the differences")
def gaps_absolute(log_marginal, elbo_best, elbo_encoder):
    first, second = (log_marginal - elbo_best).abs(), (elbo_best - elbo_encoder).abs()
    root = math.sqrt(len(first))
    return first.mean(), first.std() / root, second.mean(), second.std() / root


@wrong("01.5", "the median in place of the mean")
def gaps_median(log_marginal, elbo_best, elbo_encoder):
    first, second = log_marginal - elbo_best, elbo_best - elbo_encoder
    root = math.sqrt(len(first))
    return first.median(), first.std() / root, second.median(), second.std() / root


@wrong("01.5", "mean of squares minus square of the mean: cancels for a gap that is large and hardly varies")
def gaps_cancel(log_marginal, elbo_best, elbo_encoder):
    result = []
    for gap in (log_marginal - elbo_best, elbo_best - elbo_encoder):
        variance = ((gap**2).mean() - gap.mean() ** 2).clamp(min=0)
        result += [gap.mean(), (variance / (len(gap) - 1)).sqrt()]
    return tuple(result)


@wrong("01.5", "Python floats by item()")
def gaps_floats(log_marginal, elbo_best, elbo_encoder):
    first, second = log_marginal - elbo_best, elbo_best - elbo_encoder
    root = math.sqrt(len(first))
    return first.mean().item(), (first.std() / root).item(), second.mean().item(), (second.std() / root).item()


@wrong("01.5", "both means first, then both errors")
def gaps_order(log_marginal, elbo_best, elbo_encoder):
    first, second = log_marginal - elbo_best, elbo_best - elbo_encoder
    root = math.sqrt(len(first))
    return first.mean(), second.mean(), first.std() / root, second.std() / root


@wrong("01.5", "the thousand observations of the notebook, not as many as are given")
def gaps_thousand(log_marginal, elbo_best, elbo_encoder):
    first, second = log_marginal - elbo_best, elbo_best - elbo_encoder
    root = math.sqrt(1000)
    return first.mean(), first.std() / root, second.mean(), second.std() / root


@wrong("01.5", "subtracts in place")
def gaps_in_place(log_marginal, elbo_best, elbo_encoder):
    log_marginal -= elbo_best
    second = elbo_best - elbo_encoder
    root = math.sqrt(len(second))
    return log_marginal.mean(), log_marginal.std() / root, second.mean(), second.std() / root
