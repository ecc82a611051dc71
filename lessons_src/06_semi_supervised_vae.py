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
# # 06 · The semi-supervised VAE
#
# *A hundred labels and ten thousand images: let a model of images teach a classifier, and find out why it fails, twice.*
#
# **98 minutes** (48 reading and running, 50 exercises) · before this: [02 The variational autoencoder](02_variational_autoencoder.ipynb), and sections 2 and 4 of
# [03 NVIL and control variates](03_nvil_and_control_variates.ipynb)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Ask what a label costs in the field of those who listen: a radiologist's minute, a field trip. And an image without one? Then: how much can ten thousand unlabelled images be worth to a classifier that has seen ten labelled ones of each class? Collect guesses in per cent; section 5 answers for ten thousand images, section 10 for fifty thousand.
# The lesson is a piece of detective work: two attempts fail, and each time the cause is measured before it is mended.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# **You will be able to**
#
# 1. extend a VAE by a class that is sometimes observed, and write the bound for both cases (exercise 06.1);
# 2. compute how noisy a sampled label makes the gradient, and sum the label out instead (06.2), with one product for the image and not ten (06.3; `check` judges the values, the cell after it counts products);
# 3. see from the bound why no label reaches the classifier directly (section 5), and correct the objective (06.4);
# 4. separate two causes of a failure by an experiment that varies one at a time (Predict, section 6);
# 5. ask the model what it thinks of an image's class, and what the classifier's guess costs (06.5);
# 6. say whether one variant is better than another, or had a lucky split (06.6).
#
# `check` tests the outcomes that name an exercise. A Predict is for you alone: decide first, then open its answer.

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
from typing import NamedTuple

import torch
from torch.distributions import Bernoulli, Normal
from torch.nn.functional import cosine_similarity, one_hot
from torch.utils.flop_counter import FlopCounterMode

from helpers import plots, settings
from helpers.data import Batches, SemiSupervisedBatches, load_images, split_labelled
from helpers.distributions import BernoulliConditional, GaussianConditional, StandardNormalPrior
from helpers.estimators import Enumeration, LeaveOneOut, ScoreFunction, sampled_moments_of
from helpers.evaluation import accuracy
from helpers.exercises import check, hint, progress, solution, solutions_of  # noqa: F401  hint and solution are for you to call
from helpers.models import (
    AmortizedGuide,
    AnalyticKlElbo,
    AnalyticKlSemiSupervisedElbo,
    LatentVariableModel,
    LogLikelihood,
    SemiSupervisedElbo,
    SemiSupervisedGuide,
    SemiSupervisedVAE,
    semi_supervised_vae,
)
from helpers.networks import FeedForward
from helpers.reproduce.rows import read_rows
from helpers.reproduce.ssvae import load_trained
from helpers.reproduce.ssvae_settings import PUBLISHED  # by variant and number of labels
from helpers.training import LinearWeight, fit, initialise, initialise_layers, up_then_down
from helpers.widgets.number_of_labels import NAMES, number_of_labels
from helpers.widgets.style_dials import style_dials

