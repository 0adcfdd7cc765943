"""Access logs: formats, several of them, which requests they have, where they go, and what may not be in them."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.certificates import authority
from tests.harness import Backend, Rsp, accepts, background_load, exchange, free_port, get, proxy_to, wait_until

DEFAULT = [
    "time", "client", "method", "target", "protocol", "status", "bytes", "duration", "upstream", "upstream_time",
    "route", "request_id",
]  # fmt: skip


@pytest.fixture
def backend():
    with Backend() as running:
        yield running


def lines(path: Path) -> list[str]:
    """Whole ones."""
    return path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []


def entries(path: Path) -> list[dict]:
    return [json.loads(line) for line in lines(path)]


def wait_for(path: Path, count: int) -> list[str]:
    wait_until(lambda: len(lines(path)) >= count, f"{count} lines in {path.name}")
    found = lines(path)
    assert len(found) == count, found
    return found


def asked(rsp: Rsp, target: str, extra: str = "") -> bytes:
    return get(rsp.port, target, extra=extra)


# -- JSON


def test_json_has_these_fields_by_default(tmp_path, backend):
    text = proxy_to(backend.address, extra=f'access_log = {{ path = "{tmp_path}/access.json", format = "json" }}')
    with Rsp(tmp_path, text) as rsp:
        before = time.time()
        assert asked(rsp, "/x?y=%22", "X-Request-Id: abc-1\r\n").startswith(b"HTTP/1.1 200")
        exchange(rsp.port, b"nonsense\r\n\r\n")
        wait_for(tmp_path / "access.json", 2)
        first, second = entries(tmp_path / "access.json")
    assert list(first) == DEFAULT and list(second) == DEFAULT
    assert first | {"time": "", "duration": 0, "upstream_time": 0} == {
        "time": "", "client": "127.0.0.1", "method": "GET", "target": "/x?y=%22", "protocol": "HTTP/1.1", "status": 200,
        "bytes": 3, "duration": 0, "upstream": backend.address, "upstream_time": 0, "route": "/",
        "request_id": "abc-1",
    }  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])
    assert before - 0.01 <= datetime.fromisoformat(first["time"]).timestamp() <= time.time()
    assert 0 < first["upstream_time"] <= first["duration"] < 30
    assert (second["method"], second["target"], second["protocol"], second["status"]) == ("", "", "", 400)
    assert (second["upstream"], second["upstream_time"], second["route"]) == ("", 0, "")
    assert second["request_id"]


HOSTILE = (
    b"\x1b[31m\x1b]0;x\x07", b'","status":"200', b"\\\"\\", b"<script>alert(1)</script>", b"\xff\xfe\xc3\x28",
    "é\u202e\u2028\u009b".encode(), b"\x7f\x80", b"%0d%0a{}", b"'\t'",
)  # fmt: skip


def test_a_client_cannot_break_out_of_a_line(tmp_path, backend):
    logs = """access_log = {
        { path = "fields.json", format = "json", fields = { agent = "request.header.user-agent",
          referer = "referer", odd = "request.header.x-odd" } },
        { path = "own.log", format = "{client} {request.header.user-agent} {referer} {target} end" },
        { path = "combined.log" },
        { path = "access.json", format = "json" } }"""
    with Rsp(tmp_path, proxy_to(backend.address, extra=logs)) as rsp:
        count = 0
        for text in HOSTILE:
            for head in (
                b"GET /x HTTP/1.1\r\nHost: a\r\nUser-Agent: %b\r\nReferer: %b\r\nX-Odd: %b\r\n" % (text, text, text),
                b"GET /%b HTTP/1.1\r\nHost: a\r\n" % text,
                b"GET /?%b HTTP/1.1\r\nHost: a\r\n" % text,
            ):
                exchange(rsp.port, head + b"Connection: close\r\n\r\n")
                count += 1
        for name in ("fields.json", "own.log", "combined.log", "access.json"):
            found = wait_for(tmp_path / name, count)
            assert all(line.isascii() and (line + "x").isprintable() for line in found), name
        assert all(line.endswith(" end") and line.startswith("127.0.0.1 ") for line in lines(tmp_path / "own.log"))
        for entry in entries(tmp_path / "access.json"):
            assert list(entry) == DEFAULT and entry["status"] in (200, 400)
        agents = {entry["agent"] for entry in entries(tmp_path / "fields.json")}
        assert {text.decode("utf-8", "replace").strip() for text in HOSTILE if b"\x1b" not in text} & agents


def test_a_pipe_gets_whole_lines_of_json_however_long_they_would_be(tmp_path, backend):
    """What several processes write to a pipe stays apart up to 4 KB (PIPE_BUF); in JSON, long values are cut for it."""
    logs = """access_log = { { format = "json" }, { path = "all.json", format = "json" },
        { path = "pipe.json", format = "json", fields = { agent = "user_agent" } } }"""
    os.mkfifo(tmp_path / "pipe.json")
    reader = os.open(tmp_path / "pipe.json", os.O_RDONLY | os.O_NONBLOCK)
    try:
        (tmp_path / "site.lua").write_text(
            'admin = "off" ' + proxy_to(backend.address, extra=logs).replace("{port}", str(port := free_port()))
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "rsp", "-w", "2", "site.lua"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
        )
        try:
            wait_until(lambda: accepts(port), "rsp")
            target = "/" + "a%" * 3500 + "?" + "x" * 500
            agent = "\xff\x1b" * 2000
            for _ in range(10):
                assert get(port, target, extra=f"User-Agent: {agent[::2]}\r\n").startswith(b"HTTP/1.1 200")
            method = "M'" * 3500
            exchange(port, f"{method} / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
            process.terminate()
            out, _ = process.communicate(timeout=30)
        finally:
            process.kill()
            process.wait()
        from_pipe = b""
        while data := os.read(reader, 1 << 16):
            from_pipe += data
    finally:
        os.close(reader)
    for text in (out, from_pipe.decode()):
        found = text.splitlines()
        assert len(found) == 11 and all(len(line) < 4096 for line in found)
        cut = [entry["target"] if entry["method"] == "GET" else entry["method"] for entry in map(json.loads, found)]
        assert all(
            one.endswith("...") and (target + method).find(one.removesuffix("...")) in (0, len(target)) for one in cut
        )
    assert {entry["target"] for entry in entries(tmp_path / "all.json")} == {target, "/"}


# -- fields and formats of one's own


def test_fields_of_ones_own(tmp_path, backend):
    text = f"""listen "127.0.0.1:{{port}}" upstream "app" {{ "{backend.address}" }}
    access_log = {{ {{ path = "a.json", format = "json", fields = {{ time = "", client = "", duration = "total",
        total = "duration", agent = "request.header.User-Agent", kind = "response.header.content-type" }} }} }}
    route {{ to = "app", name = "shop" }}"""
    with Rsp(tmp_path, text.replace('duration = "total",', "")) as rsp:
        asked(rsp, "/x", "User-Agent: me\r\n")
        wait_for(tmp_path / "a.json", 1)
        (entry,) = entries(tmp_path / "a.json")
    assert "time" not in entry and "client" not in entry
    assert entry["agent"] == "me" and entry["route"] == "shop" and entry["total"] == entry["duration"]
    assert "kind" in entry


def test_every_field_in_a_text(tmp_path, backend):
    from rsp.config.log_fields import FIELDS

    text = " ".join(f"{name}={{{name}}}" for name in FIELDS)
    extra = f'access_log = {{ path = "a.log", format = "{text} {{{{x}}}} {{query.a}} {{cookie.b}} {{log.c}}" }}'
    with Rsp(tmp_path, proxy_to(backend.address, extra=extra)) as rsp:
        body = (
            b"POST /p?a=1&token=s HTTP/1.1\r\nHost: A.example:80\r\nContent-Length: 4\r\nCookie: b=s3cret\r\n\r\nabcd"
        )
        assert exchange(rsp.port, body.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)).startswith(
            b"HTTP/1.1 200"
        )
        exchange(rsp.port, b"nonsense\r\n\r\n")
        first, second = wait_for(tmp_path / "a.log", 2)
    found = dict(part.split("=", 1) for part in first.split(" ") if "=" in part)
    wanted = {
        "method": "POST", "path": "/p", "query": "a=1&token=***", "target": "/p?a=1&token=***", "host": "A.example",
        "scheme": "http", "protocol": "HTTP/1.1", "status": "200", "bytes": "3", "bytes_received": "4", "retries": "0",
        "upstream": backend.address, "upstream_name": "app", "route": "/", "tls_version": "-", "sni": "-",
        "tls_resumed": "0", "client_cert_subject": "-", "trace_id": "-", "user_agent": "-", "referer": "-",
    }  # fmt: skip
    assert {name: found[name] for name in wanted} == wanted
    for name in ("duration", "wait", "connect", "first_byte", "upstream_time"):
        assert 0 <= float(found[name]) < 30, name
    assert float(found["wait"]) <= float(found["first_byte"]) <= float(found["duration"])
    assert first.endswith(" {x} 1 *** -")
    assert " request=POST /p?a=1&token=*** HTTP/1.1 " in first and " request=- " in second
    assert re.search(r" time_local=\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4} ", first)
    assert " method=- " in second and " status=400 " in second


def test_what_hooks_say(tmp_path, backend):
    text = f"""listen "127.0.0.1:{{port}}" upstream "app" {{ "{backend.address}" }}
    access_log = {{ path = "a.json", format = "json", fields = {{ user = "log.user", n = "log.n", ok = "log.ok",
        late = "log.late", none = "log.none" }} }}
    route {{ to = "app", on_request = function(req)
        req.log.user = "\\27[31m" .. (req.headers["X-User"] or "?") req.log.n = 7 req.log.ok = true
        req.log.gone = "x" req.log.gone = nil
      end,
      on_log = function(req, res) req.log.late = res.status + 0.5 assert(req.log.n == 7) end }}"""
    with Rsp(tmp_path, text) as rsp:
        asked(rsp, "/x", "X-User: eve\r\n")
        wait_for(tmp_path / "a.json", 1)
        (entry,) = entries(tmp_path / "a.json")
    assert entry["user"] == "\x1b[31meve" and entry["n"] == 7 and entry["ok"] == "true" and entry["late"] == 200.5
    assert entry["none"] is None


def test_what_hooks_may_not_say(tmp_path, backend):
    text = f"""listen "127.0.0.1:{{port}}" upstream "app" {{ "{backend.address}" }}
    access_log = {{ path = "a.json", format = "json", fields = {{ long = "log.long", last = "log.n20", big = "log.big",
        nan = "log.nan", huge = "log.huge", minus = "log.minus" }} }}
    local function try(req, name, value)
      local good, message = pcall(function() req.log[name] = value end)
      return good and "good" or tostring(message)
    end
    route {{ to = "app", on_request = function(req)
        local said = {{ try(req, "a b", 1), try(req, "", 1), try(req, ("x"):rep(65), 1), try(req, "t", {{}}), try(req, "f", print), try(req, 1, 1) }}
        req.log.long = ("y"):rep(5000)
        req.log.big, req.log.nan, req.log.huge, req.log.minus = 2^53 + 2, 0/0, 1/0, -1.5
        for number = 1, 17 do said[#said + 1] = try(req, "n" .. number, number) end
        said[#said + 1] = try(req, "n20", 1)
        return respond(200, table.concat(said, "\\n"))
      end }}"""
    with Rsp(tmp_path, text) as rsp:
        said = asked(rsp, "/x").partition(b"\r\n\r\n")[2].decode().splitlines()
        wait_for(tmp_path / "a.json", 1)
        (entry,) = entries(tmp_path / "a.json")
    assert all("expected a name of letters" in line for line in (*said[:3], said[5])), said
    assert "expected a string, a number, a boolean or nil, got a table" in said[3] and "function" in said[4]
    assert said[6:23] == ["good"] * 17 and "at most 20 of these" in said[23]
    assert entry["long"] == "y" * 1024 and entry["last"] is None and entry["nan"] is None
    assert entry["big"] == 2**53 + 2 and entry["huge"] is None and entry["minus"] == -1.5


def test_what_is_known_of_tls(tmp_path, backend):
    staff = authority("Staff CA")
    authority().issue("a.example").write(tmp_path, "site")
    staff.write(tmp_path / "staff.pem")
    staff.issue("alice.example", client=True, subject="alice").write(tmp_path, "alice")
    names = ("scheme", "tls_version", "tls_resumed", "sni", "client_cert_subject", "listener")
    fields = ", ".join(f'{name} = "{name}"' for name in names)
    port = free_port()
    text = f"""listen "127.0.0.1:{{port}}" listen "127.0.0.1:{port}" {{ tls = true }} certificate {{ "site.bundle.pem" }}
    upstream "app" {{ "{backend.address}" }} route {{ to = "app", client_ca = "staff.pem", client_verify = "optional" }}
    access_log = {{ path = "a.json", format = "json", fields = {{ {fields}, c = "tls_cipher", p = "client_cert_fingerprint" }} }}"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tmp_path / "alice.bundle.pem")
    with Rsp(tmp_path, text):
        session = None
        for _ in range(2):
            with (
                socket.create_connection(("127.0.0.1", port), 20) as raw,
                context.wrap_socket(raw, server_hostname="a.example", session=session) as client,
            ):
                client.sendall(b"GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
                while client.recv(1000):
                    pass
                session = client.session
        wait_for(tmp_path / "a.json", 2)
        found = [{name: entry[name] for name in names} for entry in entries(tmp_path / "a.json")]
        ciphers = {(entry["c"], len(entry["p"])) for entry in entries(tmp_path / "a.json")}
    expected = dict(zip(names, ("https", "TLSv1.2", 0, "a.example", "CN=alice", f"127.0.0.1:{port}"), strict=True))
    assert found == [expected, expected | {"tls_resumed": 1}]
    assert len(ciphers) == 1 and "-" in next(iter(ciphers))[0]


# -- secrets

SECRETS = (
    "Authorization: Bearer s3cret-1\r\nProxy-Authorization: Basic czNjcmV0LTI=\r\nCookie: sid=s3cret-3; b=s3cret-4\r\n"
    "Referer: http://u:s3cret-5@r/?password=s3cret-6&x=1#access_token=s3cret-7\r\nX-Api-Key: s3cret-8\r\n"
)


def test_secrets_are_in_no_log(tmp_path, backend):
    headers = " ".join(
        f"{{request.header.{name}}}"
        for name in ("authorization", "proxy-authorization", "cookie", "referer", "x-api-key")
    )
    extra = f"""log_mask = {{ "Ticket" }} access_log = {{
        "combined.log", {{ path = "a.json", format = "json" }},
        {{ path = "own.log", format = "{{target}} {{query}} {{referer}} {{cookie.sid}} {{query.token}} {{query.next}} {headers}" }},
        {{ path = "if.log", format = "{{target}}", when = 'query.token = "s3cret-9" and cookie.b ~ "s3c"' }} }}"""
    targets = (
        "/?token=s3cret-9&a=b", "/?a=b&TOKEN=s3cret-9", "/?a;access_token=s3cret-9;x", "/?%74oken=s3cret-9",
        "/?next=%2Fx%3Ftoken%3Ds3cret-9%26y%3Dz", "/?ticket=s3cret-9", "/?token=a%26s3cret-9",
        "/?%2574oken=s3cret-9", "/?user[password]=s3cret-9", "/?next=http%253A%252F%252Fa%252F%253Ftoken%253Ds3cret-9",
        "/?next=http://me:s3cret-9@a/",
    )  # fmt: skip
    with Rsp(tmp_path, proxy_to(backend.address, extra=extra)) as rsp:
        for target in targets:
            asked(rsp, target, SECRETS)
        for name in ("combined.log", "a.json", "own.log"):
            text = "\n".join(wait_for(tmp_path / name, len(targets)))
            assert "s3cret" not in text and "czNj" not in text, text
        combined = lines(tmp_path / "combined.log")
        assert '"GET /?token=***&a=b HTTP/1.1" 200 ' in combined[0]
        assert '"http://***@r/?password=***&x=1#access_token=***"' in combined[0]
        own = lines(tmp_path / "own.log")[0]
        assert "Bearer ***" in own and "Basic ***" in own and "sid=***; b=***" in own
        assert lines(tmp_path / "if.log") == ["/?token=***&a=b"]
        assert "s3cret" not in rsp.log


# -- which requests, and several logs


def test_several_logs_and_those_of_a_route(tmp_path, backend):
    text = f"""listen "127.0.0.1:{{port}}" upstream "app" {{ "{backend.address}" }}
    access_log = {{ "all.log", {{ path = "errors.log", format = "{{status}} {{path}}", when = "status >= 400" }} }}
    route {{ to = "app" }}
    route {{ path = "/api", to = "app", name = "api", access_log = {{ {{ path = "api.json", format = "json" }},
        {{ path = "all.log" }} }} }}
    route {{ path = "/health", respond = {{ status = 204 }}, access_log = "off" }}
    route {{ path = "/gone", respond = {{ status = 410 }} }}"""
    with Rsp(tmp_path, text) as rsp:
        for target in ("/", "/api/1", "/health", "/gone", "/api/2"):
            asked(rsp, target)
        exchange(rsp.port, b"nonsense\r\n\r\n")
        found = wait_for(tmp_path / "all.log", 5)
        assert [re.search(r'"(?:GET (\S+).*?|-)" (\d+)', line).groups() for line in found] == [
            ("/", "200"), ("/api/1", "200"), ("/gone", "410"), ("/api/2", "200"), (None, "400")
        ]  # fmt: skip
        wait_for(tmp_path / "api.json", 2)
        assert [(entry["target"], entry["route"]) for entry in entries(tmp_path / "api.json")] == [
            ("/api/1", "api"), ("/api/2", "api")
        ]  # fmt: skip
        assert wait_for(tmp_path / "errors.log", 2) == ["410 /gone", "400 -"]


def test_a_share_of_requests(tmp_path, backend):
    extra = 'access_log = { "all.log", { path = "some.log", format = "{status}", sample = 0.2 } }'
    with Rsp(tmp_path, proxy_to(backend.address, extra=extra)) as rsp:
        counted = 600
        exchange(rsp.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * (counted - 1) + b"GET / HTTP/1.0\r\n\r\n")
        wait_for(tmp_path / "all.log", counted)
        rsp.stop()
        assert 60 < len(lines(tmp_path / "some.log")) < 180  # six standard deviations


# -- rotation and reload


def test_all_files_are_reopened(tmp_path, backend):
    text = f"""listen "127.0.0.1:{{port}}" upstream "app" {{ "{backend.address}" }}
    access_log = {{ "a.log", {{ path = "b.json", format = "json" }} }}
    route {{ to = "app" }} route {{ path = "/api", to = "app", access_log = "c.log" }}"""
    names = ("a.log", "b.json", "c.log")
    with Rsp(tmp_path, text, workers=2) as rsp:
        for name in names:
            (tmp_path / name).rename(tmp_path / f"{name}.1")
        rsp.signal(signal.SIGUSR1)
        for name in names:
            wait_until((tmp_path / name).exists, name)
        wait_until(lambda: not opened(rsp, ".1"), "no process has the old ones open")
        before = sum(len(lines(tmp_path / f"{name}.1")) for name in names)
        for _ in range(20):
            asked(rsp, "/")
            asked(rsp, "/api")
        for name in names:
            wait_for(tmp_path / name, 20)
        assert sum(len(lines(tmp_path / f"{name}.1")) for name in names) == before


def opened(rsp: Rsp, suffix: str) -> list[str]:
    """Files with such a name that a process of rsp has open."""
    import psutil

    found = []
    for process in (psutil.Process(rsp.process.pid), *psutil.Process(rsp.process.pid).children(recursive=True)):
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target.endswith(suffix):
                found.append(f"{process.pid}: {target}")
    return found


def test_a_reload_changes_logs_and_loses_no_line(tmp_path, backend):
    def site(log: str) -> str:
        return proxy_to(backend.address, extra=f"access_log = {log}")

    with Rsp(tmp_path, site('"a.log"'), workers=2) as rsp:
        with background_load(rsp.port, 8) as load:
            for log in (
                '{ path = "b.log", format = "{status}" }',
                '{ { path = "c.log", format = "json" }, { path = "none.log", when = "status >= 500" } }',
                '"a.log"',
                '{ "d.log" }',
            ):
                wait_until(lambda seen=load.good: load.good > seen + 50, "requests")
                rsp.reload(site(log))
            wait_until(lambda seen=load.good: load.good > seen + 50, "requests of the last")
        assert not load.failures
        assert rsp.stop() == 0
    assert "Reload refused" not in rsp.log
    seen = [len(lines(tmp_path / name)) for name in ("a.log", "b.log", "c.log", "d.log")]
    assert all(seen) and sum(seen) == load.good


# -- syslog, the journal


def test_syslog_over_a_unix_socket(tmp_path, backend):
    path = tmp_path / "log.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.settimeout(20)
        daemon.bind(str(path))
        extra = f'access_log = {{ path = "syslog:{path}", format = "json" }}'
        with Rsp(tmp_path, proxy_to(backend.address, extra=extra)) as rsp:
            asked(rsp, "/one")
            (pid,) = rsp.workers().values()
            first = daemon.recv(1 << 16)
            own = socket.gethostname().encode()
            start = rb"<190>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z %b rsp %d access - " % (re.escape(own), pid)
            match = re.match(start, first)
            assert match, first
            assert json.loads(first[match.end() :])["target"] == "/one"
            daemon.close()
            path.unlink()
            asked(rsp, "/while-it-is-away")
            wait_until(lambda: "takes no lines" in rsp.log, "a line that says so")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
                again.settimeout(20)
                again.bind(str(path))
                assert b'"target":"/while-it-is-away"' in again.recv(1 << 16)


def test_a_daemon_with_a_short_queue_does_not_wait_for_the_next_tick(tmp_path):
    """The kernel's default is ten messages: with one turn a second, 300 lines took half a minute."""
    path, count = tmp_path / "log.sock", 300
    text = f'listen "127.0.0.1:{{port}}" access_log = "syslog:{path}" route {{ respond = {{ status = 204 }} }}'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.settimeout(20)
        daemon.bind(str(path))
        with Rsp(tmp_path, text) as rsp, socket.create_connection(("127.0.0.1", rsp.port), timeout=20) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n" * count)
            received = b""
            while received.count(b"HTTP/1.1 204") < count:
                received += client.recv(1 << 16)
            began = time.monotonic()
            for _ in range(count):
                daemon.recv(1 << 16)
            assert time.monotonic() - began < 10


def test_syslog_over_udp(tmp_path, backend):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.settimeout(20)
        daemon.bind(("127.0.0.1", 0))
        extra = (
            f'access_log = {{ path = "syslog:127.0.0.1:{daemon.getsockname()[1]}", format = "{{status}} {{path}}" }}'
        )
        with Rsp(tmp_path, proxy_to(backend.address, extra=extra)) as rsp:
            asked(rsp, "/a")
            asked(rsp, "/b")
            assert [daemon.recv(1 << 16).rpartition(b" - ")[2] for _ in range(2)] == [b"200 /a", b"200 /b"]


def test_the_journal(tmp_path, backend):
    path = tmp_path / "journal.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.settimeout(20)
        daemon.bind(str(path))
        extra = f'access_log = {{ path = "journald:{path}", format = "{{status}} {{target}}" }}'
        with Rsp(tmp_path, proxy_to(backend.address, extra=extra)) as rsp:
            asked(rsp, "/%0AMESSAGE=x")
            fields = dict(line.split(b"=", 1) for line in daemon.recv(1 << 16).splitlines())
    assert fields[b"MESSAGE"] == b"200 /%0AMESSAGE=x"
    assert fields[b"PRIORITY"] == b"6" and fields[b"SYSLOG_IDENTIFIER"] == b"rsp"


# -- the check before the start


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ('{ path = "none/a.log" }', "access_log: none/a.log cannot be written: there is no directory"),
        ('{ "a.log", "none/b.log" }', "access_log: none/b.log cannot be written: there is no directory"),
        ('"syslog:/none/log"', "access_log: /none/log cannot be written: there is no directory /none"),
        ('"journald:/none/log"', "access_log: /none/log cannot be written: there is no directory /none"),
        ('"syslog:logs.example"', 'site.lua:2: access_log: "syslog:logs.example": expected the path of a unix socket'),
        ('{ format = "jsn" }', 'site.lua:2: access_log: format: there is no format "jsn" (did you mean "json"?)'),
        (
            '{ format = "{statsu}" }',
            'site.lua:2: access_log: format: there is no field "statsu" (did you mean "status"?)',
        ),
        ('{ when = "status >" }', "site.lua:2: access_log: when: column 9: a number is expected"),
        ('"stderr"', 'site.lua:2: access_log: write "stdout"'),
    ],
)
def test_mistakes_are_found_before_the_start(tmp_path, log, said):
    (tmp_path / "site.lua").write_text(
        f'admin = "off" listen "127.0.0.1:1" upstream "a" {{ "h:1" }}\naccess_log = {log}'
    )
    done = subprocess.run(
        [sys.executable, "-m", "rsp", "-t", "site.lua"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert said in done.stderr + done.stdout
