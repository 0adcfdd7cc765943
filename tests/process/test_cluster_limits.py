"""Limits that several instances share in a real Redis: exact, in time, and by shares while the store is gone."""

import asyncio
import random
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from rsp.config.engines import Store
from rsp.config.instance import Dns
from rsp.engines.redis import Redis
from rsp.exchange.lending import LEND, Terms, answers, arguments, key_of
from rsp.tls.material import Keyring
from tests.both_kinds import LISTENERS, WAYS, BothKinds
from tests.harness import PATIENCE, Rsp, wait_until
from tests.leases_lab import model
from tests.limit_load import Load
from tests.over_tls import not_over_tls
from tests.ports import free_port
from tests.redis_server import KINDS, Pretender, redis_server

pytestmark = not_over_tls("it has listeners of both kinds")

SITE = (
    LISTENERS
    + """
store "main" { "redis://127.0.0.1:REDIS/0" }
local function at(path, keys)
  keys.path, keys.respond = path, { body = "inside" }
  route(keys)
end
at("/rate", { rate_limit = { rate = "1r/m", burst = 2, cluster = "main" } })
at("/only", { rate_limit = { rate = "1r/m", burst = 3, cluster = true } })
at("/url", { rate_limit = { rate = "1r/h", burst = 9, cluster = "redis://127.0.0.1:REDIS/3" } })
at("/own-first", { rate_limit = { { rate = "1r/h", burst = 2 }, { rate = "1r/h", burst = 3, status = 503, cluster = "main" } } })
at("/own-last", { rate_limit = { { rate = "1r/h", burst = 3, status = 503, cluster = "main" }, { rate = "1r/h", burst = 2 } } })
at("/fast", { rate_limit = { rate = "1000r/s", key = "{header.X-Key}", cluster = "main" } })
at("/hook", { on_request = function(req)
  local good, wait = limit.rate{ key = req.client, rate = "1r/h", burst = 4, cost = tonumber(req.args.cost), cluster = "main" }
  if not good then return respond(429, tostring(math.floor(wait / 60 + 0.5))) end
end })
at("/at-once", { on_request = function(req)
  local function one() return limit.rate{ key = req.client, name = "several", rate = "1r/h", burst = 2, cluster = true } end
  local a, b, c, d = parallel{ one, one, one, one }
  return respond(200, table.concat({ tostring(a), tostring(b), tostring(c), tostring(d) }, " "))
end })
at("/no-store", { on_request = function(req) limit.rate{ key = "k", rate = "1r/s", cluster = "mian" } end })
at("/no-wait", { on_response = function(req, res)
  res.filter = function(chunk) limit.rate{ key = "k", rate = "1r/s", cluster = true } return chunk end
end })
"""
)


class Instance(BothKinds):
    def __init__(self, directory, port, workers=2, text=SITE):
        directory.mkdir()
        self.redis = port
        super().__init__(directory, text, workers)

    def write(self, text):
        super().write(text.replace("REDIS", str(self.redis)))

    def ask(self, path, client, way="http/1.1", **fields):
        with self.client(way) as session:
            return session.get(path, headers={"X-Forwarded-For": client, **fields})

    def said(self, path, client):
        return self.ask(path, client).status_code


class Nodes:
    """Instances that end with it, whatever has failed."""

    def __init__(self, store, directory, count):
        self.store, self._directory, self._count = store, directory, count
        self._clients = iter(range(1, 255))

    def __enter__(self):
        with ExitStack() as stack:
            places = [self._directory / f"{number}" for number in range(self._count)]
            self.instances = [stack.enter_context(Instance(place, self.store.port)) for place in places]
            wait_until(lambda: self.known() == self._count, "the instances know of each other")
            self._stack = stack.pop_all()
        return self

    def known(self):
        return int(self.store.ask("ZCARD", "rsp:nodes").removeprefix(":"))

    def said(self, path, client, number):
        """So many requests, at one instance after the other."""
        return [self.instances[at % len(self.instances)].said(path, client) for at in range(number)]

    def outages(self):
        """How many there were, and how many have ended."""
        log = "".join(each.log for each in self.instances)
        return log.count("of each limit by itself"), log.count("limits hold for all instances again")

    def check(self, limited):
        """``limited`` holds for a new client, unless the store did not answer within 50 ms: the machine may be busy."""
        while True:
            before = self.outages()
            try:
                limited(f"198.18.0.{next(self._clients)}")
            except AssertionError:
                if before == self.outages() and before[0] == before[1]:
                    raise
                wait_until(lambda: len(set(self.outages())) == 1, "limits hold for all instances")
            else:
                return

    def __exit__(self, *problem):
        self._stack.__exit__(*problem)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    directory = tmp_path_factory.mktemp("nodes")
    with redis_server(directory) as store:
        with Nodes(store, directory, 2) as made:
            yield made


