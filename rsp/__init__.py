"""rsp, "Really Simple Proxy": a pre-fork HTTP reverse proxy and load balancer, configured in Lua."""

__version__ = "0.1.0"
