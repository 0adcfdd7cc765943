"""``rsp init``: what files of a directory say, which program a process is, and the site.lua that comes of it."""

import os
import pwd
import socket
import subprocess
import sys
import threading

import pytest

from rsp.commands.init.compose import composed
from rsp.commands.init.found import Backend, Files, Found, name_of
from rsp.commands.init.listening import listening, socket_user
from rsp.commands.init.probe import speaks_http
from rsp.commands.init.programs import program_of
from rsp.commands.init.project import expected, scripts, static_files
from rsp.commands.init.site import written
from rsp.commands.ports import free_address
from rsp.loader import load
from tests.ports import free_port


@pytest.fixture
def loads(tmp_path):
    """The configuration that comes of what was found."""

    def loaded(found):
        (tmp_path / "site.lua").write_text(written(found, "127.0.0.1:8080", "site.lua"))
        taken = load(str(tmp_path / "site.lua"))
        taken.stored.close()
        return taken.bundle.config

    return loaded


@pytest.mark.parametrize(
    ("arguments", "name", "program"),
    [
        (["/usr/bin/python3.11", "-m", "uvicorn", "app:app"], "python3.11", "uvicorn"),
        (["/srv/venv/bin/python", "/srv/venv/bin/gunicorn", "shop.wsgi"], "gunicorn", "gunicorn"),
        (["gunicorn: master [shop]"], "gunicorn: maste", "gunicorn"),
        (["puma 6.4.0 (tcp://0.0.0.0:3000) [shop]"], "ruby", "puma"),
        (["php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)"], "php-fpm8.2", "php-fpm"),
        (["python3", "manage.py", "runserver", "8000"], "python3", "runserver"),
        (["node", "server.js"], "node", "node"),
        (["/opt/shop/bin/shop", "--listen", ":8000"], "shop", "shop"),
        (["nginx: master process /usr/sbin/nginx"], "nginx", "nginx"),
        (["rsp: worker 0"], "rsp", "rsp"),
        ([], "redis-server", "redis-server"),
        (["/opt/app/deploy", "nginx"], "deploy", "deploy"),
    ],
)
def test_which_program_a_process_is(arguments, name, program):
    assert program_of(arguments, name) == program


COMPOSE = """
services:
  web:
    ports: ["8090:80", "443"]
  many:
    ports: ["8100-8102:3000"]
  long:
    ports:
      - {target: 8000, published: "8111", host_ip: 127.0.0.1}
      - {target: 53, published: 5353, protocol: udp}
  variable:
    ports: ["${SHOP_PORT:-8120}:80", "$NOTHING:81"]
  dotenv:
    ports: ["0.0.0.0:${FROM_FILE}:80"]
  database:
    image: postgres
    ports: ["5432:5432"]
  worker: {}
"""


def test_services_of_a_compose_file(tmp_path, monkeypatch):
    monkeypatch.delenv("SHOP_PORT", raising=False)
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    (tmp_path / ".env").write_text("# a comment\nFROM_FILE='8130'\n")
    backends, notes = composed(tmp_path)
    assert {backend.name: backend.addresses for backend in backends} == {
        "web": ("127.0.0.1:8090",),
        "many": ("127.0.0.1:8100", "127.0.0.1:8101", "127.0.0.1:8102"),
        "long": ("127.0.0.1:8111",),
        "variable": ("127.0.0.1:8120",),
        "dotenv": ("127.0.0.1:8130",),
    }
    assert notes == ["docker-compose.yml: service 'worker' publishes no port on this machine, and is left out"]


@pytest.mark.parametrize(
    "text",
    [
        "services: [", "- a\n- b", "services: 5", "services: {a: 5, b: {ports: 7}, c: {ports: [{}, [], null, 1.5]}}", "\0",
        "services: &a {b: *a}", "services: {web: {ports: ['1:2:3:4', '99999:80', '0:80', ':80', 'a:b', '-1:80']}}",
        "a: &a [x,x]\nb: &b [*a,*a]\nservices: {web: {ports: [*b, {published: *b, target: 80}]}}",
        "services: " + "[" * 800,
    ],
)  # fmt: skip
def test_a_compose_file_that_says_nothing(tmp_path, text):
    (tmp_path / "compose.yaml").write_text(text)
    assert composed(tmp_path)[0] == []


