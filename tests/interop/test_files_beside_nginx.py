"""The same requests for the same files, answered by rsp and by nginx.

Where the two differ the reason stands in this file: mostly RFC 9110 asks for what rsp does, and leaves nginx its way.
"""

import email
import grp
import os
import pwd
import re
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.harness import Rsp, exchange, free_port, wait_until
from tests.interop.file_battery import battery
from tests.interop.file_differences import reason_for
from tests.paths import public_directory

MODIFIED = 784111777
NGINX = """daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/nginx.log; user nobody {group};
events {{ }} http {{ access_log off; if_modified_since before; max_ranges 16; types {{ text/plain txt; text/html html; text/javascript js; }}
default_type application/octet-stream; charset utf-8; charset_types text/plain text/javascript;
client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi; absolute_redirect off;
server {{ listen 127.0.0.1:{port}; location /s/ {{ alias {directory}/www/; gzip_static on; disable_symlinks if_not_owner; }}
location ~ /\\\\. {{ return 404; }} }} }}
"""


def make_tree(root):
    (root / "docs" / "deep").mkdir(parents=True)
    for name, content in {
        "ten.txt": b"0123456789",
        "empty.txt": b"",
        "large.bin": bytes(range(256)) * 1024,
        "app.js": b"let plain = 1;\n" * 20,
        "app.js.gz": b"gzip, as it were, longer",
        "docs/index.html": b"<p>index",
        "docs/deep/x.txt": b"deep",
        "a b+c;d.txt": b"odd name",
        "\u00e9.txt": b"accent",
        ".env": b"secret",
        "unreadable.txt": b"secret",
    }.items():
        (root / name).write_bytes(content)
        os.utime(root / name, (MODIFIED, MODIFIED))
    (root / "unreadable.txt").chmod(0)
    os.mkfifo(root / "fifo")
    (root / "link.txt").symlink_to("ten.txt")
    (root / "loop").symlink_to("loop")
    (root / "outside.txt").symlink_to("/etc/passwd")


@pytest.fixture(scope="module")
def servers(program):
    """The ports of rsp and nginx."""
    nginx, port, group = program("nginx"), free_port(), grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
    text = 'listen "127.0.0.1:{port}" access_log = "off" route { path = "/s/", files = "www" }'
    with public_directory() as directory:
        make_tree(directory / "www")
        (directory / "nginx.conf").write_text(NGINX.format(directory=directory, port=port, group=group))
        process = subprocess.Popen([nginx, "-c", f"{directory}/nginx.conf"])
        try:
            with Rsp(directory, text) as rsp:
                wait_until(lambda: is_open(port), "nginx")
                yield rsp.port, port
        finally:
            process.terminate()
            process.wait()


def is_open(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


class Seen:
    """What a client sees of a response, in a form in which two servers can agree."""

    def __init__(self, received, etag):
        head, _, self.body = received.partition(b"\r\n\r\n")
        self.status = int(head[9:12])
        lines = head.decode("latin-1").split("\r\n")[1:]
        self.fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.etag = etag

    def plainly(self, method):
        """Status, and what matters with it."""
        fields, status = self.fields, self.status
        media = fields.get("content-type", "")
        seen = [status, fields.get("content-range"), fields.get("content-encoding"), fields.get("location")]
        if status in (200, 206):
            seen += [fields.get("last-modified"), fields.get("etag") == self.etag]
            boundary = re.fullmatch(r"multipart/byteranges; boundary=(\S+)", media)
            if boundary is None:
                seen += [media.partition(";")[0], fields.get("content-length"), self.body]
            elif method == "GET":
                seen += parts_of(self.body, media)
        if status == 304:
            seen += [fields.get("etag") == self.etag, self.body, "content-type" in fields, "content-length" in fields]
        return seen


def parts_of(body, media):
    message = email.message_from_bytes(b"Content-Type: " + media.encode() + b"\r\n\r\n" + body)
    return [(one["content-range"], one.get_content_type(), one.get_payload()) for one in message.get_payload()]


class Server:
    def __init__(self, port):
        self.port = port
        self.etags = {}

    def ask(self, method, name, fields):
        etag = self.etag(name)
        lines = "".join(f"{key}: {value.replace('{etag}', etag)}\r\n" for key, value in fields)
        head = f"{method} /s/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n"
        return Seen(exchange(self.port, head.encode()), etag)

    def etag(self, name):
        if name not in self.etags:
            self.etags[name] = ""
            self.etags[name] = self.ask("GET", name, []).fields.get("etag", "")
        return self.etags[name]


def test_rsp_and_nginx_agree(servers):
    ours, theirs = map(Server, servers)
    requests = list(battery())
    assert len(requests) > 800
    for name in {name for _, name, _ in requests}:
        assert (ours.etag(name) == "") == (theirs.etag(name) == "") or reason_for("GET", name, [], 0, 0), name
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda request: (ours.ask(*request), theirs.ask(*request)), requests))
    unexplained = []
    for (method, name, fields), (mine, other) in zip(requests, found, strict=True):
        seen, reason = (
            (mine.plainly(method), other.plainly(method)),
            reason_for(method, name, fields, mine.status, other.status),
        )
        if seen[0] != seen[1] and reason is None:
            unexplained.append((method, name, fields, *seen))
    assert not unexplained, "\n".join(str(one)[:500] for one in unexplained)
