"""rsp's own loader reads what an import has written; a part that it refuses becomes an :class:`Untranslated`.

So whatever is printed loads, but for files (certificates, passwords) that are not on this machine: those are notes.
"""

import re
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from rsp.config.errors import ConfigError
from rsp.importing.lua import Written, write
from rsp.importing.repair import repaired
from rsp.importing.site import Declaration, Note, Part, Site, Unreadable, Untranslated, Value
from rsp.lua.evaluate import evaluate
from rsp.system.forked import Failed, Forked

_PATIENCE: Final = 30.0  # seconds
_LINE: Final = re.compile(r"^(?P<file>[^:]*):(?P<line>[0-9]+): (?P<text>.*)$", re.DOTALL)
_MISSING: Final = re.compile(
    r"there is no such file|no such (?:file|directory)|cannot open|may not read", re.IGNORECASE
)
MATCHING: Final = ("listener", "host", "path", "exact", "regex", "first", "methods", "headers", "query", "cookies",
                   "client")  # fmt: skip


def checked(site: Site, directory: str, name: str = "site.lua") -> Written:
    """What is written of ``site`` once all that does not load has become an :class:`Untranslated`.

    ``directory``: where the file will be; relative names of certificates are looked up there.

    Raises :class:`Unreadable` where nothing of it can be loaded, which is a defect of the reader.
    """
    for _ in range(len(site.parts) + 2):
        written = write(site, name)
        messages = _messages(written.text)
        found = [match for match in map(_LINE.match, messages) if match is not None]
        # Of mistakes and files that are missing, mistakes come first: files are not looked for before.
        wrong = [match for match in found if not _MISSING.search(match["text"])]
        if not wrong and len(found) == len(messages):
            for match in found:
                site.add(Note(f"on this machine, {match['text']}"))
            lacking = _certificates(site, directory)
            for note in lacking:
                site.add(note)
            return write(site, name) if found or lacking else written
        if not wrong:
            raise Unreadable(f"the result does not load: {messages[0]}")
        mended: list[Part] = []
        for match in wrong:
            part = written.part_at(int(match["line"]))
            if part is None:
                raise Unreadable(f"the result does not load: {match['text']}")
            if any(part is each for each in mended):
                continue
            if repaired(site, part):
                mended.append(part)
            else:
                _give_up(site, part, match["text"])
    raise Unreadable("the result does not load")


def _certificates(site: Site, directory: str) -> list[Note]:
    """What to do to try the result without the certificates of another machine."""
    declared = [part for part in site.parts if isinstance(part, Declaration) and part.word == "certificate"]
    files = [part.items[0] for part in declared if part.items]
    lacking = [
        file for file in files if isinstance(file, str) and "*" not in file and not Path(directory, file).exists()
    ]
    if not lacking:
        return []
    hosts = [part.keys["host"] for part in site.parts if isinstance(part, Declaration) and "host" in part.keys]
    names = [host for each in hosts for host in (each if isinstance(each, list) else [each]) if isinstance(host, str)]
    folder = Path(lacking[0]).parent.name  # as certbot has them: of the name
    named = list(dict.fromkeys(name for name in names if not name.endswith("*")))
    named = named or [folder if "." in folder else "localhost"]
    more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
    command = f"rsp certificate {' '.join(named[:4])}"
    return [Note(f"on this machine, there is no {lacking[0]}{more}; to try the result, name the files of: {command}")]


def _give_up(site: Site, part: Part, reason: str) -> None:
    """``part`` is not valid: an :class:`Untranslated`, and what refuses its requests where it was a route."""
    if part not in site.parts:
        return
    index = next(index for index, each in enumerate(site.parts) if each is part)
    origin = getattr(part, "origin", None)
    text = " ".join(write(Site("", "", [part])).text.split("\n\n", 1)[-1].split())
    instead: list[Part] = [Untranslated(f"rsp refuses what it would be ({reason.rstrip('.')})", text, origin)]
    if isinstance(part, Declaration) and part.word == "route":
        instead += _refusal(part)
    site.parts[index : index + 1] = instead


def _refusal(route: Declaration) -> list[Part]:
    """A route for the same requests, without anything that could be what was wrong; nothing for a second time."""
    if route.keys.get("respond") == {"status": 503}:
        return []
    keys: dict[str, Value] = {key: value for key, value in route.keys.items() if key in MATCHING}
    keys["respond"] = {"status": 503}
    return [Declaration("route", keys=keys, origin=route.origin)]


def _messages(text: str) -> list[str]:
    """The loader's complaints about ``site.lua``; none: it loads.  In a process of its own."""
    with tempfile.TemporaryDirectory(prefix="rsp-import-") as folder:
        path = Path(folder, "site.lua")
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        forked = Forked(lambda: _evaluate(str(path)), _PATIENCE)
        forked.wait()
        try:
            messages = msgspec.json.decode(forked.result(), type=list[str])
            return [message.replace(f"{folder}/", "") for message in messages]
        except Failed as error:
            raise Unreadable(f"the result cannot be checked: its evaluation {error}") from None


def _evaluate(path: str) -> bytes:
    try:
        evaluate(path)
    except ConfigError as error:
        return msgspec.json.encode(list(error.messages))
    return b"[]"
