"""What a newcomer reads about a mistake in an upstream that speaks FastCGI or uwsgi."""

import pytest

from rsp.config.errors import ConfigError
from rsp.config.schema import Config
from tests.unforked import load

START = 'listen "127.0.0.1:8080"\nroute { to = "php" }\nupstream "php" { "unix:/run/php-fpm.sock", '
FASTCGI = 'protocol = "fastcgi", '


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def evaluate(text: str) -> Config:
        (tmp_path / "site.lua").write_text(text)
        return load("site.lua").bundle.config

    return evaluate


def test_the_form_of_the_issue(config):
    (upstream,) = config(START + FASTCGI + 'root = "/srv/www" }').upstreams
    assert (upstream.protocol, upstream.root, upstream.split, upstream.index) == (
        "fastcgi", "/srv/www", ".php", "index.php",
    )  # fmt: skip
    assert upstream.idle_kept == 0


def test_connections_are_kept_by_default_only_where_they_hold_no_process(config):
    assert config(START + "}").upstreams[0].idle_kept == 64
    assert config(START + "keepalive = 0 }").upstreams[0].idle_kept == 0
    assert config(START + FASTCGI + 'root = "/srv/www", keepalive = 4 }').upstreams[0].idle_kept == 4


@pytest.mark.parametrize(
    "keys",
    [
        'root = "/"',
        'root = "/srv/www/", split = ".fcgi", index = "run.fcgi"',
        'root = "/srv/my site/www", index = "/blog/index.php"',
        'split = ""',
        'root = "/srv/www", health = "/ping"',
        'root = "/srv/www", params = { APP_ENV = "live", QUERY_STRING = "q={path}&{query}", PHP_VALUE = "a=1\\r\\nb=2" }',
        'root = "/srv/www", health = "tcp", keepalive = 2, warm = 2',
    ],
)
def test_what_is_right(config, keys):
    assert config(START + FASTCGI + keys + " }")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (FASTCGI, 'protocol = "fastcgi" needs "root", the directory of the scripts as the peers see it: add root ='),
        (FASTCGI + 'root = "www"', 'root = "www": expected an absolute path such as "/srv/www"'),
        (FASTCGI + 'root = "file:///srv/www"', 'expected an absolute path such as "/srv/www"; write root = "/srv/www"'),
        (FASTCGI + 'root = "/srv/$host"', "expected a path as it is, without variables"),
        (FASTCGI + 'root = "/srv/../www"', "expected a path as it is, without variables"),
        (FASTCGI + 'root = ""', "root: expected a string that is not empty"),
        (FASTCGI + 'root = "/w", split = "^(.+\\\\.php)(/.+)$"', 'such as ".php", not a pattern'),
        (FASTCGI + 'root = "/w", index = "index.php index.html"', 'one index: write index = "index.php"'),
        (FASTCGI + 'root = "/w", index = "../index.php"', 'expected the name of a script such as "index.php"'),
        (FASTCGI + 'root = "/w", index = "index.html"', 'does not end in ".php"'),
        (FASTCGI + 'root = "/w", pages = { "status" }', 'pages: "status": expected a path as PHP-FPM has it'),
        (FASTCGI + 'root = "/w", pages = { "/a/../b" }', 'pages: "/a/../b": expected a path as PHP-FPM has it'),
        (FASTCGI + 'root = "/w", pages = { "/x.php" }', 'pages: "/x.php" names a script'),
        ('pages = { "/status" }', '"pages" is for protocol "fastcgi"'),
        (FASTCGI + 'root = "/w", split = ""', '"root" is for scripts; with split = "" there are none'),
        (
            FASTCGI + 'root = "/w", tls = { name = "php.example" }',
            "tls: rsp has no TLS for FastCGI; connect to the peers by a unix socket",
        ),
        (FASTCGI + 'root = "/w", http = 2', "http: the peers speak FastCGI, not HTTP"),
        (FASTCGI + 'root = "/w", send_proxy = "v2"', "send_proxy"),
        (FASTCGI + 'root = "/w", health = "grpc"', 'the peers speak FastCGI, not gRPC; write health = "tcp"'),
        (FASTCGI + 'root = "/w", health = { path = "/", tls = true }', "health: tls: rsp has no TLS for FastCGI"),
        (FASTCGI + 'root = "/w", retry = { on_grpc = { "unavailable" } }', "retry: on_grpc: the peers speak FastCGI"),
        (FASTCGI + 'root = "/w", warm = 1', '"warm" requires idle connections; add keepalive = 4'),
        ('root = "/w"', '"root" is for protocol "fastcgi"; files are served by a route: files = "/srv/www"'),
        ('split = ".py"', '"split" is for protocol "fastcgi"'),
        ('protocol = "uwsgi", index = "a.php"', '"index" is for protocol "fastcgi"; a uwsgi peer has one'),
        ('protocol = "uwsgi", keepalive = 4', "keepalive: a connection of uwsgi carries one request"),
        ('protocol = "php-fpm"', 'expected "http", "fastcgi" or "uwsgi", got "php-fpm"; write protocol = "fastcgi"'),
        ('protocol = "FastCGI"', '(did you mean "fastcgi"?)'),
        ('protocol = "https"', "; write tls = true"),
        ('protocol = "h2c"', "; write http = 2"),
        ('protocol = "tcp"', "; rsp proxies HTTP only"),
        ('protocol = 1, root = "/w"', 'expected "http", "fastcgi" or "uwsgi", got 1'),
        (FASTCGI + 'root = "/w", index = { "index.html", "index.php" }', 'there can be one; write index = "index.php"'),
        (FASTCGI + 'root = "/w", index = { "a.py" }', '; write "a.py"'),
        (FASTCGI + 'root = "/w", env = { A = "b" }', 'in rsp: params = { APP_ENV = "live" }'),
        (FASTCGI + 'root = "/w", params = { ["A B"] = "c" }', 'params: "A B" is not the name of a variable'),
        (FASTCGI + 'root = "/w", params = { SCRIPT_FILENAME = "/x" }', '"SCRIPT_FILENAME" is set by rsp itself'),
        (FASTCGI + 'root = "/w", params = { HTTP_PROXY = "x" }', '"HTTP_PROXY" is set by rsp itself'),
        (FASTCGI + 'root = "/w", params = { A = "b\\0c" }', "params: A: the value contains a control character"),
        (FASTCGI + 'root = "/w", params = { A = "{no_such}" }', "params: A: "),
        ('params = { A = "b" }', '"params" is for protocol "fastcgi" or "uwsgi"; peers that speak HTTP get fields'),
        (FASTCGI + 'root = "/w", resolve_root_symlink = true', "in rsp: "),
        ("fastcgi_param = 1", "rsp sets the variables of CGI by itself"),
        ('fastcgi_index = "index.php"', 'index = "index.php" in an upstream with protocol = "fastcgi"'),
        ("fastcgi_keep_conn = true", "keepalive = 4"),
        ('docroot = "/srv/www"', 'root = "/srv/www" in an upstream'),
    ],
)
def test_what_is_wrong_says_what_to_write(config, keys, said):
    with pytest.raises(ConfigError) as caught:
        config(START + keys + " }")
    (message,) = caught.value.messages
    assert message.startswith('site.lua:3: upstream "php": ')
    assert said in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('root = "/srv/www"', 'in rsp: files = "/srv/www"'),
        ('php_fastcgi "unix:/run/php.sock"', 'protocol = "fastcgi"'),
        ('fastcgi_pass "unix:/run/php.sock"', 'protocol = "fastcgi"'),
        ('uwsgi_pass "unix:/run/app.sock"', 'protocol = "uwsgi"'),
    ],
)
def test_words_of_other_programs(config, text, said):
    with pytest.raises(ConfigError) as caught:
        config(START + FASTCGI + 'root = "/srv/www" }\n' + text)
    assert said in "\n".join(caught.value.messages)
