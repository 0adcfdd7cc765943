"""Balancing: pure, no clock, no sockets, no scoreboard.

``candidate``    what a policy may ask of a peer
``policies``     one small class each: of those that may be asked, the peer for this request
``ring``         consistent hashing
``latency``      a peer's latency as policies see it, and its quantiles
``budget``       how many retries are not too many
``outliers``     which peers do worse than their siblings; how long a peer stays out

A policy has one method, ``choose(eligible, key)``.  Which peers are eligible is decided elsewhere: failover is then to
choose again among those that are left, not a second mechanism.
"""
