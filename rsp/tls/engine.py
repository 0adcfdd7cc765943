"""One side of a TLS connection, as a state machine: ciphertext in, plaintext out, and the other way round.

``engine.pyx`` is this module's compiled twin: the same classes over OpenSSL itself, which can do what Python's ``ssl``
cannot (:data:`COMPLETE`): tickets that every worker accepts, OCSP stapling, and half of the memory.
"""

from typing import Final

from rsp.tls.stdlib import Context as Context
from rsp.tls.stdlib import Engine as Engine
from rsp.tls.stdlib import TlsError as TlsError

COMPLETE: Final = False  # whether tickets and stapling work
