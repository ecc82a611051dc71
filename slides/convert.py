"""An executed lesson → one self-contained page: sections by nbconvert, each dressed for a slide, style and scripts inside."""

from __future__ import annotations

import base64
import mimetypes
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import jinja2
import nbformat
from bs4 import BeautifulSoup, Tag
from nbconvert import SlidesExporter

from slides.cells import ready_for_a_deck

HERE = Path(__file__).parent
HEADINGS = ("h1", "h2", "h3")
KEEP_CODE = "celltag_keep-code"  # on a cell tagged keep-code, the code stays beside its figure


@dataclass(frozen=True)
class Described:
    """What a deck says of itself. number: "02"; promise: the sentence under the title; minutes: as the lesson says them."""

    name: str
    number: str
    title: str
    promise: str
    minutes: int
    slides: int


@dataclass(frozen=True)
class Deck(Described):
    """One lesson's deck. html: the page."""

    html: str


def convert(name: str, notebook: nbformat.NotebookNode, folder: Path, assets: dict[str, str]) -> Deck:
    """The deck of an executed lesson. folder: where its relative images lie; assets: as `load_assets` returns them."""
    number, title, promise, minutes = opening(name, notebook)
    soup = BeautifulSoup(sections(name, notebook, folder), "html.parser")
    slides = [section for section in soup("section") if not section.find("section")]
    kicker = ""
    for slide in slides:
        kicker = dress(soup, slide, f"{number} · {title}", kicker)
    embed_images(soup, folder)
    for link in soup("a", href=re.compile(r"^[^/:]+\.ipynb\b")):
        link["href"] = link["href"].replace(".ipynb", ".html")  # beside a deck lie the other lessons' decks
    page = templates().get_template("page.html.j2")
    html = page.render(
        title=f"{number} · {title}",
        sections=str(soup),
        theme=(HERE / "theme.css").read_text(encoding="utf-8"),
        scripts={name: inline_script(text) for name, text in assets.items() if name.endswith(".js")},
        styles={name: text for name, text in assets.items() if name.endswith(".css")},
        deck=inline_script((HERE / "deck.js").read_text(encoding="utf-8")),
    )
    return Deck(name, number, title, promise, minutes, len(slides), html)


def opening(name: str, notebook: nbformat.NotebookNode) -> tuple[str, str, str, int]:
    """Number, title, promise and minutes, from the first cell. Raises ValueError where it does not open as a lesson does."""
    text = notebook.cells[0].source if notebook.cells else ""
    title = re.search(r"^# (\d\d) · (.+)$", text, re.MULTILINE)
    promise = re.search(r"^\*([^*].*?)\*$", text, re.MULTILINE | re.DOTALL)
    minutes = re.search(r"\*\*(\d+) minutes\*\*", text)
    if not (title and promise and minutes):
        raise ValueError(
            f"{name}: the first cell must hold a title (# 02 · Words), a promise (*one sentence*) and **75 minutes**; it "
            f"begins {text[:60]!r}."
        )
    return title[1], title[2].strip(), " ".join(promise[1].split()), int(minutes[1])


