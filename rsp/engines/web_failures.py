"""What aiohttp raises, as a clause that begins with the endpoint."""

import errno
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from rsp.engines.failures import Broken, Unreachable
from rsp.tls.stdlib import TlsError, meaning
from rsp.tls.words import of_peer


@contextmanager
def failures(endpoint: str, host: str, patience: float) -> Iterator[None]:
    """``host``: what the endpoint's certificate has to be for; ``patience``: seconds until a time-out.

    What goes wrong inside raises :class:`Unreachable`.
    """
    try:
        yield
    except aiohttp.ConnectionTimeoutError:
        raise Unreachable(f"{endpoint}: no connection in time", untouched=True) from None
    except TimeoutError:  # aiohttp's own included
        raise Unreachable(f"{endpoint}: no response within {patience:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if _is_broken(error):
            raise Broken(f"{endpoint}: the connection broke off") from None
        untouched = isinstance(error, aiohttp.ClientConnectorError)
        raise Unreachable(f"{endpoint}: {_said(error, host)}", untouched=untouched) from None


def _is_broken(error: Exception) -> bool:
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return True
    number = error.errno if isinstance(error, OSError) else None
    return number in (errno.ECONNRESET, errno.EPIPE) and not isinstance(error, aiohttp.ClientConnectorError)


def _said(error: Exception, host: str) -> str:
    under = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error.__cause__ or error
    if isinstance(under, ssl.SSLError):
        return of_peer(TlsError(*meaning(under)), host)
    if isinstance(under, ConnectionResetError) and not under.errno:  # asyncio's, in a handshake
        return "it closes the connection in the TLS handshake; does it speak TLS?"
    if isinstance(under, PermissionError):
        return "permission denied; rsp connects as the user and group in `user` and `group`"
    if isinstance(under, OSError):
        return os.strerror(under.errno).lower() if under.errno else str(under) or "no connection"
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.http.HttpProcessingError):
        return "the response is not valid HTTP"
    return f"the response cannot be read ({type(error).__name__})"
