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
# # 07 · The deep Markov model
#
# *A code that moves: learn what a chorale does next, measure how much you do not know, and listen to it.*
#
# **135 minutes** (80 reading and running, 55 exercises) · do first: [02 The variational autoencoder](02_variational_autoencoder.ipynb); sections on the two gaps in
# [01 Amortized inference](01_amortized_inference.ipynb) and on flows in [05 Richer priors and posteriors](05_richer_priors_and_posteriors.ipynb) help

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Sing or play four chords of a chorale and stop before the last one. Everybody knows what comes. Ask: what do you carry in your head at that moment, all notes so far, or something shorter? The lesson calls it z_t. Headphones or a loudspeaker are worth bringing: sections 1, 2 and 9 sound, on the slides too.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# **You will be able to**
#
# 1. chain a VAE's code through time, with a gated transition (exercise 07.1);
# 2. write the bound of sequences of different lengths, and report it per step correctly (07.2);
# 3. reverse each sequence for a guide that reads the future (07.3), and say what a guide loses if it does not (section 4);
# 4. measure how tight a bound is, by importance sampling (07.4) and by sequential Monte Carlo (07.5), and say when resampling helps (section 6);
# 5. compute the exact likelihood under a hidden Markov model (07.6), and with it how good any model of its data can be (section 7);
# 6. read a published number "per step" and ask which of three it is: the bound, the importance-sampled NLL, or a mean of per-sequence means (section 11).
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
import base64
import itertools
import math  # noqa: F401  for your answers
from time import perf_counter

import torch
from IPython.display import HTML, Audio
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn.functional import softplus

from helpers import plots, settings
from helpers.data import SequenceBatches, load_chorales, roll_to_audio, roll_to_midi
from helpers.evaluation import evaluate_sequences, particle_log_marginal
from helpers.exercises import check, hint, progress, solution, solutions_of  # noqa: F401  hint and solution are for you to call
from helpers.models import (
    LinearGaussianStateSpace,
    RecurrentGuide,
    SampledKlSequenceElbo,
    SequenceElbo,
    SmootherGuide,
    deep_markov_model,
)
from helpers.networks import PackedSteps
from helpers.reproduce.dmm import load_trained
from helpers.reproduce.rows import read_rows
from helpers.training import LinearWeight, fit, up_then_down
from helpers.widgets.continue_chorale import continue_chorale
from helpers.widgets.latent_walk import latent_walk

answers = solutions_of("07")  # what the exercises ask for, for use after them
settings.seed_everything(0)
size = settings.budget(full=(229, 76, 77), smoke=(12, 4, 4))  # of synthetic chorales; Bach's are 229, 76, 77
synthetic = load_chorales("synthetic", size=size)
data = load_chorales("jsb", fallback="synthetic")
data = synthetic if data.name == "synthetic" else data
epochs = settings.budget(full=40, smoke=2)
for part in ("train", "valid", "test"):
    print(f"{data.name} {part}: {getattr(data, part)}")

# %% [markdown] slideshow={"slide_type": "skip"}
# With Bach's chorales at hand (they are small, and fetched where there is a network) the lesson runs on them: JSB, short for Johann Sebastian Bach. Otherwise it has just said that it runs on synthetic ones, drawn from a model of four-part harmony, which section 7 needs in any case. Every cell works with both. The models are small and trained briefly; sections 9 and 11 use long trainings where there are any, and say so. Where a cell says
# `settings.budget(full=40, smoke=2)`, you get the first number; the second is for a quick automatic test. Where text or an answer names a number that no cell prints, it says where it is from.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · From one code to a chain
#
# A VAE's codes know nothing of each other. In a **state-space model** each code $z_t$, the state, comes from the one before, and shows itself in one observation $x_t$. For a sequence of length $T$:
#
# $$ p_\theta(x, z) = \prod_{t=1}^{T} p_\theta(z_t \mid z_{t-1})\; p_\theta(x_t \mid z_t) $$

