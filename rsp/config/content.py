"""The schema of content: files that rsp itself answers with, and compression.

Part of ``schema``: the same rules hold.
"""

import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from rsp.config.struct import Struct, Text
from rsp.config.units import Size

INDEX: Final = "index.html"
CODINGS: Final = ("zstd", "br", "gzip")  # as RFC 8878, 7932 and 9110 name them; the first is preferred
# What shrinks: text, in its many forms.
COMPRESSIBLE: Final = (
    "text/*", "application/json", "application/*+json", "application/javascript", "application/x-javascript",
    "application/xml", "application/*+xml", "application/x-ndjson", "application/yaml", "application/toml",
    "application/sql", "application/wasm", "application/vnd.apple.mpegurl", "image/svg+xml", "image/bmp",
    "image/x-icon", "image/vnd.microsoft.icon", "font/ttf", "font/otf", "application/vnd.ms-fontobject",
    "application/rtf",
)  # fmt: skip
# What does not get smaller, because it is compressed in itself.
COMPRESSED: Final = re.compile(
    r"(?:image/(?!svg|bmp|x-icon|vnd\.microsoft\.icon|x-ms-bmp)|video/|audio/(?!wav|x-wav|midi)|font/woff|application/"
    r"(?:zip|gzip|x-gzip|zstd|x-bzip2?|x-xz|x-7z-compressed|x-rar|vnd\.rar|pdf|epub\+zip|java-archive|font-woff))",
    re.IGNORECASE,
)


class Files(Struct, frozen=True):
    """A directory of static files."""

    root: Annotated[
        Text,
        Meta(
            description="The directory, absolute or relative to the configuration file. It is resolved again every "
            "second, so a symbolic link such as `current` can be switched."
        ),
    ]
    index: Annotated[
        str | tuple[Text, ...] | None,
        Meta(
            description="File that is served for a directory: its name, or its path below the directory, or a list of "
            'which the first existing one is served; `""`: none. Default: `"index.html"`; with `else_to`, none.'
        ),
    ] = None
    extensions: Annotated[
        tuple[Text, ...],
        Meta(
            description='Extensions that the path may leave out: with `{ ".html" }`, `/about` is `about.html` if there '
            "is no file `about`. Such a file comes before a directory of the name."
        ),
    ] = ()
    list: Annotated[
        bool, Meta(description="Whether a directory without an index is served as a list of its files.")
    ] = False
    hidden: Annotated[
        bool,
        Meta(
            description="Whether files and directories whose name begins with a dot are served. `/.well-known/` is "
            "always served."
        ),
    ] = False
    hide: Annotated[
        tuple[Text, ...],
        Meta(description='Patterns of files that are treated as if they did not exist: `{ "*.php", "private/*" }`.'),
    ] = ()
    symlinks: Annotated[
        Literal["inside", "all", "none"],
        Meta(
            description="Symbolic links that are followed: `inside`: those that lead to a place below `root`; "
            "`all`; `none`."
        ),
    ] = "inside"
    precompressed: Annotated[
        bool,
        Meta(
            description="Whether `app.js.br`, `app.js.zst` or `app.js.gz` is served for `app.js` to clients that "
            "accept it."
        ),
    ] = True
    cache_control: Annotated[
        str | dict[str, str],
        Meta(
            description='Cache-Control for all files, or by pattern: `{ ["assets/*"] = "max-age=31536000, '
            'immutable", ["*.html"] = "no-cache" }`. The longest matching pattern wins. `""`: none.'
        ),
    ] = msgspec.field(default_factory=dict)
    types: Annotated[
        dict[str, str],
        Meta(
            description="Content-Type by file extension, in addition to the built-in table: `{ glb = "
            '"model/gltf-binary" }`.'
        ),
    ] = msgspec.field(default_factory=dict)
    charset: Annotated[
        str, Meta(description='The `charset` parameter in the Content-Type of text files. `""`: none.')
    ] = "utf-8"


class Compress(Struct, frozen=True):
    """Compression of responses."""

    algorithms: Annotated[
        tuple[Literal["zstd", "br", "gzip"], ...],
        Meta(
            min_length=1,
            description="Algorithms that are offered, in order of preference. The order counts for clients that "
            "prefer none of them.",
        ),
    ] = CODINGS
    types: Annotated[
        tuple[Text, ...],
        Meta(
            min_length=1,
            description="Content types that are compressed, without parameters. `*` matches any text.",
        ),
    ] = COMPRESSIBLE
    min_size: Annotated[
        Size, Meta(description="Responses that are known to be smaller than this are not compressed.")
    ] = Size(1000)
    level: Annotated[
        int,
        Meta(
            ge=1,
            le=9,
            description="Compression level, from 1 (fastest) to 9 (smallest). A busy worker lowers it temporarily.",
        ),
    ] = 4
