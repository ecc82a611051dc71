"""Scatter plots by class, t-SNE maps, and latent manifolds."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from helpers.plots import latent_manifold, manifold_grid, scatter_by_class, tsne_embed, tsne_map
from helpers.plots.style import workbook_style


def laid_out(picture):
    """Settle every position at one resolution, so that boxes of text can be compared."""
    with workbook_style():
        picture.figure.draw_without_rendering()


def texts(picture):
    return {text.get_text(): np.array(text.get_position()) for text in picture.figure.axes[0].texts}


# scatter


def test_each_class_has_its_points_colour_shape_and_name_at_its_median():
    points = torch.cat([torch.randn(50, 2) + 10 * torch.tensor([c, -c]) for c in range(3)])
    labels = torch.arange(3).repeat_interleave(50)
    picture = scatter_by_class(points, labels)
    groups = picture.figure.axes[0].collections
    for c, group in enumerate(groups):
        np.testing.assert_allclose(group.get_offsets(), points[labels == c].numpy(), rtol=1e-6)
        np.testing.assert_allclose(texts(picture)[str(c)], np.median(points[labels == c].numpy(), axis=0), rtol=1e-5)
    assert len({tuple(group.get_facecolor()[0]) for group in groups}) == 3
    assert len({group.get_paths()[0].vertices.tobytes() for group in groups}) == 3
    assert "150 points in 3 classes" in picture.alt


def test_ten_classes_have_ten_colours_and_ten_shapes_named_or_not():
    points, labels = torch.randn(100, 2), torch.arange(100) % 10
    for names in (None, [f"thing {c}" for c in range(10)]):
        groups = scatter_by_class(points, labels, class_names=names).figure.axes[0].collections
        assert len({tuple(group.get_facecolor()[0][:3]) for group in groups}) == 10
        assert len({group.get_paths()[0].vertices.tobytes() for group in groups}) == 10


def test_a_class_keeps_its_colour_when_others_are_missing():
    points = torch.randn(10, 2)
    (alone,) = scatter_by_class(points, torch.full((10,), 3)).figure.axes[0].collections
    among = scatter_by_class(points, torch.arange(10) % 5).figure.axes[0].collections[3]
    np.testing.assert_array_equal(alone.get_facecolor(), among.get_facecolor())


def test_names_of_classes_on_top_of_each_other_are_moved_apart():
    points, labels = torch.randn(400, 2), torch.arange(400) % 8
    picture = scatter_by_class(points, labels, class_names={c: f"class {c}" for c in range(8)})
    laid_out(picture)
    boxes = [text.get_window_extent() for text in picture.figure.axes[0].texts]
    assert len(boxes) == 8
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_moved_name_is_led_back_to_the_median_and_one_that_stays_is_not():
    crowd = 0.01 * torch.randn(300, 2) + torch.tensor([0.0, 0.0, 30.0]).repeat_interleave(100)[:, None]
    labels = torch.arange(3).repeat_interleave(100)
    picture = scatter_by_class(crowd, labels)
    medians = np.stack([np.median(crowd[labels == c].numpy(), axis=0) for c in range(3)])
    leaders = [line.get_xydata() for line in picture.figure.axes[0].lines if line.get_linestyle() == "-"]
    dots = [line.get_xydata()[0] for line in picture.figure.axes[0].lines if line.get_marker() == "o"]
    assert len(leaders) == len(dots) == 2
    for c, leader, dot in zip(range(2), leaders, dots, strict=True):
        np.testing.assert_allclose(leader, [texts(picture)[str(c)], medians[c]], rtol=1e-5)
        np.testing.assert_allclose(dot, medians[c], rtol=1e-5)
    np.testing.assert_allclose(texts(picture)["2"], medians[2], rtol=1e-5)


def with_outliers():
    torch.manual_seed(3)
    points = torch.cat([torch.randn(300, 2), torch.tensor([[400.0, 0.0], [0.0, -300.0], [500.0, 500.0]])])
    return points, torch.cat([torch.arange(300) % 3, torch.tensor([0, 1, 2])])


def shown_points(picture):
    with workbook_style():
        picture.figure.draw_without_rendering()
    axes = picture.figure.axes[0]
    everywhere = np.concatenate([np.asarray(group.get_offsets()) for group in axes.collections])
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    return int(((everywhere >= (left, bottom)) & (everywhere <= (right, top))).all(1).sum()), right - left


def test_clipping_leaves_outliers_outside_and_says_how_many():
    points, labels = with_outliers()
    clipped = scatter_by_class(points, labels, clip=True, caption="Codes.")
    count, width = shown_points(clipped)
    assert count == 300 and width < 20
    assert clipped.caption == "Codes. 3 of 303 points lie outside the frame."
    assert clipped.alt.endswith("3 of 303 points lie outside the frame.")
    whole = scatter_by_class(points, labels, caption="Codes.")
    assert shown_points(whole)[0] == 303
    assert whole.caption == "Codes." and "outside the frame" not in whole.alt


def test_clipping_counts_what_the_frame_shows_and_keeps_medians_and_equal_scales(caplog):
    points, labels = with_outliers()
    # A small class far out; and a point that is far out upward, and shown because equal scales widen the frame.
    far = torch.cat([points, torch.tensor([[60.0, 0.0]]).repeat(4, 1), torch.tensor([[0.0, 15.0]])])
    picture = scatter_by_class(far, torch.cat([labels, torch.full((4,), 3), torch.tensor([0])]), clip=True)
    count, width = shown_points(picture)
    assert width > 60 and count == 305
    assert f"{len(far) - count} of {len(far)} points lie outside" in picture.caption
    axes = picture.figure.axes[0]
    box = axes.get_window_extent()
    assert box.width / width == pytest.approx(box.height / np.ptp(axes.get_ylim()), rel=1e-3)
    assert not caplog.records
    normal = scatter_by_class(*(part[:300] for part in with_outliers()), clip=True)
    assert normal.caption is None  # nothing is far out, so nothing is left out


def test_a_circle_is_drawn_and_its_contents_are_said():
    points = torch.tensor(
        [[0.0, 0.0], [1.0, 0.0], [0.0, 1.9], [5.0, 0.0], [6.0, 0.0], [7.0, 0.0], [0.0, -9.0], [0.0, -9.0]]
    )
    picture = scatter_by_class(
        points, torch.tensor([0, 0, 0, 1, 1, 1, 2, 2]), circle=2.0, class_names=["near", "far", "low"]
    )
    (circle,) = picture.figure.axes[0].patches
    assert circle.get_radius() == 2.0 and tuple(circle.get_center()) == (0, 0) and not circle.get_fill()
    assert "circle of radius 2 about the origin holds 38 percent of the points" in picture.alt
    assert "Medians inside it: near; outside: far, low." in picture.alt
    assert "outside: none." in scatter_by_class(points[:3], torch.zeros(3), circle=2.0).alt
    assert not scatter_by_class(points, torch.zeros(8)).figure.axes[0].patches
    with pytest.raises(ValueError, match="radius must be positive"):
        scatter_by_class(points, torch.zeros(8), circle=0.0)


@pytest.mark.parametrize(
    "points, labels, message",
    [
        (torch.randn(5, 3), torch.zeros(5), r"\[5, 3\]; expected \[N, 2\]"),
        (torch.randn(5), torch.zeros(5), r"\[5\]; expected \[N, D\]"),
        (torch.randn(5, 2), torch.zeros(4), r"\[4\] for 5 points"),
        (torch.randn(5, 2), torch.eye(5), r"argmax"),
        (torch.randn(5, 2), torch.full((5,), 0.5), "whole numbers"),
        (torch.randn(5, 2), None, "labels is None"),
        (torch.full((5, 2), float("nan")), torch.zeros(5), "points holds 10 NaN"),
    ],
)
def test_says_what_is_wrong_with_points(points, labels, message):
    with pytest.raises(ValueError, match=message):
        scatter_by_class(points, labels)


# t-SNE


@pytest.fixture(scope="module")
def clusters():
    torch.manual_seed(0)
    labels = torch.arange(120) % 3
    return 20 * torch.eye(6)[labels] + torch.randn(120, 6), labels


def test_tsne_is_the_same_for_the_same_seed_and_keeps_clusters(clusters):
    codes, labels = clusters
    torch.manual_seed(1)
    first = tsne_embed(codes, seed=3)
    torch.manual_seed(2)
    np.random.seed(2)
    assert torch.equal(tsne_embed(codes, seed=3), first)
    assert first.shape == (120, 2)
    distances = torch.cdist(first, first).fill_diagonal_(float("inf"))
    assert (labels[distances.argmin(1)] == labels).all()


def test_tsne_seed_reaches_the_randomised_start_of_many_dimensions():
    noise = torch.randn(
        60, 600, generator=torch.Generator().manual_seed(0)
    )  # above 500 dimensions, PCA draws random numbers
    first, again, other = (tsne_embed(noise, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=0.1)


def test_tsne_map_draws_a_seeded_subset_with_its_own_labels(clusters):
    codes, labels = clusters
    once, again = (tsne_map(codes, labels, num_points=60, seed=1) for _ in range(2))
    for a, b in zip(once.figure.axes[0].collections, again.figure.axes[0].collections, strict=True):
        np.testing.assert_array_equal(a.get_offsets(), b.get_offsets())
    groups = [np.asarray(group.get_offsets()) for group in once.figure.axes[0].collections]
    assert sum(map(len, groups)) == 60
    # If labels and points did not belong together, the classes would overlap.
    spread_within = max(np.linalg.norm(group - group.mean(0), axis=1).max() for group in groups)
    between = min(np.linalg.norm(a.mean(0) - b.mean(0)) for i, a in enumerate(groups) for b in groups[:i])
    assert between > spread_within
    assert once.alt == (
        "t-SNE map of 60 codes of 6 dimensions, in 3 classes: 0, 1, 2. On the map, 100 percent of the points have their nearest neighbour "
        "in their own class."
    )


def test_tsne_alt_says_which_classes_touch(clusters):
    codes, labels = clusters
    mixed = torch.where(labels == 2, 1 + (torch.arange(len(labels)) // 3) % 2, labels)  # half of cluster 2 is called 1
    alt = tsne_map(codes, mixed, class_names={1: "one", 2: "two"}).alt
    assert "Classes that touch most: one and two" in alt and "0 and" not in alt
    assert int(alt.split("On the map, ")[1].split(" percent")[0]) < 90


def test_few_points_shrink_the_perplexity_and_too_few_are_refused():
    assert tsne_embed(torch.randn(10, 4)).shape == (10, 2)
    with pytest.raises(ValueError, match=r"\[5, 4\]; t-SNE needs"):
        tsne_embed(torch.randn(5, 4))
    with pytest.raises(ValueError, match=r"\[50, 1\]; t-SNE needs"):
        tsne_embed(torch.randn(50, 1))


# manifold


def test_grid_holds_the_prior_quantiles_z1_rightward_z2_upward():
    grid = manifold_grid(3, 5).view(3, 5, 2).double()
    expected = (torch.arange(5) + 0.5) / 5
    for row in grid:
        torch.testing.assert_close(Normal(0.0, 1.0).cdf(row[:, 0]), expected.double(), atol=1e-6, rtol=0)
    for column in grid.unbind(1):
        torch.testing.assert_close(
            Normal(0.0, 1.0).cdf(column[:, 1]), torch.tensor([5, 3, 1]) / 6.0, atol=1e-6, rtol=0, check_dtype=False
        )


def test_each_tile_shows_what_the_decoder_made_of_its_place():
    rows, columns = 4, 6
    scale = torch.nn.Parameter(torch.ones(()))

    def decode(z):  # left pixel: the share of the prior below z1; right pixel: below z2
        assert z.shape == (rows * columns, 2) and z.dtype == torch.float32 and not torch.is_grad_enabled()
        return Normal(0.0, 1.0).cdf(z * scale).view(-1, 1, 1, 2)

    picture = latent_manifold(decode, rows=rows, columns=columns, ink="light")
    (image,) = picture.figure.axes[0].images
    page = np.asarray(image.get_array())
    for row in range(rows):
        for column in range(columns):
            left, right = page[1 + 2 * row, 1 + 3 * column : 3 + 3 * column, 0]
            assert left == pytest.approx((column + 0.5) / columns, abs=1e-5)
            assert right == pytest.approx((rows - row - 0.5) / rows, abs=1e-5)


def test_ticks_say_where_on_the_axes_a_tile_stands():
    picture = latent_manifold(lambda z: torch.zeros(len(z), 1, 28, 28), rows=5)
    laid_out(picture)
    axes = picture.figure.axes[0]
    quantiles = ["−1.28", "−0.52", "0.00", "0.52", "1.28"]
    for axis in (axes.xaxis, axes.yaxis):
        places = {label.get_text(): label.get_window_extent() for label in axis.get_ticklabels()}
        assert sorted(places) == sorted(quantiles)
    ys = {label.get_text(): label.get_window_extent().y0 for label in axes.get_yticklabels()}
    xs = {label.get_text(): label.get_window_extent().x0 for label in axes.get_xticklabels()}
    assert ys["1.28"] > ys["0.52"] > ys["−1.28"] and xs["1.28"] > xs["0.00"] > xs["−1.28"]
    assert axes.get_tightbbox().x0 >= 0 and axes.get_tightbbox().y0 >= 0


@pytest.mark.parametrize("rows", [2, 8, 20])
def test_tick_labels_do_not_touch(rows):
    picture = latent_manifold(lambda z: torch.zeros(len(z), 1, 28, 28), rows=rows)
    laid_out(picture)
    for labels in (picture.figure.axes[0].get_xticklabels(), picture.figure.axes[0].get_yticklabels()):
        boxes = [label.get_window_extent() for label in labels]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize(
    "decode, message",
    [
        (lambda z: torch.zeros(len(z), 784), r"what decode returned has shape \[9, 784\]"),
        (lambda z: torch.zeros(1, 1, 4, 4), "1 images for 9 latents"),
        (lambda z: torch.full((len(z), 1, 4, 4), 7.0), "expected \\[0, 1\\]"),
    ],
)
def test_says_what_is_wrong_with_a_decoder(decode, message):
    with pytest.raises(ValueError, match=message):
        latent_manifold(decode, rows=3)


def test_refuses_an_empty_grid():
    with pytest.raises(ValueError, match="at least one"):
        latent_manifold(lambda z: z, rows=0)
