"""What people type, and what they are told."""

import os
import re
import signal
import subprocess
import sys

import psutil
import pytest

from tests.harness import Backend, Rsp, is_root, proxy_to, run_rsp, wait_until

GOOD = 'listen "127.0.0.1:0" upstream "app" { "127.0.0.1:1" } route { to = "app" }\n'


@pytest.mark.parametrize("word", ["reload", "stop", "quit", "upgrade", "status", "drain", "restart"])
def test_a_command_as_the_name_of_the_file(tmp_path, word):
    done = run_rsp(tmp_path, word, "more", "words")
    assert done.returncode == 2
    assert re.fullmatch(rf'rsp: there is no file "{word}"; did you mean: rsp.*\n', done.stderr)


@pytest.mark.parametrize(("word", "meant"), [("inti", "init"), ("certificat", "certificate"), ("explian", "explain")])
def test_a_misspelt_command(tmp_path, word, meant):
    done = run_rsp(tmp_path, word)
    assert (done.returncode, done.stderr) == (2, f'rsp: there is no file "{word}"; did you mean: rsp {meant}\n')


@pytest.mark.parametrize("arguments", [["-t", "nginx.conf"], ["nginx.conf"], ["explain", "nginx.conf", "GET /"]])
def test_a_configuration_of_nginx_as_the_file(tmp_path, arguments):
    (tmp_path / "nginx.conf").write_text("events {}\nhttp {\n  server { listen 80; }\n}\n")
    done = run_rsp(tmp_path, *arguments)
    assert done.returncode == 1
    said = "this looks like an nginx configuration; rsp is configured in Lua (translate it: rsp import nginx.conf)"
    assert f"nginx.conf: {said}" in done.stderr
    assert done.stderr.count("\n") <= 2


def test_all_unknown_keys_of_a_declaration_are_named_at_once(tmp_path):
    text = """
    upstream "app" { "127.0.0.1:1", { "127.0.0.1:2", wieght = 2, colour = 1 }, polcy = "x", health = { pth = "/" } }
    listen "127.0.0.1:0"
    timeouts = { heads = "1s", bodys = "1s" }
    """
    done = run_rsp(tmp_path, "-t", "site.lua", text=text)
    assert done.returncode == 1
    for key in ("wieght", "colour", "polcy", "pth", "heads", "bodys"):
        assert done.stderr.count(f'unknown key "{key}"') == 1, done.stderr
    assert 'site.lua:2: upstream "app": unknown key "wieght" (did you mean "weight"?)' in done.stderr


