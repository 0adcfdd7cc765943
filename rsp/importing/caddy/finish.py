"""A route's keys, once all directives that it has met are known: files and their directory, prefixes, fields."""

from typing import Any, Final

from rsp.importing.ordered.condition import Path
from rsp.importing.ordered.routes import Form

_FIRST: Final = ("to", "files", "redirect", "respond")
_TO_PEERS: Final = ("rewrite", "strip", "send_host", "request_headers", "timeouts", "request_buffering")
_INDEX: Final = ["index.html", "index.txt"]


def finished(keys: dict[str, Any], form: Form, path: Path | None) -> dict[str, Any]:
    """``_lost``: what cannot be said, as reason and text."""
    keys = dict(keys)
    root, tried, stripped = keys.pop("_root", ""), keys.pop("_try", None), keys.pop("_strip", "")
    static, files = keys.pop("_static", False), keys.pop("_files", None)
    keys.pop("_loose", None)
    prefix = path.text if path is not None and form == "path" else ""
    if static and stripped:
        keys["_lost"] = ("scripts below handle_path", f"strip {stripped}")
        static = False
    if files is not None or static:
        found = dict(files or {})
        if static and found.get("index") in (None, _INDEX):
            found.pop("index", None)
        top = (found.pop("root", "") or root or ".").rstrip("/")
        taken = prefix.rstrip("/") if "rewrite" not in keys else ""
        if stripped and form != "path":
            keys |= _rewritten(stripped, form, path)
        else:
            taken = taken.removeprefix(stripped)
        found = {"root": top + taken or "/", **found}
        keys["files"] = found["root"] if len(found) == 1 else found
    elif stripped and "to" in keys:
        keys |= _stripped(keys, stripped, form, path)
    if static:
        keys["else_to"] = keys.pop("to")
        if tried and not tried[-1].startswith(("/index.php", "index.php")) and tried[-1] != "=404":
            keys["_lost"] = ("rsp looks for files and then for the script", f"try_files {' '.join(tried)}")
    elif tried and files is not None:
        keys |= _fallback(tried)
    elif tried and "to" in keys:
        keys["_lost"] = ("rsp looks for files where it serves them", f"try_files {' '.join(tried)}")
    if "to" not in keys and "else_to" not in keys:
        keep = "rewrite" if "files" in keys else ""
        keys = {name: value for name, value in keys.items() if name not in _TO_PEERS or name == keep}
    return _tidy(keys)


def _tidy(keys: dict[str, Any]) -> dict[str, Any]:
    headers = keys.get("response_headers")
    if isinstance(headers, dict):
        order = ("remove", "set", "add", "own")
        keys["response_headers"] = {name: headers[name] for name in order if name in headers}
    if "respond" in keys or "redirect" in keys:
        keys.pop("compress", None)
        keys.pop("limits", None)
    first: dict[str, Any] = {name: keys[name] for name in _FIRST if name in keys}
    return {**first, **{name: value for name, value in keys.items() if name not in first}}


def _fallback(tried: list[str]) -> dict[str, Any]:
    *before, last = tried
    plain = all(each in ("{path}", "{path}/", "{path}/index.html") for each in before)
    if plain and last.startswith("/") and "{" not in last and not last.endswith("/"):
        return {"fallback": last.partition("?")[0]}
    if plain and last == "/":
        return {"fallback": "/index.html"}
    if plain and (last == "=404" or last in ("{path}", "{path}/", "{path}/index.html")):
        return {}
    return {"_lost": ("rsp has one fallback", f"try_files {' '.join(tried)}")}


def _stripped(keys: dict[str, Any], stripped: str, form: Form, path: Path | None) -> dict[str, Any]:
    """Keys that take a prefix off; with a rewrite behind it, both."""
    after = keys.get("rewrite", "{path}")
    if after == "{path}" and form == "path" and path is not None:
        if path.text.rstrip("/") == stripped:
            return {"strip": True}
        return {"rewrite": path.text.removeprefix(stripped)}
    begin = after.removesuffix("{path}").removesuffix("{uri}").rstrip("/")
    if "{" in begin or begin == after.rstrip("/"):
        return {} if "{" not in after else {"_lost": ("two changes of the path", f"rewrite {after}"), **_GONE}
    if form == "path" and path is not None:
        return {"rewrite": begin + path.text.removeprefix(stripped) or "/"}
    return _rewritten(stripped, form, path, begin)


_GONE: Final = {"respond": {"status": 503}}


def _rewritten(stripped: str, form: Form, path: Path | None, begin: str = "") -> dict[str, Any]:
    if path is None:
        return {"_lost": ("a prefix is taken off of all paths", f"strip {stripped}")}
    if form == "exact" or path.kind == "exact":
        return {"rewrite": begin + (path.text.removeprefix(stripped) or "/")}
    expression = path.expression()
    fold = "(?i)" if expression.startswith("(?i)") else ""
    body = expression.removeprefix("(?i)").removeprefix("^").removesuffix("$")
    if not body.startswith(stripped):
        return {"_lost": ("a prefix is taken off of a regular expression", f"strip {stripped}"), **_GONE}
    inner = body.removeprefix(stripped)
    if path.kind == "tree":
        inner = "(?:/|$)".join(inner.rsplit("(?:/|$)", 1)).removesuffix("(?:/|$)") + "(?:/.*|$)"
        return {"regex": f"{fold}^{stripped}({inner})", "rewrite": f"{begin or '/'}{{1}}".replace("//", "/")}
    open_end = "" if expression.endswith("$") else ".*"
    return {"regex": f"{fold}^{stripped}({inner}{open_end})$", "rewrite": begin + "{1}"}
