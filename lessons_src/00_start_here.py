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
# **15 minutes** · before this: Python, tensors, and what a probability density is

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* Have everybody run the first code cell now, before you say anything else: whoever sees a line that does not begin with
# "ok" needs you in the next two minutes, not in lesson 02. Then ask: who has ever lost an hour to a shape error? And to a shape that gave no error?

# %% [markdown] slideshow={"slide_type": "skip"}
# **You will be able to**
#
# 1. say what your machine computes on, and which data the lessons will use;
# 2. predict the shape of a sample and of a log-probability from `sample_shape`, `batch_shape` and `event_shape`;
# 3. choose the number in `Independent` so that an image gets one number, and write that number yourself, from logits;
# 4. read a broadcasting error aloud, and find the broadcast that raises no error.
#
# The first cell tests 1, the Predict questions 2 and 4, the exercise 3.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · Is everything working?
#
# Click into the cell below and press **Shift+Enter**. Five lines appear. Each begins with `ok`, or with `!!` and what to do.

# %% slideshow={"slide_type": "fragment"}
from helpers.widgets.set_up import check_set_up

check_set_up()

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* The last line is a round trip: the kernel asks the page, the page answers. Where it says alive, every explorer will move. On a slide it
# says asleep, which is right: no kernel stands behind a slide. No MNIST and no network is no problem; the lessons then use packaged digits and say so.

# %% [markdown] slideshow={"slide_type": "skip"}
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
# *For the teacher.* Say that a wrong prediction is worth more than a right one: it marks the place where something is to be learned. Ask them to write their
# predictions down. Minutes and difficulty (one to three dots) stand at each exercise.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Three shapes
#
# A torch distribution is not one density but a *batch* of them. Three shapes keep them apart:
#
# - `sample_shape`: how many draws you ask for, all alike and independent;
# - `batch_shape`: how many different distributions there are, each with parameters of its own;
# - `event_shape`: what *one* outcome looks like: a number, a vector, an image.
#
# $$ \texttt{sample}: \ \text{sample} + \text{batch} + \text{event} \qquad\qquad \texttt{log\_prob}: \ \text{sample} + \text{batch} $$
#
# One outcome has one probability, so `log_prob` gives **one number an event**: the event dimensions are gone.

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* Draw it: a sheet of paper is an event. Different sheets side by side are the batch. Copies of the whole row, each filled in anew, are
# samples. log_prob puts one grade on each sheet. These names are from Dillon et al. 2017, and Pyro and torch took them over.

# %% slideshow={"slide_type": "subslide"}
import torch
from torch.distributions import Bernoulli, Categorical, Independent, MultivariateNormal, Normal

torch.manual_seed(0)
loc = torch.tensor([[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]])  # [2, 3]

q = Normal(loc, 1.0)
z = q.sample((5,))
print("batch", list(q.batch_shape), "  event", list(q.event_shape))
print("sample  ", list(z.shape))
print("log_prob", list(q.log_prob(z).shape))

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* A Normal's event is a single number, so its event_shape is empty, whatever the shape of loc. Six means make six distributions, and
# five draws of each make thirty numbers and thirty log-probabilities.

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
for p in (Categorical(logits=torch.zeros(4, 10)), MultivariateNormal(torch.zeros(3), torch.eye(3))):
    print(f"{type(p).__name__:19} batch {str(list(p.batch_shape)):4} event {list(p.event_shape)}")

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* Whoever said event [10] thought of a one-hot vector: that is OneHotCategorical, and there the answer would be right. The parameters'
# shape does not fix the event's shape; the family does.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · `Independent`: declare what one outcome is
#
# A vector of three independent coordinates is one outcome too, but a `Normal` cannot know that you mean it so. You declare it:
# `Independent(q, n)` moves the last $n$ batch dimensions into the event. Samples stay as they are; `log_prob` now sums:
#
# $$ \log q(z) = \log \prod_{d=1}^{3} \mathcal N(z_d \mid \mu_d, 1) = \sum_{d=1}^{3} \log \mathcal N(z_d \mid \mu_d, 1). $$

