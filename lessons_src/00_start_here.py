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
# # 00 · Start here
#
# *Check that everything works, then learn to read the three shapes that every lesson stands on.*
#
# **27 minutes** (21 reading and running, 6 exercises) · before this: Python, tensors, and what a probability density is

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Have everybody run the first two code cells now, before you say anything else: whoever sees a line that does not begin with
# "ok" needs you in the next two minutes, not in lesson 02. Then ask: who has ever lost an hour to a shape error? And to a shape that gave no error?
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# **You will be able to**
#
# 1. say what your machine computes on, and whether the real MNIST is at hand or the packaged digits stand in for it;
# 2. predict the shape of a sample and of a log-probability from `sample_shape`, `batch_shape` and `event_shape`;
# 3. choose the number in `Independent` so that an image gets one number, and write that number yourself, from logits;
# 4. read a broadcasting error aloud, and find the broadcast that raises no error.
#
# Section 1 answers 1. The Predict questions of sections 2 and 3 test 2 and the first half of 3; the exercise tests its second half; the
# Predict questions of section 5 test 4.

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

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · Is everything working?
#
# Click into the cell below and press **Shift+Enter**. Five lines appear. Each begins with `ok`, or with `!!` and what to do. In JupyterLab the
# last line turns to *alive*.

# %% slideshow={"slide_type": "fragment"}
from helpers.widgets.set_up import check_set_up

check_set_up()

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The last line is a round trip: the kernel asks the page, the page answers. Where it says alive, every explorer will move. On a slide it
# says asleep, which is right: no kernel stands behind a slide. No MNIST and no network is no problem; the lessons then use packaged digits and say so.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Where the last line does not turn to *alive* within a few seconds, whether it says *waiting* or *asleep*: reload the page, then run the cell again. Until
# it does, explorers are still pictures; all else works. (On a slide or a printed page, *asleep* is right.)
#
# **Shift+Enter** runs a cell and goes on; *Run → Run All Cells* runs the lesson, and never stops at an exercise that you have not solved.
# *Kernel → Restart Kernel* starts over when names got mixed up.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### What a lesson is made of
#
# - **Predict**: a question before the cell that answers it. Commit to an answer, then run.
# - **Your turn**: you fill in a function, and `check` says *what* is wrong. `hint` gives three hints, `solution` the answer, `progress` your score.
# - **Explorer**: controls above a picture. Move them.
# - **In Pyro**: the same in a second language, with the same numbers.
#
# The same file is the lesson's deck: some cells are slides, the rest is for reading.

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Say that a wrong prediction is worth more than a right one: it marks the place where something is to be learned. Ask them to write their
# predictions down. Minutes and difficulty (one to three dots) stand at each exercise.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Three shapes
#
# A torch distribution is a *batch* of densities (possibly of one). Three shapes keep apart what is what:
#
# - `sample_shape`: how many draws you ask for, all alike and independent;
# - `batch_shape`: how many different distributions there are, each with parameters of its own;
# - `event_shape`: what *one* outcome looks like: a number, a vector, an image.
#
# ```python
# x.shape           = sample_shape + batch_shape + event_shape  # + joins the tuples
# log_prob(x).shape = sample_shape + batch_shape
# ```
#
# One outcome has one probability, so `log_prob` gives **one number per event**: the event dimensions are gone.

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Draw it: a sheet of paper is an event. Different sheets side by side are the batch. Copies of the whole row, each filled in anew, are
# samples. log_prob puts one grade on each sheet. These names are from Dillon et al. 2017, and Pyro and torch took them over.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# A comment at the end of a line gives the shape of what the line makes, dimensions from the left: `# [batch, latent]`, `# [samples, batch]`,
# `# [batch, channel, height, width]`. A star stands for any number of dimensions: `[*batch, latent]`. Logarithms are natural, so
# log-probabilities are in **nats**: an outcome of probability $1/e$ has log-probability −1 nat.

# %% slideshow={"slide_type": "subslide"}
import torch
from torch.distributions import Bernoulli, Categorical, Independent, Normal

torch.manual_seed(0)
loc = torch.tensor([[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]])  # [2, 3]

