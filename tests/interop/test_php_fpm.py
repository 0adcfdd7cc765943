"""PHP-FPM behind rsp: an application that routes as WordPress does, uploads, long output, connections that stay."""

import hashlib
import json
import os
import socket
import struct
import threading
from contextlib import ExitStack

import pytest

from tests.everywhere import WAYS, Everywhere
from tests.fastcgi_peer import BEGIN, PARAMS, STDIN, STDOUT, record
from tests.harness import PATIENCE, Backend, answering, as_root, wait_until
from tests.php_fpm import PROGRAMS, php_fpm, write_scripts

SCRIPTS = {
    "index.php": """
        header('X-Script: front');
        $path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
        if ($path === '/') { echo "home\\n"; }
        elseif (preg_match('#^/(\\d{4})/([a-z-]+)/$#', $path, $found)) { echo "post {$found[2]} of {$found[1]}\\n"; }
        else { http_response_code(404); echo "no such page\\n"; }
    """,
    "wp-login.php": """
        setcookie('logged_in', '1', 0, '/'); setcookie('name', 'x y', 0, '/');
        header('Location: /wp-admin/', true, 302);
    """,
    "wp-admin/index.php": "echo 'dashboard of ', $_COOKIE['logged_in'] ?? 'nobody', \"\\n\";",
    "info.php": """
        header('Content-Type: application/json');
        echo json_encode(['server' => $_SERVER, 'get' => $_GET, 'post' => $_POST, 'pid' => getmypid(),
                          'env' => getenv('HTTP_PROXY'), 'body' => md5(file_get_contents('php://input'))]);
    """,
    "upload.php": """
        foreach ($_FILES as $name => $file) echo "$name {$file['name']} {$file['size']} ", md5_file($file['tmp_name']), "\\n";
    """,
    "long.php": "for ($i = 0; $i < (int)$_GET['n']; $i++) echo str_repeat(chr(65 + $i % 26), 65536);",
    "error.php": "error_log(\"told\\x1b[2J by PHP\"); http_response_code(500); echo 'failed';",
    "endless.php": """
        register_shutdown_function(function () { file_put_contents(__DIR__ . '/aborted', connection_aborted()); });
        while (true) { echo str_repeat('x', 8192); flush(); }
    """,
    "exits.php": "echo 'half'; flush(); exec('kill -9 ' . getmypid());",
    "length.php": "header('Content-Length: 3'); echo 'abc';",
    "nothing.php": "http_response_code(204);",
    "finish.php": "echo 'early'; fastcgi_finish_request(); sleep(60);",
}
IMAGE = "<?php echo 'UPLOADED CODE HAS RUN';"


def php(address: str, **told: str) -> bytes:
    """What PHP-FPM answers to a request that comes past rsp."""
    pairs = b"".join(
        struct.pack(">BI", len(name), len(value) | 1 << 31) + name.encode() + value.encode()
        for name, value in {"REQUEST_METHOD": "GET", **told}.items()
    )
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(address)
        client.sendall(record(BEGIN, bytes((0, 1, 0, 0, 0, 0, 0, 0))) + record(PARAMS, pairs) + record(PARAMS))
        client.sendall(record(STDIN))
        data = b"".join(iter(lambda: client.recv(65536), b""))
    text, at = b"", 0
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 6])
        text += data[at + 8 : at + 8 + size] if data[at + 1] == STDOUT else b""
        at += 8 + size + data[at + 6]
    return text


