"""Files, directories, sockets and ports that may not be had: messages say which user, where, and what to do."""

import ctypes
import os
import re
import socket
import subprocess
import sys

import pytest

from tests.certificates import authority
from tests.harness import Rsp, proxy_to
from tests.ports import free_port

ROOT = os.geteuid() == 0
OTHER = 65534  # a user
PRCTL = ctypes.CDLL(None).prctl
SITE = 'listen "127.0.0.1:1" route { respond = { status = 204 } }\n'


@pytest.fixture
def place(tmp_path):
    yield tmp_path
    for path in (tmp_path, tmp_path / "closed"):
        if path.exists():
            path.chmod(0o755)


def _without_rights():
    """Root without the capabilities to read and to enter everything: the modes of files hold (capabilities(7))."""
    if ROOT:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            assert PRCTL(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP


def said(place, *arguments, program="rsp"):
    done = subprocess.run(
        [sys.executable, "-m", program, *arguments],
        cwd=place,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_without_rights,
    )
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def closed(place, name=""):
    """A directory that the user may not enter, or a file that it may not read."""
    made = place / (name or "closed")
    if name:
        made.write_text(SITE)
    else:
        made.mkdir()
    made.chmod(0)
    return made


def test_directories_that_files_cannot_be_written_to(place):
    place.chmod(0o555)
    for arguments, remedy in (
        (("init",), "choose another directory: rsp init -o FILE"),
        (("certificate", "x.example"), "choose another directory: -d DIR"),
    ):
        message = said(place, *arguments)
        assert re.search(rf'user "\w+" may not write to the directory {place} \(mode 0555, owner "\w+"\)', message)
        assert remedy in message
    assert "there is no directory /no" in said(place, "certificate", "x.example", "-d", "/no/such/place")


def test_configurations_that_cannot_be_read(place):
    closed(place, "perm.lua")
    message = said(place, "-t", "perm.lua")
    assert re.search(
        rf'cannot open perm.lua: user "\w+" may not read {place}/perm.lua \(mode 0000, owner "\w+"\)', message
    )
    assert "; start rsp as root, or let that user read it" in message
    folder = closed(place)
    assert re.search(rf'user "\w+" may not enter {folder} \(mode 0000', said(place, "-t", "closed/site.lua"))
    assert re.search(rf'user "\w+" may not enter {folder} ', said(place, "import", "closed/nginx.conf"))


def test_logs_that_cannot_be_written(place):
    closed(place)
    (place / "site.lua").write_text(SITE.replace(":1", f":{free_port()}") + 'access_log = "closed/access.log"')
    for arguments in (("-t", "site.lua"), ("site.lua",)):
        message = said(place, *arguments)
        assert re.search(rf'closed/access.log.*: user "\w+" may not enter {place}/closed \(mode 0000', message), message


def test_directories_are_no_configurations(place):
    (place / "nginx").mkdir()
    (place / "nginx" / "nginx.conf").write_text("http {}")
    assert "nginx: it is a directory; name a file, such as nginx/nginx.conf" in said(place, "import", "nginx")
    assert "cannot open nginx: it is a directory; name a file" in said(place, "-t", "nginx")


def test_keys_that_cannot_be_read(place):
    authority().issue("a.example").write(place, "a")
    (place / "a.key").chmod(0)
    (place / "site.lua").write_text(SITE + 'listen "127.0.0.1:2" { tls = true } certificate { "a.pem", key = "a.key" }')
    message = said(place, "-t", "site.lua")
    as_root = "" if ROOT else "start rsp as root .*, or "
    remedy = rf"; {as_root}let a group of that user read it \(chgrp GROUP, chmod g\+r\)"
    assert re.search(rf'may not read \S+/a.key \(mode 0000, owner "\w+"\){remedy}', message), message


def test_a_socket_that_is_not_there_or_not_for_this_user(place):
    message = said(place, "-s", "none.sock", "peers", program="rsp.rspctl")
    assert "none.sock: there is no such socket; is rsp running?" in message
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(place / "left.sock"))
    (place / "left.sock").chmod(0o666)
    assert "no instance listens there" in said(place, "-s", "left.sock", "peers", program="rsp.rspctl")
    closed(place)
    message = said(place, "-s", "closed/x.sock", "peers", program="rsp.rspctl")
    assert re.search(rf'closed/x.sock: user "\w+" may not enter {place}/closed .*; use: sudo .*peers', message)