def test_names():
    assert name_of("/srv/My Shop (2)") == "my-shop-2"
    assert name_of("/") == "app"
    assert name_of("/srv/\n--") == "app"


def test_files_of_a_project(tmp_path):
    assert (static_files(tmp_path), scripts(tmp_path), expected(tmp_path)) == (None, None, None)
    (tmp_path / "index.html").touch()
    assert static_files(tmp_path) == Files(str(tmp_path), is_project=True)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "index.html").touch()
    (tmp_path / "package.json").write_text('{"devDependencies": {"vue": "3", "vite": "5"}}')
    assert static_files(tmp_path) == Files(str(tmp_path / "dist"), is_application=True)
    assert expected(tmp_path) is None
    (tmp_path / "package.json").write_text('{"dependencies": {"react": "18", "next": "14"}}')
    assert not static_files(tmp_path).is_application
    assert expected(tmp_path).addresses == ("127.0.0.1:3000",)
    (tmp_path / "manage.py").touch()
    assert expected(tmp_path).addresses == ("127.0.0.1:8000",)
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "index.php").touch()
    assert scripts(tmp_path) == str(tmp_path / "public")
    (tmp_path / "manage.py").unlink()
    (tmp_path / "package.json").unlink()
    assert (php := expected(tmp_path)).protocol == "fastcgi" and php.root == str(tmp_path / "public")
    for text in ("[", "[]", '{"dependencies": []}', "[" * 100_000):
        (tmp_path / "package.json").write_text(text)
        assert static_files(tmp_path) == Files(str(tmp_path / "dist"))


SHOP = Backend("shop", ("127.0.0.1:8001", "127.0.0.1:8002"), "gunicorn (processes 1, 2, in /srv/shop)")


def test_a_site_for_a_server(loads):
    config = loads(
        Found(SHOP, Files("/srv/shop/public"), (Backend("api", ("unix:/run/api.sock",), "uwsgi", protocol="uwsgi"),))
    )
    (upstream,) = config.upstreams
    assert [str(peer.address) for peer in upstream.peers] == ["127.0.0.1:8001", "127.0.0.1:8002"]
    assert [route.to for route in config.routes] == ["shop"]
    assert [str(listener.address) for listener in config.listeners] == ["127.0.0.1:8080"]


def test_a_site_for_scripts(loads, tmp_path):
    config = loads(Found(Backend("php", ("unix:/run/php.sock",), "php-fpm", protocol="fastcgi", root=str(tmp_path))))
    assert config.upstreams[0].protocol == "fastcgi"
    assert (config.routes[0].file_rules.root, config.routes[0].else_to) == (str(tmp_path), "php")
    assert not config.warnings  # site.lua lies in the same directory


def test_the_owner_of_a_socket_that_is_not_for_all(loads, tmp_path):
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        path.chmod(0o660)
        own = pwd.getpwuid(os.getuid()).pw_name
        assert socket_user(f"unix:{path}") == ("" if own == "root" else own)
        if own == "root":
            os.chown(path, pwd.getpwnam("nobody").pw_uid, 0)
            assert socket_user(f"unix:{path}") == "nobody"
        path.chmod(0o666)
        assert socket_user(f"unix:{path}") == ""
    assert socket_user("127.0.0.1:8000") == ""
    assert loads(Found(SHOP, user="nobody")).settings.user == "nobody"


def test_a_server_on_both_loopback_addresses_is_one(tmp_path, monkeypatch):
    """A real socket of each, in this process, which is not looked at otherwise."""
    monkeypatch.setattr("rsp.commands.init.listening.os.getpid", lambda: -1)
    monkeypatch.setattr("rsp.commands.init.listening.speaks_http", lambda address: True)
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as four, socket.socket(socket.AF_INET6) as six:
        port = four.getsockname()[1]
        six.bind(("::1", port))
        six.listen()
        found = [address for backend in listening(tmp_path)[0] if backend.is_here for address in backend.addresses]
    assert len(found) == 1
    assert found[0] in (f"127.0.0.1:{port}", f"[::1]:{port}")


