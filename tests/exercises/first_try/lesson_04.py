"""First tries at the exercises of lesson 04, written from the notebook alone."""

import math

import torch
import torch.nn.functional as F

from tests.exercises.first_try.tries import right, wrong

phi = torch.tensor([0.9, 1.0, 0.1], dtype=torch.float64, requires_grad=True)  # as in the notebook's section 1


# 04.1


@right("04.1", "sum of all less the own, over S - 1")
def loo_by_sum(f, log_q):
    S = f.shape[0]
    baseline = (f.sum(0, keepdim=True) - f) / (S - 1)
    return (f + (f - baseline).detach() * log_q).mean(0)


@right("04.1", "explicit loop over samples")
def loo_by_loop(f, log_q):
    S = len(f)
    total = 0
    for s in range(S):
        others = [f[r] for r in range(S) if r != s]
        b = sum(others) / len(others)
        total = total + f[s] + (f[s] - b).detach() * log_q[s]
    return total / S


@right("04.1", "centred reward times S / (S - 1)")
def loo_centred(f, log_q):
    S = f.shape[0]
    reward = f.detach()
    advantage = (reward - reward.mean(0)) * S / (S - 1)
    return f.mean(0) + (advantage * log_q).mean(0)


@right("04.1", "matrix of weights, einsum")
def loo_by_matrix(f, log_q):
    S = f.shape[0]
    others = (1 - torch.eye(S, dtype=f.dtype, device=f.device)) / (S - 1)
    with torch.no_grad():
        weight = f - torch.einsum("sr,rb->sb", others, f)
    return f.sum(0) / S + torch.einsum("sb,sb->b", weight, log_q) / S


@right("04.1", "cat of the rows before and after")
def loo_by_cat(f, log_q):
    baselines = torch.stack([torch.cat([f[:s], f[s + 1 :]]).mean(0) for s in range(f.shape[0])])
    bracket = (f - baselines).detach()
    return torch.mean(f + bracket * log_q, dim=0)


@right("04.1", "mean of all pairs of samples")
def loo_by_pairs(f, log_q):
    S = f.shape[0]
    difference = f.detach().unsqueeze(1) - f.detach().unsqueeze(0)  # [s, r, batch], 0 where s = r
    return f.mean(0) + (difference.sum(1) * log_q).sum(0) / (S * (S - 1))


@wrong("04.1", "the own sample is in the baseline's mean")
def loo_mean_of_all(f, log_q):
    baseline = f.mean(0)
    return (f + (f - baseline).detach() * log_q).mean(0)


@wrong("04.1", "the bracket is not detached")
def loo_not_detached(f, log_q):
    S = f.shape[0]
    baseline = (f.sum(0) - f) / (S - 1)
    return (f + (f - baseline) * log_q).mean(0)


@wrong("04.1", "only the baseline is detached, the reward in the bracket is not")
def loo_only_baseline_detached(f, log_q):
    S = f.shape[0]
    baseline = ((f.sum(0) - f) / (S - 1)).detach()
    return (f + (f - baseline) * log_q).mean(0)


@wrong("04.1", "f is detached everywhere, its own route is lost")
def loo_f_detached(f, log_q):
    f = f.detach()
    S = f.shape[0]
    baseline = (f.sum(0) - f) / (S - 1)
    return (f + (f - baseline) * log_q).mean(0)


@wrong("04.1", "the first term f is forgotten")
def loo_without_f(f, log_q):
    S = f.shape[0]
    baseline = (f.sum(0) - f) / (S - 1)
    return ((f - baseline).detach() * log_q).mean(0)


@wrong("04.1", "no baseline: the plain score function")
def loo_plain_score(f, log_q):
    return (f + f.detach() * log_q).mean(0)


@wrong("04.1", "sum over the samples in place of the mean")
def loo_sum(f, log_q):
    S = f.shape[0]
    baseline = (f.sum(0) - f) / (S - 1)
    return (f + (f - baseline).detach() * log_q).sum(0)


@wrong("04.1", "the sum of the others is divided by S, not S - 1")
def loo_others_over_s(f, log_q):
    S = f.shape[0]
    baseline = (f.sum(0) - f) / S
    return (f + (f - baseline).detach() * log_q).mean(0)


@wrong("04.1", "the baseline is added")
def loo_baseline_added(f, log_q):
    S = f.shape[0]
    baseline = (f.sum(0) - f) / (S - 1)
    return (f + (f + baseline).detach() * log_q).mean(0)


@wrong("04.1", "leaves out along the batch instead of the samples")
def loo_over_batch(f, log_q):
    B = f.shape[1]
    baseline = (f.sum(1, keepdim=True) - f) / max(B - 1, 1)
    return (f + (f - baseline).detach() * log_q).mean(0)


@wrong("04.1", "the sample swaps with the other one: right for two samples only")
def loo_flip(f, log_q):
    baseline = f.flip(0)
    return (f + (f - baseline).detach() * log_q).mean(0)


@wrong("04.1", "the advantage is divided by the standard deviation of the rewards, as GRPO does")
def loo_grpo(f, log_q):
    S = f.shape[0]
    baseline = (f.sum(0) - f) / (S - 1)
    weight = (f - baseline) / (f.std(0) + 1e-6)
    return (f + weight.detach() * log_q).mean(0)


@wrong("04.1", "detach() shares memory, and -= then writes into f itself")
def loo_in_place(f, log_q):
    advantage = f.detach()
    advantage -= (advantage.sum(0) - advantage) / (f.shape[0] - 1)
    return (f + advantage * log_q).mean(0)


@wrong("04.1", "log q is detached with the bracket")
def loo_product_detached(f, log_q):
    S = f.shape[0]
    baseline = (f.sum(0) - f) / (S - 1)
    return (f + ((f - baseline) * log_q).detach()).mean(0)


@wrong("04.1", "one mean over samples and batch")
def loo_one_number(f, log_q):
    S = f.shape[0]
    baseline = (f.sum(0) - f) / (S - 1)
    return (f + (f - baseline).detach() * log_q).mean()


# 04.2


