"""Writes what was found as a site.lua, with comments that say what to change."""

from collections.abc import Sequence

from rsp.commands.init.found import Backend, Files, Found
from rsp.importing.lua import comment, quoted
from rsp.terminal.plain import plain


def written(found: Found, address: str, name: str) -> str:
    """``address``: of the listener; ``name``: of the file."""
    parts = [_head(name), _listen(address)]
    main = found.main
    if main is None and found.files is not None:
        parts.append(_site(found.files))
    else:
        main = main or _PLAIN
        parts += [_upstream(main), _route(main)]
        parts += [_beside(found.files)] if found.files is not None and not main.root else []
    parts += map(_commented, found.others)
    user = f"user = {quoted(found.user)}  -- of the workers: the owner of the socket\n" if found.user else ""
    parts += [_HTTPS % plain(name), f"{_SETTINGS}{user}", _test(main)]
    return "\n".join(parts)


_PLAIN = Backend("app", ("127.0.0.1:8000",), "An example: write the address of your application.")
_HIDDEN = '{ "*.lua", "*.key", "node_modules" }'  # of a directory that is no public one alone
_HTTPS = """\
-- HTTPS with a self-signed certificate:  rsp certificate example.com >> %s
-- With a certificate of your own:
-- listen "0.0.0.0:443" { tls = true }
-- certificate { "/etc/rsp/example.com.pem", key = "/etc/rsp/example.com.key" }
"""
_SETTINGS = """\
-- Settings are global variables.
access_log = "stdout"  -- or "off", or a path
-- compress = true     -- responses, for clients that accept it
-- workers = 4         -- default: as many as usable cores
"""


def _head(name: str) -> str:
    return f"""\
-- A configuration for rsp, written by `rsp init`.
-- Check it: rsp -t {plain(name)}    Every key: rsp man rsp.lua
"""


def _listen(address: str) -> str:
    port = address.rpartition(":")[2]
    if address.startswith("127."):
        said = f'Where clients connect. Only this machine can; "0.0.0.0:{port}" is for all.'
    else:
        said = "Where clients connect, from this and from other machines."
    return _lines(comment(said), [f"listen {quoted(address)}"])


def _upstream(backend: Backend) -> str:
    peers = [quoted(address) for address in backend.addresses]
    keys = [f'protocol = "{backend.protocol}"'] if backend.protocol != "http" else []
    keys += [f"root = {quoted(backend.root)}"] if backend.root else []
    body = [f"  {entry}," for entry in (*peers, *keys)]
    if backend.protocol == "http":
        body.append('  -- health = "/",  -- request this path from each peer; a peer that fails gets no traffic')
    return _lines(comment(f"{backend.said.removesuffix('.')}."), [f"upstream {quoted(backend.name)} {{"], body, ["}"])


def _route(backend: Backend) -> str:
    to = quoted(backend.name)
    if backend.root:
        said = comment("Files are served as they are; PHP gets all other requests.")
        files = f"{{ root = {quoted(backend.root)}, hide = {_HIDDEN} }}"
        return _lines(said, [f"route {{ files = {files}, else_to = {to} }}"])
    return _lines(comment("All requests go there. More keys of routes: rsp man rsp.lua"), [f"route {{ to = {to} }}"])


def _beside(files: Files) -> str:
    route = f'-- route {{ path = "/static/", files = {quoted(files.root)} }}'
    return _lines(comment("There are files as well, which rsp can serve:"), [route])


def _site(files: Files) -> str:
    hide = f", hide = {_HIDDEN}" if files.is_project else ""
    lines = ["route {", f"  files = {{ root = {quoted(files.root)}{hide} }},"]
    if files.is_application:
        lines.append('  fallback = "/index.html",  -- for paths without a file, which are the application\'s own')
    return _lines(comment("Static files. A directory is answered with its index.html."), lines, ["}"])


def _commented(backend: Backend) -> str:
    """Which requests are for it, only the user knows."""
    peers = ", ".join(quoted(address) for address in backend.addresses)
    key = f', protocol = "{backend.protocol}"' if backend.protocol != "http" else ""
    lines = [
        f"upstream {quoted(backend.name)} {{ {peers}{key} }}",
        f'route {{ path = "/{backend.name}/", to = {quoted(backend.name)} }}',
    ]
    return _lines(comment(f"Also found: {backend.said}."), [f"-- {line}" for line in lines])


def _test(backend: Backend | None) -> str:
    wanted = f"r.upstream == {quoted(backend.name)}" if backend is not None and not backend.root else "r.status < 500"
    return f"""\
-- Tests run with rsp -t, without a network.
test("requests are answered", function()
  local r = simulate {{ path = "/" }}
  assert({wanted})
end)
"""


def _lines(*parts: Sequence[str]) -> str:
    return "\n".join(line for part in parts for line in part) + "\n"