def test_a_proxy_with_a_configuration_elsewhere(tmp_path):
    file = tmp_path / "haproxy.cfg"
    file.touch()
    listens = 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(flush=True); input()'
    command = ["haproxy", "-c", listens, "-f", str(file)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    home = {**os.environ, "PYTHONHOME": sys.base_prefix}  # which Python does not find by such a name
    with subprocess.Popen(command, executable=sys.executable, env=home, **pipes) as proxy:
        proxy.stdout.readline()
        notes = listening(tmp_path)[1]
        proxy.communicate(b"\n")
    assert any(note.endswith(f"; rsp import {file} translates its configuration") for note in notes), notes


def test_a_site_for_files(loads, tmp_path):
    (route,) = loads(Found(files=Files(str(tmp_path), is_application=True, is_project=True))).routes
    assert route.file_rules.root == str(tmp_path)
    assert "*.lua" in route.file_rules.hide
    assert route.fallback == "/index.html"


def test_a_site_for_nothing(loads):
    assert len(loads(Found()).upstreams) == 1


def test_what_processes_are_called_stays_in_comments(loads, tmp_path):
    """Any user of the machine may have named them."""
    hostile = 'x\n]]"\\ listen "0.0.0.0:1"\r\x1b[2J'
    backend = SHOP._replace(said=hostile)
    files = Files(str(tmp_path / 'a"b\\n]]'))
    config = loads(Found(backend, files, (backend._replace(name="shop-2"),)))
    assert len(config.listeners) == len(config.upstreams) == len(config.routes) == 1
    assert "\x1b" not in (tmp_path / "site.lua").read_text()
    assert loads(Found(files=files)).routes[0].file_rules.root == files.root


def test_a_port_that_is_free(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        used = taken.getsockname()[1]
        assert free_address(80, used) != f"127.0.0.1:{used}"
    assert free_address(80, port) == f"127.0.0.1:{port}"
    assert free_address(80, port, {port}) != f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("answer", "speaks"),
    [(b"HTTP/1.1 200 OK\r\n\r\n", True), (b"HTTP/1.0 501 No\r\n\r\n", True), (b"SSH-2.0-x\r\n", False), (b"", False), (None, False)],
)  # fmt: skip
def test_one_question(answer, speaks):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                assert connection.recv(1000).startswith(b"HEAD / HTTP/1.1\r\n")
                if answer is None:
                    connection.recv(1000)  # until it gives up
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert speaks_http(f"127.0.0.1:{server.getsockname()[1]}") is speaks
        thread.join()
    assert not speaks_http("unix:/nowhere.sock")


@pytest.mark.parametrize(
    "text",
    [
        'services: { web: { x: !!int "" } }',
        "services: { web: { x: !!timestamp never } }",
        "services: { web: { x: !!bool perhaps } }",
        f'services: {{ web: {{ ports: ["{"9" * 5000}:80"] }} }}',
        f"services: {{ web: {{ ports: [0x{'f' * 5000}, {{ published: 0x{'f' * 5000}, target: 80 }}] }} }}",
        f"services: {{ ? 0x{'f' * 5000} : {{ image: x }} }}",
    ],
)
def test_values_of_a_compose_file_that_have_no_meaning(tmp_path, text):
    (tmp_path / "compose.yaml").write_text(text)
    backends, notes = composed(tmp_path)
    assert not backends
    assert len(notes) == 1 and "left out" in notes[0]


def test_files_that_never_end_are_not_read(tmp_path):
    for name in (".env", "package.json", "compose.yaml"):
        os.mkfifo(tmp_path / name)
    (tmp_path / "docker-compose.yml").write_text('services: { web: { ports: ["8090:80"] } }')
    assert composed(tmp_path)[0][0].addresses == ("127.0.0.1:8090",)
    assert expected(tmp_path) is None
