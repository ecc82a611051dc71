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
# # 05 · Richer priors and posteriors
#
# *Train the prior, give the guide two modes or a bend, and measure in nats what each of them buys.*
#
# **146 minutes** (99 reading and running, 47 exercises) · before this: [02 The variational autoencoder](02_variational_autoencoder.ipynb), and sections 2 and 8 of
# [04 The estimator laboratory](04_the_estimator_laboratory.ipynb)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# So far every VAE of this series had a standard normal prior and a Gaussian guide with independent coordinates. Ask what each of the two choices cannot express, and write the guesses on the board: which of the two costs more nats?
# The table of section 10 answers for one data set.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# The posteriors of the title are approximate ones: a richer posterior means a richer **guide** $q_\phi(z \mid x)$. The exact posterior $p_\theta(z \mid x)$ is always called *exact*.
#
# **You will be able to**
#
# 1. score grey pixels with a density, the continuous Bernoulli: its normaliser, with a gradient that is right at a logit of 0 (exercise 05.1);
# 2. say what the rate is made of (05.2), and read distortion, rate, bound and likelihood together;
# 3. recognise latent units that are not used, and write the rate of free bits (05.3);
# 4. write the density of a trained prior, the VampPrior (05.4), and look at what a trained prior has learned;
# 5. write the bound of a mixture guide with its component summed out (05.5), and a layer of a flow with its density (05.6);
# 6. say when a mixture guide stays a mixture (section 6), and compare the gradients of a many-sample bound by signal and noise (Predict, section 8).
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

import torch
from torch import nn
from torch.distributions import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    Independent,
    MixtureSameFamily,
    Normal,
    kl_divergence,
)

from helpers import plots, settings
from helpers.data import Batches, binarise_dynamically, load_images
from helpers.distributions import (
    AffineCouplingConditional,
    BernoulliConditional,
    ContinuousBernoulliConditional,
    GaussianConditional,
    InverseAutoregressiveConditional,
    MixtureOfGaussiansConditional,
    MixtureOfGaussiansPrior,
    PlanarFlowConditional,
    StandardNormalPrior,
    VampPrior,
)
from helpers.distributions.continuous_bernoulli import log_normaliser as log_normaliser_of_logits
from helpers.estimators import (
    ComponentThenPoint,
    DoublyReparameterised,
    Estimate,
    ImportanceWeighted,
    LeaveOneOut,
    Pathwise,
    ScoreFunction,
    StickingTheLanding,
)
from helpers.evaluation import Measured, active_units, component_use, evaluate_bound
from helpers.exercises import check, hint, progress, solution  # noqa: F401  hint and solution are for you to call
from helpers.experiments.rate_distortion import rate_distortion_sweep
from helpers.models import AmortizedGuide, AnalyticKlElbo, Elbo, LatentVariableModel
from helpers.networks import (
    ConvolutionalDecoder,
    ConvolutionalEncoder,
    FeedForward,
    count_multiply_adds,
    count_parameters,
)
from helpers.reproduce.rows import read_rows
from helpers.training import fit
from helpers.widgets.prior_learning import learn_priors, prior_learning
from helpers.widgets.rate_distortion import rate_distortion

