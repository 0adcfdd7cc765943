"""Balancing policies: pure, one small class each, over indexes of an upstream's peers.

A policy has one method, ``pick(tried)``: the index of the peer for an attempt that has already ``tried``
these, or ``None`` when there is none left.  Failover is then "pick the next", not a second mechanism.
"""