@right("04.2", "S by S table, torch.where on the diagonal")
def vimco_table(log_weight):
    log_weight = log_weight.detach()
    S = log_weight.shape[0]
    others = (log_weight.sum(0) - log_weight) / (S - 1)
    diagonal = torch.eye(S, dtype=torch.bool, device=log_weight.device)[:, :, None]
    table = torch.where(diagonal, others[:, None], log_weight[None])  # [s, t, batch]
    return log_weight.logsumexp(0) - table.logsumexp(1)


@right("04.2", "loop, a clone with one row replaced")
def vimco_loop(log_weight):
    with torch.no_grad():
        S = log_weight.shape[0]
        L = torch.logsumexp(log_weight, 0) - math.log(S)
        signals = []
        for s in range(S):
            replaced = log_weight.clone()
            replaced[s] = torch.cat([log_weight[:s], log_weight[s + 1 :]]).mean(0)
            signals.append(L - (torch.logsumexp(replaced, 0) - math.log(S)))
        return torch.stack(signals)


@right("04.2", "logaddexp of the others' logsumexp and their mean")
def vimco_logaddexp(log_weight):
    w = log_weight.detach()
    result = torch.empty_like(w)
    L = w.logsumexp(0)
    for s in range(len(w)):
        keep = [t for t in range(len(w)) if t != s]
        result[s] = L - torch.logaddexp(w[keep].logsumexp(0), w[keep].mean(0))
    return result


@right("04.2", "masked_fill with -inf on the diagonal, then logaddexp")
def vimco_masked(log_weight):
    w = log_weight.detach()
    S = w.size(0)
    eye = torch.eye(S, dtype=torch.bool, device=w.device).unsqueeze(-1)
    without = w.unsqueeze(0).expand(S, -1, -1).masked_fill(eye, -math.inf).logsumexp(1)
    mean = (w.mean(0) * S - w) / (S - 1)
    return torch.logsumexp(w, 0, keepdim=True) - torch.logaddexp(without, mean)


@right("04.2", "table with the maximum of each row taken out by hand")
def vimco_by_hand(log_weight):
    w = log_weight.detach()
    S = w.shape[0]
    table = w.repeat(S, 1, 1)
    for s in range(S):
        table[s, s] = (w[:s].sum(0) + w[s + 1 :].sum(0)) / (S - 1)

    def log_mean_exp(a, dim):
        top = a.amax(dim, keepdim=True)
        return (top + (a - top).exp().mean(dim, keepdim=True).log()).squeeze(dim)

    return log_mean_exp(w, 0) - log_mean_exp(table, 1)


@wrong("04.2", "exponentials, then the logarithm: underflow")
def vimco_exp(log_weight):
    w = log_weight.detach()
    S = w.shape[0]
    others = (w.sum(0) - w) / (S - 1)
    total = w.exp().sum(0)
    return (total / S).log() - ((total - w.exp() + others.exp()) / S).log()


@wrong(
    "04.2", "overall maximum taken out, then the own weight subtracted: cancellation when one sample dwarfs the others"
)
def vimco_cancellation(log_weight):
    w = log_weight.detach()
    S = w.shape[0]
    w = w - w.max(0).values
    others = (w.sum(0) - w) / (S - 1)
    total = w.exp().sum(0)
    return total.log() - (total - w.exp() + others.exp()).log()


@wrong("04.2", "log(w + 1e-8)")
def vimco_epsilon(log_weight):
    w = log_weight.detach()
    S = w.shape[0]
    others = (w.sum(0) - w) / (S - 1)
    eye = torch.eye(S, dtype=torch.bool)[:, :, None]
    table = torch.where(eye, others[:, None], w[None])
    return torch.log(w.exp().mean(0) + 1e-8) - torch.log(table.exp().mean(1) + 1e-8)


@wrong("04.2", "the own sample is in the mean that replaces it")
def vimco_own_in_mean(log_weight):
    w = log_weight.detach()
    S = w.shape[0]
    eye = torch.eye(S, dtype=torch.bool)[:, :, None]
    table = torch.where(eye, w.mean(0)[None, None], w[None])
    return w.logsumexp(0) - table.logsumexp(1)


@wrong("04.2", "replaced by the log of the mean weight of the others, not the mean of their logs")
def vimco_arithmetic(log_weight):
    w = log_weight.detach()
    S = w.shape[0]
    eye = torch.eye(S, dtype=torch.bool)[:, :, None]
    others = w[None].expand(S, -1, -1).masked_fill(eye, -math.inf).logsumexp(1) - math.log(S - 1)
    table = torch.where(eye, others[:, None], w[None])
    return w.logsumexp(0) - table.logsumexp(1)


@wrong("04.2", "L_s leaves the sample out, a mean over S - 1, with nothing in its place")
def vimco_left_out(log_weight):
    w = log_weight.detach()
    S = w.shape[0]
    L = w.logsumexp(0) - math.log(S)
    rows = [torch.cat([w[:s], w[s + 1 :]]).logsumexp(0) - math.log(S - 1) for s in range(S)]
    return L - torch.stack(rows)


@wrong("04.2", "L_s drops the sample's weight to zero, still divided by S")
def vimco_zero_weight(log_weight):
    w = log_weight.detach()
    S = w.shape[0]
    rows = [torch.cat([w[:s], w[s + 1 :]]).logsumexp(0) for s in range(S)]
    return w.logsumexp(0) - torch.stack(rows)


@wrong("04.2", "not detached")
def vimco_with_gradient(log_weight):
    S = log_weight.shape[0]
    others = (log_weight.sum(0) - log_weight) / (S - 1)
    eye = torch.eye(S, dtype=torch.bool)[:, :, None]
    table = torch.where(eye, others[:, None], log_weight[None])
    return log_weight.logsumexp(0) - table.logsumexp(1)


@wrong("04.2", "sign: L_s - L")
def vimco_sign(log_weight):
    w = log_weight.detach()
    S = w.shape[0]
    others = (w.sum(0) - w) / (S - 1)
    eye = torch.eye(S, dtype=torch.bool)[:, :, None]
    return torch.where(eye, others[:, None], w[None]).logsumexp(1) - w.logsumexp(0)


