"""Words for files that people bring from nginx, Apache, Caddy and frameworks, by where they stand, and what says the
same in rsp.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from rsp.config.content import Files
from rsp.config.errors import Path
from rsp.config.routes import Route
from rsp.config.units import show
from rsp.config.upstreams import Upstream

_FILES: Final = 'route { path = "/static/", files = "/srv/www/static" }'
_ROOT: Final = 'files = "/srv/www" in a route; of scripts: root = "/srv/www" in an upstream with protocol = "fastcgi"'
_INDEX: Final = (
    'files = { root = "/srv/www", index = "index.html" } in a route; of scripts: index = "index.php" in an upstream '
    'with protocol = "fastcgi"'
)
_TRY: Final = 'route { files = "/srv/www", fallback = "/index.html" }, or else_to = "app" in the place of fallback'
_TRY_HERE: Final = 'files = "/srv/www", fallback = "/index.html"; or else_to = "app" in the place of fallback'
_OF_FILES: Final = 'files = { root = "/srv/www", %s } in a route'
_LIST: Final = "list = true"
_HIDE: Final = 'hide = { "*.php" }'
_LINKS: Final = 'symlinks = "none"'
_FOLLOWED: Final = 'symlinks = "all"'
_PRECOMPRESSED: Final = "precompressed = true"  # which is the default
_CACHE: Final = 'cache_control = { ["assets/*"] = "max-age=31536000, immutable", ["*.html"] = "no-cache" }'
_TYPES: Final = 'types = { glb = "model/gltf-binary" }'
_CHARSET: Final = 'charset = "utf-8"'  # likewise
_SENT: Final = "rsp uses sendfile where possible; there is no key for it"
_OPEN: Final = "rsp keeps small files in memory as long as they do not change; there is no key for it"
_VALIDATORS: Final = "rsp sends ETag and Last-Modified with every file; there is no key for it"
_INTERNAL: Final = "rsp passes X-Accel-Redirect and X-Sendfile on to the client and does not evaluate them"
_NOTHING: Final = "rsp only reads files"

# Keys of `files`, by what other programs call them.
_KEYS: Final[dict[str, tuple[str, ...]]] = {
    _LIST: (
        "autoindex", "browse", "listing", "listings", "directorylisting", "dirlisting", "dirlist", "indexes",
        "showindex", "directorybrowsing", "listdirectory", "fancyindex", "autoindexexactsize", "autoindexlocaltime",
        "autoindexformat",
    ),
    "hidden = true": ("dotfiles", "showhidden", "includehidden", "allowdotfiles", "hiddenfiles", "servehidden"),
    _HIDE: ("indexignore", "filesmatch", "denyfiles", "ignore", "ignorefiles", "excludefiles"),
    _LINKS: ("disablesymlinks", "symlink", "links", "symlinksifownermatch"),
    _FOLLOWED: ("followsymlinks", "followsymlink", "followlinks", "allowsymlinks", "allowlinks"),
    _PRECOMPRESSED: (
        "gzipstatic", "brotlistatic", "zstdstatic", "compressstatic", "staticgzip", "servegzip", "usepregzip", "gunzip",
    ),
    _CACHE: (
        "expires", "expiresactive", "expiresbytype", "expiresdefault", "cachecontrolheader", "staticmaxage",
        "cacheage", "staticcache", "cacheheaders",
    ),
    _TYPES: ("addtype", "defaulttype", "mimetypes", "mimetype", "forcetype", "mime", "contenttypes"),
    _CHARSET: ("adddefaultcharset", "addcharset", "charsettypes", "sourcecharset", "defaultcharset"),
}  # fmt: skip

# Settings, and what is a key nowhere: by the word in lower case without underscores.
SAID: Final[dict[str, str]] = {
    **dict.fromkeys(("alias", "static", "staticfiles", "fileserver", "statics", "servestatic", "staticdir"), _FILES),
    **dict.fromkeys(("staticroot", "staticpath", "staticmap", "serve", "servefiles", "spa", "filesystem"), _FILES),
    **dict.fromkeys(("root", "docroot", "documentroot", "webroot", "wwwroot"), _ROOT),
    **dict.fromkeys(("index", "directoryindex", "indexfiles", "indexfile"), _INDEX),
    **dict.fromkeys(("tryfiles", "fallbackresource", "errordocument404", "historyapifallback"), _TRY),
    **{word: _OF_FILES % key for key, words in _KEYS.items() for word in words},
    **dict.fromkeys(
        ("sendfile", "sendfilemaxchunk", "enablesendfile", "enablemmap", "tcpnopush", "aio", "aiowrite", "directio",
         "directioalignment", "outputbuffers", "readahead"),
        _SENT,
    ),
    **dict.fromkeys(
        ("openfilecache", "openfilecachevalid", "openfilecacheerrors", "openfilecacheminuses", "filecache"), _OPEN
    ),
    **dict.fromkeys(("etag", "fileetag", "ifmodifiedsince", "lastmodified", "maxranges", "acceptranges"), _VALIDATORS),
    **dict.fromkeys(("internal", "xaccelredirect", "xsendfile", "xsendfilepath", "sendfileheader"), _INTERNAL),
    **dict.fromkeys(("davmethods", "davaccess", "createfullputpath", "webdav", "dav"), _NOTHING),
}  # fmt: skip

_PLACE: Final = 'it belongs in  files = { root = "/srv/www", %s }'
_BESIDE: Final = "it belongs to the route, beside files: %s"
WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    Files: {
        **dict.fromkeys(
            ("path", "dir", "directory", "folder", "alias", "documentroot", "docroot", "base", "from", "location"),
            'in rsp: root = "/srv/www"',
        ),
        **{word: f"in rsp: {key}" for key, words in _KEYS.items() for word in words},
        **dict.fromkeys(("cache", "headers", "maxage", "cachecontrolmaxage", "immutable", "ttl"), f"in rsp: {_CACHE}"),
        **dict.fromkeys(("extensions", "type", "contenttype"), f"in rsp: {_TYPES}"),
        **dict.fromkeys(("exclude", "deny", "excluded", "except"), f"in rsp: {_HIDE}"),
        **dict.fromkeys(("br", "zst", "gz", "compressed"), f"in rsp: {_PRECOMPRESSED}"),
        **dict.fromkeys(("fallback", "tryfiles", "try", "notfound", "spa"), _BESIDE % 'fallback = "/index.html"'),
        **dict.fromkeys(("elseto", "passthru", "fallthrough", "next", "proxy", "to"), _BESIDE % 'else_to = "app"'),
        **dict.fromkeys(("compress", "gzip", "encode", "brotli", "compression"), _BESIDE % "compress = true"),
        **dict.fromkeys(("strip", "stripprefix"), '"path" of the route is removed already'),
        **dict.fromkeys(("etag", "lastmodified", "ifmodifiedsince", "ranges"), _VALIDATORS),
    },
    Route: {
        **dict.fromkeys(
            (
                "root",
                "alias",
                "static",
                "directory",
                "dir",
                "folder",
                "fileserver",
                "documentroot",
                "staticfiles",
                "file",
            ),
            'in rsp: files = "/srv/www"',
        ),
        **dict.fromkeys(
            ("tryfiles", "fallbackresource", "notfound", "spa", "historyapifallback"),
            f"in rsp: {_TRY_HERE}",
        ),
        **dict.fromkeys(("elseproxy", "otherwise", "orelse", "elseupstream"), 'in rsp: else_to = "app"'),
        **dict.fromkeys(("index", "directoryindex"), _PLACE % 'index = "index.html"'),
        **{word: _PLACE % key for key, words in _KEYS.items() for word in words},
        **dict.fromkeys(("list",), _PLACE % _LIST),
        **dict.fromkeys(("hide",), _PLACE % _HIDE),
        **dict.fromkeys(("hidden",), _PLACE % "hidden = true"),
        **dict.fromkeys(("symlinks",), _PLACE % _LINKS),
        **dict.fromkeys(("precompressed",), _PLACE % "precompressed = true"),
        **dict.fromkeys(("cachecontrol",), _PLACE % _CACHE),
        **dict.fromkeys(("types",), _PLACE % _TYPES),
        **dict.fromkeys(("charset",), _PLACE % 'charset = "utf-8"'),
    },
    Upstream: {
        **dict.fromkeys(("files", "static", "alias"), f"a key of a route: {_FILES}"),
    },
}
_SHORT: Final = {
    "html": "text/html", "css": "text/css", "js": "text/javascript", "javascript": "text/javascript",
    "json": "application/json", "text": "text/plain", "txt": "text/plain", "xml": "application/xml",
    "svg": "image/svg+xml", "png": "image/png", "binary": "application/octet-stream", "plain": "text/plain",
}  # fmt: skip


def type_of(written: str) -> str:
    """``'; write "text/html"'`` for the short name of a type, or ``""``."""
    known = _SHORT.get(written.strip().lstrip("*.").lower())
    return f"; write {show(known)}" if known is not None else ""


def instead(path: Path, key: str, given: Any) -> str:
    """``"; write ..."`` where ``given`` has the wrong shape, or ``""``; ``path``: to the key of this name."""
    texts = [each for each in (given if isinstance(given, list) else [given]) if isinstance(each, str)]
    if key == "files":
        if given is False:
            return '; leave "files" out'
        return f"; write files = {show(texts[0] if texts else '/srv/www')}" + "; a route has one" * (len(texts) > 1)
    if key == "fallback":
        file = next((each for each in reversed(texts) if each[:1] == "/"), "/index.html")
        return f"; write {show(file)}"
    if key == "cache_control":
        return _cache_control(given)
    if key == "else_to" and not isinstance(given, str):
        peers = ", ".join(map(show, texts)) or '"127.0.0.1:8000"'
        return f'; write upstream "app" {{ {peers} }} and else_to = "app"'
    if key == "index" and isinstance(given, bool):
        return '; write "index.html"' if given else '; write ""'
    if key == "charset" and isinstance(given, bool) and path[:1] == ("files",):
        return '; write "utf-8"' if given else '; write ""'
    if key == "hide" and isinstance(given, bool):
        return f"; write {_HIDE}" if given else "; leave it out"
    if key == "hidden" and texts and isinstance(given, list):
        return f"; names that are not served are  hide = {{ {', '.join(map(show, texts))} }}"
    if key == "hide" and isinstance(given, dict):
        return f"; write {{ {', '.join(show(str(name)) for name in given)} }}"
    if (
        path[:1] == ("files",)
        and key == "types"
        and isinstance(given, str | list)
        and any("/" in each for each in texts)
    ):
        return f"; the extension is the key; write {{ ext = {show(texts[0])} }}"
    return _SWITCHES[key](given) if key in _SWITCHES and not isinstance(given, dict) else ""


def of_symlinks(given: Any) -> str:
    """``'; write "none"'`` for an invalid value of ``symlinks``."""
    refused = given is False or str(given).lower() in ("off", "no", "deny", "never", "false", "disable", "if_not_owner")
    return (
        '; write "none"' if refused else '; write "inside"' if given is True or given in ("on", "yes", "follow") else ""
    )


_SWITCHES: Final[dict[str, Callable[[Any], str]]] = {
    "hidden": lambda given: {"deny": "; write false", "ignore": "; write false", "allow": "; write true"}.get(
        str(given), ""
    ),
    "precompressed": lambda given: (
        "; write true: what is there is served"
        if isinstance(given, list) or str(given).lower() in ("br", "brotli", "gzip", "gz", "zstd", "zst")
        else ""
    ),
    "symlinks": of_symlinks,
}


def of_fallback(given: str) -> str:
    """``"; write ..."`` for a fallback that is no path."""
    if given.startswith("@"):
        return f"; write else_to = {show(given[1:])}, the name of an upstream"
    if given.startswith("="):
        return "; a path without a file gets 404, with the page of  page { status = 404, file = ... }"
    if "$" in given or "{" in given:
        return '; write "/index.html": it is one file for all paths'
    if not given:
        return '; write "/index.html", or leave it out'
    if "." not in given:
        return f"; another upstream is else_to = {show(given)} beside files, or failover = {{ to = {show(given)} }}"
    return f"; write {show('/' + given)}"


def _cache_control(given: Any) -> str:
    if isinstance(given, bool):
        return '; write "max-age=3600"' if given else "; leave it out"
    if isinstance(given, int | float):
        return f'; write "max-age={given:.0f}"' if given >= 0 else '; write "no-cache"'
    if isinstance(given, list) and given and all(isinstance(each, str) for each in given):
        return f"; write {show(', '.join(given))}"
    return ""
