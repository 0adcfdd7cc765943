"""Real servers, real clients: a documentation tree, web applications, Apache's ab."""

import filecmp
import http.cookiejar
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.harness import Backend, Rsp, answering, as_root, free_port, proxy_to, run_load, wait_until
from tests.soak import short_and_long


def documentation() -> Path:
    """Debian's python3-doc: over a thousand files."""
    trees = sorted(Path("/usr/share/doc").glob("python3.*/html"))
    if not trees:
        if os.environ.get("RSP_TEST_ALL"):
            pytest.fail("python3-doc is not installed")
        pytest.skip("python3-doc is not installed")
    return trees[0]


def serve_by_nginx(nginx: str, tree: Path, directory: Path) -> tuple[int, list[str]]:
    port = free_port()
    (directory / "nginx.conf").write_text(
        f"daemon off; pid {directory}/nginx.pid; error_log {directory}/nginx.log; user root;\n"
        f"events {{ }} http {{ access_log off; include /etc/nginx/mime.types; gzip on; server {{ "
        f"listen 127.0.0.1:{port}; root {tree}; autoindex on; }} }}"
    )
    return port, [nginx, "-c", f"{directory}/nginx.conf"]


def serve_by_python(_nginx: str, tree: Path, _directory: Path) -> tuple[int, list[str]]:
    port = free_port()
    return port, [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tree)]


@pytest.mark.soak
@pytest.mark.parametrize("serve", [serve_by_nginx, serve_by_python])
@short_and_long("most", 300, 10_000)
def test_a_documentation_tree_is_mirrored_file_by_file(tmp_path, processes, program, answers, serve, most):
    wget, original = program("wget"), tmp_path / "original"
    shutil.copytree(documentation(), original, symlinks=False, ignore_dangling_symlinks=True)
    for hidden in original.rglob(".*"):  # a listing does not show them
        hidden.unlink()
    for index in original.rglob("index.html"):  # so that wget follows the listing and finds every file
        index.rename(index.with_name("index-page.html"))
    for surplus in sorted(path for path in original.rglob("*") if path.is_file())[most:]:
        surplus.unlink()
    port, command = serve(program("nginx"), original, tmp_path)
    processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    wait_until(lambda: answers(port), "the server")
    with Rsp(tmp_path, proxy_to(f"127.0.0.1:{port}"), workers=2) as rsp:
        subprocess.run(
            [wget, "-q", "-r", "-l", "inf", "-nH", "-np", "-e", "robots=off", "-R", "index.html*",
             "-P", str(tmp_path / "mirror"), f"http://127.0.0.1:{rsp.port}/"],
            check=False,
        )  # fmt: skip
        files = [path.relative_to(original) for path in original.rglob("*") if path.is_file()]
        assert len(files) >= min(most, 1000)
        same, different, missing = filecmp.cmpfiles(original, tmp_path / "mirror", map(str, files), shallow=False)
        assert different == []
        assert missing == []
        assert len(same) == len(files)


APP = """
from flask import Flask, request, session, redirect
app = Flask(__name__)
app.secret_key = "test"
@app.get("/")
def index():
    return f"hello {session.get('name', 'nobody')} via {request.headers['X-Forwarded-For']} at {request.host}"
@app.post("/login")
def login():
    session["name"] = request.form["name"]
    return redirect("/")
@app.post("/upload")
def upload():
    return str(len(request.get_data()))
"""


def test_a_flask_application_under_gunicorn(tmp_path, processes, answers):
    (tmp_path / "app.py").write_text(APP)
    arguments = [sys.executable, "-m", "gunicorn", "-w", "2", "-b", f"unix:{tmp_path}/app.sock", "app:app"]
    processes.append(subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.DEVNULL))
    wait_until((tmp_path / "app.sock").exists, "gunicorn")
    with Rsp(tmp_path, proxy_to(f"unix:{tmp_path}/app.sock", extra=as_root()), workers=2) as rsp:
        base = f"http://127.0.0.1:{rsp.port}"
        wait_until(lambda: answers(rsp.port), "the application")
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        form = urllib.parse.urlencode({"name": "Ada Lovelace"}).encode()
        page = browser.open(base + "/login", form).read().decode()
        assert page == f"hello Ada Lovelace via 127.0.0.1 at 127.0.0.1:{rsp.port}"
        assert browser.open(base + "/upload", b"x" * 300_000).read() == b"300000"


@short_and_long("requests", 5_000, 1_000_000)
def test_ab_runs_clean(tmp_path, program, requests):
    ab = program("ab")
    with Backend(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")) as backend:
        with Rsp(tmp_path, proxy_to(backend.address, extra='access_log = "off"'), workers=2) as rsp:
            url = f"http://127.0.0.1:{rsp.port}/"
            done = subprocess.run(
                [ab, "-q", "-n", str(requests), "-c", "100", "-k", url], capture_output=True, text=True, check=True
            )
            assert re.search(rf"Complete requests: +{requests}\b", done.stdout)
            assert re.search(r"Failed requests: +0", done.stdout)
            assert "Non-2xx" not in done.stdout
            done = subprocess.run(
                [ab, "-q", "-n", "5000", "-c", "100", url], capture_output=True, text=True, check=True
            )
            assert re.search(r"Failed requests: +0", done.stdout)


def test_a_request_costs_four_system_calls(tmp_path, program):
    strace = program("strace")
    with Backend() as backend, Rsp(tmp_path, proxy_to(backend.address)) as rsp:
        worker = rsp.workers()[0]
        run_load(rsp.port, 32, 500)  # connections to the backend are open now
        report = tmp_path / "strace"
        tracer = subprocess.Popen([strace, "-c", "-f", "-o", str(report), "-p", str(worker)], stderr=subprocess.DEVNULL)
        wait_until(
            lambda: psutil.Process(worker) and "TracerPid:\t0" not in Path(f"/proc/{worker}/status").read_text(),
            "strace",
        )
        load = run_load(rsp.port, 32, 3000)
        tracer.terminate()
        tracer.wait()
        assert load.failures == []
        calls = {
            line.split()[-1]: int(line.split()[3])
            for line in report.read_text().splitlines()
            if re.match(r" *\d", line)
        }
        per_request = sum(
            count for name, count in calls.items() if name in ("read", "write", "writev", "recvfrom", "sendto")
        )
        assert per_request / 3000 <= 4.2, calls  # the rest: connections, the log, the tick
        others = sum(calls.values()) - per_request - calls.get("total", 0) - calls.get("epoll_pwait", 0)
        assert others / 3000 <= 0.5, calls