@wrong("04.2", "log S taken from L_s, forgotten in L")
def vimco_log_s_once(log_weight):
    w = log_weight.detach()
    S = w.shape[0]
    others = (w.sum(0) - w) / (S - 1)
    eye = torch.eye(S, dtype=torch.bool)[:, :, None]
    L_s = torch.where(eye, others[:, None], w[None]).logsumexp(1) - math.log(S)
    return w.logsumexp(0) - L_s


@wrong("04.2", "returns L_s, the baseline, without L")
def vimco_only_baseline(log_weight):
    w = log_weight.detach()
    S = w.shape[0]
    others = (w.sum(0) - w) / (S - 1)
    eye = torch.eye(S, dtype=torch.bool)[:, :, None]
    return torch.where(eye, others[:, None], w[None]).logsumexp(1) - math.log(S)


@wrong("04.2", "L less the mean of the others' log w, no logsumexp in L_s")
def vimco_mean_as_baseline(log_weight):
    w = log_weight.detach()
    S = w.shape[0]
    L = w.logsumexp(0) - math.log(S)
    return L - (w.sum(0) - w) / (S - 1)


@wrong("04.2", "log w_s less the others' mean: leave-one-out of the single-sample bound")
def vimco_leave_one_out(log_weight):
    w = log_weight.detach()
    return w - (w.sum(0) - w) / (w.shape[0] - 1)


@wrong("04.2", "logsumexp of the table over the wrong dimension")
def vimco_wrong_dimension(log_weight):
    w = log_weight.detach()
    S = w.shape[0]
    others = (w.sum(0) - w) / (S - 1)
    eye = torch.eye(S, dtype=torch.bool)[:, :, None]
    return w.logsumexp(0) - torch.where(eye, others[:, None], w[None]).logsumexp(0)


@wrong("04.2", "the maximum is taken over the whole batch: other data underflow")
def vimco_global_maximum(log_weight):
    w = log_weight.detach()
    w = w - w.max()
    S = w.shape[0]
    others = (w.sum(0) - w) / (S - 1)
    eye = torch.eye(S, dtype=torch.bool)[:, :, None]
    return w.exp().sum(0).log() - torch.where(eye, others[:, None], w[None]).exp().sum(1).log()


@wrong("04.2", "replaces in place and never puts the row back")
def vimco_in_place(log_weight):
    L = log_weight.logsumexp(0)
    replaced = log_weight.detach()
    signals = []
    for s in range(len(replaced)):
        replaced[s] = (replaced.sum(0) - replaced[s]) / (len(replaced) - 1)
        signals.append(L.detach() - replaced.logsumexp(0))
    return torch.stack(signals)


# 04.3


@right("04.3", "the formula, literally")
def disarm_literal(logits, u, f_first, f_second):
    b = (u > torch.sigmoid(-logits)).to(u.dtype)
    b2 = (u < torch.sigmoid(logits)).to(u.dtype)
    return (0.5 * (f_first - f_second)[..., None] * (b - b2) * torch.sigmoid(logits.abs())).mean(0)


@right("04.3", "explicit loop over pairs")
def disarm_loop(logits, u, f_first, f_second):
    total = torch.zeros_like(u[0])
    for s in range(u.shape[0]):
        b = (u[s] > torch.sigmoid(-logits)).to(u)
        b_other = (u[s] < torch.sigmoid(logits)).to(u)
        total = total + (f_first[s] - f_second[s]).unsqueeze(-1) * (b - b_other) / 2
    return total / u.shape[0] * torch.sigmoid(torch.abs(logits))


@right("04.3", "einsum, and the larger of p and 1 - p")
def disarm_einsum(logits, u, f_first, f_second):
    p, q = logits.sigmoid(), (-logits).sigmoid()
    sign = (u > q).to(u.dtype) - (u < p).to(u.dtype)
    return torch.einsum("pb,pbi->bi", f_first - f_second, sign) / (2 * len(u)) * torch.maximum(p, q)


@right("04.3", "torch.where on the three parts of the interval")
def disarm_where(logits, u, f_first, f_second):
    one, zero = torch.ones_like(u), torch.zeros_like(u)
    b = torch.where(u > torch.sigmoid(-logits), one, zero)
    other = torch.where(u < torch.sigmoid(logits), one, zero)
    step = torch.where(b == other, zero, torch.where(b > other, one, -one))
    half_difference = (f_first - f_second).unsqueeze(-1) / 2
    return torch.mean(half_difference * step, 0) / (1 + torch.exp(-logits.abs()))


@right("04.3", "by torch.heaviside")
def disarm_heaviside(logits, u, f_first, f_second):
    zero = torch.zeros((), dtype=u.dtype)
    b = torch.heaviside(u - torch.sigmoid(-logits), zero)
    b_prime = torch.heaviside(torch.sigmoid(logits) - u, zero)
    size = torch.where(logits > 0, torch.sigmoid(logits), torch.sigmoid(-logits))
    product = (b - b_prime) * size * (f_first.unsqueeze(2) - f_second.unsqueeze(2))
    return product.sum(dim=0) / (2.0 * product.size(0))


@wrong("04.3", "ARM: the noise u - 1/2 is not summed out")
def disarm_arm(logits, u, f_first, f_second):
    return ((f_first - f_second)[..., None] * (u - 0.5)).mean(0)


@wrong("04.3", "sign: b' - b")
def disarm_sign(logits, u, f_first, f_second):
    b = (u > torch.sigmoid(-logits)).to(u.dtype)
    b2 = (u < torch.sigmoid(logits)).to(u.dtype)
    return (0.5 * (f_first - f_second)[..., None] * (b2 - b) * torch.sigmoid(logits.abs())).mean(0)


@wrong("04.3", "sigmoid(logit), the absolute value forgotten: right for positive logits")
def disarm_no_abs(logits, u, f_first, f_second):
    b = (u > torch.sigmoid(-logits)).to(u.dtype)
    b2 = (u < torch.sigmoid(logits)).to(u.dtype)
    return (0.5 * (f_first - f_second)[..., None] * (b - b2) * torch.sigmoid(logits)).mean(0)


@wrong("04.3", "factor one half forgotten")
def disarm_without_half(logits, u, f_first, f_second):
    b = (u > torch.sigmoid(-logits)).to(u.dtype)
    b2 = (u < torch.sigmoid(logits)).to(u.dtype)
    return ((f_first - f_second)[..., None] * (b - b2) * torch.sigmoid(logits.abs())).mean(0)


