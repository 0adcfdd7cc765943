"""Really Simple Proxy: a pre-fork HTTP reverse proxy and load balancer, configured in Lua."""

import os
from contextlib import suppress

__version__ = "0.1.0"

if not os.environ.get("RSP_PURE"):
    with suppress(ImportError):  # nothing is compiled
        from rsp import _compiled, pure

        pure.import_from(_compiled.__file__, _compiled.names, _compiled.create)
