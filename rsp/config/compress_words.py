"""Words for compression that people bring from nginx, Caddy, Traefik, HAProxy and Apache, by where they stand, and what
says the same in rsp.
"""

from typing import Any, Final

import msgspec

from rsp.config.content import CODINGS, Compress
from rsp.config.errors import Path
from rsp.config.routes import Route
from rsp.config.units import show

_ON: Final = "compress = true, for all or in a route"
_TABLE: Final = "compress = { %s }, for all or in a route"
_ALGORITHMS: Final = 'algorithms = { "zstd", "br", "gzip" }'
_TYPES: Final = 'types = { "text/*", "application/json" }'
_SIZE: Final = 'min_size = "1KB"'
_LEVEL: Final = "level = 4"
_VARY: Final = "rsp writes Vary: Accept-Encoding where it is needed; there is no key for it"
_PEERS: Final = (
    "responses that peers have compressed are passed on as they are; to have rsp compress them: request_headers = "
    '{ remove = { "Accept-Encoding" } } in a route'
)
_EXCEPT: Final = "types names what is compressed; nothing else is, and a route may say compress = false"
_BOUNDED: Final = "the memory of a compressed response is bounded; there is no key for it"
# Keys of `compress`, by what other programs call them.
_KEYS: Final[dict[str, tuple[str, ...]]] = {
    _TYPES: (
        "gziptypes", "brotlitypes", "zstdtypes", "compressiontype", "compressiontypes", "includedcontenttypes",
        "mimetypes", "contenttypes", "contenttype", "compresstypes", "compressmimetypes", "addoutputfilterbytype",
        "compressibletypes",
    ),
    _SIZE: (
        "gzipminlength", "brotliminlength", "zstdminlength", "minimumlength", "minlength", "minresponsebodybytes",
        "minsizeres", "threshold", "minimumsize", "mincontentlength", "compressminsize", "minbytes",
    ),
    _LEVEL: (
        "gzipcomplevel", "brotlicomplevel", "zstdcomplevel", "deflatecompressionlevel", "brotlicompressionquality",
        "compressionlevel", "complevel", "quality", "compresslevel", "tunecompmaxlevel",
    ),
    _ALGORITHMS: (
        "encodings", "encoding", "compressionalgo", "compressionalgorithm", "algo", "algorithm", "formats", "prefer",
        "defaultencoding", "codings", "algos", "compressors",
    ),
    _EXCEPT: ("excludedcontenttypes", "excludetypes", "exclude", "except", "excluded", "gzipdisable"),
    _VARY: ("gzipvary", "vary", "brotlivary"),
    _PEERS: ("gzipproxied", "compressionoffload", "offload", "gunzip", "decompress", "proxied"),
    _BOUNDED: (
        "gzipbuffers", "brotlibuffers", "zstdbuffers", "gzipwindow", "brotliwindow", "gziphash", "tunezlibmemlevel",
        "tunezlibwindowsize", "gziphttpversion", "deflatebuffersize", "deflatememlevel", "deflatewindowsize", "buffers",
        "window", "maxcomprate", "maxcompcpuusage",
    ),
}  # fmt: skip
_KEYED: Final = (_TYPES, _SIZE, _LEVEL, _ALGORITHMS)
_OF_ANY: Final = (
    "gzip", "brotli", "zstd", "deflate", "encode", "compression", "compressor", "compressresponse", "outputcompression",
    "setoutputfilter", "gzipon", "enablecompression", "zlib", "br", "filtercompression",
)  # fmt: skip
_ANYWHERE: Final = {word: _TABLE % key if key in _KEYED else key for key, words in _KEYS.items() for word in words}
# Words that are rather about something else where they stand by themselves.
_ONLY_WITHIN: Final = frozenset(
    ("algorithm", "algo", "encoding", "exclude", "except", "excluded", "vary", "buffers", "window", "threshold",
     "proxied", "prefer", "contenttype", "offload", "mimetypes", "contenttypes", "minimumsize", "minlength")
)  # fmt: skip

# Settings, and what is a key nowhere: by the word in lower case without underscores.
SAID: Final[dict[str, str]] = {
    **dict.fromkeys(_OF_ANY, _ON),
    **{word: said for word, said in _ANYWHERE.items() if word not in _ONLY_WITHIN and word != "gunzip"},
}
WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    Compress: {
        **dict.fromkeys(("gzip", "brotli", "br", "zstd", "deflate"), f"in rsp: {_ALGORITHMS}"),
        **dict.fromkeys(("enabled", "enable", "on", "active"), "in rsp: compress = true"),
        **dict.fromkeys(("match", "type", "mime", "include"), f"in rsp: {_TYPES}"),
        **dict.fromkeys(("minimum", "size", "length", "min"), f"in rsp: {_SIZE}"),
        **{word: f"in rsp: {key}" if key in _KEYED else key for key, words in _KEYS.items() for word in words},
    },
    Route: {
        **dict.fromkeys(_OF_ANY, "in rsp: compress = true"),
        **dict.fromkeys(("algorithms",), f"it belongs in  compress = {{ {_ALGORITHMS} }}"),
        **dict.fromkeys(("minsize",), f"it belongs in  compress = {{ {_SIZE} }}"),
        **dict.fromkeys(("level",), f"it belongs in  compress = {{ {_LEVEL} }}"),
    },
}

_NAMES: Final = {
    "brotli": "br", "zstandard": "zstd", "zst": "zstd", "gz": "gzip", "x-gzip": "gzip", "isal": "gzip", "br": "br",
    "zstd": "zstd", "gzip": "gzip",
}  # fmt: skip


def of_algorithm(given: Any) -> str:
    """``'; write "br"'`` for another name of an algorithm."""
    if str(given).lower() in ("*", "all", "any", "auto"):
        return f"; write {{ {', '.join(map(show, CODINGS))} }}"
    if str(given).lower() in ("deflate", "zlib", "raw-deflate", "identity", "lz4", "snappy", "compress"):
        return "; browsers know these three"
    name = _NAMES.get(str(given).lower())
    return f"; write {show(name)}" if name is not None else ""


def instead(path: Path, key: str, given: Any) -> str:
    """``"; write ..."`` where ``given`` has the wrong shape, or ``""``; ``path``: to the key of this name."""
    if path[:1] != ("compress",):
        return ""
    if key == "compress":
        return _compress(given)
    if key == "algorithms" and isinstance(given, str):
        names = [_NAMES[word] for word in given.lower().replace(",", " ").split() if word in _NAMES]
        return f"; write {{ {', '.join(map(show, names or CODINGS))} }}"
    if key == "level" and isinstance(given, str):
        return {"fastest": "; write 1", "default": "; write 4", "best": "; write 9", "max": "; write 9"}.get(given, "")
    return ""


def _compress(given: Any) -> str:
    if isinstance(given, str) and given in ("on", "yes", "true", "auto"):
        return "; write compress = true"
    if isinstance(given, str) and given in ("off", "no", "false", "none"):
        return "; write compress = false"
    texts = [each for each in (given if isinstance(given, list) else [given]) if isinstance(each, str)]
    names = [_NAMES[text.lower()] for text in texts if text.lower() in _NAMES]
    if names:
        return f"; write compress = {{ algorithms = {{ {', '.join(map(show, names))} }} }}"
    if types := [text for text in texts if "/" in text]:
        return f"; write compress = {{ types = {{ {', '.join(map(show, types))} }} }}"
    if isinstance(given, int) and not isinstance(given, bool):
        return f"; write compress = {{ level = {given} }}" if 1 <= given <= 9 else "; write compress = true"
    return "; write compress = true"
