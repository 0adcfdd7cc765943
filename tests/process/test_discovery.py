"""Peers that are discovered, in a running rsp: etcd, a file and a server list them; workers follow, and drop nothing.

Each test begins with members of its own, because others may have been before it, or not.
"""

import json
import os
import re
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.etcd_server import etcd_cluster
from tests.harness import Backend, Rsp, as_root, background_load, get, run_rsp, wait_until
from tests.ports import free_port


class Listing:
    """A server that lists members; ``asked``: status of each answer."""

    def __init__(self) -> None:
        self.members: list[object] = []
        self.status = 200
        self.asked: list[int] = []
        self.authorization: set[str] = set()
        listing = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                listing.authorization.add(self.headers.get("Authorization", ""))
                body = json.dumps(listing.members).encode()
                tag = f'"{hash(body)}"'
                status = 304 if listing.status == 200 and self.headers.get("If-None-Match") == tag else listing.status
                listing.asked.append(status)
                self.send_response(status)
                self.send_header("ETag", tag)
                if status != 304:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if status == 200:
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Scene:
    """rsp with an upstream for each kind of source, and three backends."""

    def __init__(self, directory, etcd, listing):
        self.directory, self.etcd, self.listing = directory, etcd, listing
        self.one, self.two, self.three = (Backend(name=name) for name in ("one", "two", "three"))
        self.list = directory / "members.json"
        self.list.write_text("[]")
        (directory / "token").write_text("first secret\n")
        self.text = f"""
            listen "127.0.0.1:{{port}}"
            metrics = {{ address = "127.0.0.1:{free_port()}" }}
            upstream "etcd" {{ discover = {{ url = "etcd://127.0.0.1:1,{etcd.hosts}/services/app/", doubt = "1s" }} }}
            upstream "file" {{ discover = "file://{self.list}", {{ "{self.three.address}", backup = true }} }}
            upstream "http" {{ discover = {{ url = "http://localhost:{listing.port}/app.json?key=hidden",
                                             interval = "100ms", token_file = "token", minimum = 0 }} }}
            route {{ path = "/etcd/", to = "etcd" }}
            route {{ path = "/file/", to = "file" }}
            route {{ path = "/http/", to = "http" }}
            route {{ path = "/load", to = "etcd" }}
            {as_root()}
        """
        self.rsp = Rsp(directory, self.text)

    def answers(self, path):
        return get(self.rsp.port, path).rpartition(b"\r\n\r\n")[2].decode()

    def peers(self, upstream):
        return set(self.rsp.peers(upstream))

    def shows(self, upstream, *backends):
        wanted = {backend.address for backend in backends}
        wait_until(lambda: self.peers(upstream) == wanted, f"{upstream} has {wanted}")

    def alone_in_etcd(self, name):
        """A backend that has never been a member: what came and went in other tests is no flapping of it."""
        backend = Backend(name=name)
        self.etcd.put("/services/app/a", backend.address)
        self.etcd.delete("/services/app/b")
        self.shows("etcd", backend)
        wait_until(lambda: self.answers("/etcd/") == name, "the worker knows")
        return backend

    def source(self, upstream):
        return next(one for one in self.rsp.admin("/status")["discovery"] if one["upstream"] == upstream)

    def list_in_file(self, text):
        """As programs do it that never leave half a file."""
        new = self.list.with_suffix(".new")
        new.write_text(text)
        new.rename(self.list)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with etcd_cluster(tmp_path_factory.mktemp("etcd")) as etcd:
        made = Scene(tmp_path_factory.mktemp("rsp"), etcd, Listing())
        with made.rsp:
            yield made
        made.listing.server.shutdown()


def test_keys_of_etcd_are_peers(scene):
    one, two = scene.alone_in_etcd("first"), Backend(name="second")
    scene.etcd.put("/services/app/b", json.dumps({"address": two.address, "weight": 7}))
    scene.shows("etcd", one, two)
    assert scene.rsp.peers("etcd")[two.address]["weight"] == 7
    scene.etcd.delete("/services/app/a")
    scene.shows("etcd", two)
    wait_until(lambda: scene.answers("/etcd/") == "second", "the worker knows")
    gone = re.compile(rf"Upstream etcd: .*{one.address} (comes and )?goes \(1 member\)")
    wait_until(lambda: gone.search(scene.rsp.log), "a line of the log")


def test_a_member_that_goes_finishes_what_runs(scene):
    begun, end = threading.Event(), threading.Event()

    def slow(connection, head, rest):
        begun.set()
        end.wait(30)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
        return True

    with Backend(slow) as backend:
        scene.etcd.put("/services/app/a", backend.address)
        scene.etcd.delete("/services/app/b")
        scene.shows("etcd", backend)
        answers = []
        client = threading.Thread(target=lambda: answers.append(scene.answers("/etcd/")))
        client.start()
        assert begun.wait(10)
        scene.alone_in_etcd("other")
        end.set()
        client.join(10)
        assert answers == ["slow"]


