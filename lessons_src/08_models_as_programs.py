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
# # 08 · Models as programs
#
# *Write a model as a function that draws, and let five engines run it backwards, without a change to the function.*
#
# **93 minutes** (54 reading and running, 39 exercises) · before this: [03 NVIL and control variates](03_nvil_and_control_variates.ipynb) for the score function; [01 Amortized inference](01_amortized_inference.ipynb) for bound and subsample

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Lessons 01 to 07 each wrote down p(x, z) and q(z | x) as modules with log_prob. Ask what that costs when the number of latent variables is itself unknown: how many objects are in a picture? Let the class try to give z a shape. Today the model is a program, and z is whatever the program drew on its way. Nothing is learnt about pictures today; everything is checked exactly, since all programs are small enough to list what they can do.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# **You will be able to**
#
# 1. turn a program that draws into a joint density, by handing it another `sample` (exercise 08.1), and replay an execution (08.2);
# 2. write the bound of two programs, and the score term that `backward()` forgets (08.3);
# 3. say what each site in plates counts for, and read the error when a dimension is wrong (08.4);
# 4. weigh executions of different lengths (08.5), and accept or refuse a step that changes the number of variables (08.6);
# 5. choose among enumeration, importance sampling, particle filter, Metropolis-Hastings and variational inference for one unchanged program, and say where a gradient can be wrong in silence (Predicts).
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
from torch.distributions import Bernoulli, Independent, Normal, constraints

from helpers import plots, programs, settings
from helpers.estimators import CentredReward, Enumeration, LeaveOneOut, ScoreFunction
from helpers.estimators.harness.exact import exact_moments_of
from helpers.exercises import check, hint, progress, solution, solutions_of  # noqa: F401  for you to call
from helpers.experiments.two_languages import OURS, PROGRAMS, PYRO
from helpers.training import fit
from helpers.widgets.engines import engines
from helpers.widgets.messages import messages

# %% slideshow={"slide_type": "skip"}
answers = solutions_of("08")  # what the exercises ask for, for use after them
settings.seed_everything(0)
number = torch.tensor  # a short name for constants: number(0.3)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 1 · A program that draws is a joint distribution
#
# You guess the weight of an apple, 8.5 ± 1, and put it on unreliable scales, which add noise of 0.75. As a program:
#
# ```
# weight      = sample("weight", Normal(8.5, 1))
# measurement = sample("measurement", Normal(weight, 0.75))
# ```
#
# Run it, and it draws. Read it line by line, and it is a density: the product of what each line says about its value given the lines before,
#
# $$ p(z_1, z_2, \dots) = \prod_i p\big(z_i \mid z_1, \dots, z_{i-1}\big). $$
#
# A line that draws is a **site**, with a name. All of Python may stand between the sites: loops, branches, networks, recursion.

# %% slideshow={"slide_type": "fragment"}
from helpers.programs import sample


def scales():
    weight = sample("weight", Normal(number(8.5), 1.0))
    return sample("measurement", Normal(weight, 0.75))


torch.manual_seed(0)
print("five runs:", ", ".join(f"{scales().item():.2f}" for _ in range(5)))

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Before the Predict, in the notebook: ask for the posterior after the scales show 9.5. Precisions add, so it is N(9.14, 0.6²), narrower than prior and scales. It is the number that every engine today has to find again.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# **Predict.** The scales show 9.5. What do you believe about the weight then: nearer to 8.5 or nearer to 9.5? And how sure are you, compared with ± 1 before and ± 0.75 of the scales alone?
#
# <details><summary>Answer</summary>
#
# Nearer to 9.5: the scales are the more precise of the two, so they get the larger weight. The posterior is $\mathcal N(9.14, 0.6^2)$: precisions add, $1/1^2 + 1/0.75^2 = 1/0.6^2$, and it is narrower than either. Two Gaussians have this closed form. A program with a branch has none, and needs an engine.
# </details>

# %% slideshow={"slide_type": "skip"}
precision = 1 / 1.0**2 + 1 / 0.75**2
mean = (8.5 / 1.0**2 + 9.5 / 0.75**2) / precision
print(f"posterior of the weight: N({mean:.2f}, {precision**-0.5:.2f}²)")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 2 · A message, and a stack of handlers
#
# How can one function draw in one place, and be scored in another? By saying less. `sample` does not draw: it sends a **message** (name, distribution, no value yet) to whoever listens. Listeners are **handlers**, on a stack. The innermost sees the message first and may set the value. If nobody has, it is drawn; then each handler sees it again on the way back.
#
# This is the whole mechanism, written out:

# %% slideshow={"slide_type": "fragment"}
stack = []  # handlers, outermost first


class Handler:
    def __enter__(self):
        stack.append(self)
        return self

    def __exit__(self, *error):  # runs after an exception too
        stack.pop()

    def process(self, message): ...  # before the value is set
    def finish(self, message): ...  # afterwards


def small_sample(name, distribution, obs=None):
    message = {"name": name, "distribution": distribution, "value": obs, "observed": obs is not None}
    for handler in reversed(stack):
        handler.process(message)
    if message["value"] is None:
        message["value"] = distribution.sample()
    for handler in stack:
        handler.finish(message)
    return message["value"]


# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Twenty lines, and nothing is hidden. Let the class say what `trace` must do in `finish` and what `condition` must do in `process`, before the next cell. Why reversed on the way out? The innermost handler is nearest to the program: whoever wraps the program first has the first word. Why must `__exit__` pop even after an exception? Otherwise the next, unrelated program would run inside a dead handler.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Two handlers
#
# `trace` writes down what passes; `condition` sets a value and marks it as observed. The log joint of an execution is then a sum over the trace.


# %% slideshow={"slide_type": "skip"}
class SmallTrace(Handler):
    def __init__(self):
        self.sites = {}

    def finish(self, message):
        self.sites[message["name"]] = message


class SmallCondition(Handler):
    def __init__(self, data):
        self.data = data

    def process(self, message):
        if message["name"] in self.data:
            message.update(value=self.data[message["name"]], observed=True)


def small_scales():
    weight = small_sample("weight", Normal(number(8.5), 1.0))
    return small_sample("measurement", Normal(weight, 0.75))


