"""The published number beside ours: `python -m helpers.reproduce NAME`. Rows land in `results/`, trained weights in `weights/`."""

from helpers.reproduce.rows import read_row, read_rows

__all__ = ["read_row", "read_rows"]