# -- with the store


@pytest.mark.parametrize("way", WAYS)
def test_one_limit_for_all_instances_and_what_clients_are_told(nodes, way):
    def limited(client):
        found = [nodes.instances[at % 2].ask("/rate", client, way) for at in range(5)]
        assert [each.status_code for each in found] == [200, 200, 200, 429, 429]
        assert {each.headers["ratelimit-policy"] for each in found} == {'"default";q=3;w=180'}
        left = [each.headers["ratelimit"] for each in found]
        assert left[:3] == ['"default";r=2;t=60', '"default";r=1;t=120', '"default";r=0;t=180']
        assert all(each.startswith('"default";r=0;t=1') for each in left[3:])
        assert 55 <= int(found[4].headers["retry-after"]) <= 60

    nodes.check(limited)


def test_the_only_store_and_a_url(nodes):
    def limited(client):
        assert nodes.said("/only", client, 6) == [200] * 4 + [429] * 2
        assert nodes.said("/url", client, 11) == [200] * 10 + [429]
        assert nodes.instances[0].said("/only", "192.0.2.10") == 200  # another client

    nodes.check(limited)


def test_requests_at_once(nodes):
    def limited(client):
        with ThreadPoolExecutor(16) as pool:
            found = list(pool.map(lambda at: nodes.instances[at % 2].said("/url", client), range(32)))
        assert Counter(found) == {200: 10, 429: 22}

    nodes.check(limited)


def test_limits_of_this_instance_beside_those_of_all(nodes):
    def limited(client):
        # Each instance counts three of its own before the others; four in all.
        assert nodes.said("/own-first", client, 8) == [200] * 4 + [503, 503, 429, 429]
        assert nodes.instances[0].ask("/own-last", client).headers["ratelimit"] == '"1";r=3;t=3600, "2";r=2;t=3600'
        assert nodes.said("/own-last", client, 5) == [200] * 3 + [503, 503]

    nodes.check(limited)


def test_hooks(nodes):
    def limited(client):
        assert nodes.said("/hook", client, 6) == [200] * 5 + [429]
        assert nodes.instances[0].ask("/hook", client).text == "60"
        assert nodes.instances[0].ask("/at-once", client).text == "true true true false"

    def limited_by_cost(client):
        assert nodes.said("/hook?cost=4", client, 3) == [200, 200, 429]  # the second goes below
        assert nodes.instances[1].ask("/hook", client).text == "240"

    nodes.check(limited)
    nodes.check(limited_by_cost)


def test_mistakes_in_hooks(nodes):
    instance = nodes.instances[0]
    assert instance.said("/no-store", "192.0.2.16") == 500
    wait_until(lambda: 'limit.rate: cluster: no store "mian" (did you mean "main"?)' in instance.log, "the message")
    assert instance.said("/no-wait", "192.0.2.16") == 500
    wait_until(lambda: "limit.rate: with cluster it may wait for the store, " in instance.log, "the message")


def test_what_is_in_the_store(nodes):
    nodes.said("/rate", "203.0.113.77", 1)
    nodes.said("/fast", "192.0.2.17", 20)
    store = nodes.store
    keys = asyncio.run(_call(store.port, "KEYS", "*"))
    assert keys
    assert all(key == b"rsp:nodes" or (key.startswith(b"rsp:limit:") and len(key) == 40) for key in keys)
    lasting = [asyncio.run(_call(store.port, "PTTL", key)) for key in keys]
    assert all(0 < each <= 3 * 3600 * 1000 * 4 for each in lasting)
    assert not any(b"203.0.113" in key for key in keys)


def test_a_count_outlives_reloads_and_workers(nodes):
    assert nodes.said("/only", "192.0.2.18", 2) == [200, 200]
    for instance in nodes.instances:
        instance.reload(SITE)
    assert nodes.said("/only", "192.0.2.18", 4) == [200, 200, 429, 429]


def test_a_limit_that_is_asked_for_often_is_leased(nodes):
    """1,000/s, of which two instances are asked for more, for a second."""
    counts, stop = [Counter(), Counter()], time.monotonic() + 1.5
    before = int(_stat(nodes.store, "total_commands_processed"))
    begun = time.monotonic()

    def ask(number):
        with nodes.instances[number].client() as session:
            while time.monotonic() < stop:
                counts[number][session.get("/fast", headers={"X-Key": "leased"}).status_code] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in (0, 1) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed, lasted = sum(each[200] for each in counts), time.monotonic() - begun
    assert set(counts[0]) | set(counts[1]) <= {200, 429}
    assert passed <= 1000 * lasted * 1.02 + 41
    assert int(_stat(nodes.store, "total_commands_processed")) - before < 4 * passed + 100  # three commands in a script


