"""The dashboard's settings: what they mean, and what their types cannot say about them."""

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path as File
from typing import Final

from rsp.auth import htpasswd
from rsp.config.errors import Path
from rsp.config.observe import Dashboard
from rsp.config.schema import Settings
from rsp.config.units import Listen, show

MOST_USERS: Final = 1 << 20  # bytes of their file


def address_mistake(given: str, example: str, error: ValueError) -> str:
    """What is wrong with ``given``, which is no address: ``error``, unless its advice is meant for other addresses."""
    if given in ("off", "none", "false"):
        return f'"{given}": expected an address with a port, "{example}"; leave it out to disable it'
    if "://" in given or ":" not in given:
        return f'{show(given)}: expected an address with a port, "{example}", or "unix:/path"'
    return str(error)


_HOW: Final = 'users = "htpasswd", a file that  htpasswd -cB htpasswd NAME  makes'


def dashboard_of(settings: Settings) -> Dashboard | None:
    """Raises :class:`ValueError` for an invalid address."""
    given = settings.dashboard
    return Dashboard(Listen.parse(given)) if isinstance(given, str) else given


def is_local(address: Listen) -> bool:
    """Whether only this machine reaches it."""
    if address.is_unix or address.host.lower() == "localhost":
        return True
    try:
        return not address.is_passed and ip_address(address.host).is_loopback
    except ValueError:
        return False


def mistakes(settings: Settings, main: str) -> Iterator[tuple[Path, str]]:
    """Each mistake: the path to it, and what is wrong.  ``main``: the configuration's file."""
    try:
        dashboard = dashboard_of(settings)
    except ValueError as error:
        yield ("dashboard",), f"dashboard: {address_mistake(str(settings.dashboard), '127.0.0.1:9146', error)}"
        return
    if dashboard is None:
        return
    if dashboard.users is not None:
        try:
            operators(settings, main)
        except ValueError as error:
            yield ("dashboard", "users"), f"dashboard: users: {error}"
    elif dashboard.actions:
        yield ("dashboard", "actions"), f"dashboard: actions = true needs users: {_HOW}"
    elif not is_local(dashboard.address):
        yield (
            ("dashboard", "address"),
            f'dashboard: "{dashboard.address}" can be reached from other machines, so users are required: {_HOW}; or '
            f'listen on "127.0.0.1:{dashboard.address.port or 9146}"',
        )


def operators(settings: Settings, main: str) -> bytes:
    """The content of the file ``users``: names and hashed passwords for the dashboard; empty without the setting.

    Raises :class:`ValueError` for a file that cannot be read, or has none.
    """
    dashboard = dashboard_of(settings)
    if dashboard is None or dashboard.users is None:
        return b""
    path = File(main).absolute().parent / dashboard.users
    try:
        with path.open("rb") as file:
            content = file.read(MOST_USERS + 1)
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot open {path}: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > MOST_USERS:
        raise ValueError(f"{path} has more than {MOST_USERS >> 20} MB")
    for number, wrong in htpasswd.mistakes(content):
        raise ValueError(f"{path}:{number}: {wrong}")
    if not any(htpasswd.lines(content)):
        raise ValueError(f"{path} has no user; add one with  htpasswd -B {path} NAME")
    return content
