"""What can be wrong with the value of Cache-Control (RFC 9111 section 5.2.2)."""

import re
from typing import Final

from rsp.config.errors import suggest
from rsp.config.struct import TOKEN
from rsp.config.units import Duration, show

_WITH_SECONDS: Final = ("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error")
_PLAIN: Final = (
    "no-cache", "no-store", "no-transform", "must-revalidate", "must-understand", "proxy-revalidate", "private",
    "public", "immutable",
)  # fmt: skip
_DIRECTIVE: Final = re.compile(r'\s*((?:[^,"]|"(?:[^"\\]|\\.)*")*)\s*(?:,|$)')
_YEAR: Final = "max-age=31536000"
_LONG: Final = re.compile(r"\+?([0-9]+)(w|M|y)")  # of nginx and Caddy, beside those of a duration
_DAYS: Final = {"w": 7, "M": 30, "y": 365}
# What `expires` of nginx and Caddy takes.
_WORDS: Final = {
    "max": f'write "{_YEAR}, immutable"', "epoch": 'write "no-cache"', "never": f'write "{_YEAR}, immutable"',
    "off": "leave it out", "none": "leave it out", "modified": 'write "max-age=3600"',
}  # fmt: skip


def mistake(value: str) -> str:
    """What is wrong with ``value``; empty: nothing."""
    text = value.strip()
    if text.lower().startswith("cache-control:"):
        return f"write the value alone: {show(text.partition(':')[2].strip())}"
    if text.lower() in _WORDS:
        return f"{show(value)} is not a value of Cache-Control; {_WORDS[text.lower()]}"
    if (seconds := _seconds(text)) is not None:
        return f'{show(value)} is not a value of Cache-Control; write "max-age={seconds}"'
    for found in _DIRECTIVE.finditer(text):
        if found[1] and (said := _directive_mistake(found[1].strip())):
            return said
    return ""


def _directive_mistake(directive: str) -> str:
    name, equals, argument = (part.strip() for part in directive.partition("="))
    lower = name.lower()
    if lower in _WITH_SECONDS:
        seconds = _seconds(argument)
        if not re.fullmatch(r"[0-9]+", argument):
            way = f"; write {show(f'{lower}={seconds}')}" if seconds is not None else f', as in "{lower}=3600"'
            return f"{show(directive)}: expected a number of seconds{way}"
        return ""
    known = suggest(lower, (*_WITH_SECONDS, *_PLAIN)) if lower not in _PLAIN else ""
    if spaced := re.fullmatch(r"([a-z-]+)[:\s]+([0-9]+)", lower):
        return f"{show(directive)} is not a directive of Cache-Control; write {show('='.join(spaced.groups()))}"
    if TOKEN.fullmatch(name) is None or known:
        said = known or '; directives stand with commas between them, as in "public, max-age=3600"'
        return f"{show(directive)} is not a directive of Cache-Control{said}"
    return f"{show(directive)}: a value is missing after =" if equals and not argument else ""


def _seconds(text: str) -> int | None:
    """Of a duration such as ``30d``."""
    if long := _LONG.fullmatch(text):
        return int(long[1]) * _DAYS[long[2]] * 86400
    try:
        return int(Duration.parse(float(text) if re.fullmatch(r"[0-9]+", text) else text.lstrip("+")))
    except ValueError:
        return None
