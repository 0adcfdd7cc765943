"""What opens engines to rsp: from the configuration, or from files that were read with the master's rights."""

from rsp.config.engines import SECRETS, Access
from rsp.engines.failures import Unreachable
from rsp.tls.material import Keyring


def password_of(access: Access, keyring: Keyring) -> str | None:
    """Raises :class:`Unreachable` for a file that has not been read."""
    return _secret(access.password, access.password_file, keyring)


def token_of(access: Access, keyring: Keyring) -> str | None:
    """Raises :class:`Unreachable` for a file that has not been read."""
    return _secret(access.token, access.token_file, keyring)


def all_of(access: Access, keyring: Keyring) -> tuple[object, ...]:
    """Everything in a keyring that the way in depends on: when it is another one, rsp has to begin anew."""
    tls = access.tls
    files = (access.password_file, access.token_file)
    return (
        *(keyring.files.get(f"{SECRETS} {name}") for name in files),
        *((keyring.authorities.get(tls.ca or ""), keyring.authorities.get(tls.crl or "")) if tls is not None else ()),
        keyring.own.get(tls.own) if tls is not None and tls.own is not None else None,
    )


def _secret(given: str | None, file: str | None, keyring: Keyring) -> str | None:
    if file is None:
        return str(given) if given is not None else None
    content = keyring.files.get(f"{SECRETS} {file}")
    if content is None:
        raise Unreachable(f'"{file}" has not been read')
    return content.decode()  # which has been checked when it was read
