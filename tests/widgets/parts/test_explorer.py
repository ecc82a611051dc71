"""`Explorer`: a view that follows its controls, shows errors, and has still pictures for pages without a kernel."""

from __future__ import annotations

import html.parser
import subprocess
import sys
from pathlib import Path

import ipywidgets
import pytest
from IPython.core.formatters import DisplayFormatter

from helpers.plots import Picture, workbook_style
from helpers.plots.style import new_figure
from helpers.widgets.parts.explorer import Choice, Explorer, Slider, Toggle

ROOT = Path(__file__).parents[3]


class Images(html.parser.HTMLParser):
    """The attributes of every <img> in a page."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.found.append(dict(attributes))


def picture(*, size, shape=(2, 3), filled=False) -> Picture:
    if size == 3:
        raise ValueError("three <is> a crowd")
    with workbook_style():
        figure = new_figure(120, 80)
        figure.add_subplot().bar(range(len(shape)), [size] * len(shape), fill=filled)
    return Picture(figure, f"Bars of {size}, {shape}, {'filled' if filled else 'empty'}.", "A caption.")


@pytest.fixture
def explorer() -> Explorer:
    controls = {
        "size": Slider("size", 0, 4, 1, 1),
        "shape": Choice("shape", [(2, 3), (3, 4)], (2, 3)),
        "filled": Toggle("a filled bar"),
    }
    return Explorer("bars", picture, controls, stills=({}, {"size": 2}))


def control(explorer: Explorer, key: str) -> ipywidgets.Widget:
    return next(widget for widget in explorer.view.children[0].children if f"control-{key}" in widget._dom_classes)


def shown(explorer: Explorer) -> str:
    return explorer.view.children[1].value


def test_the_picture_follows_every_control(explorer: Explorer):
    seen = [shown(explorer)]
    for key, value, word in (("size", 2, "Bars of 2"), ("shape", (3, 4), "(3, 4)"), ("filled", True, "filled")):
        control(explorer, key).value = value
        seen.append(shown(explorer))
        (image,) = Images(seen[-1]).found
        assert word in image["alt"]
    assert len(set(seen)) == 4


def test_a_state_without_a_picture_says_why_and_the_next_one_recovers(explorer: Explorer):
    control(explorer, "size").value = 3
    assert "ValueError: three &lt;is&gt; a crowd" in shown(explorer) and "size = 3" in shown(explorer)
    assert 'role="alert"' in shown(explorer)
    control(explorer, "size").value = 4
    (image,) = Images(shown(explorer)).found
    assert "Bars of 4" in image["alt"]


def test_the_live_picture_keeps_its_place_while_it_changes(explorer: Explorer):
    (image,) = Images(shown(explorer)).found
    assert (image["width"], image["height"], image["decoding"]) == ("120", "80", "sync")


def test_a_cell_offers_the_view_and_the_stills(explorer: Explorer):
    data, metadata = DisplayFormatter().format(explorer)
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.view.model_id
    first = explorer.picture(**explorer.stills[0])
    assert data["image/png"] == first.to_png() and metadata["image/png"]["alt"] == first.alt
    alts = [image["alt"] for image in Images(data["text/html"]).found]
    assert alts == ["Bars of 1, (2, 3), empty.", "Bars of 2, (2, 3), empty."]
    assert 'data-explorer="bars"' in data["text/html"]
    assert data["text/plain"] == "Explorer bars: size, shape, a filled bar"


def test_without_ipywidgets_a_cell_offers_the_stills(explorer: Explorer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    data, _ = DisplayFormatter().format(explorer)
    assert set(data) == {"text/html", "image/png", "text/plain"}
    assert len(Images(data["text/html"]).found) == 2


def test_no_explorer_needs_ipywidgets_until_it_is_shown():
    program = (
        "import pkgutil, sys; sys.modules['ipywidgets'] = None; import helpers.widgets as room\n"
        "names = [found.name for found in pkgutil.walk_packages(room.__path__, 'helpers.widgets.')]\n"
        "assert len(names) > 20\nfor name in names: __import__(name)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_browser_finds_view_picture_and_controls_by_class(explorer: Explorer):
    assert {"explorer", "explorer-bars"} <= set(explorer.view._dom_classes)
    assert "explorer-picture" in explorer.view.children[1]._dom_classes
    assert [control(explorer, key) for key in explorer.controls] == list(explorer.view.children[0].children)
    assert explorer.view is explorer.view


def test_no_view_is_made_where_only_stills_are_asked_for(explorer: Explorer):
    explorer.still_html()
    assert explorer._view is None


def test_states_are_all_combinations_of_the_grids(explorer: Explorer):
    states = list(explorer.states())
    assert len(states) == 5 * 2 * 2 == len({tuple(state.values()) for state in states})
    assert states[0] == {"size": 0, "shape": (2, 3), "filled": False}


@pytest.mark.parametrize(
    ("slider", "grid"),
    [
        (Slider("whole", 0, 8, 1, 3), [0, 2, 3, 4, 6, 8]),
        (Slider("two steps", 0, 2, 1, 0), [0, 1, 2]),
        (Slider("halves", -1.0, 1.0, 0.5, 0.0), [-1.0, -0.5, 0.0, 0.5, 1.0]),
        (Slider("an end between two steps", 0.0, 1.0, 0.6, 0.0), [0.0, 0.6]),
    ],
)
def test_a_sliders_grid_stays_on_its_steps(slider: Slider, grid: list[float]):
    assert slider.grid() == pytest.approx(grid)
    assert all(slider.low <= value <= slider.high for value in slider.grid())


def test_a_slider_of_ints_gives_ints_and_others_show_the_digits_of_their_step():
    whole, fine = Slider("n", 0, 3, 1, 1), Slider("scale", 0.0, 1.0, 0.005, 0.5)
    assert all(type(value) is int for value in whole.grid())
    assert type(whole.widget().value) is int
    assert fine.widget().readout_format == ".3f"
    assert Slider("power", 0.0, 100.0, 10.0, 50.0).widget().readout_format == ".0f"


def test_options_that_are_pairs_are_values_not_label_and_value():
    menu = Choice("shape", [(2, 3), (3, 4)], (3, 4)).widget()
    assert menu.value == (3, 4)
    assert [label for label, _ in menu.options] == ["(2, 3)", "(3, 4)"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Slider("s", 0, 1, 0, 0), "positive step"),
        (lambda: Slider("s", 0, 1, 1, 2), "starts at 2"),
        (lambda: Choice("c", ["a"], "b"), "not in"),
        (lambda: Explorer("e", picture, {"size": Toggle("t")}, stills=({"sise": True},)), "sise"),
        (lambda: Explorer("e", picture, {"size": Toggle("t")}, stills=()), "at least one"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(make, words: str):
    with pytest.raises(ValueError, match=words):
        make()
