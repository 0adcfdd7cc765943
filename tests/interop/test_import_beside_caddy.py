"""What ``rsp import`` makes of a Caddyfile, beside Caddy with the same file, before the same backends."""

import pytest

from rsp.importing.caddy.reader import read
from tests.interop.import_beside import Theme, beside, compare, requests
from tests.over_tls import not_over_tls
from tests.paths import public_directory

pytestmark = not_over_tls("the configurations say themselves where there is TLS")
_START = """{
    admin off
    auto_https off
}
"""
_TARGETS = "/ /api /api/ /api/x /api/v1/x?a=b /static/a.txt /admin /admin/x /ADMIN/x /health /old /x.php /docs/a.txt"


THEMES = [
    Theme(
        "proxy",
        _START
        + """
http://shop.test:PORT, http://*.sub.test:PORT {
    bind HERE
    header X-Site shop
    header /api/* X-Api yes
    redir /old https://new.test{uri} permanent
    respond /admin/* 403
    reverse_proxy /api/* 127.0.0.1:ONE {
        header_up X-Real-IP {remote_host}
        header_up -X-Remove
        header_down -X-Powered-By
    }
    @post method POST
    reverse_proxy @post 127.0.0.1:TWO
    reverse_proxy 127.0.0.1:THREE
}
http://:PORT {
    bind HERE
    @ws {
        header X-Mode special
        path /api/* /health
    }
    handle @ws {
        reverse_proxy 127.0.0.1:TWO
    }
    respond /health "fine"
    reverse_proxy /x.php 127.0.0.1:ONE
}
""",
        [
            *requests("shop.test a.sub.test other.test", _TARGETS, "GET POST HEAD"),
            *requests("shop.test other.test", "/api/x /health /x", fields=(("X-Mode", "special"), ("X-Remove", "1"))),
        ],
    ),
    Theme(
        "handles",
        _START
        + """
http://:PORT {
    bind HERE
    handle_path /api/v1/* {
        reverse_proxy 127.0.0.1:ONE
    }
    handle /api/* {
        @internal {
            path /api/x
            not method POST
        }
        respond @internal "inside" 200
        reverse_proxy 127.0.0.1:TWO
    }
    handle /static/* {
        uri strip_prefix /static
        reverse_proxy 127.0.0.1:THREE
    }
    handle_path /docs/* {
        root * DIR/files
        file_server
    }
    handle {
        rewrite /old /a.txt
        root * DIR/files
        try_files {path} /index.html
        file_server
    }
}
""",
        requests("a.test", _TARGETS, "GET"),
    ),
    Theme(
        "values",
        _START
        + """
http://:PORT {
    bind HERE
    @bots {
        header_regexp User-Agent (?i)bot|spider
        not header User-Agent *Googlebot*
    }
    respond @bots 403
    @guarded {
        path /guarded
        not header X-Role staff
    }
    respond @guarded 404
    @tools {
        header User-Agent curl/*
        header User-Agent Wget/*
        header X-Env *.test
    }
    handle @tools {
        reverse_proxy 127.0.0.1:ONE
    }
    @session header_regexp Cookie (^|;\\s*)session=x
    handle @session {
        reverse_proxy 127.0.0.1:TWO
    }
    @none {
        header !X-Beta
        header X-Env *
    }
    respond @none "none"
    reverse_proxy 127.0.0.1:THREE
}
""",
        [
            request
            for fields in (
                (("User-Agent", "a SpiderBOT/1"),),
                (("User-Agent", "Googlebot"),),
                (("X-Role", "staff"),),
                (("X-Role", "guest"), ("X-Role", "staff")),
                (("X-Role", "Staff"),),
                (("X-Role", "staff, guest"),),
                (("User-Agent", "curl/8"), ("X-Env", "a.test")),
                (("User-Agent", "Wget/8"), ("X-Env", ".test")),
                (("User-Agent", "curl/8"),),
                (("User-Agent", "xcurl/8"), ("X-Env", "a.test")),
                (("X-Env", "a.TEST"),),
                (("X-Env", "a"), ("X-Beta", "1")),
                (("X-Env", ""),),
                (("Cookie", "session=x"),),
                (("Cookie", "a=b; session=xy"),),
                (("Cookie", "a=b; asession=x"),),
            )
            for request in requests("a.test", "/ /guarded", fields=fields)
        ],
    ),
    Theme(
        "errors",
        _START
        + """
http://shop.test:PORT {
    bind HERE
    root * DIR/files
    header X-Site shop
    error /gone 410
    error /old "moved" 404
    error /broken 500
    reverse_proxy /dead 127.0.0.1:1
    handle_path /whole {
        reverse_proxy 127.0.0.1:ONE
    }
    metrics /metrics
    file_server
    handle_errors {
        @gone expression {err.status_code} == 410
        redir @gone https://new.test/ 302
        @ours `{err.status_code} in [404, 502]`
        respond @ours "{err.status_code} {err.status_text} of {host}" 200
        header X-Error yes
        respond "broken {err.status_code}"
    }
}
http://pages.test:PORT {
    bind HERE
    root * DIR/files
    error /gone 410
    reverse_proxy /dead 127.0.0.1:1
    file_server
    handle_errors {
        rewrite * /{err.status_code}.html
        file_server
    }
}
""",
        requests("shop.test pages.test", "/ /a.txt /none /gone /old /broken /dead /whole /whole/x"),
    ),
    Theme(
        "hosts",
        _START
        + """
http://:PORT {
    bind HERE
    @h header_regexp Host ^api[0-9]*
    handle @h {
        reverse_proxy 127.0.0.1:ONE
    }
    @w header Host *.shop.test
    handle @w {
        reverse_proxy 127.0.0.1:TWO
    }
    @n not header Host *x*
    respond @n "none" 200
    handle_path /only {
        reverse_proxy 127.0.0.1:THREE
    }
    error /e* 404
    reverse_proxy 127.0.0.1:THREE
    handle_errors {
        respond "err {err.status_code} {uri}" 200
    }
}
""",
        requests("api.test api12.test a.shop.test x.test nox.test shop.test", "/ /only /only/x /e1 /x?a=b"),
    ),
    Theme(
        "routes",
        _START
        + """
http://:PORT {
    bind HERE
    route {
        header X-Order first
        redir /old /new
        @open path /health /static/*
        handle @open {
            reverse_proxy 127.0.0.1:ONE
        }
        @closed not path /api/*
        respond @closed "closed" 403
        rewrite * /base{path}
        reverse_proxy 127.0.0.1:TWO
    }
}
""",
        requests("a.test", _TARGETS, "GET POST"),
    ),
]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_caddy(theme: Theme, program) -> None:
    caddy = program("caddy")
    command = [caddy, "run", "--adapter", "caddyfile", "--config"]
    with public_directory() as directory:
        (directory / "files").mkdir()
        (directory / "files" / "index.html").write_text("index")
        (directory / "files" / "a.txt").write_text("a")
        (directory / "files" / "404.html").write_text("not here")
        with beside(directory, theme, read, "Caddyfile", lambda file: [*command, str(file)]) as asked:
            compare(asked, theme.requests)
