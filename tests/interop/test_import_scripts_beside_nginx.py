"""What ``rsp import`` makes of FastCGI in nginx.conf: scripts are told the same beside nginx with the same file."""

import http.client
import re
import socket
from urllib.parse import unquote_to_bytes

from tests.fastcgi_peer import Asked, FastCgiPeer, page
from tests.interop.import_oracle import NGINX_AT, RSP_AT, running
from tests.interop.test_import_beside_nginx import NGINX, TYPES, _user
from tests.over_tls import not_over_tls
from tests.paths import public_directory

SITE = """map "$http_user_agent$request_method" $mapped { testGET "asked {for}"; }
server {
    listen 8080;
    root DIRECTORY/www;
    index index.php index.html;
    location / { try_files $uri $uri/ /index.php?q=$uri&$args; }
    location /plain/ { try_files $uri /index.php?$args; }
    location /bare/ { try_files $uri /index.php; }
    location /one/ { try_files $uri /other.php?$args; }
    location /named/ { try_files $uri @named; }
    location /asked/ { try_files $uri @asked; }
    location @named { rewrite ^/(.*)$ /index.php last; }
    location @asked { rewrite ^(.*)$ /index.php?q=$1 last; }
    location ~ \\.php$ {
        try_files $uri =404;
        include scripts.conf;
    }
}
server {
    listen 8081;
    root DIRECTORY/www;
    location / { try_files $uri $uri.txt @wiki; }
    location @wiki {
        rewrite ^/_media/(.*) /other.php?media=$1 last;
        rewrite ^/_export/([^/]+)/(.*) /index.php?do=export_$1&id=$2 last;
        rewrite ^/(.*)$ /index.php?id=$1 last;
    }
    location ~ \\.php$ { include scripts.conf; }
}
server {
    listen 8082;
    root DIRECTORY/www;
    location / { try_files $uri /index.php$request_uri; }
    location /path/ { try_files $uri /index.php$uri; }
    location /all/ { try_files $uri @all; }
    location @all { rewrite ^/(.*)$ /other.php/$1 last; }
    location ~ [^/]\\.php(?:/|$) {
        fastcgi_split_path_info ^(.+?\\.php)(/.*)$;
        fastcgi_param PATH_INFO $fastcgi_path_info;
        include scripts.conf;
    }
}
server {
    listen 8083;
    root DIRECTORY/www;
    index index.php;
    location / { try_files $uri $uri/ /index.php?$args; }
    location /sub/ { try_files $uri $uri/ /sub/index.php?$args; }
    location ~* /uploads/.*\\.php$ { deny all; }
    location ~ \\.php$ { include scripts.conf; }
}
server {
    listen 8085;
    root DIRECTORY/www;
    location / { index index.php index.html; }
    location ~ ^/sub/ { deny all; }
    location ~* /uploads/.*\\.php$ { return 404; }
    location ~ \\.php$ { include scripts.conf; }
}
server {
    listen 8086;
    root DIRECTORY/www;
    index index.php;
    location / { try_files $uri $uri/ /index.php?$query_string; }
    location = /favicon.ico { access_log off; }
    location ~* \\.(css|txt)$ { expires 1d; }
    location /gone/ { return 404; }
    location = /gone { return 404; }
    location ~ ^/denied/ { deny all; }
    location /secret/ { deny all; }
    location /asked/ { if ($arg_x = 1) { return 404; } try_files $uri /index.php; }
    location /pages/ { if (!-f $request_filename) { rewrite ^/pages/(v\\d/)?(.*)$ /other.php?made=$2 last; } }
    error_page 404 /index.php;
    error_page 403 = /other.php?denied=1;
    location ~ \\.php$ { try_files $uri =404; include scripts.conf; }
}
server {
    listen 8087;
    root DIRECTORY/www;
    index index.html index.php;
    error_page 404 /index.php?none=1;
    location / { }
    location = /exact/ { }
    location ~ \\.php$ { include scripts.conf; }
}
server {
    listen 8088;
    root DIRECTORY/www;
    index index.php index.html;
    location / { add_header X-Own yes; try_files $uri $uri/ /file.txt; }
    location ~ \\.php$ { include scripts.conf; }
}
server {
    listen 8089;
    root DIRECTORY/www;
    index index.php index.html index.htm;
    location / { try_files $uri $uri/ /index.php?$args; }
    location ~ \\.php$ { include scripts.conf; }
}
server {
    listen 8084;
    root DIRECTORY/www;
    index index.php;
    location / { try_files $uri $uri/ /index.php?q=$uri&$args; }
    location ~* /uploads/.*\\.php$ { return 404; }
    location ~ \\.php$ { include scripts.conf; }
}
"""
SCRIPTS = """
        fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
        fastcgi_param SCRIPT_NAME $fastcgi_script_name;
        fastcgi_param QUERY_STRING $query_string;
        fastcgi_param REQUEST_URI $request_uri;
        fastcgi_param REQUEST_METHOD $request_method;
        fastcgi_param SERVER_NAME fixed.example;
        fastcgi_param HTTPS on;
        fastcgi_param APP_ENV "live {x}";
        fastcgi_param USER_AGENT_OF $http_user_agent;
        fastcgi_param HTTP_X_OWN "";
        fastcgi_param X_MAPPED $mapped;
        fastcgi_param HTTP_X_MAPPED $mapped if_not_empty;
        fastcgi_param PHP_FLAG "session.auto_start=off \\n suhosin.session.cryptua=off";
        fastcgi_param PHP_VALUE "upload_max_filesize = 100M
            post_max_size=100M";
        fastcgi_pass PEER;
"""
TOLD = (
    "SCRIPT_FILENAME", "SCRIPT_NAME", "QUERY_STRING", "REQUEST_URI", "REQUEST_METHOD", "SERVER_NAME", "HTTPS",
    "PATH_INFO", "APP_ENV", "USER_AGENT_OF", "HTTP_X_OWN", "X_MAPPED", "HTTP_X_MAPPED",
    "PHP_FLAG", "PHP_VALUE",
)  # fmt: skip
TARGETS = (
    "/", "/?a=b", "/page", "/page?a=b", "/page/?a=b", "/a/b/c", "/index.php?x=1", "/other.php", "/nosuch.php",
    "/file.txt", "/plain/", "/plain/x?a=b", "/bare/x?a=b", "/bare/x", "/one/x?a=b", "/one/", "/named/x?a=b", "/named/",
    "/asked/x?a=b",
)  # fmt: skip
WIKI = ("/", "/page", "/page?a=b", "/file", "/file?a=b", "/file.txt", "/_media/a/b.png", "/_media/x?a=b", "/_export/pdf/a/b",
        "/_export/pdf", "/_exports/x/y", "/other.php?a=b", "/caf%C3%A9", "/_media/a%20b")  # fmt: skip
