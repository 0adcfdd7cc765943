"""Stores (Redis, Valkey): what their URLs mean, and mistakes in their keys."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from rsp.config.credential_rules import credential_mistakes
from rsp.config.engines import EngineUrl, Store
from rsp.config.errors import Path, suggest
from rsp.config.units import show

PORTS: Final = {
    "redis": 6379, "rediss": 6379, "redis+sentinel": 26379, "rediss+sentinel": 26379, "redis+unix": 0,
}  # fmt: skip
_DATABASE: Final = re.compile(r"[0-9]{1,5}")
_SERVICE: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")
_BARE: Final = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[0-9]*)?")
_SAME: Final = {
    "valkey": "redis", "valkeys": "rediss", "redis+tls": "rediss", "redis+ssl": "rediss", "tls": "rediss",
    "sentinel": "redis+sentinel", "redis-sentinel": "redis+sentinel", "rediss-sentinel": "rediss+sentinel",
    "redis-socket": "redis+unix", "tcp": "redis",
}  # fmt: skip
_OTHERS: Final = ("memcached", "memcache", "etcd", "etcds", "consul", "consuls", "postgres", "mysql")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MOST_HOSTS: Final = 16
_LONGEST: Final = 60
_DECLARE: Final = 'declare it with  store "{}" {{ "redis://127.0.0.1:6379/0" }}'


class StoreUrl(NamedTuple):
    """``hosts``: ``host:port`` of servers, or of sentinels; none: ``path`` is that of a local socket.

    ``service``: the name by which sentinels know the primary; ``None``: no sentinels.
    """

    scheme: str
    hosts: tuple[str, ...]
    path: str
    service: str | None
    database: int
    secure: bool

    @classmethod
    def parse(cls, url: str) -> "StoreUrl":
        """Raises :class:`ValueError` with a message that has no credentials."""
        found = EngineUrl.parse(_meant(url), PORTS)
        unknown = set(found.query) - {"db"}
        if unknown:
            raise ValueError(
                f'unknown option "{min(unknown)[:40]}" in the URL; write other options as keys beside the URL'
            )
        if len(found.hosts) > _MOST_HOSTS:
            raise ValueError(f"up to {_MOST_HOSTS} hosts, got {len(found.hosts)}")
        secure = found.is_secure
        if not PORTS[found.scheme]:
            if len(found.path) < 2:
                raise ValueError(f"expected the path of a socket, as in {found.scheme}:///run/redis.sock")
            return cls(found.scheme, (), found.path, None, _database(found.query.get("db", "")), secure)
        service, path = None, found.path.strip("/")
        if "sentinel" in found.scheme:
            service, _, path = path.partition("/")
            if not _SERVICE.fullmatch(service) or (service.isdigit() and not path):  # which is a database
                raise ValueError(
                    "expected Sentinel's name of the primary after the hosts, as in "
                    f"{found.scheme}://10.0.0.5:26379,10.0.0.6:26379/mymaster/0"
                )
        return cls(found.scheme, found.hosts, "", service, _database(found.query.get("db", path)), secure)

    def __str__(self) -> str:
        """As messages have it."""
        rest = f"/{self.service}" if self.service is not None else ""
        database = f"{'/' if self.hosts else '?db='}{self.database}" if self.database else ""
        return f"{self.scheme}://{','.join(self.hosts)}{self.path}{rest}{database}"


def _meant(url: str) -> str:
    """Raises :class:`ValueError` for what is no URL, or that of something else."""
    if _BARE.fullmatch(url):
        raise ValueError(f'{show(url)}: a store is a URL: write "redis://{url}"')
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    if "@" in rest.partition("/")[0]:
        raise ValueError(
            'a URL may not contain credentials, because logs show it: write store "main" { '
            '"redis://10.0.0.5:6379/0", username = "rsp", password_file = "redis-password" }'
        )
    if scheme in _SAME:
        raise ValueError(f"write {_SAME[scheme]}:// for {scheme}://")
    if scheme in _OTHERS:
        raise ValueError(f"stores are Redis or Valkey, not {scheme}: write redis://10.0.0.5:6379/0")
    if scheme == "unix" or url[:1] == "/":
        raise ValueError('a local socket is "redis+unix:///run/redis.sock"')
    return url


def _database(text: str) -> int:
    if not text:
        return 0
    if not _DATABASE.fullmatch(text):
        raise ValueError("expected the number of a database at the end, as in redis://10.0.0.5:6379/0")
    return int(text)


def store_mistakes(store: Store) -> Iterator[tuple[Path, str]]:
    if not _NAME.fullmatch(store.name):
        yield (), "name: expected letters, digits, . _ and -, at most 64"
    if not 0.001 <= float(store.timeout) <= _LONGEST:
        yield ("timeout",), f"timeout: expected 1 ms to {_LONGEST} s, got {store.timeout}"
    for key in ("token", "token_file"):
        if getattr(store, key) is not None:
            yield (key,), f"{key}: Redis has no tokens: write username and password_file"
    try:
        url = StoreUrl.parse(store.url)
    except ValueError as error:
        yield ("url",), f"url: {error}"
        return
    yield from credential_mistakes(store, url.secure, "rediss+sentinel://" if url.service is not None else "rediss://")


class Storing(Protocol):
    """A configuration, as far as it is about stores."""

    @property
    def stores(self) -> tuple[Store, ...]: ...


def store_of(config: Storing, said: str | bool) -> Store:
    """What ``store =`` or ``cluster =`` means: a name of a store, a URL, or true: the only store of the file.

    Raises :class:`ValueError` with a message for the file.
    """
    if isinstance(said, bool):
        if len(config.stores) == 1:
            return config.stores[0]
        if not config.stores:
            raise ValueError('the file has no store: add  store "main" { "redis://127.0.0.1:6379/0" }')
        raise ValueError(f"the file has several stores ({_names(config)}): write the name of one of them")
    if ":" in said:
        StoreUrl.parse(said)
        return Store(name=said, url=said)
    for store in config.stores:
        if store.name == said:
            return store
    known = [store.name for store in config.stores]
    if near := suggest(said, known):
        raise ValueError(f"no store {show(said)}{near}")
    hint = f"; the file has {_names(config)}" if known else ""
    raise ValueError(f"no store {show(said)}{hint}: " + _DECLARE.format(said if _NAME.fullmatch(said) else "main"))


def _names(config: Storing) -> str:
    return ", ".join(f'"{store.name}"' for store in config.stores)
