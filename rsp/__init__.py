"""Really Simple Proxy: a pre-fork HTTP reverse proxy and load balancer, configured in Lua."""

import os

from rsp import pure

__version__ = "0.1.0"

why_pure = ""  # the modules are compiled
if os.environ.get("RSP_PURE"):
    why_pure = "RSP_PURE is set"
else:
    try:
        import rsp._compiled as whole

        pure.import_from(whole.__file__, whole.names, whole.create)
    except ImportError as error:
        why_pure = pure.reason(error)
