"""The client of Redis and Valkey against real servers: TLS, users, Sentinel, outages; and against hostile ones."""

import asyncio
import gc
import time
import tracemalloc

import pytest

from rsp.config.engines import SECRETS, Store
from rsp.config.instance import Dns
from rsp.config.tls import UpstreamTls
from rsp.config.units import Duration, Secret
from rsp.engines.redis import ErrorReply, Redis, Script, Unavailable
from rsp.engines.redis_link import Link
from rsp.tls.material import Keyring
from tests.harness import wait_until
from tests.ports import free_port
from tests.redis_server import KINDS, Pretender, redis_server, sentinels, tls_options

QUICK = Duration(0.4)


class Told:
    """What a client says of outages."""

    def __init__(self):
        self.lines = []

    def __call__(self, text, _level):
        self.lines.append(text)


def client(url, keyring=Keyring(), *, tell=None, **keys):  # noqa: B008
    store = Store(name="main", url=url, **{"timeout": Duration(5), **keys})
    return Redis(store, Dns(), keyring, tell=tell or Told())


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


async def until(condition, patience=20.0):
    """Whether it comes about."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "waited too long"
        await asyncio.sleep(0.01)


async def answered(redis, patience=20.0):
    """Once it is there again."""
    end = time.monotonic() + patience
    while True:
        try:
            return await redis.call("PING")
        except Unavailable:
            assert time.monotonic() < end, redis.why
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_commands_scripts_and_errors(tmp_path, kind):
    async def check():
        redis = client(f"redis://localhost:{server.port}/3")
        assert await redis.call("SET", "a", b"\0\r\n", "PX", 60000) == b"OK"
        assert await redis.call("GET", "a") == b"\0\r\n"
        assert await redis.call("GET", "b") is None
        script = Script("return { KEYS[1], ARGV[1], 7, false, {} }")
        for _ in range(2):  # the text first, then by its digest
            assert await redis.eval(script, ("k",), ("v",)) == [b"k", b"v", 7, None, []]
        with pytest.raises(ErrorReply) as caught:
            await redis.call("LPUSH", "a", 1)
        assert caught.value.code == "WRONGTYPE"
        values = await asyncio.gather(*(redis.call("INCR", "n") for _ in range(2000)))
        assert values == list(range(1, 2001))  # in their order
        assert server.ask("CLIENT", "LIST").count("name=rsp") == 1  # over one connection
        assert "db=3" in server.ask("CLIENT", "LIST")
        redis.close()
        with pytest.raises(Unavailable):
            await redis.call("GET", "a")

    with redis_server(tmp_path, kind=kind) as server:
        run(check())


@pytest.mark.parametrize("kind", KINDS)
def test_users(tmp_path, kind):
    (tmp_path / "users.acl").write_text(
        "user default off\nuser rsp on >hunter2 ~* +@all\nuser narrow on >x ~a* +get +auth\n"
    )
    keyring = Keyring(files={f"{SECRETS} good": b"hunter2", f"{SECRETS} bad": b"hunter3"})

    async def check():
        url = f"redis://localhost:{server.port}"
        good = client(url, keyring, username="rsp", password_file="good")
        assert await good.call("SET", "a", 1) == b"OK"
        narrow = client(url, username="narrow", password=Secret("x"))
        assert await narrow.call("GET", "a") == b"1"  # though it may not name its connection
        with pytest.raises(ErrorReply, match="NOPERM"):
            await narrow.call("SET", "a", 2)
        for keys, why in (
            ({"username": "rsp", "password_file": "bad"}, "refuses the credentials (WRONGPASS)"),
            ({"username": "rsp", "password_file": "missing"}, "missing"),
            ({}, "requires a password"),
        ):
            told = Told()
            redis = client(url, keyring, tell=told, **keys)
            with pytest.raises(Unavailable) as caught:
                await redis.call("GET", "a")
            assert why in str(caught.value)
            assert "hunter" not in str(caught.value) + "".join(told.lines) + repr(redis) + repr(redis.store)
            assert len(told.lines) == 1
            redis.close()
        good.close()
        narrow.close()

    with redis_server(tmp_path, "--aclfile", str(tmp_path / "users.acl"), kind=kind) as server:
        run(check())


def test_tls(tmp_path):
    secure = free_port()

    async def check():
        url, tls = f"rediss://localhost:{secure}/1", UpstreamTls(ca="ca.pem")
        good = client(url, keyring, tls=tls)
        assert await good.call("SET", "a", b"x" * 200_000) == b"OK"
        assert await good.call("GET", "a") == b"x" * 200_000
        for keys in ({}, {"tls": UpstreamTls(ca="ca.pem", name="other.example")}):  # not verified: not used
            redis = client(url, keyring, **keys)
            with pytest.raises(Unavailable, match="certificate"):
                await redis.call("GET", "a")
            redis.close()
        plain = client(f"redis://localhost:{secure}/0", timeout=QUICK)
        with pytest.raises(Unavailable):
            await plain.call("GET", "a")
        secret = client(f"rediss://localhost:{server.port}/0", keyring, tls=tls, timeout=QUICK)
        with pytest.raises(Unavailable):
            await secret.call("GET", "a")
        for redis in (good, plain, secret):
            redis.close()

    with redis_server(tmp_path, *tls_options(tmp_path, secure)) as server:
        keyring = Keyring(authorities={"ca.pem": (tmp_path / "ca.pem").read_bytes()})
        run(check())


def test_a_password_that_changes_is_used_from_the_next_connection(tmp_path):
    async def check():
        url, name = f"redis://127.0.0.1:{server.port}", f"{SECRETS} password"
        redis = client(url, Keyring(files={name: b"old"}), password_file="password")
        with pytest.raises(Unavailable):
            await redis.call("GET", "a")
        redis.use(Dns(), Keyring(files={name: b"new"}))
        assert await answered(redis) == b"PONG"
        redis.close()

    with redis_server(tmp_path, "--requirepass", "new") as server:
        run(check())


def test_a_local_socket(tmp_path):
    path = tmp_path / "redis.sock"

    async def check():
        redis = client(f"redis+unix://{path}?db=2")
        assert redis.label == f'Store "main" (redis+unix://{path}?db=2)'
        assert await redis.call("SET", "a", 1) == b"OK"
        redis.close()

    with redis_server(tmp_path, "--unixsocket", str(path)) as server:
        run(check())
        assert "keys=1" in server.ask("INFO", "keyspace")


@pytest.mark.parametrize("kind", KINDS)
def test_sentinel_names_the_primary_and_the_new_one_after_it_is_gone(tmp_path, kind):
    async def check():
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in watchers)
        redis = client(f"redis+sentinel://{hosts}/mymaster/0", timeout=Duration(1))
        assert await redis.call("SET", "a", 1) == b"OK"
        await until(lambda: replica.ask("GET", "a") == "1")
        watchers[0].kill()  # another one is asked
        primary.kill()
        begun = time.monotonic()
        await answered(redis)
        assert "role:master" in replica.ask("INFO", "replication")
        assert await redis.call("GET", "a") == b"1"
        assert time.monotonic() - begun < 15
        redis.close()
        unknown = client(f"redis+sentinel://{hosts}/other/0")
        with pytest.raises(Unavailable, match='no service "other"'):
            await unknown.call("GET", "a")
        unknown.close()

    with redis_server(tmp_path, kind=kind) as primary:
        follows = ["--replicaof", "127.0.0.1", str(primary.port)]
        with redis_server(tmp_path, *follows, kind=kind) as replica:
            wait_until(lambda: "master_link_status:up" in replica.ask("INFO", "replication"), "the replica follows")
            wait_until(lambda: "slave0:" in primary.ask("INFO", "replication"), "the primary knows it")
            with sentinels(tmp_path, primary.port, kind=kind) as watchers:
                wait_until(lambda: "slaves=1" in watchers[1].ask("INFO", "sentinel"), "sentinels know the replica")
                wait_until(lambda: "slaves=1" in watchers[2].ask("INFO", "sentinel"), "sentinels know the replica")
                run(check())


def test_several_servers_of_which_one_is_the_primary(tmp_path):
    async def check():
        redis = client(f"redis://127.0.0.1:{free_port()},127.0.0.1:{replica.port},127.0.0.1:{primary.port}")
        assert await redis.call("SET", "a", 1) == b"OK"
        redis.close()
        alone = client(f"redis://127.0.0.1:{replica.port}")  # as told; it can be read
        assert await alone.call("PING") == b"PONG"
        with pytest.raises(Unavailable, match="READONLY"):
            await alone.call("SET", "a", 1)
        alone.close()

    with redis_server(tmp_path) as primary:
        with redis_server(tmp_path, "--replicaof", "127.0.0.1", str(primary.port)) as replica:
            wait_until(lambda: "master_link_status:up" in replica.ask("INFO", "replication"), "the replica follows")
            run(check())


def test_an_outage_is_told_once_and_calls_are_answered_at_once_while_it_lasts(tmp_path):
    told = Told()

    async def check():
        redis = client(f"redis://127.0.0.1:{server.port}", tell=told, timeout=QUICK)
        assert await redis.call("PING") == b"PONG"
        server.kill()
        await until(lambda: redis.why)
        begun = time.process_time()
        for _ in range(200):
            with pytest.raises(Unavailable, match="refused"):
                await redis.call("PING")
        assert time.process_time() - begun < 1
        assert not redis.up
        server.start()
        assert await answered(redis) == b"PONG"
        assert redis.up
        await until(lambda: len(told.lines) == 2)
        assert "not available: Connection refused" in told.lines[0]
        assert "available again after" in told.lines[1]
        server.pause()
        begun = time.monotonic()
        calls = [redis.call("PING") for _ in range(100)]
        for found in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(found, Unavailable)
            assert "does not respond within 0.4 s" in str(found)
        assert time.monotonic() - begun < 5
        server.resume()
        assert await answered(redis) == b"PONG"
        await until(lambda: len(told.lines) == 4)
        redis.close()

    with redis_server(tmp_path) as server:
        run(check())


def test_a_connection_that_the_server_closes_is_made_anew_unseen_unless_it_happens_often(tmp_path):
    told = Told()

    async def check():
        redis = client(f"redis://127.0.0.1:{server.port}", tell=told)
        assert await redis.call("PING") == b"PONG"
        server.ask("CLIENT", "KILL", "TYPE", "normal")
        await until(lambda: "name=rsp" in server.ask("CLIENT", "LIST"))
        assert await redis.call("PING") == b"PONG"
        assert told.lines == []
        server.ask("CLIENT", "KILL", "TYPE", "normal")
        await until(lambda: told.lines)
        assert await answered(redis) == b"PONG"
        redis.close()

    with redis_server(tmp_path) as server:
        run(check())
    assert len(told.lines) == 1
    assert "the server has closed the connection" in told.lines[0]


def test_a_script_that_the_server_has_forgotten_is_sent_again(tmp_path):
    async def check():
        redis, script = client(f"redis://127.0.0.1:{server.port}"), Script("return 1")
        for _ in range(2):
            assert await redis.eval(script, ()) == 1
            server.ask("SCRIPT", "FLUSH")
        redis.close()

    with redis_server(tmp_path) as server:
        run(check())


# -- servers that are none

HOSTILE = {
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "random bytes": bytes(range(1, 10)) * 1000,
    "a text of 4 GB": b"$4294967296\r\n" + b"x" * 100_000,
    "a list of 10^9": b"*1000000000\r\n",
    "lists in lists": b"*1\r\n" * 100_000,
    "replies to nothing": b"+OK\r\n" * 100_000,
    "a push": b">2\r\n$7\r\nmessage\r\n$1\r\nx\r\n",
    "a line without end": b"+" + b"x" * 100_000,
    "an endless list": b"*20000\r\n" + b"$100\r\n" + b"x" * 100 + b"\r\n",
}


@pytest.mark.parametrize("lie", HOSTILE)
@pytest.mark.parametrize("endless", [False, True], ids=["once", "flood"])
def test_a_lying_server_is_unavailable_in_time_and_within_bounded_memory(lie, endless):
    async def check():
        told = Told()
        redis = client(f"redis://127.0.0.1:{liar.port}", timeout=QUICK, tell=told)
        tracemalloc.start()
        begun, gaps = time.monotonic(), Gaps()
        watch = asyncio.ensure_future(gaps.watch())
        found = await asyncio.gather(*(redis.call("GET", "a") for _ in range(3)), return_exceptions=True)
        taken = time.monotonic() - begun
        await asyncio.sleep(0.2)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        watch.cancel()
        assert len(found) == 3
        await until(lambda: told.lines)
        assert taken < 3
        assert peak < 8 << 20
        assert gaps.longest < 0.1  # the loop has had time for others
        while liar.accepted < 3:
            await asyncio.gather(redis.call("GET", "a"), return_exceptions=True)
            await asyncio.sleep(0.01)
        assert len(told.lines) == 1
        redis.close()

    with Pretender(HOSTILE[lie], endless=endless) as liar:
        gc.collect()
        run(check())


class Gaps:
    """``longest``: processor time of this thread that one turn of the loop has taken."""

    def __init__(self):
        self.longest = 0.0

    async def watch(self):
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.thread_time() - before)
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("answers", [b"", b"$10\r\nab"], ids=["nothing", "half of it"])
def test_a_server_that_does_not_answer_is_left_in_time(answers):
    async def check():
        redis = client(f"redis://127.0.0.1:{liar.port}", timeout=QUICK)
        begun = time.monotonic()
        with pytest.raises(Unavailable, match=r"does not respond within 0.4 s"):
            await redis.call("GET", "a")
        assert time.monotonic() - begun < 3
        with pytest.raises(Unavailable):
            await redis.call("GET", "a")
        redis.close()

    with Pretender(answers) as liar:
        run(check())


def test_a_server_that_does_not_even_greet_is_left_in_time():
    async def check():
        told = Told()
        redis = client(f"redis://127.0.0.1:{liar.port}", timeout=QUICK, tell=told)
        with pytest.raises(Unavailable):
            await redis.call("GET", "a")
        await until(lambda: liar.accepted >= 3)  # it tries again
        assert len(told.lines) == 1
        redis.close()

    with Pretender(b"", greets=False) as liar:
        run(check())


def test_what_waits_is_bounded(tmp_path):
    async def check():
        redis = client(f"redis://127.0.0.1:{server.port}")
        found = []
        for _ in range(5000):  # before there is a connection
            redis.send(found.append, "PING")
        assert len(found) == 4000
        await until(lambda: len(found) == 5000)
        assert found.count(b"PONG") == 1000
        server.pause()
        large = b"x" * 100_000
        for _ in range(200):  # 20 MB for a server that reads nothing
            redis.send(found.append, "SET", "a", large)
        refused = [each for each in found[5000:] if isinstance(each, Unavailable)]
        assert len(refused) > 100
        server.resume()
        redis.close()
        assert len(found) == 5200  # each call is answered once

    with redis_server(tmp_path) as server:
        run(check())


def test_replies_that_come_at_once_are_handed_out_over_several_turns():
    async def check():
        found, lost = [], []
        link = Link(5.0, 1 << 20, lost.append)
        near, far = await pair(link)
        for _ in range(200):
            link.send(b"", found.append)
        link.data_received(b"+OK\r\n" * 200)
        assert 0 < len(found) < 100
        await until(lambda: len(found) == 200)
        link.data_received(b"+OK\r\n")
        assert lost == ["it sends an unexpected reply"]
        near.close()
        far.close()

    run(check())


async def pair(link):
    import socket

    near, far = socket.socketpair()
    await asyncio.get_running_loop().create_connection(lambda: link, sock=near)
    return near, far


def test_a_server_that_is_full_says_so(tmp_path):
    async def check():
        first = client(f"redis://127.0.0.1:{server.port}")
        assert await answered(first) == b"PONG"
        second = client(f"redis://127.0.0.1:{server.port}")
        with pytest.raises(Unavailable, match=r"max number of clients reached|lost|closed|reset|pipe"):
            await second.call("PING")
        first.close()
        assert await answered(second) == b"PONG"
        second.close()

    with redis_server(tmp_path, "--maxclients", "1") as server:
        run(check())


def test_a_connection_that_ends_just_after_it_was_let_in_is_not_used():
    class Short(Redis):
        """Its connections end before they are known."""

        async def _connect(self):
            place = self._place
            connect = place.connect

            async def short(lost):
                link = await connect(lost)
                if liar.accepted < 3:
                    link.connection_lost(None)
                return link

            place.connect = short
            try:
                await super()._connect()
            finally:
                place.connect = connect

    async def check():
        store = Store(name="main", url=f"redis://127.0.0.1:{liar.port}")
        redis = Short(store, Dns(), Keyring(), tell=Told())
        with pytest.raises(Unavailable):
            await redis.call("PING")
        assert await answered(redis) == b"PONG"
        redis.close()

    with Pretender(b"+PONG\r\n") as liar:
        run(check())


def test_a_cluster_node_says_what_it_is():
    async def check():
        redis = client(f"redis://127.0.0.1:{liar.port}")
        with pytest.raises(Unavailable, match="Cluster"):
            await redis.call("GET", "a")
        redis.close()

    with Pretender(b"-MOVED 3999 127.0.0.1:6381\r\n") as liar:
        run(check())


def test_sentinels_that_lie():
    async def check(answer, why):
        with Pretender(answer) as liar:
            redis = client(f"redis+sentinel://127.0.0.1:{liar.port}/mymaster", timeout=QUICK)
            with pytest.raises(Unavailable, match=why):
                await redis.call("GET", "a")
            redis.close()

    for answer, why in (
        (b"*2\r\n$9\r\nunix:/a/b\r\n$4\r\n6379\r\n", "the reply of Sentinel is not an address"),
        (b"*2\r\n$9\r\n127.0.0.1\r\n$6\r\n999999\r\n", "the reply of Sentinel is not an address"),
        (b"*1\r\n$1\r\na\r\n", "the reply of Sentinel is not an address"),
        (b"$9\r\n127.0.0.1\r\n", "the reply of Sentinel is not an address"),
        (b"*-1\r\n", 'no service "mymaster"'),
        (b"-ERR oh no\r\n", "oh no"),
        (b"$100000\r\n", "too large"),
    ):
        run(check(answer, why))
