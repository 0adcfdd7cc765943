"""The parts of a document that benchmarks write."""

from pathlib import Path


def replace_named(document: Path, name: str, text: str) -> None:
    """What stands between ``<!-- name -->`` and ``<!-- /name -->``."""
    replace_section(document, f"<!-- {name} -->", text, f"<!-- /{name} -->")


def replace_section(document: Path, begin: str, text: str, end: str) -> None:
    """What stands between these marks, which stay."""
    before, _, rest = document.read_text().partition(begin)
    document.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")