class Php:
    """PHP-FPM, and an rsp before it."""

    def __init__(self, directory, fpm: str, stack: ExitStack) -> None:
        www = self.www = directory / "www"
        write_scripts(www, SCRIPTS)
        (www / "uploads").mkdir()
        (www / "uploads" / "x.jpg").write_text(IMAGE)
        (www / "uploads" / "x.php.jpg").write_text(IMAGE)
        self.socket = stack.enter_context(php_fpm(directory, fpm))
        self.static = stack.enter_context(Backend(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstatic")))
        fastcgi = f'"unix:{self.socket}", protocol = "fastcgi", root = "{www}"'
        self.rsp = stack.enter_context(
            Everywhere(
                directory,
                f"""{as_root()}
                limits = {{ body = "80MB" }}
                upstream "php" {{ {fastcgi}, health = {{ path = "/ping", body = "pong", interval = "2s" }} }}
                upstream "pages" {{ {fastcgi}, pages = {{ "/status", "/ping" }} }}
                upstream "kept" {{ {fastcgi}, keepalive = 2 }}
                upstream "static" {{ "{self.static.address}" }}
                route {{ path = "/wp-content", to = "static" }}
                route {{ regex = "\\\\.(css|js|png)$", to = "static" }}
                route {{ path = "/kept", strip = true, to = "kept" }}
                route {{ exact = "/fpm", to = "pages", rewrite = "/status" }}
                route {{ exact = "/fpm/ping", to = "pages", rewrite = "/ping" }}
                route {{ to = "php" }}
                """,
            )
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory, program):
    fpm = program(*PROGRAMS)
    with ExitStack() as stack:
        yield Php(tmp_path_factory.mktemp("php"), fpm, stack)


@pytest.mark.parametrize("way", WAYS)
def test_an_application_with_a_front_controller(site, way):
    ask = site.rsp.ask
    assert ask(way, "/").body == b"home\n"
    answer = ask(way, "/2024/hello-world/?preview=1")
    assert (answer.body, answer["x-script"]) == (b"post hello-world of 2024\n", "front")
    missing = ask(way, "/no/such/page")
    assert (missing.status, missing.body) == (404, b"no such page\n")
    login = ask(way, "/wp-login.php", ("Content-Type", "application/x-www-form-urlencoded"), method="POST", body=b"u=x")
    assert (login.status, login["location"]) == (302, "/wp-admin/")
    assert len(login.fields["set-cookie"]) == 2
    assert ask(way, "/wp-admin/", ("Cookie", "logged_in=me; other=1")).body == b"dashboard of me\n"
    assert ask(way, "/wp-admin")["location"] == "/wp-admin/"
    assert ask(way, "/wp-content/theme.css").body == b"static"
    assert ask(way, "/style.css").body == b"static"


@pytest.mark.parametrize("way", WAYS)
def test_what_php_sees(site, way):
    answer = site.rsp.ask(
        way, "/info.php/a%20b?x=1&y[]=2&y[]=3", ("Proxy", "evil:80"),
        ("Content-Type", "application/x-www-form-urlencoded"), method="POST", body=b"form=%20z",
    )  # fmt: skip
    found = json.loads(answer.body)
    assert found["get"] == {"x": "1", "y": ["2", "3"]}
    assert found["post"] == {"form": " z"}
    assert found["env"] is False
    server = found["server"]
    assert server["SCRIPT_NAME"] == "/info.php"
    assert server["PATH_INFO"] == "/a b"
    assert server["PHP_SELF"] == "/info.php/a b"
    assert server["DOCUMENT_ROOT"] == str(site.www)
    assert server["REMOTE_ADDR"] == "127.0.0.1"
    assert server.get("HTTPS") == ("on" if way.endswith("-tls") else None)


@pytest.mark.parametrize("way", WAYS)
def test_an_upload(site, way):
    content = os.urandom(3 << 20)
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n\r\n' + content + b"\r\n--b--\r\n"
    )
    answer = site.rsp.ask(
        way, "/upload.php", ("Content-Type", "multipart/form-data; boundary=b"), method="POST", body=body
    )
    assert answer.body.decode() == f"file big.bin {len(content)} {hashlib.md5(content).hexdigest()}\n"


def test_an_upload_in_chunks(site):
    content = os.urandom(1 << 20)
    with site.rsp.connect("h1") as client:
        client.sendall(b"POST /info.php HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(content), 10_000):
            piece = content[at : at + 10_000]
            client.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        client.sendall(b"0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert found["body"] == hashlib.md5(content).hexdigest()
    assert found["server"]["CONTENT_LENGTH"] == str(len(content))


@pytest.mark.parametrize(
    "path", ["/uploads/x.jpg/.php", "/uploads/x.jpg/y.php", "/uploads/x.jpg%00.php", "/uploads/x.php.jpg/y.php"]
)
def test_uploaded_files_do_not_run(site, path):
    assert b"UPLOADED" not in site.rsp.ask("h1", path).body
    assert site.rsp.ask("h1", path).status == 404


def test_uploaded_files_would_run_if_php_were_asked(site):
    """So that the test above means something."""
    file = f"{site.www}/uploads/x.jpg/y.php"
    assert b"UPLOADED" in php(site.socket, SCRIPT_NAME="/uploads/x.jpg/y.php", SCRIPT_FILENAME=file)


def test_uploaded_files_do_not_run_by_their_own_name_either(site):
    assert site.rsp.ask("h1", "/uploads/x.jpg").body == b"no such page\n"
    assert site.rsp.ask("h1", "/status").body == b"no such page\n"
    assert site.rsp.ask("h1", "/ping").body == b"no such page\n"
    assert b"start since" in site.rsp.ask("h1", "/fpm").body
    assert site.rsp.ask("h1", "/fpm/ping").body == b"pong"


@pytest.mark.parametrize("way", WAYS)
def test_long_output(site, way):
    body = site.rsp.ask(way, "/long.php?n=50").body
    assert hashlib.md5(body).digest() == hashlib.md5(b"".join(bytes([65 + n % 26]) * 65536 for n in range(50))).digest()


def test_responses_of_every_form(site):
    assert site.rsp.ask("h1", "/length.php")["content-length"] == "3"
    assert site.rsp.ask("h1", "/length.php", method="HEAD").body == b""
    nothing = site.rsp.ask("h1", "/nothing.php")
    assert (nothing.status, nothing.body) == (204, b"")
    assert site.rsp.ask("h1", "/finish.php").body == b"early"


def test_errors_are_in_the_log(site):
    answer = site.rsp.ask("h1", "/error.php")
    assert (answer.status, answer.body) == (500, b"failed")
    wait_until(lambda: "told" in site.rsp.log, "the log")
    assert r"PHP message: told\x1b[2J by PHP" in site.rsp.log


def test_connections_stay_where_that_is_said(site):
    """A connection that stays belongs to one process."""
    processes = {json.loads(site.rsp.ask("h1", "/kept/info.php").body)["pid"] for _ in range(12)}
    assert len(processes) == 1
    for size in (1, 1000, 300_000):  # a script that does not read its body
        assert site.rsp.ask("h1", "/kept/length.php", method="POST", body=b"x" * size).body == b"abc"
        assert site.rsp.ask("h1", "/kept/length.php").body == b"abc"


def test_many_at_once_with_fewer_processes(site):
    """Each connection that is kept holds one of the four."""
    failed: list[str] = []

    def ask(path: str) -> None:
        failed.extend(path for _ in range(10) if site.rsp.ask("h1", path).body != b"abc")

    threads = [threading.Thread(target=ask, args=(path,)) for path in ("/length.php", "/kept/length.php") * 6]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_php_hears_of_a_client_that_leaves(site):
    with site.rsp.connect("h1") as client:
        client.sendall(b"GET /endless.php HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
    wait_until((site.www / "aborted").exists, "the end of the script")
    wait_until(lambda: (site.www / "aborted").read_text() == "1", "why it has ended")


def test_a_process_that_dies_is_no_end_of_a_response(site):
    with site.rsp.connect("h1") as client:
        client.sendall(b"GET /exits.php HTTP/1.1\r\nHost: a\r\n\r\n")
        received = b""
        try:
            while more := client.recv(65536):
                received += more
        except ConnectionResetError:
            pass
    assert not received.endswith(b"0\r\n\r\n")
    assert site.rsp.ask("h1", "/").body == b"home\n"


def test_php_fpm_is_checked(site):
    wait_until(lambda: site.rsp.state(f"unix:{site.socket}", "php") == "up", "the check")
