"""t-SNE: a map of points of many dimensions into the plane that keeps neighbours together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch

from helpers.plots.picture import Picture
from helpers.plots.scatter import checked_classes, named, scatter_by_class
from helpers.plots.words import listed


def tsne_embed(codes: torch.Tensor, *, seed: int = 0, perplexity: float = 30.0) -> torch.Tensor:
    """Positions in the plane by t-SNE, started from PCA. The same seed gives the same positions.

    Cost grows with N log N: about seven seconds for 2,000 points. Distances between far clusters, and sizes of clusters, have no
    meaning in such a map.

    van der Maaten, Hinton 2008, "Visualizing data using t-SNE"; the PCA start: Kobak, Berens 2019.

    Args:
        codes: Points [N, D], N >= 6, D >= 2.
        seed: Seed of the embedding.
        perplexity: Effective number of neighbours. At most N / 3 - 1 is used.

    Returns:
        float32 [N, 2] on the CPU.

    Raises:
        ValueError: If codes have another shape, NaN, fewer than 6 points or fewer than 2 dimensions.
    """
    points, _ = checked_classes(codes, torch.zeros(len(codes)))
    count, dimensions = points.shape
    if count < 6 or dimensions < 2:
        raise ValueError(
            f"codes has shape {[count, dimensions]}; t-SNE needs at least 6 points of 2 dimensions or more."
        )
    from sklearn.manifold import TSNE  # takes a second to import, and only this figure needs it
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    fit = TSNE(2, perplexity=min(perplexity, count / 3 - 1), init="pca", learning_rate="auto", random_state=seed)
    # One thread: the order of parallel sums changes the map from machine to machine, and on a busy machine threads that wait for
    # each other made it five times slower (33 s against 7 s).
    with threadpool_limits(1):
        return torch.from_numpy(fit.fit_transform(points.astype("float32")))


def tsne_map(
    codes: torch.Tensor,
    labels: torch.Tensor,
    *,
    num_points: int = 2000,
    seed: int = 0,
    perplexity: float = 30.0,
    class_names: Mapping[int, str] | Sequence[str] | None = None,
    title: str | None = None,
    size: tuple[float, float] = (620, 520),
    alt: str | None = None,
    caption: str | None = None,
) -> Picture:
    """The t-SNE map of codes, with classes by colour, shape and name. The axes have no ticks, since positions have no meaning.

    To draw one embedding several times, keep `tsne_embed(codes)` and call `scatter_by_class` on it.

    Args:
        codes: Points [N, D], D >= 2.
        labels: Integers [N].
        num_points: Number of codes on the map, drawn at random without replacement; all if there are fewer.
        seed: Seed of the choice of points and of the embedding. The global random state stays as it is.
        perplexity: Effective number of neighbours, as in `tsne_embed`.
        class_names: Label → name, or names indexed by label; a label without a name, or all with None, is its own name.
        title: Title above the map; None: none.
        size: Width and height in CSS pixels.
        alt: Alt text; None: a text that says how well the classes are separated.
        caption: Words under the figure; None: no caption.

    Returns:
        The figure with its alt text and caption.

    Raises:
        ValueError: If codes or labels have another shape or NaN, labels are not whole, or fewer than 6 points are left.
    """
    points, classes = (torch.from_numpy(array) for array in checked_classes(codes, labels))
    # A generator of its own, so that the figure does not change the global random state.
    chosen = torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))[:num_points]
    points, classes = points[chosen], classes[chosen]
    positions = tsne_embed(points, seed=seed, perplexity=perplexity)
    kinds = list(named(classes.unique().tolist(), class_names).values())
    words = f"t-SNE map of {len(points)} codes of {points.shape[1]} dimensions, in {len(kinds)} classes: {', '.join(kinds)}."
    words += " " + _neighbourhood(positions, classes, named(classes.unique().tolist(), class_names))
    picture = scatter_by_class(positions, classes, class_names=class_names, xlabel="", ylabel="", title=title, size=size,
                               alt=alt or words, caption=caption)  # fmt: skip
    axes = picture.figure.axes[0]
    axes.tick_params(length=0, labelbottom=False, labelleft=False)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return picture


def _neighbourhood(positions: torch.Tensor, classes: torch.Tensor, names: Mapping[int, str], most: int = 3) -> str:
    """Words on the share of points on the map [N, 2] with their nearest neighbour in their class, and on the pairs that mix most."""
    nearest = classes[torch.cdist(positions, positions).fill_diagonal_(float("inf")).argmin(1)]  # [N]
    own = nearest == classes
    pairs = Counter(tuple(sorted(pair)) for pair in zip(classes[~own].tolist(), nearest[~own].tolist(), strict=True))
    words = f"On the map, {100 * own.float().mean().item():.0f} percent of the points have their nearest neighbour in their own class."
    if pairs:
        frequent = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[:most]
        words += f" Classes that touch most: {listed([f'{names[a]} and {names[b]}' for a, b in frequent])}."
    return words
