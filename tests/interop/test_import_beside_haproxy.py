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


FILES = {
    "blocked.lst": "# clients\n192.0.2.0/24\n\n127.0.0.1\n",
    "closed.lst": "/static/\n/health\n",
    "moved.map": "# host   where\nold.test  new.test/\nlost.test\tother.test\n",
    "areas.map": "/api one\n/api/x two\n/admin nobody\n",
    "hosts.map": "shop.test two\nsub.test one\n",
    "names.map": "/api name-api\n/v1 name-v1\n",
    "ends.map": ".test t\nx e\n",
    "expressions.lst": "^/admin\n\\.css$\n",
    "begins.lst": "shop\n",
    "expressions.map": "^/api two\n/x one\n",
    "bases.map": "shop.test/v1 one\na.test/health two\n",
}
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
        "backends",
        _START
        + """
    use_backend one if { path_beg /api }
    use_backend two if { path_beg /v1 }
    default_backend three
backend one
    http-request replace-path /api(/)?(.*) /\\2
    server s1 127.0.0.1:ONE
backend two
    http-request replace-path (.*) /before\\1
    server s1 127.0.0.1:TWO
backend three
    http-request replace-header Host .* three.internal
    retries 0
    server s1 127.0.0.1:THREE
""",
        requests("shop.test", _TARGETS),
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
    acl nothing hdr(X-Beta) -i
    http-request deny if nothing
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
        "hosts",
        _START
        + """
    acl api hdr_beg(host) -i api
    acl net hdr_end(host) -i net.test
    acl part hdr_sub(host) -i mid
    acl label hdr_dom(host) -i label
    acl numbered hdr_reg(host) -i ^[a-z]+[0-9]{2}\\.x\\.test$
    http-request deny if part { path /guarded }
    http-request set-header X-Label yes if label
    use_backend one if api !net
    use_backend two if net or numbered { path_beg / }
    use_backend three if part
    default_backend one
"""
        + _BACKENDS,
        requests(
            "api.test API2.test apinet.test xnet.test a.net.test a-mid-b.test mid label.test a.label.b labels.test "
            "ab12.x.test ab1.x.test ab12.x.testy other.test",
            "/ /guarded /x",
        ),
    ),
    Theme(
        "files",
        _START
        + """
    acl closed path_beg -f DIR/closed.lst
    acl blocked src -f DIR/blocked.lst
    http-request deny if closed { method DELETE }
    http-request deny deny_status 404 if blocked { path /x.JPG }
    http-request redirect location https://%[hdr(host),lower,map(DIR/moved.map)] code 301 if { hdr(host),lower,map(DIR/moved.map) -m found }
    http-request set-header X-Name %[path,map_beg(DIR/names.map,none)]
    use_backend %[base,map_beg(DIR/bases.map)] if { base,map_beg(DIR/bases.map) -m found }
    use_backend %[path,map_beg(DIR/areas.map,three)] if { path_beg /ap /adm }
    use_backend %[hdr(host),lower,map_dom(DIR/hosts.map,three)]
    default_backend one
"""
        + _BACKENDS,
        requests("old.test lost.test shop.test a.sub.test a.test", _TARGETS, "GET DELETE"),
    ),
    Theme(
        "more files",
        _START
        + """
    http-request set-var(txn.area) path,map_beg(DIR/names.map,none)
    http-request set-header X-Area %[var(txn.area)]
    http-request set-header X-Two %[hdr(host),map_end(DIR/ends.map)]
    http-request deny if { path -m reg -f DIR/expressions.lst } !{ hdr_beg(host) -f DIR/begins.lst }
    use_backend %[path,map_reg(DIR/expressions.map)] unless { path_beg /static }
    default_backend three
"""
        + _BACKENDS,
        requests("shop.test a.test x other", _TARGETS, "GET POST"),
    ),
    Theme(
        "more variables",
        _START
        + """
    http-request set-var(req.h) req.hdr(host),lower,field(1,:)
    http-request set-var-fmt(txn.f) "%[src]-%[req.hdr(host)]"
    http-request set-header X-F %[var(txn.f)]
    http-request set-var(req.a) int(1) if { path_beg /admin }
    http-request set-var(req.a) int(0) if { path_beg /adminx }
    http-request set-header X-No yes if !{ var(req.h) -m str a.test }
    http-request deny if METH_POST !{ var(req.h) -m end .test }
    redirect scheme https code 301 drop-query if { path /health }
    redirect prefix /p code 307 if { path_beg /api } !{ path_beg /api/ }
    use_backend two if { var(req.h) -m beg shop }
    default_backend one
"""
        + _BACKENDS,
        requests("shop.test a.test x other", _TARGETS, "GET POST"),
    ),
    Theme(
        "names",
        _START
        + """
    use_backend %[req.hdr(X-To)] if { req.hdr(X-To) -m found }
    use_backend %[path,field(2,/)] if { path_beg /o /tw }
    use_backend be_%[hdr(host),lower,field(1,.)] if { path_beg /x }
    use_backend one if { path_beg /static }
    default_backend three
backend be_shop
    server s1 127.0.0.1:ONE
"""
        + _BACKENDS,
        [
            *requests("shop.test a.test", "/ /one /one/x /onex /two/a?b /x /x.JPG /static/a"),
            *requests("a.test", "/ /x", fields=(("X-To", "two"),)),
            *requests("a.test", "/ /static/x", fields=(("X-To", "nobody"),)),
        ],
    ),
    Theme(
        "variables",
        _START
        + """
    http-request set-var(txn.host) hdr(host),lower
    http-request set-var(txn.path) path
    http-request set-var(req.area) str(api) if { path_beg /api }
    http-request set-var(req.area) str(api) if { path_beg /v1 }
    http-request set-var(txn.static) bool(true) if { path_end .css .JPG }
    http-request set-var(txn.unused) rand(100)
    http-request set-header X-Host %[var(txn.host)]
    http-request set-header X-Area api if { var(req.area) -m str api }
    http-request deny if { var(req.area) -m found } { method DELETE }
    http-response set-header Cache-Control max-age=60 if { var(txn.static) -m bool }
    http-response set-header X-Path api if { var(txn.path) -m beg /api/ }
    use_backend one if { var(txn.host) -m str shop.test }
    use_backend two if { var(txn.path) -m end /x }
.if feature(QUIC)
    default_backend one
.else
    default_backend three
.endif
"""
        + _BACKENDS
        + """
    http-response set-header X-Three yes if { var(txn.path) -m str /admin }
""",
        requests("shop.test a.test", _TARGETS, "GET DELETE"),
    ),
    Theme(
        "redirects",
        _START
        + """
    redirect prefix https://www.test code 301 drop-query append-slash if { path_beg /docs }
    redirect prefix https://www.test drop-query if { path /plain }
    redirect location /seen code 302 set-cookie SEEN=1 if { path / } !{ hdr_sub(Cookie) SEEN=1 }
    redirect location /again code 303 clear-cookie SEEN= if { path /forget }
    default_backend one
"""
        + _BACKENDS,
        [
            *requests("a.test", "/ /docs /docs/ /docs?a=b /docs/x?a=b /docs/x/ /plain?a=b /forget /x"),
            *requests("a.test", "/ /forget", fields=(("Cookie", "SEEN=1"),)),
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
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    with beside(tmp_path, theme, read, "haproxy.cfg", lambda file: [haproxy, "-db", "-f", str(file)]) as asked:
        compare(asked, theme.requests)