# %% slideshow={"slide_type": "fragment"}
plate = "$n = 1$ to $N$"
two_steps = {
    "z_{t-1}": (0, 1, "latent"),
    "z_t": (1.3, 1, "latent"),
    "x_{t-1}": (0, 0, "observed"),
    "x_t": (1.3, 0, "observed"),
}
down = [("z_{t-1}", "x_{t-1}"), ("z_t", "x_t")]
plots.plate_diagram(
    plots.PlateModel("VAE", {"z": (0, 1, "latent"), "x": (0, 0, "observed")}, [("z", "x")], plates={plate: ["z", "x"]}),
    plots.PlateModel("VAE, repeated", two_steps, down, plates={plate: list(two_steps)}),
    plots.PlateModel("chain", two_steps, [*down, ("z_{t-1}", "z_t")], plates={plate: list(two_steps)}),
    caption="Left, one code for each observation. Middle, a VAE at each step, two steps of it. Right, one arrow more: a chain.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Each column is the left picture again; the new thing is one arrow. Ask what x_t depends on, given z_t: on nothing else. And what does x_t depend on, if z is not known? On all the past. That is the bet of the model: z_t is everything about the past that matters for what follows. The plate holds sequences; time is no plate, for its steps are not independent.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# An observation is one step of a chorale, $x_t \in \{0, 1\}^{88}$: which of a piano's 88 keys sound during a quarter note. The likelihood is 88 Bernoullis, given $z_t$. A note that is held and one that is struck again look the same here. Bach's file, as published, lies about an octave above the pitch of a choir.


# %% slideshow={"slide_type": "skip"}
def roll_of(part, number, steps=None):
    """One chorale's piano roll [T, 88], cut to its length, and to `steps`."""
    return part.rolls[number, : int(part.lengths[number])][:steps]


def listen(roll, words):
    """A player for a piano roll, and what it plays. The sound is in the notebook itself, and needs no network."""
    samples, rate = roll_to_audio(roll, seconds_per_step=0.5, rate=8000)
    return HTML(words + Audio(samples.numpy(), rate=rate, normalize=False)._repr_html_())


# %% slideshow={"slide_type": "subslide"}
listen(roll_of(data.test, 0, 16), "First chorale of the test part, 16 steps")

# %% slideshow={"slide_type": "fragment"}
plots.piano_roll(
    roll_of(data.test, 0, 32),
    caption="The first 32 steps of a chorale that no model here is trained on.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Play it, then read the picture: four voices, each moving little; keys that stay; a phrase that ends. What you hear is made of a few sines. The first 16 steps sound, the picture shows 32. On a machine without Bach's data it is a synthetic chorale.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Two baselines, before any network. One model says that each key sounds with its frequency in the training part, whatever happened before. The other lets each key remember whether it sounded one step ago. Their negative log-likelihoods (NLL), in nats per step, show how far a model gets without hearing harmony.


# %% slideshow={"slide_type": "skip"}
def steps_and_previous(part):
    """All steps of all chorales, and the step before each (silence before the first): [steps, 88] both."""
    inside = torch.arange(part.rolls.shape[1]) < part.lengths[:, None]
    previous = torch.cat([torch.zeros_like(part.rolls[:, :1]), part.rolls[:, :-1]], 1)
    return part.rolls[inside], previous[inside]


def share(sounding, where):
    """How often each key sounds, among the steps `where` holds; half a step added to both outcomes."""
    return ((sounding * where).sum(0) + 0.5) / (where.sum(0) + 1)


def baselines_of(data):
    """NLL of both baselines, nats per step, by part of the data."""
    now, before = steps_and_previous(data.train)
    frequency, after_sound, after_silence = share(now, torch.ones_like(now)), share(now, before), share(now, 1 - before)
    found = {}
    for part in ("valid", "test"):
        now, before = steps_and_previous(getattr(data, part))
        remembered = before * after_sound + (1 - before) * after_silence
        models = {"each key, its frequency": frequency, "each key remembers itself": remembered}
        found[part] = {
            name: -(now * p.log() + (1 - now) * (1 - p).log()).sum(-1).mean().item() for name, p in models.items()
        }
    return found


baselines = baselines_of(data)
for part, found in baselines.items():
    for name, value in found.items():
        print(f"{part:6} {name:26} {value:.2f} nats per step")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · Transition and emission
#
# The state moves by a Gaussian with networks inside. A **gate** $g$ lets each coordinate of $z$ choose between a linear step and a network's proposal $h$:
#
# $$ p(z_t \mid z_{t-1}) = \mathcal N\big(m, \mathrm{diag}(s^2)\big), \quad m = (1 - g) \odot (A z_{t-1} + a) + g \odot h. $$
#
# $g$, $h$: networks of $z_{t-1}$, $h$ unbounded; $s = \mathrm{softplus}(B\, \mathrm{relu}(h) + b)$; $\odot$: element by element. In the code `linear` holds $A, a$ and `raw_scale` $B, b$. The **emission** $p(x_t \mid z_t)$ is a Bernoulli for each key, its logit a network of $z_t$. The chain starts from a learned $z_0$.

# %% slideshow={"slide_type": "fragment"}
sizes = {"latent": 32, "emission": (100,), "transition": 64, "rnn": 100}


def build(seed=0, **options):
    """An untrained model p(x, z) and guide q(z | x) of chorales."""
    torch.manual_seed(seed)
    return deep_markov_model(88, **sizes, **options)


model, guide = build()
for name, part in model.transition.network.named_children():
    print(f"{name:10} {sum(weights.numel() for weights in part.parameters()):6,} parameters")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Why a gate at all? Most of what lives in z should stay where it is for a while: a key, a phrase. A linear step with A near the identity does that once the gate is shut; a network that has to learn "change nothing" does it badly. A starts as the identity. Read the printed parts against the formula: g, h, A and a, B and b.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 07.1 · ●○○ · 5 minutes
#
# Write the mean of the gated transition, $m = (1 - g) \odot (A z + a) + g \odot h$, with the gate $g = \mathrm{sigmoid}(\text{gate\_logit})$. One network has computed the gate's logits from $z = z_{t-1}$, another the proposal $h$; both are given.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-07.1"]
def gated_mean(z, gate_logit, proposal, weight, bias):
    """Mean of p(z_t | z_{t-1}): (1 - g) (A z + a) + g h, with g = sigmoid(gate_logit), z = z_{t-1}.

    z, gate_logit, proposal h: [batch, latent]. weight A: [latent, latent], bias a: [latent]
    → [batch, latent]. Each coordinate of z has a gate of its own.
    """
    ...  # your code


check("07.1", gated_mean)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Five minutes. Two ways to go wrong that both give the right shape: the gate the wrong way round, and z times A where A times z is meant. Ask what the model does with a gate of zero and A the identity: a random walk.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Stuck? `hint("07.1")` gives a nudge, again the formula, again the first line. `solution("07.1")` shows a solution. Nothing below depends on your answers: `answers` holds the workbook's own. The transition of `helpers` is the same:

# %% slideshow={"slide_type": "skip"}
z = torch.randn(5, sizes["latent"])
network = model.transition.network
mean = answers.gated_mean(z, network.gate(z), network.proposal(z), network.linear.weight, network.linear.bias)
print(f"largest difference of the means: {(mean - model.transition(z).mean).abs().max():.1e}")

# %% [markdown] slideshow={"slide_type": "skip"}
# To sample, walk down the arrows: $z_1$, then $z_2$, and so on, then each $x_t$. This is **ancestral sampling**. As a program, the chain of section 1 is a VAE in a loop, with one line changed:
# `z` is drawn given the `z` before it.


# %% slideshow={"slide_type": "skip"}
def vae_model(prior, emission):
    z = prior.sample()
    return emission(z).sample()


def repeated_vae(prior, emission, steps):
    return torch.stack([vae_model(prior, emission) for _ in range(steps)])


def markov_model(initial, transition, emission, steps):
    z, x = initial, []
    for _ in range(steps):
        z = transition(z).sample()  # the prior of z_t, given z_{t-1}
        x.append(emission(z).sample())
    return torch.stack(x)  # [steps, keys]


# %% [markdown] slideshow={"slide_type": "skip"}
# **Predict.** The model is untrained. How many of the 88 keys sound at once?
#
# <details><summary>Answer</summary>
#
# About half: logits near zero are probabilities near one half. A chorale has about four. Section 5 starts a training from how often each key sounds, so that it need not learn silence first.
# </details>

# %% slideshow={"slide_type": "skip"}
with torch.no_grad():
    x = markov_model(model.initial, model.transition, model.emission, 8)
chords, _ = steps_and_previous(data.test)
print(f"{x.sum(-1).mean():.1f} keys at once; in the chorales {chords.sum(-1).mean():.1f}")
listen(x, "The untrained model, 8 steps")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · The bound of a sequence
#
# The guide (the approximate posterior) proposes the states one after the other, $q_\phi(z \mid x) = \prod_t q_\phi(z_t \mid z_{t-1}, x)$. Logarithms of products are sums over time, so the bound on $\log p(x)$ is a sum of small VAEs:
#
# $$ L(x) = \mathbb E_{q}\Big[ \sum_{t=1}^{T} \Big( \log p(x_t \mid z_t) \;-\; \mathrm{KL}\big(q(z_t \mid z_{t-1}, x) \,\|\, p(z_t \mid z_{t-1})\big) \Big) \Big] $$
#
# Draw one path $z$. Each step's KL is between two Gaussians: it is in closed form, *given* the state before. Only the path is a sample.
#
# The prior of a step is not $\mathcal N(0, I)$ any more. It is where the model thinks the state goes, and the **rate** (the KL) is how far the guide, having read $x$, moves away from that.

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Write the VAE's bound beside it: the sum and the condition on the state before are all that changed. The KL under the expectation still depends on the sampled z_{t-1}, in both its arguments: the gradient flows through the whole path, back to the first step.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Written out below for one chorale. The guide first reads the chorale backwards with a recurrent network (section 4 says why), then mixes what it has read with the sampled $z_{t-1}$, and proposes $z_t$. Model and guide each learn a $z_0$ of their own.


# %% slideshow={"slide_type": "subslide"}
def plain_bound(model, guide, x, eps):
    """Both terms of one chorale's bound. x: [steps, 88], eps: [steps, latent] → two [steps]."""
    network = guide.networks[0]
    f, read = network.initial, []
    for x_t in x.flip(0):  # a recurrent network, from the last step to the first
        f = network.cell(x_t, f)
        read.insert(0, f)
    z, z_guide, terms = model.initial, guide.initial, []  # the guide learns a z_0 of its own
    for x_t, f, noise in zip(x, read, eps, strict=True):
        hidden = (torch.tanh(guide.from_latent(z_guide)) + f) / 2
        loc, raw_scale = guide.to_parameters(hidden).chunk(2)
        q = Independent(Normal(loc, softplus(raw_scale) + 1e-5), 1)  # q(z_t | z_{t-1}, x)
        rate = kl_divergence(q, model.transition(z))
        z = z_guide = q.mean + q.stddev * noise
        terms.append((model.emission(z).log_prob(x_t), rate))
    return [torch.stack(term) for term in zip(*terms, strict=True)]


# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Two loops. The first reads the chorale backwards; section 4 tells why. The second goes forwards: a guess of the state, its KL from where the model expected it, then what the guess says about the chord. The same function for a hundred chorales of different lengths at once, without a loop over chorales, is what the package does; the notebook shows that they agree.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# `SequenceElbo` computes the same for whole batches: only the two recurrences, the GRU's and that of $z$, run step by step, all the rest in one call over all times. On the same weights and noise:

# %% slideshow={"slide_type": "skip"}
x = roll_of(data.test, 1)
objective = SequenceElbo(model, guide)
torch.manual_seed(1)
estimate = objective((x[None], torch.tensor([len(x)])))
torch.manual_seed(1)
eps = torch.randn(len(x), sizes["latent"])
log_likelihood, rate = plain_bound(model, guide, x, eps)
print(
    f"written out  {(log_likelihood - rate).sum():.4f} nats   distortion {-log_likelihood.sum():.3f}   "
    f"rate {rate.sum():.3f}"
)
print(
    f"SequenceElbo {estimate.value.item():.4f} nats   distortion {estimate.terms['distortion'].item():.3f}   "
    f"rate {estimate.terms['rate'].item():.3f}"
)

# %% [markdown] slideshow={"slide_type": "skip"}
# Chorales differ in length, so a batch is padded to its longest. What stands beyond an end must not matter. Put noise there, and compare bound and gradient bit for bit:

# %% slideshow={"slide_type": "skip"}
batch = next(iter(SequenceBatches(data.train.rolls, data.train.lengths, batch_size=6)))
beyond = torch.arange(batch.rolls.shape[1]) >= batch.lengths[:, None]  # [sequences, steps]
spoiled = torch.where(beyond[..., None], torch.rand_like(batch.rolls).round(), batch.rolls)
outcomes = []
for x in (batch.rolls, spoiled):
    torch.manual_seed(1)
    estimate = objective((x, batch.lengths))
    gradient = torch.autograd.grad(estimate.surrogate.sum(), [*model.parameters(), *guide.parameters()])
    outcomes.append([estimate.value, *gradient])
same = all(torch.equal(one, other) for one, other in zip(*outcomes, strict=True))
print(
    f"{int(beyond.sum())} of {beyond.numel()} steps are padding; "
    f"{int((spoiled != batch.rolls).sum()):,} values in it were changed"
)
print(f"bound and {len(gradient)} gradients the same, bit for bit: {same}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 07.2 · ●●○ · 7 minutes
#
# Sequences of different lengths stand in one padded batch. From the terms of each step, $\log p(x_t \mid z_t)$ and $\mathrm{KL}_t$, return the bound of each sequence, $\sum_{t \le T_n} [\log p(x_t \mid z_t) - \mathrm{KL}_t]$ with $T_n$ the length of sequence $n$, and the batch's bound per step: the sum of the sequences' bounds divided by the sum of their lengths (papers report minus this number). What stands beyond an end is no data: no number there, not even NaN, may change a value or a gradient.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-07.2"]
def bound_per_step(log_likelihood, rate, lengths):
    """The bound of each sequence of a padded batch, and that of the batch per time step, in nats.

    log_likelihood: log p(x_t | z_t), rate: KL(q(z_t | z_{t-1}, x) || p(z_t | z_{t-1})), one number
    a step, [batch, steps]. lengths: int64 [batch]; beyond them anything may stand, NaN too.
    → bound of each sequence [batch]; all of them over all their steps [].
    """
    ...  # your code


check("07.2", bound_per_step)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Seven minutes. NaN times zero is NaN: a mask that multiplies does not mask. And a mean over sequences of means over time is another number than the one that papers report: it counts a step of a short chorale for more. Ask which of the two a long, easy chorale would improve more.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Why a guide must read the future
#
# What does the exact posterior of a state depend on? Cut the chain at $z_{t-1}$:
#
# $$ p(z_t \mid z_{t-1}, x_1, \dots, x_T) = p(z_t \mid z_{t-1}, \underbrace{x_t, \dots, x_T}_{\text{now and the future}}) $$
#
# Given the state before, the past says nothing more. The future does: a note is a suspension only if it resolves.
#
# So the guide's recurrent network runs backwards, from the last step to $t$; what it has read is combined with $z_{t-1}$.

# %% slideshow={"slide_type": "fragment"}
reading = {
    "z_{t-1}": (0, 2.3, "latent"),
    "z_t": (1.6, 2.3, "latent"),
    "z_{t+1}": (3.2, 2.3, "latent"),
    "f_{t-1}": (0, 1.15, "computed"),
    "f_t": (1.6, 1.15, "computed"),
    "f_{t+1}": (3.2, 1.15, "computed"),
    "x_{t-1}": (0, 0, "observed"),
    "x_t": (1.6, 0, "observed"),
    "x_{t+1}": (3.2, 0, "observed"),
}
read = [(f"x_{at}", f"f_{at}") for at in ("{t-1}", "t", "{t+1}")] + [("f_{t+1}", "f_t"), ("f_t", "f_{t-1}")]
guessed = [(f"f_{at}", f"z_{at}") for at in ("{t-1}", "t", "{t+1}")] + [("z_{t-1}", "z_t"), ("z_t", "z_{t+1}")]
plots.plate_diagram(
    plots.PlateModel("the guide q(z | x)", reading, guides=read + guessed),
    caption="Three steps of the guide. Squares are computed: f reads x from right to left. Then z is drawn from left to right, each z_t from f_t and the z before.",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# The guide called *future*, with $f_t$ the state of a GRU (a recurrent network with gates) that has read $x_T, \dots, x_t$ in this order:
#
# $$ q(z_t \mid z_{t-1}, x) = \mathcal N\big(z_t \mid m_t, \mathrm{diag}(s_t^2)\big), \quad (m_t, s_t) \text{ from } \tfrac12 \big(\tanh(W z_{t-1} + c) + f_t\big). $$
#
# It is what `plain_bound` wrote out: from `guide(x)`, which reads an observation, to `guide(f_t, z)`, which reads what a network has read, and the state before. To run over a padded batch, each sequence must be reversed within its own length.
#
# <details><summary>What a GRU computes</summary>
#
# It is a recurrent network that may keep its state. A gate $u$ says how much of the state is kept, a gate $r$ how much of it the proposal sees:
#
# $$ f_t = u \odot f_{t+1} + (1 - u) \odot \tanh\big(W x_t + w + r \odot (V f_{t+1} + v)\big), $$
#
# with $u$ and $r$ each a sigmoid of a linear function of $x_t$ and $f_{t+1}$. (Written as this guide runs it, backwards in time.) A plain recurrent network is $f_t = \tanh(W x_t + V f_{t+1} + v)$: it rewrites its whole state at each step, so what was read long ago fades,
# and so does its gradient. The transition of section 2 has its gate for the same reason.
# </details>

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# d-separation on the plate diagram of section 1: put a hand over z_{t-1} and ask which observations still reach z_t. A GRU is a recurrent network with gates of its own. Krishnan and others call such a guide DKS, deep Kalman smoother. A smoother knows the whole sequence, a filter only what was heard so far.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 07.3 · ●●○ · 10 minutes
#
# The guide's network reads each sequence from its last step to its first. Reverse every sequence of a padded batch within its own length; what stands beyond its end stays where and what it is. Try it without a loop over sequences.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-07.3"]
def reverse_each(x, lengths):
    """Each sequence backwards, from its own last step to its first; the padding stays as it is.

    x: [batch, steps, features], lengths: int64 [batch], 1 to steps → [batch, steps, features].
    """
    ...  # your code


check("07.3", reverse_each)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Ten minutes. The tempting answer flips the time axis: it puts the padding first, and a network that runs over it starts each shorter chorale with a state made of nothing. Ask for the index of the step that comes to place t in a sequence of length 5.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# How much does it matter? Measure it where the truth is known. A **linear-Gaussian** state-space model has linear transition and emission with constant noise. Then all is Gaussian, and two old algorithms are exact: the **Kalman filter** computes $p(z_t \mid x_1, \dots, x_t)$ and $\log p(x)$, the **smoother** $p(z_t \mid x_1, \dots, x_T)$. Here $z_t$ is a point that turns in the plane; only the sum of its coordinates is seen, with noise:

# %% slideshow={"slide_type": "skip"}
torch.manual_seed(0)
turn = 0.98 * torch.tensor([[0.95, 0.3], [-0.3, 0.95]])
linear = LinearGaussianStateSpace(
    turn, torch.tensor([0.4, 0.4]), torch.tensor([[1.0, 1.0]]), torch.tensor([0.5])
).requires_grad_(False)
number, number_of_test = settings.budget(full=(300, 100), smoke=(30, 10))
steps = 20
ends = torch.full((number,), steps)
x, _ = linear.sample(number, steps)  # [sequences, steps, 1]
exact = linear.log_marginal(x, ends)  # [sequences]
_, filtered, _, smoothed = linear.posterior_marginals(x)  # covariances [steps, 2, 2]
test_x, test_ends, exact = x[:number_of_test], ends[:number_of_test], exact[:number_of_test]
train_x = x[number_of_test:]
plots.curves(
    {"filtering: past only": filtered[:, 0, 0].sqrt(), "smoothing: all of x": smoothed[:, 0, 0].sqrt()},
    "time step",
    "standard deviation",
    ylim=(0.0, 1.1 * filtered[:, 0, 0].max().sqrt().item()),
    size=(760, 300),
    caption="How uncertain z_t's first coordinate is, given the past alone, and given past and future. At the last step there is no future.",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# Now fit four guides to this one fixed model. They read
#
# | guide | $z_{t-1}$ | $x_1, \dots, x_t$ | $x_t, \dots, x_T$ |
# |---|---|---|---|
# | past | yes | yes | no |
# | future | yes | no | yes |
# | both | yes | yes | yes |
# | mean-field | no | yes | yes |
#
# **Predict.** The model is the same for all, and so is $\log p(x)$. Whose bound is nearest? Does *both* beat *future*? Is it worse not to see the future, or not to see $z_{t-1}$?
#
# <details><summary>Answer</summary>
#
# *Future* and *both* are near each other: what *both* reads in addition, the past, says nothing more once $z_{t-1}$ is known. The two others lose several nats a sequence. Which of them loses more depends on the model: the table below says it for this one. No training mends a guide that does not see the future: what it needs is not among its inputs.
#
# </details>

# %% slideshow={"slide_type": "skip"}
guide_epochs = settings.budget(full=75, smoke=2)


def fit_guide(reads, flows=0, epochs=guide_epochs):
    """A guide of `linear`, trained on train_x; and the seconds that took."""
    torch.manual_seed(1)
    guide = RecurrentGuide(1, 2, hidden=32, reads=reads, flows=flows)
    objective = SequenceElbo(linear, guide)
    batches = SequenceBatches(train_x, ends[: len(train_x)], batch_size=50, binary=False)
    optimizer = torch.optim.Adam(guide.parameters(), lr=1e-2, fused=True)
    schedule = up_then_down(optimizer, epochs * len(batches))
    history = fit(objective, batches, epochs=epochs, optimizers=optimizer, schedulers=[schedule], progress=False)
    return guide, history.seconds[-1]


def distance(guide):
    """log p(x) less the bound: nats a sequence, mean and standard error over the test sequences."""
    torch.manual_seed(2)
    bound = evaluate_sequences(linear, guide, test_x, test_ends, num_samples=200, smc=False).bound.values
    gap = exact - bound
    return gap.mean().item(), gap.std().item() / len(gap) ** 0.5


fitted = {reads: fit_guide(reads) for reads in ("past", "future", "both", "mean-field")}
truth = SmootherGuide(linear)  # q = p(z_t | z_{t-1}, x_t, ..., x_T), from the smoother

# %% [markdown] slideshow={"slide_type": "skip"}
# How near could *future* come? Its inputs are the right ones. Even a perfect network would lack one thing: correlation between the coordinates of $z_t$. That costs, at each step, the gap of lesson 01, $\frac12 \big(\sum_i \log \Lambda_{ii} - \log\det \Lambda\big)$, where $\Lambda$ is the precision of the exact $p(z_t \mid z_{t-1}, x)$. $\Lambda$ does not depend on $z_{t-1}$, so the cell computes it at $z_{t-1} = 0$, for each step (`PackedSteps` is how the package lays out the steps of a batch, without the padding), and prints the sum over all steps.

# %% slideshow={"slide_type": "subslide"}
one = PackedSteps(torch.tensor([steps]), steps)
covariance = truth.step(truth.features(test_x[0], one), torch.zeros(steps, 1, 2)).covariance_matrix
precision = covariance.inverse()  # [steps, 1, 2, 2]
diagonal = precision.diagonal(dim1=-2, dim2=-1).log().sum(-1)
family_gap = 0.5 * (diagonal - precision.logdet()).sum().item()

print("guide              log p(x) - bound, nats a sequence")
for name, (guide, _) in fitted.items():
    print("{:12} {:20.2f} ± {:.2f}".format(name, *distance(guide)))
print("{:12} {:20.2f} ± {:.2f}".format("exact", *distance(truth)))
print(f"least possible with z_t-1 and the future, no correlations within z_t: {family_gap:.2f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# One model, known exactly: a turning point of which only the sum of the coordinates is seen. So every number in this table is a KL divergence from the exact posterior, and nothing else. Past: a filter. Both: the same information as future, bought twice. Mean-field: every state guessed without knowing the one before. The last line is lesson 01's approximation gap; what future has above it is amortization and short training.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · KL annealing
#
# At the very start the rate is the untrained guide's, and says nothing. The emission still ignores $z$, so the cheapest guide copies the prior: rate zero, and then no reason for the emission to listen. **KL annealing** gives the rate a weight $w$ that grows to 1: $\; \sum_t \log p(x_t \mid z_t) - w\, \mathrm{KL}_t$. While $w < 1$ it is no bound; curves and tests below use $w = 1$.

# %% [markdown] slideshow={"slide_type": "skip"}
# **Predict.** Two trainings of equal length, with $w = 1$ throughout and with $w$ growing from 0.2 to 1 over the first half. Which has the higher rate early on? Which the better bound at the end? (The next cell trains for one to two minutes.)
#
# <details><summary>Answer</summary>
#
# Early on, the one with the small weight: that is what annealing is for. At the end, nobody can say without trying, and the cells below try. An epoch with $w < 1$ aims at something else than the bound, so a head start may cost more than it brings.
# </details>


# %% slideshow={"slide_type": "skip"}
def train(data, first_weight, epochs=epochs):
    """Model and guide trained on data.train, and by epoch the bound and rate per step on data.valid."""
    model, guide = build()
    now, _ = steps_and_previous(data.train)
    with torch.no_grad():  # the emission starts from how often each key sounds: the first baseline of section 1
        model.emission.network.network[-1].bias.copy_(share(now, torch.ones_like(now)).logit())
    objective = SequenceElbo(model, guide)
    batches = SequenceBatches(data.train.rolls, data.train.lengths, batch_size=20)
    valid = SequenceBatches(data.valid.rolls, data.valid.lengths, batch_size=100, shuffle=False)
    steps = epochs * len(batches)
    optimizer = torch.optim.Adam(objective.parameters(), lr=3e-3, fused=True)
    weight = LinearWeight(objective, "rate_weight", first_weight, 1.0, max(1, steps // 2))
    history = fit(
        objective,
        batches,
        valid=valid,
        epochs=epochs,
        optimizers=optimizer,
        schedulers=[up_then_down(optimizer, steps), weight],
        clip_norm=10.0,
        progress=False,
    )
    scale = len(data.valid) / valid.num_steps  # from nats a sequence to nats per step
    curves = {name: scale * torch.tensor(history.valid[name]) for name in ("bound", "rate")}
    return model, guide, curves, history.seconds[-1]


trained = {"w = 1 throughout": train(data, 1.0), "w from 0.2 to 1": train(data, 0.2)}
for name, (_, _, curves, seconds) in trained.items():
    print(
        f"{name:18} validation bound {curves['bound'][-1]:.2f}, rate {curves['rate'][-1]:.2f} nats per step; "
        f"{seconds:.0f} seconds"
    )

# %% slideshow={"slide_type": "fragment"}
plots.curves(
    {name: curves["rate"] for name, (_, _, curves, _) in trained.items()},
    "epoch",
    "rate, nats per step",
    size=(820, 320),
    caption="Rate on the validation part: w growing over the first half of the training, or 1.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Ask before showing the curve: how many nats a step can z say about four voices that the model did not expect? Then read the curve twice: which one leaves its low first, and which one ends higher. They need not be the same. Whatever the rate does in the very first epochs is the untrained guide, which may say much and mean nothing. The bounds are printed in the notebook: annealing is a remedy for a stuck start and no gift; whether it pays is measured on the validation part, each time anew.
#
# </details>

# %% slideshow={"slide_type": "skip"}
late = torch.arange(epochs // 10, epochs)  # without the first epochs, which would flatten the rest
plots.curves(
    {name: (late + 1, curves["bound"][late]) for name, (_, _, curves, _) in trained.items()},
    "epoch",
    "bound, nats per step",
    references={name: -value for name, value in baselines["valid"].items()},
    size=(820, 380),
    caption="Bound on the validation part while training, with w = 1 in the evaluation; dashed, the baselines of section 1, on the same part.",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# Read three things off the two figures. Where the rate stays near zero for some epochs, nothing moves yet: $z$ is not used. With a small $w$ the rate rises earlier. And at the end compare the printed bounds, at equal epochs, one start each. Which one do we keep? The validation part decides, not the test part:

# %% slideshow={"slide_type": "skip"}
chosen = max(trained, key=lambda name: trained[name][2]["bound"][-1])
model, guide = (part.eval() for part in trained[chosen][:2])
print(f"kept: {chosen}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · How tight is the bound?
#
# Draw whole paths $z_s \sim q(z \mid x)$ and weight them. The mean weight is an **unbiased** estimate of the likelihood, for any guide that can reach every $z$ that the posterior can:
#
# $$ \hat Z = \frac1S \sum_{s=1}^S w_s, \quad w_s = \frac{p(x, z_s)}{q(z_s \mid x)}, \qquad \mathbb E\big[\hat Z\big] = p(x), \qquad \mathbb E\big[\log \hat Z\big] \le \log p(x). $$
#
# With $S = 1$ the right-hand inequality is the bound. More paths make it tighter (**importance sampling**). But over many steps few weights count. **Sequential Monte Carlo** (SMC) carries partial paths, called **particles**; after *each step* it copies those with large weights and drops those with small ones. The product over steps of the mean weights is $\hat Z$, unbiased too.

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The step from an unbiased Z to a log Z that is too low is Jensen's inequality, for the third time in this course. Published NLLs of this model are the importance-sampled kind: in expectation they are still too pessimistic. Ask what happens to the largest of S weights as T grows: the log weights add up over steps, so their spread grows with T.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 07.4 · ●●○ · 7 minutes
#
# Estimate $\log p(x)$ from $S$ whole paths $z_s \sim q(z \mid x)$ with the weights $w_s = p(x, z_s) / q(z_s \mid x)$: return $\log \frac 1 S \sum_s w_s$ for each sequence, and the effective sample size $\big(\sum_s w_s\big)^2 / \sum_s w_s^2$. A sequence has hundreds of nats: weights themselves are 0 in floating point. Gradients must reach both arguments.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-07.4"]
def importance_sampled(log_joint, log_q):
    """log p(x) from S whole paths z_s ~ q(z | x), in nats, and how many of them count.

    log_joint: log p(x, z_s), log_q: log q(z_s | x), summed over time: [samples, batch]
    → log of the mean weight [batch]; effective sample size (sum w)² / sum w² [batch].
    """
    ...  # your code


check("07.4", importance_sampled)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Seven minutes. The effective sample size is S where all weights are equal and near 1 where one has all. The usual slip in the first part is a mean of log weights: that is the bound again, and not the estimate.
#
# </details>

# %% slideshow={"slide_type": "skip"}
samples = settings.budget(full=100, smoke=5)
torch.manual_seed(3)
print(f"{samples} paths     log p(x) - estimate, nats a sequence    effective sample size, mean and least")
with torch.no_grad():
    for name, q in {**{name: guide for name, (guide, _) in fitted.items()}, "exact": truth}.items():
        draw = q(test_x, test_ends, samples)
        log_joint = linear.log_joint(test_x, test_ends, draw.z)  # [samples, sequences]
        estimate, effective = answers.importance_sampled(log_joint, draw.log_prob)
        print(f"{name:12} {(exact - estimate).mean():24.3f} {effective.mean():36.1f} {effective.min():8.1f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 07.5 · ●●● · 15 minutes
#
# $K$ particles, of equal weight so far, have each been extended by $z_t$. Particle $k$'s weight for this step is $w_k = p(z_t \mid z_{t-1})\, p(x_t \mid z_t) / q(z_t \mid z_{t-1}, x)$. Add $\log \frac 1 K \sum_k w_k$ to $\log \hat Z$. Then resample: cut $[0, 1]$ into $K$ pieces, in the particles' order and as long as their shares $w_k / \sum w$. Put $K$ points on it, at $(j + u) / K$ for $j = 0, \dots, K - 1$, with one $u \in [0, 1)$, which is given. Each point draws the particle whose piece it falls in; on a boundary, the one on the right.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-07.5"]
def particle_step(log_z, log_weight, z, offset):
    """One step of sequential Monte Carlo: log Z_hat, and the particles drawn anew.

    log_weight: log w of this step alone, w = p(z_t | z_{t-1}) p(x_t | z_t) / q(z_t | z_{t-1}, x),
    [batch, particles]. z: z_t of each particle, [batch, particles, latent].
    log_z: log Z_hat up to the step before, [batch]. offset: the points' u in [0, 1), [batch]
    → log Z_hat with this step [batch]; z, resampled, by point [batch, particles, latent].
    """
    ...  # your code


check("07.5", particle_step)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Fifteen minutes, the hardest of the lesson. Draw the unit interval, cut it in five pieces as long as the weights, and lay a comb with five equally spaced teeth on it: systematic resampling. One random number does for all. Ask what the new weights are: all the same, for the weight has become a number of copies.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Watch it. The simplest guide is the transition itself, and then $w_k = p(x_t \mid z_t)$: the **bootstrap filter**. One more column beside each $z$ holds its particle's number, so that what comes out of `particle_step` says whom it was drawn from.
#
# **Predict.** Twelve particles, twenty steps. How many of the twelve at the first step have descendants at the last?
#
# <details><summary>Answer</summary>
#
# Nearly always a single one. Each step drops somebody and copies somebody else, so the lines run together backwards: the particles of the last step tell much about $z_{20}$, and about $z_1$ next to nothing. $\hat Z$ does not mind, it is a product of the steps' own means. A mean over whole paths would.
# </details>


# %% slideshow={"slide_type": "skip"}
def bootstrap_filter(x, particles):
    """x: [steps, 1] → z, ancestors and shares of the weights, by step: [steps, particles, latent], [steps - 1, particles], [steps, particles]."""
    numbers = torch.arange(particles).double()[None, :, None]  # [1, particles, 1]
    z, log_z = linear.initial.expand(1, particles, -1), torch.zeros(1)
    drawn, ancestors, shares = [], [], []
    for x_t in x:
        z = linear.transition(z).sample()  # [1, particles, latent]
        log_weight = linear.emission(z).log_prob(x_t)  # [1, particles]
        drawn.append(z[0])
        shares.append(log_weight[0].softmax(0))
        log_z, resampled = answers.particle_step(log_z, log_weight, torch.cat([z, numbers], -1), torch.rand(1))
        z = resampled[..., :-1].float()
        ancestors.append(resampled[0, :, -1].long())
    return torch.stack(drawn), torch.stack(ancestors[:-1]), torch.stack(shares)


torch.manual_seed(6)
drawn, ancestors, shares = bootstrap_filter(test_x[0], 12)
plots.lineages(
    drawn.sum(-1),  # what the emission reads
    ancestors,
    shares,
    observed=test_x[0, :, 0],
    ylabel="sum of $z_t$'s coordinates",
    caption="Twelve particles of a bootstrap filter. The larger a dot, the larger its share of the weights. Backwards, the lines run together.",
)

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>Why the product of the steps' means is unbiased</summary>
#
# Let $\hat Z_t$ be the product of the mean weights up to step $t$, and $W_t^k = w_t^k / \sum_j w_t^j$ the shares. Claim: for every function $h$ of a state,
# $\mathbb E\big[\hat Z_t \sum_k W_t^k\, h(z_t^k)\big] = \int p(x_1, \dots, x_t, z_t)\, h(z_t)\, dz_t$. With $h = 1$ and $t = T$ it says $\mathbb E[\hat Z_T] = p(x)$.
#
# *Step 1* is importance sampling: $\hat Z_1 \sum_k W_1^k\, h(z_1^k) = \frac1K \sum_k w_1^k\, h(z_1^k)$, and each term has the mean $\int q\, w\, h = \int p(z_1)\, p(x_1 \mid z_1)\, h(z_1)\, dz_1$.
#
# *Step $t$ to step $t + 1$.* By the definition of the shares, $\hat Z_{t+1} \sum_k W_{t+1}^k\, h(z_{t+1}^k) = \hat Z_t\, \frac1K \sum_k w_{t+1}^k\, h(z_{t+1}^k)$. Take the mean over the new draws, then over the resampling. The new draw of a particle at $z$ has the mean
# $g(z) = \int p(z' \mid z)\, p(x_{t+1} \mid z')\, h(z')\, dz'$, for $w$ divides by the density it was drawn from. Resampling copies particle $k$ on average $K W_t^k$ times, so what is left is $\hat Z_t \sum_k W_t^k\, g(z_t^k)$: the claim at step $t$, for $g$ in place of $h$. Put it in, and it is the claim at step $t + 1$.
#
# Only one property of the resampling was used: the mean number of copies. Systematic resampling has it, with less noise than independent draws. The *logarithm* of $\hat Z$ is too low on average, as always.
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# `particle_log_marginal` does this step after step. `resample_below=0` never resamples, which is importance sampling; `resample_below=1` resamples at every step. In between, particles carry their weights on until the effective number of them (07.4) falls below that share; `evaluate_sequences` uses 0.5. Repeat both many times on *one* sequence, whose $\log p(x)$ is known.
#
# **Predict.** The exact posterior as guide: does resampling make the estimate better or worse? And a guide that reads only the past?
#
# <details><summary>Answer</summary>
#
# For the exact posterior, worse: without resampling every path's weight is $p(x)$, and a single one would do. The weights after step $t$ judge a path by $x_1, \dots, x_t$ alone, as a **filter** does. A guide that sees the future puts $z_t$ where $x_{t+1}$ will want it; up to step $t$ that looks like a poor draw, and resampling throws it away. Near the exact posterior it only adds noise. The guide that reads only the past is far from it and has nothing to be punished for: there resampling helps. The estimate stays unbiased in all cases.
# </details>

# %% slideshow={"slide_type": "skip"}
repeats, particles = settings.budget(full=2000, smoke=50), 20
copies, copied_ends = test_x[:1].expand(repeats, -1, -1), test_ends[:1].expand(repeats)
candidates = {
    "exact": truth,
    "exact, 1.2 times as wide": SmootherGuide(linear, spread=1.2),
    "future": fitted["future"][0],
    "past": fitted["past"][0],
}
log_ratio = {}  # by guide and method: log Z_hat - log p(x), [repeats]
torch.manual_seed(4)
for name, q in candidates.items():
    for method, below in {"importance sampling": 0.0, "SMC": 1.0}.items():
        found = particle_log_marginal(linear, q, copies, copied_ends, particles, resample_below=below)
        log_ratio[name, method] = found - exact[0]

# %% slideshow={"slide_type": "skip"}
table = [f"{particles} paths, {repeats:,} times{'mean of Z_hat / p(x)':>42}   log of it: mean, spread"]
for (name, method), ratio in log_ratio.items():
    mean, error = ratio.exp().mean(), ratio.exp().std() / repeats**0.5
    moments = f"{ratio.mean():16.2f} {ratio.std():9.2f}"
    table.append(f"{name:25} {method:20} {mean:8.3f} ± {error:.3f} {moments}")

# %% slideshow={"slide_type": "skip"}
print(*table, sep="\n")

# %% slideshow={"slide_type": "subslide"}
shown = [key for key in log_ratio if key[0] in ("future", "past")]
plots.histograms(
    torch.stack([log_ratio[key] for key in shown], 1),
    names=[f"{name}, {'SMC' if method == 'SMC' else 'importance'}" for name, method in shown],
    label="log Z_hat - log p(x), nats",
    columns=4,
    xlim=(-12, 9),
    alt="Histograms of 4 sets of estimates of log p(x), errors in nats. "
    + " ".join(
        f"{name}, {method}: mean {log_ratio[name, method].mean():.2f}, largest {log_ratio[name, method].max():.1f}."
        for name, method in shown
    ),
    caption="Error of log Z_hat in nats, repeated on one sequence; zero is exact. The rare values far on the right carry the mean of Z_hat.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Read where the mass of each histogram lies, then its right tail. Resampling moves the guide that reads the past towards zero, and leaves the one that reads the future where it is. The notebook prints a table with the exact posterior as well: there importance sampling has no spread at all, and sequential Monte Carlo has. Where a mean ratio lies below 1 by several of its errors, ask whether that refutes unbiasedness: no, the rare large weights that make up the mean have not come, and the error does not know of them.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Two warnings follow. The mean of $\hat Z$ may be carried by rare, huge weights. If they came, the mean is too high and its error large; if they did not, the mean is too low and its error looks small. The printed error cannot tell, so report logarithms: on average they are too low, never too high. And two forces decide between the methods. Near the exact posterior resampling only adds noise. Far from it, over many steps, the spread of whole-path weights grows with $T$ and importance sampling collapses: there resampling may win even for a guide that reads the future. So compute both. For the chorales:

# %% slideshow={"slide_type": "skip"}
torch.manual_seed(5)
paths = settings.budget(full=50, smoke=2)
evaluation = evaluate_sequences(model, guide, data.test.rolls, data.test.lengths, num_samples=paths)
print(f"{data.name}, test part, nats per step, {paths} paths")
print(f"bound, as an NLL              {-evaluation.bound.mean:.3f} ± {evaluation.bound.standard_error:.3f}")
print(f"importance-sampled NLL        {-evaluation.log_marginal_is.mean:.3f}")
print(f"sequential Monte Carlo, NLL   {-evaluation.log_marginal_smc.mean:.3f}")
for name, value in baselines["test"].items():
    print(f"{name:29} {value:.3f}")
each = -evaluation.bound.values / data.test.lengths  # the bound of each chorale, per step of its own
print(f"the bound again, as a mean of the chorales' own means: {each.mean():.3f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# An NLL is minus a log-likelihood: lower is better. The first three are, on average, at least the true NLL of this model. So where the noise is small, the lowest of them is the nearest: if that is sequential Monte Carlo's, this guide is far from the posterior, though it reads the future. The last line counts each chorale alike, whatever its length. It is another number, and not the one that papers report.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · How good can any model be?
#
# An NLL of 9 nats per step: is the model bad, or are the data hard to predict? Of Bach nobody knows. Of **synthetic chorales** you do: they come from a hidden Markov model of harmony, whose state is key, chord, the voices' places, and the steps left in the phrase. By Gibbs' inequality no model $p$ does better on data from $p^\star$, on average, than $p^\star$ itself:
#
# $$ \mathbb E_{p^\star}\big[-\log p(x)\big] \;\ge\; \mathbb E_{p^\star}\big[-\log p^\star(x)\big] \qquad \text{(the entropy of the data: a floor)} $$
#
# States are discrete there, so $p^\star(x)$ is a sum over all paths. There are astronomically many, and yet the sum takes a moment.

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The same chain as in section 1, with a table in place of each network. Ask how many paths there are with 30 states and 60 steps, then how many different sums one really has to form at each step: one a state. That is dynamic programming, and the Kalman filter of section 4 is the same idea with Gaussians.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 07.6 · ●●○ · 11 minutes
#
# With discrete $z_t$ the sum over all paths, $K^T$ of them, can be done step by step. Let $\alpha_t(j) = p(x_1, \dots, x_t, z_t = j)$; then $\alpha_1(j) = p(z_1 = j)\, p(x_1 \mid z_1 = j)$ and $\alpha_t(j) = p(x_t \mid z_t = j) \sum_i \alpha_{t-1}(i)\, p(z_t = j \mid z_{t-1} = i)$. Return $\log p(x) = \log \sum_j \alpha_T(j)$, computed in logs: after a hundred steps $\alpha$ itself is 0 in floating point.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-07.6"]
def forward_log_marginal(log_initial, log_transition, log_emission):
    """log p(x_1, ..., x_T) of a hidden Markov model, in nats, by the forward algorithm.

    log_initial: log p(z_1 = i) [states]. log_transition: log p(z_t = j | z_{t-1} = i) at [i, j],
    [states, states]. log_emission: log p(x_t | z_t = j) of the x at hand, [batch, steps, states]
    → [batch].
    """
    ...  # your code


check("07.6", forward_log_marginal)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Eleven minutes. Predict (sum over the state before), then update (the step's emission): the order of section 4's filter. In logs the sum is a logsumexp; ask over which of the two indices. Whoever sums over the wrong one has transposed the transition.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Against the sum over every single path, for a small model, and its number of terms:

# %% slideshow={"slide_type": "skip"}
states, length = 3, 6
torch.manual_seed(0)
initial, transition = torch.randn(states).log_softmax(-1), torch.randn(states, states).log_softmax(-1)
emission = torch.randn(1, length, states) - 1  # log p(x_t | z_t = j) of one x
total = []
for path in itertools.product(range(states), repeat=length):
    moves = sum(transition[i, j] for i, j in itertools.pairwise(path))
    total.append(initial[path[0]] + moves + sum(emission[0, t, j] for t, j in enumerate(path)))
forward = answers.forward_log_marginal(initial, transition, emission).item()
print(f"forward algorithm {forward:.6f}   sum over all {len(total)} paths {torch.stack(total).logsumexp(0):.6f} nats")

# %% [markdown] slideshow={"slide_type": "skip"}
# `exact_log_marginal` is the same for the model of harmony, given a chorale's length $T$, as the deep Markov model is given it too. `entropy_floor` is minus its sum over the test part, divided by the number of steps: an estimate of the floor. Hold a deep Markov model trained on synthetic chorales against it.
#
# **Predict.** Same networks, same training as before. How far above the floor? (On Bach, the next cell trains for about a minute.)
#
# <details><summary>Answer</summary>
#
# Far, by some nats per step, as the cell prints: this is a small network after a short training. No amount of training brings any model below the floor, on average. What lies between is of five kinds: a small network and a short training (the rows of section 11 have a larger and a longer one, both at once), the model's family, the optimiser, a training part that ends, and the guide: wholly in the bound, in part in the importance-sampled NLL.
# </details>

# %% slideshow={"slide_type": "skip"}
if data is synthetic:
    harmony, evaluated = (model, guide), evaluation
else:
    harmony = train(synthetic, {"w = 1 throughout": 1.0, "w from 0.2 to 1": 0.2}[chosen])[:2]
    evaluated = evaluate_sequences(*harmony, synthetic.test.rolls, synthetic.test.lengths, num_samples=paths)
floor, floor_error = synthetic.entropy_floor(synthetic.test.rolls, synthetic.test.lengths)

# %% slideshow={"slide_type": "subslide"}
plots.dots(
    {
        **baselines_of(synthetic)["test"],
        "bound": -evaluated.bound.mean,
        "importance-sampled NLL": -evaluated.log_marginal_is.mean,
        "entropy floor": floor,
    },
    "nats per step, synthetic chorales, test part (lower is better)",
    errors={
        "bound": evaluated.bound.standard_error,
        "importance-sampled NLL": evaluated.log_marginal_is.standard_error,
        "entropy floor": floor_error,
    },
    caption="A short training, and what no model can pass on average. On top, the two baselines. ±: one standard error.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# From the top: the two baselines; a bound; a tighter estimate of the same model's likelihood; and the floor, which belongs to the data. The bound and the estimate differ by a part of the guide's fault; the estimate and the floor by the model's, and by what importance sampling still misses: the printed SMC estimate says at least how much, where it is lower. The standard errors are over chorales; all stand on the same chorales, so their differences are surer than the whiskers say.
#
# </details>

# %% slideshow={"slide_type": "skip"}
own = synthetic.exact_log_marginal(synthetic.test.rolls, synthetic.test.lengths)
excess = own - evaluated.log_marginal_is.values  # nats a chorale
steps_in_all = synthetic.test.lengths.sum()
print(f"floor {floor:.3f} ± {floor_error:.3f} nats per step")
print(
    f"the model stands {excess.sum() / steps_in_all:.3f} above it (importance-sampled), "
    f"and above it for {(excess > 0).sum()} of {len(excess)} chorales"
)
print(f"by sequential Monte Carlo {(own - evaluated.log_marginal_smc.values).sum() / steps_in_all:.3f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 8 · Flows on the guide
#
# Section 4 left a gap that training cannot close: the Gaussian of a step has no correlations within $z_t$. Put an inverse autoregressive flow (IAF, lesson 05) on top of each step's Gaussian, the same layer at every step. What does it buy, and what does it cost? The KL keeps a closed form only as far as the flow shifts and scales, number by number: what it bends is sampled. And each step becomes more expensive.
#
# **Predict.** The state is a point in the plane, the exact posterior a correlated Gaussian. Does one flow pass the limit "least possible without correlations" of section 4?
#
# <details><summary>Answer</summary>
#
# Yes. The limit binds Gaussians without correlations, and with a flow on top the guide is none.
# </details>

# %% slideshow={"slide_type": "skip"}
longer = settings.budget(full=150, smoke=2)
print("guide future          log p(x) - bound, nats a sequence      seconds of training")
for flows in (0, 1):
    guide_with_flows, seconds = fit_guide("future", flows, epochs=longer)
    print("{} flows {:30.2f} ± {:.2f} {:26.1f}".format(flows, *distance(guide_with_flows), seconds))
print(f"least possible without correlations within z_t: {family_gap:.2f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# On two coordinates a single autoregressive layer can make nearly any correlated Gaussian, so what is left with it is training more than family. The limit's 1.7 nats a sequence of 20 steps are 0.09 per step. On chorales, with a hundred coordinates and an unknown posterior, Pyro's tutorial reports a gain of the same size: 6.87 nats per step without, 6.82 with one flow, 6.80 with two. Section 11 has ours: 6.696 ± 0.005 over three seeds without, 6.682 and 6.669 on one seed each with one and two. The importance-sampled NLL does not improve, and one seed is no verdict on so little.

# %% [markdown] slideshow={"slide_type": "skip"}
# ### How a flow's KL is sampled (optional)
#
# The flow $F$ makes $z_t = F(y_t)$ from a Gaussian draw $y_t \sim q_0$. The rate of the step is then an expectation over $y_t$, and a single draw of what stands under it is an unbiased estimate:
#
# $$ \mathbb E_{q_0}\big[\log q_0(y_t) - \log \lvert \det F'(y_t) \rvert - \log p(z_t \mid z_{t-1})\big]. $$
#
# Add and subtract the logarithm of *any* Gaussian $p'(y_t)$, and a part of it has a closed form:
#
# $$ \mathrm{KL}\big(q_0 \,\|\, p'\big) + \mathbb E_{q_0}\big[\log p'(y_t) - \log p(z_t \mid z_{t-1}) - \log \lvert \det F'(y_t) \rvert\big]. $$
#
# The mean is the same for each $p'$; the noise of the second term is not. In a first run with two flows, $p'$ was the prior $p$ itself, taken as a density of $y_t$. Nothing then stops the base from becoming twice as wide and the flow from halving it again: $z_t$ and the bound stay as they were, but $\log p(y_t) - \log p(z_t)$ is
# the difference of two quadratics that no longer match. Over the training they drifted apart so far that the standard deviation of a step's estimate grew to 68 nats, and the training was lost. `SequenceElbo` takes for $p'$ the prior carried back through the flow's linear part: with $m$ the mean of $q_0$ and $a$ the diagonal of $F'(m)$,
#
# $$ p = \mathcal N\big(\mu, \mathrm{diag}(\sigma^2)\big) \quad\Rightarrow\quad p' = \mathcal N\big(m + (\mu - F(m)) / a,\; \mathrm{diag}(\sigma^2 / a^2)\big). $$
#
# If the flow shifts and scales each number, the second term is a constant and there is no noise at all. On the weights of the lost run the standard deviation was 1 nat. (68 and 1 are from that run, not from a cell here.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · Listen
#
# The bound is one opinion, your ear another. Draw 32 steps from the model: $z_1, z_2, \dots$, then the keys of each step.

# %% slideshow={"slide_type": "skip"}
try:
    singer = load_trained() if data.name == "jsb" else (model, guide)
    print("the trained weights" if data.name == "jsb" else "the model of section 5, trained on synthetic chorales")
except FileNotFoundError as missing:
    print(f"{missing} Until then you hear the model of section 5.")
    singer = (model, guide)
torch.manual_seed(0)
songs, _ = singer[0].sample(20, 32)  # [chorales, steps, 88]

# %% slideshow={"slide_type": "fragment"}
listen(songs[0, :24], "Made up by the model, 24 steps")

# %% slideshow={"slide_type": "fragment"}
plots.piano_roll(songs[0], caption="A chorale that the model made up. The first 24 steps sound.")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Let the room listen first, without the picture, and say what is missing: voices, rhythm, cadence, a key that stays? Then look. Whether these are the fully trained weights or the lesson's own short training is printed in the notebook. Nothing was chosen: it is the first sample of seed 0.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# What the ear notices can be counted, too: how many keys sound at once, how many of the sounding keys are held from the step before, and how often two neighbouring keys (a semitone) sound together, which sounds harsh.


# %% slideshow={"slide_type": "skip"}
def counts(now, before):
    """Keys at once; share of sounding keys that sounded a step before; share of steps with a semitone in them."""
    semitone = (now[:, 1:] * now[:, :-1]).any(-1).float().mean()
    return now.sum(-1).mean(), (now * before).sum() / now.sum(), semitone


print("                    keys at once   held   steps with a semitone")
heard = {
    "test part": steps_and_previous(data.test),
    "the model's": (songs[:, 1:].flatten(0, 1), songs[:, :-1].flatten(0, 1)),
}
for name, pair in heard.items():
    print("{:20} {:11.2f} {:6.2f} {:12.2f}".format(name, *counts(*pair)))

# %% [markdown] slideshow={"slide_type": "skip"}
# Does the model have more semitones than the test part? Given $z_t$ its keys are drawn independently, so two neighbours that are both likely sound together now and then. Take a song home, as a MIDI file for any music program:

# %% slideshow={"slide_type": "skip"}
midi = base64.b64encode(roll_to_midi(songs[0])).decode()
HTML(f'<a download="chorale.mid" href="data:audio/midi;base64,{midi}">chorale.mid</a>')

# %% [markdown] slideshow={"slide_type": "skip"}
# What does a state mean? Take the paths $z_1, \dots, z_T$ of two chorales, mix them, and let the emission sing what lies between. Its entropy says how much it leaves open: do keys move from one chord to the other, or do they fade?

# %% slideshow={"slide_type": "subslide"}
latent_walk(*singer, data.test.rolls, data.test.lengths)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Mix at 0 and at 1 are the two chorales, as well as the model can reproduce them. In between: do notes fade, or do they move? Let the room vote, then run the count that follows in the notebook. Ask somebody to find a step at which the mixture of two consonant chords is dissonant: the state space has no reason to be straight.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# Count it, over pairs of chorales: of the keys that are likely half-way, how many are likely in one of the two chorales at that step? If keys moved, those half-way would lie *between* the two chords, and belong to neither.


# %% slideshow={"slide_type": "skip"}
@torch.no_grad()
def fade_or_move(model, guide, rolls, lengths, steps=16):
    """Expected keys in a parent and half-way; share of likely keys half-way that are a parent's, and of parents' that are likely half-way."""
    z = guide(rolls, lengths).z[0, :, :steps]  # [chorales, steps, latent]
    first, second = z, z.roll(1, 0)  # each chorale with its neighbour
    parents = torch.stack([model.emission(first).mean, model.emission(second).mean])  # [2, chorales, steps, 88]
    half = model.emission(0.5 * (first + second)).mean
    likely, likely_in_parent = half > 0.5, (parents > 0.5).any(0)
    both = (likely & likely_in_parent).sum()
    return parents.sum(-1).mean(), half.sum(-1).mean(), both / likely.sum(), both / likely_in_parent.sum()


torch.manual_seed(0)
in_parent, half_way, from_parents, kept = fade_or_move(*singer, data.test.rolls[:20], data.test.lengths[:20])
print(f"keys expected at once: {in_parent:.1f} in a chorale, {half_way:.1f} half-way")
print(f"of the likely keys half-way, {100 * from_parents:.0f} % are likely in one of the two chorales")
print(f"of the two chorales' likely keys, {100 * kept:.0f} % are likely half-way")

# %% [markdown] slideshow={"slide_type": "skip"}
# So they fade: what is likely half-way is nearly always a key of one of the two, and half of the keys that were likely in either are so no longer. The emission is a network of $z$ with no notion of pitch: to it, neighbouring keys are as different as distant ones.

# %% [markdown] slideshow={"slide_type": "skip"}
# To continue a chorale, infer the last state from the given steps, $z_t \sim q(z \mid x_1, \dots, x_t)$, and go on from it with the transition. The guide reads the future, and the future is empty here: it runs on the given part alone.

# %% slideshow={"slide_type": "subslide"}
continue_chorale(*singer, data.test.rolls, data.test.lengths)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Give 4 steps, then 16, with the same seed. What changes? Let the room bet: does a longer beginning keep the key of the piece better? The notebook's next cell counts it. Then change the seed alone: the spread of continuations is what the model does not know.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# **Predict.** Does a longer beginning keep the piece's notes better? Take the seven pitch classes (C, C sharp, ...) that sound most in the whole chorale, and count how many of the continuation's notes are among them.
#
# <details><summary>Answer</summary>
#
# Hardly: by a hundredth or two from one step to four, and not at all after that. One chord already names most of the notes. And a state is a vector of fixed size that passes through a noisy transition at each step: what it holds of a
# long beginning is what the last steps say again.
# </details>


# %% slideshow={"slide_type": "skip"}
def pitch_classes(rolls):
    """How often each of the 12 pitch classes sounds: [chorales, steps, 88] → [chorales, 12]. Key 0 is an A."""
    return torch.stack([rolls[:, :, start::12].sum((1, 2)) for start in range(12)], 1)


given_steps, ahead = (1, 2, 4, 8, 16, 24), 16
long_enough = data.test.lengths >= max(given_steps) + ahead
whole = data.test.rolls[long_enough]
sevens = torch.zeros(len(whole), 12).scatter(1, pitch_classes(whole).topk(7).indices, 1.0)  # [chorales, 12]


def share_kept(rolls):
    """Share of notes in the chorale's seven pitch classes: [chorales, steps, 88] → [chorales]."""
    heard = pitch_classes(rolls)
    return (heard * sevens).sum(1) / heard.sum(1).clamp(min=1)


torch.manual_seed(1)
kept = []
with torch.no_grad():
    for given in given_steps:
        path = singer[1](whole[:, :given], torch.full((len(whole),), given)).z[0]  # [chorales, given, latent]
        draws = [
            singer[0].sample(len(whole), ahead, after=path[:, -1])[0] for _ in range(settings.budget(full=8, smoke=1))
        ]
        kept.append(torch.stack([share_kept(draw) for draw in draws]).mean(0))
kept = torch.stack(kept)  # [beginnings, chorales]
plots.curves(
    {"continued": (list(given_steps), kept.mean(1))},
    "steps given",
    "share in the seven",
    references={"the chorale itself": share_kept(whole[:, 24:40]).mean().item(), "any note": 7 / 12},
    bands={"continued": kept.std(1) / len(whole) ** 0.5},
    ylim=(0.5, 1.0),
    size=(760, 320),
    caption=f"{len(whole)} test chorales, {ahead} steps generated after each beginning. Band: one standard error over chorales.",
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · In Pyro
#
# A loop over time with one sample statement per step, `pyro.markov` around it, a mask for what lies beyond an end.

# %% slideshow={"slide_type": "fragment"}
import pyro
import pyro.distributions as dist
from pyro import poutine
from pyro.infer import Trace_ELBO


def pyro_model(x, mask, eps):  # eps is the guide's: Pyro gives both the same arguments
    z = model.initial.expand(len(x), -1)
    with pyro.plate("chorales", len(x)):
        for t in pyro.markov(range(x.shape[1])):
            p = model.transition(z).base_dist
            with poutine.mask(mask=mask[:, t]):
                z = pyro.sample(f"z_{t}", dist.Normal(p.loc, p.scale).to_event(1))
                logits = model.emission.network(z)
                pyro.sample(f"x_{t}", dist.Bernoulli(logits=logits).to_event(1), obs=x[:, t])


# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The mask takes the terms beyond an end out of the sum; pyro.markov says that a step needs nothing but the step before. The guide is the second cell, in the notebook: the reversed network first, then the same loop. Value and gradient agree to float precision. The seconds do not: here each step is a Python statement with its bookkeeping, and the notebook prints both times.
#
# </details>


# %% slideshow={"slide_type": "skip"}
def given_noise(loc, scale, eps):
    """A Gaussian whose draw is loc + scale * eps, so that both sides see the same noise."""

    class GivenNoise(dist.Normal):
        def rsample(self, sample_shape=()):
            return self.loc + self.scale * eps

    return GivenNoise(loc, scale).to_event(1)


# %% slideshow={"slide_type": "skip"}
def pyro_guide(x, mask, eps):
    network = guide.networks[0]
    state, states = network.initial.expand(len(x), -1), []
    for t in reversed(range(x.shape[1])):  # a state stays as it was until its sequence's last step has come
        state = torch.where(mask[:, t, None], network.cell(x[:, t], state), state)
        states.insert(0, state)
    z = guide.initial.expand(len(x), -1)
    with pyro.plate("chorales", len(x)):
        for t in pyro.markov(range(x.shape[1])):
            hidden = (torch.tanh(guide.from_latent(z)) + states[t]) / 2
            loc, raw_scale = guide.to_parameters(hidden).chunk(2, -1)
            with poutine.mask(mask=mask[:, t]):
                z = pyro.sample(f"z_{t}", given_noise(loc, softplus(raw_scale) + 1e-5, eps[:, t]))


# %% slideshow={"slide_type": "skip"}
ends = data.test.lengths[:5]
x = data.test.rolls[:5, : int(ends.max())]
inside = torch.arange(x.shape[1]) < ends[:, None]
# Trace_ELBO estimates the KL from the sampled path, so ours does too
objective = SampledKlSequenceElbo(model, guide)
parameters = [*model.parameters(), *guide.parameters()]


def value_and_gradient(run):
    started = perf_counter()
    total = run()
    gradient = torch.cat([part.flatten() for part in torch.autograd.grad(total, parameters)])
    return total.item(), gradient, perf_counter() - started


torch.manual_seed(0)
ours, our_gradient, our_seconds = value_and_gradient(lambda: objective((x, ends)).surrogate.sum())
torch.manual_seed(0)
# the package draws noise for real steps only: all first steps, all second ones, ...
order = PackedSteps(ends, x.shape[1])
eps = order.pad(torch.randn(order.rows, sizes["latent"]))
theirs, their_gradient, their_seconds = value_and_gradient(
    lambda: -Trace_ELBO().differentiable_loss(pyro_model, pyro_guide, x, inside, eps)
)
apart = (our_gradient - their_gradient).norm() / their_gradient.norm()
print(f"bound, sum over {len(x)} chorales: Pyro {theirs:.3f}   ours {ours:.3f} nats")
print(f"relative difference of the gradients {apart:.1e}")
print(f"seconds for one value and gradient: Pyro {their_seconds:.2f}, ours {our_seconds:.2f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · What we got
#
# Published for the test part of JSB, in nats per step. Three different numbers can go by that name:
#
# - the **bound**: Pyro's tutorial 6.87, with one flow 6.82, with two 6.80; Krishnan et al. (2017) 6.926;
# - the **importance-sampled NLL**: Krishnan et al. 6.388, from 2,000 paths a chorale in their public code. It lies below a bound of the same model, the lower the more paths: do not compare the two;
# - the **mean of per-sequence means**, of either: it counts short chorales for more. Krishnan et al. print 6.856 for the model whose bound is 6.926. Section 6 printed one of ours.

# %% [markdown] slideshow={"slide_type": "skip"}
# Pyro's plot shows about 7.35 after 1,000 epochs, 7.0 after 5,000. Krishnan et al. also give 6.773 and 6.288, for what they call an augmented model, not this one; and, with other guides and without annealing, the bounds 7.078 (*both*), 7.520 (*past*) and 7.100 (*mean-field*). (The last three, and 6.856, are in the results file of their public code.)
#
# **Predict.** One model, one test part, three reports "per step". A: one path a chorale, log-likelihood less KL, summed over chorales, divided by the sum of their lengths. B: the log of the mean of 2,000 path weights, summed and divided alike. C: as A, but each chorale divided by its own length, then averaged. Which is which? May any two be compared?
#
# <details><summary>Answer</summary>
#
# A is the bound, B the importance-sampled NLL, C a mean of per-sequence means, of the bound. None may be compared with another: B leaves out part of the guide's fault, and C weighs steps differently. Compare each only with its own kind.
# </details>

# %% slideshow={"slide_type": "skip"}
rows = {row.name: row for row in read_rows() if row.name.startswith("dmm-") and row.runs}
commands = sorted({row.command for row in rows.values()})
for command in commands or ["No rows yet: `python -m helpers.reproduce dmm` makes them."]:
    print(command)
for protocol in sorted({row.protocol for row in rows.values()}):
    print(protocol)


def ours_of(name):
    """A row's number with its standard error over seeds and the number of seeds, as text."""
    row = rows[name]
    error = "" if row.standard_error is None else f" ± {row.standard_error:.3f}"
    return f"{row.mean:.3f}{error} ({len(row.runs)})"


def by_particles(name):
    """NLL by sequential Monte Carlo, of the same runs, as text."""
    found = [run.details["NLL by sequential Monte Carlo"] for run in rows[name].runs]
    return f"{sum(found) / len(found):.3f}"


# %% slideshow={"slide_type": "fragment"}
columns = f"{'bound':>18}{'importance-sampled NLL':>26}{'NLL by SMC':>16}"
print(f"{'ours, JSB (seeds)':24}{columns}")
guides = ("future", "past", "both", "mean-field")
systems = {"future-0": "future", "future-0-2000-epochs": "future, twice as long"}
counts = ("", ", one flow", ", two flows")
for reads in guides:
    systems |= {f"{reads}-{flows}": reads + words for flows, words in enumerate(counts)}
for system, words in systems.items():
    name = f"dmm-jsb-{system}"
    if f"{name}-bound" in rows:
        bound, nll, smc = ours_of(f"{name}-bound"), ours_of(f"{name}-nll"), by_particles(f"{name}-nll")
        print(f"{words:24}{bound:>18}{nll:>26}{smc:>16}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Compare a column with the published numbers of the same name only. The bound needs the guide to be good, the NLL less so; the difference of the first two columns is the part of the guide's fault that 2,000 paths remove, so it is a lower limit: sequential Monte Carlo, in the third, removes more. Unlike section 4, each guide has trained a model of its own: a poor guide also teaches a poorer model. *Both* reads more than *future*, and does no better. *Future* without flows has three seeds, which spread by 0.005; the others have one. The standard error over the 77 chorales is about 0.11; differences on the same chorales are surer than that.
#
# </details>

# %% slideshow={"slide_type": "skip"}
print(f"{'ours, synthetic (seeds)':24}{columns}{'floor':>18}")
for system, words in systems.items():
    name = f"dmm-synthetic-{system}"
    if f"{name}-bound" in rows:
        details = rows[f"{name}-bound"].runs[0].details
        mark = f"{details['floor']:.3f} ± {details['floor_standard_error']:.3f}"
        bound, nll, particles = ours_of(f"{name}-bound"), ours_of(f"{name}-nll"), by_particles(f"{name}-nll")
        print(f"{words:24}{bound:>18}{nll:>26}{particles:>16}{mark:>18}")
if not any(name.startswith("dmm-synthetic") for name in rows):
    print("No rows yet.")
long_run = rows.get("dmm-jsb-future-0-bound")
if long_run is not None:
    curve = long_run.runs[0].curve
    display(  # noqa: F821  a notebook has it
        plots.curves(
            {part: tuple(torch.tensor(curve[part]).T) for part in ("train", "valid")},
            "epoch",
            "bound, as an NLL, nats per step",
            caption="Guide future on JSB, the long training: training and validation part.",
        )
    )

# %% [markdown] slideshow={"slide_type": "skip"}
# Where a row is missing, nobody has trained it yet: `python -m helpers.reproduce dmm --guide future,past,both,mean-field --flows 0,1,2` makes them all.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - A deep Markov model is a chain of VAEs, one per time step; the prior of each step is where the model thinks the state goes.
# - The bound is a sum over time, and the number per step is a sum divided by a sum. Padding changes nothing.
# - The exact posterior of a state reads the state before and the future. A guide that cannot see them pays in nats.
# - $\hat Z$ is unbiased, $\log \hat Z$ too low. Resampling helps a guide that is far from the posterior, and adds noise near it.
# - A floor tells bad models from hard data: on synthetic chorales each $\log p^\star(x)$ is exact; minus their mean per step estimates the floor, with an error.

# %% slideshow={"slide_type": "skip"}
progress()

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Go further
#
# - Make the observations of section 4 almost exact (a scale of 0.05 in place of 0.5). Which guides still need the future? Then make them very noisy.
# - Transpose each training chorale by up to six semitones at each visit. Is the validation bound better? Is a transposed chorale a chorale, to the synthetic model?
# - Replace `GatedTransition` by `GaussianConditional` with a network of the same size. What does the gate buy, and when in the training?
# - Let the guide of section 6 be trained on the importance-weighted bound of lesson 05, over whole paths. Does it become wider?
# - Sample with the emission's probabilities sharpened (logits times 1.5). Count what section 9 counts, and listen. What is the price in nats?
#
# ## References
#
# - R. G. Krishnan, U. Shalit, D. Sontag. Structured Inference Networks for Nonlinear State Space Models. AAAI 2017. arXiv:1609.09869
# - Pyro contributors. Deep Markov Model. Pyro tutorial, pyro.ai/examples/dmm.html; and "Pyro's talk", "Building on top of the VAE: recipes for missing and sequential data", Uber AI Labs.
# - N. Boulanger-Lewandowski, Y. Bengio, P. Vincent. Modeling Temporal Dependencies in High-Dimensional Sequences: Application to Polyphonic Music Generation and Transcription. ICML 2012. arXiv:1206.6392
# - D. P. Kingma, T. Salimans, R. Jozefowicz, X. Chen, I. Sutskever, M. Welling. Improving Variational Inference with Inverse Autoregressive Flow. NIPS 2016. arXiv:1606.04934
# - S. R. Bowman, L. Vilnis, O. Vinyals, A. M. Dai, R. Jozefowicz, S. Bengio. Generating Sentences from a Continuous Space. CoNLL 2016. arXiv:1511.06349
# - Y. Burda, R. Grosse, R. Salakhutdinov. Importance Weighted Autoencoders. ICLR 2016. arXiv:1509.00519
# - A. Doucet, A. M. Johansen. A Tutorial on Particle Filtering and Smoothing: Fifteen Years Later. In: The Oxford Handbook of Nonlinear Filtering, 2011.
# - C. J. Maddison, D. Lawson, G. Tucker, N. Heess, M. Norouzi, A. Mnih, A. Doucet, Y. W. Teh. Filtering Variational Objectives. NIPS 2017. arXiv:1705.09279
# - R. E. Kalman. A New Approach to Linear Filtering and Prediction Problems. Journal of Basic Engineering 82, 1960.
# - H. E. Rauch, F. Tung, C. T. Striebel. Maximum Likelihood Estimates of Linear Dynamic Systems. AIAA Journal 3, 1965.
# - L. R. Rabiner. A Tutorial on Hidden Markov Models and Selected Applications in Speech Recognition. Proceedings of the IEEE 77, 1989.
# - E. Bingham et al. Pyro: Deep Universal Probabilistic Programming. JMLR 2019. arXiv:1810.09538