INFO = ("/page", "/a/b?a=b", "/path/x", "/path/x?a=b", "/all/x", "/all/x?a=b", "/index.php/x", "/file.txt")

SCRIPTS_BELOW = ("/", "/page?a=b", "/other.php/more", "/uploads/evil.php", "/uploads/evil.php/more", "/uploads/", "/uploads/none/", "/uploads",
                 "/sub/", "/sub", "/sub/page", "/sub/other.php/x?a=b", "/missing/")  # fmt: skip
DIRECTORIES = ("/", "/sub/", "/sub/x", "/uploads/", "/pages/", "/page", "/missing/", "/uploads/evil.php")
BESIDE = ("/", "/?a=b", "/page?a=b", "/page/", "/sub", "/sub/", "/sub/?a=b", "/pages", "/pages/", "/uploads/x", "/alone", "/alone/", "/other.php")  # fmt: skip
PAGES = ("/", "/page", "/sub", "/sub?a=b", "/sub/", "/pages", "/pages?a=b", "/pages/", "/pages/x", "/page/")

ERRORS = ("/", "/page?a=b", "/favicon.ico", "/favicon.ico?a=b", "/x.css", "/a/x.css?a=b", "/file.txt", "/asked/y", "/gone?a=b", "/denied/x?a=b",
          "/pages/index.html", "/pages/x?a=b", "/pages/v1/x", "/pages/v1/")  # fmt: skip