@pytest.mark.soak
def test_five_instances_admit_what_the_limit_says(tmp_path):
    text = """
    listen "127.0.0.1:{port}"
    store "main" { "redis://127.0.0.1:REDIS/0" }
    route { path = "/free", respond = { body = "inside" } }
    route { path = "/limited", respond = { body = "inside" }, rate_limit = { rate = "1000r/s", key = "all", cluster = true } }
    """
    with redis_server(tmp_path) as store, ExitStack() as stack:
        instances = [stack.enter_context(Instance(tmp_path / f"{number}", store.port, 1, text)) for number in range(5)]
        load = Load()
        asyncio.run(load.run([("127.0.0.1", instance.port) for instance in instances], 2000, 8))
        ideal = load.ideal(0.001, 0.04)
        assert abs(load.statuses["/limited"][200] - ideal) < 0.02 * ideal
        assert set(load.statuses["/limited"]) == {200, 429}


# -- without it


def test_the_store_hangs(tmp_path):
    with redis_server(tmp_path) as store, Nodes(store, tmp_path, 2) as nodes:
        known_at = time.time()
        wait_until(lambda: min(_seen(store)) > known_at, "both instances have counted the other")
        assert nodes.said("/only", "192.0.2.1", 2) == [200, 200]
        store.pause()
        # Four at once, of which each instance admits its half.
        begun = time.monotonic()
        assert nodes.said("/only", "192.0.2.2", 8) == [200] * 4 + [429] * 4
        assert nodes.said("/hook", "192.0.2.2", 8).count(200) in (5, 6)
        assert time.monotonic() - begun < PATIENCE / 2
        store.resume()
        wait_until(lambda: all("hold for all instances again" in each.log for each in nodes.instances), "it is back")
        clients = (f"192.0.3.{number}" for number in range(256))
        wait_until(lambda: nodes.said("/url", next(clients), 11) == [200] * 10 + [429], "one limit")
        for instance in nodes.instances:
            outage = instance.log.partition('"main": limits hold for all instances again')[0]
            assert '"main": no response within 50 ms' in outage, instance.log
            assert "this instance admits 1/2 of each limit by itself" in outage


def _limited(instance, client):
    return [instance.said("/only", client) for _ in range(5)] == [200] * 4 + [429]


def _until_limited(instance, network):
    """For one client or another: in the moment in which an outage begins or ends, there are two buckets of a client."""
    clients = (f"{network}.{number}" for number in range(256))
    wait_until(lambda: _limited(instance, next(clients)), "one limit")


@pytest.mark.parametrize("kind", KINDS)
def test_the_store_is_killed_and_comes_again(tmp_path, kind):
    with redis_server(tmp_path, kind=kind) as store, Instance(tmp_path / "0", store.port) as instance:
        _until_limited(instance, "198.18.1")
        store.kill()
        _until_limited(instance, "198.18.2")  # one instance of one
        wait_until(lambda: "admits all of each limit by itself" in instance.log, "the log line")
        store.start()
        wait_until(lambda: "hold for all instances again" in instance.log, "it is back")
        clients = (f"192.0.3.{number}" for number in range(256))
        wait_until(lambda: _limited(instance, next(clients)) and int(store.ask("DBSIZE")[1:]) > 1, "one limit")


def test_without_a_store_from_the_beginning(tmp_path):
    with Instance(tmp_path / "0", free_port()) as instance:
        begun = time.monotonic()
        _until_limited(instance, "198.18.1")
        assert time.monotonic() - begun < PATIENCE / 2


LIES = {
    "another kind": b"+OK\r\n",
    "a number": b":5\r\n",
    "more than was asked for": b"*3\r\n:1000000\r\n:0\r\n:0\r\n",
    "too few": b"*2\r\n:1000\r\n:0\r\n",
    "texts": b"*3\r\n$4\r\n1000\r\n$1\r\n0\r\n$1\r\n0\r\n",
    "an error": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "no protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "nothing": b"",
}


