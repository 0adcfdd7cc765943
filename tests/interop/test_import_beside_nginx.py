"""What ``rsp import`` makes of nginx.conf, beside nginx with the same file, before the same backends.

``nginx/*.conf`` are small configurations, each about one theme.  All of them run in one nginx and one rsp: a theme has
its own server names.  Differences that are meant stand in import_differences.py.
"""

import grp
import pwd
from concurrent.futures import ThreadPoolExecutor
from os import geteuid
from pathlib import Path

import crossplane
import pytest

from tests.certificates import authority
from tests.interop.import_battery import Request, battery
from tests.interop.import_differences import REASONS, reason_for
from tests.interop.import_oracle import Echo, differences, make_files, running
from tests.over_tls import not_over_tls
from tests.paths import ROOT, public_directory
from tests.ports import free_port

THEMES = Path(__file__).parent / "nginx"
LOST = sorted((THEMES / "lost").iterdir())
NGINX = """worker_processes 1;
error_log error.log;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server_names_hash_bucket_size 128;
    include mime.types;
    default_type application/octet-stream;
    include themes/*.conf;
}
"""
TYPES = "types { text/html html htm; text/css css; application/javascript js; image/png png; text/plain txt; }\n"

pytestmark = not_over_tls("the configurations say themselves where there is TLS")


@pytest.fixture(scope="module")
def pair(program):
    nginx = program("nginx")
    backends = {number: Echo(f"backend {number}", free_port()) for number in (9001, 9002, 9003)}
    with public_directory() as directory:
        make_files(directory / "site")
        authority().issue("tls.test").write(directory, "site")
        (directory / "htpasswd").write_text("user:$apr1$themes00$OYctIGvRDPYGLYZny.RRL1\n")
        places = {f"127.0.0.1:{number}": f"127.0.0.1:{backend.server_port}" for number, backend in backends.items()}
        places |= {"/srv/tls/": f"{directory}/", "/srv/": f"{directory}/"}
        files = {f"themes/{path.name}": path.read_text() for path in sorted(THEMES.glob("*.conf"))}
        files |= {f"themes/lost_{path.name}": path.read_text() for path in LOST}
        files |= {f"shared/{path.name}": path.read_text() for path in (THEMES / "shared").iterdir()}
        for here, there in places.items():
            files = {name: text.replace(here, there) for name, text in files.items()}
        files |= {"nginx.conf": NGINX, "mime.types": TYPES}
        with running(directory, nginx, files, _user()) as found:
            yield found
    for backend in backends.values():
        backend.shutdown()
        backend.server_close()


def _user() -> str:
    """Whom nginx's workers run as, where the tests are root: they must read what pytest's user wrote."""
    if geteuid() != 0:
        return ""
    return f"user nobody {grp.getgrgid(pwd.getpwnam('nobody').pw_gid).gr_name};"


def requests_of(theme: Path, *, general: bool) -> list[Request]:
    payload = crossplane.parse(str(theme), single=True, check_ctx=False)
    assert payload["status"] == "ok", payload["errors"]
    return battery(payload["config"][0]["parsed"], general=general)


def compared(pair, theme: Path, *, general: bool):
    """Each request with nginx's response and rsp's."""
    requests = requests_of(theme, general=general)
    with ThreadPoolExecutor(8) as threads:
        return [(request, *both) for request, both in zip(requests, threads.map(pair.ask, requests), strict=True)]


def unexplained(pair, theme: Path, *, general: bool) -> list[str]:
    return [
        f"{theme.name}: {request}: {line}"
        for request, nginx, rsp in compared(pair, theme, general=general)
        for line in differences(request, nginx, rsp)
        if reason_for(request, nginx, rsp, line) is None
    ]


def test_all_is_translated(pair):
    assert not [lost for lost in pair.site.untranslated if "/lost_" not in str(lost.origin)]


def test_what_is_not_translated_is_refused(pair):
    """Each place of it is named, and no request reaches a peer or a file that nginx refuses."""
    assert {lost.text.split()[0] for lost in pair.site.untranslated} >= {"try_files", "location", "proxy_pass"}
    opened = [
        f"{request}: nginx {nginx.status}, rsp {rsp.status}"
        for theme in LOST
        for request, nginx, rsp in compared(pair, theme, general=True)
        if nginx.status >= 400 and rsp.status < 400
    ]
    assert not opened, "\n".join(opened)


def test_rsp_does_what_nginx_does(pair):
    found = [line for theme in sorted(THEMES.glob("*.conf")) for line in unexplained(pair, theme, general=False)]
    assert not found, "\n".join(found)


@pytest.mark.soak
@pytest.mark.parametrize("theme", sorted(THEMES.glob("*.conf")), ids=lambda theme: theme.stem)
def test_rsp_does_what_nginx_does_with_odd_requests(pair, theme):
    found = unexplained(pair, theme, general=True)
    assert not found, "\n".join(found)


def test_the_differences_are_documented():
    documented = (ROOT / "docs" / "import.md").read_text()
    for reason in REASONS:
        assert f"| {reason} |" in documented