answers = solutions_of("06")  # what the exercises ask for, for use after them
settings.seed_everything(0)
data = load_images("mnist", size=28, fallback="digits")
number_of_images = settings.budget(full=10_000, smoke=400)
train_images, train_labels = data.train.images[:number_of_images], data.train.labels[:number_of_images]
number_of_test = settings.budget(full=2000, smoke=100)
test_images, test_labels = data.test.images[:number_of_test], data.test.labels[:number_of_test]
# ten epochs of 10,000 images, more of a small set
epochs = settings.budget(full=max(10, 100_000 // len(train_images)), smoke=1)
print(f"{data.name}: {len(train_images):,} training and {len(test_images):,} test images, {epochs} epochs a fit")

# %% [markdown] slideshow={"slide_type": "skip"}
# On a machine with neither MNIST nor a network, the lesson runs on a small packaged set of digits and has just said so. Every cell works there too. The networks are small and the fits short, so that the whole lesson takes minutes on two cores; section 10 has the long ones. Where a cell says
# `settings.budget(full=2000, smoke=100)`, you get the first number; the second is for a quick automatic test. Where text or an answer names a number that no cell prints, it says where it is from. Learning rate and style rate are those of the long fits of section 10, chosen on images set aside; the classifier weight is larger here.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · Class and style
#
# In lesson 02 one code $z$ said everything about a digit. Split it: a **class** $y$, one of ten, and a **style** $z$ that says what the class leaves open, slant, thickness, size:
#
# $$ y \sim \mathrm{Categorical}(\tfrac1{10}, \dots), \qquad z \sim \mathcal N(0, I), \qquad x \sim p_\theta(x \mid y, z) \qquad (y \to x \leftarrow z). $$
#
# Nothing makes $y$ the class that *we* mean. For that, a few images come with their label: $y$ is observed there, and latent elsewhere. A hundred labels, ten of each class:

# %% slideshow={"slide_type": "skip"}
classes, image_shape, num_labels = 10, (1, 28, 28), 100
labelled, unlabelled = split_labelled(train_labels, num_labels, seed=0)
few_images, few_labels = train_images[labelled], train_labels[labelled]
print(f"{len(few_images)} labelled images, {len(unlabelled):,} others; of each class: {few_labels.bincount().tolist()}")

# %% slideshow={"slide_type": "fragment"}
by_class = few_images[few_labels.argsort(stable=True)].reshape(classes, -1, *image_shape)  # [class, image, ...]
plots.image_grid(
    by_class[:, :4].transpose(0, 1),
    column_labels=[str(k) for k in range(classes)],
    scale=2,
    caption="Four of the ten labelled images of each class.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The split is balanced and has a seed: another seed picks another hundred labels. That luck will matter in section 10. Draw the graph on the board: y and z above, x below, both arrows to x; y shaded for a few. Ask what
# could stop the model from using y for the slant and z for the class: nothing does, except those hundred images.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# The ruler for everything that follows is a **classifier alone**, $q(y \mid x)$, trained on the hundred labels and nothing else.
#
# **Predict.** One hidden layer, a hundred labels. Does it get half of the test digits right? Nine tenths?
#
# <details><summary>Answer</summary>
#
# On MNIST in between, as the cell below prints. Published: .771 on MNIST, mean of five splits (Pyro's tutorial and talk, see the references). Ours is smaller, trained briefly, and has one split: compare it with the fits of this lesson only; section 10 is for the published numbers.
# </details>
#
# In the fits of this lesson, ± on an accuracy is the standard error over *test images*, for one split and one start; section 10 and 06.6 have it over splits. Another split or start may move an accuracy further, so small differences mean nothing here (06.6).

# %% slideshow={"slide_type": "skip"}
latent, hidden = 20, (200,)


def build(outcome_shape=image_shape, likelihood=BernoulliConditional, seed=0):
    """An untrained model p(y) p(z) p(x | y, z) and guide q(y | x) q(z | x, y)."""
    torch.manual_seed(seed)
    model, guide = semi_supervised_vae(outcome_shape, classes, likelihood, latent, hidden)
    if outcome_shape == image_shape:  # networks that see the images less their mean, and begin at the mean image
        style = guide.style
        initialise_layers(
            model.likelihood, (guide.classifier, style.image_half), train_images, (style.label_half, style.above)
        )
    return model, guide


def adam(objective, steps):
    """Adam with a learning rate that rises over the first twentieth of the steps, then falls to 0: optimiser, schedulers."""
    optimizer = torch.optim.Adam(objective.parameters(), lr=3e-3, fused=True)
    return optimizer, [up_then_down(optimizer, steps)]


_, guide = build()
alone = guide.classifier
steps = settings.budget(full=500, smoke=50)
optimizer, schedulers = adam(alone, steps)
few = Batches(few_images, few_labels, batch_size=num_labels)
fit(LogLikelihood(alone), few, epochs=steps, optimizers=optimizer, schedulers=schedulers, progress=False)
of_alone = accuracy(alone, test_images, test_labels)
print(f"classifier alone, {num_labels} labels: {of_alone} of the test images right")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · The guide guesses the class, then the style
#
# $$ q_\phi(y, z \mid x) = q_\phi(y \mid x)\; q_\phi(z \mid x, y) $$
#
# The guide, the approximate posterior: if you know that it is a 7, you can say how it slants. If the label is known, only the style has to be guessed. Two bounds:
#
# $$ L(x, y) = \mathbb E_{q(z \mid x, y)}\big[\log p(x \mid y, z) + \log p(z) - \log q(z \mid x, y)\big] + \log p(y) \;\le\; \log p(x, y) $$
#
# $$ U(x) = \mathbb E_{q(y \mid x)}\big[L(x, y) - \log q(y \mid x)\big] \;\le\; \log p(x) $$
#
# So $q(y \mid x)$ is a classifier that the model gets as a by-product of inference: *that* is how images without labels may teach it.

# %% slideshow={"slide_type": "subslide"}
model, guide = build()


def bound_of_every_class(model, guide, x):
    """L(x, k) in nats with one draw of z, for each class k. x: [batch, 1, 28, 28] → [classes, batch]."""
    y = torch.eye(classes)[:, None].expand(classes, len(x), classes)  # one-hot, [classes, batch, classes]
    q = guide.style(x, y)  # Gaussian, [classes, batch]
    z = q.rsample()  # [classes, batch, latent]
    pixels = Bernoulli(logits=model.likelihood.network(torch.cat([y, z], -1)), validate_args=False)
    log_likelihood = pixels.log_prob(x).sum((-3, -2, -1))
    return log_likelihood + Normal(0.0, 1.0).log_prob(z).sum(-1) - q.log_prob(z) - math.log(classes)


# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Read the function's last line term by term: likelihood, plus prior of the style, minus the style's own log density, plus log prior of the class. All ten classes stand side by side in the first dimension. What remains for U(x) is a weighted sum over that dimension: the exercise on the next slide. The pixels are grey and the likelihood is Bernoulli's: lesson 02 tells what that means.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 06.1 · ●○○ · 6 minutes
#
# Write the bound of an image whose label nobody gave, $U(x) = \sum_k q_k \big[L(x, k) - \log q_k\big]$ in nats, with $q = \mathrm{softmax}(\text{logits})$ the classifier's $q(y \mid x)$. `bound` holds $L(x, k)$ for every class. Gradients must reach both arguments, and stay finite where a probability rounds to 0.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-06.1"]
def unlabelled_bound(logits, bound):
    """U(x) = sum_k q_k [L(x, k) - log q_k] in nats: the bound on log p(x) without a label.

    q = q(y | x), the classifier's softmax(logits): [batch, classes].
    bound: L(x, k) of every class, log p(y = k) in it, [batch, classes] → [batch].
    """
    ...  # your code


check("06.1", unlabelled_bound)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Six minutes. The formula is on the slide before last; the point is the entropy. Ask what U(x) becomes when q is uniform and all bounds are equal, L: it is L + log 10, because log p(y) is in each L and the guess that stays open is paid for it.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Stuck? `hint("06.1")` gives a nudge; called again, the formula; a third time, the first line. `solution("06.1")` shows a solution. Nothing below depends on your answers: where the lesson needs one, it calls the workbook's, `answers.unlabelled_bound` for instance.

# %% [markdown] slideshow={"slide_type": "skip"}
# `SemiSupervisedElbo` is the same from parts: the expectation over $y$ is any estimator of lessons 03 and 04, here the sum over the classes, `Enumeration()`, and the one over $z$ is nested in it, `Pathwise()`. On the same noise:

# %% slideshow={"slide_type": "skip"}
share = num_labels / len(train_images)
objective = SemiSupervisedElbo(model, guide, Enumeration(), labelled_share=share)
x = test_images[:50]
torch.manual_seed(1)
ours = answers.unlabelled_bound(guide.classifier.network(x), bound_of_every_class(model, guide, x).T)
torch.manual_seed(1)
theirs = objective.unlabelled(x)
torch.manual_seed(1)
draws = torch.stack([bound_of_every_class(model, guide, x) for _ in range(20)])  # [draw, class, image]
given = draws[0, test_labels[:50], torch.arange(50)]
print(f"U(x)  written out {ours.mean():.4f}   SemiSupervisedElbo {theirs.value.mean():.4f} nats per image")
print(f"L(x, y), y the label: {given.mean():.4f}")
print(f"untrained, L(x, k) varies by {draws.std(0).mean():.2f} nats over the draws of z")

# %% [markdown] slideshow={"slide_type": "skip"}
# Images with and without a label then go together, each kind in its share of the data set, $s = N_\text{labelled} / N$, whatever a batch holds of each:
#
# $$ \mathcal J = s\, \overline{L(x, y)} + (1 - s)\, \overline{U(x)}. $$

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · Attempt 1: guess a label, follow the score function
#
# A label cannot be reparameterised. So draw $y_s \sim q(y \mid x)$, draw $z_s$ given it, and take lesson 03's gradient:
#
# $$ \hat g = \frac1S \sum_s \Big( \nabla \big[L(x, y_s) - \log q(y_s \mid x)\big] + \big[L(x, y_s) - \log q(y_s \mid x)\big]\, \nabla \log q(y_s \mid x) \Big) $$
#
# It is unbiased. Pyro's talk and tutorial begin so, with $S = 1$; you take $S = 2$, for a fair comparison later.


# %% slideshow={"slide_type": "fragment"}
class Attempt(NamedTuple):
    model: SemiSupervisedVAE
    guide: SemiSupervisedGuide
    curve: list  # test accuracy after each epoch
    train: dict  # terms of the objective, by epoch
    seconds: float


def attempt(estimator, classifier_weight=0.0, rate_weight=4.0):
    """Fit with this estimator over the labels: same start and steps for all. `train`: next cell."""
    return train(*build(), estimator, train_images, test_images, classifier_weight, rate_weight)


# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# One function for all attempts: they differ in the estimator and in the weight of a term that comes in section 5, and in nothing else; the training itself is in the notebook. Ask for predictions now: chance is ten per cent, and the classifier alone is the ruler.
#
# </details>


# %% slideshow={"slide_type": "skip"}
def train(model, guide, estimator, inputs, test_inputs, classifier_weight, rate_weight, draw=None):
    torch.manual_seed(0)
    batches = SemiSupervisedBatches(
        inputs[labelled], few_labels, inputs[unlabelled], num_classes=classes, batch_size=100, transform=draw
    )
    # analytic: KL(q(z | x, y) || p(z)) without the noise of z
    objective = AnalyticKlSemiSupervisedElbo(
        model,
        guide,
        estimator,
        labelled_share=batches.labelled_share,
        classifier_weight=classifier_weight,
        label_samples=None if isinstance(estimator, Enumeration) else 2,
    )
    steps = epochs * len(batches)
    optimizer, schedulers = adam(objective, steps)
    # a style is expensive at first: its rate counts `rate_weight`-fold, falling to 1 halfway through (section 7 tells why)
    schedulers.append(LinearWeight(objective, "style_rate_weight", rate_weight, 1.0, max(1, steps // 2)))
    curve = []

    def after_epoch(epoch, history):
        curve.append(accuracy(guide.classifier, test_inputs, test_labels).mean)

    history = fit(
        objective,
        batches,
        epochs=epochs,
        optimizers=optimizer,
        schedulers=schedulers,
        after_epoch=after_epoch,
        progress=False,
    )
    return Attempt(model, guide, curve, history.train, history.seconds[-1])


attempts = {("sampled", False): attempt(ScoreFunction())}
print(
    f"attempt 1: test accuracy {attempts['sampled', False].curve[-1]:.3f}, "
    f"{attempts['sampled', False].seconds:.0f} seconds"
)

# %% slideshow={"slide_type": "subslide"}
first = attempts["sampled", False]
plots.curves(
    {"attempt 1: sampled": first.curve},
    "epoch",
    "test accuracy",
    references={"classifier alone": of_alone.mean, "chance": 1 / classes},
    ylim=(0, 1),
    size=(820, 340),
    caption="Test accuracy of q(y | x) while training attempt 1.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The talk shows a curve as poor and asks: why are the results so awful and volatile? "One possibility", it says: the gradients are too noisy to follow. Let the room propose others before you go on, and write them down. Then ask of each how it could be measured. A curve that fails is an observation, not a cause.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Published for this attempt, with a hundred labels: .201 (Pyro's talk and tutorial, five splits). The talk names one possible cause: the gradient is too noisy to follow. How noisy is it? You can compute that and need not guess. (Of section 3's estimator, $-\nabla \log q(y_s \mid x)$ is left out here: its mean is zero, and it acts as a baseline of 1.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 06.2 · ●●○ · 12 minutes
#
# With ten classes the noise of a sampled label can be computed, and need not be sampled. One guess $y \sim q(y \mid x)$ gives the gradient $\big[L(x, y) - \log q(y \mid x) - b\big]\, \nabla \log q(y \mid x)$ with respect to the logits, where $\partial \log q_y / \partial \text{logit}_j = 1[j = y] - q_j$. Return its mean, and its variance summed over the logits, both computed exactly, by summing over all guesses.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-06.2"]
def noise_of_a_guess(logits, bound, baseline):
    """The gradient of U(x) with respect to the logits, and how noisy one guess y ~ q(y | x) makes it.

    From one guess: (L(x, y) - log q(y | x) - baseline) times the gradient of log q(y | x).
    logits of q(y | x), bound: L(x, k) of every class, [batch, classes]; baseline: [batch]
    → its mean [batch, classes] and its variance, summed over the logits [batch]: both exact.
    """
    ...  # your code


check("06.2", noise_of_a_guess)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Twelve minutes. Point at the shapes: gradients of all guesses are an array [batch, guess, logit], with one mean and one variance over the second. Two uses of the answer: with b = 0 the signal is a bound of minus some hundreds of nats, and nearly all of the variance comes from what all classes have in common; and no baseline takes all of it away.
#
# </details>

# %% slideshow={"slide_type": "skip"}
with torch.no_grad():
    x = train_images[unlabelled[:200]]
    model, guide = build()  # untrained
    logits = guide.classifier.network(x)
    # the mean of 20 draws of z, the same noise in all classes: what differs is the class, and hardly z
    y = torch.eye(classes)[:, None].expand(classes, len(x), classes)
    q, bound = guide.style(x, y), torch.zeros(len(x), classes)
    for _ in range(20):
        z = q.base_dist.loc + q.base_dist.scale * torch.randn(len(x), latent)  # [classes, batch, latent]
        bound += (model.log_joint(x, y, z) - q.log_prob(z)).T / 20
    baselines = {
        "without a baseline": torch.zeros(len(x)),
        "with U(x) as baseline": answers.unlabelled_bound(logits, bound),
    }
    for name, baseline in baselines.items():
        mean, variance = answers.noise_of_a_guess(logits, bound, baseline)
        ratio = (mean.square().sum(-1).mean() / variance.mean()).sqrt()
        print(f"one guess, {name:22} variance {variance.mean():12.2f}   |mean| / spread {ratio:.4f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# That is at the start of training, with respect to the logits of one image. Without a baseline, nearly all of the gradient is noise: the bound is large, and nearly the same for all classes. The baseline takes out what they have in common.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Attempt 2: try every label
#
# Ten classes are few. Sum over them, with `unlabelled_bound` as it stands, and the noise of the guess is gone (the noise of $z$ stays; section 6 measures it):
#
# $$ \nabla U(x) = \nabla \sum_{k} q(k \mid x)\, \big[L(x, k) - \log q(k \mid x)\big] $$
#
# Ten classes cost ten passes through the decoder. And through the style encoder? Its first layer reads $[x, y]$ side by side,
#
# $$ W\,[x, y] = \underbrace{A x}_{\text{once}} + \underbrace{B y}_{\text{a column of } B}. $$

# %% slideshow={"slide_type": "fragment"}
pixels, (units,) = 784, hidden
image_half = pixels * units  # a one-hot label picks a column: no product
rest = (classes + latent) * units + units * pixels + units * 2 * latent  # decoder; style encoder above
once, ten_times = image_half + classes * rest, classes * (image_half + rest)
print(f"multiply-adds an image: {once:,}; image half ten times: {ten_times / once:.2f} times as many")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Enumeration is lesson 04's estimator without variance; here it costs ten evaluations where each guess costs one (attempt 1 makes two). Pyro calls it parallel enumeration. The trick with the halves is worth a minute: it takes from the sum nearly half of its cost, and is nothing but the distributive law. Only the class differs between ten passes, so only what depends on the class needs to be done ten times.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 06.3 · ●●○ · 8 minutes
#
# The style encoder's first layer reads image and label side by side: $h = \mathrm{softplus}(W [x, y] + b)$, with the label's columns of $W$ after the image's. Compute $h$ for *every* one-hot label, `[classes, batch, hidden]`, and let the image meet its weights once and not once a class.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-06.3"]
def hidden_of_every_class(x, weight, bias):
    """softplus(weight @ [x, e_k] + bias) for every class k, e_k its one-hot code.

    weight: of a first layer that reads image and label side by side, [hidden, pixels + classes].
    x: [batch, pixels], bias: [hidden] → [classes, batch, hidden]. The image meets its weights once.
    """
    ...  # your code


check("06.3", hidden_of_every_class)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Eight minutes. The usual answer passes `check` and is ten times too expensive: it repeats the image for each class and multiplies; the cell that follows counts. Ask which dimension of W belongs to what, then where the class dimension has to be inserted so that broadcasting does the rest.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# `check` sees values, not what they cost. Count the operations in matrix products, and add your function to the two: it should have the smaller number.


# %% slideshow={"slide_type": "skip"}
def repeated(x, weight, bias):
    """The same numbers, the image beside every label."""
    code = torch.eye(classes)[:, None].expand(classes, len(x), classes)
    return torch.nn.functional.softplus(torch.cat([x.expand(classes, *x.shape), code], -1) @ weight.T + bias)


for name, function in {"the workbook's": answers.hidden_of_every_class, "image repeated": repeated}.items():
    with FlopCounterMode(display=False) as counter:
        function(torch.randn(100, pixels), torch.randn(units, pixels + classes), torch.randn(units))
    print(f"{name:15} {counter.get_total_flops():13,} operations for 100 images")

# %% slideshow={"slide_type": "skip"}
attempts["enumerated", False] = attempt(Enumeration())
second = attempts["enumerated", False]
print(
    f"attempt 2: test accuracy {second.curve[-1]:.3f}, {second.seconds:.0f} seconds; attempt 1 took {first.seconds:.0f}"
)
plots.curves(
    {"attempt 1: sampled": first.curve, "attempt 2: enumerated": second.curve},
    "epoch",
    "test accuracy",
    references={"classifier alone": of_alone.mean, "chance": 1 / classes},
    ylim=(0, 1),
    size=(820, 340),
    caption="Test accuracy of q(y | x) while training attempts 1 and 2.",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# No guess, no noise of a guess. Published for this attempt: .225 with a hundred labels, and .893 with 3,000. If it is still below the classifier alone, noise was not the only cause. Is the classifier unsure then? Or sure, and wrong?


# %% slideshow={"slide_type": "skip"}
def groups(classifier):
    """Test images by predicted class and label: [predicted, label]."""
    with torch.no_grad():
        predicted = classifier(test_images).mean.argmax(-1)
    counts = torch.zeros(classes, classes)
    return counts.index_put_((predicted, test_labels), torch.ones(()), accumulate=True)


def renamed(classifier):
    """Accuracy if each predicted class were given the name that most of its test images have."""
    counts = groups(classifier)
    return (counts.amax(1).sum() / counts.sum()).item()


def entropy(classifier):
    """Mean entropy of q(y | x) over the test images, in nats; log 10 = 2.30 where nothing is known."""
    with torch.no_grad():
        log_q = classifier.network(test_images).log_softmax(-1)
    return -(log_q.exp() * log_q).sum(-1).mean().item()


for name, tried in {"attempt 1": first, "attempt 2": second}.items():
    classifier = tried.guide.classifier
    print(
        f"{name}: entropy of q(y | x) {entropy(classifier):.2f} of {math.log(classes):.2f} nats, accuracy "
        f"{tried.curve[-1]:.3f}, with the best names {renamed(classifier):.3f}; {(groups(classifier).sum(1) > 0).sum()} names in use"
    )
print("attempt 2, test images by predicted class (row) and label (column)")
print("    " + "".join(f"{k:5}" for k in range(classes)))
for k, row in enumerate(groups(second.guide.classifier).int().tolist()):
    print(f"{k:4}" + "".join(f"{count:5}" for count in row))
under_random_names = [
    groups(second.guide.classifier)[torch.randperm(classes)].trace().item() / len(test_labels) for _ in range(1000)
]
print(
    f"accuracy under random names: mean {sum(under_random_names) / 1000:.2f}, "
    f"from {min(under_random_names):.2f} to {max(under_random_names):.2f}"
)

# %% [markdown] slideshow={"slide_type": "skip"}
# Accuracy with the best names is the share of images that are in a group with a majority of their own kind. Low entropy with one name in use: the classifier is sure, and has learned nothing. Low entropy with many names, and an accuracy far below that with the best names: it has found groups, and calls them by other names than we do; look for the large numbers in each row of the table. Which group gets which name is mostly luck, and so is an accuracy below chance, as the last line shows. The groups are real.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · The classifier has never seen a label
#
# Look at the two bounds again. Where is $q(y \mid x)$ in
#
# $$ L(x, y) = \mathbb E_{q(z \mid x, y)}\big[\log p(x \mid y, z) + \log p(z) - \log q(z \mid x, y)\big] + \log p(y)\ ? $$
#
# Nowhere. Where the label is known there is no guess, so no guess is trained. The labels do teach the decoder, and through it, in $U(x)$, the classifier at second hand; with few labels that is too little.

# %% slideshow={"slide_type": "fragment"}
y = one_hot(few_labels, classes).float()
model, guide = build()
objective = SemiSupervisedElbo(model, guide, labelled_share=share)
print("norm of the gradient of L(x, y) in each weight and bias")
networks = {"decoder": model.likelihood, "style encoder": guide.style, "classifier": guide.classifier}
for name, network in networks.items():
    parts = list(network.parameters())
    found = torch.autograd.grad(objective.labelled(few_images, y).surrogate.sum(), parts, allow_unused=True)
    norms = [f"{part.norm():.1f}" if part is not None else "none" for part in found]
    print(f"{name:14}", *norms)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Each number is the norm of the gradient with respect to one weight or bias. Let the room find q(y | x) in the formula before you show the printout. The labels do reach the decoder, and through the decoder, in U, the classifier may learn the names at second hand: with 3,000 labels that route works in part (published .893, still below a classifier alone), with a hundred it is one part in a hundred of the objective.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# So give the classifier its labels. **Attempt 3** adds the **classifier loss**, with a weight $a$:
#
# $$ \mathcal J = s\, \overline{L(x, y)} + (1 - s)\, \overline{U(x)} + a\, \overline{\log q(y \mid x)} $$
#
# where the last mean is over the labelled images. It is no part of a bound. (Kingma and others also arrive at it by a Dirichlet prior over the probabilities of the classes.) Here $a = 10$; theirs is 0.1 in these units. A bound of a hundred nats outweighs a log probability of one or two, and with a hundred labels the classifier needs a strong push.

# %% slideshow={"slide_type": "skip"}
classifier_weight = 10.0
attempts["enumerated", True] = attempt(Enumeration(), classifier_weight)
third = attempts["enumerated", True]
print(
    f"attempt 3: test accuracy {third.curve[-1]:.3f}; "
    f"classifier alone {of_alone.mean:.3f} ± {of_alone.standard_error:.3f}"
)

# %% slideshow={"slide_type": "subslide"}
plots.curves(
    {
        "1: sampled": first.curve,
        "2: enumerated": second.curve,
        "3: with its loss": third.curve,
    },
    "epoch",
    "test accuracy",
    references={"classifier alone": of_alone.mean, "chance": 1 / classes},
    ylim=(0, 1),
    size=(820, 360),
    caption="Test accuracy of q(y | x) while training the three attempts: same networks, same start, same number of steps.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The dashed line is the ruler: a classifier alone on the same hundred labels. What the third curve has above it is what the unlabelled images are worth, in this small fit; section 10 has the long ones. Ask for the two changes between the first curve and the third, and which of them did it. Nobody can know from these three curves: that is section 6.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 06.4 · ●○○ · 6 minutes
#
# Put the objective together: $s\, \overline{L(x, y)} + (1 - s)\, \overline{U(x)} + a\, \overline{\log q(y \mid x)}$, in nats per image, where bars are means over a batch's labelled or unlabelled images, $a$ is `weight`, and $s$ is the share of labelled images in the *data set*, from `counts`: a batch may hold more of them.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-06.4"]
def semi_supervised_objective(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    """s mean L + (1 - s) mean U + a mean log q(y | x), nats per image; s: share of labelled ones.

    Of a batch: bound_labelled = L(x, y) [labelled], bound_unlabelled = U(x) [unlabelled];
    log_q: log q(k | x) of the labelled images, [labelled, classes], labels: int64 [labelled].
    counts: (labelled, unlabelled) images in the data set. weight: a, a number → [].
    """
    ...  # your code


check("06.4", semi_supervised_objective)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Six minutes. Ask why s comes from the data set and not from the batch: here a batch holds as many labelled images as unlabelled ones, and s is one in a hundred. Then what a does to a classifier that is right and sure already: almost nothing, log q is near zero.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · Which cause did what?
#
# Two things were changed, **estimator** and **classifier loss**. Change each alone:
#
# | | without the loss | with it |
# |---|---|---|
# | sampled, 2 guesses | attempt 1 | ? |
# | leave-one-out, 2 guesses (lesson 04) | ? | ? |
# | enumerated | attempt 2 | attempt 3 |
#
# **Predict.** Cure only the noise, or only the names: which comes nearer to attempt 3?
#
# <details><summary>Answer</summary>
#
# On MNIST, names: without the loss even the exact sum does not get above chance, with it even two noisy guesses do. A calm gradient still buys something: with the loss, the sampled label stays below the classifier alone, which has no unlabelled images; leave-one-out, less noisy at the same price, comes near the sum. Each cause is enough to spoil it.
# </details>

# %% slideshow={"slide_type": "skip"}
estimators = {"sampled": ScoreFunction, "leave-one-out": LeaveOneOut, "enumerated": Enumeration}
for name, estimator in estimators.items():
    for with_loss in (False, True):
        if (name, with_loss) not in attempts:
            attempts[name, with_loss] = attempt(estimator(), classifier_weight if with_loss else 0.0)

# %% slideshow={"slide_type": "subslide"}
print("test accuracy    without classifier loss         with it          seconds")
print("                 last    best names        last    best names")
for name in estimators:
    without, with_it = attempts[name, False], attempts[name, True]
    cells = (f"{a.curve[-1]:.3f}   {renamed(a.guide.classifier):.3f}" for a in (without, with_it))
    print(f"{name:15}  {'             '.join(cells)}       {without.seconds:6.0f} {with_it.seconds:6.0f}")
print(f"classifier alone {of_alone.mean:.3f} ± {of_alone.standard_error:.3f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Read along the rows first: that is the loss. Then down the columns: that is the noise. Same start, same steps; one seed and one split, so small differences mean nothing. The talk's "one possibility" is a cause, but the first thing that is missing is another one.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# ### The same two causes, in the gradient
#
# Accuracies tell what came out. The gradient tells why. Take the untrained networks and one batch, and measure the gradient with respect to the classifier's parameters, with the tools of lessons 03 and 04. Two numbers:
#
# - its **noise**, the variance over repeated draws of $y$ and $z$;
# - its **direction**: the cosine of its mean with the gradient that *would* teach the right names. That is $\nabla\, \overline{\log q(y^\star \mid x)}$, with the true labels $y^\star$ of unlabelled images, which no attempt sees and you have, less the same with labels at random: so that only the names count.

# %% slideshow={"slide_type": "skip"}
batch = (few_images, few_labels, train_images[unlabelled[:100]])
judged_images, judged_labels = train_images[unlabelled[:2000]], train_labels[unlabelled[:2000]]  # to judge by


def flat(parts):
    return torch.cat([part.flatten() for part in parts]).double()


def gradient_of_names(classifier, labels):
    """Gradient of mean log q(y* | x), y* = labels of judged_images, less that of mean log q(y | x) with y drawn from the shares of the classes."""
    log_q = classifier.network(judged_images).log_softmax(-1)
    code = one_hot(labels, classes).float()
    mean = (log_q * (code - code.mean(0))).sum(-1).mean()
    return flat(torch.autograd.grad(mean, list(classifier.parameters())))


def gradient_moments(model, guide, estimator, with_loss, repeats):
    """Mean and variance of the gradient with respect to the classifier's parameters, over draws of y and z."""
    objective = AnalyticKlSemiSupervisedElbo(
        model,
        guide,
        estimator(),
        labelled_share=share,
        classifier_weight=classifier_weight if with_loss else 0.0,
        label_samples=None if estimator is Enumeration else 2,
    )
    torch.manual_seed(0)
    parameters = list(guide.classifier.parameters())
    return sampled_moments_of(lambda: objective(batch), parameters=parameters, repeats=repeats)


repeats = settings.budget(full=40, smoke=3)
model, guide = build()  # the networks with which every attempt starts; the style's rate counts once here
noise = {}  # by (estimator, with loss): moments
print(f"{'estimator':14} variance without / with the loss     |mean| without / with")
for name, estimator in estimators.items():
    for with_loss in (False, True):
        noise[name, with_loss] = gradient_moments(model, guide, estimator, with_loss, repeats)
    both = [noise[name, with_loss] for with_loss in (False, True)]
    variances, lengths = [moments.total_variance for moments in both], [flat(moments.mean).norm() for moments in both]
    print(f"{name:14} {variances[0]:15.4g} / {variances[1]:<15.4g} {lengths[0]:12.4g} / {lengths[1]:<10.4g}")


# %% slideshow={"slide_type": "skip"}
def share_of_true_votes(tried):
    """For which share of unlabelled images the class with the highest L(x, k) is the true one."""
    objective = AnalyticKlSemiSupervisedElbo(tried.model, tried.guide, labelled_share=share)
    images, labels = judged_images[:500], judged_labels[:500]
    y = torch.eye(classes)[:, None].expand(classes, len(images), classes)
    with torch.no_grad():
        return (objective.labelled(images, y).value.argmax(0) == labels).float().mean().item()


classifier = guide.classifier
of_names = gradient_of_names(classifier, judged_labels)
noise_of = {name: noise[name, False].total_variance for name in estimators}
log_q = classifier.network(few_images).log_softmax(-1)
code = one_hot(few_labels, classes).float()
weighted = {
    "loss alone": (log_q * code).sum(-1).mean(),
    "loss alone, less shares": (log_q * (code - code.mean(0))).sum(-1).mean(),
}
gradients = {
    "sum, without loss": flat(noise["enumerated", False].mean),
    "sum, with loss": flat(noise["enumerated", True].mean),
}
for name, mean in weighted.items():
    gradients[name] = flat(torch.autograd.grad(mean, list(classifier.parameters()), retain_graph=True))
cosine_of = {name: cosine_similarity(gradient, of_names, 0) for name, gradient in gradients.items()}
torch.manual_seed(0)
shuffled = [gradient_of_names(classifier, judged_labels[torch.randperm(len(judged_labels))]) for _ in range(20)]
by_wrong_names = {
    name: torch.stack([cosine_similarity(gradients[name], wrong, 0) for wrong in shuffled])
    for name in ("sum, without loss", "sum, with loss")
}

# %% slideshow={"slide_type": "subslide"}
print("noise at the start: variance relative to that of the exact sum")
relative = (f"{name} {variance / noise_of['enumerated']:,.0f}" for name, variance in noise_of.items())
print("   ", "     ".join(relative))
print("direction at the start: cosine with the gradient of the right names")
for name, cosine in cosine_of.items():
    print(f"    {name:24} {cosine:12.3f}")
for name, cosines in by_wrong_names.items():
    print(f"    {name:24} {cosines.mean():12.3f} ± {cosines.std():.3f} with wrong names, 20 shuffles")
print("after training: share of unlabelled images whose true class has the highest L(x, k)")
for name, tried in {"attempt 2": second, "attempt 3": third}.items():
    print(f"    {name:24} {share_of_true_votes(tried):12.3f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Two causes, two instruments. The estimator sets the variance and leaves the mean where it is: all three are unbiased. The loss adds a term without noise, so it leaves the variance where it is and turns the mean. The variance that is left for the sum is that of z. A cosine near zero says: this gradient has nothing to do with the names. The last two lines show where U(x) pulls the guess in the end: towards the class with the highest bound.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# The loss has no noise of its own (the batch is held fixed), so with and without it the variance is the same: it is the estimator's. The three estimators have the same mean, so the direction is not theirs: it is the loss's. (Where a sampled gradient shows a longer mean, that is the noise which so few repeats leave in it.) The wrong names give the yardstick: a cosine within about two of their spreads cannot be told from zero. The loss alone gives the other: nearly all of the direction is its own. It is far from 1 mainly because the loss also moves every guess towards the shares of the classes, which "the right names" leave out; with them left out of both, the last line says how well a hundred labels know the names of two thousand images. This holds at the start; once the loss has taught the hundred, it has little gradient left. Noise *and* direction were wrong in attempt 1; attempt 2 mended the one, attempt 3 the other.
#
# And why does the unlabelled part not find the names by itself? $U(x)$ pulls $q(y \mid x)$ towards $\mathrm{softmax}_k\, L(x, k)$: with differences of several nats, the class with the highest. Which name a class gets, only the labelled part can say, and its share of the objective is $s$: one image in a hundred, on MNIST.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · One style, ten classes
#
# Take an image's style, $z$ of $q(z \mid x, y)$, and draw it in every class: $p(x \mid y = k, z)$ for $k = 0, \dots, 9$. If class and style are apart, slant and thickness stay.

# %% [markdown] slideshow={"slide_type": "skip"}
# Attempt 3's objective in the long fit of section 10: 600 labels of 50,000 images, 20 epochs, larger networks (500 hidden units, a style of 50 numbers), and a classifier that reads warped and noisy images, by `python -m helpers.reproduce ssvae`. Its weights come with the workbook. They are MNIST's: on the packaged digits, your own attempt 3 draws.

# %% slideshow={"slide_type": "skip"}
if data.name == "mnist":
    trained, trained_guide = load_trained()
    print("the trained weights, 600 labels")
else:
    trained, trained_guide = third.model, third.guide
    print("attempt 3 of this notebook")

# %% slideshow={"slide_type": "fragment"}
with torch.no_grad():
    x = test_images[:300]
    y = trained_guide.classifier(x).mean.argmax(-1)  # nobody tells the class: the guide guesses it
    styles = trained_guide.style(x, one_hot(y, classes).float()).mean  # [images, latent]
    drawn = trained.every_class(styles)  # [classes, images, 1, 28, 28]
some = torch.tensor([0, 1, 2, 3, 4])
plots.image_grid(
    torch.cat([x[some][:, None], drawn[:, some].transpose(0, 1)], 1),
    column_labels=["image", *(str(k) for k in range(classes))],
    scale=2,
    caption="Test images, left, and the style that the model finds in each, drawn in all ten classes.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Nobody labelled these images: the guide guessed the class, then the style. Look for slant along a row, then for thickness. Where the class was guessed wrong, the style is that of a strange specimen of another class, and the row shows it. The cell after this one measures what you see. With MNIST this is the model of the table, 20 epochs with 600 labels, whose weights come with the workbook; offline it is the notebook's own attempt 3, of a few seconds, and blurs. The explorer comes next.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Eyes are generous. Measure it: **ink** is the mean grey of an image, **slant** is how far its rows shift to the right from top to bottom, per row. Compare an image with the mean of its drawings in the *other* nine classes, each with the mean over its class taken out.


# %% slideshow={"slide_type": "skip"}
def ink_and_slant(images):
    """images: [..., 1, H, W] → mean grey and slant, columns per row, each [...]."""
    grey = images.squeeze(-3) + 1e-6
    total = grey.sum((-2, -1))
    row, column = torch.arange(grey.shape[-2]).float()[:, None], torch.arange(grey.shape[-1]).float()

    def mean(values):
        return (grey * values).sum((-2, -1)) / total

    return grey.mean((-2, -1)), (mean(row * column) - mean(row) * mean(column)) / (mean(row**2) - mean(row) ** 2)


def without_class_mean(values, y):
    """values, y: [images] → values less their mean over the images of the same class."""
    code = one_hot(y, classes).float()
    return values - code @ ((code.T @ values) / code.sum(0).clamp_min(1))


others = torch.arange(classes)[:, None] != y  # [classes, images]
for name, own, copies in zip(("ink", "slant"), ink_and_slant(x), ink_and_slant(drawn), strict=True):
    own = without_class_mean(own, y)
    copies = ((copies - copies.mean(1, keepdim=True)) * others).sum(0) / (classes - 1)
    print(
        f"{name:6} correlation of image and its drawings in the other classes: "
        f"{torch.corrcoef(torch.stack([own, copies]))[0, 1]:.2f}"
    )

# %% [markdown] slideshow={"slide_type": "skip"}
# And the other way about: one class a column, every row another style, drawn from the prior.

# %% slideshow={"slide_type": "skip"}
torch.manual_seed(3)
with torch.no_grad():
    from_prior = trained.every_class(trained.style_prior((5,)).sample())  # [classes, styles, 1, 28, 28]
plots.image_grid(
    from_prior.transpose(0, 1),
    column_labels=[str(k) for k in range(classes)],
    row_labels=[f"style {number + 1}" for number in range(5)],
    scale=2,
    caption="Five styles from the prior, one a row, in all ten classes, one a column.",
)

# %% slideshow={"slide_type": "subslide"}
style_dials(trained, trained_guide, test_images[:300], test_labels[:300])

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Let somebody choose an image, then turn the first dial from end to end and name what it does, in one word, before looking at another class. Does the word hold for all ten? The directions are the two along which the styles of a few hundred images vary most; nothing made them mean one thing only.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Why a style is expensive at first
#
# **Predict.** $z$ has 20 numbers. What keeps the model from putting the class into $z$, and drawing the same digit whatever $y$ says?
#
# <details><summary>Answer</summary>
#
# Only the labelled images, a small share of the objective. Saying the class costs about $\log 10$ nats either way, by $y$ or in $\mathrm{KL}(q(z \mid x, y) \,\|\, p(z))$, so the bound hardly prefers $y$. So all fits above give the KL a weight of 4, which falls to 1 halfway through: a style is expensive at first, and the class is put to use. The cell below
# leaves that out.
# </details>


# %% slideshow={"slide_type": "skip"}
def above_the_others(tried, images, labels):
    """Mean over images of L(x, label) less L(x, k), over all other classes k: nats."""
    objective = AnalyticKlSemiSupervisedElbo(tried.model, tried.guide, labelled_share=share)
    y = torch.eye(classes)[:, None].expand(classes, len(images), classes)
    with torch.no_grad():
        bound = objective.labelled(images, y).value  # [classes, images]
    right = bound.gather(0, labels[None])[0]
    return (right - (bound.sum(0) - right) / (classes - 1)).mean().item()


plain = attempt(Enumeration(), classifier_weight, rate_weight=1.0)
x = test_images[:500]
print(f"{'':20} L less others': label, guess       style rate      U(x)   test accuracy")
for name, tried in {"attempt 3": third, "not expensive first": plain, "attempt 2": second}.items():
    torch.manual_seed(0)
    of_label = above_the_others(tried, x, test_labels[:500])
    with torch.no_grad():
        guess = tried.guide.classifier(x).mean.argmax(-1)
    of_guess = above_the_others(tried, x, guess)
    print(
        f"{name:20} {of_label:10.1f} {of_guess:10.1f} nats {tried.train['style_rate'][-1]:17.1f} "
        f"{tried.train['unlabelled'][-1]:11.1f} {tried.curve[-1]:10.3f}"
    )

# %% [markdown] slideshow={"slide_type": "skip"}
# How far the guide's own guess stands above the other classes is how much the decoder relies on $y$: near zero, the class is decoration. How far the label does says also whether the names are ours: attempt 2 may rely on $y$ under other names. Compare $U(x)$ and the accuracies too: the measure may cost some of the bound, and to rely on $y$ and to classify well are two things.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 06.5 · ●●● · 11 minutes
#
# The model has an opinion on the class too: $p(y \mid x) \propto p(x, y)$. Estimate $p(x, y) \approx \frac 1 S \sum_s w_s$ from draws $z_s \sim q(z \mid x, y)$, where `log_weight` is $\log w_s$ for every class. Return $\log p(x)$, $\log p(y \mid x)$, and what the classifier's guess costs the bound, $\mathrm{KL}(q(y \mid x) \,\|\, p(y \mid x))$, in nats. Log weights may lie near $-900$: their exponentials are 0 in floating point.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-06.5"]
def what_the_guess_costs(log_weight, log_q):
    """log p(x), log p(y | x) by importance weights, and KL(q(y | x) || p(y | x)), in nats.

    log_weight[s, b, k] = log p(x_b, y = k, z) - log q(z | x_b, k), z ~ q(z | x_b, k), a draw for
    each: [samples, batch, classes]. log_q: log q(y | x), [batch, classes]
    → log p(x) [batch], log p(y | x) [batch, classes], the divergence [batch].
    """
    ...  # your code


check("06.5", what_the_guess_costs)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Eleven minutes, the hardest of the lesson. Two sums of a different kind: a mean over draws within a class, a sum over classes, both inside logarithms. The identity log p(x) - KL = U at its best is worth a line on the board: it says how much of the bound is lost by guessing badly.
#
# </details>

# %% slideshow={"slide_type": "skip"}
draws = settings.budget(full=20, smoke=3)
torch.manual_seed(0)
with torch.no_grad():
    x, truth = test_images[:500], test_labels[:500]
    y = torch.eye(classes)[:, None].expand(classes, len(x), classes)
    q = third.guide.style(x, y)
    weights = []
    for _ in range(draws):
        z = q.sample()  # [classes, images, latent]
        weights.append((third.model.log_joint(x, y, z) - q.log_prob(z)).T)  # [images, classes]
    log_q = third.guide.classifier.network(x).log_softmax(-1)
    log_marginal, log_posterior, cost = answers.what_the_guess_costs(torch.stack(weights), log_q)
guessed, thought = log_q.argmax(-1), log_posterior.argmax(-1)
print(
    f"log p(x) about {log_marginal.mean():.1f} nats (estimated, from below); "
    f"the classifier's guess costs the bound {cost.mean():.2f} of them"
)
print(
    f"right: the classifier q(y | x) {(guessed == truth).float().mean():.3f}, "
    f"the model p(y | x) {(thought == truth).float().mean():.3f}"
)
print(f"they name the same class for {(guessed == thought).float().mean():.3f} of the images")

# %% [markdown] slideshow={"slide_type": "skip"}
# The estimates of $\log p(x, y)$ are from below, and poor for classes that an image is far from. So read $p(y \mid x)$ as an estimate. The model and its classifier are two opinions, trained on each other: the model mainly on pixels, the classifier on names too, by its own loss. To classify, use the one that is right more often on labelled images set aside.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · M1 + M2: first learn to see
#
# Kingma and others call section 2's model **M2**, and stack it: **M1** is a VAE of the images, trained without any label. M2 is then the model of M1's *features*, $z_1 \sim q_1(z_1 \mid x)$, vectors of 20 numbers, with a Gaussian likelihood:
#
# $$ p(y)\, p(z_2)\, \underbrace{\mathcal N\big(z_1 \mid \mu(y, z_2), \sigma^2(y, z_2)\big)}_{\text{M2, in place of pixels}} , \qquad q_2(y \mid z_1)\, q_2(z_2 \mid z_1, y). $$
#
# Features are drawn afresh at every visit, so a hundred labelled images are never the same hundred vectors.

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(0)
network = FeedForward(hidden)
likelihood = BernoulliConditional((latent,), image_shape, network)
m1 = LatentVariableModel(StandardNormalPrior(latent), likelihood)
encoder = AmortizedGuide(GaussianConditional(image_shape, (latent,), network))
initialise(m1, encoder, train_images)
objective = AnalyticKlElbo(m1, encoder)
steps = epochs * -(-len(train_images) // 100)
optimizer, schedulers = adam(objective, steps)
images = Batches(train_images, batch_size=100)
fit(objective, images, epochs=epochs, optimizers=optimizer, schedulers=schedulers, progress=False)


def features(images):
    """Mean and scale of q(z_1 | x). images: [N, 1, 28, 28] → [N, 2, latent]."""
    with torch.no_grad():
        q = encoder(images).base_dist
    return torch.stack([q.loc, q.scale], 1)


# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# M1 has seen all images and no label. What it cannot know is which directions of its features matter for the class. Ask why this may beat M2 on pixels: the classifier of M2 reads 20 numbers in place of 784 pixels, and the encoder was trained on all images. And what is lost: the encoder no longer learns from the labels.
#
# </details>


# %% slideshow={"slide_type": "skip"}
def draw_features(parameters):
    """z_1 ~ q(z_1 | x), afresh. parameters: [N, 2, latent] → [N, latent]."""
    loc, scale = parameters.unbind(1)
    return loc + scale * torch.randn_like(loc)


inputs, test_inputs = features(train_images), features(test_images)[:, 0]
stacked = train(
    *build((latent,), GaussianConditional),
    Enumeration(),
    inputs,
    test_inputs,
    classifier_weight=1.0,  # as in the long fits: on features neither a strong push
    rate_weight=1.0,  # nor a style that is expensive at first did good
    draw=draw_features,
)
_, guide = build((latent,), GaussianConditional)
steps = settings.budget(full=500, smoke=50)
optimizer, schedulers = adam(guide.classifier, steps)
few = Batches(inputs[labelled], few_labels, batch_size=num_labels, transform=draw_features)
fit(LogLikelihood(guide.classifier), few, epochs=steps, optimizers=optimizer, schedulers=schedulers, progress=False)
for name, share_right in {
    "classifier alone, on pixels": of_alone,
    "classifier alone, on M1's features": accuracy(guide.classifier, test_inputs, test_labels),
    "attempt 3: M2 on pixels": accuracy(third.guide.classifier, test_images, test_labels),
    "M1 + M2": accuracy(stacked.guide.classifier, test_inputs, test_labels),
}.items():
    print(f"{name:36} {share_right.mean:.3f} ± {share_right.standard_error:.3f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# Three steps are in this table: from pixels to features, with the classifier alone; from the classifier alone to M2, on pixels; and the same on features. Read off which is largest here. It is one split and one start: 06.6 tells how to judge a small step.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · In Pyro
#
# Model and guide read as in section 2; `config_enumerate` asks for the sum, `TraceEnum_ELBO` does it.

# %% slideshow={"slide_type": "fragment"}
import pyro
import pyro.distributions as dist
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, config_enumerate


def pyro_model(x, y=None):
    with pyro.plate("images", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(latent), 1.0).to_event(1))
        y = pyro.sample("y", dist.OneHotCategorical(torch.full((classes,), 1 / classes)), obs=y)
        logits = third.model.likelihood.network(torch.cat([y.expand(*z.shape[:-1], classes), z], -1))
        pyro.sample("x", dist.Bernoulli(logits=logits, validate_args=False).to_event(3), obs=x)


def pyro_guide(x, y=None):
    with pyro.plate("images", len(x)):
        if y is None:
            y = pyro.sample("y", dist.OneHotCategorical(logits=third.guide.classifier.network(x)))
        q = third.guide.style(x, y.expand(*y.shape[:-2], len(x), classes)).base_dist
        pyro.sample("z", dist.Normal(q.loc, q.scale).to_event(1))


# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# An observed y is a y that is passed in: the guide then has nothing to guess. The classifier loss would be a third program with a single site, y given x, and an empty guide, as in the talk. In the notebook the two bounds and the gradient agree with ours to float precision, on the same weights, images and noise.
#
# </details>

# %% slideshow={"slide_type": "skip"}
x, y = train_images[unlabelled[:50]], one_hot(few_labels, classes).float()
objective = SemiSupervisedElbo(third.model, third.guide, labelled_share=share)
parameters = [*third.model.parameters(), *third.guide.parameters()]
enumerated = TraceEnum_ELBO(max_plate_nesting=1)
comparisons = {
    "U(x)": (
        lambda: enumerated.differentiable_loss(pyro_model, config_enumerate(pyro_guide), x),
        lambda: objective.unlabelled(x),
    ),
    "L(x, y)": (
        lambda: Trace_ELBO(max_plate_nesting=1).differentiable_loss(pyro_model, pyro_guide, few_images, y),
        lambda: objective.labelled(few_images, y),
    ),
}
for name, (their_loss, our_estimate) in comparisons.items():
    pyro.set_rng_seed(0)
    theirs = -their_loss()
    pyro.set_rng_seed(0)
    estimate = our_estimate()
    gradients = []
    for total in (theirs, estimate.surrogate.sum()):
        parts = torch.autograd.grad(total, parameters, allow_unused=True, materialize_grads=True)
        gradients.append(torch.cat([part.flatten() for part in parts]))
    apart = ((gradients[1] - gradients[0]).norm() / gradients[0].norm()).item()
    number = len(estimate.value)
    print(
        f"{name:8} Pyro {theirs.item() / number:.4f}   ours {estimate.value.mean().item():.4f} nats per image   "
        f"relative difference of the gradients {apart:.1e}"
    )

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · What we got
#
# Test accuracy on MNIST in percent, published and ours, by number of labels: 50,000 training images, the same hyperparameters for all numbers of labels. Published: Pyro's talk and tutorial; M1 + M2, one minus the errors of Kingma and others (2014). While they train, our classifiers read images with noise, each turned, scaled, slanted and shifted a little at random (`WarpedInput`), and M1 + M2 features of such images; the published ones read them as they are.

# %% slideshow={"slide_type": "skip"}
rows = {row.name: row for row in read_rows() if row.name.startswith("ssvae-") and row.runs}
commands = sorted({row.command for row in rows.values()})
for command in commands or ["No rows yet: `python -m helpers.reproduce ssvae` makes them."]:
    print(command)


def ours(variant, number):
    """Our accuracy in percent, its standard error over splits, their number; a dash where there is no row."""
    row = rows.get(f"ssvae-{variant}-{number}")
    if row is None:
        return "–"
    spread = "" if row.standard_error is None else f" ± {100 * row.standard_error:.2f}"
    return f"{100 * row.mean:.2f}{spread} ({len(row.runs)})"


# %% slideshow={"slide_type": "fragment"}
print(f"{'labels':25}" + "".join(f"{number:>18,}" for number in (100, 600, 1000, 3000)))
for variant, words in NAMES.items():
    print(f"{words:25}" + "".join(f"{100 * value:18.4g}" for value in PUBLISHED[variant].values()))
    cells = (ours(variant, number) for number in PUBLISHED[variant])
    print(f"{'   ours (splits)':25}" + "".join(f"{cell:>18}" for cell in cells))

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Upper line of each pair: published. Lower line: ours, mean over splits, ± its standard error, number of splits. Take the guesses of the first slide off the board. What the unlabelled images are worth is the third pair less the fourth, on the same splits (06.6 and the explorer compute it), and it is largest where labels are fewest. Compare like with like: the published classifier alone and ours differ in training, and M1 + M2 has a network more.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Where a cell of ours is a dash, nobody has trained it yet; the command above makes it. Read the table by pairs. Where labels reach the classifier by its loss, and images are warped while it trains, ours are above the published. Attempts 1 and 2, to which no label speaks directly, fail as the published ones do, and lower. M1 + M2 was the best of the published table at every number of labels. Ours is ahead of attempt 3 with a hundred labels, and behind it with 3,000. And knowing how digits may be warped is worth labels too: compare the two classifiers alone.

# %% slideshow={"slide_type": "subslide"}
number_of_labels(read_rows())

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Hollow marks are published, filled ones ours. Ask for the number of labels at which a classifier alone is as good as attempt 3 with a hundred: that is what the unlabelled images are worth, in labels. Then switch to errors on a logarithmic scale: which lines are parallel?
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 06.6 · ●●○ · 7 minutes
#
# Two variants have been trained on the same $n$ splits. `correct` and `other` are 1.0 where they classified a test image right, else 0.0. With $a_i$, $b_i$ their accuracies on split $i$ and $d_i = a_i - b_i$, return the mean of $d$; its standard error over splits, *paired*, $\sqrt{\mathrm{var}(d) / n}$; and *unpaired*, $\sqrt{(\mathrm{var}(a) + \mathrm{var}(b)) / n}$. Variances divide by $n - 1$.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-06.6"]
def compare_over_splits(correct, other):
    """Difference of the mean accuracies of two variants, and its standard errors over splits.

    Both were trained on the same splits. correct, other: 1.0 where a test image is classified
    right, else 0.0, [splits, images] → mean accuracy of `correct` less that of `other`; its
    standard error, paired; and unpaired, as if each had splits of its own: three scalars.
    """
    ...  # your code


check("06.6", compare_over_splits)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Seven minutes. The trials are the splits, as many as both variants share: ten thousand test images do not make them more. Ask which of the two errors is larger if both variants are lucky with the same hundred labels, and why a paired comparison needs the same splits for both.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# The rows have each run's accuracy, by split. By how much is attempt 3 ahead of the classifier alone?

# %% slideshow={"slide_type": "skip"}
compared = 0
for number in (100, 600, 1000, 3000):
    runs = [
        {run.seed: run.value for run in rows[name].runs} if (name := f"ssvae-{variant}-{number}") in rows else {}
        for variant in ("classifier-loss", "baseline")
    ]
    splits = sorted(runs[0].keys() & runs[1].keys())
    if len(splits) > 1:
        compared += 1
        # one "image" a split: its accuracy
        of_both = (torch.tensor([[of[split]] for split in splits], dtype=torch.float64) for of in runs)
        ahead, paired, unpaired = answers.compare_over_splits(*of_both)
        print(
            f"{number:5,} labels, {len(splits)} splits: {ahead:+.4f} ± {paired:.4f} paired, ± {unpaired:.4f} unpaired"
        )
if not compared:
    print("Two splits or more of both are needed; the rows do not have them yet.")

# %% [markdown] slideshow={"slide_type": "skip"}
# Is the paired error the smaller one? Only as far as the two accuracies rise and fall together over the splits, and a variance from a few splits is itself hardly known. Pairing is right all the same: it asks for no independence that is not there. Here the differences are so many errors wide that the choice of the error changes nothing.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - A latent class that is sometimes observed: $L(x, y)$ with a label, $U(x)$ without, each in its share.
# - A failure may have several causes. Vary one at a time, and measure each: noise by variance, names by direction.
# - Ten classes can be summed: no noise from the guess, and the image's half of the first layer is computed once.
# - $L(x, y)$ does not hold $q(y \mid x)$: no label reaches the classifier directly unless you add its loss; through the decoder a few do, slowly.
# - Class and style separate only as far as the objective rewards it: a style that is expensive at first makes the decoder rely on the class, and may cost some of the bound.

# %% slideshow={"slide_type": "skip"}
progress()

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Go further
#
# - Train attempt 2 with 1,000 labels of the 10,000. Does the second-hand route teach the names now? How far is it from attempt 3?
# - Leave one class without labels: give the classifier nine classes with ten labels each, and look at what the tenth becomes. (`SemiSupervisedBatches` refuses a class without a label; say why, then build the batches yourself.)
# - Give the model twelve classes for ten digits. What are the two others used for?
# - Replace `classifier_weight` by a schedule that falls to zero. Does the classifier forget its names?
#
# ## References
#
# - D. P. Kingma, D. J. Rezende, S. Mohamed, M. Welling. Semi-Supervised Learning with Deep Generative Models. NIPS 2014. arXiv:1406.5298
# - Pyro contributors. The Semi-Supervised VAE. Pyro tutorial, pyro.ai/examples/ss-vae.html; and "Pyro's talk", "Building on top of the VAE: recipes for missing and sequential data", Uber AI Labs.
# - D. P. Kingma, M. Welling. Auto-Encoding Variational Bayes. ICLR 2014. arXiv:1312.6114
# - W. Kool, H. van Hoof, M. Welling. Buy 4 REINFORCE Samples, Get a Baseline for Free! ICLR 2019 workshop on deep reinforcement learning meets structured prediction.
# - L. Maaløe, C. K. Sønderby, S. K. Sønderby, O. Winther. Auxiliary Deep Generative Models. ICML 2016. arXiv:1602.05473
# - N. Siddharth, B. Paige, J.-W. van de Meent, A. Desmaison, N. D. Goodman, P. Kohli, F. Wood, P. H. S. Torr. Learning Disentangled Representations with Semi-Supervised Deep Generative Models. NIPS 2017. arXiv:1706.00400
# - A. Oliver, A. Odena, C. Raffel, E. D. Cubuk, I. J. Goodfellow. Realistic Evaluation of Deep Semi-Supervised Learning Algorithms. NeurIPS 2018. arXiv:1804.09170
# - E. Bingham et al. Pyro: Deep Universal Probabilistic Programming. JMLR 2019. arXiv:1810.09538
