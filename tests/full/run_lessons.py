"""Run lessons in smoke mode with this very Python, and report what a page would show of each: `python -m tests.full.run_lessons [NN ...]`.

One line a lesson, and the exit status 1 if a cell failed, or if an explorer's output lacks its live view or its still pictures.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parents[2]
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
CELL_SECONDS = 300


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("lessons", nargs="*", help="numbers of lessons, such as 02 (all)")
    asked = parser.parse_args().lessons
    lessons = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    lessons = [path for path in lessons if not asked or path.name[:2] in asked]
    try:
        widgets = f"ipywidgets {version('ipywidgets')}"
    except PackageNotFoundError:
        widgets = "no ipywidgets"
    print(f"Python {sys.version.split()[0]}, {widgets}: {len(lessons)} lesson(s) in smoke mode", flush=True)
    wrong = [complaint for lesson in lessons for complaint in complaints(lesson)]
    for complaint in wrong:
        print(f"*** {complaint}", flush=True)
    return 1 if wrong or not lessons else 0


def complaints(lesson: Path) -> list[str]:
    """Run a lesson, print its line, and return what is wrong with it, in sentences."""
    notebook = nbformat.read(lesson, as_version=4)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        environment = {
            **os.environ,
            "WORKBOOK_SMOKE": "1",
            "WORKBOOK_PROGRESS": os.path.join(scratch, "progress.json"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        client = NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            kernel_name="python3",  # of the Python that runs this
            resources={"metadata": {"path": str(lesson.parent)}},
        )
        try:
            client.execute(env=environment)
        except CellExecutionError as problem:
            return [f"{lesson.stem}: {problem}"]
    found = [
        (number, output)
        for number, cell in enumerate(notebook.cells, 1)
        for output in cell.get("outputs", [])
        if "workbook-explorer" in str(output.get("data", {}).get("text/html", ""))
    ]
    live = [output for _, output in found if WIDGET_VIEW in output.data]
    seconds = time.monotonic() - start
    print(f"{lesson.stem:36} {seconds:4.0f} s  {len(live)} of {len(found)} explorers live", flush=True)
    return [f"{lesson.stem}, cell {number}: {said}" for number, output in found if (said := lacks(output, client))]


def lacks(output: nbformat.NotebookNode, client: NotebookClient) -> str | None:
    """What an explorer's output lacks, or None."""
    for kind in ("text/html", "image/png", WIDGET_VIEW):
        if kind not in output.data:
            return f"an explorer shows no {kind}"
    view = client.widget_state.get(output.data[WIDGET_VIEW]["model_id"], {}).get("_view_name")
    return None if view == "VBoxView" else f"an explorer refers to a widget whose view is {view}: no message opened it"


if __name__ == "__main__":
    sys.exit(main())
