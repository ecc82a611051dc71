"""Small lessons for these tests, and assets that stand in for the real ones."""

from __future__ import annotations

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

OPENING = "# 07 · A title\n\n*One promise.*\n\n**15 minutes** · before this: nothing"
ASSETS = {name: f"/* {name} */" for name in ("reset.css", "reveal.css", "reveal.js", "notes.js", "mathjax.js")}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
FIGURE = f'<figure class="workbook-picture"><img src="data:image/png;base64,{PNG}" alt="a dot" width="400"></figure>'


def prose(text: str, kind: str = "slide") -> NotebookNode:
    return new_markdown_cell(text, metadata={"slideshow": {"slide_type": kind}})


def code(
    text: str, kind: str = "subslide", outputs: list[NotebookNode] | None = None, tags: list[str] | None = None
) -> NotebookNode:
    metadata = {"slideshow": {"slide_type": kind}, **({"tags": tags} if tags else {})}
    return new_code_cell(text, metadata=metadata, outputs=outputs or [])


def lesson(*cells: NotebookNode) -> NotebookNode:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=[prose(OPENING), *cells], metadata={"kernelspec": kernel})
