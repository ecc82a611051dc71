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
# # 01 · Amortized inference
#
# *Learn to infer once, then answer for new observations in one step, and measure what the shortcut costs.*
#
# **94 minutes** (54 reading and running, 40 exercises) · before this: [00 Start here](00_start_here.ipynb), Bayes' rule, and what a Gaussian in
# two dimensions looks like

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Ask the room how long their last posterior took to compute. Write the longest answer on the board. The lesson ends by beating it, with both times
# on the screen, and by asking what that cost. All models today are so small that the truth is known: every claim gets a number beside it.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# **You will be able to**
#
# 1. say how far a Gaussian guess is from a Gaussian truth, in nats (exercise 01.1), and which mistake is costlier (Predict, sections 1 and 6);
# 2. tell a global from a local latent variable (Predict, section 2), and let a minibatch stand for all the data, with an error bar (01.2);
# 3. write down the exact posterior of a linear-Gaussian model (01.3), and use it as a ruler (sections 5 to 9 do, no exercise does);
# 4. estimate the evidence lower bound so that a gradient can climb it (01.4), and say where fits and networks that climb it end (Predict, sections 7 and 8);
# 5. measure what the family of guesses costs and what amortization costs, separately, with standard errors (01.5), and say where an encoder is not to
#    be trusted (Predict, section 11).
#
# The exercises are marked by `check`. The Predicts are not: say your answer aloud, then unfold the lesson's. Sections 12 to 14 are optional.

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

import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from helpers import plots, settings
from helpers.data import Batches
from helpers.distributions import GaussianConditional, StandardNormalPrior
from helpers.evaluation import Measured, evaluate_bound
from helpers.exercises import check, hint, progress, solution  # noqa: F401  for you to call
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel
from helpers.networks import FeedForward
from helpers.training import fit
from helpers.widgets.bound_and_kl import bound_and_kl
from helpers.widgets.race import race

settings.seed_everything(0)

# %% [markdown] slideshow={"slide_type": "skip"}
# Nothing is downloaded: all data are made here. All tensors are so small that a CPU is the fastest device for them. Where a cell says
# `settings.budget(full=2000, smoke=200)`, you get the first number; the second is for a quick automatic test of the lesson.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · A guess, and how wrong it is
#
# To **infer** is to say where a hidden $z$ may be, given what you saw. The right answer is a density, the posterior $p(z \mid x)$. Yours is a
# guess, $q(z)$: the **guide**, or approximate posterior. How wrong is it? In **nats**, the unit of natural logarithms:
#
# $$ \mathrm{KL}(q \,\|\, p) = \mathbb E_{z \sim q}\big[\log q(z) - \log p(z)\big] \;\ge\; 0, \qquad \text{and } 0 \text{ only for } q = p. $$
#
# **Predict.** One of two Gaussians is three times as wide as the other. Which mistake is worse: to guess too **wide**, or too **narrow**?

# %% slideshow={"slide_type": "fragment"}
truth = Normal(0.0, 1.0)
for words, scale in {
    "three times too wide": 3.0,
    "right": 1.0,
    "three times too narrow": 1 / 3,
}.items():
    divergence = kl_divergence(Normal(0.0, scale), truth).item()
    print(f"{words:22}  KL(q || p) = {divergence:.3f} nats")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Ask for a show of hands before you show the numbers. The average is over draws of q: a wide q keeps visiting places where p is tiny and pays for each visit;
# a narrow q is never caught where p is small. Say that this asymmetry will come back twice today: in section 6 as a width, in section 13 as a choice between two peaks.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Too wide costs more than four times as much. The expectation is under $q$: a wide $q$ visits places where $p$ is tiny, and pays for every
# visit; a narrow $q$ is never caught out. Remember this when a fitted $q$ comes out too sure of itself.
#
# $\mathrm{KL}(q \,\|\, p)$ is not the only measure of a guess: $\mathrm{KL}(p \,\|\, q)$ is another, and judges otherwise. This lesson uses the first because the
# bound of section 5 comes with it, and because its average is over $q$, from which you can draw.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 01.1 · ●○○ · 5 minutes
#
# Write $\mathrm{KL}\big(\mathcal N(\mu, \sigma^2) \,\|\, \mathcal N(0, 1)\big)$ in closed form, in nats, summed over the last dimension. `loc` is $\mu$, `scale` is the standard deviation $\sigma$.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-01.1"]
def kl_to_standard_normal(loc, scale):
    """KL(N(loc, scale²) || N(0, 1)) in nats, summed over the last dimension.

    loc, scale: [batch, latent] → [batch].
    """
    ...  # your code


check("01.1", kl_to_standard_normal)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Five minutes. Anyone who is stuck needs two facts on the board: the average of (z − μ)² under q is σ², and that of z² is μ² + σ². Then every term of
# log q − log p can be averaged by eye. Ask the quick ones which σ makes it smallest for μ = 1, and why it is not smaller than 1.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Stuck? `hint("01.1")` in a cell of its own gives a nudge, again the formula, again the first line. `solution("01.1")` shows a solution. Nothing
# below depends on your answers: where a later cell needs this KL, it asks `torch.distributions`, which knows it too.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · One for all, or one for each
#
# A **global** latent is shared by all data; a **local** one belongs to one observation. A plate says: *this, $N$ times*.