# %% slideshow={"slide_type": "fragment"}
vector = Independent(q, 1)
print("batch", list(vector.batch_shape), "  event", list(vector.event_shape))
print("sample  ", list(vector.sample((5,)).shape))
print("log_prob", list(vector.log_prob(z).shape))

by_hand = q.log_prob(z).sum(-1)  # [samples, batch]
print("largest difference from the sum by hand:", (vector.log_prob(z) - by_hand).abs().max().item())

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* Nothing about the random numbers changes. What changes is the claim: these three coordinates are one thing. Every loss later is a mean
# over things, so a wrong claim here is a wrong weight there.

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
x = Bernoulli(0.5).sample((64, 1, 28, 28))
for n in range(4):
    print(n, list(Independent(Bernoulli(logits=logits), n).log_prob(x).shape))

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* Let them vote on n with fingers. Count from the right: width, height, channel. Each step of n removes one dimension of log_prob.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### All three in one picture
#
# Ten distributions, one a digit: each pixel is on with its share of ink in the digit's average image. Four draws of each.
#
# **Predict.** What are sample, batch and event shape, and what is the shape of all the images together?

# %% slideshow={"slide_type": "skip"}
from helpers import plots, settings
from helpers.data import load_images
from helpers.exercises import check, hint, progress

settings.seed_everything(0)
digits = load_images("digits", size=28).train
means = torch.stack([digits.images[digits.labels == y].mean(0) for y in range(10)])  # [10, 1, 28, 28]
p = Independent(Bernoulli(probs=means), 3)
x = p.sample((4,))
print("batch", list(p.batch_shape), "  event", list(p.event_shape), "  sample", list(x.shape),
      "  log_prob", list(p.log_prob(x).shape))