@wrong("04.3", "sum over the pairs")
def disarm_sum(logits, u, f_first, f_second):
    b = (u > torch.sigmoid(-logits)).to(u.dtype)
    b2 = (u < torch.sigmoid(logits)).to(u.dtype)
    return (0.5 * (f_first - f_second)[..., None] * (b - b2) * torch.sigmoid(logits.abs())).sum(0)


@wrong("04.3", "sigmoid(-|logit|), the smaller of p and 1 - p")
def disarm_smaller(logits, u, f_first, f_second):
    b = (u > torch.sigmoid(-logits)).to(u.dtype)
    b2 = (u < torch.sigmoid(logits)).to(u.dtype)
    return (0.5 * (f_first - f_second)[..., None] * (b - b2) * torch.sigmoid(-logits.abs())).mean(0)


@wrong("04.3", "p (1 - p) in place of sigmoid(|logit|)")
def disarm_slope_of_p(logits, u, f_first, f_second):
    p = torch.sigmoid(logits)
    b = (u > 1 - p).to(u.dtype)
    b2 = (u < p).to(u.dtype)
    return (0.5 * (f_first - f_second)[..., None] * (b - b2) * p * (1 - p)).mean(0)


@wrong("04.3", "b' is taken for 1 - b: the pair always differs")
def disarm_complement(logits, u, f_first, f_second):
    b = (u > torch.sigmoid(-logits)).to(u.dtype)
    return (0.5 * (f_first - f_second)[..., None] * (2 * b - 1) * torch.sigmoid(logits.abs())).mean(0)


@wrong("04.3", "the minus in b's threshold is forgotten: both are cut at p")
def disarm_same_cut(logits, u, f_first, f_second):
    b = (u > torch.sigmoid(logits)).to(u.dtype)
    b2 = (u < torch.sigmoid(logits)).to(u.dtype)
    return (0.5 * (f_first - f_second)[..., None] * (b - b2) * torch.sigmoid(logits.abs())).mean(0)


@wrong("04.3", "|b - b'|: whether they differ, not in which direction")
def disarm_differs(logits, u, f_first, f_second):
    b = u > torch.sigmoid(-logits)
    b2 = u < torch.sigmoid(logits)
    differs = (b != b2).to(u.dtype)
    return (0.5 * (f_first - f_second)[..., None] * differs * torch.sigmoid(logits.abs())).mean(0)


@wrong("04.3", "score function b - p in place of b - b'")
def disarm_score(logits, u, f_first, f_second):
    b = (u > torch.sigmoid(-logits)).to(u.dtype)
    return (0.5 * (f_first - f_second)[..., None] * (b - torch.sigmoid(logits))).mean(0)


@wrong("04.3", "averaged over the pairs in which the bit differs only")
def disarm_mean_of_differing(logits, u, f_first, f_second):
    b = (u > torch.sigmoid(-logits)).to(u.dtype)
    b2 = (u < torch.sigmoid(logits)).to(u.dtype)
    number = (b != b2).sum(0).clamp(min=1)
    return (0.5 * (f_first - f_second)[..., None] * (b - b2) * torch.sigmoid(logits.abs())).sum(0) / number


@wrong("04.3", "bool tensors subtracted")
def disarm_bool(logits, u, f_first, f_second):
    b = u > torch.sigmoid(-logits)
    b2 = u < torch.sigmoid(logits)
    return (0.5 * (f_first - f_second)[..., None] * (b - b2) * torch.sigmoid(logits.abs())).mean(0)


@wrong("04.3", "f not unsqueezed: the batch of f meets the bits")
def disarm_not_unsqueezed(logits, u, f_first, f_second):
    b = (u > torch.sigmoid(-logits)).to(u.dtype)
    b2 = (u < torch.sigmoid(logits)).to(u.dtype)
    return (0.5 * (f_first - f_second) * (b - b2) * torch.sigmoid(logits.abs())).mean(0)


@wrong("04.3", "averaged over pairs and batch")
def disarm_mean_over_batch(logits, u, f_first, f_second):
    b = (u > torch.sigmoid(-logits)).to(u.dtype)
    b2 = (u < torch.sigmoid(logits)).to(u.dtype)
    return (0.5 * (f_first - f_second)[..., None] * (b - b2) * torch.sigmoid(logits.abs())).mean((0, 1))


# 04.4


@right("04.4", "sign 2 z - 1 on the difference")
def local_sign(logits, z, f, f_flipped):
    p = torch.sigmoid(logits)
    return (p * (1 - p) * (2 * z - 1) * (f.unsqueeze(-1) - f_flipped)).mean(0)


@right("04.4", "f at one and f at zero by torch.where")
def local_where(logits, z, f, f_flipped):
    here = f[..., None].expand_as(f_flipped)
    f_one = torch.where(z > 0.5, here, f_flipped)
    f_zero = torch.where(z > 0.5, f_flipped, here)
    return torch.sigmoid(logits) * torch.sigmoid(-logits) * (f_one - f_zero).mean(dim=0)


@right("04.4", "loop over samples and bits")
def local_loop(logits, z, f, f_flipped):
    columns = []
    for i in range(z.shape[2]):
        total = torch.zeros_like(f[0])
        for s in range(z.shape[0]):
            one = z[s, :, i] * f[s] + (1 - z[s, :, i]) * f_flipped[s, :, i]
            zero = (1 - z[s, :, i]) * f[s] + z[s, :, i] * f_flipped[s, :, i]
            total = total + one - zero
        p = torch.sigmoid(logits[:, i])
        columns.append(p * (1 - p) * total / z.shape[0])
    return torch.stack(columns, dim=-1)


@right("04.4", "variance of torch's Bernoulli, einsum")
def local_einsum(logits, z, f, f_flipped):
    variance = torch.distributions.Bernoulli(logits=logits).variance
    sign = 1 - 2 * z
    difference = torch.einsum("sbi,sbi->bi", sign, f_flipped) - torch.einsum("sbi,sb->bi", sign, f)
    return variance * difference / z.shape[0]


