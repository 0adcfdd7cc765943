"""Peers that are asked: ``upstream``, ``proxy_pass``, ``grpc_pass``, ``fastcgi_pass``, and what belongs to these.

Imports values and syntax.
"""
