"""Really Simple Proxy: a pre-fork HTTP reverse proxy and load balancer, configured in Lua."""

import os

__version__ = "0.1.0"

if not os.environ.get("RSP_PURE"):
    from rsp import pure

    pure.prefer_compiled()