BY_HOOKS = (
    "/gone/x?a=b",
    "/secret/x?a=b",
    "/asked/y?x=1",
    "/nosuch.php?a=b",
)  # where rsp, as a note says, has the script's path in REQUEST_URI

pytestmark = not_over_tls("the scripts are told of HTTP")


def echo(connection: socket.socket, asked: Asked) -> bool:
    told = "".join(f"{name}={asked.params.get(name.encode())!r}\n" for name in TOLD)
    connection.sendall(page(told.encode()))
    return asked.keep


def ask(host: str, port: int, target: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request("GET", target, headers={"User-Agent": "test", "X-Own": "client"})
        response = connection.getresponse()
        body = response.read()
        return response.status, body if response.status == 200 or b"SCRIPT_NAME" in body else b""
    finally:
        connection.close()


def decoded(status: int, told: bytes) -> tuple[int, bytes]:
    """nginx puts decoded paths into queries; rsp escapes them for the application, which decodes them."""
    query = re.compile(rb"(?<=QUERY_STRING=b').*(?='\n)")
    return status, query.sub(lambda match: unquote_to_bytes(match[0].decode("unicode_escape").encode("latin-1")), told)


def test_scripts_are_told_the_same(program):
    nginx = program("nginx")
    with public_directory() as directory, FastCgiPeer(echo) as peer:
        www = directory / "www"
        www.mkdir()
        for name in ("index.php", "other.php", "file.txt"):
            (www / name).write_text(name)
        for name in (
            "uploads/evil.php",
            "uploads/index.php",
            "sub/index.php",
            "sub/other.php",
            "pages/index.html",
            "alone/x",
        ):
            (www / name).parent.mkdir(exist_ok=True)
            (www / name).write_text(name)
        site = SITE.replace("DIRECTORY", str(directory))
        files = {"nginx.conf": NGINX, "mime.types": TYPES, "themes/site.conf": site}
        files["scripts.conf"] = SCRIPTS.replace("PEER", peer.address)
        with running(directory, nginx, files, _user()) as pair:
            assert pair.site.whole, list(pair.site.untranslated)
            for port, targets in (
                (8080, TARGETS),
                (8081, WIKI),
                (8082, INFO),
                (8083, SCRIPTS_BELOW),
                (8084, SCRIPTS_BELOW),
                (8085, DIRECTORIES),
                (8086, ERRORS),
                (8088, BESIDE),
                (8089, PAGES),
            ):
                for target in targets:
                    status, told = ask(NGINX_AT, pair.ports[port], target)
                    told = told.replace(b"&'", b"'")  # nginx leaves an & behind that no parameter follows
                    assert decoded(*ask(RSP_AT, pair.ports[port], target)) == decoded(status, told), target
            for target in (*DIRECTORIES, "/missing", "/missing/?a=b", "/exact/"):
                theirs, ours = (ask(host, pair.ports[8087], target) for host in (NGINX_AT, RSP_AT))
                without = (re.sub(rb"REQUEST_URI=.*\n", b"", told) for _, told in (theirs, ours))
                assert theirs[0] == ours[0] and len(set(without)) == 1, target
            for target in BY_HOOKS:
                script = b"/other.php?denied=1" if "secret" in target else b"/index.php"
                status, told = ask(NGINX_AT, pair.ports[8086], target)
                told = re.sub(rb"(?<=REQUEST_URI=b').*(?='\n)", script, told)
                assert ask(RSP_AT, pair.ports[8086], target) == (status, told), target