# %% slideshow={"slide_type": "skip"}
settings.seed_everything(0)
data = load_images("fashion_mnist", size=28, fallback="digits")
train_images, train_labels = data.train.images[:20_000], data.train.labels[:20_000]
number_of_test = settings.budget(full=2000, smoke=100)
test_images, test_labels = data.test.images[:number_of_test], data.test.labels[:number_of_test]
greys = data.name == "fashion_mnist"
class_names = (
    ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
    if greys
    else tuple(map(str, range(10)))
)
# five epochs of 20,000 images, more of a small set
epochs = settings.budget(full=max(5, 100_000 // len(train_images)), smoke=1)
print(f"{data.name}: {len(train_images):,} training and {len(test_images):,} test images, {epochs} epochs a fit")

# %% [markdown] slideshow={"slide_type": "skip"}
# If a machine has neither FashionMNIST nor a network connection, the lesson runs on a small packaged set of digits, and the line above says so. Every cell works there too. The networks are small and the fits short, so that
# the whole lesson takes minutes on two cores: you compare fits of equal budget, not the best possible ones. In `settings.budget(full=2000, smoke=100)` you get the first number; the second is for
# a quick automatic test. Numbers in the text and in folded answers were seen on FashionMNIST.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · What a pixel is
#
# A grey pixel $x \in [0, 1]$ can be made a bit: 1 with probability $x$, drawn anew in each batch. Then a Bernoulli is right. If it stays a number, it needs a *density* on $[0, 1]$.
#
# Many VAEs put the grey itself into the Bernoulli's formula, $x \log \lambda + (1 - x) \log (1 - \lambda)$. With the logit $\eta = \log \frac{\lambda}{1 - \lambda}$,
#
# $$ \int_0^1 \lambda^x (1 - \lambda)^{1 - x}\, dx = \frac{\tanh(\eta / 2)}{\eta} \le \frac12, \qquad \text{so} \quad C(\eta) = \frac{\eta}{\tanh(\eta / 2)} $$
#
# is missing. With this factor the formula is a density: the **continuous Bernoulli**.

# %% slideshow={"slide_type": "fragment"}
logits = torch.tensor([-8.0, -2.0, -0.01, 2.0, 8.0]).double()
x = (torch.arange(20_000).double() + 0.5)[:, None] / 20_000  # midpoints of [0, 1]
as_bits = Bernoulli(logits=logits, validate_args=False).log_prob(x)
pixel = ContinuousBernoulliConditional((), (), nn.Identity())  # its network gives the logit
print("logit                  ", *(f"{value:7.2f}" for value in logits))
print("integral, Bernoulli    ", *(f"{value:7.4f}" for value in as_bits.exp().mean(0)))
print("integral, continuous B.", *(f"{value:7.4f}" for value in pixel(logits).log_prob(x).exp().mean(0)))

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Ask for the integral at λ = 1/2 before the cell is shown: the integrand is one half everywhere, so the integral is one half, and C is two. If λ is near 0 or 1, the integral goes to zero. So the missing factor differs between pixels and between images, and a model that is trained without it
# loses nothing if it leaves λ in the middle, where C is smallest. With bits the formula is a probability, and nothing is missing.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# The missing $\log C$ is $\log 2$ or more for each of 784 pixels (2.1 nats at a logit of 8), and it *depends on $\lambda$*, so it is not a constant that one may leave out. Train one VAE each way on the greys, and score both as densities, with $C$.
#
# **Predict.** The two have the same networks and the same budget. Is the one that was trained without $C$ behind by 10 nats, 100, or 1,000?
#
# <details><summary>Answer</summary>
#
# By about 1,000, on FashionMNIST: a nat or two a pixel, over 784 pixels. One caution: many pixels are *exactly* 0, where a density has no upper bound and grows with $|\eta|$. So a part of these nats is only being surer of exact black; the cell prints the share of such pixels.
# </details>

# %% slideshow={"slide_type": "skip"}
image_shape, latent = (1, 28, 28), 10
network = FeedForward((200,), activation=nn.ReLU)  # a recipe: every conditional builds a network of its own from it


def build(likelihood=BernoulliConditional, network=network, latent=latent, seed=0):
    """An untrained model and guide: standard normal prior, mean-field Gaussian guide."""
    torch.manual_seed(seed)
    model = LatentVariableModel(StandardNormalPrior(latent), likelihood((latent,), image_shape, network))
    return model, AmortizedGuide(GaussianConditional(image_shape, (latent,), network))


def train(objective, transform=binarise_dynamically, epochs=epochs, **options):
    """Fit on the training images, from a fixed seed."""
    torch.manual_seed(0)
    batches = Batches(train_images, batch_size=128, transform=transform)
    return fit(objective, batches, epochs=epochs, progress=False, **options)


# %% slideshow={"slide_type": "skip"}
for name, likelihood in {"without C": BernoulliConditional, "with C": ContinuousBernoulliConditional}.items():
    model, guide = build(likelihood)
    train(AnalyticKlElbo(model, guide), transform=None)
    as_density = ContinuousBernoulliConditional((latent,), image_shape, model.likelihood.network)
    scored = evaluate_bound(LatentVariableModel(model.prior, as_density), guide, test_images, num_samples=10)
    print(f"trained {name:9}  bound on the log density of the test images {scored.elbo} nats")
print(f"{100 * (test_images == 0).float().mean().item():.0f} % of the test pixels are exactly 0")

# %% [markdown] slideshow={"slide_type": "skip"}
# A density may be larger than 1, so these bounds may be positive. Do not compare them with bounds for bits, or between data sets. The mean of a continuous Bernoulli is not $\lambda$: to show an image, take `model(z).mean`, never the sigmoid of the logits.
#
# ### Near one half
#
# At $\eta = 0$ the formula is $0/0$, and near 0 the *gradient* $1/\eta - 1/\sinh \eta$ is a small difference of large numbers. PyTorch's own distribution works on $\lambda$ instead of $\eta$ and switches to a series near one half.

# %% slideshow={"slide_type": "skip"}
etas = torch.logspace(-3, 1, 41, dtype=torch.float64)
slope = 1 / etas - 1 / etas.sinh()  # of log C, in double precision


def relative_error(log_c):
    """Of the gradient of log C in single precision, against the slope."""
    eta = etas.float().requires_grad_()
    (gradient,) = torch.autograd.grad(log_c(eta).sum(), eta)
    return ((gradient.double() - slope) / slope).abs().clamp_min(1e-9)


contenders = {
    "PyTorch's": lambda eta: ContinuousBernoulli(logits=eta)._cont_bern_log_norm(),
    "as the formula stands": lambda eta: (eta / (eta / 2).tanh()).log(),
    "from the logit, with series": log_normaliser_of_logits,
}
errors = {name: relative_error(log_c) for name, log_c in contenders.items()}
untrained = build()[0](torch.randn(100, latent)).base_dist.logits
print(
    f"an untrained decoder: {100 * (untrained.abs() < 0.1).float().mean().item():.0f} % of its logits are within 0.1 of 0"
)

# %% slideshow={"slide_type": "skip"}
plots.curves(
    {name: (etas, error) for name, error in errors.items()},
    "logit η",
    "relative error of the gradient",
    xscale="log",
    yscale="log",
    size=(820, 360),
    alt="Line chart of the relative error of the gradient against the logit, both axes logarithmic. "
    + " ".join(
        f"{name}: at most {error.max():.0e}, at η = {etas[error.argmax()]:.3f}, and {error[-1]:.0e} at 10."
        for name, error in errors.items()
    ),
    caption="How wrong the gradient of log C in the logit is, in single precision. An error of 1 means that no digit is right.",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# Near a logit of 0 the formula as it stands loses its digits, and PyTorch's gradient is nearly all wrong just outside its own series. The package computes from the logit, with a long series near zero, and keeps five digits or more everywhere. It matters: an untrained decoder has a third of its logits there. Two terms after
# $\log 2$, up to a logit of 0.1, are right to single precision; just above 0.1 the formula keeps about four digits. That is the exercise.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 05.1 · ●●○ · 11 minutes
#
# Write the continuous Bernoulli's log-normaliser, $\log C = \log \dfrac{\eta}{\tanh(\eta / 2)}$ in nats, from the logit $\eta$. At $\eta = 0$ that is $0/0$: where $|\eta| < 0.1$ take its series, $\log 2 + \eta^2 / 12 - 7 \eta^4 / 1440$. Value *and gradient* must be right everywhere, at $\eta = 0$ and at $\eta = 800$ too.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-05.1"]
def log_normaliser(logits):
    """log C in nats of the density C exp(x log p + (1 - x) log(1 - p)) on [0, 1], p = sigmoid(logit).

    log C = log(logit / tanh(logit / 2)); where |logit| < 0.1, log 2 + logit² / 12 - 7 logit⁴ / 1440.
    Value and gradient are right at 0 exactly. logits: [batch, pixels] → [batch, pixels].
    """
    ...  # your code


check("05.1", log_normaliser)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Eleven minutes. The value is the easy part. Ask what autograd does with `torch.where(small, series, formula)` at zero: it differentiates both branches and multiplies the unwanted gradient by zero, and zero times infinity is NaN. The cure is to give the
# unwanted branch a harmless argument. Large logits are the second trap: a sinh or an exp overflows, a tanh does not.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Stuck? `hint("05.1")` gives a nudge; call it again for the formula, and again for the first line. `solution("05.1")` shows a solution. Nothing later depends on your answers. From here on, pixels are bits, drawn anew in each batch.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · One bound, four numbers
#
# $$ \underbrace{D}_{\text{distortion}} = \mathbb E_q[-\log p(x \mid z)], \qquad \underbrace{R}_{\text{rate}} = \mathbb E_q\!\left[\log \tfrac{q(z \mid x)}{p(z)}\right]. $$
#
# The bound is $-(D + R) \le \log p(x)$. With $S$ samples *inside* the logarithm,
#
# $$ \mathcal L_S = \mathbb E\Big[\log \tfrac1S \sum_s \tfrac{p(x, z_s)}{r(z_s)}\Big] \;\le\; \log p(x), \qquad z_s \sim r. $$
#
# It rises with $S$ towards $\log p(x)$. If $r = p(z)$ it is the **naive** bound, if $r = q(z \mid x)$ the **importance-weighted** one. A model trained on $\mathcal L_S$ is an **IWAE**. Report all four: $D$, $R$, the bound and the importance-weighted likelihood.

# %% slideshow={"slide_type": "skip"}
torch.manual_seed(1)
x_test = binarise_dynamically(test_images)  # the same bits for every evaluation below


def report(name, model, guide):
    """The four numbers on test images, printed, and returned."""
    torch.manual_seed(2)
    result = evaluate_bound(model, guide, x_test, settings.budget(full=50, smoke=3))
    print(
        f"{name:22} distortion {result.distortion}   rate {result.rate}   bound {result.elbo}   "
        f"log p(x) > {result.log_marginal_is}"
    )
    return result


model, guide = build()
train(AnalyticKlElbo(model, guide))
standard = report("standard VAE", model, guide)
iwae_model, iwae_guide = build()
train(Elbo(iwae_model, iwae_guide, ImportanceWeighted(), num_samples=5))
iwae = report("IWAE, 5 samples", iwae_model, iwae_guide)

# %% [markdown] slideshow={"slide_type": "skip"}
# The errors are standard errors over images. Both models saw the same images, so the difference between them is surer than the errors suggest. The IWAE was trained on $\mathcal L_5$, not on the *bound* with one sample, and there it is behind. The distance from bound to $\log p(x)$ is also the most that a richer guide can win while the decoder stays as it is. (To quote a likelihood, double $S$ until it changes by less than the precision you need.)
#
# **Predict.** The rate of a standard VAE is about 15 nats. How many draws from the *prior* does the naive bound need before it is as good as one draw from $q$?
#
# <details><summary>Answer</summary>
#
# More than the thousand that were tried. A draw from the prior lands where the guide has its mass about once in $e^{R}$ draws: once in three million, for 15 nats. The naive bound is better than that sounds, because near misses count a little; but with a thousand draws it is still about 15 nats behind a single draw from $q$.
# </details>


# %% slideshow={"slide_type": "skip"}
class PriorAsProposal(nn.Module):
    """r(z) = p(z), whatever x is: then log p(x, z) - log r(z) = log p(x | z), the naive bound's."""

    def __init__(self, prior):
        super().__init__()
        self.prior = prior

    def forward(self, x):
        return self.prior(x.shape[:1])


few = x_test[: settings.budget(full=200, smoke=20)]
numbers = settings.budget(full=[1, 10, 100, 1000], smoke=[1, 10])
tightness = {}
for name, proposal in {"naive": PriorAsProposal(model.prior), "importance-weighted": guide}.items():
    torch.manual_seed(3)
    found = [evaluate_bound(model, proposal, few, number).log_marginal_is.mean for number in numbers]
    tightness[name] = (torch.tensor(numbers), torch.tensor(found))

# %% slideshow={"slide_type": "fragment"}
plots.curves(
    tightness,
    "samples S",
    "bound on log p(x), nats",
    xscale="log",
    size=(820, 300),
    caption="One model, two proposals, the first test images. Both have the same limit, and the naive bound needs far more samples to come near it.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Cover the figure, and ask how many draws from the prior are worth one from q. More than a thousand; the exponential of the rate would say millions. Quote the importance-weighted curve as an estimate of log p(x), together with its number of samples. The
# notebook prints the four numbers for a VAE and an IWAE: which of them would you quote to make your own model look good? That is why all four are reported.
#
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Many images at one $z$
#
# A decoder outputs a distribution over *images*, $p(x \mid z) = \prod_d p(x_d \mid z)$. Its mean is what is usually shown. Draw from it several times, with $z$ held fixed.

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(5)
with torch.no_grad():
    given = x_test[:4]
    p_x = model(guide(given).sample())  # one z for each image
    draws = [p_x.sample() for _ in range(4)]  # four images at the same z
plots.image_grid(
    torch.stack([test_images[:4], given, p_x.mean, *draws], 1),  # [4, 7, 1, 28, 28]
    column_labels=["grey", "its bits", "mean", "draw 1", "draw 2", "draw 3", "draw 4"],
    ink="light" if greys else "dark",
    alt="Four rows of seven pictures: a grey test image, the bits drawn from it, the mean of p(x | z) at one z, which is smooth, and four draws at this z, "
    "which have one outline and differ in speckle.",
    caption="Each row: an image, and p(x | z) at one z drawn from q(z | x). Draws at the same z share the outline and differ in speckle, as the bits differ from the grey image.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Given z, pixels are independent: whatever one pixel tells about another comes through z. So draws at one z differ in speckle only, and the outline comes from z. Ask which column is a sample of the model: the draws, not the mean. Most of the distortion is the speckle of the data
# itself: bits are drawn from greys, and that draw has an entropy of its own, which the next cell of the notebook prints.
#
# </details>

# %% slideshow={"slide_type": "skip"}
floor = Bernoulli(probs=test_images).entropy().flatten(1).sum(1).mean().item()
print(f"distortion + rate = {-standard.elbo.mean:.1f} nats; the draw of the bits from the greys alone has {floor:.1f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# Given $z$ the pixels are independent, so whatever one pixel tells about another must come through $z$. The speckle is not the model's fault: the data's bits were drawn from greys in the same way. The entropy of that draw is the second number, and on average no model's $D + R$ can be below it. Models compete for the rest.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · The rate-distortion plane
#
# Every trained model is a *point*: rate across, distortion up. The bound $-(D + R)$ is constant along lines of slope $-1$. A **rate weight** $\beta$ in $-(D + \beta R)$ changes the price of a nat of rate, and moves the point.
#
# The rate, averaged over $N$ images, is a sum of two parts:
#
# $$ \bar R = \underbrace{I_q(x; z)}_{\text{what } z \text{ tells about } x} + \underbrace{\mathrm{KL}\big(q(z) \,\|\, p(z)\big)}_{\text{how wrong the prior is}}, \qquad q(z) = \tfrac1N \sum_i q(z \mid x_i). $$
#
# So the rate *bounds* the mutual information from above, and equals it if the prior is the **aggregate posterior** $q(z)$.

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Derive it in one line: add and subtract log q(z) inside the rate; the notebook has it, folded away. The first term does not depend on the prior. The second is the only place in the whole bound where the prior stands: so this formula already says what section 5 has to do. Draw the plane
# on the board, with three lines of equal bound, before the explorer shows it.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>Why the rate splits in two</summary>
#
# Write the averaged rate, and add and subtract $\log q(z)$:
#
# $$ \bar R = \frac1N \sum_i \mathbb E_{q(z \mid x_i)}\Big[\log \frac{q(z \mid x_i)}{p(z)}\Big] = \frac1N \sum_i \mathbb E_{q(z \mid x_i)}\Big[\log \frac{q(z \mid x_i)}{q(z)}\Big] + \frac1N \sum_i \mathbb E_{q(z \mid x_i)}\Big[\log \frac{q(z)}{p(z)}\Big]. $$
#
# In the last term the function $\log \frac{q(z)}{p(z)}$ does not depend on $i$. Drawing an image at random and then $z$ from its $q(z \mid x_i)$ is drawing $z$ from $q(z)$, so the term is $\mathbb E_{q(z)}\big[\log \frac{q(z)}{p(z)}\big] = \mathrm{KL}(q(z) \,\|\, p(z))$.
#
# For the first term take the joint distribution of an image's index and its code, $q(i, z) = \frac1N\, q(z \mid x_i)$, with marginals $\frac1N$ and $q(z)$. The term is $\mathbb E_{q(i, z)}\big[\log \frac{q(i, z)}{q(i)\, q(z)}\big]$, the mutual information of index and code. It is the entropy of the index, $\log N$, minus what $z$ leaves
# open about the index, which is not negative. So it lies between 0 and $\log N$. Both parts are KL divergences, so neither is negative.
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# **Predict.** A model at $\beta = 3$ and one at $\beta = 0.3$: which of them has the better *bound*? Which has the sharper reconstructions, and which the better samples?
#
# <details><summary>Answer</summary>
#
# By a few nats the one at $\beta = 0.3$; but both were trained for another objective, and are behind $\beta = 1$. The cheap rate, $\beta = 0.3$, has the sharper reconstructions, because its codes tell more. Its samples are worse than its reconstructions suggest, because
# its prior is further from where its codes are. Table, chart and explorer show it.
# </details>

# %% slideshow={"slide_type": "skip"}
rate_weights = settings.budget(full=[0.1, 0.3, 1.0, 3.0, 10.0, 30.0], smoke=[0.3, 1.0, 10.0])
points = rate_distortion_sweep(
    build,
    Batches(train_images, batch_size=128, transform=binarise_dynamically),
    x_test,
    rate_weights,
    epochs,
    objective=AnalyticKlElbo,
    num_samples=settings.budget(full=10, smoke=2),
)

print("weight   distortion      rate     bound   active units")
for point in points:
    found = point.evaluation
    print(
        f"{point.rate_weight:6.2f} {found.distortion.mean:12.2f} {found.rate.mean:9.2f} {found.elbo.mean:9.2f} "
        f"{point.units.count:8d}"
    )

# %% [markdown] slideshow={"slide_type": "skip"}
# Distortion falls as rate rises, and the best bound is at $\beta = 1$, which trains for it. *Active* units of $z$ are those whose mean under $q(z \mid x)$ varies over images, with a variance above 0.01.
#
# Next, the split. $I(x; z)$ as the formula has it, over $N$ images, cannot exceed $\log N$: a code that names its image among $N$ cannot say more about which one it is. So take all $N$ training images, and bound from both sides what $z$ tells about images *in general* (the information with the data distribution in place of the $N$ images): the formula's $I$ bounds it from below. If image $i$ is left out
# of its own $q(z_i)$, which then averages the other $N - 1$ images only, the same mean bounds it from above (Poole and others 2019), and so does the rate.


# %% slideshow={"slide_type": "skip"}
@torch.no_grad()
def split(model, guide, images, draws=1000):
    """I(x; z) over these images, an upper bound on it for images in general, and KL(q(z) || p(z)): means over draws."""
    torch.manual_seed(4)
    q = guide(images)
    z = q.sample()[:draws]  # one from each of the first images
    log_q = torch.stack([q.log_prob(point) for point in z])  # [i, j] = log q(z_i | x_j)
    own = log_q.diagonal().clone()  # log q(z_i | x_i)
    log_aggregate = log_q.logsumexp(1) - math.log(len(images))
    log_prior = model.prior(z.shape[:1]).log_prob(z)
    log_q.diagonal().fill_(-torch.inf)  # image i left out of its own row
    log_of_others = log_q.logsumexp(1) - math.log(len(images) - 1)
    at_most = min((own - log_of_others).mean().item(), (own - log_prior).mean().item())
    return (own - log_aggregate).mean().item(), at_most, (log_aggregate - log_prior).mean().item()


torch.manual_seed(3)
x_train = binarise_dynamically(train_images)
splits = torch.tensor([split(point.model, point.guide, x_train) for point in points])  # [models, 3]
for point, (information, at_most, divergence) in zip(points, splits.tolist(), strict=True):
    print(
        f"weight {point.rate_weight:5.2f}   I(x; z) over the training images {information:5.2f}, in general at most {at_most:5.2f}   "
        f"KL(q(z) || p(z)) {divergence:5.2f}"
    )

# %% slideshow={"slide_type": "fragment"}
plots.curves(
    {
        "I in general, at most": (rate_weights, splits[:, 1]),
        "I(x; z), these images": (rate_weights, splits[:, 0]),
        "KL(q(z) || p(z))": (rate_weights, splits[:, 2]),
    },
    "rate weight β",
    "nats an image",
    references={"ceiling log N": math.log(len(x_train))},
    xscale="log",
    size=(820, 320),
    caption=f"The parts of the rate, with the aggregate of all {len(x_train):,} training images. What z tells about images in general lies between the two curves named I.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Read it from the right. Where rate is expensive, the two curves of the information are one: it is known to a tenth of a nat, and most of the rate is information. Where rate is cheap, the lower curve lies at the ceiling: it says no more than that z names its training image. The rest of the rate is KL.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# For $\beta \ge 3$ both bounds agree to about a tenth of a nat. At $\beta = 1$ they are two nats apart, and for cheaper rates $I(x; z)$ stands at its ceiling, $\log N$: there it measures the number of images, not the code. A rate far above the ceiling must be mostly KL: the codes of $N$ images are $N$ separate islands, and no smooth
# prior fits islands. A prior with $N$ islands would, but it would fit these images only.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The plane
#
# Images are bits; reconstructions and samples are means of pixels. Thin lines join places of equal bound. **Find** how many nats of distortion *one* nat of rate saves between neighbouring models: read the slope of the curve, and compare it with the rate weights of the two. Then follow the samples from one end to the other.

# %% slideshow={"slide_type": "fragment"}
rate_distortion(points, x_test, ink="light" if greys else "dark")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Move the slider from the most expensive rate to the cheapest. Where rate is most expensive, all reconstructions are alike: the code tells little. Where it is cheapest they are sharp, and the samples are worse than the reconstructions, because draws from the prior fall between the codes. All points on a thin line
# have the same bound; the dashed line is the chosen model's. The curve touches the best line where its own slope is -1, which is at weight 1.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>Answer</summary>
#
# On FashionMNIST a nat of rate saves about 19 nats of distortion between the weights 30 and 10, then 5.2, 2.0, 0.8, and 0.15 between 0.3 and 0.1. Each lies between the two weights: at the lowest $D + \beta R$ the slope of the curve is $-\beta$, because otherwise a little more or less rate would pay. So the best bound is where the slope is $-1$, and the
# curve touches a line of equal bound there. Samples suffer at both ends. If rate is very cheap, the prior's draws fall between the codes and decode to mixtures of things; if it is very expensive, the few units left in use can tell few images apart.
# </details>

# %% slideshow={"slide_type": "skip"}
for cheap, costly in zip(points, points[1:], strict=False):  # neighbours, by rising weight
    more, less = cheap.evaluation, costly.evaluation  # of rate
    saved = (less.distortion.mean - more.distortion.mean) / (more.rate.mean - less.rate.mean)
    print(
        f"weights {cheap.rate_weight:g} and {costly.rate_weight:g}: {saved:.2f} nats of distortion saved by a nat of rate"
    )

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 05.2 · ●●○ · 8 minutes
#
# Split the rate: return the mutual information $\frac 1 N \sum_i \big[\log q(z_i \mid x_i) - \log q(z_i)\big]$ and the marginal divergence $\frac 1 N \sum_i \big[\log q(z_i) - \log p(z_i)\big]$, where $q(z) = \frac 1 N \sum_j q(z \mid x_j)$ is the aggregate posterior. `log_q[i, j]` is $\log q(z_i \mid x_j)$, and may be far too small for its exponential.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-05.2"]
def split_rate(log_q, log_prior):
    """The rate in two parts, in nats: I(x; z) under q, and KL(q(z) || p(z)), q(z) = 1/N sum_j q(z | x_j).

    log_q[i, j] = log q(z_i | x_j), where z_i was drawn from q(z | x_i): [images, images].
    log_prior: log p(z_i), [images] → the two parts, each a mean over the z_i, [] and [].
    """
    ...  # your code


check("05.2", split_rate)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Eight minutes. Which index is summed for the aggregate? The row is the point z_i, the column an image that might have made it. So the logsumexp runs along the row, over the columns, and the diagonal holds the image that did make it. Ask for the answer if q(z | x) equals the prior for every x (zero
# and zero) and if they do not overlap (log N, and the rest).
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Posterior collapse
#
# A unit of $z$ that is not used costs no rate: $q(z_d \mid x) = p(z_d)$. Early in training that is the best choice for most units, because the decoder does not use the code yet. A deep decoder learns slowly to use it. By then the guide has become the prior, and the code holds nothing to use: **posterior collapse**.
#
# Two cures. **Annealing**: begin with rate weight 0 and raise it to 1. **Free bits**: each unit is charged a floor in any case, so a rate up to the floor costs nothing extra,
#
# $$ R_\text{free} = \sum_d \max\big(\text{floor},\; \mathbb E_x\, \mathrm{KL}(q(z_d \mid x) \,\|\, p(z_d))\big). $$

# %% [markdown] slideshow={"slide_type": "skip"}
# **Predict**, before you run it: which cure brings *all* units into use, and what happens to the rate of the annealed model when its weight has risen to 1?
#
# <details><summary>Answer</summary>
#
# Free bits: if half a nat is charged in any case, no unit gains by being unused. The annealed model starts with a rate of some fifty nats and loses most of it as the weight rises. Annealing changes where training *starts*, a floor changes where it may end. Without a cure the fit collapses for two epochs and then recovers a few units; all rates still rise at the end, so this compares speeds too, on one seed.
# </details>


# %% slideshow={"slide_type": "skip"}
class FreeBits(nn.Module):
    """Reports the ELBO; what it climbs has a rate with a floor for each unit, and a weight."""

    def __init__(self, model, guide, floor=0.0):
        super().__init__()
        self.model, self.guide, self.floor, self.rate_weight = model, guide, floor, 1.0

    def forward(self, x):
        q = self.guide(x)
        distortion = -self.model(q.rsample()).log_prob(x)  # [batch]
        each = kl_divergence(q.base_dist, Normal(torch.zeros_like(q.mean), 1.0))  # [batch, latent]
        counted = each.mean(0).clamp_min(self.floor).sum()  # no gradient below the floor
        rate = each.sum(-1).detach()
        value = -distortion.detach() - rate
        return Estimate(
            value, -distortion - self.rate_weight * counted, {"distortion": distortion.detach(), "rate": rate}
        )


# %% slideshow={"slide_type": "skip"}
deep = FeedForward((200, 200, 200), activation=nn.Sigmoid)  # slow to learn to use a code
longer = settings.budget(full=max(6, 100_000 // len(train_images)), smoke=1)
rates, collapse = {}, {}
for name, floor in {"plain": 0.0, "annealed": 0.0, "free bits": 0.5}.items():
    deep_model, deep_guide = build(network=deep)
    objective = FreeBits(deep_model, deep_guide, floor)

    def raise_weight(epoch, history, objective=objective):
        objective.rate_weight = min(1.0, 2 * epoch / longer)

    if name == "annealed":
        objective.rate_weight = 0.0
    history = train(objective, epochs=longer, after_epoch=raise_weight if name == "annealed" else None)
    result = report(name, deep_model, deep_guide)
    collapse[name] = active_units(deep_guide, x_test).count, result
    rates[name] = [max(value, 1e-3) for value in history.train["rate"]]  # for a logarithmic axis
    some = rates[name][:: -(-longer // 6)]
    print(
        f"{'':22} {collapse[name][0]} of {latent} units in use; rate in training, from the first epoch on:",
        *(f"{value:.1f}" for value in some),
    )

# %% slideshow={"slide_type": "fragment"}
plots.curves(
    rates,
    "epoch",
    "rate, nats",
    yscale="log",
    size=(820, 300),
    caption="Three hidden layers each way, ten units. " + " ".join(
        f"{name.capitalize()}: {count} of {latent} units in use, bound {result.elbo.mean:.1f} nats." for name, (count, result) in collapse.items()
    ),
)  # fmt: skip

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Cover the names, and ask which curve is which: which one starts high? The annealed model begins with a rate that costs nothing, and much of it; as the weight rises it loses most of it. Free bits keep every unit in use. Compare the bounds in the caption: here the model with more units in use also has the better bound,
# but the annealed one has fewer units than the plain one, and a better bound.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# With free bits all ten units are in use, and the bound is better than without, at the same budget. Annealing works differently: on FashionMNIST it ends with *fewer* units than the plain fit, at a higher rate and with a better bound. The number of units is not the amount of information.
#
# A unit that ends at the floor is there because you set the floor. And collapse need not be a failure of training: if the decoder can explain the image without a code (for example because it sees the previous pixels), an unused code is the *optimum* of the bound, and a floor makes the bound worse.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 05.3 · ●○○ · 4 minutes
#
# Write the rate with free bits: the KL of each coordinate, $\mathrm{KL}(\mathcal N(\mu, \sigma^2) \,\|\, \mathcal N(0, 1)) = (\mu^2 + \sigma^2 - 1)/2 - \log \sigma$, averaged over the batch, counted as `floor` nats where it is less, and summed over coordinates. A coordinate below the floor gets no gradient.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-05.3"]
def free_bits_rate(loc, scale, floor):
    """The rate with free bits in nats: a coordinate's mean KL to N(0, 1), or `floor` if less, summed.

    q(z | x) = N(loc, scale²), loc and scale: [batch, latent]; floor: nats per coordinate, a float.
    KL(N(m, s²) || N(0, 1)) = (m² + s² - 1) / 2 - log s; its mean is over the batch → [].
    """
    ...  # your code


check("05.3", free_bits_rate)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Four minutes. Two decisions: the mean over the batch comes before the floor, the sum over units after it. Ask what the other order does: a floor for each image charges a unit even for images that do not need it. Below the floor the gradient is zero, and autograd does that by itself.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · Richer priors
#
# In $\bar R = I_q(x; z) + \mathrm{KL}(q(z) \,\|\, p(z))$ only the second term depends on the prior. So for a given encoder the best prior *is* the aggregate posterior, a mixture of as many components as images: too slow, and overfitted. Take fewer components, and train them:
#
# - **Mixture of Gaussians**: $p(z) = \sum_k w_k\, \mathcal N(z \mid \mu_k, \mathrm{diag}\,\sigma_k^2)$, all free parameters.
# - **VampPrior**: $p(z) = \frac1K \sum_k q_\phi(z \mid u_k)$: the guide averaged over *pseudo-inputs* $u_k$, pictures that are trained.
#
# The KL no longer has a closed form; `Elbo` estimates the rate by sampling.

# %% slideshow={"slide_type": "skip"}
components = 16


def with_prior(make_prior, seed=0):
    """An untrained model with the prior that `make_prior` makes of the guide's conditional."""
    torch.manual_seed(seed)
    q = GaussianConditional(image_shape, (latent,), network)
    p = BernoulliConditional((latent,), image_shape, network)
    return LatentVariableModel(make_prior(q), p), AmortizedGuide(q)


# %% slideshow={"slide_type": "skip"}
some_images = train_images[torch.randperm(len(train_images))[:components]]
priors = {
    "standard normal": lambda q: StandardNormalPrior(latent),
    "mixture of Gaussians": lambda q: MixtureOfGaussiansPrior(latent, components),
    "VampPrior": lambda q: VampPrior(q, some_images),
}
fitted = {}
for name, make_prior in priors.items():
    fitted[name] = with_prior(make_prior)
    networks = [*fitted[name][0].likelihood.parameters(), *fitted[name][1].parameters()]
    of_prior = list(fitted[name][0].prior.parameters())  # they have far to go: a learning rate ten times as large
    groups = [{"params": networks}, *([{"params": of_prior, "lr": 1e-2}] if of_prior else [])]
    train(Elbo(*fitted[name]), optimizers=torch.optim.Adam(groups, lr=1e-3, fused=True))

# %% slideshow={"slide_type": "fragment"}
print("I(x; z) and KL over the training images; I ≤ holds for images in general:")
print(f"{'':22} distortion   rate     bound   log p(x) >     I(x; z) + KL(q||p)   I ≤")
for name, (each_model, each_guide) in fitted.items():
    torch.manual_seed(2)
    found = evaluate_bound(each_model, each_guide, x_test, settings.budget(full=50, smoke=3))
    information, at_most, divergence = split(each_model, each_guide, x_train)
    print(
        f"{name:22} {found.distortion.mean:10.2f} {found.rate.mean:6.2f} {found.elbo.mean:9.2f} "
        f"{found.log_marginal_is.mean:12.2f} {information:11.2f} + {divergence:.2f} {at_most:9.2f}"
    )
print(f"ceiling of I(x; z): log N = {math.log(len(x_train)):.2f} nats")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# What did the richer priors change most? The KL, and with it the rate. Why all training images? With N images the information cannot exceed log N: with few images it is at that ceiling for every prior, and the KL is the rate minus a constant. Ask whether a nat saved in rate is a nat gained in the bound. Not quite, because the networks change too. Why must a mixture
# start from different components? Equal ones get equal gradients and stay equal.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Both trained priors lower the rate, and most of the saving is a smaller $\mathrm{KL}(q(z) \,\|\, p(z))$. On FashionMNIST the VampPrior's codes also tell a little less about their images: a prior does not only follow the codes, it shapes them.
#
# **Predict**, for the explorer: with two latents, where will a trained prior put its components: on the classes, on the edges of the cloud of codes, or where most codes are?
#
# <details><summary>Answer</summary>
#
# Where most codes are. The prior sees no classes; if a class has a cloud of its own, a component goes there because of the cloud. Watch the codes as well: prior and codes adapt to each other.
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Watch a prior learn
#
# Two latents, so that everything can be seen: codes of images, and the prior's contours, epoch by epoch. The trained priors have 8 components; a cross marks each that has more than 1 % of the weight. **Find** (a) the epoch in which the marginal KL of each trained prior falls most; in the map, what moved then, the prior or the codes? (b) a
# prior that loses components; (c) the prior whose codes spread widest.

# %% slideshow={"slide_type": "skip"}
few = train_images[:4000]
runs = learn_priors(few, epochs=settings.budget(full=max(10, 24_000 // len(few)), smoke=2), batch_size=50)

# %% slideshow={"slide_type": "fragment"}
prior_learning(runs)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Start with the standard prior: the codes keep to its scale, but leave holes in it and lie beyond its contours; that is the marginal KL. Then the mixture, epoch by epoch: its components move to the codes, and the codes spread out. Then Vamp: its components are encodings of pictures, so they move with the codes; at first they
# are narrow islands that cover little, and the bound is low.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>Answer</summary>
#
# On FashionMNIST: (a) in the second epoch, for both, and prior and codes move together. The mixture stretches to codes that lay outside; Vamp's codes spread, and its components, narrow islands after the first epoch, widen to cover them. (b) The mixture: of 8 crosses 6 are left, because the weights of two components fall below 1 %. (c) Vamp's, with
# standard deviations above 6, then the mixture's; under the standard prior they come down to about 1.4. A trained prior sets no scale for $z$, so wide codes cost nothing.
# </details>

# %% slideshow={"slide_type": "skip"}
for name, run in runs.items():
    kl = torch.tensor([one.marginal_kl for one in run.snapshots])
    steepest, last = kl.diff().argmin().item() + 1, run.snapshots[-1]
    print(
        f"{name:9} marginal KL falls most up to epoch {run.snapshots[steepest].epoch}, from {kl[steepest - 1]:.2f} to {kl[steepest]:.2f}; at the end "
        f"{int((last.weights > 0.01).sum())} components above 1 %, codes' standard deviations {last.codes.std(0)[0]:.1f} and {last.codes.std(0)[1]:.1f}"
    )

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Look at a trained prior
#
# Ten dimensions cannot be seen at once, so look at one coordinate at a time, then at pairs, then at a map. You see draws of the aggregate posterior, $z \sim q(z \mid x)$ for test images, and the density of the mixture prior. How often is each component responsible for a code, and is that its weight?

# %% slideshow={"slide_type": "skip"}
mixture_model, mixture_guide = fitted["mixture of Gaussians"]
with torch.no_grad():
    q_test = mixture_guide(x_test)  # batch_shape [images]
    z_test = q_test.sample()  # [images, latent]
    p_z = mixture_model.prior()
weights = p_z.mixture_distribution.probs.detach()  # [components]
places, spreads = (getattr(p_z.component_distribution.base_dist, name).detach() for name in ("loc", "scale"))


def coordinate_densities(t):
    """The prior's density in each coordinate. t: [G] → [G, latent]."""
    return (weights[:, None] * Normal(places, spreads).log_prob(t[:, None, None]).exp()).sum(1)


with torch.no_grad():
    used = (p_z.mixture_distribution.logits + p_z.component_distribution.log_prob(z_test[:, None])).softmax(1).mean(0)
print("weights w_k:             ", *(f"{value:.3f}" for value in weights))
print("responsible, test images:", *(f"{value:.3f}" for value in used))
print(f"KL of the second from the first: {torch.xlogy(used, used / weights).sum().item():.3f} nats")

# %% slideshow={"slide_type": "skip"}
plots.histograms(
    z_test,
    label="aggregate posterior",
    density={"mixture prior": coordinate_densities},
    columns=5,
    caption="Bars: codes of test images. Line: the trained prior, which follows them coordinate by coordinate.",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Two coordinates at a time
#
# Grey: the codes of four hundred test images together, as the density $q(z)$. Does the trained prior (blue, dashed) have their shape? A standard normal would not.


# %% slideshow={"slide_type": "skip"}
def pair_density(log_weights, loc, scale, pair):
    """Log density of two coordinates of a mixture of Gaussians: points [G, 2] → [G]."""
    loc, scale = loc[:, pair], scale[:, pair]  # [components, 2]
    return lambda at: (log_weights + Normal(loc, scale).log_prob(at[:, None]).sum(-1)).logsumexp(1)


shown = z_test.var(0).argsort(descending=True)[:4].tolist()  # the four coordinates that vary most
pairs = [(shown[0], shown[1]), (shown[0], shown[2]), (shown[1], shown[3])]
most = min(400, len(x_test))  # images: their q(z | x) make the aggregate
of_images = torch.full((most,), -math.log(most))
panels = {}
for pair in pairs:
    densities = {
        "aggregate posterior": pair_density(
            of_images, q_test.base_dist.loc[:most], q_test.base_dist.scale[:most], list(pair)
        ),
        "mixture prior": pair_density(weights.log(), places, spreads, list(pair)),
        "standard normal": lambda at: -0.5 * at.square().sum(-1),
    }
    panels[f"$z_{{{pair[0] + 1}}}$ and $z_{{{pair[1] + 1}}}$"] = densities
reach = 1.15 * z_test[:, shown].abs().max().item()

# %% slideshow={"slide_type": "skip"}
plots.contours(
    panels,
    xlim=(-reach, reach),
    ylim=(-reach, reach),
    resolution=settings.budget(full=101, smoke=31),
    xlabel="first coordinate",
    ylabel="second coordinate",
    size=(960, 380),
    caption="Three pairs of coordinates: half and 95 % of the mass of each density. The trained prior has the shape of the codes; the standard normal, drawn for comparison, has not.",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# The difference between grey and circles is what a fixed standard normal would cost for these codes. The trained prior learned their shape from the rate alone.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### What does a component draw?
#
# A hundred labelled images give the components names. Each image votes with its responsibilities $p(k \mid z) \propto w_k\, \mathcal N(z \mid \mu_k, \mathrm{diag}\,\sigma_k^2)$, and a component takes the class with the most votes. A component with less than one vote gets “–” in place of a name: hardly a code is near it, and what its middle decodes to means little.


# %% slideshow={"slide_type": "skip"}
@torch.no_grad()
def responsibilities(images):
    """p(k | z) at one code of each image: [images, components]."""
    torch.manual_seed(5)
    z = mixture_guide(binarise_dynamically(images)).sample()
    log_joint = weights.log() + Independent(Normal(places, spreads), 1).log_prob(z[:, None])
    return log_joint.softmax(1)


# %% slideshow={"slide_type": "skip"}
labelled = torch.cat([(train_labels == label).nonzero()[:10, 0] for label in range(10)])  # 10 of each class
votes = torch.zeros(components, 10).index_add(
    1, train_labels[labelled], responsibilities(train_images[labelled]).T
)  # [components, classes]
nameless = len(class_names)
meaning = torch.where(votes.sum(1) < 1, nameless, votes.argmax(1))  # [components]
names_or_none = (*class_names, "–")
responsible = responsibilities(test_images).argmax(1)  # [images]
right = (meaning[responsible] == test_labels).float().mean().item()
print(f"{100 * right:.0f} % of test images are of the class of their component; guessing would give 10 %")
print("components without a name:", [k + 1 for k in range(components) if meaning[k] == nameless] or "none")
with torch.no_grad():
    drawn = mixture_model(places).mean  # [components, 1, 28, 28]: what each component's middle is decoded to

# %% slideshow={"slide_type": "fragment"}
names = [names_or_none[label] for label in meaning.tolist()]
plots.image_grid(
    drawn,
    columns=8,
    titles=names,
    ink="light" if greys else "dark",
    alt=f"{components} pictures, the middle of each component of the prior, decoded. Named by the class with the most votes, – for too few: {', '.join(names)}.",
    caption=f"The middle of each component, decoded, and the name that a hundred labels give it. With these names {100 * right:.0f} % of test images "
    "have the class of their component; guessing would give 10 %.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Training saw no label: the names came afterwards. Ask which classes have no component of their own, and which have several: components divide the codes by shape, not by class. If you want components that mean classes, the objective must say so, for example with a few labels; lesson 06 does it.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Now a map. t-SNE puts codes that are near each other in ten dimensions near each other on the page. Each code is marked with the name of the component that is responsible for it.

# %% slideshow={"slide_type": "skip"}
plots.tsne_map(
    z_test,
    meaning[responsible],
    num_points=settings.budget(full=800, smoke=60),
    class_names=names_or_none,
    size=(640, 400),
    caption="Codes of test images, marked by the name of the component responsible for each: names of components, and not labels of the images.",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# Last, the pseudo-inputs of the VampPrior: they began as training images and were free to become anything between 0 and 1. The prior depends on them only through $q(z \mid u_k)$, so they need not look like anything. After five epochs they still do: they have hardly moved.

# %% slideshow={"slide_type": "skip"}
pseudo = fitted["VampPrior"][0].prior.pseudo_inputs.detach()
plots.image_grid(
    torch.stack([some_images, pseudo, (pseudo - some_images).abs()]),
    row_labels=["began as", "became", "change"],
    ink="light" if greys else "dark",
    alt=f"Three rows of {components} pictures: the training images that the pseudo-inputs began as, what they have become, and the size of the "
    f"difference, which is {(pseudo - some_images).abs().mean().item():.2f} of full scale on average and {(pseudo - some_images).abs().max().item():.2f} at most.",
    caption="The pseudo-inputs u_k of the VampPrior before and after training, and the size of the change.",
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 05.4 · ●●○ · 6 minutes
#
# Write $\log p(z)$ in nats for the prior $p(z) = \frac 1 K \sum_k q(z \mid u_k)$, where $q(z \mid u_k) = \prod_d \mathcal N(z_d \mid \mu_{kd}, \sigma_{kd}^2)$ is what the encoder makes of the pseudo-input $u_k$: `loc` and `scale`. It must be right far away from all of them, where every $q(z \mid u_k)$ is too small for a floating-point number.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-05.4"]
def vamp_log_prob(z, loc, scale):
    """log p(z) in nats of a VampPrior: p(z) = 1/K sum_k q(z | u_k), q(z | u_k) = N(loc_k, scale_k²).

    z: [batch, latent]. loc, scale: what the encoder makes of the K pseudo-inputs u_k,
    [components, latent] → [batch].
    """
    ...  # your code


check("05.4", vamp_log_prob)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Six minutes. Three steps in the right order: sum over coordinates inside a component, logsumexp over components, minus log K. Ask what goes wrong if the order is exchanged: a mixture in each coordinate, independent of the others, which is another density, with up to K to the power of the number of coordinates bumps.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · Richer guides: mixtures
#
# Two causes, one effect: $z_1, z_2 \sim \mathcal N(0, 1)$, and $x = z_1 z_2 + \text{noise}$. You see $x = 1$. Both causes are positive, or both negative: the exact posterior has **two modes**, and both are bent.
#
# A Gaussian can cover one. A mixture of two can cover both, if its density is the *whole* mixture's:
#
# $$ \log q(z) = \log \sum_k w_k\, \mathcal N(z \mid \mu_k, \mathrm{diag}\,\sigma_k^2). $$


# %% slideshow={"slide_type": "skip"}
def log_joint(z):
    """log p(x = 1, z) of the two causes. z: [..., 2] → [...]."""
    one = torch.ones((), dtype=z.dtype)
    return Normal(0.0, 1.0).log_prob(z).sum(-1) + Normal(z.prod(-1), 0.4).log_prob(one)


side = torch.linspace(-5, 5, settings.budget(full=401, smoke=201))
cell = (side[1] - side[0]).item() ** 2
plane = torch.cartesian_prod(side, side)  # [G, 2]
log_marginal = (log_joint(plane).logsumexp(0) + math.log(cell)).item()


def climb(conditional, estimator, num_samples=32):
    """Fit q to the exact posterior of x = 1; returns q and its gap, log p(x) minus the bound."""
    torch.manual_seed(0)
    for parameter in conditional.parameters():
        nn.init.normal_(parameter, std=0.3)
    optimizer = torch.optim.Adam(conditional.parameters(), lr=1e-2)
    for _ in range(settings.budget(full=1000, smoke=20)):
        q = conditional(torch.ones(1))
        estimate = estimator(lambda z: log_joint(z) - q.log_prob(z), q, num_samples)  # noqa: B023
        optimizer.zero_grad()
        (-estimate.surrogate).backward()
        optimizer.step()
    with torch.no_grad():
        q = conditional(torch.ones(1))
        z = q.sample((20_000,))
        return q, log_marginal - (log_joint(z) - q.log_prob(z)).mean().item()


# %% slideshow={"slide_type": "skip"}
linear = FeedForward(())  # from the constant 1 to q's parameters: nothing is amortized here
gaussian, gaussian_gap = climb(GaussianConditional(1, 2, linear), Pathwise())
two, two_gap = climb(MixtureOfGaussiansConditional(1, 2, linear, 2), ComponentThenPoint(point_samples=16))
four, four_gap = climb(MixtureOfGaussiansConditional(1, 2, linear, 4), ComponentThenPoint(point_samples=8))
print(
    f"log p(x) = {log_marginal:.3f} nats; missing: Gaussian {gaussian_gap:.3f}, mixture of 2 {two_gap:.3f}, "
    f"of 4 {four_gap:.3f}"
)

# %% slideshow={"slide_type": "fragment"}
plots.contours(
    {
        f"Gaussian: {gaussian_gap:.2f}": {"exact posterior": log_joint, "q": gaussian.log_prob},
        f"mixture of 2: {two_gap:.2f}": {"exact posterior": log_joint, "q": two.log_prob},
        f"mixture of 4: {four_gap:.2f}": {"exact posterior": log_joint, "q": four.log_prob},
    },
    xlim=(-3, 3),
    ylim=(-3, 3),
    resolution=settings.budget(full=121, smoke=31),
    size=(960, 330),
    caption="The exact posterior, from a grid, and three fits to it by climbing the bound; above each, how many nats it is short of log p(x).",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Before the picture: where will the Gaussian go, to one mode or to the middle? KL(q || p), which falls as the bound rises, is large if q has mass where p has none. So it goes to one mode, and then it is at least log 2 short. The mixture of two has both modes, and does not follow their bend; four do better. Ask what
# goes wrong if z is scored by its own component's density only: then the bound does not see that components overlap.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# The Gaussian took one of the two modes, the mixture of two has both, and the mixture of four follows their bend better. Which mode the Gaussian takes depends on where its fit starts.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### A gradient for mixtures
#
# Write $f(z) = \log p(x, z) - \log q(z)$, whose mean is the bound. Drawing *which* component is a discrete step, and no gradient passes through it. But only that step is discrete.
#
# - score everything: $f(z)\, \nabla \log q(z)$, with leave-one-out or without;
# - score the component, **reparameterise the point** inside it;
# - **enumerate** the component: $\sum_k w_k\, f(\mu_k + \sigma_k \odot \varepsilon_k)$, and no draw is discrete any more.

# %% slideshow={"slide_type": "skip"}
start = [  # the ten numbers of the mixture of two that has just been fitted
    two.mixture_distribution.logits.detach().double(),
    two.component_distribution.base_dist.loc.detach().double(),
    two.component_distribution.base_dist.scale.detach().double().log(),
]


def mixture_of(logits, loc, log_scale):
    """[..., components], [..., components, 2] twice → q with batch_shape [...]."""
    inside = Independent(Normal(loc, log_scale.exp()), 1)
    return MixtureSameFamily(Categorical(logits=logits), inside, validate_args=False)


# %% slideshow={"slide_type": "skip"}
def exact_gradient_on_the_grid():
    """Of the bound, in q's ten numbers: a sum over the plane, no draw."""
    parameters = [value.clone().requires_grad_() for value in start]
    q, at = mixture_of(*parameters), plane.double()
    log_q = q.log_prob(at)
    bound = cell * (log_q.exp() * (log_joint(at) - log_q)).sum()
    return torch.cat([part.flatten() for part in torch.autograd.grad(bound, parameters)])


def gradient_rows(estimator, num_samples, copies):
    """Independent estimates of the same gradient, one a row: [copies, 10]."""
    many = [value.expand(copies, *value.shape).clone().requires_grad_() for value in start]
    q = mixture_of(*many)
    estimate = estimator(lambda z: log_joint(z) - q.log_prob(z), q, num_samples)
    parts = torch.autograd.grad(estimate.surrogate.sum(), many)
    return torch.cat([part.flatten(1) for part in parts], 1)


gradients = {  # all with two evaluations of f
    "all scored": ScoreFunction(),
    "all scored, leave-one-out": LeaveOneOut(),
    "component scored, point reparameterised": ComponentThenPoint(ScoreFunction()),
    "component leave-one-out, point reparameterised": ComponentThenPoint(LeaveOneOut()),
    "component enumerated, point reparameterised": ComponentThenPoint(),
    "the same, sticking the landing": StickingTheLanding(ComponentThenPoint()),
}
truth = exact_gradient_on_the_grid()

# %% slideshow={"slide_type": "skip"}
variances, errors, farthest = {}, {}, {}
for name, estimator in gradients.items():
    torch.manual_seed(0)
    rows = gradient_rows(estimator, 2, settings.budget(full=200_000, smoke=5_000))
    square = (rows - rows.mean(0)).square().sum(1)  # [copies]; its mean is the variance
    variances[name], errors[name] = square.mean().item(), square.std().item() / len(rows) ** 0.5
    farthest[name] = ((rows.mean(0) - truth) / rows.std(0) * len(rows) ** 0.5).abs().max().item()
print(
    f"means and exact gradient: {len(farthest)} × 10 differences, the largest {max(farthest.values()):.1f} standard errors"
)

# %% slideshow={"slide_type": "fragment"}
plots.bars(
    variances,
    "variance of one estimate, summed over q's ten parameters",
    errors=errors,
    width=900,
    caption="The mixture of two near its optimum, two evaluations of f for each estimate. What is reparameterised or summed is not scored, and the variance falls.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# All have the same mean; the notebook prints the largest difference from the exact gradient in standard errors, and chance alone allows two or three in sixty comparisons. The variances fall from top to bottom. Sticking the landing adds the score of q, whose mean is zero, so that it cancels the one inside f: little noise if q is near the
# exact posterior. Ask when enumeration is too expensive: with many components, because each costs a decoder call.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# All are unbiased. Scoring the component and reparameterising the point, as Aziz's tutorial suggests (see References), has far less variance than scoring everything, even with a baseline. Here $f$ is near zero, though, and a score multiplies
# the *level* of $f$, which is hundreds of nats for images: section 10 shows what that does. Summing the component out has no score at all, needs no more evaluations here, and has a little less variance again. (It looks into every component once, however small its weight: if the weights are very unequal, an
# evaluation is wasted there.) Sticking the landing does best here because $q$ is near its optimum.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 05.5 · ●●● · 11 minutes
#
# For $q(z) = \sum_j w_j\, \mathcal N_j(z)$ with $w = \mathrm{softmax}(\text{logits})$, and a point $z_k$ drawn from each component by reparameterisation, write the surrogate $\sum_k w_k \big[\log p(x, z_k) - \log q(z_k)\big]$, where $\log q$ is that of the *whole* mixture. `log_normal[b, k, j]` is $\log \mathcal N_j(z_k)$ for datum $b$, `log_joint[b, k]` is $\log p(x, z_k)$. Nothing is detached.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-05.5"]
def mixture_surrogate(logits, log_normal, log_joint):
    """sum_k w_k [log p(x, z_k) - log q(z_k)]: the component enumerated, its point z_k reparameterised.

    w = softmax(logits), [batch, components]; q(z) = sum_j w_j N_j(z), the whole mixture.
    log_normal[b, k, j] = log N_j(z_k), z_k drawn from component k: [batch, components, components].
    log_joint[b, k] = log p(x, z_k): [batch, components] → [batch]. Gradients flow everywhere.
    """
    ...  # your code


check("05.5", mixture_surrogate)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Eleven minutes. Draw the K by K table on the board: row k is the point that was drawn from component k, and column j scores it under component j. The whole mixture's log q at each point is a logsumexp along the row, with the weights inside. The most frequent mistake is the diagonal: each point scored by its own component.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### When does a mixture stay a mixture?
#
# Two modes were built into $x = z_1 z_2$. Do images have them? Hold the model with the mixture prior fixed, and let a guide see the first 3 rows of pixels, or 8, or all 28. Train a Gaussian guide and a mixture of four for each, and count:
#
# - components *in use*: $e$ to the mean entropy of the weights, 4 if all weights are equal, 1 if one has everything;
# - components *told apart*: $e$ to $I(k; z \mid x)$, what a draw tells about its component within one guide; it is 1 also if the components coincide.
#
# The gradient enumerates the component. *Sticking the landing* leaves out $\nabla_\phi \log q_\phi(z)$ at fixed $z$: its mean is zero, and near the exact posterior little noise is left without it.

# %% [markdown] slideshow={"slide_type": "skip"}
# **Predict.** For how many rows is the mixture ahead of the Gaussian, and for how many does it become one Gaussian?
#
# <details><summary>Answer</summary>
#
# With 3 rows it is about half a nat ahead, with more than two components told apart. With 8 rows little is left of the mixture; with 28 one component has nearly all the weight, and the mixture is a little behind, because three of its four evaluations go to components of no weight. Three rows leave doubt, because several kinds of things begin alike. A whole image leaves hardly any doubt about its $z$.
# </details>


# %% slideshow={"slide_type": "skip"}
class FirstRows(nn.Module):
    """Logits of the first rows of an image: [..., 1, 28, 28] → [..., 1, rows, 28]."""

    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def forward(self, logits):
        return logits[..., : self.rows, :]


mixture_model.requires_grad_(False)  # the model of section 5 stays as it is


def fit_guides(rows):
    """The model of the first rows, and two guides that see them, trained with four evaluations of f."""
    shape = (1, rows, 28)
    decoder = nn.Sequential(mixture_model.likelihood.network, FirstRows(rows))
    model = LatentVariableModel(mixture_model.prior, BernoulliConditional((latent,), shape, decoder))
    torch.manual_seed(0)
    one = GaussianConditional(shape, (latent,), network), StickingTheLanding()
    mixed = MixtureOfGaussiansConditional(shape, (latent,), network, 4), StickingTheLanding(ComponentThenPoint())
    guides = {}
    for name, (conditional, estimator) in {"Gaussian": one, "mixture": mixed}.items():
        guides[name] = AmortizedGuide(conditional)
        adam = torch.optim.Adam(conditional.parameters(), lr=3e-3)
        only_these = lambda x: binarise_dynamically(x)[..., :rows, :]  # noqa: E731
        train(Elbo(model, guides[name], estimator, 4), only_these, optimizers=adam)
    return model, guides


# %% slideshow={"slide_type": "skip"}
@torch.no_grad()
def bounds(model, guide, x):
    """The bound of each image from 50 draws. x: [images, ...] → [images]."""
    torch.manual_seed(2)
    q = guide(x)
    return sum((model.log_joint(x, z) - q.log_prob(z)) for z in (q.sample() for _ in range(50))) / 50


with_rows = {}
for rows in settings.budget(full=(3, 8, 28), smoke=(3,)):
    of_rows, guides = fit_guides(rows)
    with_rows[rows], x = guides, x_test[..., :rows, :]
    found = {name: bounds(of_rows, guide, x) for name, guide in guides.items()}
    gain = Measured.over(found["mixture"] - found["Gaussian"])
    use = component_use(guides["mixture"], x)
    in_use, told_apart = math.exp(use["component_entropy"]), math.exp(use["component_information"])
    print(
        f"{rows:2} rows: Gaussian {found['Gaussian'].mean().item():8.2f} nats, mixture {gain} more; "
        f"components in use {in_use:.2f}, told apart {told_apart:.2f}"
    )

# %% slideshow={"slide_type": "fragment"}
chosen = [(test_labels == label).nonzero()[0, 0].item() for label in (0, 1, 3, 5)]  # four classes
with torch.no_grad():
    one, mixed = (with_rows[3][name](x_test[chosen, :, :3]) for name in ("Gaussian", "mixture"))
    shares, order = mixed.mixture_distribution.probs.sort(descending=True)  # [4, components]
    middles = mixed.component_distribution.mean.gather(1, order[..., None].expand(-1, -1, latent))
    decoded = mixture_model(torch.cat([one.mean[:, None], middles], 1)).mean  # [4, 1 + components, 1, 28, 28]
visible = test_images[chosen].clone()
visible[:, :, 3:] = 0
titles = [words for row in shares for words in ("image", "seen", "Gaussian", *(f"{share:.2f}" for share in row))]
plots.image_grid(
    torch.cat([test_images[chosen, None], visible[:, None], decoded], 1),
    titles=titles,
    ink="light" if greys else "dark",
    alt="Four rows of seven pictures: a test image, its first three rows, what the middle of the Gaussian guide is decoded to, and what the middles of the "
    f"mixture's four components are decoded to, with their weights: {'; '.join(', '.join(f'{share:.2f}' for share in row) for row in shares)}.",
    caption="Guides that see three rows. The Gaussian guesses one continuation; the mixture holds several, each with its weight above it.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# What could these three rows be? Take answers, then read a row of the figure: the components are the guesses, the numbers are how much the guide believes in each. Where two components have almost the same picture, one of them is not needed. With whole images the same kind of guide puts all its weight on one component.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# With the model fixed, a mixture stays a mixture if $x$ leaves doubt about $z$, as three rows of pixels do; and then it gains. For whole images the exact posterior of this model has, as far as these fits can tell, one mode that a Gaussian covers, so there is nothing for a second component to do. Two cautions. The model was trained with a Gaussian guide, which favours exact posteriors that a Gaussian covers. And a mixture can also lose its components through its training; section 10 has such a case.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Flows
#
# Bend a Gaussian. If $z = T(z_0)$ with $T$ invertible, the density follows:
#
# $$ \log q(z) = \log q_0(z_0) - \log \left| \det \frac{\partial T}{\partial z_0} \right|. $$
#
# One **planar** layer, $T(z_0) = z_0 + v\, h$ with $h = \tanh(a^\top z_0 + b)$, has $\det = 1 + a^\top v \,(1 - h^2)$, a single number. The encoder outputs everything: mean and scale of the Gaussian, and $a$, $b$ and a raw direction for each layer. $v$ is the raw direction, moved along $a$ so that $a^\top v > -1$.


# %% slideshow={"slide_type": "fragment"}
def planar_by_hand(numbers, eps):
    """One planar layer on a 2-D Gaussian, from the encoder's 9 numbers. eps: [2] → z, log q(z)."""
    loc, raw_scale, raw, a, b = numbers.tensor_split((2, 4, 6, 8))
    at_zero = math.log(math.e - 1)  # softplus of it is 1: numbers of 0 give scale 1
    scale = nn.functional.softplus(raw_scale + at_zero) + 1e-5  # never 0
    z0 = loc + scale * eps
    a_v = nn.functional.softplus(a @ raw + at_zero) - 1  # a·v, above -1 whatever the raw direction is
    v = raw + (a_v - a @ raw) * a / a.square().sum()
    bend = torch.tanh(a @ z0 + b)
    log_det = torch.log(1 + a_v * (1 - bend**2)).squeeze()
    return z0 + v * bend, Normal(loc, scale).log_prob(z0).sum() - log_det


# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# A planar layer moves all points along one direction v, by an amount that depends on one projection of them: it stretches space across one plane. That is why the determinant is one number. Ask what happens if a·v is below -1: the map folds, two points land on one, and this formula gives no density.
# In the notebook, the package and automatic differentiation give the same numbers.
#
# </details>

# %% slideshow={"slide_type": "skip"}
torch.manual_seed(0)
numbers, eps = torch.randn(9), torch.randn(2)
z, log_q = planar_by_hand(numbers, eps)
packaged = PlanarFlowConditional((9,), 2, nn.Identity(), num_layers=1)(numbers)
print(f"log q(z): by hand {log_q.item():.5f}, package {packaged.log_prob(z).item():.5f}")
jacobian = torch.autograd.functional.jacobian(lambda noise: planar_by_hand(numbers, noise)[0], eps)  # dz / d eps
by_autograd = Normal(0.0, 1.0).log_prob(eps).sum() - jacobian.det().abs().log()
print(f"          by automatic differentiation of z {by_autograd.item():.5f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# Two more kinds have networks inside the layers. An **affine coupling** layer keeps one half of $z$, and from it computes how the other half is shifted and scaled; then the halves change places. In an **inverse autoregressive** layer each coordinate is shifted and scaled by amounts computed from the coordinates before it. In both the determinant is a product of scales, and the
# encoder reaches every layer through a small vector of *context*.
#
# **Predict.** Can a flow have two modes with *nothing* between them?
#
# <details><summary>Answer</summary>
#
# Two peaks, yes; nothing between them, no: $T$ is continuous, so what was in one piece stays in one piece. But the bridge between two modes may be so thin that it costs almost nothing. Here the exact posterior has a bridge itself; compare the widths in the figure.
# </details>

# %% slideshow={"slide_type": "skip"}
flows = {
    "planar": PlanarFlowConditional(1, 2, linear, num_layers=8),
    "coupling": AffineCouplingConditional(1, 2, linear, num_layers=4, hidden=(16,)),
    "autoregressive": InverseAutoregressiveConditional(1, 2, linear, num_layers=4, hidden=(16,)),
}
bent = {name: climb(conditional, Pathwise()) for name, conditional in flows.items()}
for name, (q, gap) in bent.items():
    with torch.no_grad():
        mass = cell * q.log_prob(plane).exp()  # [G]
    side_1 = mass[plane.sum(1) > 0].sum().item()  # of the line z1 + z2 = 0, which parts the two modes
    print(
        f"{name:15} {gap:.3f} nats short of log p(x); its density sums to {mass.sum().item():.4f} over the grid, "
        f"{100 * side_1:.0f} % of it on the side of the upper mode"
    )

# %% slideshow={"slide_type": "subslide"}
plots.contours(
    {f"{name}: {gap:.2f}": {"exact posterior": log_joint, "q": q.log_prob} for name, (q, gap) in bent.items()},
    xlim=(-3, 3),
    ylim=(-3, 3),
    resolution=settings.budget(full=121, smoke=31),
    size=(960, 330),
    caption=f"Three flows on the exact posterior of section 6; above each, how many nats it is short of log p(x). The Gaussian was {gaussian_gap:.2f} nats short, the mixture of four {four_gap:.2f}.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Flows bend, which a single axis-parallel Gaussian cannot; mixtures have modes with nothing between them, which flows reach only in the limit. Here both problems are mild, and two of the flows do best. Ask what drawing and scoring cost: a flow draws and scores its own draws in one pass; scoring another z needs the inverse.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Compare the numbers with the mixtures' above. Two of the flows have both modes, with a thin bridge, and are closer than the mixture of four. The coupling flow, short by half a nat, has most of its mass at one mode, and the other is only the end of a broad tail. Where a fit ends depends on where it starts; a richer family does not guarantee a better fit.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 05.6 · ●●○ · 7 minutes
#
# Write one affine coupling layer. The first coordinates of $z$, as many as `weight` has rows, stay; shift $t$ and log scale $s$ of the others are the two halves of `kept @ weight + context`, and $y_\text{moved} = e^{s} z_\text{moved} + t$. Return $y$ and $\log q(y) = \log q(z) - \sum s$, with gradients to everything.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-05.6"]
def affine_coupling(z, log_q, weight, context):
    """One affine coupling layer: y and log q(y) in nats. The first coordinates stay, the others move.

    z_kept @ weight + context: shift and log scale, side by side; y_moved = scale z_moved + shift.
    z: [batch, kept + moved], log_q = log q(z): [batch]; weight: [kept, 2 moved];
    context, what the encoder says of x: [batch, 2 moved] → y [batch, kept + moved], [batch].
    """
    ...  # your code


check("05.6", affine_coupling)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Seven minutes. Draw two wires: one passes through unchanged, and the shift and scale of the other are computed from it. The sign is the difficulty: the density of y is that of z divided by the stretch, so the log scales are subtracted. Ask how the layer is inverted: without inverting any network.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · Many samples, and a weaker signal
#
# The importance-weighted bound, with weights $\omega_s = p(x, z_s) / q(z_s \mid x)$, is tighter with each sample. But as it depends less and less on $q$, the encoder's *signal* $|\mathbb E[\hat g]|$ shrinks, and the noise of an IWAE's own gradient falls more slowly than its signal.
#
# $\phi$ also enters through the density $\log q_\phi$, which adds a score term to that gradient. The mean of this term can be written as a path derivative. **DReG** does so and gets, with $\tilde\omega_s = \omega_s / \sum_{s^\prime} \omega_{s^\prime}$,
#
# $$ \hat g_\phi = \sum_s \tilde\omega_s^{\,2}\; \frac{\partial \log \omega_s}{\partial z_s}\, \frac{\partial z_s}{\partial \phi}, \qquad \text{the same mean.} $$
#
# Only the encoder's gradient changes; the decoder's keeps the weights $\tilde\omega_s$.

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>Where the square comes from</summary>
#
# Let $z_s = T_\phi(\varepsilon_s)$ and $\ell_s = \log \omega_s$. The derivative of $\log \frac1S \sum_s \omega_s$ is $\sum_s \tilde\omega_s\, \frac{d \ell_s}{d\phi}$, and $\phi$ reaches $\ell_s$ in two ways, through $z_s$ and through the density $q_\phi$:
#
# $$ \sum_s \tilde\omega_s \Big[ \frac{\partial \ell_s}{\partial z_s} \frac{\partial z_s}{\partial \phi} - \nabla_\phi \log q_\phi(z_s) \Big], \qquad \text{the last with } z_s \text{ held still}. $$
#
# That last term is a score. Score and path estimate the same gradient: for any smooth $c$ that does not depend on $\phi$,
#
# $$ \mathbb E\big[c(z_s)\, \nabla_\phi \log q_\phi(z_s)\big] = \nabla_\phi\, \mathbb E_{q_\phi}[c(z_s)] = \mathbb E\Big[\frac{\partial c}{\partial z_s} \frac{\partial z_s}{\partial \phi}\Big]. $$
#
# Take for $c$ the weight $\tilde\omega_s$ as a function of $z_s$, with the other samples held fixed. It is a softmax, so $\partial \tilde\omega_s / \partial z_s = (\tilde\omega_s - \tilde\omega_s^2)\, \partial \ell_s / \partial z_s$. Put that in: the mean of the gradient is
#
# $$ \mathbb E \sum_s \big[\tilde\omega_s - (\tilde\omega_s - \tilde\omega_s^2)\big] \frac{\partial \ell_s}{\partial z_s} \frac{\partial z_s}{\partial \phi} = \mathbb E \sum_s \tilde\omega_s^2\, \frac{\partial \ell_s}{\partial z_s} \frac{\partial z_s}{\partial \phi}. $$
#
# With $S = 1$ the weight is 1 and the score is only dropped: that is sticking the landing.
# </details>


# %% slideshow={"slide_type": "skip"}
def signal_to_noise(estimator, num_samples, copies):
    """|mean| / spread of the gradient in phi: p(z) = N(0.4, 1), x = 1.3 ~ N(0.8 z, 1), q = N(0.1, e^-0.2)."""
    torch.manual_seed(0)
    loc, raw = torch.full((copies,), 0.1).requires_grad_(), torch.full((copies,), -0.2).requires_grad_()
    q = Normal(loc, raw.exp())

    def log_weight(z):
        return Normal(0.4, 1.0).log_prob(z) + Normal(0.8 * z, 1.0).log_prob(torch.tensor(1.3)) - q.log_prob(z)

    estimate = estimator(log_weight, q, num_samples)
    rows = torch.stack(torch.autograd.grad(estimate.surrogate.sum(), [loc, raw]), 1).double()  # [copies, 2]
    return (rows.mean(0).norm() / rows.var(0).sum().sqrt()).item()


# %% slideshow={"slide_type": "skip"}
samples = settings.budget(full=[1, 2, 4, 8, 16, 32, 64, 128], smoke=[1, 4])
copies = settings.budget(full=20_000, smoke=2_000)
ratios = {
    name: (samples, [signal_to_noise(estimator, number, copies) for number in samples])
    for name, estimator in {"DReG": DoublyReparameterised(), "IWAE's own": ImportanceWeighted()}.items()
}
landing, dreg = signal_to_noise(StickingTheLanding(), 1, copies), ratios["DReG"][1][0]
print(f"S = 1: sticking the landing {landing:.3f}, DReG {dreg:.3f}: with one sample they are the same estimator")
# with one sample it is the plain gradient of the bound; the mean of S of them has 1/√S of the noise
alone = ratios["IWAE's own"][1][0]
ratios["S bounds of 1"] = (samples, [alone * math.sqrt(number) for number in samples])
print(f"{'S':>24}", *(f"{number:6}" for number in samples))
for name, (_, values) in ratios.items():
    print(f"{name:>24}", *(f"{value:6.2f}" for value in values))

# %% slideshow={"slide_type": "fragment"}
plots.curves(
    ratios,
    "samples S",
    "signal / noise",
    xscale="log",
    yscale="log",
    size=(820, 300),
    caption="Signal to noise of the encoder's gradient on a Gaussian model with one latent, from independent copies of the same estimate. S bounds of 1: the mean of S plain gradients of the one-sample bound.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Ask first: more samples make a tighter bound; what can get worse? The gradient of the decoder does get better. That of the encoder gets smaller relative to its noise (Rainforth and others 2018), because a tight bound hardly depends on q. DReG has the same mean and a noise that falls faster, so its ratio rises. With one sample
# the plain gradient is pathwise, and DReG is sticking the landing.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# **Predict.** You have 64 samples an image. Do you train the encoder with the plain gradient of the bound of 64, with DReG, or with 64 separate one-sample bounds?
#
# <details><summary>Answer</summary>
#
# The plain gradient's signal is below its noise from the first sample on, and the ratio falls with $S$. By signal to noise alone, the 64 separate bounds are best: their mean has the largest ratio of the three. But they climb another target, the one-sample bound, which asks $q$ to be like the exact posterior in every draw, and not only to cover it. If
# you want to climb the tight bound, take DReG: its ratio grows with $S$.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · In Pyro
#
# A mixture prior is a `MixtureSameFamily`, a guide made of flows is a `TransformedDistribution`; `Trace_ELBO` needs nothing else. Beside it is ours, with the same parameters, images and noise: a mixture prior, and two coupling layers whose parameters the encoder outputs.

# %% slideshow={"slide_type": "skip"}
torch.manual_seed(0)
flow_q = AffineCouplingConditional(image_shape, latent, network, num_layers=2, hidden=(32,))
for parameter in flow_q.layer_networks.parameters():
    nn.init.normal_(parameter, std=0.3)  # as if trained: the layers do something
flow_model = LatentVariableModel(
    MixtureOfGaussiansPrior(latent, 8), BernoulliConditional((latent,), image_shape, network)
)
batch = x_test[:50]

# %% slideshow={"slide_type": "fragment"}
import pyro
import pyro.distributions as dist
from pyro.distributions import transforms


def pyro_model(x):
    with pyro.plate("images", len(x)):
        z = pyro.sample("z", flow_model.prior())  # MixtureSameFamily
        pyro.sample("x", flow_model(z), obs=x)


def pyro_guide(x):
    base, coupling = layers_for_pyro(x)  # Normal, and a hypernetwork for each coupling layer
    swap = transforms.Permute(torch.arange(latent).roll(latent // 2))  # the halves change places
    steps = [t for network in coupling for t in (transforms.AffineCoupling(latent // 2, network), swap)]
    with pyro.plate("images", len(x)):
        pyro.sample("z", dist.TransformedDistribution(base, steps))


# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The model is three lines, and is the same for any prior. Pyro's coupling always moves the second half, so a permutation swaps the halves between two layers. In the notebook, the loss agrees to float precision, and so does its gradient. Pyro does not have the composed gradient of section 6: a mixture guide
# there is scored as a whole, or written with its component as a site of its own, to be enumerated.
#
# </details>


# %% slideshow={"slide_type": "skip"}
def layers_for_pyro(x):
    """The same encoder in Pyro's terms: the base, and a function z_kept → (shift, log scale) for each layer."""
    q = flow_q(x)

    def of(layer):
        def shift_and_log_scale(kept):
            shift, raw = layer.affine(kept).unbind(-2)
            return shift, (nn.functional.softplus(raw + math.log(math.e - 1)) + 1e-5).log()

        return shift_and_log_scale

    return q.base, [of(layer) for layer in q.layers]


# %% slideshow={"slide_type": "skip"}
pyro.set_rng_seed(0)
theirs = -pyro.infer.Trace_ELBO().differentiable_loss(pyro_model, pyro_guide, batch) / len(batch)
pyro.set_rng_seed(0)
estimate = Elbo(flow_model, AmortizedGuide(flow_q))(batch)
ours = estimate.surrogate.mean()
parameters = [*flow_model.parameters(), *flow_q.parameters()]
their_gradient, our_gradient = (
    torch.cat([part.flatten() for part in torch.autograd.grad(value, parameters)]) for value in (theirs, ours)
)
difference = ((our_gradient - their_gradient).norm() / their_gradient.norm()).item()
print(f"bound     Pyro {theirs.item():.4f}   ours {ours.item():.4f} nats per image")
print(f"gradient  relative difference {difference:.1e}")

# %% [markdown] slideshow={"slide_type": "skip"}
# The same noise, the same value and the same gradient, to float precision. The flow draws its base noise in both cases with one call, which is why one seed serves both.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · What we got
#
# FashionMNIST, three priors by three guides, 40 latents, the same networks and epochs for all, and four evaluations of $f$ per image and step. Rows of results come with this workbook.
#
# **Predict.** Which buys more nats here, the richer prior or the richer guide? Do the two add up? (With the decoder as it is, a guide cannot win more than the bound is short of $\log p(x)$.)
#
# <details><summary>Answer</summary>
#
# The prior, about twice as much: 2.0 nats of bound against 1.0 for the best guide. They do not add up: both together buy 2.5.
# </details>

# %% slideshow={"slide_type": "skip"}
rows = {row.name: row for row in read_rows() if row.name.startswith("priors-") and row.runs}
print("Made by: python -m helpers.reproduce priors --seeds 0 1 2 --resume")
for protocol in sorted({row.protocol for row in rows.values()}):
    print(f"- {protocol}")


def over_seeds(row, key):
    """Mean of a detail over the seeds, and in words their standard deviation, which a single one has not."""
    values = torch.tensor([run.details[key] for run in row.runs]).double()
    return values.mean().item(), f"± {values.std().item():.2f}" if len(values) > 1 else "      "


three_priors = ("standard", "mixture", "vamp")
three_guides = ("mean-field", "mixture", "flow")
pairs = {
    (prior, guide): rows[f"priors-{prior}-{guide}"]
    for prior in three_priors
    for guide in three_guides
    if f"priors-{prior}-{guide}" in rows
}
columns = ("bound", "log_marginal_is", "rate", "distortion")
if len(pairs) < 9:
    print(f"{len(pairs)} of the nine systems have a row so far.")

# %% slideshow={"slide_type": "fragment"}
heads = "".join(f"{name:>17}" for name in ("bound", "log p(x) >", "rate", "distortion"))
print(f"{'prior':9} {'guide':10}{heads}  seeds")
for (prior, guide), row in pairs.items():
    found = [over_seeds(row, key) for key in columns]
    numbers = "  ".join(f"{mean:8.2f} {spread}" for mean, spread in found)
    print(f"{prior:9} {guide:10}  {numbers}  {len(row.runs):3}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The ± is the standard deviation over seeds: it says which differences to believe. Read rows with the same guide and different priors, then the other way. Then compare bound and likelihood: their difference estimates how far the guide is from the exact posterior. It is smallest for the flows. The rows with a mixture guide are
# Gaussians in effect; the notebook says why. Take the guesses from the first slide off the board.
#
# </details>

# %% slideshow={"slide_type": "skip"}
if len(pairs) == 9:
    bound = {pair: over_seeds(row, "bound")[0] for pair, row in pairs.items()}
    likelihood = {pair: over_seeds(row, "log_marginal_is")[0] for pair, row in pairs.items()}
    plain = ("standard", "mean-field")
    for words, among in {
        "a richer prior alone": [(prior, "mean-field") for prior in three_priors[1:]],
        "a richer guide alone": [("standard", guide) for guide in three_guides[1:]],
        "both": [(prior, guide) for prior in three_priors[1:] for guide in three_guides[1:]],
    }.items():
        best = max(among, key=bound.get)
        print(
            f"{words:25} best is {' and '.join(best):20} bound {bound[best] - bound[plain]:+6.2f} nats, "
            f"log p(x) {likelihood[best] - likelihood[plain]:+6.2f}, over {' and '.join(plain)}"
        )
    print("(Best by the test bound that is reported: a little flattered by the choice.)")
    for prior in three_priors:
        in_use = math.exp(over_seeds(pairs[prior, "mixture"], "component_entropy")[0])
        print(f"{prior:8} prior, mixture guide: {in_use:.2f} of 4 components in use")

# %% [markdown] slideshow={"slide_type": "skip"}
# The richer prior wins most, the flow about half as much. The rows with a mixture guide say nothing about mixtures: 1.00 of 4 components is in use, so they are Gaussians trained with an expensive gradient, which spends three of its four evaluations on components of no weight; the other guides draw four samples. Whether a mixture
# keeps its components depends on how it is trained. Here the weight of the rate rises from 0. At 0 the objective is linear in the weights $w_k$, so it is best to put all weight on the best component; and a component of little weight gets little gradient afterwards.
#
# All numbers are nats per image, at one budget, with one set of hyperparameters that was chosen on validation images. Three cautions. The spread over seeds says which differences are more than luck. *log p(x) >* is an estimate from below, with 200 samples. And a larger decoder may bring as many nats as a richer prior or guide: the table compares only what differs in it.
#
# ### The mixture guide by each of its gradients
#
# Without that warm-up: the standard prior with a mixture of four as guide, the rate's weight 1 throughout, trained by each gradient of section 6, at four evaluations of $f$. The variance is that of one estimate of the encoder's gradient, for a batch of a hundred images, summed over its coordinates. It is measured at common weights, those of the run
# with the component enumerated, early and late. *In use* and *told apart* (section 6) are of each run's own guide at its end.
#
# **Predict.** Which gradients keep the mixture a mixture? Does that buy bound?
#
# <details><summary>Answer</summary>
#
# The two that enumerate the component: 3.9 and 3.4 components in use, 3.3 and 1.9 told apart. It buys no bound here: the best one belongs to leave-one-out for the component, whose guide is a single Gaussian in the end, with 1.4 nats more than the enumerated mixture of four components, which one seed cannot tell from luck. Section 6 held the model fixed; here it is trained along, and can make exact posteriors that suit its guide. All six gradients have the same mean, so they differ in noise: where the component is drawn, one that falls behind is drawn less, and may not come back (a guess, from one seed).
# </details>

# %% slideshow={"slide_type": "skip"}
names_of_gradients = {
    "score-function": "all scored",
    "leave-one-out": "all scored, leave-one-out",
    "component-scored": "component scored, point reparameterised",
    "component-leave-one-out": "component leave-one-out, point reparameterised",
    "enumerated": "component enumerated, point reparameterised",
    "sticking-the-landing": "the same, sticking the landing",
}
print(f"{'gradient':47} {'bound':>9} {'variance, early':>16} {'late':>12} {'in use':>7} {'told apart':>11}  seeds")
for name, words in names_of_gradients.items():
    if (row := rows.get(f"priors-gradient-{name}")) is None:
        continue
    early, late = (
        sum(run.details["gradient_noise"][at]["variance"] for run in row.runs) / len(row.runs) for at in (0, -1)
    )
    in_use, told_apart = (math.exp(over_seeds(row, f"component_{name}")[0]) for name in ("entropy", "information"))
    print(
        f"{words:47} {over_seeds(row, 'bound')[0]:9.2f} {early:16.4g} {late:12.4g} {in_use:7.2f} {told_apart:11.2f}  {len(row.runs):3}"
    )

# %% [markdown] slideshow={"slide_type": "skip"}
# These fits are shorter than those of the table above, so their bounds compare with each other only, and with one seed a difference of a nat or two may be luck. Scoring everything without a baseline is noisier by orders of magnitude, and its fit stays far behind: here $f$ is hundreds of nats, and a score multiplies its level. Leave-one-out removes the level, not the rest.
#
# The gradient with the least noise, sticking the landing, does not have the best bound; but the last four bounds lie within 1.5 nats, which one seed cannot order: no gain from more components, or from less noise, is visible. As in lesson 04, a gradient with less noise helps only while noise is what limits training. And enumeration spends an evaluation on every component, whatever its weight, while drawing the component spends all four where the weight is.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - A grey pixel needs a density. The continuous Bernoulli's normaliser depends on $\lambda$, and needs a series near one half.
# - Report distortion, rate, bound and likelihood together. The rate is information plus $\mathrm{KL}(q(z) \,\|\, p(z))$, so the best prior is the aggregate posterior.
# - A unit that is not used costs nothing: floors keep units in use, annealing changes where training starts.
# - Mixtures separate, flows bend. Sum the component out, reparameterise inside, score with the whole mixture's density. A mixture pays if $x$ leaves doubt about $z$.
# - A tighter bound can teach the encoder less; the signal to noise of DReG grows with the samples.

# %% slideshow={"slide_type": "skip"}
progress()

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Appendix: any image, any code (optional)
#
# The conditionals of this lesson make networks for any image size and any shape of code (here a matrix, 2×5), with dropout or without. What each costs:

# %% slideshow={"slide_type": "skip"}
recipes = {
    "feed-forward": (FeedForward((200,), dropout=0.1), FeedForward((200,), dropout=0.1)),
    "convolutional": (ConvolutionalEncoder((16, 32), dropout=0.1), ConvolutionalDecoder((16, 32))),
}
code = (2, 5)  # z is a matrix
print("image        network        parameters  multiply-adds  nats a pixel, untrained")
for image in ((1, 8, 8), (1, 28, 28), (3, 64, 96)):
    for name, (encoder, decoder) in recipes.items():
        torch.manual_seed(0)
        q = GaussianConditional(image, code, encoder)
        p = BernoulliConditional(code, image, decoder)
        bound = AnalyticKlElbo(LatentVariableModel(StandardNormalPrior(code), p), AmortizedGuide(q))
        value = bound(torch.rand(4, *image).round()).value.mean().item() / math.prod(image)
        work = count_multiply_adds(q, image) + count_multiply_adds(p, code)
        size, parameters = "×".join(map(str, image)), count_parameters(bound)
        print(f"{size:12} {name:14} {parameters:10,} {work:14,} {value:14.3f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# The parameters of a feed-forward network grow with the number of pixels. Convolutions have the same number at any size, but the linear layer between them and the code grows too. For small images the feed-forward network needs less work. An untrained decoder tosses a coin for each pixel, $-\log 2 = -0.69$ nats; the column is a little below that, for the untrained
# rate and the scatter of the logits. Twice that value, or hundreds of nats, is a sign of a bug in shapes or sums.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Go further
#
# - Give the mixture of section 6 unequal weights, 0.9 and 0.1, and compare enumerating with leave-one-out at two evaluations. When is an evaluation in a rare component wasted?
# - Train the VampPrior with pseudo-inputs that begin as noise. Are they pictures in the end?
# - Take the aggregate posterior of a few hundred training images as the prior, and compare the bound on these images and on test images: does it overfit?
# - Put an inverse autoregressive guide on the images of section 5, and read off the four numbers.
#
# ## References
#
# - G. Loaiza-Ganem, J. P. Cunningham. The continuous Bernoulli: fixing a pervasive error in variational autoencoders. NeurIPS 2019. arXiv:1907.06845
# - Y. Burda, R. Grosse, R. Salakhutdinov. Importance Weighted Autoencoders. ICLR 2016. arXiv:1509.00519
# - A. A. Alemi, B. Poole, I. Fischer, J. V. Dillon, R. A. Saurous, K. Murphy. Fixing a Broken ELBO. ICML 2018. arXiv:1711.00464
# - I. Higgins, L. Matthey, A. Pal, C. Burgess, X. Glorot, M. Botvinick, S. Mohamed, A. Lerchner. beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework. ICLR 2017.
# - B. Poole, S. Ozair, A. van den Oord, A. A. Alemi, G. Tucker. On Variational Bounds of Mutual Information. ICML 2019. arXiv:1905.06922
# - M. D. Hoffman, M. J. Johnson. ELBO surgery: yet another way to carve up the variational evidence lower bound. NIPS 2016 workshop on advances in approximate Bayesian inference.
# - S. R. Bowman, L. Vilnis, O. Vinyals, A. M. Dai, R. Jozefowicz, S. Bengio. Generating Sentences from a Continuous Space. CoNLL 2016. arXiv:1511.06349
# - D. P. Kingma, T. Salimans, R. Jozefowicz, X. Chen, I. Sutskever, M. Welling. Improved Variational Inference with Inverse Autoregressive Flow. NIPS 2016. arXiv:1606.04934
# - J. M. Tomczak, M. Welling. VAE with a VampPrior. AISTATS 2018. arXiv:1705.07120
# - D. J. Rezende, S. Mohamed. Variational Inference with Normalizing Flows. ICML 2015. arXiv:1505.05770
# - L. Dinh, J. Sohl-Dickstein, S. Bengio. Density estimation using Real NVP. ICLR 2017. arXiv:1605.08803
# - G. Roeder, Y. Wu, D. Duvenaud. Sticking the Landing: Simple, Lower-Variance Gradient Estimators for Variational Inference. NIPS 2017. arXiv:1703.09194
# - T. Rainforth, A. R. Kosiorek, T. A. Le, C. J. Maddison, M. Igl, F. Wood, Y. W. Teh. Tighter Variational Bounds are Not Necessarily Better. ICML 2018. arXiv:1802.04537
# - G. Tucker, D. Lawson, S. Gu, C. J. Maddison. Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives. ICLR 2019. arXiv:1810.04152
# - W. Aziz. Deep Probabilistic Models 2: Variational Inference for Deep Continuous LVMs. Tutorial.
# - H. Xiao, K. Rasul, R. Vollgraf. Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms. 2017. arXiv:1708.07747
# - E. Bingham et al. Pyro: Deep Universal Probabilistic Programming. JMLR 2019. arXiv:1810.09538
