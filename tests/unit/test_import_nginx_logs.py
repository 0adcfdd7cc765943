"""log_format of nginx.conf: what rsp's access log says then."""

import pytest

from rsp.importing.check import checked
from rsp.importing.nginx.reader import read
from rsp.importing.site import Setting

COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
AS_COMBINED = '{client} - {user} [{time_local}] "{request}" {status} {bytes} "{referer}" "{user_agent}"'


@pytest.fixture
def logged(tmp_path):
    """``access_log`` of the result, and its notes: it loads, and is whole."""

    def make(form, use="a.log own"):
        path = tmp_path / "nginx.conf"
        path.write_text(
            f"events {{}} http {{ log_format own {form}; access_log {use};\n"
            "server { listen 8080; server_name a.test; location / { return 200; } } }"
        )
        site = read(path, path.read_text())
        checked(site, str(tmp_path))
        assert site.whole
        found = [part.value for part in site.parts if isinstance(part, Setting) and part.name == "access_log"]
        return found[0] if found else None, [note.text for note in site.notes]

    return make


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (f"'{COMBINED}'", "a.log"),
        (f"'{COMBINED} rt=$request_time'", {"path": "a.log", "format": f"{AS_COMBINED} rt={{duration}}"}),
        ("'$status '\n '$request_uri'", {"path": "a.log", "format": "{status} {target}"}),
        ("'{status} ${status}x'", {"path": "a.log", "format": "{{status}} {status}x"}),
        ("'$http_x_a_b $sent_http_etag $arg_q'", {"path": "a.log", "format": "{header.X-A-B} {response.header.Etag} {query.q}"}),
        ('escape=json \'{"status":$status,"time":"$time_iso8601"}\'', {"path": "a.log", "format": "json"}),
        ('\'{ "ip": "$remote_addr", "up": "$upstream_response_time" }\'', {"path": "a.log", "format": "json", "fields": {"ip": "client", "up": "upstream_time"}}),
        ("'nothing'", "a.log"),
    ],
)  # fmt: skip
def test_a_format_is_kept(logged, form, expected):
    assert logged(form) == (expected, [])


def test_what_logs_of_rsp_do_not_have_is_told(logged):
    log, notes = logged("'$status $connection $gzip_ratio $bytes_sent'")
    assert log == {"path": "a.log", "format": "{status} - - {bytes}"}
    assert "a dash stands for $connection, which" in notes[0] and "bytes are those of the body" in notes[1]
    log, notes = logged('escape=json \'{"pid":"$pid","a":"$status"}\'')
    assert log == {"path": "a.log", "format": "json", "fields": {"a": "status"}}
    assert "have no pid" in notes[0]
    assert "X-Forwarded-For" in logged(f"'{COMBINED} \"$http_x_forwarded_for\"'")[1][0]


def test_words_that_name_no_format(logged):
    assert logged("'$status'", "a.log combined buffer=32k") == ("a.log", [])
    assert logged("'$status'", "a.log") == ("a.log", [])
    assert logged("'$status'", "off own") == ("off", [])
    assert logged("'$status'", "a.log own buffer=32k flush=5m")[0] == {"path": "a.log", "format": "{status}"}
    assert 'log_format "main" is defined elsewhere' in logged("'$status'", "a.log main")[1][0]