@pytest.mark.parametrize(
    ("extra", "problem"),
    [
        ('access_log = "missing/access.log"', "access_log: missing/access.log cannot be written: there is no directory /"),
        ('access_log = "."', "access_log: . cannot be written: Is a directory"),
        ('pid_file = "missing/rsp.pid"', "pid_file: missing/rsp.pid cannot be written: there is no directory /"),
        ('admin = "missing/admin.sock"', "admin: missing/admin.sock cannot be written: there is no directory /"),
        ('admin = "site.lua/admin.sock"', "admin: site.lua/admin.sock cannot be written: Not a directory"),
        ('admin = "site.lua"', "admin: site.lua cannot be written: Address already in use"),
        ('listen "unix:/nowhere/at/all.sock"', "/nowhere/at/all.sock cannot be written: there is no directory /nowhere"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_found_by_a_test(tmp_path, extra, problem):
    before = set(tmp_path.iterdir())
    done = run_rsp(tmp_path, "-t", "site.lua", text=GOOD + extra)
    assert done.returncode == 1
    assert problem in done.stderr
    assert "is ok" not in done.stderr
    assert {path.name for path in set(tmp_path.iterdir()) - before} == {"site.lua"}


def test_a_test_creates_nothing(tmp_path):
    text = GOOD + f'access_log = "a.log" pid_file = "a.pid" admin = "a.sock" listen "unix:{tmp_path}/b.sock"'
    assert run_rsp(tmp_path, "-t", "site.lua", text=text).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["site.lua"]


@pytest.mark.parametrize(
    "command",
    [
        ["rsp", "explain", "site.lua", "GET /"], ["rsp", "-T", "site.lua"], ["rsp", "-V"], ["rsp", "-v"],
        ["rsp", "--help"], ["rsp", "explain", "--help"], ["rsp.rspctl", "--help"], ["rsp.rspctl", "-V"],
        ["rsp.rspctl", "-s", "admin.sock", "status"], ["rsp.rspctl", "-s", "admin.sock", "peers", "--json"],
        ["rsp.rspctl", "-s", "admin.sock", "reload", "--dry-run"],
    ],
)  # fmt: skip
def test_a_reader_that_leaves_gets_no_traceback(instance, command):
    """``rsp explain ... | head -1``."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=instance.directory, stdout=writing, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writing)
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr, done.stderr
    assert done.returncode in (0, 1)


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    with Backend() as backend, Rsp(tmp_path_factory.mktemp("rsp"), proxy_to(backend.address)) as rsp:
        yield rsp


def test_interrupted_commands_give_no_traceback(tmp_path):
    """Ctrl-C while a hook waits."""
    (tmp_path / "site.lua").write_text(
        GOOD
        + "function on_request(req) end test('forever', function() print('running') local x = 0 while true do x = x + 1 end end)\n"
        "lua = { instructions = 10000000000, timeout = '1h' }"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "rsp", "-t", "site.lua"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        assert "running" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(30) in (0, 1, 130, -signal.SIGINT)
    assert "Traceback" not in rest


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["rsp", "--version"], r"rsp \d"), (["rsp", "-v"], r"rsp \d"), (["rsp", "-V"], r"rsp \d.*, Python"),
        (["rsp.rspctl", "-V"], r"rspctl \d"), (["rsp.rspctl", "--version"], r"rspctl \d"), (["rsp.rspctl", "-v"], r"rspctl \d"),
    ],
)  # fmt: skip
def test_versions(tmp_path, command, expected):
    done = subprocess.run([sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert re.match(expected, done.stdout)


def test_the_file_after_an_option(tmp_path):
    assert "is ok" in run_rsp(tmp_path, "-t", "-c", "site.lua", text=GOOD).stderr
    done = run_rsp(tmp_path, "-c", "site.lua", "other.lua")
    assert done.returncode == 2 and "two configuration files" in done.stderr


def test_the_log_says_that_nothing_is_compiled(tmp_path):
    (tmp_path / "site.lua").write_text(GOOD + 'admin = "off"')
    with subprocess.Popen(
        [sys.executable, "-m", "rsp", "-w", "1", "site.lua"], cwd=tmp_path, stdout=subprocess.DEVNULL,
        stderr=(tmp_path / "log").open("wb"), env={**os.environ, "RSP_PURE": "1"},
    ) as process:  # fmt: skip
        wait_until(lambda: "Started." in (tmp_path / "log").read_text(), "the start")
        process.terminate()
    log = (tmp_path / "log").read_text()
    assert log.count("Running in pure Python, several times slower than compiled: RSP_PURE is set.") == 1


@pytest.mark.skipif(is_root(), reason="root may write everywhere")
def test_a_directory_of_another_user(tmp_path):
    done = run_rsp(tmp_path, "-t", "site.lua", text=GOOD + 'pid_file = "/etc/rsp.pid"')
    assert 'pid_file: /etc/rsp.pid cannot be written: user "' in done.stderr


PLAIN = 'listen "127.0.0.1:0" upstream "app" { "127.0.0.1:1" } route { to = "app" }\n'
ODD = "\udcff\udcfe"  # bytes that are not UTF-8


def run_odd(directory, *arguments, module="rsp"):
    """With arguments that only a process of its own can be given."""
    given = [sys.executable, "-m", module, *arguments]
    return subprocess.run(given, cwd=directory, capture_output=True, text=True, errors="replace", timeout=60)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["x" * 300], 1, "File name too long"),
        (["d/" * 3000], 1, "File name too long"),
        (["explain", "/dev/zero", "/"], 1, "this looks like a binary file"),
        (["explain", "site.lua", "/", "--certificate", "/dev/zero"], 2, "--certificate /dev/zero: "),
        (["explain", "site.lua", "/", "--client", "a\nb"], 2, "--client: expected an IP address"),
        (["explain", "site.lua", "/", "--client", ODD], 2, "--client: expected an IP address"),
    ],
    ids=["long", "deep", "endless", "endless certificate", "two lines", "not UTF-8"],
)
def test_arguments_that_are_not_meant(tmp_path, arguments, status, said):
    (tmp_path / "site.lua").write_text(PLAIN)
    done = run_odd(tmp_path, *arguments)
    assert done.returncode == status
    assert said in done.stderr and "Traceback" not in done.stderr, done.stderr[-1000:]


def test_a_name_that_is_not_utf8(tmp_path):
    (tmp_path / f"{ODD}.lua").write_text("listen {")
    done = run_odd(tmp_path, f"{ODD}.lua")
    assert done.returncode == 1
    assert "Error parsing config file" in done.stderr and "Traceback" not in done.stderr
    asked = run_odd(tmp_path, "-s", "none.sock", "log", ODD, module="rsp.rspctl")
    assert asked.returncode == 1 and asked.stderr == "rspctl: condition: this is not UTF-8 text\n"


@pytest.mark.parametrize("arguments", ["rsp -V", "rsp -T site.lua", "rsp completion zsh"])
@pytest.mark.parametrize("to", ["/dev/full", "&-"])
def test_standard_output_that_takes_nothing(tmp_path, arguments, to):
    """A full disk is an error and says so; a closed descriptor is as /dev/null."""
    (tmp_path / "site.lua").write_text(PLAIN)
    shell = f"exec '{sys.executable}' -m {arguments} >{to}"
    done = subprocess.run(["/bin/sh", "-c", shell], cwd=tmp_path, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == (1 if to == "/dev/full" else 0), done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert ("No space left on device" in done.stderr) == (to == "/dev/full")


@pytest.mark.parametrize("command", ["rsp --help", "rsp -v", "rsp import -h", "rsp.rspctl top -h"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_help_that_cannot_be_written(tmp_path, command, unbuffered):
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec '{sys.executable}' -m {command} >/dev/full"],
        cwd=tmp_path, env={**os.environ, "PYTHONUNBUFFERED": unbuffered}, stderr=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.endswith("standard output: No space left on device\n") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [""],
        ["-t", ""],
        ["-c", ""],
        ["explain", "", "/"],
        ["init", "-o", ""],
        ["import", ""],
        ["import", "nginx.conf", "-o", ""],
        ["certificate", "-d", "", "a.test"],
        ["man", "-d", ""],
        ["demo", ""],
    ],
    ids=" ".join,
)
def test_a_name_that_is_empty(tmp_path, arguments):
    done = run_rsp(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr.endswith(": expected the name of a file or directory, got an empty one\n")
    assert [*tmp_path.iterdir()] == []


def test_an_import_to_standard_output(tmp_path):
    (tmp_path / "nginx.conf").write_text("events {} http { server { listen 8080; return 204; } }")
    done = run_rsp(tmp_path, "import", "nginx.conf", "-o", "-")
    assert done.returncode == 0 and "204" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["nginx.conf"]


def test_an_evaluation_ends_with_the_process_that_waits_for_it(tmp_path):
    """However that ends: nothing is written to this file, so the evaluation would wait for ever."""
    os.mkfifo(tmp_path / "site.lua")
    writing = os.open(tmp_path / "site.lua", os.O_RDWR)
    with subprocess.Popen([sys.executable, "-m", "rsp", "-t", "site.lua"], cwd=tmp_path) as checking:
        started = psutil.Process(checking.pid)
        wait_until(lambda: started.children(), "the evaluation starts")
        (evaluation,) = started.children()
        wait_until(lambda: evaluation.status() == psutil.STATUS_SLEEPING, "it waits for what is written")
        checking.kill()
    os.close(writing)
    wait_until(lambda: not evaluation.is_running() or evaluation.status() == psutil.STATUS_ZOMBIE, "its end")


def test_a_pipe_without_a_writer_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "site.lua")
    done = run_rsp(tmp_path, "-t", "site.lua")
    assert done.returncode == 1
    assert "cannot open site.lua: it is a pipe, and no process writes to it\n" in done.stderr


def test_a_pipe_is_read_once_with_its_tests(tmp_path):
    text = GOOD + 'test("one", function() assert(false, "it runs") end)'
    command = [sys.executable, "-m", "rsp", "-t", "/dev/stdin"]
    done = subprocess.run(command, cwd=tmp_path, input=text, capture_output=True, text=True)
    assert done.returncode == 1
    assert "it runs" in done.stderr and "1 of the tests in /dev/stdin failed" in done.stderr


def test_too_little_memory(tmp_path):
    (tmp_path / "site.lua").write_text(GOOD)
    limited = 'ulimit -v 200000; exec "$0" -m rsp site.lua'
    done = subprocess.run(["sh", "-c", limited, sys.executable], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "ulimit -v allows 195 MB; raise it, or remove it" in done.stderr
