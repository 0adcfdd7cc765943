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
        "values",
        _START
        + """
    acl beta_path path_beg /beta
    acl bot hdr_sub(User-Agent) -i bot spider
    acl tools hdr_beg(User-Agent) curl/ Wget/
    acl beta hdr(X-Beta) 1
    acl numbered hdr_reg(X-Beta) ^[0-9]+$
    acl whole req.fhdr(X-List) -m reg ^a.*z$
    acl old urlp(v) -m beg 1
    acl new url_param(v) 2 3
    acl canary cook(canary) yes
    acl session cook_sub(session) x
    http-request deny if bot !{ hdr_sub(User-Agent) Googlebot }
    http-request deny deny_status 404 if { path /guarded } !{ hdr(X-Role) staff }
    http-request set-header X-Tool yes if tools
    http-request set-header X-Cookie yes if session !canary
    http-request return status 200 content-type text/plain string "numbered" if numbered { path /n }
    http-request redirect location /whole code 302 if whole
    use_backend one if old !new
    use_backend two if canary or { hdr(X-Beta) -m found } beta_path or new
    use_backend three if { hdr_end(X-Env) -i .test } { path / }
    default_backend three
"""
        + _BACKENDS,
        [
            request
            for field in (
                ("User-Agent", "Mozilla/5.0 (compatible; SpiderBOT/1)"),
                ("User-Agent", "Googlebot/2.1 bot"),
                ("User-Agent", "curl/8.1"),
                ("User-Agent", "a, Wget/1"),
                ("User-Agent", "xcurl/8"),
                ("X-Beta", "1"),
                ("X-Beta", ""),
                ("X-Beta", ","),
                ("X-Beta", "a,,1"),
                ("X-Beta", " 1 , 2"),
                ("X-Beta", '"1,2"'),
                ("Cookie", "session=x; session=b"),
                ("Cookie", "session=b; session=x"),
                ("X-Beta", "12"),
                ("X-Beta", "a, 7 ,b"),
                ("X-Beta", "7a"),
                ("X-Role", "staff"),
                ("X-Role", "guest, staff"),
                ("X-Role", "staffer"),
                ("X-Role", "Staff"),
                ("X-List", "a, b, z"),
                ("X-List", "ab"),
                ("Cookie", "canary=yes"),
                ("Cookie", "a=b; canary=yes; c=d"),
                ("Cookie", "canary=yes1; xcanary=yes"),
                ("Cookie", "session=axb"),
                ("Cookie", "session=axb; canary=yes"),
                ("X-Env", "a.TEST"),
                ("X-Env", "a.test.b"),
                ("X-Env", ""),
            )
            for request in requests("a.test", "/ /beta/x /guarded /n", fields=(field,))
        ]
        + requests("a.test", "/?v=1 /?v=12&x=2 /?v=2 /?v=3 /?v=32 /?w=1 /?v=2&v=1 /x?a&v=1.0 /guarded?v=2")
        + requests("a.test", "/ /guarded", fields=(("X-Role", "guest"), ("X-Role", "staff"))),
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
