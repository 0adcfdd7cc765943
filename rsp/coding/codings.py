"""All content codings, by name.  A library is imported when its coding is asked for first: it takes memory."""

from functools import cache

from rsp.coding.coding import Coding


@cache
def named(name: str) -> Coding:
    """``gzip``, ``zstd`` or ``br``.  Raises :class:`ImportError`."""
    if name == "zstd":
        from rsp.coding.zstd import Zstd

        return Zstd()
    if name == "br":
        from rsp.coding.br import Brotli

        return Brotli()
    from rsp.coding.gzip import Gzip

    return Gzip()
