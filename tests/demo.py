"""A running ``rsp demo`` for tests.  Demos take turns, because they all prefer the same ports."""

import fcntl
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

from tests.harness import PATIENCE, wait_until


class Demo:
    """``rsp demo ARGUMENTS`` in ``directory``.  ``taken``: ports that another program has.  ``url``: of the page."""

    def __init__(self, directory, *arguments, ready="Stop:", terminal=None, taken=()):
        self._turn = (Path(tempfile.gettempdir()) / "rsp-demo-tests.lock").open("w")
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        self._taken = [socket.create_server(("127.0.0.1", port)) for port in taken]
        self.output = directory / "demo.out"
        command = [sys.executable, "-m", "rsp", "demo", "-w", "2", *arguments]
        with self.output.open("wb") as output:
            streams = {"stdin": terminal, "stdout": terminal or output, "stderr": terminal or output}
            self.process = subprocess.Popen(command, cwd=directory, start_new_session=True, **streams)
        self._seen = set()
        if terminal is None:
            wait_until(lambda: ready in self.log or self.process.poll() is not None, ready)
            self.children()

    @property
    def log(self):
        return self.output.read_text(errors="replace")

    @property
    def url(self):
        found = re.search(r"Open: +(\S+)", self.log)
        assert found, self.log
        return found[1]

    @property
    def token(self):
        return self.url.partition("token=")[2]

    @property
    def port(self):
        """Of rsp."""
        return int(re.search(r"curl http://127\.0\.0\.1:(\d+)/", self.log)[1])

    def backend_port(self, name):
        return int(re.search(rf"{name} on port (\d+)", self.log)[1])

    def children(self):
        """All that it has started and that has ever been seen here."""
        with suppress(psutil.NoSuchProcess):
            self._seen |= set(psutil.Process(self.process.pid).children(recursive=True))
        return self._seen

    def left(self):
        return [one for one in self._seen if _runs(one)]

    def ask(self, method, path, body=None, **fields):
        """The page's server: status, text and fields of its response."""
        port = int(re.search(r":(\d+)/", self.url)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in fields.items()})
            response = connection.getresponse()
            return response.status, response.read().decode(), response.headers
        finally:
            connection.close()

    def order(self, path, **data):
        fields = {"X_CSRF_Token": self.token, "Content_Type": "application/json"}
        status, text, _ = self.ask("POST", path, json.dumps(data), **fields)
        assert status == 200, text

    def stop(self, number=signal.SIGINT):
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        return self.process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.children()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        try:
            wait_until(lambda: not self.left(), "the end of all processes of the demo")
        finally:
            for one in self.left():
                one.kill()
            for sock in self._taken:
                sock.close()
            self._turn.close()


class Views:
    """What the page is told; requests are sent while this is open."""

    def __init__(self, demo):
        port = int(re.search(r":(\d+)/", demo.url)[1])
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._connection.request("GET", f"/events?token={demo.token}")
        self._response = self._connection.getresponse()
        assert self._response.status == 200

    def wait(self, condition, what):
        """The first view of which ``condition`` is true."""
        found = []

        def look():
            view = self._next("view")
            if condition(view):
                found.append(view)
            return found

        wait_until(look, what)
        return found[0]

    def _next(self, wanted):
        while True:
            line = self._response.readline().decode()
            assert line, "the stream has ended"
            if line == f"event: {wanted}\n":
                return json.loads(self._response.readline()[len("data: ") :])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._response.close()
        self._connection.close()


def _runs(process):
    with suppress(psutil.NoSuchProcess):  # it may end between the two questions
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