torch.manual_seed(0)
with SmallTrace() as small, SmallCondition({"measurement": number(9.5)}):
    small_scales()
log_joint = sum(site["distribution"].log_prob(site["value"]) for site in small.sites.values())
print({name: round(site["value"].item(), 2) for name, site in small.sites.items()}, f"log joint {log_joint:.4f}")

# %% [markdown] slideshow={"slide_type": "skip"}
# `helpers.programs` is this mechanism with its edges made safe: a name that stands twice, an observation outside the support, a program that never ends each get a sentence. Its handlers are functions of a program, as Pyro's are: `trace(program)`, `condition(program, data)`.

# %% slideshow={"slide_type": "skip"}
from helpers.programs import condition, trace

torch.manual_seed(0)
execution = trace(condition(scales, {"measurement": number(9.5)})).get_trace()
print(execution)
print(f"log joint {execution.log_joint():.4f}: that of the small version")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Explorer: message by message
#
# Step through one execution. Which handler sets the value of `wet`? When does the trace get to know it? Then choose *do*, and look at what the trace adds to the log joint.

# %% slideshow={"slide_type": "fragment"}
messages()

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Three things to find. Under `condition`, the value is set before `trace` sees the message on its way out, and recorded on the way back. Under `do`, the same value, and a weight of 0. Under `replay`, rain = 1 is set but not observed: it counts in the log joint as a latent value.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 08.1 · ●○○ · 6 minutes
#
# A program is given its `sample` as an argument. Write one that makes the program a joint distribution: a latent site takes its value from `values`, an observed one keeps `obs`, each adds its log-probability, and the program goes on with the value. Return $\log p(z)$, the latent sites' sum, and $\log p(x \mid z)$, the observed ones'.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-08.1"]
def log_prior_and_likelihood(program, x, values):
    """log p(z) and log p(x | z) of one execution of program(sample, x).

    The program calls sample(name, distribution, obs=None) at each site and goes on with what it returns:
    write this `sample`. A latent site `name` takes the value values[name].
    x: [data]; values: tensors by name → sum of the latent sites' log-probabilities, and of the observed
    ones', scalars in nats.
    """
    ...  # your code


check("08.1", log_prior_and_likelihood)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Six minutes. Here the program gets its `sample` as an argument, so a learner's function can stand in for it without any stack. The usual slip is to return the distribution's mean, or to forget that the program goes on with the value: both give a density of another execution.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 3 · Seeing and setting
#
# `condition` says: I saw that the lawn is wet. `do` says: I made it wet, with a hose. The statements after it see the same value. But what you saw speaks about its causes, and what you made does not: `do` leaves the site's own log-probability out.
#
# **Predict.** It rains on three days in ten. Rain makes the lawn wet nine times in ten; without rain it is wet one time in ten. How probable is rain if you *see* a wet lawn, and if you *made* it wet?
#
# <details><summary>Answer</summary>
#
# Seeing: $0.3 \cdot 0.9 / (0.3 \cdot 0.9 + 0.7 \cdot 0.1) = 0.79$. Making: 0.3, as before. Wetting the lawn does not bring rain.
# </details>

# %% slideshow={"slide_type": "fragment"}
from helpers.programs import do, enumerate_executions


def garden():
    rain = sample("rain", Bernoulli(number(0.3)))
    wet = sample("wet", Bernoulli(0.1 + 0.8 * rain))
    sample("slip", Bernoulli(0.05 + 0.4 * wet))


