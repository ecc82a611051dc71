"""The exercises of lesson 06, the semi-supervised VAE.

Beside what they are given, the solutions use `math` and `torch`; the lesson imports both. Log densities and bounds are in nats.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from helpers.exercises.exercise import Exercise, Misconception


def _normal(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return loc + scale * torch.randn(size, generator=generator, dtype=torch.float64)


def _leaf(generator: Generator, *size: int, scale: float = 1.0, loc: float = 0.0) -> Tensor:
    return _normal(generator, *size, scale=scale, loc=loc).requires_grad_()


# 06.1


def unlabelled_bound(logits, bound):
    """U(x) = sum_k q_k [L(x, k) - log q_k] in nats: the bound on log p(x) without a label.

    q = q(y | x), the classifier's softmax(logits): [batch, classes].
    bound: L(x, k) of every class, log p(y = k) in it, [batch, classes] → [batch].
    """
    log_q = logits.log_softmax(-1)
    return (log_q.exp() * (bound - log_q)).sum(-1)


def _unlabelled_inputs(generator: Generator, batch: int, classes: int, spread: float = 1.5) -> dict[str, Tensor]:
    return {
        "logits": _leaf(generator, batch, classes, scale=spread, loc=0.7),
        "bound": _leaf(generator, batch, classes, scale=4.0, loc=-9.0),
    }


def _unlabelled_with(value, log_q=lambda logits: logits.log_softmax(-1)):
    """A wrong answer: this function of log q and the bounds, both [batch, classes]."""
    return lambda logits, bound: value(log_q(logits), bound)


UNLABELLED = Exercise(
    id="06.1",
    title="The bound without a label",
    minutes=6,
    difficulty=1,
    statement=r"Write the bound of an image whose label nobody gave, $U(x) = \sum_k q_k \big[L(x, k) - \log q_k\big]$ in nats, with "
    r"$q = \mathrm{softmax}(\text{logits})$ the classifier's $q(y \mid x)$. `bound` holds $L(x, k)$ for every class. Gradients "
    r"must reach both arguments, and stay finite where a probability rounds to 0.",
    solution=unlabelled_bound,
    why="The mean bound over the classes, and the entropy of q on top: a guess that stays open is paid for staying open. Where one class "
    "has all of q, U(x) is that class's L.",
    cases={
        "four classes": lambda g: _unlabelled_inputs(g, 3, 4),
        "a classifier that is sure": lambda g: _unlabelled_inputs(g, 4, 5, spread=700.0),
        "two classes": lambda g: _unlabelled_inputs(g, 5, 2),
        "one image, ten classes": lambda g: _unlabelled_inputs(g, 1, 10, spread=3.0),
    },
    dimensions={"logits": ("batch", "classes"), "bound": ("batch", "classes"), "return": ("batch",)},
    returns=("the bound",),
    hints=(
        "An expectation over ten outcomes is a sum of ten terms: each with its probability, and each with two things in the bracket.",
        "log q = log_softmax(logits);   U = Σ_k exp(log q_k) · (L_k − log q_k).",
        "log_q = logits.log_softmax(-1)",
    ),
    misconceptions=(
        Misconception(
            "no entropy",
            _unlabelled_with(lambda log_q, bound: (log_q.exp() * bound).sum(-1)),
            "That is the mean of L under q. The guess's own −log q_k is missing: without it the classifier is paid for being sure of the "
            "best class, and the number is no longer the tightest that q gives.",
        ),
        Misconception(
            "the entropy's sign",
            _unlabelled_with(lambda log_q, bound: (log_q.exp() * (bound + log_q)).sum(-1)),
            "You add log q_k. In a bound q's own log density is subtracted, as log q(z | x) is: L − log q_k.",
        ),
        Misconception(
            "all classes alike",
            _unlabelled_with(lambda log_q, bound: (bound - log_q).mean(-1)),
            "You average over the classes as if each were equally likely. Class k has the probability q_k.",
        ),
        Misconception(
            "the sum without weights",
            _unlabelled_with(lambda log_q, bound: (bound - log_q).sum(-1)),
            "You sum over the classes without their probabilities. It is an expectation under q: Σ_k q_k […].",
        ),
        Misconception(
            "logits for log probabilities",
            _unlabelled_with(lambda log_q, bound: (log_q.softmax(-1) * (bound - log_q)).sum(-1), lambda logits: logits),
            "Your weights are right. Inside the bracket you use the raw logits; log q_k is `logits.log_softmax(-1)`.",
        ),
        Misconception(
            "by way of probabilities",
            lambda logits, bound: (logits.softmax(-1) * (bound - logits.softmax(-1).log())).sum(-1),
            "Right while no probability rounds to 0. Where the classifier is sure, log 0 is −∞, and 0 times infinity is NaN. "
            "`log_softmax` gives the log without the detour.",
        ),
        Misconception(
            "the softmax over the batch",
            lambda logits, bound: (logits.softmax(0) * (bound - logits.log_softmax(0))).sum(-1),
            "Your softmax runs over the images. The classes are the last dimension.",
        ),
        Misconception(
            "log weights for weights",
            _unlabelled_with(lambda log_q, bound: (log_q * (bound - log_q)).sum(-1)),
            "You weigh with log q_k. An expectation weighs with q_k: exponentiate.",
        ),
        Misconception(
            "the best class alone",
            _unlabelled_with(lambda log_q, bound: bound.gather(-1, log_q.argmax(-1, keepdim=True))[..., 0]),
            "You take the most likely class for the truth. U(x) is the mean over all classes, each with its probability.",
        ),
        Misconception(
            "the marginal",
            lambda logits, bound: bound.logsumexp(-1) + 0 * logits.sum(-1),
            "That is log Σ_k exp L(x, k), which asks no classifier at all. U(x) is what q reaches of it, and is less, by "
            "KL(q ‖ softmax L).",
        ),
        Misconception(
            "the classifier detached",
            lambda logits, bound: unlabelled_bound(logits.detach(), bound),
            "The value is right, and the classifier gets no gradient: it flows through the weights q_k (what comes by −log q_k alone "
            "sums to zero). Nothing is to be detached.",
        ),
        Misconception(
            "the bounds detached",
            lambda logits, bound: unlabelled_bound(logits, bound.detach()),
            "The value is right, and decoder and style encoder get no gradient: they learn through L(x, k).",
        ),
        Misconception(
            "a loss",
            lambda logits, bound: -unlabelled_bound(logits, bound),
            "That is U(x) with its sign turned, a loss. Asked is the bound, which is maximised.",
        ),
        Misconception(
            "the mean over the batch",
            lambda logits, bound: unlabelled_bound(logits, bound).mean(),
            "You average over the images. Asked is one number for each image.",
        ),
    ),
)


# 06.2


def noise_of_a_guess(logits, bound, baseline):
    """The gradient of U(x) with respect to the logits, and how noisy one guess y ~ q(y | x) makes it.

    From one guess: (L(x, y) - log q(y | x) - baseline) times the gradient of log q(y | x).
    logits of q(y | x), bound: L(x, k) of every class, [batch, classes]; baseline: [batch]
    → its mean [batch, classes] and its variance, summed over the logits [batch]: both exact.
    """
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    score = torch.eye(q.shape[-1]).to(q) - q[:, None]  # [batch, guess, logit]
    gradient = (bound - log_q - baseline[:, None])[:, :, None] * score  # of each guess
    mean = (q[:, :, None] * gradient).sum(1)  # [batch, logit]
    return mean, (q * ((gradient - mean[:, None]) ** 2).sum(-1)).sum(-1)


def _guess_inputs(generator: Generator, batch: int, classes: int, spread: float = 1.0, baseline: float = 1.0) -> dict[str, Tensor]:
    return {
        "logits": _normal(generator, batch, classes, scale=spread, loc=0.4),
        "bound": _normal(generator, batch, classes, scale=3.0, loc=-6.0),
        "baseline": baseline * _normal(generator, batch, loc=-4.0, scale=2.0),
    }


def _guess_with(
    signal=lambda log_q, bound, baseline: bound - log_q - baseline[:, None],
    score=lambda q: torch.eye(q.shape[-1]).to(q) - q[:, None],
    weight=lambda q: q,
    variance=lambda q, gradient, mean: (q * ((gradient - mean[:, None]) ** 2).sum(-1)).sum(-1),
):
    """A wrong answer with this learning signal, score, probabilities of the guesses, or variance."""

    def answer(logits, bound, baseline):
        log_q = logits.log_softmax(-1)
        q = log_q.exp()
        gradient = signal(log_q, bound, baseline)[:, :, None] * score(q)
        mean = (weight(q)[:, :, None] * gradient).sum(1)
        return mean, variance(weight(q), gradient, mean)

    return answer


def _as_if_independent(logits, bound, baseline):
    mean, variance = noise_of_a_guess(logits, bound, baseline)
    return mean, variance + (mean**2).sum(-1)


def _mean_of_all_alike(logits, bound, baseline):
    log_q = logits.log_softmax(-1)
    q = log_q.exp()
    gradient = (bound - log_q - baseline[:, None])[:, :, None] * (torch.eye(q.shape[-1]).to(q) - q[:, None])
    mean = gradient.mean(1)
    return mean, (q * ((gradient - mean[:, None]) ** 2).sum(-1)).sum(-1)


NOISE = Exercise(
    id="06.2",
    title="How noisy is one guess?",
    minutes=12,
    difficulty=2,
    statement=r"With ten classes the noise of a sampled label can be computed, and need not be sampled. One guess $y \sim q(y \mid x)$ "
    r"gives the gradient $\big[L(x, y) - \log q(y \mid x) - b\big]\, \nabla \log q(y \mid x)$ with respect to the logits, where "
    r"$\partial \log q_y / \partial \text{logit}_j = 1[j = y] - q_j$. Return its mean, and its variance summed over the logits, both "
    r"computed exactly, by summing over all guesses.",
    solution=noise_of_a_guess,
    why="The mean is the gradient of the exact U(x), whatever the baseline: a baseline moves only the variance. The bound of an image is "
    "large and nearly the same for all classes; without a baseline that common part is noise.",
    cases={
        "four classes": lambda g: _guess_inputs(g, 3, 4),
        "no baseline": lambda g: _guess_inputs(g, 5, 3, baseline=0.0),
        "unsure": lambda g: _guess_inputs(g, 2, 6, spread=0.2, baseline=0.5),
        "one image, ten classes": lambda g: _guess_inputs(g, 1, 10, spread=2.0),
    },
    dimensions={
        "logits": ("batch", "classes"), "bound": ("batch", "classes"), "baseline": ("batch",), "return": (("batch", "classes"), ("batch",)),
    },  # fmt: skip
    returns=("the mean gradient", "the variance"),
    hints=(
        "There are as many gradients as guesses, and each is a vector with as many numbers as logits: an array [batch, guess, logit]. "
        "Which of its dimensions does a mean over guesses sum over, and with what weight?",
        "g[y, j] = (L_y − log q_y − b)(1[j = y] − q_j);   mean[j] = Σ_y q_y g[y, j];   variance = Σ_y q_y Σ_j (g[y, j] − mean[j])².",
        "score = torch.eye(q.shape[-1]).to(q) - q[:, None]  # [batch, guess, logit]",
    ),
    misconceptions=(
        Misconception(
            "log q forgotten in the signal",
            _guess_with(signal=lambda log_q, bound, baseline: bound - baseline[:, None]),
            "Your learning signal is L(x, y) − b. What is averaged in U(x) is L(x, y) − log q(y | x): the guess's own log probability "
            "belongs to the signal.",
        ),
        Misconception(
            "log q added to the signal",
            _guess_with(signal=lambda log_q, bound, baseline: bound + log_q - baseline[:, None]),
            "You add log q(y | x) to the signal. In U(x) it is subtracted: L(x, y) − log q(y | x).",
        ),
        Misconception(
            "no baseline",
            _guess_with(signal=lambda log_q, bound, baseline: bound - log_q),
            "The mean is right, as with every baseline. The variance is that without a baseline: subtract b from the signal.",
        ),
        Misconception(
            "the baseline added",
            _guess_with(signal=lambda log_q, bound, baseline: bound - log_q + baseline[:, None]),
            "The mean is right, as with every baseline. In the variance you add b to the signal; it is subtracted.",
        ),
        Misconception(
            "the mean variance of a logit",
            lambda logits, bound, baseline: (
                noise_of_a_guess(logits, bound, baseline)[0],
                noise_of_a_guess(logits, bound, baseline)[1] / logits.shape[-1],
            ),
            "The mean is right. The variance is averaged over the logits. Asked is its sum over them.",
        ),
        Misconception(
            "the second moment",
            _as_if_independent,
            "The mean is right. That is the mean of the squared gradient; the variance is about the mean: subtract the mean before you "
            "square.",
        ),
        Misconception(
            "all guesses alike",
            _guess_with(weight=lambda q: torch.full_like(q, 1 / q.shape[-1])),
            "You average over the guesses as if each were equally likely. y is drawn from q: guess k has the weight q_k.",
        ),
        Misconception(
            "the mean weighs all guesses alike",
            _mean_of_all_alike,
            "Your mean counts every guess the same. y is drawn from q: in the mean too, guess y has the weight q_y.",
        ),
        Misconception(
            "torch's mean and variance over the guesses",
            _guess_with(
                weight=lambda q: torch.full_like(q, 1 / q.shape[-1]),
                variance=lambda q, gradient, mean: gradient.var(1).sum(-1),
            ),
            "`mean` and `var` over the guesses treat them as equally likely. y is drawn from q: weigh both with q_y.",
        ),
        Misconception(
            "the guesses summed without weights",
            _guess_with(weight=torch.ones_like),
            "You sum over the guesses without their probabilities q_y.",
        ),
        Misconception(
            "the variance weighs all guesses alike",
            _guess_with(variance=lambda q, gradient, mean: ((gradient - mean[:, None]) ** 2).sum(-1).mean(-1)),
            "The mean is right. In the variance too, guess y counts with its probability q_y.",
        ),
        Misconception(
            "the gradient of q for that of log q",
            _guess_with(score=lambda q: q[:, :, None] * (torch.eye(q.shape[-1]).to(q) - q[:, None])),
            "You take the gradient of q_y. That of log q_y is 1[j = y] − q_j, without the factor q_y; the weight of the guess comes with "
            "the mean.",
        ),
        Misconception(
            "the score is one-hot",
            _guess_with(score=lambda q: torch.eye(q.shape[-1]).to(q).expand(len(q), -1, -1)),
            "Your gradient of log q_y touches the guessed class's logit alone. A softmax takes from all the others: −q_j on every logit.",
        ),
        Misconception(
            "q of the guess and not of the logit",
            _guess_with(score=lambda q: torch.eye(q.shape[-1]).to(q) - q[:, :, None]),
            "In the score you subtract q of the guess, q_y. It is q of the logit, q_j: `q[:, None]`, not `q[:, :, None]`.",
        ),
        Misconception(
            "the score's sign",
            _guess_with(score=lambda q: q[:, None] - torch.eye(q.shape[-1]).to(q)),
            "The variance is right. The mean has the wrong sign: the gradient of log q_y is 1[j = y] − q_j.",
        ),
        Misconception(
            "standard deviation",
            lambda logits, bound, baseline: (
                noise_of_a_guess(logits, bound, baseline)[0],
                noise_of_a_guess(logits, bound, baseline)[1].sqrt(),
            ),
            "The mean is right. The second is the standard deviation; asked is the variance.",
        ),
        Misconception(
            "the variance of every logit",
            _guess_with(variance=lambda q, gradient, mean: (q[:, :, None] * (gradient - mean[:, None]) ** 2).sum(1)),
            "The mean is right. You return the variance of each logit; asked is their sum, one number an image.",
        ),
    ),
)


# 06.3


def hidden_of_every_class(x, weight, bias):
    """softplus(weight @ [x, e_k] + bias) for every class k, e_k its one-hot code.

    weight: of a first layer that reads image and label side by side, [hidden, pixels + classes].
    x: [batch, pixels], bias: [hidden] → [classes, batch, hidden]. The image meets its weights once.
    """
    pixels = x.shape[1]
    of_image = x @ weight[:, :pixels].T + bias  # [batch, hidden], the costly half
    of_label = weight[:, pixels:].T  # [classes, hidden]: a column for each class
    return torch.nn.functional.softplus(of_image + of_label[:, None])


def _layer_inputs(generator: Generator, batch: int, pixels: int, classes: int, hidden: int, scale: float = 0.7) -> dict[str, Tensor]:
    return {
        "x": _leaf(generator, batch, pixels),
        "weight": _leaf(generator, hidden, pixels + classes, scale=scale),
        "bias": _leaf(generator, hidden, loc=0.3),
    }


def _layer_with(combine, activation=torch.nn.functional.softplus):
    """A wrong answer: this function of x, the image's weights [hidden, pixels], the label's [hidden, classes] and the bias."""
    return lambda x, weight, bias: activation(combine(x, weight[:, : x.shape[1]], weight[:, x.shape[1] :], bias))


def _halves(x, image, label, bias):
    return x @ image.T + bias + label.T[:, None]


HIDDEN = Exercise(
    id="06.3",
    title="Ten labels, one look at the image",
    minutes=8,
    difficulty=2,
    statement=r"The style encoder's first layer reads image and label side by side: $h = \mathrm{softplus}(W [x, y] + b)$, with the "
    r"label's columns of $W$ after the image's. Compute $h$ for *every* one-hot label, `[classes, batch, hidden]`, and let the image "
    r"meet its weights once and not once a class.",
    solution=hidden_of_every_class,
    why="W [x, y] = A x + B y, and B times a one-hot vector is a column of B. So ten labels cost one product with the image and ten "
    "additions: `StyleConditional` does the same.",
    cases={
        "three images, four classes": lambda g: _layer_inputs(g, 3, 6, 4, 5),
        "more classes than pixels": lambda g: _layer_inputs(g, 4, 2, 7, 3),
        "one image": lambda g: _layer_inputs(g, 1, 5, 3, 2),
        "large numbers": lambda g: _layer_inputs(g, 2, 3, 5, 4, scale=400.0),
    },
    dimensions={
        "x": ("batch", "pixels"), "weight": ("hidden", "pixels + classes"), "bias": ("hidden",), "return": ("classes", "batch", "hidden"),
    },  # fmt: skip
    returns=("the hidden layers",),
    hints=(
        "Cut the weight's columns where the image ends. What is a matrix times a one-hot vector?",
        "h[k, b] = softplus(A x_b + bias + B[:, k]), with W = [A B].",
        "of_image = x @ weight[:, : x.shape[1]].T + bias  # [batch, hidden]",
    ),
    misconceptions=(
        Misconception(
            "no activation",
            _layer_with(_halves, lambda hidden: hidden),
            "That is what goes into the softplus. Asked is what comes out.",
        ),
        Misconception(
            "another activation",
            _layer_with(_halves, torch.relu),
            "You use a ReLU. This layer has the softplus, log(1 + e^h).",
        ),
        Misconception(
            "the softplus by exponentials",
            _layer_with(_halves, lambda hidden: (1 + hidden.exp()).log()),
            "Right for small numbers; at 800 the exponential overflows. `torch.nn.functional.softplus` does not.",
        ),
        Misconception(
            "the activation on each half",
            lambda x, weight, bias: (
                torch.nn.functional.softplus(x @ weight[:, : x.shape[1]].T + bias)
                + torch.nn.functional.softplus(weight[:, x.shape[1] :].T)[:, None]
            ),
            "You take the softplus of each half and add then. It is no linear function: add the halves first.",
        ),
        Misconception(
            "the label multiplies",
            _layer_with(lambda x, image, label, bias: (x @ image.T + bias) * label.T[:, None]),
            "You multiply the halves. A matrix times [x, y] is the sum of its image half and its label half.",
        ),
        Misconception(
            "the label left out",
            _layer_with(lambda x, image, label, bias: _halves(x, image, 0 * label, bias)),
            "Your hidden layer is the same for all classes: add the label's column.",
        ),
        Misconception(
            "the image left out",
            _layer_with(lambda x, image, label, bias: _halves(0 * x, image, label, bias)),
            "Your hidden layer is the same for all images: add the image's product.",
        ),
        Misconception(
            "the bias left out",
            _layer_with(lambda x, image, label, bias: _halves(x, image, label, 0 * bias)),
            "The bias is missing.",
        ),
        Misconception(
            "the bias twice",
            _layer_with(lambda x, image, label, bias: _halves(x, image, label, 2 * bias)),
            "The bias is in both halves. The layer has it once.",
        ),
        Misconception(
            "the label's columns first",
            lambda x, weight, bias: torch.nn.functional.softplus(
                x @ weight[:, weight.shape[1] - x.shape[1] :].T + bias + weight[:, : weight.shape[1] - x.shape[1]].T[:, None]
            ),
            "You take the first columns for the label. The layer reads [x, y]: the image's columns come first, the label's after them.",
        ),
        Misconception(
            "batch before classes",
            lambda x, weight, bias: hidden_of_every_class(x, weight, bias).movedim(0, 1),
            "The numbers are right, as [batch, classes, hidden]. Move the classes to the front: `[:, None]` on the label half, not on the "
            "image's.",
        ),
        Misconception(
            "all classes at once",
            _layer_with(lambda x, image, label, bias: _halves(x, image, label.sum(1, keepdim=True).expand_as(label), bias)),
            "You add the columns of all classes, as if y were all ones. Class k adds column k alone.",
        ),
        Misconception(
            "the label's number for its code",
            _layer_with(
                lambda x, image, label, bias: _halves(
                    x, image, label[:, :1] * torch.arange(label.shape[1], dtype=label.dtype), bias
                )
            ),
            "You multiply one column with the class's number. A label is one-hot: each class has a column of its own.",
        ),
        Misconception(
            "the image detached",
            lambda x, weight, bias: hidden_of_every_class(x.detach(), weight, bias),
            "The values are right, and x gets no gradient: nothing is to be detached.",
        ),
        Misconception(
            "the weights detached",
            lambda x, weight, bias: hidden_of_every_class(x, weight.detach(), bias),
            "The values are right, and the layer does not learn: nothing is to be detached.",
        ),
    ),
)


# 06.4


def semi_supervised_objective(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
    """s mean L + (1 - s) mean U + a mean log q(y | x), nats per image; s: share of labelled ones.

    Of a batch: bound_labelled = L(x, y) [labelled], bound_unlabelled = U(x) [unlabelled];
    log_q: log q(k | x) of the labelled images, [labelled, classes], labels: int64 [labelled].
    counts: (labelled, unlabelled) images in the data set. weight: a, a number → [].
    """
    share = counts[0] / sum(counts)
    of_label = log_q.gather(1, labels[:, None])[:, 0]  # log q(y | x) [labelled]
    bound = share * bound_labelled.mean() + (1 - share) * bound_unlabelled.mean()
    return bound + weight * of_label.mean()


def _objective_inputs(
    generator: Generator, labelled: int, unlabelled: int, classes: int, counts: tuple[int, int], weight: float
) -> dict[str, Tensor | tuple[int, int] | float]:
    return {
        "bound_labelled": _leaf(generator, labelled, loc=-20.0, scale=4.0),
        "bound_unlabelled": _leaf(generator, unlabelled, loc=-33.0, scale=6.0),
        "log_q": _normal(generator, labelled, classes, scale=1.5).log_softmax(-1).requires_grad_(),
        "labels": torch.randint(classes, (labelled,), generator=generator),
        "counts": counts,
        "weight": weight,
    }


def _of_label(log_q, labels):
    return log_q.gather(1, labels[:, None])[:, 0]


def _objective_with(
    share=lambda counts, labelled, unlabelled: counts[0] / sum(counts),
    classifier=lambda log_q, labels: _of_label(log_q, labels).mean(),
    bound=lambda share, labelled, unlabelled: share * labelled.mean() + (1 - share) * unlabelled.mean(),
    factor=lambda weight, share: weight,
):
    """A wrong answer with this share, classifier loss, bound, or weight of the classifier loss."""

    def answer(bound_labelled, bound_unlabelled, log_q, labels, counts, weight):
        s = share(counts, bound_labelled, bound_unlabelled)
        return bound(s, bound_labelled, bound_unlabelled) + factor(weight, s) * classifier(log_q, labels)

    return answer


OBJECTIVE = Exercise(
    id="06.4",
    title="All of it, in proportion",
    minutes=6,
    difficulty=1,
    statement=r"Put the objective together: $s\, \overline{L(x, y)} + (1 - s)\, \overline{U(x)} + a\, \overline{\log q(y \mid x)}$, in "
    r"nats per image, where bars are means over a batch's labelled or unlabelled images, $a$ is `weight`, and $s$ is the share of "
    r"labelled images in the *data set*, from `counts`: a batch may hold more of them.",
    solution=semi_supervised_objective,
    why="Each mean stands for its part of the data set however many images of it a batch holds, so a batch may take a hundred labels "
    "beside a hundred of many thousand images. The last term is the only one in which q(y | x) meets a true label.",
    cases={
        "few labels": lambda g: _objective_inputs(g, 3, 5, 4, (100, 59_900), 0.3),
        "many labels": lambda g: _objective_inputs(g, 6, 2, 3, (30, 10), 7.0),
        "no classifier loss": lambda g: _objective_inputs(g, 2, 4, 5, (20, 60), 0.0),
        "one of each": lambda g: _objective_inputs(g, 1, 1, 6, (7, 9), 1.5),
        "a batch of all": lambda g: _objective_inputs(g, 4, 9, 2, (4, 9), 2.5),
    },
    dimensions={
        "bound_labelled": ("labelled",), "bound_unlabelled": ("unlabelled",), "log_q": ("labelled", "classes"), "labels": ("labelled",),
        "return": (),
    },  # fmt: skip
    returns=("the objective",),
    hints=(
        "Three means, and each has its weight. Which numbers say how much of the data set has labels: the batch's sizes, or the counts?",
        "s = N_l / (N_l + N_u);   `log_q.gather(1, labels[:, None])` picks each image's own label.",
        "share = counts[0] / sum(counts)",
    ),
    misconceptions=(
        Misconception(
            "the batch's share",
            _objective_with(share=lambda counts, a, b: len(a) / (len(a) + len(b))),
            "You take the labelled share of the batch. With a hundred labelled images beside a hundred others it is a half, however few "
            "labels the data set has. s is the data set's: N_l / (N_l + N_u), from `counts`.",
        ),
        Misconception(
            "labelled over unlabelled",
            _objective_with(share=lambda counts, a, b: counts[0] / counts[1]),
            "You divide by the unlabelled images. A share is of all images: N_l / (N_l + N_u).",
        ),
        Misconception(
            "the shares exchanged",
            _objective_with(share=lambda counts, a, b: counts[1] / sum(counts)),
            "L and U have each other's share: s, the labelled one, goes with L(x, y).",
        ),
        Misconception(
            "both in full",
            _objective_with(bound=lambda s, labelled, unlabelled: labelled.mean() + unlabelled.mean()),
            "Both bounds count in full, as if there were as many labelled images as others, and the number is no longer per image. Weigh "
            "them with s and 1 − s.",
        ),
        Misconception(
            "sums for means",
            _objective_with(bound=lambda s, labelled, unlabelled: s * labelled.sum() + (1 - s) * unlabelled.sum()),
            "You sum the bounds over the batch. They are asked per image: means.",
        ),
        Misconception(
            "the classifier loss summed",
            _objective_with(classifier=lambda log_q, labels: _of_label(log_q, labels).sum()),
            "The bound's part is right. log q(y | x) is summed over the labelled images; take the mean.",
        ),
        Misconception(
            "the classifier's loss subtracted",
            _objective_with(classifier=lambda log_q, labels: -_of_label(log_q, labels).mean()),
            "You subtract log q(y | x): the classifier learns to avoid the true label. The objective is maximised, so it is added.",
        ),
        Misconception(
            "normalised twice",
            _objective_with(classifier=lambda log_q, labels: -torch.nn.functional.cross_entropy(log_q, labels)),
            "Your value is right, and the gradient with respect to `log_q` is another: `cross_entropy` takes logits and normalises them; "
            "`log_q` is normalised already. Use `nll_loss` or `gather`.",
        ),
        Misconception(
            "the mean over all classes",
            _objective_with(classifier=lambda log_q, labels: log_q.mean()),
            "You average log q over all classes. Only that of the image's own label counts: `gather`.",
        ),
        Misconception(
            "the sum over all classes",
            _objective_with(classifier=lambda log_q, labels: log_q.sum(1).mean()),
            "You sum log q over all classes. Only that of the image's own label counts: `gather`.",
        ),
        Misconception(
            "columns for labels",
            _objective_with(classifier=lambda log_q, labels: log_q[:, labels].mean()),
            "`log_q[:, labels]` takes every label for every image. Each image has one: `gather`, or a pair of indices.",
        ),
        Misconception(
            "the probability",
            _objective_with(classifier=lambda log_q, labels: _of_label(log_q, labels).exp().mean()),
            "You maximise the probability of the label, and not its log: then images that are quite wrong hardly teach.",
        ),
        Misconception(
            "no classifier loss",
            _objective_with(factor=lambda weight, share: 0.0),
            "The classifier loss is missing: nothing tells q(y | x) a true label.",
        ),
        Misconception(
            "the weight forgotten",
            _objective_with(factor=lambda weight, share: 1.0),
            "The classifier loss has the weight 1. It has `weight`.",
        ),
        Misconception(
            "the weight within the share",
            _objective_with(factor=lambda weight, share: share * weight),
            "You weigh the classifier loss with s too; with few labels nothing is left of it. Here `weight` stands alone (Pyro's "
            "multiplier for each labelled image is this weight over s).",
        ),
        Misconception(
            "the classifier detached",
            _objective_with(classifier=lambda log_q, labels: _of_label(log_q, labels).mean().detach()),
            "The value is right, and the classifier gets no gradient from its own loss.",
        ),
        Misconception(
            "a loss",
            lambda *given, **named: -semi_supervised_objective(*given, **named),
            "That is the objective with its sign turned, a loss. Asked is what is maximised.",
        ),
    ),
)


# 06.5


def what_the_guess_costs(log_weight, log_q):
    """log p(x), log p(y | x) by importance weights, and KL(q(y | x) || p(y | x)), in nats.

    log_weight[s, b, k] = log p(x_b, y = k, z) - log q(z | x_b, k), z ~ q(z | x_b, k), a draw for
    each: [samples, batch, classes]. log_q: log q(y | x), [batch, classes]
    → log p(x) [batch], log p(y | x) [batch, classes], the divergence [batch].
    """
    log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))  # log p(x, y): [batch, classes]
    log_evidence = log_joint.logsumexp(-1)
    log_posterior = log_joint - log_evidence[:, None]
    return log_evidence, log_posterior, (log_q.exp() * (log_q - log_posterior)).sum(-1)


def _weight_inputs(
    generator: Generator, samples: int, batch: int, classes: int, loc: float = -6.0, spread: float = 1.3
) -> dict[str, Tensor]:
    return {
        "log_weight": _normal(generator, samples, batch, classes, scale=1.1) + _normal(generator, batch, classes, scale=spread, loc=loc),
        "log_q": _normal(generator, batch, classes, scale=1.4).log_softmax(-1),
    }


def _cost_with(
    joint=lambda log_weight: log_weight.logsumexp(0) - math.log(len(log_weight)),
    evidence=lambda log_joint: log_joint.logsumexp(-1),
    divergence=lambda log_q, log_posterior: (log_q.exp() * (log_q - log_posterior)).sum(-1),
):
    """A wrong answer with this log p(x, y), log p(x), or divergence; what follows from it follows."""

    def answer(log_weight, log_q):
        log_joint = joint(log_weight)
        log_evidence = evidence(log_joint)
        log_posterior = log_joint - log_evidence[:, None]
        return log_evidence, log_posterior, divergence(log_q, log_posterior)

    return answer


def _joint_for_posterior(log_weight, log_q):
    log_evidence, log_posterior, divergence = what_the_guess_costs(log_weight, log_q)
    return log_evidence, log_posterior + log_evidence[:, None], divergence


def _probabilities(log_weight, log_q):
    log_evidence, log_posterior, divergence = what_the_guess_costs(log_weight, log_q)
    return log_evidence, log_posterior.exp(), divergence


def _bound_for_evidence(log_weight, log_q):
    log_evidence, log_posterior, divergence = what_the_guess_costs(log_weight, log_q)
    return log_evidence - divergence, log_posterior, divergence


def _evidence_by_the_mean(log_weight, log_q):
    log_evidence, log_posterior, divergence = what_the_guess_costs(log_weight, log_q)
    return log_evidence - math.log(log_q.shape[-1]), log_posterior, divergence


COST = Exercise(
    id="06.5",
    title="What the guess costs",
    minutes=11,
    difficulty=3,
    statement=r"The model has an opinion on the class too: $p(y \mid x) \propto p(x, y)$. Estimate $p(x, y) \approx \frac 1 S \sum_s w_s$ "
    r"from draws $z_s \sim q(z \mid x, y)$, where `log_weight` is $\log w_s$ for every class. Return $\log p(x)$, $\log p(y \mid x)$, "
    r"and what the classifier's guess costs the bound, $\mathrm{KL}(q(y \mid x) \,\|\, p(y \mid x))$, in nats. Log weights may lie near "
    r"$-900$: their exponentials are 0 in floating point.",
    solution=what_the_guess_costs,
    why="Draws are averaged within a class; classes are summed, since their prior p(y) is in the weights. log p(x) − KL is the highest "
    "U(x) that this classifier can have: if KL is large, the model knows better than its classifier, or the other way about.",
    cases={
        "three draws of five classes": lambda g: _weight_inputs(g, 3, 2, 5),
        "weights too small for a float": lambda g: _weight_inputs(g, 4, 3, 2, loc=-900.0),
        "one draw": lambda g: _weight_inputs(g, 1, 4, 3),
        "far from sure": lambda g: _weight_inputs(g, 5, 1, 4, spread=0.2),
    },
    dimensions={
        "log_weight": ("samples", "batch", "classes"), "log_q": ("batch", "classes"),
        "return": (("batch",), ("batch", "classes"), ("batch",)),
    },  # fmt: skip
    returns=("log p(x)", "log p(y | x)", "the divergence"),
    hints=(
        "Two dimensions are to go, draws and classes. One of them is a mean of weights, the other a sum of probabilities.",
        "log p(x, k) = logsumexp_s log w[s, k] − log S;   log p(x) = logsumexp_k log p(x, k);   log p(k | x) = log p(x, k) − log p(x).",
        "log_joint = log_weight.logsumexp(0) - math.log(len(log_weight))  # [batch, classes]",
    ),
    misconceptions=(
        Misconception(
            "the sum of the draws",
            _cost_with(joint=lambda log_weight: log_weight.logsumexp(0)),
            "log p(y | x) and the divergence are right, for a factor common to all classes cancels. log p(x) is too large by log S: the "
            "weights of the draws are averaged.",
        ),
        Misconception(
            "the mean of the logs",
            _cost_with(joint=lambda log_weight: log_weight.mean(0)),
            "You average the log weights: that is L(x, k), a bound on log p(x, k). Average the weights: `logsumexp`.",
        ),
        Misconception(
            "the first draw",
            _cost_with(joint=lambda log_weight: log_weight[0]),
            "You use the first draw of each class. Average the weights of all S draws.",
        ),
        Misconception(
            "the best draw",
            _cost_with(joint=lambda log_weight: log_weight.amax(0)),
            "You take the largest weight of the draws. Their mean is the estimate: `logsumexp`, less log S.",
        ),
        Misconception(
            "the mean over the classes",
            _cost_with(evidence=lambda log_joint: log_joint.logsumexp(-1) - math.log(log_joint.shape[-1])),
            "You average over the classes. Their prior p(y) is in the weights already: p(x) is the sum over y of p(x, y).",
        ),
        Misconception(
            "the mean over the classes in log p(x) alone",
            _evidence_by_the_mean,
            "log p(y | x) and the divergence are right. log p(x) is too small by the log of the number of classes: their prior p(y) is in "
            "the weights already, so p(x) is the sum over y of p(x, y).",
        ),
        Misconception(
            "by exponentials",
            _cost_with(joint=lambda log_weight: log_weight.exp().mean(0).log()),
            "Right while the weights are not too small for a floating-point number; at −900 they are 0, and their log is −∞. `logsumexp` "
            "takes the largest out first.",
        ),
        Misconception(
            "draws and classes exchanged",
            lambda log_weight, log_q: (
                (log_weight.logsumexp((0, 2)) - math.log(len(log_weight))),
                log_weight.log_softmax(-1).logsumexp(0) - math.log(len(log_weight)),
                (log_q.exp() * (log_q - (log_weight.log_softmax(-1).logsumexp(0) - math.log(len(log_weight))))).sum(-1),
            ),
            "log p(x) is right. You normalise over the classes draw by draw, and average then. The draws of different classes have nothing "
            "to do with each other: average the weights of a class first, then normalise.",
        ),
        Misconception(
            "the joint for the posterior",
            _joint_for_posterior,
            "The second is log p(x, y). For log p(y | x), subtract log p(x): its exponentials sum to 1.",
        ),
        Misconception(
            "probabilities",
            _probabilities,
            "The second is p(y | x). Asked is its logarithm, which survives where p(y | x) rounds to 0.",
        ),
        Misconception(
            "the other divergence",
            _cost_with(divergence=lambda log_q, log_p: (log_p.exp() * (log_p - log_q)).sum(-1)),
            "log p(x) and log p(y | x) are right. The divergence goes the other way: what the bound loses is KL(q ‖ p), a mean under q.",
        ),
        Misconception(
            "the divergence's sign",
            _cost_with(divergence=lambda log_q, log_p: (log_q.exp() * (log_p - log_q)).sum(-1)),
            "log p(x) and log p(y | x) are right. The divergence has the wrong sign: a divergence is never negative.",
        ),
        Misconception(
            "the cross-entropy",
            _cost_with(divergence=lambda log_q, log_p: -(log_q.exp() * log_p).sum(-1)),
            "log p(x) and log p(y | x) are right. The third is the cross-entropy, −Σ q log p; q's own log is missing.",
        ),
        Misconception(
            "the mean over the classes in the divergence",
            _cost_with(divergence=lambda log_q, log_p: (log_q.exp() * (log_q - log_p)).mean(-1)),
            "log p(x) and log p(y | x) are right. In the divergence you average over the classes; q weighs them already: sum.",
        ),
        Misconception(
            "no weights in the divergence",
            _cost_with(divergence=lambda log_q, log_p: (log_q - log_p).sum(-1)),
            "log p(x) and log p(y | x) are right. In the divergence the classes count with their probability q_k.",
        ),
        Misconception(
            "the bound for the evidence",
            _bound_for_evidence,
            "log p(y | x) and the divergence are right. The first is log p(x) − KL, a bound; log p(x) itself asks no classifier.",
        ),
    ),
)


# 06.6


def compare_over_splits(correct, other):
    """Difference of the mean accuracies of two variants, and its standard errors over splits.

    Both were trained on the same splits. correct, other: 1.0 where a test image is classified
    right, else 0.0, [splits, images] → mean accuracy of `correct` less that of `other`; its
    standard error, paired; and unpaired, as if each had splits of its own: three scalars.
    """
    accuracy, others = correct.mean(1), other.mean(1)  # [splits]
    difference = accuracy - others
    paired = (difference.var() / len(difference)).sqrt()
    return difference.mean(), paired, ((accuracy.var() + others.var()) / len(difference)).sqrt()


def _split_inputs(generator: Generator, splits: int, images: int, low: float = 0.5, high: float = 0.7) -> dict[str, Tensor]:
    """Shares of right answers that rise and fall together from split to split, as they do."""
    common = 0.25 * torch.rand(splits, 1, generator=generator, dtype=torch.float64)
    draw = torch.rand(2, splits, images, generator=generator, dtype=torch.float64)
    correct, other = (draw < torch.tensor([high, low], dtype=torch.float64)[:, None, None] + common).double()
    return {"correct": correct, "other": other}


def _splits_with(paired=None, unpaired=None, difference=None):
    """A wrong answer with these numbers, functions of the accuracies [splits] of both; None: the right one."""

    def answer(correct, other):
        given = correct.mean(1), other.mean(1)
        right = compare_over_splits(correct, other)
        return tuple(r if f is None else f(*given) for f, r in zip((difference, paired, unpaired), right, strict=True))

    return answer


def _by_images(correct, other):
    difference = (correct - other).flatten()
    return (
        difference.mean(),
        (difference.var() / len(difference)).sqrt(),
        ((correct.flatten().var() + other.flatten().var()) / len(difference)).sqrt(),
    )


SPLITS = Exercise(
    id="06.6",
    title="Better, or a lucky split?",
    minutes=7,
    difficulty=2,
    statement=r"Two variants have been trained on the same $n$ splits. `correct` and `other` are 1.0 where they classified a test image "
    r"right, else 0.0. With $a_i$, $b_i$ their accuracies on split $i$ and $d_i = a_i - b_i$, return the mean of $d$; its standard error "
    r"over splits, *paired*, $\sqrt{\mathrm{var}(d) / n}$; and *unpaired*, $\sqrt{(\mathrm{var}(a) + \mathrm{var}(b)) / n}$. Variances "
    r"divide by $n - 1$.",
    solution=compare_over_splits,
    why="A hundred labels may be lucky ones, for both variants at once. Within a split that luck cancels from the difference, so the "
    "paired error is the smaller one, as far as the accuracies rise and fall together.",
    cases={
        "five splits": lambda g: _split_inputs(g, 5, 40),
        "two splits": lambda g: _split_inputs(g, 2, 30),
        "worse, not better": lambda g: _split_inputs(g, 4, 25, low=0.65, high=0.4),
        "many small ones": lambda g: _split_inputs(g, 9, 12),
    },
    dimensions={"correct": ("splits", "images"), "other": ("splits", "images"), "return": ((), (), ())},
    returns=("the difference", "the paired standard error", "the unpaired standard error"),
    hints=(
        "What varies here is the split: one accuracy a split is one number. What is one number of the difference?",
        "a_i, b_i: means over images;   d_i = a_i − b_i;   mean d,   √(var d / n),   √((var a + var b) / n).",
        "accuracy, others = correct.mean(1), other.mean(1)  # [splits]",
    ),
    misconceptions=(
        Misconception(
            "the other way about",
            _splits_with(difference=lambda a, b: (b - a).mean()),
            "Both errors are right. The difference has the wrong sign: `correct` less `other`.",
        ),
        Misconception(
            "standard deviations",
            _splits_with(paired=lambda a, b: (a - b).std(), unpaired=lambda a, b: (a.var() + b.var()).sqrt()),
            "The difference is right. You return standard deviations, the spread of single splits. A mean of n splits has a standard error "
            "√n times smaller.",
        ),
        Misconception(
            "divided by n and not by its root",
            _splits_with(
                paired=lambda a, b: (a - b).std() / len(a), unpaired=lambda a, b: (a.var() + b.var()).sqrt() / len(a)
            ),
            "The difference is right. You divide standard deviations by n; a standard error divides by √n.",
        ),
        Misconception(
            "variances",
            _splits_with(paired=lambda a, b: (a - b).var() / len(a), unpaired=lambda a, b: (a.var() + b.var()) / len(a)),
            "The difference is right. You return the variances of the mean; a standard error is their root.",
        ),
        Misconception(
            "divided by n in the variance",
            _splits_with(
                paired=lambda a, b: ((a - b).var(unbiased=False) / len(a)).sqrt(),
                unpaired=lambda a, b: ((a.var(unbiased=False) + b.var(unbiased=False)) / len(a)).sqrt(),
            ),
            "The difference is right. Your variances divide by n. The mean was taken from the same few splits, so divide by n − 1.",
        ),
        Misconception(
            "unpaired twice",
            _splits_with(paired=lambda a, b: ((a.var() + b.var()) / len(a)).sqrt()),
            "Difference and unpaired error are right. For the paired one, first take the difference within each split, then its variance.",
        ),
        Misconception(
            "paired twice",
            _splits_with(unpaired=lambda a, b: ((a - b).var() / len(a)).sqrt()),
            "Difference and paired error are right. The unpaired one adds the two variances, as if no split were shared.",
        ),
        Misconception(
            "the errors exchanged",
            lambda correct, other: tuple(compare_over_splits(correct, other)[index] for index in (0, 2, 1)),
            "All three numbers are right, and the errors are in the wrong order: paired first.",
        ),
        Misconception(
            "the errors added",
            _splits_with(unpaired=lambda a, b: (a.std() + b.std()) / math.sqrt(len(a))),
            "Difference and paired error are right. For the unpaired one you add standard errors; their squares add.",
        ),
        Misconception(
            "the variances subtracted",
            _splits_with(paired=lambda a, b: ((a.var() - b.var()).abs() / len(a)).sqrt()),
            "Difference and unpaired error are right. The variance of a difference is no difference of variances: take var(d).",
        ),
        Misconception(
            "over the images",
            _by_images,
            "The difference is right. Your errors treat every test image as a trial of its own. Its network was trained on one of few "
            "splits, and that luck is common to all its images: the splits are the trials.",
        ),
        Misconception(
            "the mean over the splits",
            lambda correct, other: compare_over_splits(correct.T, other.T),
            "The difference is right. You average over the splits first (`mean(0)`), so your errors are over images. Average over the "
            "images, `mean(1)`: one accuracy a split.",
        ),
        Misconception(
            "in per cent",
            lambda correct, other: tuple(100 * value for value in compare_over_splits(correct, other)),
            "Your numbers are in per cent. Asked are shares.",
        ),
        Misconception(
            "the best split",
            _splits_with(difference=lambda a, b: a.amax() - b.amax()),
            "Both errors are right. You compare the best split of each; that rewards luck. Compare means.",
        ),
        Misconception(
            "the median",
            _splits_with(difference=lambda a, b: (a - b).median()),
            "Both errors are right. You take the median difference, and asked is the mean.",
        ),
    ),
)

EXERCISES: tuple[Exercise, ...] = (UNLABELLED, NOISE, HIDDEN, OBJECTIVE, COST, SPLITS)
