"""A lesson on disk: lessons_src/NN_name.py, notebooks/NN_name.ipynb, and a record of what `make lessons` last wrote there.

The record, notebooks/.written/NN_name.json, is committed. It lists a hash of each cell's input. Whatever a notebook or a text holds beyond
it was written by somebody else, usually the learner. It needs neither git nor an earlier run, so it works in a copy of the folder too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from helpers.exercises.lessons.record import Print, read_record, write_record
from helpers.files import atomic_write

NAME = re.compile(r"\d\d(?:_[a-z0-9]+)+")  # every other file in these folders is the reader's own
TEXT_FORMAT = {"extension": ".py", "format_name": "percent"}


class UnreadableLesson(ValueError):
    """A notebook cannot be read; the message says which, and what to do."""


@dataclass(frozen=True)
class Pair:
    """A lesson's files in one folder. They need not exist.

    Args:
        root: Folder that holds lessons_src/ and notebooks/.
        name: The lesson's name, as "01_amortized_inference".
    """

    root: Path
    name: str

    @property
    def text(self) -> Path:
        """The text."""
        return self.root / "lessons_src" / f"{self.name}.py"

    @property
    def notebook(self) -> Path:
        """The notebook."""
        return self.root / "notebooks" / f"{self.name}.ipynb"

    @property
    def record(self) -> Path:
        """The record of what `make lessons` last wrote."""
        return self.root / "notebooks" / ".written" / f"{self.name}.json"

    def read_text(self) -> Any:
        """The text as a notebook.

        Returns:
            A notebook of nbformat.
        """
        import jupytext  # of the extra `lab`, here as below: `helpers` is imported without it

        return jupytext.reads(self.text.read_text(encoding="utf-8"), fmt=TEXT_FORMAT, config=_config(self.root))

    def read_notebook(self) -> Any:
        """The notebook.

        Returns:
            A notebook of nbformat.

        Raises:
            UnreadableLesson: If the file is no notebook.
        """
        return read_notebook(self.notebook)

    def write_text(self, notebook: Any) -> None:
        """Write the text.

        Args:
            notebook: Its cells; the header is that of the text that is there.
        """
        import jupytext
        import nbformat

        header = self.read_text().metadata if self.text.exists() else notebook.metadata
        cells = [_without_stray_metadata(cell) for cell in notebook.cells]
        written = nbformat.v4.new_notebook(cells=cells, metadata=header)
        with atomic_write(self.text) as partial:
            partial.write_text(
                jupytext.writes(written, fmt=TEXT_FORMAT, config=_config(self.root)), encoding="utf-8", newline="\n"
            )

    def write_notebook(self, inputs: Any, outputs: Any = None) -> None:
        """Write the notebook.

        Args:
            inputs: Its cells.
            outputs: A notebook whose outputs, cell ids and metadata are kept, for cells that are the same. None: there are none.
        """
        import nbformat
        from jupytext.combine import combine_inputs_with_outputs

        combined = inputs
        if outputs is not None:
            combined = combine_inputs_with_outputs(inputs, outputs, fmt=TEXT_FORMAT)
        combined.metadata["jupytext"] = {**combined.metadata.get("jupytext", {}), **_filters(self.root)}
        combined.metadata["jupytext"].pop("text_representation", None)
        combined.nbformat, combined.nbformat_minor = 4, max(5, combined.get("nbformat_minor", 5))
        with atomic_write(self.notebook) as partial:
            partial.write_text(nbformat.writes(combined).rstrip("\n") + "\n", encoding="utf-8", newline="\n")

    def read_record(self) -> tuple[Print, ...] | None:
        """What `make lessons` last wrote.

        Returns:
            The prints of the cells, in order; None if there is no record.
        """
        return read_record(self.record)

    def write_record(self, prints: Sequence[Print]) -> None:
        """Note what has been written.

        Args:
            prints: The prints of the cells, in order.
        """
        write_record(self.record, prints)

    def shown(self, path: Path) -> str:
        """A path as messages show it.

        Args:
            path: Of a file in the folder.

        Returns:
            The path from the folder.
        """
        return path.relative_to(self.root).as_posix()


def is_lesson(path: Path) -> bool:
    """Whether a file is a lesson by its name: NN_name, with lower-case letters and digits, .ipynb or .py.

    Args:
        path: The file.

    Returns:
        False for "Untitled.ipynb", "01_name-Copy1.ipynb", copies that we keep, and everything else that a reader may add.
    """
    return NAME.fullmatch(path.stem) is not None and path.suffix in (".ipynb", ".py")


def lessons(folder: Path, suffix: str = ".ipynb") -> list[Path]:
    """The lessons of a folder.

    Args:
        folder: As notebooks/ or lessons_src/.
        suffix: ".ipynb" or ".py".

    Returns:
        Their files, in order.
    """
    return sorted(path for path in folder.glob(f"*{suffix}") if is_lesson(path) and path.is_file())


def pairs(root: Path) -> list[Pair]:
    """Every lesson that has a text, a notebook or both.

    Args:
        root: Folder that holds lessons_src/ and notebooks/.

    Returns:
        The pairs, in order.
    """
    names = {path.stem for path in lessons(root / "lessons_src", ".py") + lessons(root / "notebooks")}
    return [Pair(root, name) for name in sorted(names)]


def read_notebook(path: Path) -> Any:
    """Read a notebook.

    Args:
        path: The file.

    Returns:
        A notebook of nbformat.

    Raises:
        UnreadableLesson: If the file is no notebook.
    """
    import nbformat

    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8-sig"), as_version=4)
        assert isinstance(notebook.cells, list)
        return notebook
    except Exception as error:  # whatever an editor or a merge has left there
        raise UnreadableLesson(
            f"{path} cannot be read as a notebook ({type(error).__name__}), and is left as it is. Usually a merge left its marks in it, or "
            "it was cut off: mend it in a text editor, or rename it."
        ) from None


def ask_for_notebook_tools(command: str) -> None:
    """End with a sentence if jupytext or nbformat is missing.

    Args:
        command: What needs them, as "make solutions".

    Raises:
        SystemExit: If one is missing.
    """
    for name in ("nbformat", "jupytext"):
        if find_spec(name) is None:
            raise SystemExit(
                f"*** {name}, which reads and writes notebooks, is missing in this Python. It comes with JupyterLab: run `{command}`, "
                "or install the project with its extra `lab`: python -m pip install -e '.[lab]'"
            )


def keep_copy(path: Path) -> Path:
    """Copy a file, byte for byte, to a name beside it that no command reads.

    Args:
        path: The file.

    Returns:
        The copy. The same contents are copied once.
    """
    contents = path.read_bytes()
    copy = path.with_name(f"{path.stem}.kept-{hashlib.sha256(contents).hexdigest()[:8]}{path.suffix}")
    if not copy.exists():
        with atomic_write(copy) as partial:
            partial.write_bytes(contents)
    return copy


def _config(root: Path) -> Any:
    """jupytext's settings in the project that holds the lessons, or None."""
    from jupytext.config import load_jupytext_configuration_file

    path = root / "pyproject.toml"
    return load_jupytext_configuration_file(str(path)) if path.is_file() else None


def _filters(root: Path) -> dict[str, str]:
    config = _config(root)
    names = ("cell_metadata_filter", "notebook_metadata_filter")
    return {name: getattr(config, name) for name in names if config is not None and getattr(config, name)}


def _without_stray_metadata(cell: Any) -> Any:
    import nbformat

    kept = {key: cell.metadata[key] for key in ("slideshow", "tags", "lines_to_next_cell") if key in cell.metadata}
    return nbformat.from_dict({**cell, "metadata": kept})