wet = {"wet": number(1.0)}
ways = {"before": garden, "seen wet": condition(garden, wet), "made wet": do(garden, wet)}
for words, program in ways.items():
    posterior = enumerate_executions(program)()  # section 9 says how; it is exact
    rain, slip = (posterior.expectation(name).item() for name in ("rain", "slip"))
    print(f"{words:9} P(rain) = {rain:.2f}   P(slip) = {slip:.2f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The slip has the same probability both times: what follows the lawn does not care why it is wet. Conditioning flows against the arrows, an intervention only along them. `do` is two lines in the package: set the value, mask the site's log-probability.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 4 · Replay, and the bound from two traces
#
# `replay(program, earlier)` runs a program with the values of an earlier execution; what that one did not have is drawn. With it, a **guide** is simply another program that draws sites of the same names, and the bound of lesson 01 needs three lines: trace the guide, replay the model against it, subtract.
#
# $$ \log w = \log p\big(x, z\big) - \log q(z), \qquad z \sim q; \qquad \mathbb E_q[\log w] \le \log p(x). $$

# %% slideshow={"slide_type": "fragment"}
from helpers.programs import param, replay

weighed = condition(scales, {"measurement": number(9.5)})


def guess():
    loc = param("loc", number(8.5))
    sample("weight", Normal(loc, param("scale", number(1.0), constraints.positive)))


def log_weight(model, guide):
    proposal = trace(guide).get_trace()
    return trace(replay(model, proposal)).get_trace().log_joint() - proposal.log_joint()


torch.manual_seed(1)
draws = settings.budget(full=2000, smoke=50)
with torch.no_grad():
    weights = torch.stack([log_weight(weighed, guess) for _ in range(draws)])
exact = Normal(8.5, (1.0**2 + 0.75**2) ** 0.5).log_prob(number(9.5))
error = weights.std() / draws**0.5
print(f"bound {weights.mean():.3f} ± {error:.3f}   log p(x) = {exact:.3f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Model and guide share names, nothing else. Ask what happens if the guide misspells a name: the model would draw that site from its prior, and the bound would be the bound of a worse guide, silently. The package compares the two traces and raises, with both places. Also ask what `exact` is: the measurement is a sum of two independent Gaussians.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 08.2 · ●●○ · 6 minutes
#
# Run a program again. A latent site takes its value from `earlier` if that execution had a site of this name; otherwise it is drawn, and your draw is `fresh[name]`. Observed sites keep `obs`. Return what the program returns, and the log-probability of the sites that were drawn.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-08.2"]
def replayed(program, x, earlier, fresh):
    """Run program(sample, x) with an earlier execution's values, and draw what that one did not have.

    A latent site takes earlier[name] if the name is there. Otherwise it is drawn: your draw is
    fresh[name]. An observed site keeps obs. x: [data]; earlier, fresh: tensors by name
    → what the program returns, and the log-probability of the sites that were drawn, a scalar in nats.
    """
    ...  # your code


check("08.2", replayed)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Six minutes. Three kinds of site: observed, known, drawn, in this order. Every engine of section 9 is a way of choosing what is known.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 5 · The score term that `backward()` forgets
#
# The `weight` above was drawn as loc + scale · ε, so a gradient reaches loc and scale through the value. A bit has no such path. `(-log_w).backward()` still runs, and returns a gradient. It is wrong, and nothing says so: it holds $\mathbb E[\nabla \log w]$, and not the part that says how often each value comes. Lesson 03's score function adds it:
#
# $$ \nabla\, \mathbb E_q[\log w] = \mathbb E_q\Big[\nabla \log w + \log w \sum_{\text{scored}} \nabla \log q(z_i)\Big]. $$

# %% [markdown] slideshow={"slide_type": "skip"}
# **Predict.** A fair coin decides whether a measurement has mean 0 or 2; it shows 1.6. The guide gives the second probability sigmoid(φ), with φ = 0. In which direction does the naive gradient push φ, on average?
#
# <details><summary>Answer</summary>
#
# In none: $\mathbb E_q[\nabla \log w] = -\mathbb E_q[\nabla \log q] = 0$. Every probability in this model is a constant, and the guide's own score has mean 0. The training stands still, with noise.
# </details>


# %% slideshow={"slide_type": "skip"}
def coin():
    k = sample("k", Bernoulli(number(0.5)))
    sample("x", Normal(2 * k, 1.0), obs=number(1.6))


phi = torch.zeros((), requires_grad=True)
torch.manual_seed(2)
naive, scored = [], []
for _ in range(settings.budget(full=1000, smoke=20)):
    proposal = trace(lambda: sample("k", Bernoulli(logits=phi))).get_trace()
    log_q = proposal.log_joint()
    log_w = trace(replay(coin, proposal)).get_trace().log_joint() - log_q
    naive.append(torch.autograd.grad(log_w, phi, retain_graph=True)[0])
    scored.append(torch.autograd.grad(log_w + log_w.detach() * log_q, phi)[0])

# %% slideshow={"slide_type": "skip"}
p = torch.sigmoid(phi)  # the exact gradient: the sum over both values
k = number([0.0, 1.0])
log_p = Bernoulli(0.5).log_prob(k) + Normal(2 * k, 1.0).log_prob(number(1.6))
bound = (1 - p) * (log_p[0] - (1 - p).log()) + p * (log_p[1] - p.log())

# %% slideshow={"slide_type": "fragment"}
for words, found in (("naive", naive), ("with the score term", scored)):
    found = torch.stack(found)
    print(f"{words:20} {found.mean():6.3f} ± {found.std() / len(found) ** 0.5:.3f}")
print(f"{'exact':20} {torch.autograd.grad(bound, phi)[0]:6.3f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# This is the defect of the smallest public implementations: value right, gradient wrong for discrete choices, no error. A test on values alone would pass. The exact number comes from two terms.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 08.3 · ●●○ · 6 minutes
#
# From the traces of model and guide you have $\log p(x, z)$ and the $\log q$ of each site of the guide. Return the surrogate: the log weight $\log w = \log p(x, z) - \sum \log q$, plus $[\log w] \sum_{\text{scored}} \log q$, the sum over scored sites only, $[\cdot]$ detached.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-08.3"]
def surrogate_of_traces(log_p, log_q, is_scored):
    """What to differentiate for the bound E_q[log p(x, z) - log q(z)], from one execution of each member.

    A guide has several sites. Where is_scored is False, the value is a differentiable function of the
    guide's parameters (pathwise); where it is True, no gradient passes through the value, and the site
    needs a score term, log q of the site times the log weight, detached.
    log_p: log p(x, z), [batch]; log_q: of each of the guide's sites, [sites, batch]; is_scored: [sites]
    → log weight + score terms, [batch]; its gradient is an unbiased estimate.
    """
    ...  # your code


check("08.3", surrogate_of_traces)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Six minutes. The commonest slip scores every site: a pathwise site then counts twice. The most instructive one forgets the detach: the value is right, and the gradient holds log q times the gradient of the log weight.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 6 · Parameters, and `fit`
#
# `param(name, first_value, constraint)` is a trainable number with a name; `module(name, network)` hands over a network. Both are kept by the objective, not in a global store, so an optimiser finds them as in every lesson. `ProgramElbo(model, guide)` traces, replays, subtracts, and gives each site its gradient: pathwise if the distribution can, else the score function.

# %% slideshow={"slide_type": "fragment"}
objective = programs.ProgramElbo(weighed, guess).initialise()
optimizer = torch.optim.Adam(objective.parameters(), lr=0.01)
steps = settings.budget(full=1500, smoke=10)
torch.manual_seed(3)
history = fit(objective, [()] * steps, epochs=1, optimizers=optimizer, progress=False)

with objective.parameters_of_programs.used():
    loc, scale = param("loc"), param("scale", constraint=constraints.positive)
print(f"loc {loc:.2f}, scale {scale:.2f}: exact 9.14 and 0.60")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# An optimiser holds the parameters that exist when it is made; a name that a program uses for the first time later would never be trained, so the package raises. Pyro adds it silently to a global store, and so does every other script in the same process.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# The VAE of lesson 02 is a program as well. On the same noise it has the bound of `Elbo`:

# %% slideshow={"slide_type": "skip"}
from helpers.distributions import BernoulliConditional, GaussianConditional, StandardNormalPrior
from helpers.models import AmortizedGuide, Elbo, LatentVariableModel
from helpers.networks import FeedForward
from helpers.programs import module, plate

decoder = BernoulliConditional((10,), (784,), FeedForward((200,)))
encoder = AmortizedGuide(GaussianConditional((784,), (10,), FeedForward((200,))))


def vae(x):
    with plate("images", len(x)):
        z = sample("z", Independent(Normal(torch.zeros(len(x), 10), 1.0), 1))
        sample("x", module("decoder", decoder)(z), obs=x)


def vae_guide(x):
    with plate("images", len(x)):
        sample("z", module("encoder", encoder)(x))


x = (torch.rand(64, 784, generator=torch.Generator().manual_seed(0)) < 0.2).float()
as_program = programs.ProgramElbo(vae, vae_guide).initialise(x)
torch.manual_seed(4)
ours = as_program(x).value
torch.manual_seed(4)
theirs = Elbo(LatentVariableModel(StandardNormalPrior(10), decoder), encoder)(x).value.sum()
print(f"64 images: {ours:.3f} as two programs, {theirs:.3f} by Elbo")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 7 · Plates
#
# Members of a data set are independent given what is outside of them. `with plate("data", N):` says so, once, for the sites inside: their members lie along one batch dimension of the plate. If only B of N are at hand, each counts N/B times (lesson 01):
#
# $$ \log p \approx \log p(\text{outside}) + \frac{N}{B} \sum_{b=1}^{B} \log p(\text{inside}_b). $$
#
# Plates nest: each takes a dimension of its own, from the right, and their factors multiply.

# %% slideshow={"slide_type": "fragment"}
readings = number([9.2, 9.9, 9.4, 8.7, 9.6, 9.1, 9.8, 9.3])


def many_scales(count=None):
    weight = sample("weight", Normal(number(8.5), 1.0))
    with plate("readings", len(readings), subsample_size=count) as index:
        sample("x", Normal(weight, 0.75), obs=readings[index])


torch.manual_seed(5)
known = {"weight": number(9.2)}
whole = trace(replay(many_scales, known)).get_trace().log_joint()
at_known = trace(replay(many_scales, known))
parts = torch.stack([at_known.get_trace(2).log_joint() for _ in range(500)])
error = parts.std() / len(parts) ** 0.5
print(f"all 8 readings {whole:.3f}   two at a time {parts.mean():.2f} ± {error:.2f}")
print(trace(replay(many_scales, known)).get_trace(2))

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The table is what `print(trace)` shows: batch and event shape of every site. Read it with the class: x has batch shape [2], and its log-probability is marked as scaled. Two in eight, so each counts four times.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# **Predict.** What if an image of 784 pixels stands in a plate of 64 images, and somebody forgets to say that the pixels are one outcome (`Independent(..., 1)`)? Will it be an error, or a wrong number?
#
# <details><summary>Answer</summary>
#
# Here an error, which names plate, dimension and site: the plate occupies the rightmost batch dimension, which has 784 members, not 64. Were the images of 64 pixels too, the plate would be content with it; the objective would then name the dimension that is left over, which no plate declares.
# </details>


# %% slideshow={"slide_type": "skip"}
def forgotten(x):
    with plate("images", len(x)):
        z = sample("z", Independent(Normal(torch.zeros(len(x), 10), 1.0), 1))
        sample("x", Bernoulli(probs=decoder(z).mean), obs=x)


try:
    trace(forgotten).get_trace(x)
except ValueError as problem:
    print(problem)

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 08.4 · ●●○ · 6 minutes
#
# Each site has log-probabilities of the members at hand, a mask, and the plates around it. A plate of $N$ members of which $B$ are at hand multiplies its sites by $N/B$; plates inside each other multiply. Return the log joint that this estimates.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-08.4"]
def log_joint_in_plates(log_probs, masks, plates, sizes):
    """An unbiased estimate of the log joint of all data, from the members at hand.

    log_probs: by site, log-probability of each member at hand, any shape; masks: by site, True where it
    counts, of the same shape; plates: by site, names of the plates around it; sizes: by plate, (N, B), of
    whose N members B are at hand.
    → scalar, in nats.
    """
    ...  # your code


check("08.4", log_joint_in_plates)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Six minutes. A site outside of all plates is seen whole and counts once: to scale it too is the slip that lesson 01 warned of, and here it comes back with nesting. `mask * log_prob` is NaN where a masked entry is minus infinity.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 8 · As many variables as it takes
#
# Toss a coin until it shows heads. How many variables has this model? As many as the execution made: names are formed at run time. No module with a fixed z can say this; a program says it in three lines.
#
# $$ P(n \text{ failures}) = 2^{-(n+1)}, \qquad n = 0, 1, 2, \dots $$


# %% slideshow={"slide_type": "fragment"}
def tosses():
    n = 0
    while not sample(f"heads {n}", Bernoulli(number(0.5))).item():
        n += 1
    sample("x", Normal(number(float(n)), 1.0), obs=number(2.6))  # the number, seen with noise
    return n


torch.manual_seed(6)
runs = [trace(tosses).get_trace().returned for _ in range(settings.budget(full=2000, smoke=100))]
shares = [runs.count(n) / len(runs) for n in range(8)]
plots.curves(
    {
        "share of runs": (range(8), shares),
        "2^-(n+1)": (range(8), [2.0 ** -(n + 1) for n in range(8)]),
    },
    xlabel="failures n",
    ylabel="share",
    size=(760, 300),
    caption=f"{len(runs):,} runs of one program, with {min(runs) + 2} to {max(runs) + 2} sites.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Ask for the dimension of z. The question has no answer, and nothing needs one: an execution has a log joint, and that is all an engine asks for. A program that never ends is stopped at 10,000 sites, with a sentence.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 9 · One program, five engines
#
# `tosses` observed 2.6. What is $p(n \mid x)$, and what is $\log p(x)$? Five answers from the same function, none of which needs a change in it.
#
# | engine | what it does with the program | what it costs, what it gives |
# |---|---|---|
# | enumeration | replays prefixes of choices, the most probable first | discrete choices; exact, with a bound on the rest |
# | importance sampling | runs it, weighs each run | any program; noisy if runs rarely fit |
# | particle filter | runs many side by side, stops at each observation, copies what fits | T observations: T² sites; unbiased p(x) |
# | Metropolis-Hastings | changes one choice of a run, keeps or refuses | no p(x); correlated runs |
# | variational inference | trains a second program | a guide must be written; amortised if it reads x |

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Enumeration
#
# A prefix is a list of choices. Replay it; where it ends, at the next site, each outcome makes a longer prefix. Of infinitely many executions only some are listed, but the prior mass of all others is known, and bounds the error.

# %% slideshow={"slide_type": "skip"}
n = torch.arange(60.0, dtype=torch.float64)
log_evidence = (-(n + 1) * math.log(2) + Normal(n, 1.0).log_prob(number(2.6))).logsumexp(0).item()  # the closed sum

# %% slideshow={"slide_type": "fragment"}
density = 1 / math.sqrt(2 * math.pi)  # the largest of a unit Gaussian
for most in (1, 3, 5, 10, 40):
    found = enumerate_executions(tosses, max_executions=most)()
    low, high = found.log_marginal, found.log_marginal_at_most(density)
    print(f"{most:3} executions: {low:.6f} to {high:.6f}   left out {found.mass_left_out:.1e}")
print(f"closed sum     {log_evidence:.6f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Forty executions give six digits; the mass left out is 2 to the minus 40. Pyro's parallel enumeration cannot run this program, since a branch needs a number and not a tensor of all numbers; its sequential one would never end.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Importance sampling
#
# Run the model, and weigh each run by how well it explains the data. With a guide that proposes better runs, weigh by p/q.

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 08.5 · ●●○ · 7 minutes
#
# A guide proposes values for some of a model's latent sites; the model draws the others itself. Return the log importance weight of the execution, $\log p(x, z)$ less the log density with which its latent values were proposed.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-08.5"]
def log_importance_weight(model, guide, x, values):
    """Log weight of one execution: the guide proposed some sites, and the model drew the others itself.

    Both are programs: call guide(sample, x) and model(sample, x), each with a `sample` of yours. Latent
    site `name` has the value values[name], whoever drew it. p(x, z) is that of the model; the density of
    the proposal is the guide's for its sites, and the model's own for the rest.
    x: [data]; values: tensors by name → log p(x, z) less the log density of the proposal: a scalar, nats.
    """
    ...  # your code


check("08.5", log_importance_weight)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Seven minutes. A site that the model drew itself was proposed with its own density, so it cancels: this is what makes a partial guide possible, and why no guide at all leaves the likelihood.
#
# </details>

# %% slideshow={"slide_type": "skip"}
size = settings.budget(full=1000, smoke=50)
torch.manual_seed(7)
sampled = programs.importance_sampling(tosses, num_samples=size)()
filtered = programs.particle_filtering(tosses, num_particles=size)()
for words, found in (("importance sampling", sampled), ("particle filter", filtered)):
    mean = found.expectation(lambda one: number(float(one.returned)))
    print(f"{words:20} log p(x) {found.log_marginal:.3f}   E[n | x] {mean:.3f}")
print(
    f"{'exact':20} log p(x) {log_evidence:.3f}   E[n | x] {enumerate_executions(tosses, 60)().expectation(lambda one: number(float(one.returned))):.3f}"
)
print(f"importance sampling: {size} runs are worth {sampled.effective_sample_size:.0f} of equal weight")

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Metropolis-Hastings
#
# Take a run, choose one of its n latent sites, draw it again, run the program with all other values replayed. The new run may have more sites, or fewer. A step back would choose among n′, so
#
# $$ \text{accept with } \min\Big(1,\ \frac{p(\text{new})}{p(\text{old})} \cdot \frac{n}{n'} \cdot \frac{\text{density of what the step back draws}}{\text{density of what the step drew}}\Big). $$
#
# **Predict.** If somebody forgets n/n′, which runs will the chain visit too often: long or short ones?
#
# <details><summary>Answer</summary>
#
# Long ones. For a step to a longer run n/n′ is below 1, a brake that would be missing; on the way to a shorter one a push would be missing. The next cell measures it.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ### Your turn · 08.6 · ●●● · 8 minutes
#
# A step of single-site Metropolis-Hastings changed site `name`, by a draw from the program, and ran the program again: some sites are new (drawn from the program), some are gone, the others kept their value, but perhaps not their log-probability. Return the probability that it is accepted, $\min(1, \text{ratio})$. A step back chooses its site among $n'$, not $n$.


# %% slideshow={"slide_type": "skip"} tags=["answer", "exercise-08.6"]
def acceptance_probability(current, proposed, name, log_likelihoods):
    """Probability with which single-site Metropolis-Hastings accepts a step.

    The step chose latent site `name` among all n of the present execution, drew its new value from the
    program, and ran the program again with the other values kept; sites that are new were drawn from the
    program too. The step back would choose among the n' sites of the proposed execution.
    current, proposed: log-probability of each latent site by name, scalars; log_likelihoods: log p(x | z)
    before and after, [2] → min(1, ratio), a scalar.
    """
    ...  # your code


check("08.6", acceptance_probability)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Eight minutes, the hardest of the lesson. Let them write the full ratio first and cancel on paper: chosen value, new sites and gone sites all drop out, since everything was drawn from the program. Kept sites stay: their value is the same, their distribution may not be. n/n′ is the one factor that a fixed number of variables would never have taught.
#
# </details>


# %% slideshow={"slide_type": "skip"}
class WithoutTheRatio(programs.SingleSiteMetropolis):
    """The mistake: the number of sites is not asked for."""

    def _log_ratio(self, current, proposed, name, log_forward):
        right = super()._log_ratio(current, proposed, name, log_forward)
        return right - math.log(len(current.latent) / len(proposed.latent))


listed = enumerate_executions(tosses, 40)()  # in the order 0, 1, 2, ... failures
steps = settings.budget(full=6000, smoke=100)
shares = {"exact": (range(7), listed.probabilities[:7].tolist())}
for words, kernel in (("with n/n'", programs.SingleSiteMetropolis), ("without n/n'", WithoutTheRatio)):
    torch.manual_seed(8)
    visited = [one.returned for one in kernel(tosses).chain(steps=steps)]
    shares[words] = range(7), [visited.count(k) / len(visited) for k in range(7)]
# %% slideshow={"slide_type": "skip"}
plots.curves(
    shares,
    xlabel="failures n",
    ylabel="posterior probability",
    size=(760, 300),
    caption=f"{steps:,} steps of each chain. Without n/n', long runs come too often.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The tests of this package do not look at histograms: on a small program they list every outcome of the real kernel, build its transition matrix, and see that the exact posterior is left as it is, to 1e-12. The kernel without the ratio misses by more than 1e-2.
#
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"}
# ### Explorer: error by engine
#
# Eight hidden bits, each seen with noise; or trials until a success. Double the number of executions, and see whose error falls, and how fast.

# %% slideshow={"slide_type": "fragment"}
engines(repeats=settings.budget(full=8, smoke=1))

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# On the chain the particle filter beats importance sampling from a dozen particles on: it drops a run as soon as it does not fit, where importance sampling must guess all eight bits at once. It pays for that, nine runs a particle. On the trials there is one observation, and the two are one method. Enumeration is exact as soon as it has listed what matters, and can list no continuous choice.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 10 · A gradient that is wrong in silence
#
# The fifth engine is variational inference. At most four tosses, a guide with one probability a toss, and the score function for each. To take noise out, a choice should be rewarded by its **downstream** cost only: what it can still change (lesson 03). How does a program know what a choice can change?
#
# Pyro 1.9's `TraceGraph_ELBO` follows tensors: a cost is downstream of a choice if a tensor leads from one to the other. `tosses` branches on `.item()`, a number. No tensor leads anywhere, and the cost is cut off. Ours asks for less: a statement can depend only on what was executed before it. So the costs from there on count, all of them, and nothing else.
#
# **Predict.** Which of the two gives the gradient of the bound: `Trace_ELBO`, which rewards every choice with everything, or `TraceGraph_ELBO`?

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>Answer</summary>
#
# `Trace_ELBO`: noisier, and right. `TraceGraph_ELBO` is biased here, in two of four coordinates up to a wrong sign; neither an error nor a warning says so. With masks in place of branches the same model is treated rightly by both.
# </details>

# %% slideshow={"slide_type": "skip"}
import pyro
from pyro.infer import SVI, Trace_ELBO, TraceGraph_ELBO

from helpers.experiments.pyro_gradient import mean_gradient


def at_most_four(language, start=0.0):
    def model():
        n = 0
        while n < 4 and not language.sample(f"heads {n}", language.of.Bernoulli(number(0.5).double())).item():
            n += 1
        language.sample("x", language.of.Normal(number(float(n)).double(), 1.0), obs=number(2.6).double())

    def guide():
        logits, n = language.param("logits", torch.full((4,), start, dtype=torch.float64)), 0
        while n < 4 and not language.sample(f"heads {n}", language.of.Bernoulli(logits=logits[n])).item():
            n += 1

    return model, guide


# %% slideshow={"slide_type": "skip"}
start = -0.5  # each toss shows heads with probability 0.38
ours = programs.ProgramElbo(*at_most_four(OURS, start)).initialise(executions=30)
logits = ours.parameters_of_programs.unconstrained["logits"]
exact_ones = exact_moments_of(ours, parameters=[logits])  # every execution, with its probability
rows = {"ours, downstream": exact_ones.mean[0]}
for loss in (Trace_ELBO(), TraceGraph_ELBO()):
    rows[type(loss).__name__] = -mean_gradient(loss, *at_most_four(PYRO, start), "logits", most=4)

# %% slideshow={"slide_type": "fragment"}
for words, gradient in rows.items():
    print(f"{words:18}", "  ".join(f"{value:6.3f}" for value in gradient.tolist()))

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# These are exact means over all executions, not estimates. The first and the second coordinate of TraceGraph have the wrong sign. It matters because TraceGraph is what Pyro recommends for discrete choices, and because the value of the loss is right: only the gradient is not. The next slide shows what training makes of it.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Trained with it
#
# Every probability starts at 0.5.

# %% slideshow={"slide_type": "skip"}
steps = settings.budget(full=1000, smoke=5)
curves = {}
for loss in (Trace_ELBO(), TraceGraph_ELBO()):
    pyro.clear_param_store()
    torch.manual_seed(9)
    svi = SVI(*at_most_four(PYRO), pyro.optim.Adam({"lr": 0.02}), loss)
    curves[type(loss).__name__] = [svi.step() for _ in range(steps)]
    kept = torch.sigmoid(pyro.param("logits")).tolist()
    print(f"{type(loss).__name__:16} P(heads) of the guide", "  ".join(f"{p:.3f}" for p in kept))
ours = programs.ProgramElbo(*at_most_four(OURS)).initialise(executions=30)
optimizer = torch.optim.Adam(ours.parameters(), lr=0.02)
torch.manual_seed(9)
fit(ours, [()] * steps, epochs=1, optimizers=optimizer, progress=False)
print(
    f"{'ours':16} P(heads) of the guide", "  ".join(f"{p:.3f}" for p in torch.sigmoid(next(ours.parameters())).tolist())
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Compare each row with the exact posterior in your head: 2.6 was seen, so early heads are improbable. The lesson to take away is not about one library. A rule that saves variance rests on an assumption about the program, and somebody must check that it holds; here the check is a sum over sixteen executions.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 11 · Each site names its gradient
#
# Lessons 03 and 04 gave every estimator one door: f and q. At a site, q is the site's distribution, and f(z) is the rest of both programs, run with this value. So any estimator fits any site: `sample(..., estimator=LeaveOneOut(), num_samples=2)`. Estimators that evaluate f several times run the rest several times, with what came before replayed.


# %% slideshow={"slide_type": "skip"}
def guide_with(most, **how):
    def guide():
        logits, n = param("logits", torch.zeros(most, dtype=torch.float64)), 0
        while n < most and not sample(f"heads {n}", Bernoulli(logits=logits[n]), **how).item():
            n += 1

    return guide


def up_to(most):
    def model():
        n = 0
        while n < most and not sample(f"heads {n}", Bernoulli(number(0.5).double())).item():
            n += 1
        sample("x", Normal(number(float(n)).double(), 1.0), obs=number(2.6).double())

    return model


ways = {
    "score function": {"estimator": ScoreFunction()},
    "centred reward": {"estimator": ScoreFunction(CentredReward())},
    "leave-one-out, 2 samples": {"estimator": LeaveOneOut(), "num_samples": 2},
    "enumeration": {"estimator": Enumeration()},
}

# %% slideshow={"slide_type": "fragment"}
print(f"{'':26}{'mean gradient':>18}{'total variance':>18}")
for words, how in ways.items():
    two = programs.ProgramElbo(up_to(2), guide_with(2, **how)).initialise(executions=20)
    found = exact_moments_of(two, parameters=two.parameters(), stateful=(two,))
    gradient = "  ".join(f"{value:6.3f}" for value in found.mean[0].tolist())
    print(f"{words:26}{gradient:>18}{found.total_variance:18.3f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# One mean, four variances, exact. The centred reward starts from a mean of 0, so here, at its first step, it is the plain score function; its gain comes with training. Leave-one-out pays with two runs of the rest for each site, enumeration with one for each outcome: 2 to the T runs for T nested bits.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 12 · Prediction is replay
#
# A posterior is a set of executions. To predict, replay each, and draw what was observed anew. Sites that an execution never had are drawn from the program: a prediction may go on where the data ended.

# %% slideshow={"slide_type": "skip"}
posterior = programs.importance_sampling(many_scales, num_samples=settings.budget(full=2000, smoke=50))()
chosen = torch.multinomial(posterior.probabilities, 500, replacement=True).tolist()
again = programs.predict(many_scales, [posterior.traces[one] for one in chosen])()
drawn = programs.stacked(again, "x")  # [predictions, readings]
print(f"readings seen: mean {readings.mean():.2f}, spread {readings.std():.2f}")
print(
    f"predicted:     mean {drawn.mean():.2f}, spread {drawn.std():.2f}: the scales' noise, and what is not known of the weight"
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The predicted spread is close to the 0.75 of the scales, and larger than that of the eight readings, which happen to lie closer together. Ask how one would notice a wrong model this way: draw, and compare what is drawn with what was seen.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 13 · A scene is a program
#
# Why does this course need programs? Because of pictures with an unknown number of things. A scene: toss a coin; if it shows *more*, choose a place and a size, draw an object there, and go on. Lesson 02's VAE has a z of fixed size for it, and fails. Lesson 09 takes this prior and learns to run it backwards.

# %% slideshow={"slide_type": "fragment"}
from torch.distributions import Categorical, Uniform

from helpers.data import load_images

digits = load_images("digits", size=14).train.images[:, 0]  # [N, 14, 14]


def scene(canvas=None, number_so_far=0):
    canvas = torch.zeros(50, 50) if canvas is None else canvas
    if not sample(f"more {number_so_far}", Bernoulli(number(0.6))).item():
        return canvas
    anywhere = Independent(Uniform(torch.zeros(2), 36.0), 1)
    row, column = sample(f"where {number_so_far}", anywhere).long().tolist()
    digit = sample(f"what {number_so_far}", Categorical(torch.ones(len(digits))))
    canvas = canvas.clone()
    patch = canvas[row : row + 14, column : column + 14]
    canvas[row : row + 14, column : column + 14] = torch.maximum(patch, digits[digit])
    return scene(canvas, number_so_far + 1)


torch.manual_seed(11)
scenes = [trace(scene).get_trace() for _ in range(8)]
counts = [sum(name.startswith("what") for name in one) for one in scenes]
plots.image_grid(
    torch.stack([one.returned for one in scenes])[:, None],
    titles=[str(count) for count in counts],
    alt="Eight canvases, with " + ", ".join(map(str, counts)) + " digits.",
    caption="Eight runs of one recursive program. Above: how many objects this run drew.",
)

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The program calls itself, and its number of latent variables differs from run to run. Ask which engine of section 9 could find the digits in a picture: enumeration cannot list places, importance sampling will not hit them, Metropolis-Hastings would take an age. A trained guide that looks, decides, and looks again can: that is attend, infer, repeat.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 14 · In Pyro
#
# The words are Pyro's, and mean the same. Eight programs, each written once for both languages: global latents with a plate, a subsample, nested plates, a mask, discrete choices, random length, an auxiliary site of the guide, constrained parameters. On the same draws, value and gradient agree to rounding, with every cost as reward, as `Trace_ELBO` has it.


# %% slideshow={"slide_type": "skip"}
def both(program, seed=0):
    objective = programs.ProgramElbo(*program(OURS), reward=programs.every_cost).initialise(executions=30)
    torch.manual_seed(seed)
    estimate = objective()
    (-estimate.surrogate).backward()
    pyro.clear_param_store()
    torch.manual_seed(seed)
    loss = Trace_ELBO().differentiable_loss(*program(PYRO))
    loss.backward()
    theirs = pyro.get_param_store()._params
    gaps = [
        (mine.grad - theirs[name].grad).abs().max().item()
        for name, mine in objective.parameters_of_programs.unconstrained.items()
        if mine.grad is not None
    ]
    return estimate.value.item(), abs(estimate.value.item() + loss.item()), max(gaps)


# %% slideshow={"slide_type": "fragment"}
for program in PROGRAMS:
    value, gap, gradient_gap = both(program)
    apart = f"apart: value {gap:.0e}, gradient {gradient_gap:.0e}"
    print(f"{program.__name__:20} bound {value:9.4f}   {apart}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# What differs is not shown by these numbers. Pyro keeps parameters in one global store, which is why its scripts begin with clear_param_store(); ours are a module of the objective. An unknown key of Pyro's infer={...} is ignored in silence; ours is an argument, and a misspelt one an error.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# ### Pyro's own loop
#
# The sources train by `SVI`: an object that holds model, guide, optimiser and loss. `step` is one gradient step and returns the loss; `evaluate_loss` takes none. `pyro.param` and `pyro.module` register with the global store as they are met.

# %% slideshow={"slide_type": "skip"}
import pyro.distributions as dist

pyro.clear_param_store()


def pyro_scales():
    weight = pyro.sample("weight", dist.Normal(8.5, 1.0))
    return pyro.sample("measurement", dist.Normal(weight, 0.75))


def pyro_guess():
    loc = pyro.param("loc", number(8.5))
    scale = pyro.param("scale", number(1.0), constraint=constraints.positive)
    pyro.sample("weight", dist.Normal(loc, scale))


observed = pyro.condition(pyro_scales, data={"measurement": number(9.5)})
svi = SVI(observed, pyro_guess, pyro.optim.Adam({"lr": 0.01}), Trace_ELBO())
torch.manual_seed(3)
losses = [svi.step() for _ in range(settings.budget(full=1500, smoke=10))]
bounds = -number([svi.evaluate_loss() for _ in range(settings.budget(full=400, smoke=10))])
print(f"after {len(losses)} steps: loc {pyro.param('loc'):.2f}, scale {pyro.param('scale'):.2f}")
print(f"bound {bounds.mean():.3f} ± {bounds.std() / len(bounds) ** 0.5:.3f}   log p(x) {exact:.3f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# Line by line the same as section 6: condition, param with a constraint, a bound, Adam. `pyro.plate` and `pyro.module` are those of section 7 and 6. For the sources' tutorials this page is all the Pyro one has to know.
#
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# **NumPyro** has the same words on JAX. Programs are compiled, so `.item()` and Python's `while` over drawn values are not allowed in them; loops become `scan`, random numbers get a key (its `seed` handler), and Hamiltonian Monte Carlo (NUTS) becomes fast enough to be the first thing to try where all choices are continuous. For programs that branch on what they draw, Pyro or this package.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## 15 · What we got
#
# No table of published scores belongs to this lesson; what can be checked is checked exactly, by tests that run each time the package changes. The same questions here, from this notebook's own run:

# %% slideshow={"slide_type": "skip"}
fully = programs.ProgramElbo(up_to(4), guide_with(4, estimator=Enumeration())).initialise(executions=30)
fit(
    fully,
    [()] * settings.budget(full=600, smoke=3),
    epochs=1,
    optimizers=torch.optim.Adam(fully.parameters(), lr=0.05),
    progress=False,
)
listed = enumerate_executions(up_to(4))()
print(f"{'at most four tosses, 2.6 seen':40}{'log p(x)':>10}{'E[n | x]':>10}")


def failures(one):
    values = [one[name].value.item() for name in one if name.startswith("heads")]
    return number(values.count(0.0)).double()


print(f"{'enumeration, exact':40}{listed.log_marginal:10.4f}{listed.expectation(failures):10.4f}")
torch.manual_seed(12)
for words, engine in (
    ("importance sampling, 1,000 runs", programs.importance_sampling(up_to(4), num_samples=size)),
    ("particle filter, 1,000 particles", programs.particle_filtering(up_to(4), num_particles=size)),
):
    found = engine()
    print(f"{words:40}{found.log_marginal:10.4f}{found.expectation(failures):10.4f}")
visited = torch.stack([failures(one) for one in programs.SingleSiteMetropolis(up_to(4)).chain(steps=3 * size)])
print(f"{'Metropolis-Hastings, 3,000 steps':40}{'none':>10}{visited.mean():10.4f}")
with torch.no_grad():
    print(f"{'variational, trained guide (a bound)':40}{fully().value:10.4f}")

# %% [markdown] slideshow={"slide_type": "notes"}
# <details><summary>For the teacher</summary>
#
# The trained guide reaches log p(x): one probability a toss is enough to hold the exact posterior of this program, so its bound has no gap. That is rare, and a good place to stop.
#
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - A program that draws is a joint distribution. `sample` sends a message; what happens to it is up to the handlers.
# - Trace the guide, replay the model, subtract: that is the bound. Choices without a differentiable sample need a score term, or the gradient is wrong in silence.
# - A plate says what is independent, which dimension it lies along, and how often its members count.
# - Executions may differ in length. Enumeration, importance sampling, particle filter, Metropolis-Hastings and variational inference all run the same function.
# - What a choice can change is what is executed after it. A rule that guesses less, by following tensors, can be biased where a program branches on numbers.

# %% slideshow={"slide_type": "skip"}
progress()

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Go further
#
# - Write a handler `rename(program, {"z": "w"})`, and one that counts how often each distribution is used. Which of `process` and `finish` does each need?
# - Give `SingleSiteMetropolis` a proposal for the weight of section 1, a Gaussian around the present value. Which width accepts about half of the steps?
# - A chain of 30 hidden bits: when does the particle filter's T² hurt? What would it have to keep so as not to run the past again?
# - Put `estimator=Enumeration()` on the class of lesson 06's model, written as a program, and compare with `SemiSupervisedElbo`.
#
# ## References
#
# - N. D. Goodman, V. K. Mansinghka, D. M. Roy, K. Bonawitz, J. B. Tenenbaum. Church: a Language for Generative Models. UAI 2008. arXiv:1206.3255
# - N. D. Goodman, A. Stuhlmüller. The Design and Implementation of Probabilistic Programming Languages. dippl.org, 2014.
# - D. Wingate, A. Stuhlmüller, N. D. Goodman. Lightweight Implementations of Probabilistic Programming Languages via Transformational Compilation. AISTATS 2011.
# - F. Wood, J. W. van de Meent, V. Mansinghka. A New Approach to Probabilistic Programming Inference. AISTATS 2014. arXiv:1507.00996
# - R. Ranganath, S. Gerrish, D. M. Blei. Black Box Variational Inference. AISTATS 2014. arXiv:1401.0118
# - J. Schulman, N. Heess, T. Weber, P. Abbeel. Gradient Estimation Using Stochastic Computation Graphs. NIPS 2015. arXiv:1506.05254
# - E. Bingham et al. Pyro: Deep Universal Probabilistic Programming. JMLR 2019. arXiv:1810.09538
# - D. Phan, N. Pradhan, M. Jankowiak. Composable Effects for Flexible and Accelerated Probabilistic Programming in NumPyro. 2019. arXiv:1912.11554
# - S. M. A. Eslami, N. Heess, T. Weber, Y. Tassa, D. Szepesvari, K. Kavukcuoglu, G. E. Hinton. Attend, Infer, Repeat: Fast Scene Understanding with Generative Models. NIPS 2016. arXiv:1603.08575
