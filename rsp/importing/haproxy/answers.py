"""What HAProxy answers by itself: ``redirect``, ``return`` and ``deny`` as keys of a route."""

import re
from collections.abc import Callable
from typing import Any, Final

from rsp.importing.ordered.condition import ALL, Condition, Inexpressible, Path
from rsp.importing.ordered.rules import redirection

Text = Callable[[str], str]  # a log format as a text of rsp's
_VALUED: Final = ("location", "prefix", "scheme", "code", "set-cookie", "set-cookie-fmt", "clear-cookie")
_PLAIN: Final = frozenset(("ignore-empty", "drop-query", "append-slash"))
_WITH_SLASH: Final = Condition(path=Path("suffix", "/"))


def redirects(words: list[str], text: Text) -> list[tuple[Condition, dict[str, Any]]]:
    """One after the other, each where its condition holds.  Raises :class:`Inexpressible`."""
    pairs: dict[str, str] = {}
    flags: set[str] = set()
    index = 0
    while index < len(words):
        if words[index] in _VALUED and index + 1 < len(words):
            pairs[words[index]] = words[index + 1]
            index += 2
        else:
            flags.add(words[index])
            index += 1
    if flags - _PLAIN:
        raise Inexpressible(f"rsp's redirects have no {', '.join(sorted(flags - _PLAIN))}")
    code = int(pairs.get("code", "302"))
    cookie = _cookie(pairs, text)
    if "location" in pairs:
        return [(ALL, {**redirection(text(pairs["location"]), code), **cookie})]
    if "scheme" in pairs:
        return [(ALL, {**redirection(f"{text(pairs['scheme'])}://{{authority}}{{uri}}", code), **cookie})]
    if "prefix" not in pairs:
        raise Inexpressible("rsp has no such redirect")
    prefix = text(pairs["prefix"])
    prefix = "" if prefix == "/" else prefix.rstrip("/")
    if "drop-query" not in flags:
        return [(ALL, {**redirection(f"{prefix}{{uri}}", code), **cookie})]
    # What begins with a path has to be a redirect of rsp's, so that it never leads to another host.
    end = "" if "://" in prefix else "?"
    plain = {**redirection(f"{prefix}{{path}}{end}", code), **cookie}
    if "append-slash" not in flags:
        return [(ALL, plain)]
    return [(_WITH_SLASH, plain), (ALL, {**redirection(f"{prefix}{{path}}/{end}", code), **cookie})]


def _cookie(pairs: dict[str, str], text: Text) -> dict[str, Any]:
    if "clear-cookie" in pairs:
        value = f"{braces(pairs['clear-cookie']).rstrip('=')}=; path=/; Max-Age=0;"
    elif "set-cookie-fmt" in pairs:
        value = f"{text(pairs['set-cookie-fmt'])}; path=/;"
    elif "set-cookie" in pairs:
        value = f"{braces(pairs['set-cookie'])}; path=/;"
    else:
        return {}
    return {"response_headers": {"add": {"Set-Cookie": value}}}


def returned(words: list[str], text: Text) -> dict[str, Any]:
    """Raises :class:`Inexpressible`."""
    respond: dict[str, Any] = {}
    index = 0
    while index + 1 < len(words):
        name, value = words[index], words[index + 1]
        index += 2
        if name == "status" and value.isdigit():
            respond["status"] = int(value)
        elif name == "content-type":
            respond["type"] = value
        elif name == "string":
            respond["body"] = braces(value)
        elif name == "lf-string":
            respond["body"] = text(value)
        elif name == "hdr" and index < len(words):
            respond.setdefault("headers", {})[value] = text(words[index])
            index += 1
        else:
            raise Inexpressible(f"rsp has no answer with {name} {value}")
    return {"respond": respond}


def braces(text: str) -> str:
    return re.sub(r"\{([\w.-]+)\}", r"{{\1}}", text)
