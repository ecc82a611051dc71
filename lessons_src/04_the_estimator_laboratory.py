# ---
# jupyter:
#   jupytext:
#     formats: notebooks//ipynb,lessons_src//py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # 04 · The estimator laboratory
#
# *Gradient estimators for discrete latents on one bench: which are right on average, how noisy each is, and what a step costs.*
#
# **142 minutes** (80 reading and running, 62 exercises) · before this: [02 The variational autoencoder](02_variational_autoencoder.ipynb), sections 3, 4 and 6,
# and [03 NVIL and control variates](03_nvil_and_control_variates.ipynb), sections 2 to 6

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Ask the room for its favourite estimator and write the names on the board, with a vote each. Every section today finds a problem on which one of them loses. At the end,
# vote again: the only good answer is a question, namely "for which f, and at what price?"
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# **You will be able to**
#
# 1. write leave-one-out, VIMCO, DisARM, local enumeration and REBAR's pair of noises in a few lines each (exercises 04.1 to 04.4, 04.7);
# 2. read bias and variance of an estimator off an exact sum, without drawing a sample (section 1; by quadrature, 04.6), and compare estimators at equal evaluations of $f$ (section 9);
# 3. compute the bias of straight-through (04.5), and say where a fit that follows a biased gradient ends (Predict, section 7);
# 4. find the problem on which a favourite loses: leave-one-out (Predict, section 2), DisARM (section 4), MuProp and REBAR (section 5), the reparameterised gradient (04.6, and
#    the explorer of section 8);
# 5. choose an estimator for a model and a budget, with measured reasons (Predict, section 12).
#
# `check` tests what names an exercise. A Predict is for you alone: decide first, then open its answer.

# %% slideshow={"slide_type": "skip"} tags=["setup"]
# Which Python runs this lesson, and whose `helpers` does it use? This cell is the same in every lesson.
import os
import sys
from pathlib import Path

_above = Path(globals().get("__vsc_ipynb_file__", "lesson.ipynb")).absolute().parents
_homes = [str(folder) for folder in _above if os.path.isfile(folder / "helpers" / "set_up.py")]
sys.path[:0] = _homes[:1]  # a lesson uses the package of its own checkout, whatever else has that name
try:
    from helpers.set_up import first_line

    print(first_line())
except Exception as problem:
    print(f"""!!  python    Python {sys.version.split()[0]} ({sys.executable}) cannot use the workbook's package `helpers`: {problem}
    On your machine: close this notebook and start `make lab` in the workbook's folder. Needed: Python 3.11 or newer.
    On Colab or a hub: bring the workbook's folder there, and run %pip install with the folder's path in a new cell.
    If `helpers` is a file or folder of your own ({getattr(sys.modules.get("helpers"), "__file__", "not found")}): rename it. Then restart the kernel.""")

# %% slideshow={"slide_type": "skip"}
import math
import time

import numpy as np
import torch
from torch import nn
from torch.distributions import Bernoulli, Independent, Normal

from helpers import plots, settings
from helpers.estimators import (
    Arm,
    DisArm,
    Enumeration,
    Estimate,
    GumbelSoftmax,
    LeaveOneOut,
    LocalEnumeration,
    MuProp,
    Pathwise,
    Rebar,
    ReinMax,
    Relax,
    ResidualRelax,
    ScoreFunction,
    StraightThrough,
    Vimco,
    draw,
    exact_gradient,
    exact_moments,
    exact_moments_of,
    for_logistic_noise,
    gauss_legendre,
)
from helpers.exercises import check, hint, progress, solution, solutions_of  # noqa: F401  hint and solution are for you to call
from helpers.models import Elbo, sigmoid_belief_network
from helpers.networks import FeedForward
from helpers.reproduce.rows import read_rows
from helpers.widgets.reparameterise_or_score import reparameterise_or_score
from helpers.widgets.variance_laboratory import measured_prices, variance_laboratory

answers = solutions_of("04")  # what the exercises ask for, for use after them
settings.seed_everything(0)

# %% [markdown] slideshow={"slide_type": "skip"}
# Nothing is downloaded: the problems of this lesson are small on purpose, so that the truth about them can be summed. Where a cell says
# `settings.budget(full=2000, smoke=200)`, you get the first number; the second is for a quick automatic test of the lesson.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · One bench for all
#
# You want $g = \nabla_\phi\, \mathbb E_{q_\phi(z)}[f(z)]$ for bits $z$. Lesson 03 had one estimator of it, the score function $f(z)\, \nabla_\phi \log q_\phi(z)$, and ways to calm it. Since then
# dozens of others have been invented; this lesson takes the ones from which the rest are built. All are called in one way, `estimator(f, q, num_samples)` (`num_samples` counts evaluations of $f$: 2 is one pair for DisARM, 3 one sample for REBAR), and their estimate $\hat g$ is judged by two numbers:
#
# $$ \text{bias} = \mathbb E[\hat g] - g, \qquad \text{variance} = \mathbb E\,\big|\hat g - \mathbb E[\hat g]\big|^2 \quad \text{(summed over the coordinates of } \phi). $$
#
# On three bits both are finite sums: no sampling error, no luck.

# %% slideshow={"slide_type": "fragment"}
generator = torch.Generator().manual_seed(7)
prior_logits, weight, bias = (
    torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((3,), (6, 3), (6,))
)
x = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.0, 1.0], dtype=torch.float64)  # six pixels
phi = torch.tensor([0.9, 1.0, 0.1], dtype=torch.float64, requires_grad=True)  # q's logits


def bits(logits):
    """Independent bits. logits: [*batch, number] → batch_shape [*batch], event_shape [number]."""
    return Independent(Bernoulli(logits=logits, validate_args=False), 1)


def log_joint(z, strength):
    """log p(x, z) of a sigmoid belief network with three latent bits. z: [..., 3] → [...]."""
    log_likelihood = bits(strength * z @ weight.T + bias).log_prob(x)
    return bits(prior_logits).log_prob(z) + log_likelihood


# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Three latent bits have eight outcomes, two draws 64, four draws 4,096: the computer can visit them all, with the probability of each, and so knows the mean and the variance of any estimator that
# draws bits. The strength multiplies the weights: 1 is the gentle bench, 2 the sharp one. Ask what a sharp f means for an estimator that trusts slopes: sections 5 and 9 come back to it.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# The integrand is the log weight, $f(z) = \log p(x, z) - \log q_\phi(z)$, with two benches: weights as they are (`gentle`), and weights twice as large (`sharp`). In the second term $\phi$ is held fixed: as lesson
# 02, section 3, showed, the gradient that it would add there has mean zero for samples of $q$. So $f$ is one fixed function of $z$, and estimators differ in nothing but how they treat it. (The bits are built with `validate_args=False`, because
# sections 5 and 7 will ask for $f$ *between* 0 and 1. The formula of $\log p$ has an answer there; whether it means anything is another question.)

# %% slideshow={"slide_type": "skip"}
held = bits(phi.detach())  # q at a phi that no gradient reaches
q = bits(phi)


def gentle(z):
    """Log weight in nats. z: [..., 3] → [...]."""
    return log_joint(z, 1.0) - held.log_prob(z)


def sharp(z):
    """The same with the weights doubled."""
    return log_joint(z, 2.0) - held.log_prob(z)


benches = {"gentle": gentle, "sharp": sharp}
truth = {name: exact_gradient(f, q, parameters=[phi]).gradient[0] for name, f in benches.items()}
for name, f in benches.items():
    judged = exact_moments(ScoreFunction(), f, q, 1, parameters=[phi])
    spread = judged.total_variance**0.5 / truth[name].norm()
    print(
        f"{name:7} gradient {truth[name].numpy().round(3)}   mean of the score function "
        f"{judged.mean[0].numpy().round(3)}   its spread {spread:.1f} times the gradient"
    )

# %% [markdown] slideshow={"slide_type": "skip"}
# `exact_gradient` sums over the eight outcomes and differentiates the sum. `exact_moments` runs the *estimator* once for every outcome of all its draws, and weighs each run by its probability. They agree: the
# score function is unbiased. Its spread, the square root of its variance, is six to eight times the length of the gradient itself.
#
# ### What has to be integrated
#
# Some of the estimators to come draw more than bits. ARM and DisARM (section 4) draw uniform noise and cut it at thresholds: between the thresholds nothing happens, so a rule with one or two nodes in each interval is still exact. REBAR, RELAX and
# Gumbel-softmax (sections 5 and 7) use noise smoothly. For one bit a quadrature rule does it; for three bits you draw: a *batch* of 50,000 copies of the problem, each with its own noise, in one call. Such numbers come with standard errors.


# %% slideshow={"slide_type": "skip"}
def cuts(q):
    """Where the noise of antithetic pairs changes a bit: at p and at 1 - p. [2, number]."""
    return torch.stack([q.mean, 1 - q.mean]).detach()


def from_copies(estimator, f, logits, num_samples, copies):
    """Independent estimates of the gradient, one a row: [copies, number]."""
    many = logits.detach().expand(copies, -1).clone().requires_grad_()
    estimate = estimator(f, bits(many), num_samples)
    return torch.autograd.grad(estimate.surrogate.sum(), many)[0]


def settle(estimator, f, logits, num_samples, steps=None, learning_rate=0.03):
    """Let the estimator's own control variate learn, on this f, to lower the variance."""
    torch.manual_seed(0)
    many = bits(logits.detach().expand(64, -1).clone().requires_grad_())
    optimizer = torch.optim.Adam(estimator.requires_grad_().parameters(), lr=learning_rate)
    for _ in range(steps or settings.budget(full=400, smoke=5)):
        optimizer.zero_grad()
        estimator(f, many, num_samples).auxiliary_loss.backward()
        optimizer.step()
    return estimator.requires_grad_(False)


# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Leave one out
#
# Lesson 03 needed a baseline: a guess of the reward that does not look at the sample. With $S$ samples of the same $z$, you own such guesses already: **the other samples' rewards**.
#
# $$ \hat g = \frac1S \sum_{s=1}^{S} \Big( f(z_s) - \frac{1}{S-1} \sum_{r \ne s} f(z_r) \Big)\, \nabla_\phi \log q_\phi(z_s), \qquad S \ge 2. $$
#
# No network, no running mean, nothing to save. And a constant added to $f$ cancels.