def test_stores_that_lie(tmp_path):
    """Each is as good as none; and no request is lost when its client leaves while it waits."""
    with ExitStack() as stack:
        stores = {name: stack.enter_context(Pretender(reply)) for name, reply in LIES.items()}
        stores["a flood"] = stack.enter_context(Pretender(b"*3\r\n:1000\r\n:0\r\n:0\r\n", endless=True))
        text = 'listen "127.0.0.1:{port}"\n' + "".join(
            f'route {{ path = "/{number}", respond = {{ status = 200 }}, rate_limit = {{ rate = "1r/h", burst = 1, '
            f'key = "{{query}}", cluster = "redis://127.0.0.1:{store.port}/0" }} }}\n'
            for number, store in enumerate(stores.values())
        )
        with Rsp(tmp_path, text) as rsp:
            for number, name in enumerate(stores):
                if name == "nothing":
                    with socket.create_connection(("127.0.0.1", rsp.port)) as sock:
                        sock.sendall(b"GET /%d?k=gone HTTP/1.1\r\nHost: test\r\n\r\n" % number)
                    wait_until(
                        lambda: "GET /" in rsp.access_log or "no response within 50 ms" in rsp.log, "it has left"
                    )
                begun = time.monotonic()
                with httpx.Client(base_url=f"http://127.0.0.1:{rsp.port}", timeout=PATIENCE, trust_env=False) as client:
                    found = [client.get(f"/{number}?k=1").status_code for _ in range(4)]
                # What could be true is believed: five instances, one request that passes.
                true = {"a number": [200, 429, 429, 429], "a flood": [200, 200, 200, 429]}
                assert found in ([200, 200, 429, 429], true.get(name)), name
                assert time.monotonic() - begun < PATIENCE / 2
            assert rsp.log.count("of each limit by itself") == len(stores), rsp.log
            assert "hold for all instances again" not in rsp.log


# -- the script


async def _call(port, *words):
    redis = Redis(Store(name="test", url=f"redis://127.0.0.1:{port}/0"), Dns(), Keyring())
    try:
        return await redis.call(*words)
    finally:
        redis.close()


def _stat(store, name):
    return next(
        line.partition(b":")[2] for line in asyncio.run(_call(store.port, "INFO", "stats")).splitlines()
        if line.startswith(name.encode())
    )  # fmt: skip


def _seen(store):
    """When each instance has given its last sign of life: in the same call it has got the number of all."""
    return [float(each) for each in asyncio.run(_call(store.port, "ZRANGE", "rsp:nodes", 0, -1, "WITHSCORES"))[1::2]]


async def _same(port, seed):
    """Random questions of the script and of the model, of limits so slow that the time between them does not count."""
    random_, buckets, now = random.Random(seed), {}, time.time()
    redis = Redis(Store(name="test", url=f"redis://127.0.0.1:{port}/0"), Dns(), Keyring())
    terms = [Terms(1e4, 0.0, 1.0), Terms(1e4, 5e4, 1.0), Terms(2e4, 2e6, 0.0)]
    for _ in range(40):
        asked = []
        for _ in range(random_.randrange(1, 12)):
            number = random_.randrange(3)
            first = random_.choice([0.0, 1.0, 1.0, 2.5])
            need = random_.choice([-3.0, first, first + 1, first + 20])
            asked.append((number, first, need, float(random_.choice([0, 0, 5, 50]))))
        keys = tuple(key_of(b"%d %d" % (seed, number)) for number, *_ in asked)
        values = tuple(value for number, *rest in asked for value in arguments(terms[number], *rest))
        reply = await redis.eval(LEND, keys, values)
        found = answers(reply, [max(need, 0.0) + want for _, _, need, want in asked])
        assert found is not None, reply
        for key, (number, first, need, want), answer in zip(keys, asked, found, strict=True):
            wanted = model(buckets, now, key, terms[number], first, need, want)
            assert answer.granted == pytest.approx(max(wanted.granted, -0.001), abs=1e-3)
            assert answer.wait == pytest.approx(wanted.wait, abs=PATIENCE)
            assert answer.full == pytest.approx(wanted.full, abs=PATIENCE)
    redis.close()


@pytest.mark.parametrize("seed", range(3))
def test_the_script_does_what_the_model_does(nodes, seed):
    asyncio.run(_same(nodes.store.port, seed))


def test_what_others_have_written_at_its_keys(nodes):
    store, key = nodes.store, key_of(b"junk").decode()
    for value in ("nan", "-nan", "1e300", "inf", "text", "-5"):
        store.ask("SET", key, value)
        reply = asyncio.run(_lend(store.port, key))
        assert answers(reply, [1.0]) is not None, (value, reply)


async def _lend(port, key):
    redis = Redis(Store(name="test", url=f"redis://127.0.0.1:{port}/0"), Dns(), Keyring())
    try:
        return await redis.eval(LEND, (key,), arguments(Terms(1.0, 0.0, 1.0), 1.0, 1.0, 0.0))
    finally:
        redis.close()
