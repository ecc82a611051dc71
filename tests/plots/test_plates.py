"""Plate diagrams: positions of nodes, arrows and frames, and a shape for each kind of node."""

import numpy as np
import pytest
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

from helpers.plots import PlateModel, plate_diagram
from helpers.plots.style import workbook_style

NODES = {r"\theta": (-1.2, 0, "parameter"), "z_n": (0, 1.35, "latent"), "x_n": (0, 0, "observed")}
EDGES = [("z_n", "x_n"), (r"\theta", "x_n")]
LOCAL = PlateModel("local", NODES, EDGES, guides=[("x_n", "z_n")], plates={"N": ["z_n", "x_n"]})


def patches(picture, kind, panel=0):
    return {patch.get_label(): patch for patch in picture.figure.axes[panel].patches if type(patch) is kind}


def ends(arrow):
    """Where an arrow starts and ends, in the units of the nodes."""
    return (np.array(point) for point in arrow._posA_posB)


def test_kinds_of_nodes_differ_in_shape_and_shade():
    picture = plate_diagram(LOCAL)
    circles, squares = patches(picture, Circle), patches(picture, Rectangle)
    assert set(circles) == {"z_n", "x_n"} and set(squares) == {r"\theta"}
    assert circles["z_n"].get_center() == (0, 1.35)
    assert circles["z_n"].get_facecolor() == (1, 1, 1, 1) != circles["x_n"].get_facecolor()
    np.testing.assert_allclose(squares[r"\theta"].get_center(), (-1.2, 0))


def test_what_is_computed_is_a_square_as_large_as_a_circle():
    picture = plate_diagram(
        PlateModel("guide", {"x": (0, 0, "observed"), "f": (0, 1, "computed")}, guides=[("x", "f")])
    )
    square, circle = patches(picture, FancyBboxPatch)["f"].get_bbox(), patches(picture, Circle)["x"]
    np.testing.assert_allclose([(square.x0 + square.x1) / 2, (square.y0 + square.y1) / 2], (0, 1))
    assert 1.4 * circle.get_radius() < square.width < 2 * circle.get_radius()
    assert "f (computed)" in picture.alt


def test_arrows_run_from_rim_to_rim_and_the_guide_is_dashed():
    picture = plate_diagram(LOCAL)
    arrows = patches(picture, FancyArrowPatch)
    assert set(arrows) == {"z_n to x_n", r"\theta to x_n", "x_n to z_n"}
    radius = patches(picture, Circle)["z_n"].get_radius()
    for pair, label in [(("z_n", "x_n"), "z_n to x_n"), (("x_n", "z_n"), "x_n to z_n")]:
        for point, name in zip(ends(arrows[label]), pair, strict=True):
            distance = np.linalg.norm(point - np.array(NODES[name][:2]))
            assert radius < distance < radius + 0.1, f"{label} does not meet the rim of {name}"
    assert arrows["x_n to z_n"].get_linestyle() != arrows["z_n to x_n"].get_linestyle()


def test_an_arrow_and_its_counterpart_do_not_lie_on_each_other():
    arrows = patches(plate_diagram(LOCAL), FancyArrowPatch)
    model, guide = (np.mean([*ends(arrows[label])], axis=0) for label in ("z_n to x_n", "x_n to z_n"))
    assert abs(model[0] - guide[0]) > 0.15


def test_a_plate_holds_its_nodes_and_no_others():
    frame = patches(plate_diagram(LOCAL), FancyBboxPatch)["N"].get_bbox()
    for name, (column, row, _) in NODES.items():
        assert frame.contains(column, row) == (name != r"\theta")
    assert frame.x1 - 0.34 > 0.1 and frame.y1 - 1.35 - 0.34 > 0.1  # the circles lie inside whole


def test_the_label_of_a_plate_lies_below_its_nodes():
    picture = plate_diagram(LOCAL)
    with workbook_style():
        picture.figure.draw_without_rendering()
        (label,) = [text for text in picture.figure.axes[0].texts if text.get_text() == "N"]
        assert label.get_window_extent().y1 < patches(picture, Circle)["x_n"].get_window_extent().y0


def test_a_plate_inside_a_plate_lies_inside_it():
    nested = PlateModel("nested", NODES, plates={"inner": ["x_n"], "outer": ["x_n", "z_n"]})
    frames = {label: frame.get_bbox() for label, frame in patches(plate_diagram(nested), FancyBboxPatch).items()}
    inner, outer = frames["inner"], frames["outer"]
    assert outer.x0 < inner.x0 and inner.x1 < outer.x1 and outer.y0 < inner.y0 and inner.y1 < outer.y1


def test_models_stand_side_by_side_in_one_scale_under_their_titles():
    picture = plate_diagram(
        LOCAL, PlateModel("global", {"w": (0, 1.35, "latent"), "x_n": (0, 0, "observed")}, [("w", "x_n")])
    )
    with workbook_style():
        picture.figure.draw_without_rendering()
    assert [axes.get_title() for axes in picture.figure.axes] == ["local", "global"]
    radii = [patches(picture, Circle, panel)["x_n"].get_window_extent().width for panel in (0, 1)]
    assert radii[0] == pytest.approx(radii[1], rel=0.02)
    for axes in picture.figure.axes:
        assert axes.title.get_window_extent().y1 <= picture.figure.bbox.y1


def test_alt_text_names_nodes_kinds_arrows_and_plates():
    alt = plate_diagram(LOCAL).alt
    for words in (
        "theta (parameter)",
        "zn (latent)",
        "xn (observed)",
        "zn to xn",
        "inference: xn to zn",
        "plate N: zn, xn",
    ):
        assert words in alt


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: plate_diagram(), "needs one model or more"),
        (lambda: PlateModel("m", NODES, [("z", "x_n")]), r"name \['z'\]"),
        (lambda: PlateModel("m", NODES, guides=[("x_n", "q")]), r"name \['q'\]"),
        (lambda: PlateModel("m", NODES, plates={"N": ["y"]}), r"name \['y'\]"),
        (lambda: PlateModel("m", {"x": (0, 0, "hidden")}), "'x' is 'hidden'"),
    ],
)
def test_what_cannot_be_drawn_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