# %% slideshow={"slide_type": "fragment"}
print("variance                      S = 2      S = 3")
raised = {"f": gentle, "f + 100": lambda z: gentle(z) + 100}
for words, f in raised.items():
    for name, estimator in {"score function": ScoreFunction(), "leave-one-out": LeaveOneOut()}.items():
        found = [exact_moments(estimator, f, q, S, parameters=[phi]).total_variance for S in (2, 3)]
        print(f"{name:14} of {words:7} {found[0]:9.3f}  {found[1]:9.3f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Why may sample r be the baseline of sample s? Because it is independent of it: that is the whole proof. Then ask what goes wrong if you subtract the mean of all S rewards, the sample's own among them: the gradient shrinks by (S-1)/S. Exercise 04.1
# has that as its most frequent mistake. Point at the two equal lines: a constant cancels.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 04.1 · ●●○ · 8 minutes
#
# Write the leave-one-out surrogate, $\frac 1 S \sum_s \big[f(z_s) + (f(z_s) - b_s) \log q(z_s)\big]$, where $b_s$ is the mean of the *other* samples' $f$. Gradients go through $f(z_s)$ and $\log q(z_s)$; the bracket that weighs $\log q$ is a number. There are two samples or more.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-04.1"]
def leave_one_out_surrogate(f, log_q):
    """1/S sum_s [f(z_s) + (f(z_s) - b_s) log q(z_s)], b_s: the mean f of the other samples.

    Gradients flow as the estimator wants them: through f(z_s) and log q(z_s), and not
    through the bracket that weighs log q. f, log_q: [samples, batch] → [batch].
    """
    ...  # your code


check("04.1", leave_one_out_surrogate)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Eight minutes. The values come at once; the routes of the gradient are the exercise. Ask: which parameters are in f, and which in log q? Detach the baseline, detach the reward where it multiplies, and keep f's own route: three decisions, each of which `check` tells apart.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Stuck? `hint("04.1")` gives a nudge, again the formula, again the first line. `solution("04.1")` shows a solution. Nothing below
# depends on your answers.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Predict
#
# Leave-one-out costs nothing, and above it took more than nine tenths of the variance away. Can it ever be **noisier than doing nothing**? Take one fair bit, and look for values $f(0)$ and $f(1)$ such that the plain score function, with
# the same two samples, has less variance.
#
# <details><summary>Answer</summary>
#
# $f = 2b - 1$ is the worst case. Then $f(b)\,(b - \tfrac12) = \tfrac12$ for *both* outcomes: the plain estimate has no noise at all. The best baseline is 0, and leave-one-out subtracts $\pm 1$.
# </details>

# %% slideshow={"slide_type": "skip"}
fair = torch.zeros((), dtype=torch.float64, requires_grad=True)
shifts = torch.linspace(-3, 3, settings.budget(full=49, smoke=7), dtype=torch.float64)


def noise_at(shift, estimator):
    """Exact variance of two samples, for a fair bit b and f = 2 b - 1 + shift."""
    coin = Bernoulli(logits=fair)
    return exact_moments(estimator, lambda b: 2 * b - 1 + shift, coin, 2, parameters=[fair]).total_variance


pair = {"score function": ScoreFunction(), "leave-one-out": LeaveOneOut()}
noise = {name: [noise_at(shift, estimator) for shift in shifts] for name, estimator in pair.items()}

# %% slideshow={"slide_type": "fragment"}
plots.curves(
    {name: (shifts, values) for name, values in noise.items()},
    "c, in f(b) = 2b − 1 + c",
    "variance, 2 samples",
    size=(820, 340),
    alt="Line chart of variance against c, from −3 to 3. Score function: a parabola, 0 at c = 0 and 1.125 at both ends. Leave-one-out: flat "
    "at 0.25. They cross near c = −1.4 and c = 1.4.",
    caption="One fair bit. Near c = 0 the two rewards are of opposite sign, f times the score is the same for both outcomes, and the plain "
    "estimate has hardly any noise.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Let them try numbers aloud before the picture. The best constant baseline is a weighted mean of the rewards, with weights that prefer surprising outcomes (lesson 03); for the fair bit with f = ±1 it is 0, and the other sample's reward is a coin flip around it.
# The parabola is c²/8, the line 1/4: they cross at the square root of 2. With four samples the line lies at 1/24.
#
# </details>

# %% slideshow={"slide_type": "skip"}
for S in (2, 3, 4, 8):
    judged = exact_moments(LeaveOneOut(), lambda b: 2 * b - 1, Bernoulli(logits=fair), S, parameters=[fair])
    print(
        f"S = {S}: variance of leave-one-out {judged.total_variance:.4f}, "
        f"1 / (2 S (S - 1)) = {1 / (2 * S * (S - 1)):.4f}"
    )

# %% [markdown] slideshow={"slide_type": "skip"}
# The plain score function has none of it at $c = 0$, at any $S$. But the region is narrow: beyond $|c|$ of about 1.4, leave-one-out wins. The log likelihood of an image is tens of nats away from zero. So the rule of thumb survives: *with two or more
# samples, leave one out*. It is a rule of thumb, not a theorem.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Leave one out, in the training of language models (optional)
#
# A language model writes $S$ answers $z_1, \dots, z_S$ to one prompt, each gets a reward $f(z_s)$, and the score function raises the probability of the good ones. No gradient passes through a word, so this is today's largest user of this section. Three weights of $\nabla \log q(z_s)$ are in use:
#
# - **leave-one-out** (RLOO): $f(z_s)$ less the mean of the *other* rewards. Unbiased.
# - **less the mean of all**, own reward included: exercise 04.1's commonest mistake. The mean gradient is $(S - 1) / S$ of the right one, in the right direction.
# - **GRPO**: that, divided by the standard deviation of the group's rewards. It is lesson 03's scaled reward, one scale for each prompt.
#
# Take prompts that are answered rightly with probability $p$ (reward 1, else 0), and sum over all groups of eight.


# %% slideshow={"slide_type": "skip"}
def weights_of(rewards, how):
    """Weight of each answer's score. rewards: [samples] → [samples]."""
    own_mean = rewards - rewards.mean(0)
    if how == "leave-one-out":
        return own_mean * len(rewards) / (len(rewards) - 1)
    return own_mean / (rewards.std(0, correction=0) + 1e-6) if how == "GRPO" else own_mean


def group_gradient(how, logit, samples):
    """One group of answers, its mean weighted score. A reward is the bit itself: right or wrong."""
    z = draw(Bernoulli(logits=logit), samples)  # [samples]
    log_q = Bernoulli(logits=logit).log_prob(z)
    return Estimate(z.mean(0), (weights_of(z, how).detach() * log_q).mean(0))


chances = torch.linspace(0.05, 0.95, settings.budget(full=19, smoke=3), dtype=torch.float64)
group = settings.budget(full=8, smoke=3)
pull = {how: [] for how in ("leave-one-out", "mean of all", "GRPO")}
for p in chances:
    logit = p.logit().requires_grad_()
    for how, found in pull.items():
        judged = exact_moments_of(lambda: group_gradient(how, logit, group), parameters=[logit])  # noqa: B023
        found.append(judged.mean[0].item() / (p * (1 - p)).item())
plots.curves(
    {how: (chances, found) for how, found in pull.items()},
    "p, how often the prompt is answered rightly",
    "mean gradient / exact gradient",
    ylim=(0.0, 1.1 * max(map(max, pull.values()))),
    size=(820, 330),
    caption=f"Groups of {group} answers. At 1 an estimator is unbiased.",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# The mean of all is off by the factor 7/8, the same for each prompt: a learning rate. GRPO's factor depends on the prompt: in groups of eight, one that is answered rightly once in twenty, or wrongly once in twenty, weighs a third more than one that is answered rightly half of the time. In large groups the factor is
# $1 / \sqrt{p\,(1 - p)}$, and the rare prompt weighs 2.3 times as much as the even one. That may be what you want, but it is a choice: the gradient is that of another objective than the mean reward.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · Many samples inside the logarithm
#
# With $S$ samples in hand, lesson 02's importance-weighted bound is tighter:
#
# $$ \mathcal L_S = \mathbb E\,[L] \le \log p(x), \qquad L = \log \frac1S \sum_{s=1}^S e^{f(z_s)}, \qquad f(z) = \log p(x, z) - \log q_\phi(z). $$
#
# But its score function multiplies *every* $\nabla_\phi \log q_\phi(z_s)$ with the *same* $L$. **VIMCO** asks what each sample added. In $L_s$ the sample's $f(z_s)$ is replaced by the mean of the others' $f$:
#
# $$ \hat g = \sum_{s=1}^S (L - L_s)\, \nabla_\phi \log q_\phi(z_s) \; + \; \nabla_\phi L \big|_{z_1, \ldots, z_S \text{ held fixed}}. $$


# %% slideshow={"slide_type": "skip"}
def log_weight(z):
    """The log weight on the sharp bench, phi in q and all: inside a logarithm its gradient counts."""
    return log_joint(z, 2.0) - q.log_prob(z)


def same_credit_for_all(num_samples):
    """The plain score function of the bound with many samples."""
    z = draw(q, num_samples)  # [samples, 3]
    each = log_weight(z)  # [samples]
    bound = each.logsumexp(0) - math.log(num_samples)
    return Estimate(bound.detach(), bound + bound.detach() * q.log_prob(z).sum(0))


log_marginal = log_joint(torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * 3), 2.0).logsumexp(0)
largest = settings.budget(full=4, smoke=2)

# %% slideshow={"slide_type": "fragment"}
print(f"log p(x) = {log_marginal.item():.3f} nats")
print("                    variance                         signal / noise          |mean|")
print(" S    bound    same credit  VIMCO  leave-one-out     VIMCO  leave-one-out  VIMCO  leave-one-out")
for S in range(2, largest + 1):
    target = exact_gradient(log_weight, q, "log_mean_exp", S, parameters=[phi])
    same = exact_moments_of(lambda: same_credit_for_all(S), parameters=[phi])  # noqa: B023
    vimco = exact_moments(Vimco(), log_weight, q, S, parameters=[phi])
    single = exact_moments(LeaveOneOut(), log_weight, q, S, parameters=[phi])
    for unbiased in (same, vimco):
        assert (unbiased.mean[0] - target.gradient[0]).norm() < 1e-9 * target.gradient[0].norm()
    signal = [judged.mean[0].norm() / judged.total_variance**0.5 for judged in (vimco, single)]
    lengths = [judged.mean[0].norm() for judged in (vimco, single)]
    print(
        f"{S:2} {target.value.item():8.3f} {same.total_variance:14.3f} {vimco.total_variance:6.3f} "
        f"{single.total_variance:14.3f} {signal[0]:9.2f} {signal[1]:14.2f} "
        f"{lengths[0]:6.2f} {lengths[1]:14.2f}"
    )

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Three readings. The bound rises towards log p(x). The same credit for all gets worse with every sample. And VIMCO is no rival of leave-one-out: it climbs another hill. Compare signal to noise, the length of the mean gradient over its spread: VIMCO leads with two samples and is behind with four, because a bound that is tight already has little left to say about q.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# VIMCO and the score function with the same credit for all have the same mean, to nine digits; the cell would stop if they had not. Leave-one-out is worse here than on the sharp bench (section 9 has its variance there), because `log_weight` keeps $\phi$ in $q$: a term of mean zero, and noise, is added.
# It has another target, the average of $S$ one-sample bounds, so compare not variances but the signal, the length of the mean gradient, with its noise. With two samples VIMCO is ahead, with four behind. Its mean gradient shrinks as the bound tightens (last columns), while leave-one-out's stays the same and only the noise falls: a bound that is already tight says little about $q$. If a good $q$ is what you want, a tighter bound is not always the better teacher.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 04.2 · ●●● · 15 minutes
#
# Credit each of $S$ samples with what it adds to $L = \log \frac 1 S \sum_t w_t$: return $L - L_s$, where $L_s$ is $L$ with $\log w_s$ replaced by the mean of the other samples' $\log w$. In nats, without a gradient, and right where $w$ is far too small for a floating-point number.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-04.2"]
def vimco_signals(log_weight):
    """L - L_s in nats, without gradient. L = log 1/S sum_t w_t, from log_weight = log w.

    L_s is L with log w_s replaced by the mean of the other samples' log w.
    log_weight: [samples, batch] → [samples, batch].
    """
    ...  # your code


check("04.2", vimco_signals)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Fifteen minutes, the longest of today. Draw the S by S table on the board: row s is the list of log weights with entry s replaced. Each row gives one L_s by the same logsumexp. Ask for the signal when all weights are equal, and when one sample dwarfs the others: zero for all, and nearly all of the
# credit to one.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Antithetic pairs
#
# Draw **two** bits from **one** uniform number, as different from each other as they may be: $b = 1[u > 1 - p]$ and $b' = 1[u < p]$. Both have probability $p$. ARM weighs their difference with the noise that made them,
#
# $$ \text{ARM:}\quad \hat g_i = \big(f(b) - f(b')\big)\big(u_i - \tfrac12\big), $$
#
# one $u_i$ for each bit, and the gradient is that on the logit $\phi_i$. **DisARM** sums $u$ out, given the two bits. It keeps the mean and can only lose variance; a bit on which the pair agrees gets exactly nothing.

# %% slideshow={"slide_type": "fragment"}
p = 0.7
u = torch.linspace(0.0005, 0.9995, 1000, dtype=torch.float64)
b, other = (u > 1 - p).double(), (u < p).double()
arm = 2 * (b - other) * (u - 0.5)  # f = 2 b, so f(b) - f(b') is 2 (b - b')
disarm = 0.5 * 2 * (b - other) ** 2 * max(p, 1 - p)
plots.curves(
    {"ARM": (u, arm), "DisARM": (u, disarm)},
    "u, one uniform number",
    "estimate",
    references={"exact": 2 * p * (1 - p)},
    size=(820, 230),
    caption="One bit, p = 0.7, f = 2b. Two cuts, at 1 − p = 0.3 and at p = 0.7: left of both the pair is (0, 1), between them (1, 1), right of both (1, 0).",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Let the room say which pair each part of the interval makes. ARM's estimate is a slanted line in the outer parts, DisARM's the mean of that line: what u adds within a part is noise. Averaging over what you do not need is Rao-Blackwell.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Two cuts divide the interval into three parts, and within a part the bits do not change. With $\ell = \min(p, 1 - p)$, the outer parts are $\ell$ long. There the pair differs, and ARM's factor $u - \tfrac12$ still runs from $\mp \tfrac12$ to $\mp (\tfrac12 - \ell)$. DisARM puts its mean there,
# $\mp \tfrac12 (1 - \ell)$, and $1 - \ell = \max(p, 1 - p) = \mathrm{sigmoid}(|\phi|)$: the formula of exercise 04.3. In the middle part both bits are the same and the estimate is 0. (With several bits $f(b) - f(b')$ need not be 0 where one bit agrees; ARM then sends that bit noise of mean zero, and DisARM sends nothing.)

# %% slideshow={"slide_type": "skip"}
# an odd number of points, so that 1/2 is among them
probabilities = torch.linspace(0.03, 0.97, settings.budget(full=19, smoke=5), dtype=torch.float64)
contenders = {"score function": ScoreFunction(), "leave-one-out": LeaveOneOut(), "ARM": Arm(), "DisARM": DisArm()}
noise = {name: [] for name in contenders}
for p in probabilities:
    logit = p.logit().requires_grad_()
    bit = Bernoulli(logits=logit)
    for name, estimator in contenders.items():
        judged = exact_moments(
            estimator, lambda b: 2 * b, bit, 2, parameters=[logit], uniform=gauss_legendre(2, cuts(bit))
        )
        noise[name].append(judged.total_variance)

# %% slideshow={"slide_type": "fragment"}
plots.curves(
    {name: (probabilities, values) for name, values in noise.items()},
    "p, the probability of the bit",
    "variance, 2 evaluations",
    size=(820, 340),
    caption="One bit and f = 2b. DisARM lies below ARM and leave-one-out everywhere, and has no noise left at p = 1/2, "
    "where a pair always differs.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Leave-one-out is the noisiest of the four nearly everywhere: with two samples, its baseline is a single draw. DisARM is the calmest up to p of about 0.62; beyond, the plain score function is. In the notebook, the next Predict asks whether DisARM beats leave-one-out on two bits as well.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# From $p$ of about 0.62 on, the plain score function undercuts them all. The surprising outcome there is $b = 0$, and $f(0)$ happens to be 0, the best baseline (lesson 03). Add a constant to $f$ and the advantage is gone: run the cells again with `2 * b + 3` in place of `2 * b`.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Predict
#
# For one bit, DisARM was calmer than leave-one-out at every $p$. Now two bits, $f = 2 z_1$: the second bit is **irrelevant** to $f$. The first is fair, the second has $p = 0.73$. Two evaluations: who is calmer on the logit of $z_1$, who on that of $z_2$?
#
# <details><summary>Answer</summary>
#
# On $z_1$ DisARM, with no noise at all. On $z_2$ leave-one-out. The antithetic pair *always* differs in $z_1$, so it always has a difference of rewards to hand out, and $z_2$ gets some of it whenever the pair differs there too. Independent samples differ in $z_1$ only half of the time.
# </details>

# %% slideshow={"slide_type": "skip"}
two = torch.tensor([0.0, 1.0], dtype=torch.float64, requires_grad=True)
pair_of_bits = bits(two)
p = pair_of_bits.mean[1].item()
print(f"{'variance, by logit':18}    z_1     z_2")
for name in ("leave-one-out", "DisARM"):
    judged = exact_moments(
        contenders[name], lambda z: 2 * z[..., 0], pair_of_bits, 2, parameters=[two],
        uniform=gauss_legendre(1, cuts(pair_of_bits)),
    )  # fmt: skip
    print(f"{name:18} {judged.variance[0][0].item():6.4f}  {judged.variance[0][1].item():6.4f}")
print(f"in closed form, z_2: p (1 - p) = {p * (1 - p):.4f} and 2 p² (1 - p) = {2 * p**2 * (1 - p):.4f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>For the teacher</summary>
#
# With 200 bits, many of them hardly matter to f at any moment, so this toy is not exotic. Compare with the race of section 10 before you promise anything.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# On both benches of section 1, too, leave-one-out with four samples is calmer than DisARM with two pairs (section 9): three others make a better baseline than one.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 04.3 · ●●○ · 8 minutes
#
# One uniform number makes two bits, $b = 1[u > \mathrm{sigmoid}(-\phi)]$ and $b' = 1[u < \mathrm{sigmoid}(\phi)]$, where $\phi$ is a logit. Write DisARM's estimate of the gradient on the logits, $\frac 1 2 \big(f(b) - f(b')\big)(b - b')\,\mathrm{sigmoid}(|\phi|)$, averaged over the pairs. `f_first` is $f(b)$, `f_second` is $f(b')$: one number for all bits of a datum.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-04.3"]
def disarm_gradient(logits, u, f_first, f_second):
    """1/2 (f(b) - f(b')) (b - b') sigmoid(|logit|), averaged over the pairs: DisARM.

    b = 1[u > sigmoid(-logit)], b' = 1[u < sigmoid(logit)], bit by bit, numbers of u's dtype.
    logits: [batch, bits], u: uniform draws, [pairs, batch, bits]; f_first = f(b),
    f_second = f(b'): [pairs, batch] → [batch, bits].
    """
    ...  # your code


check("04.3", disarm_gradient)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Eight minutes. The formula stands on the slide; what goes wrong is the sign, and the shape: f of a pair is one number, the gradient has one for each bit. Ask for the sum over pairs and bits of how often nothing is sent.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · f between the bits
#
# A network has a value, and a slope, between the bits too. **MuProp** takes the straight line that touches $f$ at the mean $m = \mathbb E_q[z]$ for a control variate, and adds back what the line contributes:
#
# $$ \hat g = \big[f(b) - f(m) - f'(m)^\top (b - m)\big]\, \nabla \log q(b) + f'(m)^\top \nabla m. $$


# %% slideshow={"slide_type": "fragment"}
def muprop_by_hand(f, q, z):
    """Surrogate of one sample z: [number], the formula above."""
    mean = q.mean
    middle = mean.detach().requires_grad_()
    at_middle = f(middle)
    (slope,) = torch.autograd.grad(at_middle, middle)
    left = f(z) - at_middle - slope @ (z - middle)  # what the straight line does not explain
    return left.detach() * q.log_prob(z) + slope @ mean


torch.manual_seed(1)
by_hand = muprop_by_hand(sharp, q, q.sample())
torch.manual_seed(1)
ours = MuProp()(sharp, q, 2).surrogate  # two evaluations of f: at the mean, and at one sample
for name, surrogate in (("by hand", by_hand), ("package", ours)):
    print(name, torch.autograd.grad(surrogate, phi)[0].numpy().round(6))

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Cover the last term and ask for the mean: wrong. Add it and ask again. If f is a straight line, the bracket is zero for every z and no noise remains. Ask what can be said of f between the bits in general. Nothing: a slide further on makes three functions that agree on all bits, so that the
# problem is the same, the gradient is the same, and the noise is not.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### REBAR: a control variate behind the bit
#
# A bit is the sign of a noisy logit: $z = \phi + \varepsilon$ with logistic $\varepsilon$, $b = 1[z > 0]$. **REBAR** asks $f$ at the relaxed bit behind $b$, $c(z) = \eta\, f\big(\mathrm{sigmoid}(z / T)\big)$, at two points: $z$ itself, and $z'$, drawn anew *given* $b$. $T > 0$ is a temperature: the lower, the nearer to a bit.
#
# $$ \hat g = \underbrace{\big[f(b) - c(z')\big]\, \nabla \log q(b)}_{\text{score function, less a baseline}} \;+\; \underbrace{\nabla c(z)}_{\text{pathwise}} \;-\; \underbrace{\nabla c(z')}_{\text{pathwise, given } b}. $$
#
# $c(z')$ takes away what the bit explains. It depends on $b$, which lesson 03 forbade for a baseline: subtracting it changes the mean. The two other terms put back what it takes, by the calm route.

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Three terms, three questions. Which is alone with eta = 0? The score function. What would remain if z' were drawn without regard to b? The baseline would be useless: it would not know the outcome. And why may c(z') depend on b, where lesson 03 forbade that of a baseline? Because the last two terms put back what it takes.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Why it is unbiased: the mean of $c(z)$ can be differentiated by the score function of $b$ and what is left given $b$, or through $z$ directly. $\nabla \mathbb E[c(z)] = \mathbb E\big[c(z')\, \nabla \log q(b) + \nabla c(z')\big] = \mathbb E\big[\nabla c(z)\big]$. So the three terms with $c$ have mean zero together, whatever $c$ is.
# (The next exercise has the number 04.7, for it came last: numbers stay, so that saved progress holds.) In the gradient of $c(z')$ the noise $v$ behind $z'$ is held, and the cut at $1 - p$, which it is squeezed against, moves with $\phi$: this is the exercise.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 04.7 · ●●● · 10 minutes
#
# A bit is the sign of logistic noise: $z = \phi + \log u - \log(1 - u)$ with $u$ uniform on $(0, 1)$, and $b = 1[z > 0]$, which is the same as $u > 1 - p$, where $p = \mathrm{sigmoid}(\phi)$. Draw a second $z'$ *given* $b$ from $v$: squeeze $v$ into the part of $(0, 1)$ in which $u$ makes this $b$, $v' = (1 - p) + p\,v$ if $b = 1$ and $v' = (1 - p)\,v$ if $b = 0$, and put $v'$ in place of $u$. Return $z$ and $z'$. Gradients on the logits must flow through both, also through $p$.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-04.7"]
def relaxed_pair(logits, u, v):
    """z, whose sign is the bit b, and z', drawn anew given b: REBAR asks its control variate at both.

    z = logit + log u - log(1 - u), b = 1[z > 0]. z' is the same function of v', where v' is v
    squeezed into the part of (0, 1) in which u makes this b. logits: [batch, bits];
    u, v: uniform draws in (0, 1), [samples, batch, bits]
    → z, z', with their gradients on the logits: [samples, batch, bits] each.
    """
    ...  # your code


check("04.7", relaxed_pair)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Ten minutes. Draw the unit interval with one cut, at 1 - p, and a number u on it. Then v on a unit interval of its own, shrunk until it fits on u's side of the cut. Ask what happens to the shrunk v when phi grows: the cut moves left, and v' with it. That movement is the gradient that people forget.
#
# </details>


# %% slideshow={"slide_type": "skip"}
def rebar_by_hand(f, logits, u, v, eta, temperature):
    """One estimate for each row of u: the formula above, term by term. logits: [1, bits], u, v: [copies, 1, bits] → [copies, bits]."""
    phi = logits.detach().expand(len(u), -1).clone().requires_grad_()  # a copy a row, so that gradients do not add up
    z, given_b = answers.relaxed_pair(phi, u[:, 0], v[:, 0])  # [copies, bits] each
    c, c_given_b = (eta * f((point / temperature).sigmoid()) for point in (z, given_b))  # [copies] each
    (path,) = torch.autograd.grad((c - c_given_b).sum(), phi)
    b = (z > 0).to(z)
    return ((f(b) - c_given_b)[:, None] * (b - phi.sigmoid()) + path).detach()


copies = settings.budget(full=200_000, smoke=2_000)
torch.manual_seed(2)
u, v = (torch.rand(copies, 1, 3, dtype=torch.float64) for _ in range(2))
ours = from_copies(Rebar(0.5, 1.0).double().requires_grad_(False), sharp, phi, 3, copies)
for name, rows in (("by hand", rebar_by_hand(sharp, phi[None], u, v, 1.0, 0.5)), ("package", ours)):
    variance = (rows - rows.mean(0)).square().sum(1).mean()
    print(
        f"{name}: mean {rows.mean(0).numpy().round(2)}, exact {truth['sharp'].numpy().round(2)}, variance {variance:.2f}"
    )

# %% [markdown] slideshow={"slide_type": "skip"}
# Other noise, so the two agree within sampling error, and with the exact gradient. How strong should $c$ be? $\eta = 0$ is the score function. As with any control variate (lesson 03), the variance is a parabola in its strength:

# %% slideshow={"slide_type": "skip"}
strengths = torch.linspace(0.0, 2.0, settings.budget(full=21, smoke=3)).tolist()
smooth = for_logistic_noise(settings.budget(full=14, smoke=4))
on_one_bit = Bernoulli(logits=torch.tensor(-0.8, dtype=torch.float64, requires_grad=True))


def noise_at_strength(eta, temperature):
    """Exact variance of one sample of REBAR, for one bit and a straight line f."""
    estimator = Rebar(temperature, eta).double().requires_grad_(False)
    judged = exact_moments(estimator, lambda b: 0.2 + b, on_one_bit, 3, parameters=[on_one_bit.logits], uniform=smooth)
    return judged.total_variance


plots.curves(
    {f"T = {t}": (strengths, [noise_at_strength(eta, t) for eta in strengths]) for t in (0.5, 1.0, 4.0)},
    "eta, the strength of the control variate",
    "variance, 1 sample",
    size=(820, 320),
    caption="One bit, f(b) = 0.2 + b. At eta = 0 each is the score function. REBAR learns eta and T while it trains, by descending the variance.",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>For the teacher</summary>
#
# Three parabolas through one point. Ask what lesson 03 called the place of the minimum: the covariance over the variance of the control variate. A high temperature makes every relaxed bit nearly 1/2 plus a small multiple of z, a straight line in z: for this f that is a very good control variate.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# At $T = 0.5$ the best $\eta$ is near 1 and leaves a quarter of the variance; at $T = 4$ it is near 1.25 and leaves hardly any.
#
# ### RELAX: learn all of the control variate
#
# REBAR's $c$ is $f$ itself at relaxed bits, with two numbers to learn. **RELAX** puts a network there: alone, and then $f$ is asked at bits only; or added to REBAR's $c$. Both are trained as $\eta$ is, by descending the variance of the estimate.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Predict
#
# One bit, three functions that agree at 0 and at 1: a straight line, the square $(b - 0.45)^2$, and the line with a **bump** between. For which of them do MuProp and REBAR, before it learns ($T = 0.5$, $\eta = 1$), have less noise than the score function, for which more?
#
# <details><summary>Answer</summary>
#
# Less for the line: MuProp has none at all. On the square both are *noisier* than the score function: MuProp's slope at $p$ has little to do with $f(1) - f(0)$. The bump is ruinous for both, until REBAR learns. Leave-one-out and the score function see only the bits: for them the three are one function.
# </details>

# %% slideshow={"slide_type": "skip"}
logit = torch.tensor(-0.8, dtype=torch.float64, requires_grad=True)
bit = Bernoulli(logits=logit)
between = {
    "line": lambda b: 0.2025 + 0.1 * b,
    "square": lambda b: (b - 0.45) ** 2,
    "bump": lambda b: 0.2025 + 0.1 * b + torch.sin(math.pi * b) ** 2,
}


def noise_of(estimator, f, evaluations, calls=1):
    """Exact variance, on one bit, of the mean of so many independent calls."""
    return exact_moments(estimator, f, bit, evaluations, parameters=[logit], uniform=smooth).total_variance / calls


def learned_variance(estimator, f, **how):
    """Exact variance of one sample, after the control variate has been trained on f."""
    settle(estimator.double(), lambda z: f(z[..., 0]), logit.reshape(1), estimator.evaluations_per_sample, **how)
    judged = exact_moments(
        estimator, lambda z: f(z[..., 0]), bits(logit.reshape(1)), parameters=[logit], uniform=smooth
    )
    return judged.total_variance


# %% slideshow={"slide_type": "skip"}
rows = {
    "score function": (ScoreFunction(), 1, 6),
    "leave-one-out": (LeaveOneOut(), 6, 1),
    "MuProp": (MuProp(), 6, 1),
    "REBAR, T = 0.5, eta = 1": (Rebar(), 3, 2),
}
found = {name: [noise_of(estimator, f, *rest) for f in between.values()] for name, (estimator, *rest) in rows.items()}
rebars = {name: Rebar() for name in between}
for steps in settings.budget(full=(400, 1600), smoke=(3, 2)):  # the second time, on from where the first one stopped
    name = "REBAR, learned" if steps in (400, 3) else "REBAR, learned for longer"
    found[name] = [  # two samples
        learned_variance(rebars[kind], f, steps=steps, learning_rate=0.1) / 2 for kind, f in between.items()
    ]
    found[f"{'   its T':{len(name)}}"] = [rebar.log_temperature.exp().item() for rebar in rebars.values()]
    found[f"{'   its eta':{len(name)}}"] = [rebar.eta.item() for rebar in rebars.values()]
found["RELAX, network, learned"] = []
for f in between.values():
    torch.manual_seed(0)
    network = FeedForward((8,), nn.Tanh).build((1,), (1,))
    found["RELAX, network, learned"].append(learned_variance(Relax(network), f) / 6)  # six samples

# %% slideshow={"slide_type": "fragment"}
print("variance at 6 evaluations       line     square       bump")
for name, values in found.items():
    digits = 2 if "its" in name else 6
    print(f"{name:25}{''.join(f'{value:11.{digits}f}' for value in values)}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Read down the columns. The first two rows do not move: they cannot see between the bits, and neither can a RELAX that is a network alone. REBAR brings its own rescue, because its temperature and its strength eta are trained on the variance itself. On the square that takes long:
# follow eta. Section 9 has what it costs.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# MuProp's price for a wrong slope is paid in noise, never in bias. REBAR spends six evaluations on two samples, and before it learns it loses on the square and on the bump. In the end it has less noise than leave-one-out on all three. How? At a high temperature every relaxed bit lies near 1/2, where
# $f$ is a value and a slope: a baseline, and a straight line in $z$. Where $f$ is nearly zero at 1/2, as the square is, $\eta$ must grow to about 100 to make a baseline of it; after the first training it is on its way, and REBAR still noisier than the score function. That is a matter of training, not a limit. But
# training is part of the price. **RELAX**, as a network alone, needs no $f$ between the bits: the three functions are one to it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · One site at a time
#
# Draw $z$. For bit $i$, keep all other bits and look at **both** outcomes of this one. Given the others, its gradient is a sum, not a guess:
#
# $$ \hat g_i = p_i (1 - p_i)\, \big( f(z_{-i}, z_i = 1) - f(z_{-i}, z_i = 0) \big). $$
#
# ($p_i (1 - p_i)$ is the slope of $p_i$ by its logit.) **Local enumeration** asks $M$ bits for $1 + M$ evaluations a sample; the noise that is left comes from the *other* bits. **Full enumeration** asks for $2^M$, and leaves none.
#
# **Predict.** On which $f$ does local enumeration have no noise at all?
#
# <details><summary>Answer</summary>
#
# On every $f$ that is a *sum* of functions of one bit each. Then the difference in the brackets does not depend on the others.
# </details>

# %% slideshow={"slide_type": "fragment"}
print("variance, by logit                       z_1      z_2      z_3")
for bench, f in {**benches, "sum": lambda z: z @ phi.new_tensor([1.0, -2.0, 0.5])}.items():
    for name, estimator, calls in (
        ("score function, 4 evaluations", ScoreFunction(), 4),
        ("local enumeration, 4", LocalEnumeration(), 1),
        ("full enumeration, 8", Enumeration(), 1),
    ):
        judged = exact_moments(estimator, f, q, None, parameters=[phi])
        found = "".join(f"{value.item() / calls:9.4f}" for value in judged.variance[0])
        print(f"{bench:7} {name:29}{found}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The answer to the Predict: on any sum of functions of one bit each, because then the difference does not depend on the other bits. Our f is nearly such a sum on the gentle bench, less so on the sharp one. Ask what the price becomes for 200 bits, and what one could buy for it instead: 201 samples of leave-one-out.
# The next cell of the notebook measures that trade.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# **Predict.** At 200 bits, one sample of local enumeration costs 201 evaluations. Spend them on 201 samples of leave-one-out instead, and every reward gets an excellent baseline. Who is calmer?
#
# <details><summary>Answer</summary>
#
# Local enumeration, and by far while the network is at its random start, where $f$ is nearly a sum. With weights ten times as large it is still ahead, by much less. Its trouble is not that 201 evaluations are badly spent. It is that you may not want to spend 201 on a single step: section 10 has the race.
# </details>

# %% slideshow={"slide_type": "skip"}
big_model, big_guide = sigmoid_belief_network((200,), (1, 28, 28))
with torch.no_grad():  # images drawn from the model itself: any will do here
    big_x = big_model(big_model.prior((64,)).sample()).sample()
one_image = big_x[:1]
with torch.no_grad():
    big_logits = big_guide(one_image).base_dist.logits[0]  # [200]


def big_f(z):
    """Log weight of one image at fixed q. z: [samples, copies, 200] → [samples, copies]."""
    return big_model.log_joint(one_image, z) - bits(big_logits).log_prob(z)


decoder = [weight for weight in big_model.likelihood.parameters() if weight.dim() == 2]
for larger in (1, 10):
    with torch.no_grad():
        for weight_matrix in decoder:
            weight_matrix.mul_(larger)
    for name, estimator, evaluations in (
        ("leave-one-out, 201 samples", LeaveOneOut(), 201),
        ("DisARM, 100 pairs", DisArm(), 200),
        ("local enumeration, 1 sample", LocalEnumeration(), 201),
    ):
        rows = from_copies(estimator, big_f, big_logits, evaluations, copies=settings.budget(full=60, smoke=2))
        square = (rows - rows.mean(0)).square().sum(1) * len(rows) / (len(rows) - 1)
        print(f"weights x {larger:2}: {name:28} variance {square.mean():8.3f} ± {square.std() / len(rows) ** 0.5:.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 04.4 · ●●○ · 8 minutes
#
# Sum each bit $i$ out, given a sample of the others: the gradient on its logit is $\mathbb E\big[p_i (1 - p_i)\,\big(f(z \text{ with } z_i = 1) - f(z \text{ with } z_i = 0)\big)\big]$. You are given $f$ at each sample and, in `f_flipped`, $f$ with one bit flipped. Average over the samples.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-04.4"]
def local_gradient(logits, z, f, f_flipped):
    """Gradient of E_q[f] on the logits of bits, each bit summed out given a sample of the others.

    logits: [batch, bits], z: samples, [samples, batch, bits]; f = f(z): [samples, batch];
    f_flipped: f at z with this one bit flipped, [samples, batch, bits] → [batch, bits].
    """
    ...  # your code


check("04.4", local_gradient)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Eight minutes. The trap is the direction of the difference: f with the bit flipped minus f as it is has the sign of 1 - 2z. Whoever finishes early may say why the factor is p (1 - p) and not the probability of the other outcome: it is the derivative of p by its logit.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Calm and wrong
#
# **Straight-through**: pretend that the sampled bit moves as its mean does, and differentiate $f$ at it:
# $\;\hat g = f'(b)\, \nabla_\phi p$. **Gumbel-softmax**: replace $b$ by a relaxed bit $\mathrm{sigmoid}\big((\phi + \varepsilon) / \text{temperature}\big)$ with logistic noise $\varepsilon$, and differentiate through it.
#
# **Predict.** One bit and $f(b) = (b - 0.45)^2$, a cost. Minimise $\mathbb E[f]$ over $p$. Where is the minimum, and where does straight-through stop?
#
# <details><summary>Answer</summary>
#
# $\mathbb E[f]$ is a straight line in $p$, and $f(0) < f(1)$, so the minimum is $p = 0$. Straight-through's mean gradient is $2(p - 0.45)\,p(1 - p)$: it stops at $p = 0.45$, as if the bit could take a value in between. Its bias is $(2p - 1)\, p (1 - p)$.
# </details>

# %% slideshow={"slide_type": "skip"}
target = 0.45
grid = torch.linspace(0.02, 0.98, settings.budget(full=25, smoke=5), dtype=torch.float64)


def cost(b):
    return (b - target) ** 2


temperatures = (1.0, 0.5, 0.1)
slopes = {"exact": [], "straight-through": [], **{f"Gumbel, {t}": [] for t in temperatures}}
spread = {f"Gumbel, {t}": [] for t in temperatures}
for p in grid:
    logit = p.logit().requires_grad_()
    bit = Bernoulli(logits=logit)
    slopes["exact"].append(exact_gradient(cost, bit, parameters=[logit]).gradient[0].item())
    judged = exact_moments(StraightThrough(), cost, bit, parameters=[logit])
    slopes["straight-through"].append(judged.mean[0].item())
    for t in temperatures:
        # the relaxed bit climbs from 0 to 1 around u = 1 - p, the faster the lower the temperature
        breaks = (torch.tensor([-6.0, -2.0, 0.0, 2.0, 6.0], dtype=torch.float64) * t - logit.detach()).sigmoid()
        judged = exact_moments(GumbelSoftmax(t), cost, bit, parameters=[logit], uniform=gauss_legendre(12, breaks))
        slopes[f"Gumbel, {t}"].append(judged.mean[0].item())
        spread[f"Gumbel, {t}"].append(judged.total_variance)

# %% slideshow={"slide_type": "fragment"}
stops = []
for name, values in slopes.items():  # where the mean gradient crosses zero
    sign = np.sign(values)
    place = int(np.argmax(sign[1:] != sign[:-1]))
    crosses = sign[place] != sign[place + 1]
    stop = np.interp(0, values[place : place + 2], grid[place : place + 2])
    stops.append(f"{name} near p = {stop:.2f}" if crosses else f"{name} nowhere")
plots.curves(
    {name: (grid, values) for name, values in slopes.items()},
    "p",
    "mean gradient on the logit",
    references={"zero": 0.0},
    size=(820, 380),
    alt=f"Line chart of the mean gradient on the logit against p. Each curve's crossing of zero, from below: {'; '.join(stops)}.",
    caption="Descent goes left where the mean gradient is above zero, and right where it is below. The exact one is above zero "
    "everywhere; a fit that follows another stops where that one crosses zero from below.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Have the room trace a ball on each curve: start at 0.6, go left while the curve is above zero. Only the exact one lets it reach zero. Gumbel's crossing moves towards zero with the temperature, and the notebook prints what is paid for that: variance. In the notebook, noisy descents confirm
# where each stops. Ask who has trained with straight-through and was happy: a biased gradient may still point uphill, and section 9 shows how wrong it is on the benches.
#
# </details>

# %% slideshow={"slide_type": "skip"}
closed_form = (2 * grid - 1) * grid * (1 - grid)
biased, unbiased = (torch.tensor(slopes[name], dtype=torch.float64) for name in ("straight-through", "exact"))
found = biased - unbiased
print(f"straight-through's bias against (2p - 1) p (1 - p): largest difference {(found - closed_form).abs().max():.1e}")
middle = len(grid) // 2
for t in temperatures:
    bias_there = slopes[f"Gumbel, {t}"][middle] - slopes["exact"][middle]
    noise_there = spread[f"Gumbel, {t}"][middle]
    print(f"Gumbel at p = {grid[middle]:.2f}, temperature {t}: bias {bias_there:+.4f}, variance {noise_there:.4f}")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A second slope: ReinMax
#
# The exact gradient needs $f(1) - f(0)$. Straight-through has the slope at one end, $f'(b)$: Euler's rule. The trapezoidal rule takes the mean of both slopes, and is exact for a square. **ReinMax** weighs $f'(b)$ so that its *average over $b$* is that rule:
#
# $$ \hat g = f'(b)\, \frac{p\,(1 - p)}{2\, q(b)}, \qquad \mathbb E[\hat g] = p\,(1 - p)\, \tfrac12 \big(f'(0) + f'(1)\big). $$

# %% [markdown] slideshow={"slide_type": "skip"}
# **Predict.** Where does it stop on $(b - 0.45)^2$? And on $b^3$, which has the same $f(0) = 0$ and $f(1) = 1$ as $b^2$?
#
# <details><summary>Answer</summary>
#
# Nowhere short of $p = 0$ on the square: there it is unbiased. On $b^3$ the mean of the slopes is $\tfrac32$ where $f(1) - f(0)$ is 1: its gradient is one and a half times as long as the exact one, with the right sign, so it too goes to $p = 0$. Gumbel at 0.1 crosses zero nowhere either, and yet it does not arrive below: it crawls, because its mean gradient near 0 is far too small.
# </details>

# %% slideshow={"slide_type": "skip"}
one_bit = Bernoulli(logits=torch.tensor(0.4, dtype=torch.float64, requires_grad=True))
tested = {  # name: (f, q, the logits)
    "(b - 0.45)²": (cost, one_bit, one_bit.logits),
    "b³": (lambda b: b**3, one_bit, one_bit.logits),
    "sharp bench": (sharp, q, phi),
    "gentle bench": (gentle, q, phi),
}


def bias_in_percent(estimator, f, q, logits):
    exact = exact_gradient(f, q, parameters=[logits]).gradient[0]
    mean = exact_moments(estimator, f, q, 1, parameters=[logits]).mean[0]
    return 100 * ((mean - exact).norm() / exact.norm()).item()


# %% slideshow={"slide_type": "fragment"}
print(f"{'bias, % of the gradient':25} straight-through  ReinMax")
for name, problem in tested.items():
    straight = bias_in_percent(StraightThrough(), *problem)
    print(f"{name:25} {straight:16.1f} {bias_in_percent(ReinMax(), *problem):8.1f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Draw f over the unit interval, the chord from 0 to 1, and the tangent at one end. Euler follows the tangent; Heun averages both tangents. Then the trick: there is only one sample, at one end, so weigh it by how rarely that end comes up. Ask for an f on which both are wrong: one with a bump between the bits.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Several bits: the rule is applied to one bit at a time, with the others where the sample has them; if $f$ couples them, a bias is left. On the benches it is a tenth of straight-through's. Still biased, and still no more than two slopes: what $f$ does between the bits can ruin it.
#
# Twenty noisy descents with each, all from $p = 0.6$:

# %% slideshow={"slide_type": "skip"}
torch.manual_seed(0)
racers = {
    "leave-one-out": (LeaveOneOut(), 4),
    "straight-through": (StraightThrough(), 4),
    "ReinMax": (ReinMax(), 4),
    **{f"Gumbel, {t}": (GumbelSoftmax(t), 4) for t in temperatures},
}
steps = settings.budget(full=3000, smoke=20)
for name, (estimator, evaluations) in racers.items():
    logits = torch.full((20,), 0.6).logit().requires_grad_()
    optimizer = torch.optim.SGD([logits], lr=0.5)
    for _ in range(steps):
        optimizer.zero_grad()
        estimator(cost, Bernoulli(logits=logits), evaluations).surrogate.sum().backward()
        optimizer.step()
    p = logits.detach().sigmoid()
    expected = p * (1 - target) ** 2 + (1 - p) * target**2
    print(f"{name:17} ends at p = {p.mean():.3f} ± {p.std():.3f} (spread of 20), expected cost {expected.mean():.4f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 04.5 · ●●○ · 6 minutes
#
# One bit $b$ is 1 with probability $p = \mathrm{sigmoid}(\phi)$. Return the exact gradient of $\mathbb E[f(b)]$ on $\phi$, and the bias of straight-through: the mean of $f'(b)\,\frac{\mathrm d p}{\mathrm d \phi}$ over $b$, less the exact gradient. `f` and `slope` hold $f$ and $f'$ at 0 and at 1.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-04.5"]
def straight_through_bias(logits, f, slope):
    """Exact gradient of E[f(b)] on the logit of one bit, and the bias of straight-through there.

    Straight-through draws b, and takes f'(b) times the slope of b's mean for the gradient.
    logits: [batch]; f, slope: f and f' at b = 0 and at b = 1, [2, batch]
    → exact gradient, straight-through's mean less the exact gradient: [batch] each.
    """
    ...  # your code


check("04.5", straight_through_bias)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Six minutes. Two expectations over one bit, and their difference. Those who are quick may look for an f whose bias is zero at every p: the slopes at both ends must average, with weights 1 - p and p, to f(1) - f(0). Only if both equal it.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · Gaussians too
#
# For $z \sim \mathcal N(\mu, \sigma^2)$ there are two unbiased gradients in $\mu$, from lessons 02 and 03:
#
# $$ \text{pathwise: } f'(\mu + \sigma \varepsilon), \qquad\qquad \text{score: } f(\mu + \sigma \varepsilon)\, \frac{\varepsilon}{\sigma}. $$
#
# Lesson 02 used the first without a second thought, and everybody says that it is the calmer of the two.
#
# **Predict.** For $f(z) = \sin(k z)$ and $q = \mathcal N(0, 1)$: for which $k$ is it?
#
# <details><summary>Answer</summary>
#
# Only for slow waves, up to $k$ of about 1.1. Beyond, the score function is calmer, and the ratio of the variances approaches $k^2$.
# </details>

# %% slideshow={"slide_type": "skip"}
loc = torch.zeros((), dtype=torch.float64, requires_grad=True)
frequencies = torch.linspace(0.25, 4, settings.budget(full=31, smoke=4), dtype=torch.float64).tolist()
noise = {"pathwise": [], "score function": []}
for k in frequencies:
    for name, estimator in (("pathwise", Pathwise()), ("score function", ScoreFunction())):
        judged = exact_moments(
            estimator, lambda z: torch.sin(k * z), Normal(loc, 1.0), 1,  # noqa: B023
            parameters=[loc], gaussian_nodes=80,
        )  # fmt: skip
        noise[name].append(judged.total_variance)
plots.curves(
    {name: (frequencies, values) for name, values in noise.items()},
    "k, in f(z) = sin(kz)",
    "variance, 1 sample",
    yscale="log",
    size=(820, 340),
    alt="Line chart of variance, logarithmic, against k from 0.25 to 4. Pathwise climbs from 0.0001 to 8; the score function, from 0.11, is flat at "
    "0.5 from about k = 2 on. They cross near k = 1.1.",
    caption="q = N(0, 1), exact by Gauss-Hermite quadrature. Slow waves are for the slope; fast ones, for the height.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The answer to the Predict: only where k is below about 1.1. The pathwise gradient scales with the slope, k; the score function with the height, 1, whatever k is. A mean over many waves has little slope, and a single slope tells nothing about it. Ask where a decoder might have such an f: saturated
# units, sharp likelihoods, contact in a physics simulator.
#
# </details>

# %% slideshow={"slide_type": "skip"}
ahead = [math.log(path / score) for path, score in zip(*noise.values(), strict=True)]  # above 0: pathwise is noisier
after = next(place for place, value in enumerate(ahead) if value > 0)
share = -ahead[after - 1] / (ahead[after] - ahead[after - 1])
border = frequencies[after - 1] + share * (frequencies[after] - frequencies[after - 1])
times, last = math.exp(ahead[-1]), noise["pathwise"][-1]
print(f"equally noisy at k = {border:.2f}; at k = {frequencies[-1]:.0f} pathwise has {times:.0f} times the variance")
raised = exact_moments(
    ScoreFunction(), lambda z: torch.sin(4 * z) + 30, Normal(loc, 1.0), 1, parameters=[loc], gaussian_nodes=80
)
print(f"k = 4, with 30 added to f: variance {last:.1f} pathwise, {raised.total_variance:.1f} of the score function")

# %% [markdown] slideshow={"slide_type": "skip"}
# The pathwise gradient has the size of $f$'s *slope*, the score function that of its *height*, over $\sigma$. If $f$ turns many times within the width of $q$, the slope at one point says little about how the mean over all of them moves. For a $q$ that is narrow against the features of $f$, as an encoder's is late in training,
# the pathwise gradient wins, and by far. And the wave swings about zero, which favours the score function: add 30 to $f$, as an ELBO of tens of nats does, and without a baseline it loses at every $k$ shown. Move the dials: does the border depend on the height of the wave? And when the wave is on a slope?
#
# <details><summary>Answer</summary>
#
# Alone, no: the height multiplies both gradients alike. On a slope it does: the pathwise gradient of $z$ itself has no noise, the score function's has, so the lower the wave, the longer the pathwise gradient is ahead.
# </details>

# %% slideshow={"slide_type": "fragment"}
reparameterise_or_score()

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Give the room three targets, a minute each: make the score function win; make it win with the slowest wave that you can; then add the slope and see who profits. A narrow q hands the victory back to the pathwise gradient, always: the scale of q against the wave is what counts.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 04.6 · ●●○ · 7 minutes
#
# For $z = \mu + \sigma\epsilon$, both $f(z)\,\epsilon / \sigma$ (score function) and $f'(z)$ (pathwise) estimate the gradient of $\mathbb E[f(z)]$ on $\mu$. Return the exact variance of each, one sample, from quadrature: the mean of any $g(\epsilon)$ is `weight @ g(eps)`.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-04.6"]
def gaussian_variances(f, slope, scale, eps, weight):
    """Variance of two gradients of E_q[f] on loc, one sample each, z = loc + scale eps.

    The score function f(z) eps / scale, and the pathwise gradient f'(z). f, slope: f and f' at z,
    [nodes, batch]; scale: [batch]; eps, weight: nodes of a standard normal and their weights,
    which sum to 1: [nodes] → variances of the score function and of the pathwise gradient, [batch].
    """
    ...  # your code


check("04.6", gaussian_variances)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Seven minutes. Quadrature is a weighted sum over nodes: a mean, then a mean of squares. Most errors are a forgotten division by the scale, or a variance without the square of the mean taken away. Both means must agree: those who check that find their own mistakes.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · All on one bench
#
# Back to the three bits of section 1, with all that you have met since. Each gets **four evaluations of $f$**. The gentle and the sharp bench differ in one thing only: the weights are doubled.
#
# **Predict.** Will the **order** of the estimators by variance be the same on both?
#
# <details><summary>Answer</summary>
#
# No. On the gentle bench MuProp is about equal to leave-one-out; on the sharp one it has four times its variance. Only straight-through, ReinMax and Gumbel-softmax are biased. Gumbel-softmax and straight-through are calm on both benches, ReinMax on the gentle one only.
# </details>

# %% slideshow={"slide_type": "skip"}
pairs = gauss_legendre(1, cuts(q))
halves = gauss_legendre(2, cuts(q))  # ARM is linear in its noise between the cuts, its square quadratic
# name: (estimator, evaluations in a call, independent calls that make four evaluations, rule for uniform noise)
summed = {
    "score function": (ScoreFunction(), 1, 4, None),
    "leave-one-out": (LeaveOneOut(), settings.budget(full=4, smoke=2), 1, None),
    "ARM": (Arm(), 2, 2, halves),
    "DisARM": (DisArm(), 2, 2, pairs),
    "MuProp": (MuProp(), 4, 1, None),
    "local enumeration": (LocalEnumeration(), 4, 1, None),
    "straight-through": (StraightThrough(), 1, 4, None),
    "ReinMax": (ReinMax(), 1, 4, None),
}
results = {bench: {} for bench in benches}  # by bench and estimator: bias in per cent, its error, variance, its error
for bench, f in benches.items():
    for name, (estimator, evaluations, calls, rule) in summed.items():
        judged = exact_moments(estimator, f, q, evaluations, parameters=[phi], uniform=rule)
        off = 100 * ((judged.mean[0] - truth[bench]).norm() / truth[bench].norm()).item()
        results[bench][name] = (off, None, judged.total_variance / calls, None)

# %% [markdown] slideshow={"slide_type": "skip"}
# REBAR, RELAX and Gumbel-softmax have smooth noise: here you draw, and the numbers have errors. `settle` lets the control variates of REBAR and RELAX learn first, for this one $f$. REBAR, and RELAX built on it, spend three evaluations on a sample, so their variance is scaled by 3/4.

# %% slideshow={"slide_type": "skip"}
drawn = {  # name: (how it is made with a network, evaluations in a call)
    "REBAR": (lambda network: Rebar(), 3),
    "RELAX on REBAR": (ResidualRelax, 3),
    "RELAX, network": (Relax, 4),
    "Gumbel-softmax": (lambda network: GumbelSoftmax(), 1),
}
for bench, f in benches.items():
    length = truth[bench].norm()
    for name, (make, evaluations) in drawn.items():
        torch.manual_seed(0)
        estimator = make(FeedForward((8,), nn.Tanh).build((3,), (1,)).double()).double()
        if any(parameter.requires_grad for parameter in estimator.parameters()):
            settle(estimator, f, phi, evaluations)
        rows = from_copies(estimator, f, phi, evaluations, settings.budget(full=50_000, smoke=2_000))
        square = (rows - rows.mean(0)).square().sum(1)  # its mean is the variance
        off = 100 * ((rows.mean(0) - truth[bench]).norm() / length).item()
        off_error = 100 * ((square.mean() / len(rows)).sqrt() / length).item()
        scale = evaluations / 4  # as of the mean of 4 / evaluations independent calls
        variance, error = scale * square.mean().item(), scale * square.std().item() / len(rows) ** 0.5
        results[bench][name] = (off, off_error, variance, error)

# %% slideshow={"slide_type": "fragment"}
growth = {name: results["sharp"][name][2] / row[2] for name, row in results["gentle"].items()}
plots.bars(
    dict(sorted(growth.items(), key=lambda pair: pair[1])),
    "variance on the sharp bench, as a multiple of that on the gentle one",
    caption="Four evaluations each. Equal bars would mean the same order. MuProp's noise grows four times as much as leave-one-out's, and overtakes it: the order is in the table below.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Ask who breaks the order: those who trust slopes, and local enumeration, which lives off sums over bits. The score function's bar is short because it was so noisy to begin with. Full enumeration is left out because it would take eight evaluations, and would have no variance at all.
# The notebook prints bias and variance of each: the biased ones are among the calm, and nobody is best on both.
#
# </details>


# %% slideshow={"slide_type": "skip"}
def entry(value, error, digits):
    spread = "" if error is None else f" ± {error:.{digits}f}"
    return f"{value:.{digits}f}{spread}"


print(f"{'':17}  gentle: bias, %    variance        sharp: bias, %     variance")
for name in results["gentle"]:
    cells = [
        f"{entry(*results[bench][name][:2], 1):>14} {entry(*results[bench][name][2:], 3):>16}" for bench in benches
    ]
    print(f"{name:17} {'   '.join(cells)}")

# %% [markdown] slideshow={"slide_type": "skip"}
# Each sampled bias lies within an error or so of zero, or is far outside: REBAR and RELAX are unbiased, Gumbel-softmax is not. The biased rows are among the calmest, and calm is not right. ReinMax has about twice straight-through's variance, and a tenth of its bias.
#
# ### The price of a step
#
# Variance is half of the story. Here is the other half, at a size that people train: 200 bits, 784 pixels, 64 images, forward and backward, twelve evaluations of $f$ for everyone. Two estimators cannot work with twelve. What is measured is the time that the processor spent on it (`time.process_time`), for other work on the machine lengthens the time on the wall.

# %% slideshow={"slide_type": "skip"}
for estimator in (LocalEnumeration(), Enumeration()):
    try:
        Elbo(big_model, big_guide, estimator, 12)(big_x)
    except ValueError as refusal:
        print(f"{type(estimator).__name__}: {refusal}\n")

# %% slideshow={"slide_type": "skip"}
priced = {
    "score function": ScoreFunction(),
    "leave-one-out": LeaveOneOut(),
    "VIMCO": Vimco(),
    "ARM": Arm(),
    "DisARM": DisArm(),
    "MuProp": MuProp(),
    "REBAR": Rebar(),
    "RELAX on REBAR": ResidualRelax(FeedForward((32,), nn.Tanh).build((200,), (1,))),
    "RELAX, network": Relax(FeedForward((32,), nn.Tanh).build((200,), (1,))),
    "straight-through": StraightThrough(),
    "ReinMax": ReinMax(),
    "Gumbel-softmax": GumbelSoftmax(),
    "local enumeration": LocalEnumeration(),
}


def step_seconds(estimator, num_samples):
    """Seconds of processor time of one forward and backward pass."""
    objective = Elbo(big_model, big_guide, estimator, num_samples)
    started = time.process_time()
    estimate = objective(big_x)
    (estimate.auxiliary_loss - estimate.surrogate.mean()).backward()
    return time.process_time() - started


seconds = {name: [] for name in priced}
for _ in range(settings.budget(full=6, smoke=1)):  # in turns, so that what else the machine does hits all alike
    for name, estimator in priced.items():
        seconds[name].append(step_seconds(estimator, None if name == "local enumeration" else 12))
milliseconds = {name: round(1000 * min(took)) for name, took in seconds.items()}
one_by_one = milliseconds.pop("local enumeration")

# %% slideshow={"slide_type": "skip"}
plots.bars(
    milliseconds,
    "milliseconds a step, 64 images, 200 bits",
    caption="Processor time, the least of a few steps, 12 evaluations of f. REBAR and RELAX differentiate their control variate, f at relaxed bits or "
    f"a network, and that once more, to learn. Local enumeration, with 201 evaluations, takes {one_by_one} ms.",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>For the teacher</summary>
#
# Equal evaluations are not equal seconds. Ask who pays twice and why: REBAR needs a gradient of f inside the step, and a gradient of that gradient for its own training. Local enumeration does well on the last slide, and the caption
# says what that costs once there are 200 bits rather than three: one evaluation for each bit, and one more. In the notebook it refuses twelve, and full enumeration refuses altogether.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### The variance laboratory
#
# One to four bits and $f(z) = \text{offset} + \tanh\big(\text{sharpness} \cdot w^\top (z - \tfrac12)\big)$: nearly a line where the sharpness is small, a step where it is large. Turn the dials, and read exact noise and bias of all at once; the caption has the price of the one you chose.
#
# **Predict**, before you touch it: raise the sharpness. Who suffers most? Raise the number of bits. Who becomes unaffordable? Set the offset of $f$ to 0. Whom does the plain score function beat now?
#
# <details><summary>Answer</summary>
#
# With three bits and 12 evaluations. Sharpness: those who trust slopes, MuProp and REBAR in noise, straight-through, ReinMax and Gumbel-softmax in bias; and local enumeration, for a sharp $f$ is no sum over bits. Bits: full enumeration needs 16 evaluations for four. Offset 0: leave-one-out, ARM, DisARM, REBAR; from sharpness 4 on MuProp too.
# </details>

# %% slideshow={"slide_type": "fragment"}
prices = measured_prices()  # seconds, timed on this machine
variance_laboratory(prices)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Those who trust slopes suffer from sharpness: MuProp and REBAR in noise, straight-through and ReinMax in bias. So does local enumeration, which trusts no slope but lives off sums over bits. Both enumerations pay for bits. Offset 0 is section 2's counter-example: a constant in f is what makes baselines worth having. Let each table find the state in which its favourite loses most clearly, and report it.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# REBAR in the laboratory has not learned ($T = 0.5$, $\eta = 1$). RELAX is missing because it would have to learn at every move of a dial, VIMCO because it has another target. No bias is printed where it is zero; a dot on the left edge means 0.01 or less. At this size prices are much the same, but for REBAR's, which is about double: Python's own time for the most part; the bars above have prices that differ.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · Bound against seconds
#
# The real thing: 200 bits, 784 pixels, binarised MNIST; the same start, optimiser and budget for everyone. A row of results for each estimator comes with this workbook; the command that made them is printed.
#
# **Predict.** The calmest gradient wins the race?
#
# <details><summary>Answer</summary>
#
# No. Local enumeration is the calmest of the unbiased, and last: it spends 201 evaluations a step where the others spend 6, so the same budget of evaluations gives it one thirty-third of the steps. REBAR and RELAX are calmer than leave-one-out too, and slower by the second. Straight-through and Gumbel-softmax are calmer still, and climb another hill. (The figure ends at the second at which the first is done; the table has each at the end of its own evaluations. ReinMax has not been raced.)
# </details>

# %% slideshow={"slide_type": "skip"}
results = {row.name: row for row in read_rows() if row.name.startswith("race-") and row.runs}
commands = sorted({row.command for row in results.values()})
for command in commands or ["No rows of the race yet: `python -m helpers.reproduce nvil` makes them."]:
    print(command)
curves = {  # of the rows that have been timed: name → (label, [seconds, validation bound])
    name.removeprefix("race-"): (
        row.runs[0].details["label"].partition(":")[0],
        np.array(row.runs[0].curve["valid_by_seconds"]).T,
    )
    for name, row in results.items()
    if "valid_by_seconds" in row.runs[0].curve
}


def race_figure(names, caption):
    """Bound against seconds, to the second at which the first of all is done; what ends 15 nats below the best goes to the caption."""
    if not curves:
        return print("No timed rows to draw yet: `python -m helpers.reproduce nvil` makes them.")
    end = min(seconds[-1] for _, (seconds, _) in curves.values())
    at_end = {name: np.interp(end, *curve) for name, (_, curve) in curves.items()}
    floor = max(at_end.values()) - 15
    shown, below = {}, []
    for name in filter(curves.get, names):
        label, (seconds, bound) = curves[name]
        grid = np.linspace(seconds[0], end, 80)
        if seconds[0] < end and at_end[name] > floor:
            shown[label] = (grid, np.interp(grid, seconds, bound))
        else:
            below.append(f"{label} at −{-at_end[name]:.0f} nats")
    return plots.curves(
        shown, "seconds of training, one thread", "validation bound, nats", ylim=(floor, floor + 15.5),
        size=(900, 400), caption=caption + (f" Below the figure: {', '.join(below)}." if below else ""),
    )  # fmt: skip


# %% slideshow={"slide_type": "fragment"}
race_figure(
    ["score-function", "nvil", "leave-one-out", "disarm", "rebar", "relax", "vimco", "straight-through",
     "gumbel-softmax", "local-enumeration"],
    "Ten of all, with six evaluations of f a step; local enumeration 201, and fewer steps. VIMCO trains on a tighter bound, and "
    "the bound shown is the same for all.",
)  # fmt: skip

# %% slideshow={"slide_type": "skip"}
heads = f"{'bound':>8} {'log p(x)':>9} {'evaluations':>12} {'ms a step':>10} {'variance':>10} {'|mean|':>7}   unbiased?"
print(f"{'':30} {heads}")
for row in sorted(results.values(), key=lambda row: -row.mean):
    details = row.runs[0].details
    milliseconds = f"{1000 * details['seconds_per_step']:10.1f}" if "seconds_per_step" in details else f"{'':10}"
    last = details["gradient_noise"][-1] if details.get("gradient_noise") else None
    noise = f"{last['variance']:10.4g} {last['norm']:7.2f}" if last else f"{'':18}"
    print(
        f"{details['label'].partition(':')[0]:30} {row.mean:8.2f} {details['log_marginal_is']:9.2f} "
        f"{details['evaluations']:12} {milliseconds} {noise}   {'yes' if details['unbiased'] else 'no'}"
    )

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Take the vote of the first slide out again. Ask for two estimators with nearly the same bound and very different seconds, and for two with nearly the same noise and different bounds. The table in the notebook has variance and length of the gradient at one common state of the network late in training. Caution the room: one network, one data set, one seed.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# *Variance* and *|mean|*, the length of the mean gradient, are over all of the encoder's weights, for one batch of 100 images, late in training, at the same parameters for every row. A mean of 0.00 is one that could not be seen under its own noise; rewards that are scaled shrink both columns. Bounds are those of a single sample, in nats an image, over bits, for every row alike; *log p(x)* is lesson 02's estimate with ten samples, which is fairer to VIMCO. One seed: differences of a few tenths of a nat mean little.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 11 · In Pyro (optional)
#
# `TraceEnum_ELBO` sums out every site that is marked for enumeration. That is our `Enumeration`, found by names instead of by a type.

# %% slideshow={"slide_type": "skip"}
import pyro
import pyro.distributions as dist
from pyro.infer import TraceEnum_ELBO, config_enumerate

pyro_phi = phi.detach().clone().requires_grad_()


def pyro_model():
    discrete_variables = [pyro.sample(f"z_{i}", dist.Bernoulli(logits=prior_logits[i])) for i in range(3)]
    z = torch.stack(torch.broadcast_tensors(*discrete_variables), -1)  # [2, 2, 2, 3], or [3]
    pyro.sample("x", dist.Bernoulli(logits=2.0 * z @ weight.T + bias).to_event(1), obs=x)


@config_enumerate
def pyro_guide():
    for i in range(3):
        pyro.sample(f"z_{i}", dist.Bernoulli(logits=pyro_phi[i]))


# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>For the teacher</summary>
#
# Each site gets a dimension of its own, to the left of the others, so the three bits make a 2 by 2 by 2 table by broadcasting. Ask what 200 such sites would need. In the notebook, loss and gradient agree with ours to the last digits.
#
# </details>

# %% slideshow={"slide_type": "skip"}
loss = TraceEnum_ELBO(max_plate_nesting=0).differentiable_loss(pyro_model, pyro_guide)
(theirs,) = torch.autograd.grad(-loss, pyro_phi)
estimate = Enumeration()(log_weight, q)
(ours,) = torch.autograd.grad(estimate.surrogate, phi)
print(f"bound      Pyro {-loss.item():.10f}   ours {estimate.value.item():.10f} nats")
print(f"gradient   relative difference {((ours - theirs).norm() / theirs.norm()).item():.1e}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Which one, when?
#
# | your problem | begin with | measured in |
# |---|---|---|
# | few outcomes in all | full enumeration: no noise | section 6 |
# | two samples or more, $f$ a black box | leave-one-out: nothing to tune | 2, 9, 10 |
# | bits, evaluations in pairs | DisARM, raced against leave-one-out | 4, 9, 10 |
# | a bound of many samples as the target | VIMCO | 3 |
# | noise is what hurts, and you can train a control variate | REBAR if $f$ has values between bits; RELAX, network only, if not | 5, 9 |
# | tens of bits, evaluations cheap | local enumeration | 6, 9 |
# | Gaussians | pathwise, unless $f$ turns within $q$'s width | 8 |

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Vote again on the names from the board, then strike out the question and write: for which f, at what price? Straight-through, ReinMax and Gumbel-softmax are not in the table, because a table cannot say whether their bias matters to you: measure it on a small copy of your problem, as section 7 did. With a single sample, go back to lesson 03: a learned baseline.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Straight-through, ReinMax and Gumbel-softmax are not in the table. They may be what you need, where a wrong but calm direction is good enough for a while; what you should not do is trust where they end. Make a small copy of your problem, and measure the bias there, as sections 7 and 9 did. With one sample only, go back to lesson 03: a learned baseline.
#
# | | evaluations of $f$ a sample | values of $f$ between bits? | its slope? | biased? |
# |---|---|---|---|---|
# | score function | 1 | no | no | no |
# | leave-one-out, VIMCO | 1, at least 2 in all | no | no | no, each for its own target |
# | ARM, DisARM | 2 | no | no | no |
# | MuProp | 1, and 1 at the mean | yes | yes | no |
# | REBAR, alone or under RELAX | 3 | yes | yes | no |
# | RELAX, network only | 1 | no | no | no |
# | local enumeration of $M$ bits | $1 + M$ | no | no | no |
# | straight-through, ReinMax | 1 | no | yes, at bits | yes |
# | Gumbel-softmax | 1 | yes | yes | yes |
#
# **Predict.** 200 bits, $f$ a black box that takes 1 ms and cannot be differentiated, 10 ms for a step. Which estimator, and why?
#
# <details><summary>Answer</summary>
#
# Ten evaluations, and no slope: MuProp, REBAR, straight-through, ReinMax and Gumbel-softmax are out, and so is local enumeration with its 201. Leave-one-out with ten samples, with DisARM's five pairs to race it. RELAX as a network might calm it further, if you can spare the time to train it: here its $f$ changes with every datum and every step.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - On a small problem, bias and variance are sums: no estimator needs to be believed.
# - The other samples are a baseline for free; VIMCO does for the tighter bound what leave-one-out does for the ELBO.
# - Pairs, slopes and local sums take noise away where $f$ suits them. For each there is an $f$ that does not.
# - Biased and calm is not right and calm: a fit stops where the *mean* of its gradient is zero. A second slope (ReinMax) takes away nine tenths of straight-through's bias where $f$ is nearly a parabola in each bit, as on the benches; with one bit in the laboratory, nothing.
# - Pathwise gradients scale with $f$'s slope, score functions with its height. And a step has a price.

# %% slideshow={"slide_type": "skip"}
progress()

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Go further
#
# - Let `settle` run longer for RELAX on the sharp bench, and with a wider network. How much of the noise is left?
# - Find, by random search over its eight values, the $f$ over three bits for which DisARM does worst in comparison with leave-one-out.
# - Give `LayeredElbo` of lesson 03 another estimator for each layer, and compare variances layer by layer.
#
# ## References
#
# - W. Kool, H. van Hoof, M. Welling. Buy 4 REINFORCE Samples, Get a Baseline for Free! ICLR 2019 workshop.
# - T. Salimans, D. A. Knowles. On Using Control Variates with Stochastic Approximation for Variational Bayes and its Connection to Stochastic Linear Regression. 2014. arXiv:1401.1022
# - A. Mnih, D. J. Rezende. Variational Inference for Monte Carlo Objectives. ICML 2016. arXiv:1602.06725
# - T. Rainforth, A. R. Kosiorek, T. A. Le, C. J. Maddison, M. Igl, F. Wood, Y. W. Teh. Tighter Variational Bounds are Not Necessarily Better. ICML 2018. arXiv:1802.04537
# - M. Yin, M. Zhou. ARM: Augment-REINFORCE-Merge Gradient for Stochastic Binary Networks. ICLR 2019. arXiv:1807.11143
# - Z. Dong, A. Mnih, G. Tucker. DisARM: An Antithetic Gradient Estimator for Binary Latent Variables. NeurIPS 2020. arXiv:2006.10680
# - S. Gu, S. Levine, I. Sutskever, A. Mnih. MuProp: Unbiased Backpropagation for Stochastic Neural Networks. ICLR 2016. arXiv:1511.05176
# - G. Tucker, A. Mnih, C. J. Maddison, D. Lawson, J. Sohl-Dickstein. REBAR: Low-variance, unbiased gradient estimates for discrete latent variable models. NIPS 2017. arXiv:1703.07370
# - W. Grathwohl, D. Choi, Y. Wu, G. Roeder, D. Duvenaud. Backpropagation through the Void: Optimizing control variates for black-box gradient estimation. ICLR 2018. arXiv:1711.00123
# - M. K. Titsias, M. Lázaro-Gredilla. Local Expectation Gradients for Black Box Variational Inference. NIPS 2015. arXiv:1503.01494
# - Y. Bengio, N. Léonard, A. Courville. Estimating or Propagating Gradients Through Stochastic Neurons for Conditional Computation. 2013. arXiv:1308.3432
# - L. Liu, C. Dong, X. Liu, B. Yu, J. Gao. Bridging Discrete and Backpropagation: Straight-Through and Beyond. NeurIPS 2023. arXiv:2304.08612
# - A. Ahmadian, C. Cremer, M. Gallé, M. Fadaee, J. Kreutzer, O. Pietquin, A. Üstün, S. Hooker. Back to Basics: Revisiting REINFORCE Style Optimization for Learning from Human Feedback in LLMs. ACL 2024. arXiv:2402.14740
# - Z. Shao, P. Wang, Q. Zhu et al. DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language Models. 2024. arXiv:2402.03300 (GRPO)
# - E. Jang, S. Gu, B. Poole. Categorical Reparameterization with Gumbel-Softmax. ICLR 2017. arXiv:1611.01144
# - C. J. Maddison, A. Mnih, Y. W. Teh. The Concrete Distribution: A Continuous Relaxation of Discrete Random Variables. ICLR 2017. arXiv:1611.00712
# - S. Mohamed, M. Rosca, M. Figurnov, A. Mnih. Monte Carlo Gradient Estimation in Machine Learning. JMLR 2020. arXiv:1906.10652
# - E. Bingham et al. Pyro: Deep Universal Probabilistic Programming. JMLR 2019. arXiv:1810.09538
