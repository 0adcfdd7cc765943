"""Pages of the documentation as what a reader does: files to write, commands to type, output to see.

The rules, which pages follow and a reader can see:

- a fenced block with a title is a file: ``lua title="site.lua"``;
- ``sh`` is commands, ``console`` commands behind ``$`` with what they print;
- in output, ``...`` stands for any text, alone on a line for any lines; runs of spaces count as one space;
- a comment ``# exit status N`` behind a command says how it ends, if that is not 0;
- an indented block is commands if its first line begins with ``$`` or with the name of a program.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
_PROGRAMS = (
    "rsp|rspctl|curl|openssl|make|pip|systemctl|docker|htpasswd|cat|mv|kill|install|python3?|kubectl|etcdctl|certbot"
    "|acme.sh|apt-get|touch|rm|sysctl|ln|mkdir"
)


@dataclass(frozen=True)
class Block:
    """``line``: of its first line of text."""

    page: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def place(self) -> str:
        page = self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page
        return f"{page}:{self.line}"


@dataclass(frozen=True)
class File:
    place: str
    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """``output``: what the page shows, or None where it shows nothing."""

    place: str
    text: str
    output: str | None = None

    @property
    def status(self) -> int:
        told = re.search(r"# exit status (\d+)$", self.text)
        return int(told[1]) if told else 0


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, wherever they are indented."""
    lines = page.read_text().split("\n")
    number = 0
    while number < len(lines):
        opening = re.match(r"( *)```(\w*)(.*)$", lines[number])
        number += 1
        if opening is None:
            continue
        title = re.search(r'title="([^"]*)"', opening[3])
        start = number
        while lines[number].strip() != "```":
            number += 1
        text = "\n".join(line.removeprefix(opening[1]) for line in lines[start:number])
        yield Block(page, start + 1, opening[2], title[1] if title else "", text + "\n")
        number += 1


def indented(page: Path) -> Iterator[Block]:
    """Indented blocks of commands, outside of lists and fences."""
    text = re.sub(r"(?ms)^( *)```.*?^ *```$", lambda match: re.sub(r"(?m)^.*$", "", match[0]), page.read_text())
    for found in re.finditer(r"(?m)(?<=\n\n)((?: {4}.*\n)+)", text):
        inside = re.sub(r"(?m)^ {4}", "", found[1])
        if re.match(rf"\$ |(?:\S*/)?(?:{_PROGRAMS}) ", inside):
            language = "console" if inside.startswith("$ ") else "sh"
            yield Block(page, text.count("\n", 0, found.start()) + 1, language, "", inside)


def steps(page: Path) -> list[File | Command]:
    done: list[File | Command] = []
    for block in sorted([*blocks(page), *indented(page)], key=lambda block: block.line):
        if block.title:
            done.append(File(block.place, block.title, block.text))
        elif block.language == "sh":
            done += [Command(block.place, command) for command in commands(block.text)]
        elif block.language == "console":
            done += _shown(block)
    return done


def _shown(block: Block) -> Iterator[Command]:
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command = next(commands(part))
        yield Command(block.place, command, part[len(command) :].strip("\n"))


def commands(text: str) -> Iterator[str]:
    """One at a time: lines that end in a backslash, here-documents and open quotes go on."""
    whole = ""
    for line in text.split("\n"):
        whole = f"{whole}\n{line}" if whole else line
        if not whole.strip() or (whole.lstrip().startswith("#") and "\n" not in whole):
            whole = ""
        elif not _goes_on(whole):
            yield whole
            whole = ""


def _goes_on(text: str) -> bool:
    if text.endswith("\\"):
        return True
    marker = re.search(r"<<-?\s*['\"]?(\w+)", text)
    if marker:
        return not re.search(rf"^\s*{marker[1]}$", text, re.MULTILINE)
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return True
    return False


def matches(expected: str, seen: str, *, whole: bool = True) -> bool:
    """Whether ``seen`` is, or has, what a page shows."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*?") + r"\n"
        for line in _plain(expected)
    )
    text = "".join(f"{line}\n" for line in _plain(seen))
    return bool((re.fullmatch if whole else re.search)(pattern, text))


def _plain(text: str) -> list[str]:
    """Its lines without colours, and with one space for several."""
    text = re.sub(r"\x1b\[[0-9;]*m|\r", "", text)
    return [re.sub(r"\s+", " ", line).strip() for line in text.strip().split("\n")]
