"""The countries of clients, from a MaxMind database (mmdb): GeoLite2-Country, or another one that has countries.

``maxminddb`` is imported where a configuration names a database, and nowhere else.  Its C extension reads a mapped
file, so it gets a copy in a memfd: a database that is written over in place would end the worker with SIGBUS.
"""

import io
import os
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Final
from weakref import WeakValueDictionary

from rsp.system.memory import write_all

LARGEST_DATABASE: Final = 128 << 20  # bytes; GeoLite2-Country has 9 MB, GeoLite2-City 60 MB
_NOT_ONE: Final = "it is not a MaxMind database (mmdb)"

_known: "WeakValueDictionary[tuple[int, int], Countries]" = WeakValueDictionary()  # by size and hash of their content


class Countries:
    """``content``: of the database.  Raises :class:`ValueError` if it is not one."""

    def __init__(self, content: bytes) -> None:
        self._reader = _open(content)

    @classmethod
    def shared(cls, content: bytes) -> "Countries":
        """The same object for the same content, so that routes share one copy."""
        key = len(content), hash(content)
        found = _known.get(key)
        if found is None:
            found = _known[key] = cls(content)
        return found

    def of(self, client: bytes) -> str:
        """The code (ISO 3166-1) of the country that the client's address is in; empty: it is not known."""
        try:
            address = ip_address(client.decode("ascii").partition("%")[0])
            if address.version == 6 and address.ipv4_mapped is not None:
                address = address.ipv4_mapped
            return code_in(self._reader.get(address))
        except Exception:  # what is no address; IPv6 in a database of IPv4; what a damaged database leads to
            return ""


def code_in(record: object) -> str:
    """GeoIP2 and DB-IP: ``country.iso_code``, else that of ``registered_country``; IPinfo: ``country_code`` or
    ``country``."""
    if not isinstance(record, Mapping):
        return ""
    for key in ("country", "registered_country", "country_code"):
        said = record.get(key)
        code = said.get("iso_code") if isinstance(said, Mapping) else said
        if isinstance(code, str) and len(code) == 2:
            return code.upper()
    return ""


def _open(content: bytes) -> Any:
    try:
        import maxminddb
    except ImportError as error:
        raise ValueError(f"maxminddb, which reads it, is not installed: {error}; pip install maxminddb") from None
    try:
        with suppress(OSError, ImportError):  # without /proc, or without the C extension
            return _mapped(maxminddb, content)
        return maxminddb.open_database(io.BytesIO(content), maxminddb.MODE_FD)
    except Exception:
        raise ValueError(_NOT_ONE) from None


def _mapped(maxminddb: Any, content: bytes) -> Any:
    descriptor = os.memfd_create("rsp-countries", os.MFD_CLOEXEC)
    try:
        write_all(descriptor, content)
        return maxminddb.open_database(f"/proc/self/fd/{descriptor}", maxminddb.MODE_MMAP_EXT)
    finally:
        os.close(descriptor)


def check_database(content: bytes) -> bytes:
    """``content``, if countries are in it.  Raises :class:`ValueError`."""
    kind = str(_open(content).metadata().database_type)
    if any(word in kind for word in ("ASN", "ISP", "Domain", "Connection-Type", "Anonymous")):
        raise ValueError(f'a database of type "{kind}" has no countries; use GeoLite2-Country.mmdb')
    return content