def sections(name: str, notebook: nbformat.NotebookNode, folder: Path) -> str:
    """The cells as nested <section>s."""
    exporter = SlidesExporter(
        template_name="deck",
        extra_template_basedirs=[str(HERE / "template")],
        exclude_anchor_links=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    resources = {"metadata": {"name": name, "path": str(folder)}}
    return exporter.from_notebook_node(ready_for_a_deck(notebook), resources)[0]


def dress(soup: BeautifulSoup, slide: Tag, lesson: str, kicker: str) -> str:
    """Give a slide its parts: body, notes, folded code, footer. kicker: the last heading, for a slide that has none.

    Returns the heading that the next slide may need.
    """
    notes = [aside.extract() for aside in slide("aside", class_="notes")]
    body = soup.new_tag("div", attrs={"class": "body"})
    for child in list(slide.contents):
        body.append(child.extract())
    slide.append(body)

    heading = opening_heading(body)
    if heading is None:
        body.insert(0, tag(soup, "p", "kicker", kicker))
    elif heading.name == "h1":
        slide["class"] = "title"
        heading.string = lesson.partition(" · ")[2]
        heading.insert_before(tag(soup, "p", "number", lesson.partition(" · ")[0]))
    else:
        heading["class"] = "lead"
        kicker = heading.get_text() if heading.name == "h2" else kicker

    dress_exercise(soup, slide, body)
    dress_predictions(soup, body)
    dress_figures(soup, slide, body)
    for answer in body("details"):
        answer["class"] = "answer fragment custom"  # the next key opens it, as a click does
    if notes:
        aside = soup.new_tag("aside", attrs={"class": "notes"})
        for note in notes:
            prose = note.find(class_="jp-RenderedMarkdown") or note
            aside.extend([part.extract() for part in list(prose.contents)])
        slide.append(aside)
    if "title" not in slide.get("class", []):
        slide.append(tag(soup, "footer", "", lesson))
    return kicker


def opening_heading(body: Tag) -> Tag | None:
    """The heading that a slide begins with, if it does."""
    prose = body.find(class_=["jp-RenderedMarkdown", "jp-CodeCell"])
    first = prose.find(True, recursive=False) if prose else None
    return first if first is not None and first.name in HEADINGS and not is_prediction(first) else None


def dress_exercise(soup: BeautifulSoup, slide: Tag, body: Tag) -> None:
    """`### Your turn · 01.1 · ●●○ · 8 minutes` → a heading with a badge of minutes."""
    for heading in body("h3"):
        parts = heading.get_text().strip().split(" · ")
        if parts[0] != "Your turn" or len(parts) != 4:
            continue
        slide["class"] = "exercise"
        _, number, dots, minutes = parts
        heading.clear()
        heading.append(f"Your turn · {number} ")
        heading.append(tag(soup, "span", "dots", dots, attributes={"title": "difficulty"}))
        heading.append(tag(soup, "span", "minutes", minutes.replace("minutes", "min")))


def dress_predictions(soup: BeautifulSoup, body: Tag) -> None:
    """What the learner is to predict stands in a box, from its heading, or its bold **Predict.**, to the end of its cell."""
    for prose in body(class_="jp-RenderedMarkdown"):
        start = next((part for part in prose.find_all(["h3", "p"], recursive=False) if is_prediction(part)), None)
        if start is None:
            continue
        box = soup.new_tag("div", attrs={"class": "predict"})
        start.insert_before(box)
        for part in [start, *start.find_next_siblings()]:
            box.append(part.extract())


def is_prediction(part: Tag) -> bool:
    if part.name == "h3":
        return part.get_text().strip().startswith("Predict")
    first = next((child for child in part.contents if str(child).strip()), None)
    return isinstance(first, Tag) and first.name == "strong" and first.get_text().strip() in ("Predict.", "Predict:")


def dress_figures(soup: BeautifulSoup, slide: Tag, body: Tag) -> None:
    """Where code ends in a figure, the figure is the thought: the code is folded away, one key or click from the slide."""
    folded = []
    for cell in body(class_="jp-CodeCell"):
        output = cell.find(class_="jp-Cell-outputWrapper")
        if output is None or not output.find(["img", "svg"]):
            continue
        cell["class"] = [*cell["class"], "figures"]
        if KEEP_CODE not in cell["class"] and (code := cell.find(class_="jp-Cell-inputWrapper")):
            folded.append(code.find(class_="highlight").extract())
            code.decompose()
        for explorer in output(class_="workbook-explorer"):
            explorer["style"] = ""
            explorer.insert_after(tag(soup, "p", "live", "An explorer: move its controls in the notebook."))
    if folded:
        details = soup.new_tag("details", attrs={"class": "source"})
        details.append(tag(soup, "summary", "", "code"))
        panel = soup.new_tag("div", attrs={"class": "panel"})
        panel.extend(folded)
        details.append(panel)
        slide.append(details)


def embed_images(soup: BeautifulSoup, folder: Path) -> None:
    """Put the files that images name into the page. (nbconvert's own way to do it closes an open <details>.)"""
    for image in soup("img"):
        if image["src"].startswith("data:"):
            continue
        path = folder / unquote(image["src"])
        kind = mimetypes.guess_type(path.name)[0]
        if not path.is_file() or not (kind or "").startswith("image/"):
            raise ValueError(
                f"the lesson shows the image {image['src']!r}, which is no image file in {folder}; a deck fetches nothing."
            )
        image["src"] = f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def tag(soup: BeautifulSoup, name: str, css: str, text: str, attributes: dict[str, str] | None = None) -> Tag:
    made = soup.new_tag(name, attrs={**({"class": css} if css else {}), **(attributes or {})})
    made.string = text
    return made


def inline_script(text: str) -> str:
    """JavaScript that may stand inside <script>: nothing in it ends the element, or opens a comment that hides the end of it."""
    return re.sub(r"<(?=/script|!--)", r"\\x3c", text, flags=re.IGNORECASE)


@cache
def templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "template"), autoescape=True, undefined=jinja2.StrictUndefined
    )
