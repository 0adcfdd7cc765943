"""Which engine a URL is for."""

from typing import Final

from rsp.config import store_rules
from rsp.config.engines import DISCOVERY_PORTS, Access, EngineUrl, Store
from rsp.config.instance import Dns
from rsp.engines.kv import KeyValue
from rsp.tls.material import Keyring

_SCHEMES: Final = ("etcd", "etcds", "consul", "consuls", "redis", "rediss", "redis+sentinel", "rediss+sentinel")
PORTS: Final = {scheme: (DISCOVERY_PORTS | store_rules.PORTS)[scheme] for scheme in _SCHEMES}


def check(url: str) -> tuple[str, str]:
    """The URL of the engine, and the prefix of the keys.  Raises :class:`ValueError`, without credentials in it."""
    found = EngineUrl.parse(url, PORTS)
    *place, prefix = _parts(found)
    if found.query:
        raise ValueError("it has a query; options are environment variables: see rsp --help")
    if not prefix.strip("/"):
        example = found.path.rstrip("/") + "/rsp/site"
        raise ValueError(f"the prefix of the site's keys is missing, as in {found.scheme}://{found.hosts[0]}{example}")
    return f"{found.scheme}://{','.join(found.hosts)}{''.join(place)}", prefix.rstrip("/")


def _parts(found: EngineUrl) -> tuple[str, ...]:
    """What of the path belongs to the engine, and what to the keys.

    ``redis://host/0/prefix`` has the database first, ``redis+sentinel://host/name/0/prefix`` a name before it.
    """
    if not found.scheme.startswith("redis"):
        return ("", found.path)
    names = [name for name in found.path.split("/") if name]
    count = 2 if "sentinel" in found.scheme else 1
    if len(names) < count or not names[count - 1].isdigit():
        wanted = "/mymaster/0/rsp/site" if count == 2 else "/0/rsp/site"
        raise ValueError(f"expected the number of the database before the prefix, as in {found.scheme}://...{wanted}")
    return ("/" + "/".join(names[:count]), "/".join(names[count:]))


def open_store(url: str, access: Access, dns: Dns, keyring: Keyring, largest: int) -> KeyValue:
    """``url``: which :func:`check` has let pass.  ``largest``: bytes of a value.  Its libraries are imported now."""
    engine, prefix = check(url)
    if engine.startswith("redis"):
        from rsp.engines.kv_redis import RedisKeys

        fields = {name: getattr(access, name) for name in Access.__struct_fields__}
        return RedisKeys(Store(name=engine, url=engine, **fields), prefix, dns, keyring, 4 * largest)
    parsed = EngineUrl.parse(engine, PORTS)
    if engine.startswith("consul"):
        from rsp.engines.kv_consul import ConsulKeys

        return ConsulKeys(access, parsed, prefix.strip("/"), dns, keyring, largest)
    from rsp.engines.kv_etcd import EtcdKeys

    return EtcdKeys(access, parsed, prefix, dns, keyring, largest)
