"""Exercise 06.3: ten labels, one look at the image."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from helpers.exercises.engine.inputs import normal_leaf, random_greys
from helpers.exercises.exercise import Exercise, Misconception, Remark


def hidden_of_every_class(x, weight, bias):
    """softplus(weight @ [x, e_k] + bias) for every class k, e_k its one-hot code.

    weight: of a first layer that reads image and label side by side, [hidden, pixels + classes].
    x: [batch, pixels], bias: [hidden] → [classes, batch, hidden]. The image meets its weights once.
    """
    pixels = x.shape[1]
    of_image = x @ weight[:, :pixels].T + bias  # [batch, hidden], the costly half
    of_label = weight[:, pixels:].T  # [classes, hidden]: a column for each class
    return torch.nn.functional.softplus(of_image + of_label[:, None])


def _layer_inputs(
    generator: Generator, batch: int, pixels: int, classes: int, hidden: int, scale: float = 0.7
) -> dict[str, Tensor]:
    return {
        "x": normal_leaf(generator, batch, pixels),
        "weight": normal_leaf(generator, hidden, pixels + classes, scale=scale),
        "bias": normal_leaf(generator, hidden, loc=0.3),
    }


def _layer_with(combine, activation=torch.nn.functional.softplus):
    """A wrong answer: this function of x, the image's weights [hidden, pixels], the label's [hidden, classes] and the bias."""
    return lambda x, weight, bias: activation(combine(x, weight[:, : x.shape[1]], weight[:, x.shape[1] :], bias))


def _cut_at(place):
    """A wrong answer that takes this many columns for the image's, a function of x and the weight; where they do not fit, it raises."""

    def answer(x, weight, bias):
        of_image, of_label = weight[:, : place(x, weight)], weight[:, place(x, weight) :]
        return torch.nn.functional.softplus(x @ of_image.T + bias + of_label.T[:, None])

    return answer


def _image_beside_every_label(x, weight, bias):
    """Right, and the image meets its weights once a class."""
    classes = weight.shape[1] - x.shape[1]
    labels = torch.eye(classes).to(weight)[:, None].expand(classes, len(x), classes)
    return torch.nn.functional.softplus(torch.cat([x.expand(classes, *x.shape), labels], -1) @ weight.T + bias)


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
        "all sizes alike": lambda g: _layer_inputs(g, 3, 3, 3, 3),
        "black and white images of 784 pixels, ten classes": lambda g: {
            **_layer_inputs(g, 2, 784, 10, 6, scale=0.05),
            "x": random_greys(g, 2, 784).requires_grad_(),
        },
        "one pixel, one hidden number": lambda g: _layer_inputs(g, 5, 1, 4, 1),
    },
    dimensions={
        "x": ("batch", "pixels"),
        "weight": ("hidden", "pixels + classes"),
        "bias": ("hidden",),
        "return": ("classes", "batch", "hidden"),
    },  # fmt: skip
    returns=("the hidden layers",),
    hints=(
        "Cut the weight's columns where the image ends. What is a matrix times a one-hot vector?",
        "h[k, b] = softplus(A x_b + bias + B[:, k]), with W = [A B].",
        "of_image = x @ weight[:, : x.shape[1]].T + bias  # [batch, hidden]",
    ),
    remarks=(
        Remark(
            "the image once a class",
            _image_beside_every_label,
            "The image meets its weights once a class: with ten classes, ten times the work. Multiply it once, then add each column.",
        ),
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
                x @ weight[:, weight.shape[1] - x.shape[1] :].T
                + bias
                + weight[:, : weight.shape[1] - x.shape[1]].T[:, None]
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
            _layer_with(
                lambda x, image, label, bias: _halves(x, image, label.sum(1, keepdim=True).expand_as(label), bias)
            ),
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
        Misconception(
            "the last ten columns for the label",
            _cut_at(lambda x, weight: weight.shape[1] - 10),
            "You take the last ten columns for the label's. There are not always ten classes: the image's columns end at `x.shape[1]`.",
        ),
        Misconception(
            "784 columns for the image",
            _cut_at(lambda x, weight: 784),
            "You take 784 columns for the image's. Images are not always that large: the image's columns end at `x.shape[1]`.",
        ),
        Misconception(
            "cut at the number of images",
            _cut_at(lambda x, weight: len(x)),
            "You cut the columns at the number of images. The image's columns are as many as it has pixels: `x.shape[1]`.",
        ),
        Misconception(
            "cut at the number of hidden numbers",
            _cut_at(lambda x, weight: len(weight)),
            "You cut the columns at the number of rows of the weight. The image's columns are as many as it has pixels: `x.shape[1]`.",
        ),
        Misconception(
            "cut in halves",
            _cut_at(lambda x, weight: weight.shape[1] // 2),
            "You cut the columns in halves. The image's columns are as many as it has pixels: `x.shape[1]`.",
        ),
        Misconception(
            "the size of the halves' sum",
            _layer_with(lambda x, image, label, bias: _halves(x, image, label, bias).abs()),
            "You take the absolute value before the softplus. It takes numbers of both signs.",
        ),
        Misconception(
            "the bias subtracted",
            _layer_with(lambda x, image, label, bias: _halves(x, image, label, -bias)),
            "You subtract the bias. It is added.",
        ),
    ),
)
