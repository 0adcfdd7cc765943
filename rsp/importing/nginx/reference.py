"""The table of nginx's directives in docs/import.md: ``python -m rsp.importing.nginx.reference docs/import.md``."""

import sys
from pathlib import Path
from typing import Final

from rsp.importing.nginx.syntax.words import DROPPED, FAMILIES, HANDLED, NOTED

BEGIN: Final = "<!-- directives -->\n"
END: Final = "<!-- /directives -->\n"
_FAMILIES: Final = f"`*_` stands for {', '.join(f'`{family}_`' for family in FAMILIES)}."


def table() -> str:
    """As it stands between the marks."""
    lines = [_FAMILIES, "", "| nginx | what rsp does with it |", "|---|---|"]
    lines += [f"| {_listed(names.split())} | {said} |" for names, said in HANDLED.items()]
    told: dict[str, list[str]] = {}
    for name, said in NOTED.items():
        if said:
            told.setdefault(said, []).append(name)
    lines += [f"| {_listed(names)} | a note: {said} |" for said, names in told.items()]
    lines.append(f"| {_listed(sorted(DROPPED))} | left out: rsp does it by itself, or tunes it otherwise |")
    return "\n".join(lines) + "\n"


def renewed(text: str) -> str:
    """The page with the table of today."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _listed(names: list[str]) -> str:
    """Those that all protocols of peers have are one name."""
    joined: dict[str, None] = {}
    for name in names:
        family, _, word = name.partition("_")
        is_of_all = family in FAMILIES and all(f"{each}_{word}" in names for each in FAMILIES)
        joined[f"*_{word}" if is_of_all else name] = None
    return " ".join(f"`{name}`" for name in joined)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(renewed(page.read_text()))