# %% slideshow={"slide_type": "fragment"}
plots.image_grid(
    x,
    row_labels=[f"sample {s}" for s in range(4)],
    column_labels=[f"batch {y}" for y in range(10)],
    caption="Rows are samples, columns the batch, and each tile is one event of shape [1, 28, 28].",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* The shape is [4, 10, 1, 28, 28]: read it off the picture, rows, columns, tile. Then ask why the digits are so ragged: the pixels of one
# tile know nothing of each other. What could make them agree? A hidden cause that they share. That is lesson 01.

# %% [markdown] slideshow={"slide_type": "skip"}
# The ragged edges are the point of the series: pixels that are independent make poor digits. Give them a hidden cause $z$ in common, and
# they can agree.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Explore the shapes
#
# Before you move a control, say what `log_prob` will return. Try $n = 0, 1, 2$, then $n = 3$. Then give `x` a shape of its own.

# %% slideshow={"slide_type": "fragment"}
from helpers.widgets.shapes import shapes

shapes()

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* Frames are events: one number a frame. The second picture is a preview of the trap: nobody asked for nine numbers, and no error was
# raised. In the notebook, ask for a state with an error, and for one where x is repeated and it is right (a single number for x).

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 00.1 · ●○○ · 5 minutes
#
# A decoder gives one logit $\ell_d$ a pixel, and $p(x_d = 1) = \mathrm{sigmoid}(\ell_d)$, independently. Write $\log p(x) = \sum_d x_d \log p(x_d{=}1) + (1 - x_d) \log p(x_d{=}0)$, one number an image, without a distribution from `torch.distributions`. It must survive logits of ±1000: no logarithm of a probability that may have been rounded to zero.

# %% [markdown] slideshow={"slide_type": "skip"}
# Replace the `...` and run the cell. Stuck? The cell after it gives a hint, a further one each time you run it, three in all.

# %% slideshow={"slide_type": "skip"}
def log_prob_of_images(logits, x):
    """log p(x) of images whose pixels are independent Bernoulli, in nats, stable for logits of any size.

    logits: [batch, channel, height, width]; x: the same shape, pixels from 0 to 1 → [batch].
    """
    ...  # your code


check("00.1", log_prob_of_images)

# %% slideshow={"slide_type": "skip"}
hint("00.1")

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* Two things to hear in their answers: which dimensions they sum, and whether they leave the logarithm. log(sigmoid(l)) is minus
# infinity for a confident decoder. Let somebody try the mean instead of the sum on purpose, and read out what check says.

# %% [markdown] slideshow={"slide_type": "skip"}
# To see an answer and why it is right: `from helpers.exercises import solution`, then `solution("00.1")`. Whatever yours says, the lesson
# goes on without it. The sum is the same, whether written out or declared:

# %% slideshow={"slide_type": "skip"}
from torch.nn.functional import logsigmoid

pixels = Bernoulli(0.5).sample((64, 1, 28, 28))
by_hand = (pixels * logsigmoid(logits) + (1 - pixels) * logsigmoid(-logits)).sum((-3, -2, -1))  # [64]
declared = Independent(Bernoulli(logits=logits), 3).log_prob(pixels)  # [64]
print(f"largest difference, relative: {((by_hand - declared) / declared).abs().max().item():.1e}")
progress()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · Broadcasting: when it shouts, and when it does not
#
# Two shapes are compared **from the right**. A dimension of size 1, or a missing one, is stretched to the other's size. Any other
# difference is an error. Read the error aloud, as a sentence:

# %% slideshow={"slide_type": "fragment"}
q = Independent(Normal(torch.zeros(2, 3), 1.0), 1)  # batch [2], event [3]
try:
    q.log_prob(torch.zeros(2))
except ValueError as problem:
    print(problem)

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* Aloud: "I was given shape 2. I need something that ends in 2, 3. From the right, 2 is not 3." Then the cure: which of the three shapes
# did the writer have in mind? Here the event was forgotten: one number for a vector of three.

# %% [markdown] slideshow={"slide_type": "skip"}
# Aloud: *I was given a value of shape [2]. The distribution's batch and event are [2, 3]. From the right, 2 stands against 3.* The first 2
# was meant as the batch, but the comparison starts at the right, where the event is.

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

wrong = Normal(output, 1.0).log_prob(targets)
right = Normal(output.squeeze(-1), 1.0).log_prob(targets)
print("wrong", list(wrong.shape), f"  mean {wrong.mean().item():7.2f} nats")
print("right", list(right.shape), f"       mean {right.mean().item():7.2f} nats")

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* Ask what the first loss teaches the network: to say the average of all targets, whatever the input. It looks like a network that
# cannot learn. People blame the learning rate for days. The cure costs a line.

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### The cure: say what you expect
#
# One line after each `log_prob`, while you write. `Independent` does not help here: it compares the event from the right, too, and
# stretches it in silence.

# %% slideshow={"slide_type": "fragment"}
for log_prob in (right, wrong):
    try:
        assert log_prob.shape == targets.shape, "one number a target is wanted"
        print(list(log_prob.shape), "passes")
    except AssertionError as problem:
        print(list(log_prob.shape), "is caught:", problem)

vector = Independent(Normal(torch.zeros(3), 1.0), 1)  # event [3]
silent = vector.log_prob(torch.zeros(1)).item()
print(f"one number, scored as a vector of three in silence: {silent:.2f} nats")

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* The package checks shapes at its doors for this reason. In their own code, an assert a log_prob is cheap. Go back to the
# explorer and let them find all states that are stretched in silence.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · In Pyro
#
# Pyro is the second voice of this series. `to_event(n)` is `Independent`; a `plate` names a batch dimension, and promises that
# what happens along it is independent.

# %% slideshow={"slide_type": "fragment"}
import pyro
import pyro.distributions as dist


def pyro_model(loc, x):
    with pyro.plate("data", len(loc)):
        pyro.sample("x", dist.Normal(loc, 1.0).to_event(1), obs=x)


x = torch.randn(2, 3)
theirs = pyro.poutine.trace(pyro_model).get_trace(loc, x).log_prob_sum()
ours = Independent(Normal(loc, 1.0), 1).log_prob(x).sum()
print(f"Pyro {theirs.item():.5f}   ours {ours.item():.5f} nats")

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* Take to_event(1) out and run it: "Shape mismatch inside plate('data') at site x dim -1, 2 vs 3". The 3 has become a
# batch dimension, and no plate accounts for it. Torch has no plates and never complains. Lesson 08 builds them.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Notation
#
# One page for all lessons.
#
# | letter | meaning | letter | meaning |
# |---|---|---|---|
# | $x$ | what is observed | $p_\theta(x, z)$ | the model |
# | $z$ | latent: never observed | $p(z)$, $p_\theta(x \mid z)$ | prior, likelihood |
# | $y$ | a label | $q_\phi(z \mid x)$ | approximate posterior |
# | $\theta$ | parameters of the model | $D$ | distortion, $\mathbb E_q[-\log p_\theta(x \mid z)]$ |
# | $\phi$ | parameters of the inference network | $R$ | rate, $\mathrm{KL}(q_\phi(z \mid x) \,\|\, p(z))$ |
#
# Logarithms are natural, so numbers are in **nats**.

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* Do not explain D and R now. Say that each word of the right column gets a lesson, and that this page is where to look when a letter has
# been forgotten.

# %% [markdown] slideshow={"slide_type": "skip"}
# In code the letters keep their names: `x`, `z`, `y`, `theta`, `phi`, `p`, `q`. A comment at the end of a line gives the shape of what
# the line makes, dimensions from the left: `# [batch, latent]`, `# [samples, batch]`, `# [batch, channel, height, width]`. A star
# stands for any number of dimensions: `[*batch, latent]`. Samples come first, then the batch, then the event.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · What we got
#
# A lesson that trains something ends with the published number beside ours, and the command that makes ours again.

# %% slideshow={"slide_type": "fragment"}
from helpers.reproduce import read_row

for name in ("vae", "iwae-1", "iwae-50"):
    row = read_row(name)
    metric, reached = row.metric.partition(",")[0], "" if row.reached() else "not "
    numbers = f"published {row.published:7.2f}   ours {row.mean:7.2f}   {reached}reached"
    print(f"{row.name:8} {metric:9} {numbers}\n         {row.command}")

# %% [markdown] slideshow={"slide_type": "notes"}
# *For the teacher.* Read the last word of each row. An ELBO should be high, an NLL (minus the log-likelihood) low. A row that does not
# reach the published number is printed like the others. A number that nobody can make again is a rumour.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Samples have shape sample + batch + event; `log_prob` has sample + batch: one number an event.
# - `Independent(q, n)` moves the last $n$ batch dimensions into the event, and changes nothing but what is summed.
# - An image is one event: $n = 3$.
# - Broadcasting compares from the right. It shouts where sizes clash; where one of them is 1 or missing, it stretches in silence.
# - Say the shape you expect: in a comment for readers, in an `assert` for the machine.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Go further
#
# - Give the explorer's `x` every shape in turn, and sort the states into three: right, an error, stretched in silence.
# - `MultivariateNormal(torch.zeros(4, 3), torch.eye(3))`: what are its shapes? Then try `.expand((5, 4))`.
# - Next: [01 · Amortized inference](01_amortized_inference.ipynb).
#
# ## References
#
# - J. V. Dillon, I. Langmore, D. Tran et al. TensorFlow Distributions. 2017. arXiv:1711.10604 (where the three shapes come from)
# - E. Bingham, J. P. Chen, M. Jankowiak et al. Pyro: Deep Universal Probabilistic Programming. JMLR 2019. arXiv:1810.09538
# - A. Paszke, S. Gross, F. Massa et al. PyTorch: An Imperative Style, High-Performance Deep Learning Library. NeurIPS 2019. arXiv:1912.01703
# - C. R. Harris, K. J. Millman, S. J. van der Walt et al. Array programming with NumPy. Nature 2020. arXiv:2006.10256 (broadcasting)
