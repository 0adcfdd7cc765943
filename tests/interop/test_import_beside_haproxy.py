"""What ``rsp import`` makes of haproxy.cfg, beside HAProxy with the same file, before the same backends."""

from pathlib import Path

import pytest

from rsp.importing.haproxy.reader import read
from tests.interop.import_beside import Theme, beside, compare, requests
from tests.over_tls import not_over_tls

pytestmark = not_over_tls("the configurations say themselves where there is TLS")
_START = """
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend main
    bind HERE:PORT
"""
_BACKENDS = """
backend one
    server s1 127.0.0.1:ONE
backend two
    server s1 127.0.0.1:TWO
backend three
    server s1 127.0.0.1:THREE
"""


_TARGETS = "/ /api /apifoo /api/x /api/x.css /static/a.css /admin /admin/x /health /x.JPG /v1/users /v1/users/7?a=b"
THEMES = [
    Theme(
        "order",
        _START
        + """
    acl is_api path_beg /api
    acl shop hdr(host) -i shop.test
    acl sub hdr_end(host) -i .sub.test
    acl www hdr(host) -i www.x.test
    use_backend one if is_api
    use_backend two if shop
    use_backend three if sub { path_end .css } or www { path /health }
    use_backend two if sub
    default_backend three
"""
        + _BACKENDS,
        requests("shop.test SHOP.test a.sub.test b.a.sub.test www.x.test other.test", _TARGETS),
    ),
    Theme(
        "rules",
        _START
        + """
    http-request set-header X-Client %[src]
    http-request set-header X-Area admin if { path_beg /admin }
    http-request del-header X-Remove
    http-request deny if { path_beg /admin } !{ src 127.0.0.0/8 }
    http-request deny if { path /static/a.css } { method POST }
    http-request deny deny_status 404 if { req.fhdr(X-Bad) yes }
    http-request return status 200 content-type text/plain string "ok" if { path /health }
    http-request redirect location https://new.test/ code 301 if { path /old }
    http-request redirect prefix https://www.test code 302 if { hdr(host) -i bare.test }
    http-request replace-path ^/v1/(.*)$ /\\1
    http-response set-header X-Served main
    http-response del-header X-Powered-By
    use_backend two if METH_POST
    default_backend one
"""
        + _BACKENDS,
        [
            *requests("bare.test a.test", f"{_TARGETS} /old /old?q=1", "GET POST HEAD"),
            *requests("a.test", "/ /admin/x", fields=(("X-Remove", "1"), ("X-Bad", "yes"))),
            *requests("a.test", "/ /admin/x", fields=(("X-Remove", "1"), ("X-Bad", "no"))),
        ],
    ),
    Theme(
        "not",
        _START
        + """
    acl open path_beg /health /static/
    acl internal hdr(host) -i internal.test
    http-request deny if !open !internal { method DELETE }
    http-request set-header X-Closed yes unless open
    use_backend one if !open internal
    use_backend two unless internal { path_beg /admin }
    default_backend three
"""
        + _BACKENDS
        + """
    http-request set-header X-Backend three
    http-request deny if { path_end .JPG }
""",
        requests("internal.test a.test", _TARGETS, "GET DELETE"),
    ),
]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_haproxy(theme: Theme, program, tmp_path: Path) -> None:
    haproxy = program("haproxy")
    with beside(tmp_path, theme, read, "haproxy.cfg", lambda file: [haproxy, "-db", "-f", str(file)]) as asked:
        compare(asked, theme.requests)
