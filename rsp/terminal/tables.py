"""Rows as columns of text."""

from collections.abc import Sequence


def table(rows: Sequence[Sequence[object]]) -> None:
    """The first row has the headings."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    for row in texts:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
