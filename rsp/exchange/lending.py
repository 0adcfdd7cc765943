"""Limits in Redis: GCRA by one script for any number of buckets, at the server's own time.

A key has the time, in microseconds since a fixed moment, at which its bucket will be full again (the theoretical
arrival time of ITU-T I.371), and goes when that is past.  As in :meth:`rsp.ipc.shared_memory.Shard.draw` the first
request of a question passes if one conforms, whatever it costs.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from rsp.engines.redis import Script
from rsp.ipc.lease_terms import SHARE

_UNIT: Final = 1000  # costs are counted in thousandths
_LONGEST: Final = 1e8  # seconds: the longest time in a reply

# KEYS: buckets.  ARGV, for each: the microseconds for a request; those that requests may be early; what the first
# request costs; what all cost, or, less than 0, what a lease has not used; what is wanted beside that, if the bucket
# has enough; the most microseconds that a bucket may be behind, which a server's clock may make more of.
# The answer, for each: thousandths of requests that pass, -1 for none; the microseconds until a request would
# pass; and until the bucket is full.
LEND: Final = Script(
    """
local time = redis.call('TIME')
local now = (time[1] - 1760000000) * 1000000 + time[2]
local answer = {}
for index, key in ipairs(KEYS) do
  local at = index * 6 - 6
  local interval, depth, first = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local need, want, most = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
  local full = tonumber(redis.call('GET', key) or now) or now
  if not (full > now) then
    full = now
  end
  full = math.min(full, now + most)
  local room = (now + depth - full) / interval + 1.000001
  local granted = -1
  if need < 0 or room >= 1 then
    granted = math.min(need, math.max(first, math.floor(room)))
    granted = granted + math.max(0, math.min(want, math.floor((room - granted) / SHARE)))
    full = math.max(full + granted * interval, now)
    redis.call('SET', key, string.format('%.3f', full), 'PX', math.ceil((full - now) / 1000) + 1000)
  end
  answer[index * 3 - 2] = granted < 0 and -1 or math.floor(granted * 1000 + 0.5)
  answer[index * 3 - 1] = math.ceil(math.max(0, full - depth - now))
  answer[index * 3] = math.ceil(full - now)
end
return answer
""".replace("SHARE", str(SHARE))
)

# KEYS: the instances that have given a sign of life within 10 s.  ARGV: one of them.  The answer: how many they are.
COUNT: Final = Script(
    """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 11)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + 1, '+inf')
redis.call('EXPIRE', KEYS[1], 60)
return redis.call('ZCARD', KEYS[1])
"""
)


class Terms(NamedTuple):
    """Of a limit.  ``interval``: seconds for each request; ``depth``: seconds that requests may be early; ``dearest``:
    the most that a request costs, 0: not known."""

    interval: float
    depth: float
    dearest: float

    @property
    def longest(self) -> float:
        """Seconds that its bucket may be behind, which a server's clock may make more of."""
        return self.depth + self.interval * self.dearest if self.dearest else _LONGEST


class Answer(NamedTuple):
    """``granted``: requests that pass, less than 0: none; ``wait``: seconds until a request would pass, 0: now;
    ``full``: seconds until the bucket is full."""

    granted: float
    wait: float
    full: float


def key_of(key: bytes) -> bytes:
    """The same on all instances.  Nothing of what clients send can be read there."""
    return b"rsp:limit:" + blake2b(key, digest_size=15).hexdigest().encode()


def arguments(terms: Terms, first: float, need: float, want: float) -> tuple[str, ...]:
    interval, depth, limit = (f"{seconds * 1e6:.9g}" for seconds in (terms.interval, terms.depth, terms.longest))
    return interval, depth, f"{first:.3f}", f"{need:.3f}", f"{want:.0f}", limit


def answers(reply: Any, asked: Sequence[float]) -> list[Answer] | None:
    """``asked``: the most that each question may be granted.  ``None``: this is no answer to them."""
    if not isinstance(reply, list) or len(reply) != 3 * len(asked) or not all(isinstance(item, int) for item in reply):
        return None
    found = [
        Answer(reply[at] / _UNIT, _seconds(reply[at + 1]), _seconds(reply[at + 2])) for at in range(0, len(reply), 3)
    ]
    return found if all(one.granted <= most + 0.001 for one, most in zip(found, asked, strict=True)) else None


def _seconds(microseconds: int) -> float:
    return min(max(microseconds, 0) / 1e6, _LONGEST)