@pytest.mark.skipif(not ROOT, reason="needs two users")
def test_an_instance_of_another_user(tmp_path):
    with Rsp(tmp_path, SITE.replace(":1", ":{port}")) as rsp:
        script = (
            f"import os, shutil, sys; from rsp import rspctl; os.setgroups([]); os.setgid({OTHER}); os.setuid({OTHER}); "
            "sys.argv = ['/usr/bin/rspctl', 'drain', '10.0.0.1:80']; sys.exit(rspctl.main())"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert re.search(
            r'rsp \(process \d+\) runs as user "root", whose admin socket is not in /tmp/rsp-', done.stderr
        )
        assert done.stderr.endswith("; use: sudo rspctl drain 10.0.0.1:80\n")
        assert rsp.rspctl("health").returncode == 0


def test_a_port_that_another_program_has(tmp_path):
    with socket.socket() as busy, Rsp(tmp_path, proxy_to("127.0.0.1:9")) as rsp:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        rsp.write(proxy_to("127.0.0.1:9") + f'\nlisten "127.0.0.1:{port}"')
        done = rsp.rspctl("reload")
        assert done.returncode == 1
        line = done.stderr.split("\n")[1]
        number = 1 + rsp.file.read_text().split(f':{port}"')[0].count("\n")
        assert line.startswith(f"site.lua:{number}: cannot listen on 127.0.0.1:{port}: another program listens there ")
        assert line.endswith(f"(process {os.getpid()})")
        second = tmp_path / "second"
        second.mkdir()
        (second / "site.lua").write_text(f'listen "127.0.0.1:{rsp.port}" route {{ respond = {{}} }}')
        done = subprocess.run(
            [sys.executable, "-m", "rsp", "site.lua"], cwd=second, capture_output=True, text=True, check=False
        )
        holder = f": rsp: master site.lua (process {rsp.process.pid}); to load a changed file there: rspctl reload"
        assert holder in done.stderr
        assert "Cannot start: site.lua:1: cannot listen on" in done.stderr


def test_pid_files_and_sockets_that_cannot_be_made(place):
    folder = closed(place)
    start = SITE.replace(":1", f":{free_port()}")
    enter = rf'user "\w+" may not enter {folder} \(mode 0000'
    for line, message in (
        ('pid_file = "closed/rsp.pid"', rf"Cannot start: pid_file: {folder}/rsp.pid: {enter}"),
        (f'listen "unix:{folder}/x.sock"', rf"cannot listen on unix:{folder}/x.sock: {enter}"),
        (f'admin = "{place}/none/x.sock"', rf"/none/x.sock: there is no directory {place}/none"),
    ):
        (place / "site.lua").write_text(start + line)
        assert re.search(message, said(place, "site.lua")), message


def test_dead_sockets_that_cannot_be_removed(place):
    folder = place / "closed"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "x.sock"))
    folder.chmod(0o555)
    (place / "site.lua").write_text(SITE + f'listen "unix:{folder}/x.sock"')
    message = said(place, "site.lua")
    assert f"site.lua:2: cannot listen on unix:{folder}/x.sock: nothing listens on the socket that is there" in message
    assert "cannot be removed: Permission denied" in message


def test_a_file_where_a_socket_is_to_be(place):
    (place / "x.sock").touch()
    (place / "site.lua").write_text(SITE + f'admin = "{place}/x.sock"')
    assert "x.sock cannot be written: Socket operation on non-socket" in said(place, "-t", "site.lua")


def test_users_and_groups_that_only_root_can_choose():
    script = f"""
import os, sys
from rsp.config.errors import ConfigError
from rsp.config.schema import Settings
from rsp.system.privileges import Identity
if os.geteuid() == 0:
    os.setgid({OTHER})
    os.setuid({OTHER})
for asked in (Settings(user="root"), Settings(group="root")):
    try:
        Identity.of(asked)
    except ConfigError as error:
        print(*error.messages)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        'user: only root can run workers as another user, "root"',
        'group: only root can run workers in another group, "root"',
    ]


@pytest.mark.parametrize(
    "arguments", [("init",), ("import", "nginx.conf", "-o", "x.lua"), ("certificate", "a.test"), ("man", "-d", "m")]
)
def test_files_that_do_not_fit(place, arguments):
    """They are named, and no empty file is left that would not be overwritten."""
    (place / "nginx.conf").write_text("events {} http { server { listen 8080; return 204; } }")
    script = f"""
import resource, signal, sys
from rsp.cli import main
sys.argv[0] = "rsp"
resource.setrlimit(resource.RLIMIT_FSIZE, (16, resource.RLIM_INFINITY))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.exit(main({list(arguments)}))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=place, capture_output=True, text=True)
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr, done.stderr
    assert re.search(r": (site.lua|x.lua|a.test.crt|m/man1/rsp.1): File too large", done.stderr), done.stderr
    if arguments[0] != "man":
        assert [path.name for path in place.iterdir()] == ["nginx.conf"]