# %% slideshow={"slide_type": "fragment"}
plate = "$n = 1, …, N$"
theta, phi = (-1.2, 0, "parameter"), (1.2, 1.35, "parameter")
z_n, x_n = (0, 1.35, "latent"), (0, 0, "observed")
local = {r"\theta": theta, "z_n": z_n, "x_n": x_n}
arrows = [("z_n", "x_n"), (r"\theta", "x_n")]
plots.plate_diagram(
    plots.PlateModel("global latent", {"w": z_n, "x_n": x_n}, [("w", "x_n")], plates={plate: ["x_n"]}),
    plots.PlateModel("local latents", local, arrows, plates={plate: ["z_n", "x_n"]}),
    plots.PlateModel(
        "local, and amortized",
        {**local, r"\phi": phi},
        arrows,
        guides=[("x_n", "z_n"), (r"\phi", "z_n")],
        plates={plate: ["z_n", "x_n"]},
    ),
    caption="Circles are random, shaded ones observed, squares are numbers to be learned. Dashed: "
    "how z is inferred from x, with one set of parameters φ for all n.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Give three cases and let the room say which plate: the bias of a coin from its tosses (global); the topic of each of a million texts (local); the
# weights of a regression (global). Then point at the dashed arrows: they exist only where the hidden thing is *inside* the plate, because only there is the same question
# asked N times.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# **Predict**, one minute: *which plate?* (a) The bias of a coin, from its tosses. (b) The topic of each of a million texts. (c) The weights of a regression,
# from pairs $(x_n, y_n)$.
#
# <details><summary>Answer</summary>
#
# (a) global, the left picture: all tosses share one bias. (b) local, inside the plate: each text has a topic of its own. (c) global: one set of weights
# for all pairs. Only in (b) is the same question asked again and again, so only there is something to amortize.
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# On the left, one posterior has to be found, from all data at once. In the middle there are $N$ of them. Given $\theta$, the pairs
# $(z_n, x_n)$ are independent, so the posterior factorizes into $N$ small ones that look at one observation each:
#
# $$ p_\theta(x, z) = \prod_{n=1}^{N} p(z_n)\, p_\theta(x_n \mid z_n) \qquad\Rightarrow\qquad p_\theta(z_1, \dots, z_N \mid x_1, \dots, x_N) = \prod_{n=1}^{N} p_\theta(z_n \mid x_n). $$
#
# It is $N$ times the *same question*: same model, other $x$. If you are asked the same question $N$ times, it pays to learn how to answer it.
# That is **amortization**: a network with parameters $\phi$ reads $x$ and writes down $q_\phi(z \mid x)$. Here is the model for most of this
# lesson: a hidden position $z$ in a plane, and three instruments, each of which measures how far $z$ lies in one direction, with noise.

# %% slideshow={"slide_type": "skip"}
weight = torch.tensor([[1.0, 0.8], [0.9, 1.1], [1.2, 0.5]])  # [observed, latent]: one row per instrument
bias = torch.tensor([0.5, -1.0, 2.0])  # [observed]
noise = 0.5  # standard deviation of each instrument's error


def log_joint(x, z):
    """log p(x, z) in nats. x: [..., observed], z: [..., latent] → [...]."""
    log_prior = Normal(0.0, 1.0).log_prob(z).sum(-1)
    return log_prior + Normal(z @ weight.T + bias, noise).log_prob(x).sum(-1)


z = torch.randn(2000, 2)  # [N, latent]
x = z @ weight.T + bias + noise * torch.randn(2000, 3)  # [N, observed]
print("z", tuple(z.shape), "  x", tuple(x.shape), "  log p(x, z)", tuple(log_joint(x, z).shape))

# %% [markdown] slideshow={"slide_type": "skip"}
# ### The same in the package
#
# A prior and a likelihood make a `LatentVariableModel`; a likelihood is a network that returns a distribution. Here the "network" is a matrix.
# `GaussianConditional(2, 3, network)` reads means and raw scales off the network and returns a Gaussian over 3 numbers, given 2.


# %% slideshow={"slide_type": "skip"}
class Instruments(nn.Module):
    """z [..., 2] → what `GaussianConditional` reads, [..., 2, observed]: means, and one raw scale."""

    def __init__(self, mean_reading, noise):
        super().__init__()
        self.mean_reading = mean_reading
        # softplus(raw) + 1e-5 is GaussianConditional's scale
        self.raw = math.log(math.expm1(noise - 1e-5))

    def forward(self, z):
        mean = self.mean_reading(z)
        return torch.stack([mean, torch.full_like(mean, self.raw)], dim=-2)


model = LatentVariableModel(
    StandardNormalPrior(2),
    GaussianConditional(2, 3, Instruments(lambda z: z @ weight.T + bias, noise)),
)
print("by hand     ", log_joint(x[:4], z[:4]).numpy().round(4))
print("from helpers", model.log_joint(x[:4], z[:4]).numpy().round(4))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · A minibatch may stand for the whole
#
# Add a global latent variable $w$; here, the bias $b$ is unknown: $w = b$. The log joint is one global term and a **sum** over the plate:
#
# $$ \log p(w) + \sum_{n=1}^{N} \log p(x_n, z_n \mid w) \;\approx\; \log p(w) + \frac{N}{B} \sum_{n \in \text{batch}} \log p(x_n, z_n \mid w). $$
#
# Each observation in the batch stands for $N/B$ of its kind. So the right side is right *on average over batches*, and so is its gradient.

# %% slideshow={"slide_type": "fragment"}
num_data, batch, repeats = len(x), 20, settings.budget(full=4000, smoke=400)
log_global = Normal(0.0, 3.0).log_prob(bias).sum()  # log p(w) at one w
log_local = log_joint(x, z)  # [N]
drawn = torch.stack([torch.randperm(num_data)[:batch] for _ in range(repeats)])
batch_sum = log_local[drawn].sum(1)  # [repeats]
recipes = {
    "global + N/B sum": log_global + num_data / batch * batch_sum,
    "global + sum": log_global + batch_sum,
    "N/B (global + sum)": num_data / batch * (log_global + batch_sum),
}
print(f"the whole, exactly   {(log_global + log_local.sum()).item():9.1f} nats")
for name, estimate in recipes.items():
    mean = Measured.over(estimate)
    print(f"{name:19}  {mean.mean:9.1f} ± {mean.standard_error:.1f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Read the first two lines as one sentence: the mean over minibatches lies within its error of the exact number. The third line forgets N/B, the
# fourth scales what must not be scaled. Ask which of the two mistakes an optimiser notices: the next cell in the notebook answers.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# `Measured.over(values)` is the mean of `values` with its standard error; this lesson prints its estimates so.
#
# ### Predict
#
# You forget $N/B$ and train by gradient ascent, as many published training loops do. What goes wrong?
#
# <details><summary>Answer</summary>
#
# If *everything* is in the plate, as in the middle and right pictures above: nothing. The whole gradient is scaled by a constant that the learning rate
# absorbs. That is why a VAE's loop can average over the batch. If there is a global term too, it now counts $N/B$ times too much: as if you had only
# $B$ observations. For the bias $b$ of these instruments, that would mean a posterior ten times too wide here, and nothing would crash.
# </details>

# %% slideshow={"slide_type": "skip"}
# standard deviation of x, with z integrated out: [observed]
spread = (weight @ weight.T + noise**2 * torch.eye(3)).diagonal().sqrt()
for words, count in {"N/B in its place": num_data, "N/B forgotten": batch}.items():
    precision = 1 / 3.0**2 + count / spread[0] ** 2
    print(f"{words:17} standard deviation of the first instrument's bias, from its readings: {precision**-0.5:.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 01.2 · ●●○ · 8 minutes
#
# Estimate $\log p(w) + \sum_{n=1}^{N} \log p(x_n, z_n \mid w)$ from a minibatch of $B$ observations, and give the estimate's standard error. The batch is drawn without replacement, so the mean of its terms has variance $\frac{s^2}{B}\big(1 - \frac{B}{N}\big)$, with $s^2$ their sample variance.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-01.2"]
def whole_from_minibatch(log_global, log_local, num_data):
    """Estimate log p(w) + sum over num_data observations of log p(x_n, z_n | w).

    log_global: log p(w), [repeats]. log_local: log p(x_n, z_n | w), in batches drawn
    without replacement, [repeats, batch], 2 <= batch <= num_data. In nats
    → the estimate [repeats], its standard error [repeats].
    """
    ...  # your code


check("01.2", whole_from_minibatch)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Eight minutes. The error bar is the point: one minibatch knows how uncertain it is about the whole. Anyone who finishes early can check the formula against
# the spread over the 4,000 minibatches of the last slide. Common slip: scaling the global term as well.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · A model that knows the truth
#
# Everything is Gaussian, so position and readings are *jointly* Gaussian, and textbooks show how to condition one on the other:
#
# $$ x \sim \mathcal N\big(b,\; C\big), \quad C = WW^\top + \sigma^2 I, \qquad z \mid x \sim \mathcal N\big(W^\top C^{-1} (x - b),\; I - W^\top C^{-1} W\big). $$
#
# These two lines are the ruler for all that follows.

# %% slideshow={"slide_type": "fragment"}
covariance = weight @ weight.T + noise**2 * torch.eye(3)  # of x: C, [observed, observed]
gain = torch.linalg.solve(covariance, weight).T  # [latent, observed]
posterior_covariance = torch.eye(2) - gain @ weight  # the same for every x


def true_posterior(x):
    """p(z | x). x: [batch, observed] → MultivariateNormal with batch_shape [batch]."""
    return MultivariateNormal((x - bias) @ gain.T, posterior_covariance)


def log_marginal(x):
    """log p(x) in nats. x: [batch, observed] → [batch]."""
    return MultivariateNormal(bias, covariance).log_prob(x)


# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Point out what does not appear: the posterior's covariance does not know x. In a linear-Gaussian model an observation moves the posterior and never
# changes how sure you are. Ask how to check code like this without a reference. The notebook does it with the product rule, at arbitrary z.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Check it with the product rule: $\log p(x, z) - \log p(z \mid x)$ must be $\log p(x)$ for **every** $z$, sensible or absurd.

# %% slideshow={"slide_type": "skip"}
anywhere = torch.randn(5, 2000, 2)  # five arbitrary z for each x
difference = log_joint(x, anywhere) - true_posterior(x).log_prob(anywhere) - log_marginal(x)  # [5, N]
print(f"largest violation of the product rule: {difference.abs().max().item():.0e} nats (float32)")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 01.3 · ●●○ · 9 minutes
#
# Let $z \sim \mathcal N(0, I)$ and $x \mid z \sim \mathcal N(Wz + b, \sigma^2 I)$, where $\sigma$ is `noise`. Return the mean of $p(z \mid x)$ for every row of `x`, and its precision matrix, the inverse of the covariance, which all rows share.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-01.3"]
def exact_posterior(x, weight, bias, noise):
    """p(z | x) where z ~ N(0, I) and x | z ~ N(weight z + bias, noise² I).

    x: [batch, observed], weight: [observed, latent], bias: [observed], noise: []
    → its mean [batch, latent], its precision matrix [latent, latent].
    """
    ...  # your code


check("01.3", exact_posterior)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Nine minutes. This is the other road to the same posterior: not by conditioning a joint Gaussian, but by adding precisions. It inverts a matrix as large as
# z instead of one as large as x, and it shows the matrix that the next sections need. The notebook's next cell compares the closed form with a third route, by
# differentiation.
#
# </details>

# %% slideshow={"slide_type": "skip"}
posterior_precision = torch.linalg.inv(posterior_covariance)  # Lambda
print("posterior precision, by inverting:\n", posterior_precision.numpy().round(2))
curvature = -torch.autograd.functional.hessian(lambda z: log_joint(x[0], z), z[0])
print(
    "largest difference from the curvature of -log p(x, z) in z: "
    f"{(curvature - posterior_precision).abs().max().item():.0e}"
)
a, b, c = posterior_precision[0, 0], posterior_precision[1, 1], posterior_precision[0, 1]
print(f"off the diagonal, as a fraction: {(c / (a * b).sqrt()).item():.2f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# Two routes, one matrix $\Lambda$; your answer to 01.3 is a third. It is far from diagonal: the three instruments look in similar directions, so an error
# of $z_1$ upwards can be compensated by an error of $z_2$ downwards. The data say much about one direction of the plane and little about the other.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · A bound, and exactly how far it is off
#
# By the product rule, $\log p(x) = \log p(x, z) - \log p(z \mid x)$ for every $z$. Average over $z \sim q$, add and subtract $\log q$:
#
# $$ \log p(x) \;=\; \underbrace{\mathbb E_{q}\big[\log p(x, z) - \log q(z)\big]}_{\text{ELBO}} \;+\; \mathrm{KL}\big(q(z) \,\|\, p(z \mid x)\big). $$
#
# The left side does not know $q$. Raise the **evidence lower bound** over $q$, and only one thing can happen: the divergence shrinks.


# %% slideshow={"slide_type": "skip"}
def elbo(x, q, num_samples):
    """Monte Carlo ELBO in nats, with its standard error. x: [observed], q: one density of z."""
    z = q.sample((num_samples,))  # [samples, latent]
    return Measured.over(log_joint(x, z) - q.log_prob(z))


# %% slideshow={"slide_type": "fragment"}
observed = x[0]
exact = true_posterior(observed)
best_scale = posterior_precision.diagonal() ** -0.5
guesses = {
    "the prior": MultivariateNormal(torch.zeros(2), torch.eye(2)),
    "right mean, too wide": MultivariateNormal(exact.mean, 0.5 * torch.eye(2)),
    "best uncorrelated": MultivariateNormal(exact.mean, (best_scale**2).diag()),
    "the posterior": exact,
}
print(f"log p(x) = {log_marginal(observed).item():.3f} nats\n{'q':22}{'ELBO':>18}{'KL':>9}{'sum':>10}")
for name, q in guesses.items():
    bound, kl = elbo(observed, q, 100_000), kl_divergence(q, exact).item()
    print(f"{name:20}{bound.mean:11.3f} ± {bound.standard_error:.3f} {kl:9.3f} {bound.mean + kl:9.3f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Cover the last column and let the room predict it. It is the same number four times, to sampling error, and it is log p(x). Then the last row's error: zero.
# When q is the posterior, every sample gives exactly log p(x). A q that reaches everywhere and whose samples all agree is exact: a test you can run without knowing the truth.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# The bounds differ by tens of nats; bound plus divergence is always $\log p(x)$, to sampling error. Look at the last row: there the *error* vanishes too. For
# $q = p(z \mid x)$ the quantity in the expectation is $\log p(x)$ at every single $z$.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Move the guess yourself
#
# One latent, one Gaussian truth. Drag the mean and the scale of $q$. Which of the two costs more near the optimum?

# %% slideshow={"slide_type": "fragment"}
bound_and_kl()

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>Answer</summary>
#
# The scale, by a factor of two, if you move both by equal small steps in units of the posterior's $\sigma$: a mean that is $\delta$ off costs
# $\tfrac12 (\delta/\sigma)^2$, a scale that is $\delta$ off costs about $(\delta/\sigma)^2$. Try 0.2 at $x = 1.25$, from mean 0.8 and scale 0.6: the
# picture shows a KL of 0.056 for the mean, and for the scale 0.101 upwards and 0.128 downwards. Here down costs more than up. In section 1 it was the other
# way round, for steps by equal *factors*.
# </details>

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# First task for the room: make the bound touch log p(x). Second: keep the mean right, halve the scale, then double it, and compare the two losses. It is the
# asymmetry of section 1. Third: find a q with a bound worse than that of the prior. Everybody finds one: narrow, and in the wrong place.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · What the family costs
#
# In practice $q$ comes from a **family**. The usual one is mean-field: $q(z) = \prod_i \mathcal N(z_i \mid \mu_i, \sigma_i^2)$, no correlations. The best
# one has the posterior's mean and $\sigma_i^2 = 1 / \Lambda_{ii}$, with $\Lambda$ the posterior's precision. Left over, *whatever $x$ is*:
#
# $$ \mathrm{KL}(q^\star \,\|\, p) = \tfrac12 \Big(\sum_i \log \Lambda_{ii} - \log \det \Lambda\Big) \qquad \textbf{the approximation gap}. $$

# %% [markdown] slideshow={"slide_type": "skip"}
# Why $1 / \Lambda_{ii}$: of the whole divergence, $\tfrac12 \Lambda_{ii} \sigma_i^2 - \log \sigma_i$ is all that depends on $\sigma_i$, and its slope is zero at
# $\sigma_i^2 = 1 / \Lambda_{ii}$.
#
# ### Predict
#
# Draw the tilted ellipse of a correlated Gaussian. Now the best uncorrelated $q$ in it. Is $q$, along the axes, as wide as the posterior's own
# marginals, wider, or narrower?
#
# <details><summary>Answer</summary>
#
# Narrower, by the factor $\sqrt{1 - \rho^2}$, where $\rho$ is the fraction printed in section 4. $1 / \Lambda_{ii}$ is the variance of $z_i$ when the *other*
# coordinate is known; the marginal variance is larger. Section 1 said why $q$ prefers that: too wide is the costlier mistake. So mean-field error bars are
# too short. This is no accident of training, it is the optimum of *this* direction of the divergence: the best uncorrelated $q$ by $\mathrm{KL}(p \,\|\, q)$ would
# have the widths of the posterior's marginals.
# </details>

# %% slideshow={"slide_type": "fragment"}
mean_field_gap = 0.5 * (posterior_precision.diagonal().log().sum() - posterior_precision.logdet()).item()
best = Independent(Normal(exact.mean, best_scale), 1)
right_widths = MultivariateNormal(exact.mean, posterior_covariance.diagonal().diag())
kinds = {
    "posterior p(z | x)": exact,
    "best uncorrelated q": best,
    "q with the posterior's widths": right_widths,
}
plots.contours(
    {"for one x": {name: q.log_prob for name, q in kinds.items()}},
    xlim=(exact.mean[0].item() - 2.3, exact.mean[0].item() + 2.3),
    ylim=(exact.mean[1].item() - 1.55, exact.mean[1].item() + 1.55),
    size=(760, 400),
    caption=f"Regions of 50 % and 95 %. The best q gives up {mean_field_gap:.3f} nats; "
    f"q with the posterior's widths, {kl_divergence(right_widths, exact).item():.3f}.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Ask for a show of hands before the figure: wider, equal, narrower? The q with the posterior's own widths spills over the long sides of the ellipse, into
# places where the posterior is tiny; the divergence punishes exactly that. Practical consequence to leave on the board: mean-field error bars are too short, by the design of KL(q || p).
#
# </details>

# %% slideshow={"slide_type": "skip"}
print(
    "standard deviations of the posterior's marginals",
    posterior_covariance.diagonal().sqrt().numpy().round(3),
)
print("of the best uncorrelated q                      ", best_scale.numpy().round(3))
print(
    f"its gap by the formula {mean_field_gap:.4f} nats, "
    f"by torch {kl_divergence(guesses['best uncorrelated'], exact).item():.4f}"
)

# %% [markdown] slideshow={"slide_type": "skip"}
# One more idea before the exercise. A draw $z$ from $q = \mathcal N(\mu, \sigma^2)$ can be written $z = \mu + \sigma \varepsilon$, with $\varepsilon$ a standard
# normal draw. All chance is in $\varepsilon$, which knows nothing of $\mu$ and $\sigma$. So $z$ is a differentiable function of them, and a gradient can pass
# through the draw. This is called **reparameterisation**; in torch, `.rsample()` does it and `.sample()` does not.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 01.4 · ●●● · 11 minutes
#
# Estimate the ELBO $\mathbb E_{q}[\log p(z) + \log p(x \mid z) - \log q(z)]$ of $q = \mathcal N(\mu, \mathrm{diag}\,\sigma^2)$ from the given standard normal draws `eps`: one number for every row of `x`, the mean over the samples. Gradients must reach `loc` and `scale`, through the sample too.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-01.4"]
def elbo_estimate(x, loc, scale, weight, bias, noise, eps):
    """Monte Carlo ELBO in nats of q = N(loc, scale²), differentiable in loc and scale.

    Model: z ~ N(0, I), x | z ~ N(weight z + bias, noise² I). x: [batch, observed],
    weight: [observed, latent], bias: [observed], noise: the instruments' standard
    deviation, []. loc, scale: [batch, latent]. eps: standard normal draws, given,
    [samples, batch, latent] → [batch].
    """
    ...  # your code


check("01.4", elbo_estimate)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Eleven minutes, the hardest of the lesson. The trick in one line: a Gaussian draw is mean plus scale times noise, and the noise knows nothing of q. Then a
# gradient passes. Lesson 02 makes it a method; here it is enough that backward() reaches loc and scale. Watch for .sample(), which cuts the gradient off silently.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · One fit per observation
#
# Now forget the closed form. For each $x_n$, start with $q_n = \mathcal N(0, I)$ and climb:
#
# $$ \mu_n, \sigma_n \;\leftarrow\; \text{a step uphill on}\; \frac1S \sum_s \log \frac{p(x_n, z_s)}{q_n(z_s)}, \qquad z_s = \mu_n + \sigma_n \odot \varepsilon_s. $$


# %% slideshow={"slide_type": "skip"}
class FreeGuide(nn.Module):
    """q(z_n) for each of N observations: a mean and a scale of its own for each, and no network."""

    def __init__(self, start):
        super().__init__()
        self.loc = nn.Parameter(start.mean.clone())  # [N, latent]
        self.log_scale = nn.Parameter(start.stddev.log())

    def forward(self, x):
        return Independent(Normal(self.loc, self.log_scale.exp()), 1)


def fit_each(model, x, start=None, steps=None):
    """Variational inference, all rows of x side by side, from `start`, or from N(0, I).

    Returns q, and the mean bound in nats after each step.
    """
    steps = settings.budget(full=300, smoke=60) if steps is None else steps
    free = FreeGuide(Normal(torch.zeros(len(x), 2), 1.0) if start is None else start)
    objective, trace = Elbo(model, free, num_samples=32), []
    optimizer = torch.optim.Adam(free.parameters(), lr=0.1)
    schedule = CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        estimate = objective(x)  # one number for every row
        optimizer.zero_grad()
        (-estimate.surrogate.sum()).backward()  # a row's parameters feel only their own term
        optimizer.step()
        schedule.step()
        trace.append(estimate.value.mean().item())
    with torch.no_grad():
        return free(x), trace


# %% [markdown] slideshow={"slide_type": "skip"}
# `Elbo(model, q)` is exercise 01.4 for any model and any guide that can be reparameterised: whose draws are a differentiable function of its parameters and of
# noise that knows nothing of them. It returns two numbers for each row: `value`, the bound, to be read; and `surrogate`, to be differentiated, whose gradient is
# the bound's. Compared with the formula, written out, on the same noise:

# %% slideshow={"slide_type": "skip"}
free = FreeGuide(Normal(torch.randn(4, 2), 1.0))
torch.manual_seed(1)
q = free(x[:4])
z_drawn = free.loc + free.log_scale.exp() * torch.randn(32, 4, 2)  # [samples, batch, latent]
by_hand = (log_joint(x[:4], z_drawn) - q.log_prob(z_drawn)).mean(0)
torch.manual_seed(1)
from_helpers = Elbo(model, free, num_samples=32)(x[:4])
print("ELBO by hand     ", by_hand.detach().numpy().round(3))
print("ELBO from helpers", from_helpers.value.numpy().round(3))
gradients = [torch.autograd.grad(value.sum(), free.loc)[0] for value in (by_hand, from_helpers.surrogate)]
print(f"largest difference of their gradients: {(gradients[0] - gradients[1]).abs().max().item():.0e}")

# %% [markdown] slideshow={"slide_type": "skip"}
# **Predict.** You fit 1,000 new observations, each with its own $q$. Where will the average distance to $\log p(x)$ settle: at zero, or above it?
#
# <details><summary>Answer</summary>
#
# Above it: at the approximation gap of section 6. Each $q_n$ is uncorrelated, its posterior is not, and for the best of them the same divergence is left over, whatever $x$ is.
# </details>

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(2)
test_x, test_z = model.sample(settings.budget(full=1000, smoke=200))  # [N, 3], [N, 2]
best_q, trace = fit_each(model, test_x)
distance = log_marginal(test_x).mean() - torch.tensor(trace)
plots.curves(
    {"fitted q": distance[:150]},
    xlabel="gradient step",
    ylabel="log p(x) − bound, nats",
    yscale="log",
    references={"mean-field gap": mean_field_gap},
    size=(820, 330),
    caption=f"{len(test_x):,} fits side by side, averaged: the first {len(distance[:150])} of {len(trace)} "
    "steps. They come down to the gap of the family, and no further.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The curve and the dashed line know nothing of each other: one comes from gradient steps on samples, the other from a determinant. Ask what would move the
# line. Not more steps, not more samples: only another family, or another model.
#
# </details>


# %% slideshow={"slide_type": "skip"}
@torch.no_grad()
def bounds(model, q, x, num_samples=500):
    """ELBO of each row of x in nats, on the same noise each time, so that two q compare: [batch]."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        z = q.sample((num_samples,))  # [samples, batch, latent]
    return (model.log_joint(x, z) - q.log_prob(z)).mean(0)


log_marginals, best_bound = log_marginal(test_x), bounds(model, best_q, test_x)
measured = Measured.over(log_marginals - best_bound)
print(
    f"approximation gap, measured {measured.mean:.4f} ± {measured.standard_error:.4f} nats; "
    f"by the formula {mean_field_gap:.4f}"
)
print(f"free parameters: {best_q.base_dist.loc.numel() * 2:,} for {len(test_x):,} observations")

# %% [markdown] slideshow={"slide_type": "skip"}
# The measured gap agrees with the formula to about two thousandths of a nat. The small excess matters in section 9. And note the last line: four numbers to be
# stored and fitted for every observation, forever. A new $x$ arrives? Fit again, from scratch.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · A network that answers at once
#
# The fits of section 7 solve the same kind of problem a thousand times, and learn nothing from one to the next. Instead let one network, with
# parameters $\phi$, write down $\mu$ and $\sigma$ for *any* $x$, and raise the average bound over $\phi$:
#
# $$ q_\phi(z \mid x) = \mathcal N\big(z \mid \mu_\phi(x), \mathrm{diag}\, \sigma_\phi^2(x)\big), \qquad \max_\phi \; \frac1N \sum_n \mathrm{ELBO}\big(x_n, q_\phi(\cdot \mid x_n)\big). $$


# %% slideshow={"slide_type": "fragment"}
def train_encoder(model, recipe, x, peak=0.1, seed=0):
    """An inference network for `model`, trained on the rows of x; and the seconds it took."""
    torch.manual_seed(seed)
    guide = AmortizedGuide(GaussianConditional(x.shape[1], 2, recipe))
    batches = Batches(x, batch_size=min(64, len(x)))
    epochs = settings.budget(full=2400, smoke=120) // len(batches)
    optimizer = torch.optim.Adam(guide.parameters())
    schedule = OneCycleLR(optimizer, peak, total_steps=epochs * len(batches))
    objective = Elbo(model, guide, num_samples=4)
    history = fit(
        objective,
        batches,
        epochs=epochs,
        optimizers=optimizer,
        schedulers=[schedule],
        progress=False,
    )
    return guide, history.seconds[-1]


# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Compare with fit_each: the same objective, the same kind of optimiser. What changed is whose parameters are adjusted: not this observation's, but the
# network's, which all observations share. A minibatch is enough for a step, by section 3. fit is the loop of section 7 over batches; lesson 02 writes it out.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# New names in this cell: `Batches` shuffles the rows and hands them out in minibatches, epoch by epoch. `OneCycleLR` lets the learning rate rise to `peak` and fall
# again. `AmortizedGuide` makes $q_\phi(z \mid x)$ of a conditional distribution, and `FeedForward(hidden)`, below, is a recipe for a fully connected network
# with these hidden layers.
#
# Three encoders, all trained on the 2,000 observations of section 2, all tested on the new ones of section 7:
#
# - **linear**: $x$ times a matrix, nothing else;
# - **bottleneck**: everything it says about $x$ has to pass through *one* number;
# - **wide**: two hidden layers of 64.
#
# And a fourth one, **wide, 30 seen**, which is as large but has seen only 30 observations.
#
# **Predict.** Which of them match the per-observation fits? How far off is the linear one, with its 16 parameters, against 4,000?
#
# <details><summary>Answer</summary>
#
# The linear one matches them. In this model the best $\mu(x)$ is a matrix times $(x - b)$, and the best $\sigma$ does not depend on $x$: amortization is *free* here. The
# bottleneck cannot say where a point of a plane is with one number. And for *its* optimum there is a formula too, printed below.
# </details>

# %% slideshow={"slide_type": "skip"}
recipes = {
    "linear": (FeedForward(()), x, 0.1),
    "bottleneck": (FeedForward((1,), activation=nn.Identity), x, 0.1),
    "wide": (FeedForward((64, 64), activation=nn.Tanh), x, 0.01),
    "wide, 30 seen": (FeedForward((64, 64), activation=nn.Tanh), x[:30], 0.01),
}
encoders, encoder_bounds, seconds = {}, {}, {}
for name, (recipe, seen, peak) in recipes.items():
    encoders[name], seconds[name] = train_encoder(model, recipe, seen, peak)
    encoder_bounds[name] = bounds(model, encoders[name](test_x), test_x)
    size = sum(parameter.numel() for parameter in encoders[name].parameters())
    print(
        f"{name:14} {size:6,} parameters, trained in {seconds[name]:.1f} s, "
        f"bound {Measured.over(encoder_bounds[name])} nats"
    )
print(f"{'one fit per x':14} {4 * len(test_x):6,} parameters, bound {Measured.over(best_bound)} nats")
print(
    f"evaluate_bound says of the linear one: {evaluate_bound(model, encoders['linear'], test_x, num_samples=500).elbo}"
)

# %% [markdown] slideshow={"slide_type": "skip"}
# The ± here belong to the mean of $\log p(x)$ over observations, which dwarfs the differences between encoders. Section 9 subtracts first, observation by
# observation, and gets smaller ones.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### A race
#
# One new observation: gradient steps against a single call of a trained encoder. Who is ahead after 1, 10, 100 steps?

# %% slideshow={"slide_type": "fragment"}
race(weight, bias, noise, {name: encoders[name] for name in ("linear", "bottleneck", "wide")})

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>Answer</summary>
#
# For a typical $x$ the linear encoder is ahead after 1 and after 10 steps, because it stands at the best $q$ of the family already; after 100 the two are level, and
# farther from the data's mean the fit needs longer. The bottleneck is overtaken wherever one number cannot say where $z$ is; the wide one, far from the data.
# The caption says at which step.
# </details>

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Let the room choose x first, then bet on the number of steps at which the fit overtakes the encoder. Then choose an x at the edge. Two facts to bring out: the fit
# wins in the end, or ties; and the encoder's whole answer takes less time than one step.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · Two gaps
#
# What is lost between $\log p(x)$ and an encoder's bound splits in two, with the best $q^\star$ of the family in between:
#
# $$ \log p(x) - \mathrm{ELBO}(q_\phi) \;=\; \underbrace{\log p(x) - \mathrm{ELBO}(q^\star)}_{\textbf{approximation gap}\text{: the family}} \;+\; \underbrace{\mathrm{ELBO}(q^\star) - \mathrm{ELBO}(q_\phi)}_{\textbf{amortization gap}\text{: the network}}. $$

# %% slideshow={"slide_type": "fragment"}
amortization = {name: Measured.over(best_bound - bound) for name, bound in encoder_bounds.items()}
gaps_measured = {"the family": measured, **amortization}
plots.bars(
    {name: gap.mean for name, gap in gaps_measured.items()},
    "gap, nats per observation",
    errors={name: gap.standard_error for name, gap in gaps_measured.items()},
    caption="Top: the approximation gap, the same for all. Below: the amortization gap of each encoder "
    "on new observations. ± one standard error over observations.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Three lessons in five bars. A matrix amortizes this model for nothing. An encoder that is too small loses, and no training helps. An encoder that has seen too little
# loses as well, on new data only. Ask which remedy fits which bar: richer family, larger network, more data. Simulated x cost nothing when the model is given.
#
# </details>

# %% slideshow={"slide_type": "skip"}
# With mu_phi(x) of rank one, the least loss is the weaker direction: (smallest eigenvalue of Lambda - 1) / 2.
bottleneck_gap = 0.5 * (torch.linalg.eigvalsh(posterior_precision)[0].item() - 1)
print(f"{'':22}{'measured':>18}{'closed form':>14}")
for name, closed in {
    "the family": mean_field_gap,
    "linear": 0.0,
    "bottleneck": bottleneck_gap,
}.items():
    gap = gaps_measured[name]
    print(f"{name:22}{gap.mean:10.4f} ± {gap.standard_error:.4f}{closed:12.4f}")
seen_bound = bounds(model, fit_each(model, x[:30])[0], x[:30]) - bounds(
    model, encoders["wide, 30 seen"](x[:30]), x[:30]
)
print(
    f"wide, 30 seen: on the 30 themselves {Measured.over(seen_bound).mean:.4f}, "
    f"on new ones {amortization['wide, 30 seen'].mean:.4f} ± "
    f"{amortization['wide, 30 seen'].standard_error:.4f}"
)

# %% [markdown] slideshow={"slide_type": "skip"}
# Where the second formula comes from: for Gaussian $q$ and $p$ with the best $\sigma$, the loss beyond the family's gap is $\frac12 (m - \mu)^\top \Lambda (m - \mu)$, with $m$ the posterior mean and $\mu$ the
# encoder's. Over the data, $m$ has covariance $I - \Lambda^{-1}$. Whiten it: $\Lambda^{1/2} m$, in which the loss is half a plain squared distance, has covariance
# $\Lambda^{1/2} (I - \Lambda^{-1}) \Lambda^{1/2} = \Lambda - I$, with eigenvalues $\lambda_i - 1$. One number carries the larger of them; half of the smaller is lost.
#
# ### A negative gap?
#
# Nothing in the family is better than the best, so an amortization gap cannot be negative. The linear encoder's is, in the third decimal, and many standard errors from zero. What is wrong?
#
# <details><summary>Answer</summary>
#
# The name $q^\star$. The fits climb noisy gradients and stop about a thousandth of a nat short of the best, each for itself; the linear encoder averages the noise over all
# observations and comes closer. So the measured approximation gap is too large, and every amortization gap too small, by that thousandth: compare the columns above. Without a closed form nobody
# would have noticed. A measured amortization gap is only as good as the $q^\star$ it is measured from.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 01.5 · ●●○ · 7 minutes
#
# From $\log p(x)$, the ELBO of the best $q$ of the family, and the ELBO of the encoder's $q$, all for the same observations, return the mean **approximation gap** with its standard error and the mean **amortization gap** with its standard error.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-01.5"]
def gaps(log_marginal, elbo_best, elbo_encoder):
    """The approximation gap and the amortization gap in nats, with standard errors.

    log_marginal: log p(x); elbo_best: the ELBO of the family's best q for each x;
    elbo_encoder: that of the encoder's q. [batch] each, batch >= 2 → mean approximation
    gap, its standard error, mean amortization gap, its standard error: four tensors
    without dimensions, [] each.
    """
    ...  # your code


check("01.5", gaps)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Seven minutes. The trap is the error bar: log p(x) varies by whole nats from one x to the next, the gaps hardly at all. Subtract first, average then. Ask what the error
# would be if the two bounds were measured on different observations.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · What a new observation costs
#
# A trained encoder needs one call. A fit needs all its steps, each with a gradient. But training the encoder was not free. From how many
# observations on does it pay off?


# %% slideshow={"slide_type": "skip"}
def seconds_of(work, repeats):
    """The median time of `work()` in seconds, on one thread: several would wait for each other."""
    times, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(repeats):
            started = time.perf_counter()
            work()
            times.append(time.perf_counter() - started)
    finally:
        torch.set_num_threads(threads)
    return sorted(times)[len(times) // 2]


# %% slideshow={"slide_type": "fragment"}
one, encoder = test_x[:1], encoders["linear"]
cost = {"fit, one at a time": seconds_of(lambda: fit_each(model, one), 3)}
cost["fit, side by side"] = seconds_of(lambda: fit_each(model, test_x), 1) / len(test_x)
with torch.no_grad():
    cost["encoder, one at a time"] = seconds_of(lambda: encoder(one), 100)
    cost["encoder, side by side"] = seconds_of(lambda: encoder(test_x), 20) / len(test_x)
for name, each in cost.items():
    print(f"{name:24} {1e6 * each:13,.2f} microseconds per observation")
for way in ("one at a time", "side by side"):
    pays = seconds["linear"] / (cost[f"fit, {way}"] - cost[f"encoder, {way}"])
    print(f"training took {seconds['linear']:.1f} s: pays off from {math.ceil(pays):,} on, {way}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Four numbers, orders of magnitude apart. Then the twist: break-even depends on how the observations arrive. One at a time, few are enough; if all
# of them are there at once, a fit is vectorised too, and the encoder pays off late. Read the numbers off your own screen: a busy machine distorts them. For a VAE the question does not even arise: theta changes at each step, so all fits would have to be redone.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# The times are your machine's, of this minute: other work on it distorts them, and their ratios too. If the observations are all there and the model is fixed, per-observation fits are a serious
# option. If they come one by one, or if $\theta$ is still being learned, so that every step makes all fits stale, the encoder has no rival.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · Far from the data
#
# An encoder is right where it was trained. Move $x$ away from the data, along their main direction.
#
# **Predict.** What happens to the amortization gap of the linear encoder, of the wide one, and of a fresh fit?

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>Answer</summary>
#
# The fresh fit stays near the best $q$ at any distance: it has seen no training data, and asks the model. The linear encoder has the right form, and stays close. The wide one is on its own where
# no data were, and its gap grows without a warning. The picture says how fast.
# </details>


# %% slideshow={"slide_type": "fragment"}
def gap_beyond_best(q, x):
    """What q loses to the best of its family: KL(q || p) minus the mean-field gap, float64 [batch]."""
    precision = posterior_precision.double()
    off = (q.mean - true_posterior(x).mean).double()  # [batch, latent]
    ratio = q.variance.double() * precision.diagonal()  # 1 where the scale is the best one
    return 0.5 * (torch.einsum("bi,ij,bj->b", off, precision, off) + (ratio - 1 - ratio.log()).sum(-1))


values, directions = torch.linalg.eigh(covariance)
far = torch.linspace(0, 10, 21)  # in standard deviations of the data
far_x = bias + far[:, None] * values[-1].sqrt() * directions[:, -1]  # [21, observed]
gap_far = {
    "one fit per observation": gap_beyond_best(
        fit_each(model, far_x, steps=settings.budget(full=1500, smoke=200))[0], far_x
    )
}
with torch.no_grad():
    gap_far |= {f"{name} encoder": gap_beyond_best(encoders[name](far_x), far_x) for name in ("linear", "wide")}
plots.curves(
    {name: (far, gap.clamp(min=1e-5)) for name, gap in gap_far.items()},
    xlabel="distance from the data's mean, in standard deviations",
    ylabel="amortization gap, nats",
    yscale="log",
    size=(820, 350),
    caption="The gap in closed form. Values below 1e−5 are clipped to 1e−5.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Three curves, three stories. The fit pays no attention to the training data: there were none. The linear encoder has the right form, and errs by about two hundredths of a nat at most. The wide one has the wrong form beyond the data, and nothing in training told it so. Ask how one would notice in practice: the encoder itself is no help, it stays sure of itself.
#
# </details>

# %% slideshow={"slide_type": "skip"}
print(f"{'standard deviations away':26}{'0':>10}{'2':>10}{'4':>10}{'6':>10}{'10':>10}")
for name, gap in gap_far.items():
    print(f"{name:26}" + "".join(f"{gap[i].item():10.4f}" for i in (0, 4, 8, 12, 20)))
with torch.no_grad():
    q = encoders["wide"](far_x)
wrong = (q.mean - true_posterior(far_x).mean).norm(dim=1)
print(
    f"at 10: the wide encoder's mean is {wrong[-1].item():.1f} off, "
    "and it claims a standard deviation of "
    f"{q.stddev[-1].max().item():.2f} at most"
)

# %% [markdown] slideshow={"slide_type": "skip"}
# Inside the data the wide encoder is as good as any. Outside, its hidden units saturate, its mean stops moving, and the gap grows by orders of magnitude. Its own error bars give no warning:
# they too are output of the network. Per-observation fits do not explode, because they consult the *model*, at this very $x$. A cheap alarm follows: take a few gradient steps from
# the encoder's answer. If the bound leaps, do not trust the encoder there. Near the data there is nothing to gain, and 20 large Adam steps may lose a little.

# %% slideshow={"slide_type": "skip"}
with torch.no_grad():
    answer = encoders["wide"](far_x)
refined, _ = fit_each(model, far_x, start=answer, steps=20)
leap = bounds(model, refined, far_x) - bounds(model, answer, far_x)  # [21]
for i in (0, 4, 8, 12, 20):
    print(f"{far[i].item():4.0f} standard deviations away: 20 steps change the bound by {leap[i].item():+8.2f} nats")

# %% [markdown] slideshow={"slide_type": "skip"}
# **Sections 12, 13 and 14 are optional.** Section 15 and the recap do not rest on them.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 12 · Why $\theta$ gets no posterior (optional)
#
# $z_n$ has a posterior, $\theta$ only a point estimate. Why? With $N$ observations the posterior of $\theta$ narrows like $1/\sqrt N$; that of each
# $z_n$ never does. Take $\theta = b$, the three biases, with all else known. How many nats does the prediction of a new observation lose because $b$ is unknown?
#
# $$ \underbrace{\frac{3}{2N}}_{\text{plug in the mean of } x} \qquad\text{against}\qquad \underbrace{\frac 32 \log\Big(1 + \frac1N\Big)}_{\text{average over the posterior of } b}, \qquad \text{with 3 biases.} $$

# %% slideshow={"slide_type": "fragment"}
repeats = settings.budget(full=20_000, smoke=2_000)
x_density = MultivariateNormal(bias, covariance)
sd_z = posterior_covariance[0, 0].sqrt().item()
print("   N   sd b   sd z     plug-in, nats      formula     posterior of b    formula")
for count in (1, 3, 10, 100, 1000):
    # the mean of N readings, many times over: [repeats, observed]
    estimated = MultivariateNormal(bias, covariance / count).sample((repeats,))
    rivals = covariance, (1 + 1 / count) * covariance  # of a new x: plug in, or average
    losses = [kl_divergence(x_density, MultivariateNormal(estimated, rival)) for rival in rivals]
    plug_in, averaged = map(Measured.over, losses)
    print(
        f"{count:4} {(covariance[0, 0] / count).sqrt().item():6.3f} {sd_z:6.3f} "
        f"{plug_in.mean:9.5f} ± {plug_in.standard_error:.5f} {3 / (2 * count):9.5f} "
        f"{averaged.mean:9.5f} ± {averaged.standard_error:.5f} {1.5 * math.log1p(1 / count):9.5f}"
    )

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Ask before showing: how much does Bayes for theta save at N = 10? Hardly anything: most of what is lost is lost for want of data, and a posterior cannot replace them. Then the
# honest limits: this is for few parameters and many data. And there is nothing to amortize: there is one theta, the question is asked once.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# The posterior of $b$ is the one under a flat prior, $\mathcal N(\bar x, C/N)$. From ten observations on, it saves less than a hundredth of a nat, far less than the
# family's gap or the bottleneck's in section 9. So, three reasons:
#
# 1. **It narrows.** A point is a good summary of a narrow posterior. $z_n$'s never narrows, because only $x_n$ speaks of it.
# 2. **There is one.** Amortization shares out the cost of a question that is asked $N$ times. $\theta$ is asked for once.
# 3. **It is hard.** A network's million weights have a strongly correlated, many-peaked posterior. A mean-field guess at it has an approximation gap of its own, perhaps a large one.
#
# The formula holds for few, well-determined parameters; with few data, a posterior over $\theta$ is worth its price.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · A nonlinear decoder, and a grid as the truth (optional)
#
# Other instruments: three beacons on a straight street measure their *distance* to $z$. No closed form is left, but $z$ has two dimensions:
# a grid sums $p(x, z)$ over the plane.

# %% slideshow={"slide_type": "skip"}
beacons = torch.tensor([[-1.5, -0.5], [0.0, -0.5], [1.5, -0.5]])  # on a street, half a unit south of the prior's mean


def distances(z):
    """z: [..., 2] → distance to each beacon, [..., 3]."""
    return (z[..., None, :] - beacons).norm(dim=-1)


street = LatentVariableModel(StandardNormalPrior(2), GaussianConditional(2, 3, Instruments(distances, noise=0.3)))


@torch.no_grad()
def grid_log_marginal(model, x, side=6.0, cells=200):
    """log p(x) by adding up p(x, z) over a square grid. x: [batch, observed] → [batch], float64."""
    step = 2 * side / cells
    middles = torch.arange(cells) * step - side + step / 2
    z = torch.cartesian_prod(middles, middles)[:, None]  # [cells², 1, latent]
    return model.log_joint(x, z).double().logsumexp(0) + 2 * math.log(step)


# %% [markdown] slideshow={"slide_type": "skip"}
# A ruler must be checked. First where the truth is known, on the linear model. Then on the new one, against a grid that is larger and finer.

# %% slideshow={"slide_type": "skip"}
torch.manual_seed(4)
street_x, street_z = street.sample(settings.budget(full=300, smoke=60))
error = (grid_log_marginal(model, test_x[:20]) - log_marginal(test_x[:20])).abs().max().item()
print(f"grid against closed form, linear model:   largest error {error:.0e} nats")
street_log_marginal = grid_log_marginal(street, street_x)
change = (street_log_marginal[:20] - grid_log_marginal(street, street_x[:20], side=8.0, cells=400)).abs().max().item()
print(f"grid against a finer one, the new model:  largest change {change:.0e} nats")

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Predict
#
# Reflect a position in the line of the street: the distances stay the same. What will the best Gaussian $q$ do about the two places where $z$ may be: cover both, or choose one?
#
# <details><summary>Answer</summary>
#
# Where the two peaks lie far apart, it chooses one: covering both would put most of $q$ in between, where the posterior is tiny, and that is the costlier mistake. Near the street the two
# merge, and $q$ covers both. The picture shows each case.
# </details>

# %% slideshow={"slide_type": "skip"}
street_train, _ = street.sample(4000)
street_encoders = {
    name: train_encoder(street, FeedForward(hidden, activation=nn.Tanh), street_train, peak=0.01)[0]
    for name, hidden in {"2 hidden": (2,), "8 hidden": (8,), "64 + 64 hidden": (64, 64)}.items()
}
torch.manual_seed(5)
starts = {"the prior": Normal(torch.zeros_like(street_z), 1.0)}
starts |= {f"random draw {i}": Normal(torch.randn_like(street_z), 1.0) for i in (1, 2, 3)}
with torch.no_grad():
    starts["the encoder's answer"] = street_encoders["64 + 64 hidden"](street_x)
fits = {
    name: fit_each(street, street_x, start, steps=settings.budget(full=400, smoke=40))[0]
    for name, start in starts.items()
}
fit_bounds = torch.stack([bounds(street, q, street_x) for q in fits.values()])  # [starts, batch]
street_best, winner = fit_bounds.max(0)  # the best of five fits, for each x
for name, bound in zip(starts, fit_bounds, strict=True):
    print(
        f"fits that start at {name:20} miss the best of the five by {Measured.over(street_best - bound)} "
        f"nats, by more than 0.1 for {100 * (street_best - bound > 0.1).double().mean().item():.1f} %"
    )

# %% slideshow={"slide_type": "fragment"}
chosen = [
    int(((street_z - torch.tensor(place)).norm(dim=1)).argmin()) for place in ((-0.3, 1.2), (0.7, -0.2), (0.4, -1.9))
]
panels, marks = {}, {}
for index, title in zip(chosen, ("north of the street", "near it", "south of it"), strict=True):
    one = street_x[index]
    kept = list(fits.values())[winner[index]]
    q = {"best q": Independent(Normal(kept.mean[index], kept.stddev[index]), 1)}
    with torch.no_grad():
        q["encoder, 8 hidden"] = street_encoders["8 hidden"](one)
    panels[title] = {"posterior, on a grid": lambda z, one=one: street.log_joint(one, z)}
    panels[title] |= {name: guess.log_prob for name, guess in q.items()}
    marks[title] = {"true z": street_z[index], "beacons": beacons}
plots.contours(
    panels,
    xlim=(-2.6, 2.6),
    ylim=(-3.1, 2.3),
    points=marks,
    size=(960, 410),
    caption="Three observations: regions of 50 % and 95 %. The posterior may have two peaks; q has one.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Let the room find the mirror image in each panel. Where the peaks are far apart, q takes one and ignores the other: to cover both it would have to put
# mass in between, and that is the costlier mistake of section 1. In the right panel q ignores the true position. It is not a bug: the prior makes the northern one likelier. Ask what the ignored peak costs.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# In the third panel $q$ ignores the peak on which the truth lies, and rightly so: the prior's mean lies north of the street, so the northern explanation is the likelier. And the lines printed above hold
# a surprise: some fits that start from a random draw climb the *lower* peak and stay there. One fit per observation is no guarantee of the best $q$; a good start, at the prior or at the encoder's answer, almost always is.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The gaps again
#
# Same measurement, other ruler: $\log p(x)$ from the grid, $q^\star$ the best of five fits for each $x$.

# %% slideshow={"slide_type": "fragment"}
with torch.no_grad():
    street_bounds = {name: bounds(street, encoder(street_x), street_x) for name, encoder in street_encoders.items()}
street_gaps = {"the family": Measured.over(street_log_marginal - street_best)}
street_gaps |= {f"encoder, {name}": Measured.over(street_best - bound) for name, bound in street_bounds.items()}
street_gaps["one fit, random start"] = Measured.over(street_best - fit_bounds[1:4].mean(0))
plots.bars(
    {name: gap.mean for name, gap in street_gaps.items()},
    "gap, nats per observation",
    errors={name: gap.standard_error for name, gap in street_gaps.items()},
    caption="Top: the approximation gap. Below: what an encoder loses to the best q of the family, "
    "and what a single fit from a random start loses.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# With a small encoder the network costs more than the family; enlarge it, and the family is what is left. The surprise is the last bar: a single fit loses as much as a good encoder, in another
# way. It is perfect for most observations and a whole peak off for a few; the encoder is a little off everywhere. In practice people join both: start the fit at the encoder's answer.
#
# </details>

# %% slideshow={"slide_type": "skip"}
lost = {
    "one fit, random start": street_best - fit_bounds[1:4],
    "encoder, 64 + 64 hidden": street_best - street_bounds["64 + 64 hidden"],
}
for name, loss in lost.items():
    print(
        f"{name:24} loses {loss.median().item():.3f} nats in the median, "
        f"more than half a nat for {100 * (loss > 0.5).double().mean().item():.1f} %"
    )
deficit = street_log_marginal - street_best  # [batch]
print(
    f"approximation gap: smallest {deficit.min().item():.3f}, largest {deficit.max().item():.3f}; "
    f"one of two equal peaks ignored: log 2 = {math.log(2):.3f}"
)

# %% [markdown] slideshow={"slide_type": "skip"}
# Two numbers need a word. The smallest gap is a little below zero, where no true gap can be: that is the Monte Carlo noise of `bounds`. The largest is above $\log 2$: one of two peaks is
# ignored there, and the one that is left is not Gaussian, which costs as well.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · In Pyro (optional)
#
# The same model and encoder, as two stochastic functions. The plate of section 2 is a line of code; it inserts the $N/B$ of
# section 3.

# %% slideshow={"slide_type": "fragment"}
import pyro
import pyro.distributions as dist
from pyro.infer import Trace_ELBO


def pyro_model(x, rows):
    with pyro.plate("data", len(x), subsample=rows):
        z = pyro.sample("latent", dist.Normal(torch.zeros(len(rows), 2), 1.0).to_event(1))
        mean = z @ weight.T + bias
        pyro.sample("obs", dist.Normal(mean, noise).to_event(1), obs=x[rows])


def pyro_guide(x, rows):
    pyro.module("guide", encoders["linear"])
    with pyro.plate("data", len(x), subsample=rows):
        q = encoders["linear"](x[rows]).base_dist
        pyro.sample("latent", dist.Normal(q.loc, q.scale).to_event(1))


# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Names tie guide to model; the plate says "independent", and with a subsample it multiplies what is inside by N/B. In the notebook both losses, on the same data, weights and seed, agree
# to float precision, on the whole data set and on a minibatch of it.
#
# </details>

# %% slideshow={"slide_type": "skip"}
with torch.no_grad():
    for words, rows in {
        "the whole": torch.arange(len(x)),
        "a minibatch": torch.arange(100, 120),
    }.items():
        torch.manual_seed(6)
        pyro_loss = Trace_ELBO().loss(pyro_model, pyro_guide, x, rows) / len(x)
        torch.manual_seed(6)
        our_loss = -Elbo(model, encoders["linear"])(x[rows]).value.mean().item()
        print(f"{words:12} Pyro, per observation {pyro_loss:.5f}   ours {our_loss:.5f} nats")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 15 · Results
#
# This small model is the workbook's own: no published number exists for it. Its ruler is the truth.

# %% slideshow={"slide_type": "skip"}
rows = {
    "family": (measured, f"{mean_field_gap:.4f}"),
    "encoder: linear": (amortization["linear"], "0"),
    "encoder: bottleneck": (amortization["bottleneck"], f"{bottleneck_gap:.4f}"),
    "encoder: wide": (amortization["wide"], "0, if ideal"),
    "encoder: wide, 30 seen": (amortization["wide, 30 seen"], ""),
}

# %% slideshow={"slide_type": "fragment"}
print(f"{'gap, nats per observation':28}{'measured':>18}   closed form")
for name, (gap, closed) in rows.items():
    print(f"{name:28}{gap.mean:9.4f} ± {gap.standard_error:.4f}   {closed}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The published study behind this lesson is Cremer, Li and Duvenaud 2018, on images. Two of its findings can be seen in the bar chart of section 13: loss can be the encoder's fault rather than the
# family's (there only in a network made tiny on purpose), and a larger encoder repairs it. A third cannot be seen here, because theta was given: a decoder that is trained together with its encoder adapts to it.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Cremer, Li and Duvenaud (2018) measured both gaps for VAEs on images, with annealed importance sampling in place of the truth. They found that poor inference is often the network's fault
# rather than the family's, and that a larger encoder closes the gap. (Section 13 shows both on a small scale: the network loses more than the family with 2 hidden units, less with 8 or 64 + 64.)
# A third finding needs lesson 02: when $\theta$ is learned together with $\phi$, the decoder bends its posterior towards what the family can say. Here $\theta$ was given.
#
# The errors are over observations. They say nothing of another training seed: change `seed` in `train_encoder` to see that. The one command that makes this table again is *Run All*.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Local latents are inside the plate: the same question, $N$ times. A minibatch stands for all of them, times $N/B$.
# - $\log p(x) = \mathrm{ELBO} + \mathrm{KL}(q \,\|\, p(z \mid x))$: to climb the bound *is* to approach the posterior.
# - The family costs the approximation gap, the network the amortization gap. They have different remedies, so measure them apart.
# - An encoder answers at once, and pays off once there are enough observations. Far from its data it errs, and does not know it.
# - A fit per observation asks the model itself, at any $x$; but it takes hundreds of gradient steps, each time anew.

# %% slideshow={"slide_type": "skip"}
progress()

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Go further
#
# - Start `fit_each` at the bottleneck's answer, with 20 steps instead of 300. How much of its amortization gap is gone? (Semi-amortized inference.)
# - Give the encoder of section 8 a full covariance. Which gap does that close, and what does the bottleneck then lose?
# - Move one beacon off the street. What happens to the family's gap, and why?
# - Train `"wide"` with `nn.ReLU` in place of `nn.Tanh` and draw section 11 again. How an encoder fails outside its data is decided by its form.
#
# ## References
#
# - S. Gershman, N. Goodman. Amortized inference in probabilistic reasoning. Annual Meeting of the Cognitive Science Society 2014.
# - D. P. Kingma, M. Welling. Auto-Encoding Variational Bayes. ICLR 2014. arXiv:1312.6114
# - D. J. Rezende, S. Mohamed, D. Wierstra. Stochastic Backpropagation and Approximate Inference in Deep Generative Models. ICML 2014. arXiv:1401.4082
# - M. D. Hoffman, D. M. Blei, C. Wang, J. Paisley. Stochastic Variational Inference. JMLR 2013. arXiv:1206.7051
# - D. M. Blei, A. Kucukelbir, J. D. McAuliffe. Variational Inference: A Review for Statisticians. JASA 2017. arXiv:1601.00670
# - C. Cremer, X. Li, D. Duvenaud. Inference Suboptimality in Variational Autoencoders. ICML 2018. arXiv:1801.03558
# - Y. Kim, S. Wiseman, A. Miller, D. Sontag, A. Rush. Semi-Amortized Variational Autoencoders. ICML 2018. arXiv:1802.02550
# - E. Bingham et al. Pyro: Deep Universal Probabilistic Programming. JMLR 2019. arXiv:1810.09538
