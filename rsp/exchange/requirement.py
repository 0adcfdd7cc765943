"""What a route requires of the clients that ask for it: a certificate, verified in the handshake."""

from rsp.config.routes import Route
from rsp.tls.facts import Facts
from rsp.tls.material import Keyring

_NONE = b"unknown"  # no connection's


class Requirement:
    """``required``: without a certificate nothing is served.  ``policy``: the digest of the rules under which the
    handshake has to have been made; it changes with the content of the files."""

    __slots__ = ("_route", "policy", "required")

    def __init__(self, route: Route, keyring: Keyring) -> None:
        self._route = route
        self.required = route.client_verify == "required"
        self.policy = _NONE
        self.use(keyring)

    def use(self, keyring: Keyring) -> None:
        """These are the authorities from now on.  Without the route's own, no connection will do."""
        from rsp.tls.contexts import ContextError  # and with it ssl, which others do not need
        from rsp.tls.names import verification_of

        try:
            verification = verification_of(self._route, keyring)
        except ContextError:
            verification = None
        self.policy = verification.digest if verification is not None else _NONE

    def is_met(self, tls: Facts) -> bool:
        """Whether the handshake was made under these rules, or the one whose session it resumes."""
        return tls.policy == self.policy
