"""Clients of the engines in which several instances share state: etcd, Consul, Kubernetes, Docker, Redis.

Rules of this room: one engine a file; nothing here knows what the state is for.  Whatever an engine sends is bounded in
bytes and in time.  The libraries behind it are imported with these modules, so only where a configuration needs them.
"""
