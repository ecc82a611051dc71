"""The accuracies of the semi-supervised VAE as one table: variants down, numbers of labels across, published above ours."""

from __future__ import annotations

from collections.abc import Sequence

from helpers.reproduce.rows import Row
from helpers.reproduce.ssvae_settings import LABELS, PUBLISHED, WORDS, row_name


def accuracy_table(rows: Sequence[Row]) -> str:
    """A line published and a line ours for each variant, a column for each number of labels; in percent.

    Args:
        rows: Rows of `reproduce ssvae`; others are ignored.

    Returns:
        Markdown. Ours: mean over splits ± its standard error (number of splits); a dash if there is no run.
    """
    by_name = {row.name: row for row in rows}

    def ours(name: str) -> str:
        row = by_name.get(name)
        if row is None or not row.runs:
            return "–"
        spread = "" if row.standard_error is None else f" ± {100 * row.standard_error:.2f}"
        return f"{100 * row.mean:.2f}{spread} ({len(row.runs)})"

    lines = [
        "| | | " + " | ".join(f"{labels:,} labels" for labels in LABELS) + " |",
        "|---|---|" + "---|" * len(LABELS),
    ]
    for variant, words in WORDS.items():
        published = " | ".join(f"{100 * PUBLISHED[variant][labels]:.4g}" for labels in LABELS)
        lines.append(f"| {words} | published | {published} |")
        lines.append("| | ours | " + " | ".join(ours(row_name(variant, labels)) for labels in LABELS) + " |")
    return "\n".join(lines)