@right("04.4", "autograd of the two-outcome expectation")
def local_autograd(logits, z, f, f_flipped):
    here = f.detach()[..., None]
    one = z * here + (1 - z) * f_flipped.detach()
    zero = (1 - z) * here + z * f_flipped.detach()
    with torch.enable_grad():
        phi = logits.detach().clone().requires_grad_()
        p = phi.sigmoid()
        expectation = (p * one + (1 - p) * zero).mean(0).sum()
        (gradient,) = torch.autograd.grad(expectation, phi)
    return gradient


@wrong("04.4", "flipped minus as it is, without the sign of the flip")
def local_no_sign(logits, z, f, f_flipped):
    p = torch.sigmoid(logits)
    return (p * (1 - p) * (f_flipped - f[..., None])).mean(0)


@wrong("04.4", "sign reversed: f at zero less f at one")
def local_reversed(logits, z, f, f_flipped):
    p = torch.sigmoid(logits)
    return (p * (1 - p) * (1 - 2 * z) * (f[..., None] - f_flipped)).mean(0)


@wrong("04.4", "f is taken for f(1) and f_flipped for f(0), whatever z is")
def local_f_is_one(logits, z, f, f_flipped):
    p = torch.sigmoid(logits)
    return p * (1 - p) * (f[..., None] - f_flipped).mean(0)


@wrong("04.4", "factor p only")
def local_factor_p(logits, z, f, f_flipped):
    p = torch.sigmoid(logits)
    return (p * (2 * z - 1) * (f[..., None] - f_flipped)).mean(0)


@wrong("04.4", "factor: probability of the outcome that was not drawn")
def local_other_outcome(logits, z, f, f_flipped):
    p = torch.sigmoid(logits)
    other = torch.where(z == 1, 1 - p, p)
    return (other * (2 * z - 1) * (f[..., None] - f_flipped)).mean(0)


@wrong("04.4", "factor p (1 - p) forgotten")
def local_no_factor(logits, z, f, f_flipped):
    return ((2 * z - 1) * (f[..., None] - f_flipped)).mean(0)


@wrong("04.4", "standard deviation sqrt(p (1 - p)) as the factor")
def local_deviation(logits, z, f, f_flipped):
    p = torch.sigmoid(logits)
    return ((p * (1 - p)).sqrt() * (2 * z - 1) * (f[..., None] - f_flipped)).mean(0)


@wrong("04.4", "sum over the samples")
def local_sum(logits, z, f, f_flipped):
    p = torch.sigmoid(logits)
    return (p * (1 - p) * (2 * z - 1) * (f[..., None] - f_flipped)).sum(0)


@wrong("04.4", "the score z - p times the difference: the flip as a baseline")
def local_score(logits, z, f, f_flipped):
    p = torch.sigmoid(logits)
    return ((z - p) * (f[..., None] - f_flipped)).mean(0)


@wrong("04.4", "the expectation p f(1) + (1 - p) f(0), not its gradient")
def local_expectation(logits, z, f, f_flipped):
    p = torch.sigmoid(logits)
    here = f[..., None]
    one = z * here + (1 - z) * f_flipped
    zero = (1 - z) * here + z * f_flipped
    return (p * one + (1 - p) * zero).mean(0)


@wrong("04.4", "absolute difference")
def local_absolute(logits, z, f, f_flipped):
    p = torch.sigmoid(logits)
    return (p * (1 - p) * (f[..., None] - f_flipped).abs()).mean(0)


@wrong("04.4", "p estimated as the mean of the samples")
def local_empirical_p(logits, z, f, f_flipped):
    p = z.mean(0)
    return (p * (1 - p) * (2 * z - 1) * (f[..., None] - f_flipped)).mean(0)


@wrong("04.4", "exp(logit) / (1 + exp(logit))²: overflows for a large logit")
def local_overflow(logits, z, f, f_flipped):
    slope = logits.exp() / (1 + logits.exp()) ** 2
    return slope * ((2 * z - 1) * (f[..., None] - f_flipped)).mean(0)


@wrong("04.4", "only the samples in which the bit is 1 count, divided by all")
def local_only_ones(logits, z, f, f_flipped):
    p = torch.sigmoid(logits)
    return (p * (1 - p) * z * (f[..., None] - f_flipped)).mean(0)


@wrong("04.4", "f not unsqueezed")
def local_not_unsqueezed(logits, z, f, f_flipped):
    p = torch.sigmoid(logits)
    return (p * (1 - p) * (2 * z - 1) * (f - f_flipped)).mean(0)


@wrong("04.4", "averaged over samples and bits")
def local_mean_over_bits(logits, z, f, f_flipped):
    p = torch.sigmoid(logits)
    return (p * (1 - p) * (2 * z - 1) * (f[..., None] - f_flipped)).mean((0, 2))


# 04.5


