"""Peers that are discovered: where upstreams find their members while rsp runs.

Rules of this room: a provider (one small file for each kind of source) says which members there are, and nothing else;
what is the same for all of them - doubt, flapping, drains, logs, counts - is done by ``discoveries.py``.
"""