q = Normal(loc, 1.0)
z = q.sample((5,))
print("batch_shape", list(q.batch_shape), "  event_shape", list(q.event_shape))
print("z.shape          ", list(z.shape))
print("log_prob(z).shape", list(q.log_prob(z).shape))

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# A Normal's event is a single number, so its event_shape is empty, whatever the shape of loc. Six means make six distributions, and
# five draws of each make thirty numbers and thirty log-probabilities.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Predict
#
# A categorical distribution over 10 classes, for each of 4 images, and a Gaussian in 3 dimensions with a full covariance, one of each:
#
# `Categorical(logits=torch.zeros(4, 10))` and `MultivariateNormal(torch.zeros(3), torch.eye(3))`
#
# What are `batch_shape` and `event_shape` of each?
#
# <details><summary>Answer</summary>
#
# The categorical: batch [4], event []. Its outcome is one class number; the 10 is used up by the parameters. The Gaussian: batch [],
# event [3]. Its three coordinates depend on each other, so they are one outcome with one density.
# </details>

# %% slideshow={"slide_type": "fragment"}
from torch.distributions import MultivariateNormal, OneHotCategorical

ten_logits = torch.zeros(4, 10)
gaussian = MultivariateNormal(torch.zeros(3), torch.eye(3))
for p in (Categorical(logits=ten_logits), gaussian, OneHotCategorical(logits=ten_logits)):
    print(f"{type(p).__name__:19} batch {str(list(p.batch_shape)):4} event {list(p.event_shape)}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Whoever said event [10] thought of a one-hot vector, the third line. Ask what both would be for 4 by 5 images.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# If you said event [10], you thought of a one-hot vector: that is `OneHotCategorical`, the third line. It has the same parameters as the first.
# The family fixes the event's shape; the shape of the parameters alone does not.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · `Independent`: declare what one outcome is
#
# A vector of three independent coordinates is one outcome too, but a `Normal` cannot know that you mean it so. You declare it:
# `Independent(q, n)` moves the last $n$ batch dimensions into the event. Samples stay as they are; `log_prob` now sums:
#
# $$ \log q(z) = \log \prod_{d=1}^{3} \mathcal N(z_d \mid \mu_d, 1) = \sum_{d=1}^{3} \log \mathcal N(z_d \mid \mu_d, 1). $$

# %% slideshow={"slide_type": "fragment"}
q_vector = Independent(q, 1)
print("batch_shape", list(q_vector.batch_shape), "  event_shape", list(q_vector.event_shape))
print("sample  ", list(q_vector.sample((5,)).shape))
print("log_prob", list(q_vector.log_prob(z).shape))

summed = q.log_prob(z).sum(-1)  # [samples, batch]
print("largest difference from the sum by hand:", (q_vector.log_prob(z) - summed).abs().max().item())

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Nothing about the random numbers changes. What changes is the claim: these three coordinates are one thing. Every loss later is a mean
# over things, so a wrong claim here is a wrong weight there.
#
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Predict
#
# A decoder gives logits of shape [64, 1, 28, 28]: 64 images, one channel. Which $n$ in `Independent(Bernoulli(logits=logits), n)` makes one
# image one event? What does `log_prob` return with $n = 2$?
#
# <details><summary>Answer</summary>
#
# $n = 3$: channel, height and width. With $n = 2$ you get [64, 1]. It looks harmless, and it is the first half of the trap in section 5.
# </details>

# %% slideshow={"slide_type": "fragment"}
logits = torch.randn(64, 1, 28, 28)
pixels = Bernoulli(0.5).sample((64, 1, 28, 28))
for n in range(4):
    print(n, list(Independent(Bernoulli(logits=logits), n).log_prob(pixels).shape))

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Let them vote on n with fingers, before the cell. Each step of n removes one dimension of log_prob.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Count from the right: width, height, channel. The pixels are independent, so the probability of an image is the product of its pixels'
# probabilities, and its logarithm is the sum of their logarithms.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### All three in one picture
#
# Ten distributions, one for each digit: pixel $d$ is on with probability equal to its brightness in that digit's average image.
# Four draws of each.
#
# **Predict.** What are sample, batch and event shape, and what is the shape of all the draws together?
#
# <details><summary>Answer</summary>
#
# `sample_shape` [4], `batch_shape` [10], `event_shape` [1, 28, 28]: together [4, 10, 1, 28, 28].
# </details>

# %% slideshow={"slide_type": "skip"}
from helpers import plots, settings
from helpers.data import load_images
from helpers.exercises import check, hint, progress

settings.seed_everything(0)
digits = load_images("digits", size=28).train  # the small packaged digits, so that everybody sees the same
means = torch.stack([digits.images[digits.labels == y].mean(0) for y in range(10)])  # [10, 1, 28, 28]
p_digits = Independent(Bernoulli(probs=means), 3)
draws = p_digits.sample((4,))
print(f"sample_shape [4]  batch_shape {list(p_digits.batch_shape)}  event_shape {list(p_digits.event_shape)}")
print(f"x.shape {list(draws.shape)}  log_prob(x).shape {list(p_digits.log_prob(draws).shape)}")

# %% slideshow={"slide_type": "fragment"}
plots.image_grid(
    torch.cat([means[None], draws]),
    row_labels=["averages", *(f"sample {s}" for s in range(4))],
    column_labels=[f"batch {y}" for y in range(10)],
    alt="Five rows of ten images, one column for each digit from 0 to 9. The first row holds the averages, soft grey digits. "
    "The four rows under it are draws: digits of black and white pixels, noisy and ragged, no two alike.",
    caption="Top: the average images, which are the parameters. Below: rows are samples, columns the batch, and each tile "
    "is one event of shape [1, 28, 28].",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The shape is [4, 10, 1, 28, 28]: read it off the picture, rows, columns, tile; the top row is no sample. Then ask why the
# draws are so ragged: the pixels of one tile know nothing of each other. What could make them agree? A hidden cause that they share. That is lesson 01.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# (These are the small packaged digits, so that everybody sees the same.) The draws are ragged because no pixel knows of its neighbours. Give all
# pixels of an image a hidden cause $z$ in common, and they can agree. This series is about such causes.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Explore the shapes
#
# Before you move a control, say what `log_prob` will return. Try $n = 0, 1, 2$, then $n = 3$. Then give `x` a shape of its own.

# %% slideshow={"slide_type": "fragment"}
from helpers.widgets.shapes import shapes

shapes()

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# As with the digits, samples run down and the batch across. Thick frames are events: one number per frame. The second picture is a
# preview of the trap: nobody asked for nine numbers, and no error was raised. In the notebook, ask for a state with an error.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Not every stretch is a mistake. A single number for `x`, shape `()`, asks for the density at one and the same value under every
# distribution of the batch, and that may be what you want.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 00.1 · ●○○ · 6 minutes
#
# A decoder gives one logit $\ell_d$ per pixel, and $p(x_d = 1) = \mathrm{sigmoid}(\ell_d)$, independently. Write $\log p(x) = \sum_d x_d \log p(x_d{=}1) + (1 - x_d) \log p(x_d{=}0)$, one number per image. It must survive logits of ±1000: no logarithm of a probability that may have been rounded to zero. `x` may also be grey, between 0 and 1: use the same formula; it is then the negative cross-entropy and no longer a log-probability. Try it without `torch.distributions` first.

# %% [markdown] slideshow={"slide_type": "skip"}
# Replace the `...` and run the cell. Stuck? The cell after it gives a hint, a further one each time you run it, three in all.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-00.1"]
def log_prob_of_images(logits, x):
    """log p(x) of images whose pixels are independent Bernoulli, in nats, stable for logits of any size.

    logits: [batch, channel, height, width]; x: the same shape, pixels from 0 to 1 → [batch].
    """
    ...  # your code


check("00.1", log_prob_of_images)

# %% slideshow={"slide_type": "skip"}
hint("00.1")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Give them the six minutes in silence. Two things to look for: which dimensions they sum, and what their answer does with a logit
# of 1000. Let somebody try the mean instead of the sum on purpose, and read out what check says.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# You can go on whether or not your answer passed. To see an answer and why it is right: `from helpers.exercises import solution`, then
# `solution("00.1")`. What it computes goes by two names in torch. One is a distribution; the other is a loss, so it has the other sign:

# %% slideshow={"slide_type": "skip"}
import torch.nn.functional as F

image_logits = torch.randn(64, 1, 28, 28)
bits = Bernoulli(0.5).sample((64, 1, 28, 28))  # each pixel 0 or 1
declared = Independent(Bernoulli(logits=image_logits), 3).log_prob(bits)  # [64]
named = -F.binary_cross_entropy_with_logits(image_logits, bits, reduction="none").sum((-3, -2, -1))  # [64]
print(f"largest difference, relative: {((declared - named) / named).abs().max().item():.1e}")
progress()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · Broadcasting: when it shouts, and when it does not
#
# Two shapes are compared **from the right**. A dimension of size 1, or a missing one, is stretched to the other's size. Any other
# difference is an error.
#
# **Predict.** Which of `x` = (3,), (2,), (2, 1), (3, 1) against batch [2], event [3] is right, an error, or a silent stretch?
#
# <details><summary>Answer</summary>
#
# (3,): a silent stretch over the batch, right if you mean one vector scored under both. (2,): an error, 2 is not 3. (2, 1): a silent stretch inside
# the event, each number read three times. (3, 1): an error, 1 is stretched to 3, but then 3 is not 2.
# </details>

# %% slideshow={"slide_type": "fragment"}
q_pair = Independent(Normal(torch.zeros(2, 3), 1.0), 1)  # batch [2], event [3]
for shape in ((3,), (2,), (2, 1), (3, 1)):
    try:
        print(shape, "gives", list(q_pair.log_prob(torch.zeros(shape)).shape))
    except ValueError as problem:
        print(shape, problem)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Have an error read aloud as a sentence: "I was given shape 2. I need something that ends in 2, 3. From the right, 2 is not
# 3." Then the cure: which of the three shapes did the writer have in mind?
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Read the first error aloud, as a sentence: *I was given a value of shape [2]. The distribution's batch and event are [2, 3]. From the right, 2
# stands against 3.* The 2 in `x`'s shape was meant as the batch, but it is compared with the 3 of the event.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Predict: the trap that raises no error
#
# A network predicts 1,000 targets almost perfectly. It returns shape [1000, 1]; the targets have shape [1000]. The two losses below
# should be the same number. Are they?
#
# <details><summary>Answer</summary>
#
# No. [1000] against [1000, 1] is stretched to [1000, 1000]: every target is scored under *every* prediction. The mean exists, has a
# gradient, and trains the network to predict the average of all targets. Nothing crashes.
# </details>

# %% slideshow={"slide_type": "fragment"}
torch.manual_seed(1)
targets = 5 * torch.randn(1000)  # [N]
output = targets[:, None] + 0.1 * torch.randn(1000, 1)  # [N, 1]: an excellent network

loss_a = -Normal(output, 1.0).log_prob(targets)
loss_b = -Normal(output.squeeze(-1), 1.0).log_prob(targets)
for name, loss in (("a", loss_a), ("b", loss_b)):
    print(f"loss {name}: {loss.mean().item():5.2f} nats, the mean of", list(loss.shape))

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Ask what loss a teaches the network: to say the average of all targets, whatever the input. It looks like a network that
# cannot learn. People blame the learning rate for days. The cure costs a line.
#
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The cure: check what you put in
#
# Checking the result misses the stretch inside an event: the result has the right shape and the wrong value. So check the value you put in. Add one
# line before each `log_prob`, as you write it:

# %% slideshow={"slide_type": "fragment"}
q = Independent(Normal(output, 1.0), 1)  # batch [1000], event [1]
for x in (targets, targets[:, None]):
    log_prob = q.log_prob(x)
    print("x", list(x.shape), " log_prob", list(log_prob.shape))
    print(f"   mean {log_prob.mean().item():,.2f} nats")
    try:
        assert log_prob.shape == targets.shape, "the result's shape is wrong"
        assert x.shape == q.batch_shape + q.event_shape, "x does not fit q"
        print("   passes both asserts")
    except AssertionError as problem:
        print("   is caught:", problem)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Both results have shape [1000], so an assert on the result alone lets the first mean through. (Here both come after log_prob, to show
# it.) The package checks shapes at its doors for this reason. Go back to the explorer and let them find the states that are stretched inside the event.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Both results have shape [1000], so the assert on the result lets both means pass; the assert on `x` catches the wrong one. Where `x` holds samples, put
# their shape in front: `x.shape == sample_shape + q.batch_shape + q.event_shape`. Keep the assert on the result as a second line: it says what
# you want back.
#
# Some families look after their event themselves: a `MultivariateNormal` in three dimensions refuses an `x` of shape [1]. `Independent` does not:

# %% slideshow={"slide_type": "skip"}
one_number = torch.zeros(1)
for q_three in (gaussian, Independent(Normal(torch.zeros(3), 1.0), 1)):  # both: batch [], event [3]
    try:
        print(f"{type(q_three).__name__}: {q_three.log_prob(one_number).item():.2f} nats")
    except ValueError as problem:
        print(f"{type(q_three).__name__}: {problem}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · In Pyro (optional)
#
# Pyro is the second voice of this series. `to_event(n)` is `Independent`; a `plate` names a batch dimension, and promises that
# what happens along it is independent. `trace` runs the model and records every `sample`; `obs=x` fixes the outcome.

# %% slideshow={"slide_type": "fragment"}
import pyro
import pyro.distributions as dist


def pyro_model(loc, x):
    with pyro.plate("data", len(loc)):
        pyro.sample("x", dist.Normal(loc, 1.0).to_event(1), obs=x)


two_means, two_vectors = torch.randn(2, 3), torch.randn(2, 3)
theirs = pyro.poutine.trace(pyro_model).get_trace(two_means, two_vectors).log_prob_sum()
ours = Independent(Normal(two_means, 1.0), 1).log_prob(two_vectors).sum()
print(f"Pyro {theirs.item():.5f}   ours {ours.item():.5f} nats")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Take to_event(1) out and run it: Pyro raises, for the 3 has become a batch dimension that no plate accounts for. The next cell
# of the notebook shows it. Lesson 08 builds plates.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Leave `to_event(1)` out, and Pyro raises an error: the 3 has become a batch dimension, and no plate accounts for it. Torch has no plates; without
# `Independent` it would return six numbers, and leave it to you to notice.


# %% slideshow={"slide_type": "skip"}
def without_to_event(loc, x):
    with pyro.plate("data", len(loc)):
        pyro.sample("x", dist.Normal(loc, 1.0), obs=x)


try:
    pyro.poutine.trace(without_to_event).get_trace(two_means, two_vectors).log_prob_sum()
except ValueError as problem:
    print(str(problem).splitlines()[0])
print("torch:", list(Normal(two_means, 1.0).log_prob(two_vectors).shape))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Notation
#
# One page for all lessons.
#
# | letter | meaning | letter | meaning |
# |---|---|---|---|
# | $x$ | what is observed | $p_\theta(x, z)$ | the model |
# | $z$ | latent: never observed | $p(z)$, $p_\theta(x \mid z)$ | prior, likelihood |
# | $y$ | a label | $p_\theta(z \mid x)$ | posterior: the exact one |
# | $\theta$ | parameters of the model | $q_\phi(z \mid x)$ | guide: an approximate posterior |
# | $\phi$ | parameters of the guide | $D$ | distortion, $\mathbb E_q[-\log p_\theta(x \mid z)]$ |
# | $\log p_\theta(x)$ | `log_marginal` | $R$ | rate, $\mathrm{KL}(q_\phi(z \mid x) \,\|\, p(z))$ |
# | $N$, $B$ | number of observations: all, in a batch | $S$ | number of draws of $z$ for each $x$ |
#
# In code the letters keep their names: `x`, `z`, `y`, `theta`, `phi`, `p`, `q`.

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Do not explain D and R now. Say that each word of the right column gets a lesson, and that this page is where to look when a letter has
# been forgotten.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · How a lesson reports its results
#
# Nothing is trained here. A lesson that trains something ends with the published number beside ours. Ours comes from a stored row, which holds how it
# was made and the one command that makes it again. This is lesson 02's; its ELBO is a score per image, and higher is better:

# %% slideshow={"slide_type": "fragment"}
from helpers.reproduce import read_row

row = read_row("vae")
minutes = sum(run.seconds for run in row.runs) / 60
print(f"{row.system}: {row.metric}")
print(f"published  about {row.published}, read off: {row.source}")
print(f"ours       {row.mean:.2f} ± {row.standard_error:.2f}, {len(row.runs)} seeds")
print("reached   ", row.reached(), "(as good, within two standard errors)")
print(f"again      {row.command}  # took {minutes:.0f} minutes")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Lesson 01 says what an ELBO is. A row that does not reach its published number is printed like the others. A number that nobody
# can make again is a rumour.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - `x.shape` is sample + batch + event; `log_prob(x)` has sample + batch: one number per event.
# - `Independent(q, n)` moves the last $n$ batch dimensions into the event: it leaves the samples as they are, and sums `log_prob` over the event.
# - An image is one event: $n = 3$.
# - Broadcasting compares from the right. It shouts where sizes clash; where one of them is 1 or missing, it stretches in silence.
# - A result of the right shape can have the wrong value. So check what you put in, before each `log_prob`:
#   `assert x.shape == q.batch_shape + q.event_shape`, with `sample_shape +` in front if there is one.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Go further
#
# - Give the explorer's `x` every shape in turn, with $n = 0$ and $n = 1$: where is the stretch along the batch, where inside the event?
# - `MultivariateNormal(torch.zeros(4, 3), torch.eye(3))`: what are its shapes? Then try `.expand((5, 4))`.
# - Next: [01 · Amortized inference](01_amortized_inference.ipynb).
#
# ## References
#
# - J. V. Dillon, I. Langmore, D. Tran et al. TensorFlow Distributions. 2017. arXiv:1711.10604 (where the three shapes come from)
# - E. Bingham, J. P. Chen, M. Jankowiak et al. Pyro: Deep Universal Probabilistic Programming. JMLR 2019. arXiv:1810.09538
# - A. Paszke, S. Gross, F. Massa et al. PyTorch: An Imperative Style, High-Performance Deep Learning Library. NeurIPS 2019. arXiv:1912.01703
# - C. R. Harris, K. J. Millman, S. J. van der Walt et al. Array programming with NumPy. Nature 2020. arXiv:2006.10256 (broadcasting)
