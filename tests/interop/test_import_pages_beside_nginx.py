"""``error_page`` whose page a peer has: status and body are nginx's, though rsp sends no other fields of the page."""

import socket

from tests.fastcgi_peer import Asked, FastCgiPeer, page
from tests.interop.import_battery import Request
from tests.interop.import_oracle import Echo, make_files, running
from tests.interop.test_import_beside_nginx import NGINX, TYPES, _user
from tests.over_tls import not_over_tls
from tests.paths import public_directory
from tests.ports import free_port

SITE = """server {
    listen 8080;
    root DIRECTORY;
    proxy_set_header Host $host;
    location / { proxy_pass http://APP; error_page 404 /gone?why=404; error_page 502 503 =503 /other/page; }
    location /intercepted/ {
        proxy_intercept_errors on;
        error_page 404 /gone?why=404;
        error_page 503 =500 /other/page;
        proxy_pass http://APP;
    }
    location /down/ { proxy_pass http://127.0.0.1:1; error_page 502 /other/page; }
    location /busy/ { proxy_pass http://127.0.0.1:1; error_page 502 =503 /50x.html; }
    location /plainly/ { proxy_pass http://127.0.0.1:1; error_page 502 504 = /50x.html; }
    location /own/ { proxy_pass http://127.0.0.1:1; error_page 502 = /other/status/404; }
    location = /50x.html { }
    location = /gone { proxy_pass http://PAGES; }
    location /other/ { proxy_pass http://PAGES/pages/; }
    location /named/ { proxy_pass http://127.0.0.1:1; error_page 502 504 = @named; }
    location @named { root DIRECTORY; try_files /50x.html =503; }
    location /kept/ { proxy_pass http://127.0.0.1:1; error_page 502 @kept; }
    location @kept { rewrite ^ /50x.html last; }
    location /changed/ { proxy_pass http://127.0.0.1:1; error_page 502 504 =410 @asked; }
    location /missed/ { proxy_intercept_errors on; error_page 403 404 = @asked; proxy_pass http://APP/; }
    location @asked { rewrite ^(.*)$ /whole/page break; proxy_set_header Host asked.test; proxy_pass http://PAGES; }
    location /css/ { error_page 405 =200 $uri; }
    location ~ \\.php$ {
        fastcgi_intercept_errors on;
        error_page 404 /index.php?missing=1;
        fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
        fastcgi_param SCRIPT_NAME $fastcgi_script_name;
        fastcgi_param QUERY_STRING $query_string;
        fastcgi_param REQUEST_METHOD $request_method;
        fastcgi_pass SCRIPTS;
    }
}
"""
TARGETS = (
    "GET /status/404",
    "GET /intercepted/status/404?x=1",
    "GET /intercepted/status/503",
    "GET /intercepted/status/500",
    "GET /intercepted/fine",
    "POST /intercepted/status/404",
    "GET /down/x",
    "GET /busy/x",
    "GET /plainly/x",
    "POST /plainly/x",
    "GET /own/x",
    "GET /named/x",
    "GET /kept/x",
    "GET /changed/x?a=b",
    "GET /missed/status/404?a=b",
    "GET /missed/fine",
    "POST /css/app.css",
    "PUT /css/missing.css",
    "HEAD /css/app.css",
    "GET /index.php?a=b",
    "GET /missing.php?a=b",
    "POST /missing.php",
)

pytestmark = not_over_tls("the configurations say themselves where there is TLS")


def script(connection: socket.socket, asked: Asked) -> bool:
    name, query = asked.params[b"SCRIPT_NAME"].decode(), asked.params[b"QUERY_STRING"].decode()
    text = f"{asked.params[b'REQUEST_METHOD'].decode()} {name} {query}".encode()
    connection.sendall(page(text, b"Status: 404 Not Found\r\n" if "missing" in name else b""))
    return asked.keep


def test_pages_of_peers(program):
    nginx = program("nginx")
    app, pages = Echo("app", free_port()), Echo("pages", free_port())
    with public_directory() as directory, FastCgiPeer(script) as scripts:
        make_files(directory / "site")
        site = SITE.replace("DIRECTORY", f"{directory}/site").replace("PAGES", f"127.0.0.1:{pages.server_port}")
        for name in ("index.php", "missing.php"):
            (directory / "site" / name).write_text("")
        site = site.replace("SCRIPTS", scripts.address).replace("APP", f"127.0.0.1:{app.server_port}")
        files = {"nginx.conf": NGINX, "mime.types": TYPES, "themes/site.conf": site}
        with running(directory, nginx, files, _user()) as pair:
            assert pair.site.whole, list(pair.site.untranslated)
            for line in TARGETS:
                method, target = line.split()
                theirs, ours = pair.ask(Request(method, 8080, "pages.test", target))
                is_own = b"<hr><center>nginx" in theirs.body
                assert (ours.status, ours.body) == (theirs.status, ours.body if is_own else theirs.body), line
    for backend in (app, pages):
        backend.shutdown()
        backend.server_close()