def test_an_empty_answer_is_not_believed_at_once(scene):
    scene.alone_in_etcd("last")
    scene.etcd.delete("/services/app/a")
    wait_until(lambda: "not believed" in scene.source("etcd")["problem"], "doubt")
    assert scene.answers("/etcd/") == "last"
    scene.shows("etcd")
    said = scene.rsp.rspctl("peers", "etcd").stdout
    assert "/services/app/ has no members" in said and "has no address" not in said
    wait_until(lambda: get(scene.rsp.port, "/etcd/").startswith(b"HTTP/1.1 503"), "503")


def test_a_file_lists_peers(scene):
    assert scene.three.address in scene.peers("file")  # of the configuration
    scene.list_in_file(json.dumps([scene.one.address, {"address": scene.two.address}]))
    scene.shows("file", scene.one, scene.two, scene.three)
    scene.list_in_file(json.dumps({"targets": [scene.one.address], "labels": {"job": "app"}}))
    scene.shows("file", scene.one, scene.three)
    scene.list.write_text('["10.0.0.1:8')  # half of it
    wait_until(lambda: scene.source("file")["state"] == "unreachable", "it cannot be read")
    assert "expected a JSON list" in scene.source("file")["problem"]
    scene.list.unlink()
    wait_until(lambda: "no such file" in scene.source("file")["problem"], "it is gone")
    assert scene.peers("file") == {scene.one.address, scene.three.address}
    scene.list_in_file(json.dumps([scene.two.address]))
    scene.shows("file", scene.two, scene.three)
    assert scene.rsp.log.count("expected a JSON list") == 1
    wait_until(lambda: "can be reached again" in scene.rsp.log, "a line of the log")
    text = metrics_of(scene)
    about = f'upstream="file",source="file://{scene.list}"'
    assert f"rsp_discovery_up{{{about}}} 1" in text and f"rsp_discovery_members{{{about}}} 1" in text
    assert re.search(rf"rsp_discovery_changes_total{{{about}}} [1-9]", text)
    assert re.search(rf"rsp_discovery_errors_total{{{about}}} [1-9]", text)


def test_a_server_lists_peers(scene):
    listing = scene.listing
    listing.members = [scene.one.address, "unix:/run/docker.sock", 5]
    scene.shows("http", scene.one)
    assert listing.authorization and all(said.startswith("Bearer ") for said in listing.authorization)
    wait_until(lambda: listing.asked[-3:] == [304] * 3, "nothing has changed")
    listing.status = 500
    wait_until(lambda: scene.source("http")["state"] == "unreachable", "an outage")
    assert scene.peers("http") == {scene.one.address}
    said = scene.rsp.rspctl("peers", "http").stdout
    assert (
        f"http: http://localhost:{listing.port}/app.json is unreachable: localhost:{listing.port}: the response" in said
    )
    listing.status = 200
    listing.members = [scene.two.address]
    scene.shows("http", scene.two)


def test_a_token_that_changes_is_used(scene):
    scene.listing.members = [scene.two.address]
    scene.shows("http", scene.two)
    scene.listing.authorization.clear()
    (scene.directory / "token").write_text("second secret")
    wait_until(lambda: "Bearer second secret" in scene.listing.authorization, "the new token")
    assert scene.peers("http") == {scene.two.address}


def test_secrets_are_nowhere(scene):
    (scene.directory / "token").write_text("third secret")
    shown = run_rsp(scene.directory, "-T", "site.lua").stdout + scene.rsp.rspctl("status", "--json").stdout
    shown += scene.rsp.log
    assert "secret" not in shown.replace("token_file", "")
    assert (
        "hidden" not in metrics_of(scene) + scene.rsp.log
        and "hidden" not in scene.rsp.rspctl("status", "--json").stdout
    )


def test_a_request_is_explained_without_asking_the_source(scene):
    said = run_rsp(scene.directory, "explain", "site.lua", "http://test/http/x").stdout
    assert f"upstream:  http, a peer that http://localhost:{scene.listing.port}/app.json lists\n" in said


def metrics_of(scene):
    port = int(re.search(r'metrics = \{ address = "127.0.0.1:(\d+)"', scene.text)[1])
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


def test_members_survive_the_control_process_and_a_reload(scene):
    stays = scene.alone_in_etcd("stays")
    scene.list_in_file(json.dumps([scene.one.address]))
    scene.shows("file", scene.one, scene.three)
    scene.listing.members = [scene.two.address]
    scene.shows("http", scene.two)
    before = {name: scene.peers(name) for name in ("etcd", "file", "http")}
    with background_load(scene.rsp.port, 4, 200, pause=0.005) as load:
        old = scene.rsp.admin("/status")["control"]["pid"]
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: _control(scene) not in (None, old), "another control process")
        wait_until(lambda: all(one["state"] == "ok" for one in scene.rsp.admin("/status")["discovery"]), "they answer")
        assert {name: scene.peers(name) for name in before} == before
        scene.rsp.reload(scene.text.replace('doubt = "1s"', 'doubt = "2s"'))  # another source, to begin with
        scene.shows("etcd", stays)
    assert load.failures == []


def _control(scene):
    try:
        return scene.rsp.admin("/status")["control"]["pid"]
    except OSError:
        return None
