"""What of haproxy.cfg no other file has taken: it is dropped, told or lost, by its name."""

from typing import Final

from rsp.importing.haproxy import words
from rsp.importing.haproxy.sections import Line, Section
from rsp.importing.haproxy.values import is_time
from rsp.importing.site import Note, Site, Untranslated
from rsp.importing.wordlist import words as word_set

_UNSAID: Final = word_set(
    "mode bind acl default-server server server-template balance hash-type cookie stick-table timeout contimeout "
    "clitimeout srvtimeout http-check tcp-check"
)
_PREFIXES: Final = (
    "tune.", "ssl-", "ocsp-update.", "51degrees", "wurfl", "deviceatlas", "profiling.", "httpclient.", "dns-accept",
    "harden.", "clitcpka", "srvtcpka",
)  # fmt: skip
_KNOWN: Final = ("global", "defaults", "frontend", "backend", "listen")


def leftovers(site: Site, section: Section) -> None:
    """Every line that is not used yet."""
    if section.kind in words.OTHER_SECTIONS:
        site.add(Note(words.OTHER_SECTIONS[section.kind], section.origin))
    elif section.kind not in _KNOWN:
        site.add(Untranslated("rsp has no such section", section.text, section.origin))
    else:
        for line in section.lines:
            if not line.used:
                _leftover(site, section, line)


def _leftover(site: Site, section: Section, line: Line) -> None:
    plain = line.rest if line.first == "no" and len(line.words) > 1 else line.words
    name = plain[0]
    if name == "option" and len(plain) > 1:
        if plain[1] in words.DROPPED_OPTIONS or plain[1] in ("httpchk", "forwardfor"):
            site.drop(f"option {plain[1]}")
        else:
            site.add(Untranslated("rsp has no such option", line.text, line.origin))
    elif name in words.NOTES:
        told = "rspctl has what HAProxy's socket tells" if section.kind == "global" else words.NOTES[name]
        site.add(Note(told, line.origin))
    elif name == "timeout" and not is_time(plain[-1]):
        site.add(Untranslated(f'"{plain[-1]}" is not a time', line.text, line.origin))
    elif name == "filter" and plain[1:2] in (["compression"], ["cache"], ["trace"]):
        site.drop(f"filter {plain[1]}")
    elif name in _UNSAID:
        return
    elif name in words.DROPPED or name.startswith(_PREFIXES):
        site.drop(name)
    else:
        site.add(Untranslated(_reason(name), line.text, line.origin))


def _reason(name: str) -> str:
    if name in ("lua-load", "lua-load-per-thread"):
        return "Lua of HAProxy is not Lua of rsp: see docs/lua.md"
    if name in ("filter", "use-fcgi-app"):
        return "rsp has no such filter"
    return f'"{name}" is not understood'


def users(site: Site, section: Section) -> None:
    """A userlist that is asked for: rsp has it in a file."""
    for line in section.lines:
        if line.first != "user" or len(line.words) < 4:
            continue
        file, name = f"{section.name}.htpasswd", line.words[1]
        if line.words[2] == "password":
            site.add(Note(f"a line of {file}, beside this file: {name}:{line.words[3]}", line.origin))
        else:
            site.add(Note(f"rsp wants hashed passwords: htpasswd -B {file} {name}", line.origin))