@right("04.5", "the two expectations, literally")
def bias_literal(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = p * (1 - p) * (f[1] - f[0])
    mean = p * slope[1] * p * (1 - p) + (1 - p) * slope[0] * p * (1 - p)
    return exact, mean - exact


@right("04.5", "probabilities stacked, a weighted sum over outcomes")
def bias_stacked(logits, f, slope):
    q = torch.stack([torch.sigmoid(-logits), torch.sigmoid(logits)])
    dp = q.prod(0)
    exact = (torch.stack([-dp, dp]) * f).sum(0)
    return exact, (q * slope).sum(0) * dp - exact


@right("04.5", "exact gradient by autograd of the expectation")
def bias_autograd(logits, f, slope):
    with torch.enable_grad():
        phi = logits.detach().clone().requires_grad_()
        p = phi.sigmoid()
        (exact,) = torch.autograd.grad((p * f[1].detach() + (1 - p) * f[0].detach()).sum(), phi, retain_graph=True)
        (dp,) = torch.autograd.grad(p.sum(), phi)
    p = p.detach()
    return exact, dp * torch.lerp(slope[0], slope[1], p) - exact


@right("04.5", "torch's Bernoulli, einsum")
def bias_bernoulli(logits, f, slope):
    bit = torch.distributions.Bernoulli(logits=logits)
    probabilities = torch.stack([1 - bit.mean, bit.mean])
    exact = bit.variance * torch.diff(f, dim=0).squeeze(0)
    straight = torch.einsum("ob,ob,b->b", probabilities, slope, bit.variance)
    return exact, straight - exact


@right("04.5", "one factor, slope differences factored out")
def bias_factored(logits, f, slope):
    e = torch.exp(-logits.abs())
    dp = e / (1 + e) ** 2
    rise = f[1] - f[0]
    return dp * rise, dp * (slope[0] - rise + logits.sigmoid() * (slope[1] - slope[0]))


@right("04.5", "score function over both outcomes, a loop")
def bias_score_loop(logits, f, slope):
    p = torch.sigmoid(logits)
    exact, straight = torch.zeros_like(p), torch.zeros_like(p)
    for b in (0, 1):
        probability = p if b else 1 - p
        exact = exact + probability * f[b] * (b - p)
        straight = straight + probability * slope[b] * p * (1 - p)
    return exact, straight - exact


@wrong("04.5", "sign of the bias: exact less straight-through")
def bias_sign(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = p * (1 - p) * (f[1] - f[0])
    mean = p * (1 - p) * (p * slope[1] + (1 - p) * slope[0])
    return exact, exact - mean


@wrong("04.5", "weights of the slopes swapped")
def bias_swapped_weights(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = p * (1 - p) * (f[1] - f[0])
    mean = p * (1 - p) * (p * slope[0] + (1 - p) * slope[1])
    return exact, mean - exact


@wrong("04.5", "slopes averaged with equal weights, as ReinMax does")
def bias_reinmax(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = p * (1 - p) * (f[1] - f[0])
    return exact, p * (1 - p) * slope.mean(0) - exact


@wrong("04.5", "gradient on p, not on the logit: dp / dphi forgotten in both")
def bias_on_p(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = f[1] - f[0]
    return exact, p * slope[1] + (1 - p) * slope[0] - exact


@wrong("04.5", "dp / dphi forgotten in straight-through only")
def bias_straight_on_p(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = p * (1 - p) * (f[1] - f[0])
    return exact, p * slope[1] + (1 - p) * slope[0] - exact


@wrong("04.5", "dp / dphi forgotten in the exact gradient only")
def bias_exact_on_p(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = f[1] - f[0]
    return exact, p * (1 - p) * (p * slope[1] + (1 - p) * slope[0]) - exact


@wrong("04.5", "returns straight-through's mean, not less the exact gradient")
def bias_mean_only(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = p * (1 - p) * (f[1] - f[0])
    return exact, p * (1 - p) * (p * slope[1] + (1 - p) * slope[0])


@wrong("04.5", "the expectation in place of its gradient")
def bias_expectation(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = p * f[1] + (1 - p) * f[0]
    return exact, p * (1 - p) * (p * slope[1] + (1 - p) * slope[0]) - exact


@wrong("04.5", "f(0) - f(1)")
def bias_outcomes_swapped(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = p * (1 - p) * (f[0] - f[1])
    return exact, p * (1 - p) * (p * slope[1] + (1 - p) * slope[0]) - exact


@wrong("04.5", "relative bias: divided by the exact gradient")
def bias_relative(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = p * (1 - p) * (f[1] - f[0])
    return exact, (p * (1 - p) * (p * slope[1] + (1 - p) * slope[0]) - exact) / exact


@wrong("04.5", "only the outcome b = 1 in straight-through's mean")
def bias_only_one(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = p * (1 - p) * (f[1] - f[0])
    return exact, p * (1 - p) * p * slope[1] - exact


@wrong("04.5", "the size of the bias, sign lost")
def bias_absolute(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = p * (1 - p) * (f[1] - f[0])
    return exact, (p * (1 - p) * (p * slope[1] + (1 - p) * slope[0]) - exact).abs()


@wrong("04.5", "the logit is taken for the probability")
def bias_logit_as_p(logits, f, slope):
    p = logits
    exact = p * (1 - p) * (f[1] - f[0])
    return exact, p * (1 - p) * (p * slope[1] + (1 - p) * slope[0]) - exact


@wrong("04.5", "p = exp / (1 + exp) overflows for large logits")
def bias_overflow(logits, f, slope):
    p = logits.exp() / (1 + logits.exp())
    exact = p * (1 - p) * (f[1] - f[0])
    return exact, p * (1 - p) * (p * slope[1] + (1 - p) * slope[0]) - exact


@wrong("04.5", "one stacked tensor in place of two")
def bias_one_tensor(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = p * (1 - p) * (f[1] - f[0])
    return torch.stack([exact, p * (1 - p) * (p * slope[1] + (1 - p) * slope[0]) - exact])


@wrong("04.5", "bias first, then the gradient")
def bias_order(logits, f, slope):
    p = torch.sigmoid(logits)
    exact = p * (1 - p) * (f[1] - f[0])
    return p * (1 - p) * (p * slope[1] + (1 - p) * slope[0]) - exact, exact


# 04.6


@right("04.6", "mean of squares less square of the mean")
def variances_moments(f, slope, scale, eps, weight):
    score = f * eps[:, None] / scale
    return weight @ score**2 - (weight @ score) ** 2, weight @ slope**2 - (weight @ slope) ** 2


@right("04.6", "mean squared distance from the mean")
def variances_centred(f, slope, scale, eps, weight):
    def variance(g):
        return weight @ (g - weight @ g).square()

    return variance(f * eps.unsqueeze(1) / scale), variance(slope)


@right("04.6", "loop over the nodes")
def variances_loop(f, slope, scale, eps, weight):
    first, second = [0, 0], [0, 0]
    for n in range(len(eps)):
        for k, g in enumerate((f[n] * eps[n] / scale, slope[n])):
            first[k] = first[k] + weight[n] * g
            second[k] = second[k] + weight[n] * g * g
    return second[0] - first[0] ** 2, second[1] - first[1] ** 2


@right("04.6", "torch.cov with the weights, datum by datum")
def variances_cov(f, slope, scale, eps, weight):
    score = torch.einsum("nb,n,b->nb", f, eps, 1 / scale)
    return tuple(
        torch.stack([torch.cov(column, aweights=weight, correction=0) for column in g.T]) for g in (score, slope)
    )


@right("04.6", "the scale taken out: variance of f eps over scale squared")
def variances_scale_out(f, slope, scale, eps, weight):
    w = weight.unsqueeze(-1)
    both = torch.stack([f * eps.unsqueeze(-1), slope])  # [2, nodes, batch]
    mean = (w * both).sum(1, keepdim=True)
    spread = (w * (both - mean) ** 2).sum(1)
    return spread[0] / scale**2, spread[1]


@wrong("04.6", "second moments: the square of the mean is not taken away")
def variances_second_moment(f, slope, scale, eps, weight):
    score = f * eps[:, None] / scale
    return weight @ score**2, weight @ slope**2


@wrong("04.6", "division by the scale forgotten")
def variances_no_scale(f, slope, scale, eps, weight):
    score = f * eps[:, None]
    return weight @ (score - weight @ score) ** 2, weight @ (slope - weight @ slope) ** 2


@wrong("04.6", "score eps / scale²: the score of z - loc over the variance with z - loc = eps")
def variances_scale_squared(f, slope, scale, eps, weight):
    score = f * eps[:, None] / scale**2
    return weight @ (score - weight @ score) ** 2, weight @ (slope - weight @ slope) ** 2


@wrong("04.6", "the variance of f eps is divided by the scale once")
def variances_scale_once(f, slope, scale, eps, weight):
    score = f * eps[:, None]
    return weight @ (score - weight @ score) ** 2 / scale, weight @ (slope - weight @ slope) ** 2


@wrong("04.6", "standard deviations")
def variances_deviation(f, slope, scale, eps, weight):
    score = f * eps[:, None] / scale
    return (weight @ (score - weight @ score) ** 2).sqrt(), (weight @ (slope - weight @ slope) ** 2).sqrt()


@wrong("04.6", "the nodes are taken for samples, the weights are not used")
def variances_unweighted(f, slope, scale, eps, weight):
    score = f * eps[:, None] / scale
    return score.var(0), slope.var(0)


@wrong("04.6", "the mean is not squared before it is taken away")
def variances_mean_not_squared(f, slope, scale, eps, weight):
    score = f * eps[:, None] / scale
    return weight @ score**2 - weight @ score, weight @ slope**2 - weight @ slope


@wrong("04.6", "the pathwise gradient times the scale: chain rule of another parameter")
def variances_path_times_scale(f, slope, scale, eps, weight):
    score, path = f * eps[:, None] / scale, slope * scale
    return weight @ (score - weight @ score) ** 2, weight @ (path - weight @ path) ** 2


@wrong("04.6", "the pathwise gradient of the scale, f'(z) eps")
def variances_path_of_scale(f, slope, scale, eps, weight):
    score, path = f * eps[:, None] / scale, slope * eps[:, None]
    return weight @ (score - weight @ score) ** 2, weight @ (path - weight @ path) ** 2


@wrong("04.6", "the score of the scale, (eps² - 1) / scale")
def variances_score_of_scale(f, slope, scale, eps, weight):
    score = f * (eps[:, None] ** 2 - 1) / scale
    return weight @ (score - weight @ score) ** 2, weight @ (slope - weight @ slope) ** 2


@wrong("04.6", "eps forgotten: the variance of f / scale")
def variances_no_eps(f, slope, scale, eps, weight):
    score = f / scale
    return weight @ (score - weight @ score) ** 2, weight @ (slope - weight @ slope) ** 2


@wrong("04.6", "scale is taken for a variance")
def variances_scale_as_variance(f, slope, scale, eps, weight):
    score = f * eps[:, None] / scale.sqrt()
    return weight @ (score - weight @ score) ** 2, weight @ (slope - weight @ slope) ** 2


@wrong("04.6", "the weights are squared with the values")
def variances_weights_squared(f, slope, scale, eps, weight):
    score = weight[:, None] * f * eps[:, None] / scale
    path = weight[:, None] * slope
    return (score**2).sum(0) - score.sum(0) ** 2, (path**2).sum(0) - path.sum(0) ** 2


@wrong("04.6", "f' in place of f in the score function")
def variances_slope_in_score(f, slope, scale, eps, weight):
    score = slope * eps[:, None] / scale
    return weight @ (score - weight @ score) ** 2, weight @ (slope - weight @ slope) ** 2


@wrong("04.6", "the pathwise variance first")
def variances_order(f, slope, scale, eps, weight):
    score = f * eps[:, None] / scale
    return weight @ (slope - weight @ slope) ** 2, weight @ (score - weight @ score) ** 2


@wrong("04.6", "eps without a dimension for the batch")
def variances_eps_not_unsqueezed(f, slope, scale, eps, weight):
    score = f * eps / scale
    return weight @ (score - weight @ score) ** 2, weight @ (slope - weight @ slope) ** 2


# 04.7


@right("04.7", "the formula, literally")
def pair_literal(logits, u, v):
    p = torch.sigmoid(logits)
    z = logits + torch.log(u) - torch.log(1 - u)
    squeezed = torch.where(z > 0, (1 - p) + p * v, (1 - p) * v)
    return z, logits + torch.log(squeezed) - torch.log(1 - squeezed)


@right("04.7", "torch.logit, and the bit as a number")
def pair_logit(logits, u, v):
    q = torch.sigmoid(-logits)
    b = (u > q).to(u.dtype)
    v_squeezed = b * (q + (1 - q) * v) + (1 - b) * q * v
    return logits + torch.logit(u), logits + torch.logit(v_squeezed)


@right("04.7", "lower and upper end of the part of (0, 1)")
def pair_interval(logits, u, v):
    z = logits + torch.log(u) - torch.log1p(-u)
    cut = torch.sigmoid(-logits).expand_as(u)
    low = torch.where(z > 0, cut, torch.zeros_like(cut))
    high = torch.where(z > 0, torch.ones_like(cut), cut)
    inner = low + (high - low) * v
    return z, logits + torch.log(inner) - torch.log1p(-inner)


@right("04.7", "closed form of z' with softplus")
def pair_closed_form(logits, u, v):
    noise = torch.log(v) - torch.log1p(-v)
    z = logits + torch.log(u) - torch.log1p(-u)
    above = F.softplus(noise - F.logsigmoid(-logits))
    below = -F.softplus(-noise - F.logsigmoid(logits))
    return z, torch.where(z > 0, above, below)


@right("04.7", "loop over the samples")
def pair_loop(logits, u, v):
    p = 1 / (1 + torch.exp(-logits))
    first, second = [], []
    for s in range(u.shape[0]):
        b = u[s] > 1 - p
        w = torch.where(b, 1 - p * (1 - v[s]), (1 - p) * v[s])
        first.append(logits + torch.log(u[s] / (1 - u[s])))
        second.append(logits + torch.log(w / (1 - w)))
    return torch.stack(first), torch.stack(second)


@wrong("04.7", "p is detached: the cut does not move with phi")
def pair_cut_detached(logits, u, v):
    p = torch.sigmoid(logits).detach()
    z = logits + torch.log(u) - torch.log1p(-u)
    w = torch.where(z > 0, (1 - p) + p * v, (1 - p) * v)
    return z, logits + torch.log(w) - torch.log1p(-w)


@wrong("04.7", "z' is drawn without regard to b")
def pair_unconditional(logits, u, v):
    return logits + torch.log(u) - torch.log1p(-u), logits + torch.log(v) - torch.log1p(-v)


@wrong("04.7", "the two parts swapped: z' has the other sign")
def pair_swapped(logits, u, v):
    p = torch.sigmoid(logits)
    z = logits + torch.log(u) - torch.log1p(-u)
    w = torch.where(z > 0, (1 - p) * v, (1 - p) + p * v)
    return z, logits + torch.log(w) - torch.log1p(-w)


@wrong("04.7", "z' is the noise alone, the logit is not added")
def pair_no_logit(logits, u, v):
    p = torch.sigmoid(logits)
    z = logits + torch.log(u) - torch.log1p(-u)
    w = torch.where(z > 0, (1 - p) + p * v, (1 - p) * v)
    return z, torch.log(w) - torch.log1p(-w)


@wrong("04.7", "b = 1[u > p]")
def pair_wrong_bit(logits, u, v):
    p = torch.sigmoid(logits)
    z = logits + torch.log(u) - torch.log1p(-u)
    w = torch.where(u > p, (1 - p) + p * v, (1 - p) * v)
    return z, logits + torch.log(w) - torch.log1p(-w)


@wrong("04.7", "the cut is put at p: v' = p + (1 - p) v and p v")
def pair_cut_at_p(logits, u, v):
    p = torch.sigmoid(logits)
    z = logits + torch.log(u) - torch.log1p(-u)
    w = torch.where(z > 0, p + (1 - p) * v, p * v)
    return z, logits + torch.log(w) - torch.log1p(-w)


@wrong("04.7", "u is squeezed a second time, v is not used")
def pair_reuses_u(logits, u, v):
    p = torch.sigmoid(logits)
    z = logits + torch.log(u) - torch.log1p(-u)
    w = torch.where(z > 0, (1 - p) + p * u, (1 - p) * u)
    return z, logits + torch.log(w) - torch.log1p(-w)


@wrong("04.7", "b is taken from v, not from u")
def pair_bit_from_v(logits, u, v):
    p = torch.sigmoid(logits)
    z = logits + torch.log(u) - torch.log1p(-u)
    w = torch.where(v > 1 - p, (1 - p) + p * v, (1 - p) * v)
    return z, logits + torch.log(w) - torch.log1p(-w)


@wrong("04.7", "z' is detached altogether")
def pair_second_detached(logits, u, v):
    p = torch.sigmoid(logits)
    z = logits + torch.log(u) - torch.log1p(-u)
    w = torch.where(z > 0, (1 - p) + p * v, (1 - p) * v)
    return z, (logits + torch.log(w) - torch.log1p(-w)).detach()


@wrong("04.7", "Gumbel noise -log(-log u) in place of logistic noise")
def pair_gumbel(logits, u, v):
    p = torch.sigmoid(logits)
    z = logits - torch.log(-torch.log(u))
    w = torch.where(u > 1 - p, (1 - p) + p * v, (1 - p) * v)
    return z, logits - torch.log(-torch.log(w))


@wrong("04.7", "sign of the noise: log(1 - u) - log u")
def pair_noise_sign(logits, u, v):
    p = torch.sigmoid(logits)
    z = logits + torch.log1p(-u) - torch.log(u)
    w = torch.where(z > 0, (1 - p) + p * v, (1 - p) * v)
    return z, logits + torch.log1p(-w) - torch.log(w)


@wrong("04.7", "returns relaxed bits, sigmoid(z)")
def pair_relaxed_bits(logits, u, v):
    p = torch.sigmoid(logits)
    z = logits + torch.log(u) - torch.log1p(-u)
    w = torch.where(z > 0, (1 - p) + p * v, (1 - p) * v)
    return torch.sigmoid(z), torch.sigmoid(logits + torch.log(w) - torch.log1p(-w))


@wrong("04.7", "returns the bit and z', not z and z'")
def pair_returns_bit(logits, u, v):
    p = torch.sigmoid(logits)
    b = (u > 1 - p).to(u.dtype)
    w = b * ((1 - p) + p * v) + (1 - b) * (1 - p) * v
    return b, logits + torch.log(w) - torch.log1p(-w)


@wrong("04.7", "noise clamped to [0.01, 0.99] against infinities")
def pair_clamped(logits, u, v):
    p = torch.sigmoid(logits)
    u, v = u.clamp(0.01, 0.99), v.clamp(0.01, 0.99)
    z = logits + torch.log(u) - torch.log1p(-u)
    w = torch.where(z > 0, (1 - p) + p * v, (1 - p) * v)
    return z, logits + torch.log(w) - torch.log1p(-w)


@wrong("04.7", "one tensor, stacked")
def pair_stacked(logits, u, v):
    p = torch.sigmoid(logits)
    z = logits + torch.log(u) - torch.log1p(-u)
    w = torch.where(z > 0, (1 - p) + p * v, (1 - p) * v)
    return torch.stack([z, logits + torch.log(w) - torch.log1p(-w)])


@wrong("04.7", "the notebook's phi in place of the argument")
def pair_notebook_phi(logits, u, v):
    p = torch.sigmoid(phi)
    z = phi + torch.log(u) - torch.log1p(-u)
    w = torch.where(z > 0, (1 - p) + p * v, (1 - p) * v)
    return z, phi + torch.log(w) - torch.log1p(-w)
