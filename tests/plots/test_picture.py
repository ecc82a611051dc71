"""`Picture`: its HTML, its files, and that it changes neither styles nor the random state."""

import base64
import html.parser
import struct
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch
from IPython.core.formatters import DisplayFormatter

from helpers import plots
from helpers.plots.style import COLORS, contrast_with_white, new_figure, readable


class Tags(html.parser.HTMLParser):
    """Collects every tag with its attributes, and the text by enclosing tag, as a browser would read them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.texts, self.open = [], {}, []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data


def picture(alt="A line.", caption=None):
    with plots.workbook_style():
        figure = new_figure(300, 200)
        figure.add_subplot().plot([0, 1])
    return plots.Picture(figure, alt, caption)


def png_size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG")
    return struct.unpack(">II", png[16:24])


def all_kinds():
    images = torch.rand(4, 1, 5, 5)
    yield plots.image_grid(images)
    yield plots.curves({"a": [1.0, 2.0]}, "epoch", "bound")
    yield plots.bars({"a": 1.0}, "variance")
    yield plots.dots({"a": 1.0}, "bound")
    yield plots.histograms(torch.randn(50, 2))
    yield plots.scatter_by_class(torch.randn(8, 2), torch.arange(8) % 2)
    yield plots.latent_manifold(lambda z: torch.rand(len(z), 1, 4, 4), rows=3)


def test_alt_and_caption_reach_the_reader_whatever_characters_they_hold():
    alt, caption = 'q < p & "z" > 0\nis <b>not</b> markup', "KL <script>alert(1)</script> & $z_1 < 2$"
    tags = Tags(picture(alt, caption).to_html())
    (attributes,) = [attributes for tag, attributes in tags.tags if tag == "img"]
    assert attributes["alt"] == 'q < p & "z" > 0 is <b>not</b> markup'
    assert tags.texts["figcaption"] == caption
    assert [tag for tag, _ in tags.tags] == ["figure", "img", "figcaption"]


def test_no_caption_leaves_no_empty_figcaption():
    assert [tag for tag, _ in Tags(picture().to_html()).tags] == ["figure", "img"]


def test_image_is_twice_as_sharp_as_it_is_wide():
    (attributes,) = [attributes for tag, attributes in Tags(picture().to_html()).tags if tag == "img"]
    png = base64.b64decode(attributes["src"].removeprefix("data:image/png;base64,"), validate=True)
    assert attributes["width"] == "300"
    assert "max-width:100%" in attributes["style"]
    assert png_size(png) == (600, 400)
    assert png_size(picture().to_png(sharpness=1)) == (300, 200)


def test_notebook_gets_html_png_and_words():
    data, metadata = DisplayFormatter().format(picture("A line from 0 to 1."))
    assert 'alt="A line from 0 to 1."' in data["text/html"]
    assert png_size(
        base64.b64decode(data["image/png"]) if isinstance(data["image/png"], str) else data["image/png"]
    ) == (600, 400)
    assert "A line from 0 to 1." in data["text/plain"]
    assert metadata["image/png"]["width"] == 300


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_refuses_a_picture_without_words(alt):
    with pytest.raises(ValueError, match="alt text"):
        picture(alt)


def test_same_figure_gives_same_bytes():
    assert picture().to_png() == picture().to_png()


def test_saves_by_suffix_with_the_alt_text_inside(tmp_path):
    for suffix in ("png", "svg", "pdf"):
        path = picture("A rising line.").save(tmp_path / f"line.{suffix}")
        assert path.stat().st_size > 1000
    assert "A rising line." in (tmp_path / "line.svg").read_text()
    with pytest.raises(ValueError, match=r"\.png, \.svg or \.pdf"):
        picture().save(tmp_path / "line.doc")


def test_plotting_leaves_no_pyplot_figure_no_setting_and_no_random_state_behind():
    plt.close("all")
    before, state = dict(mpl.rcParams), torch.get_rng_state()
    drawn = []
    for shown in all_kinds():
        torch.set_rng_state(state)  # the examples draw random numbers; displaying must not
        drawn.append(shown.to_html())
        assert torch.equal(torch.get_rng_state(), state)
    assert len(drawn) == 7
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_a_figure_looks_the_same_under_another_style():
    plain = plots.curves({"a": [1.0, 2.0]}, "x", "y").to_png()
    with plt.style.context("dark_background"), mpl.rc_context({"font.size": 30, "axes.linewidth": 5}):
        assert plots.curves({"a": [1.0, 2.0]}, "x", "y").to_png() == plain
        assert mpl.rcParams["font.size"] == 30


def test_every_kind_brings_its_own_alt_text_and_takes_another():
    for shown in all_kinds():
        assert len(shown.alt) > 20
        assert "$" not in shown.alt
    assert plots.curves({"a": [1.0, 2.0]}, "x", "y", alt="Mine.", caption="Yours.").alt == "Mine."
    assert plots.curves({"a": [1.0, 2.0]}, "x", "y", alt="Mine.", caption="Yours.").caption == "Yours."


def test_words_in_every_colour_can_be_read_on_white():
    assert contrast_with_white("white") == pytest.approx(1.0)
    assert contrast_with_white("black") == pytest.approx(21.0)
    assert all(contrast_with_white(readable(color)) >= 4.5 for color in COLORS)
    assert readable("black") == (0.0, 0.0, 0.0)


def test_style_sheet_serves_a_lessons_own_pyplot_cell():
    with plt.style.context("helpers.plots.workbook"):
        assert not mpl.rcParams["axes.spines.top"]
        colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    assert len(set(colors)) == 8


def test_importing_helpers_alone_does_not_load_matplotlib():
    code = "import sys, helpers; sys.exit('matplotlib' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
