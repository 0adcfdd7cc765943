"""Mistakes in `discover`, and in files with passwords and tokens: the line, the key, what to write; never a secret."""

import re

import pytest

from rsp.config.dump import to_lua
from rsp.config.engine_files import secrets_for
from rsp.config.upstreams import Upstream
from rsp.tls.material import unpack
from rsp.tls.reader import read
from tests.certificates import authority
from tests.messages import messages
from tests.unforked import load

SITE = 'listen "127.0.0.1:8080"\nroute {{ to = "app" }}\nupstream "app" {{ {} }}\n'
ETCD = 'url = "etcd://10.0.0.5/app/"'
ETCDS = 'url = "etcds://10.0.0.5/app/"'


@pytest.fixture
def said(tmp_path, monkeypatch):
    """What is wrong with the keys of an upstream; of more lines if there are some."""
    monkeypatch.chdir(tmp_path)

    def evaluate(keys: str, more: str = "") -> list[str]:
        return messages(SITE.format(keys) + more)

    return evaluate


MESSAGES = [
    ('"10.0.0.5:2379"', 'discover: expected a URL that begins with one of etcd://, etcds://, consul://'),
    ('"etcd:10.0.0.5"', 'got "etcd:10.0.0.5"'),
    ('"10.0.0.5:2379/app/"', 'write "etcd://10.0.0.5:2379/app/"'),
    ('"etcd:/10.0.0.5/app/"', 'write "etcd://10.0.0.5/app/"'),
    ('"file:/etc/rsp/app.json"', 'write "file:///etc/rsp/app.json"'),
    ('"etcd://10.0.0.5:2379, 10.0.0.6:2379/app/"', "a URL has no spaces here"),
    ('"etcd://10.0.0.5/app/#x"', "a URL has no # here"),
    ('{ url = "consul://10.0.0.5/app", service = "app" }', "the path of the URL: consul://127.0.0.1:8500/app"),
    ('"etcd://10.0.0.5:/app/"', "expected a port after the colon, as in 10.0.0.5:2379"),
    ('{ "etcd://10.0.0.5/app/", "etcd://10.0.0.6/app/" }', "write several hosts in one URL: etcd://10.0.0.5:2379,"),
    (f"{{ {ETCD}, tls = true }}", "tls: expected a table, got true; use a URL with TLS: write etcds://"),
    ('"etcdd://10.0.0.5/app/"', '(did you mean "etcd"?)'),
    ('"k8s:///default/app"', "write kubernetes:///namespace/service"),
    ('"srv:_http._tcp.app.internal"', 'SRV records are a peer: "srv:_http._tcp.app.internal"'),
    ('"redis://10.0.0.5/0"', "Redis cannot be watched for members"),
    ('"zookeeper://10.0.0.5/app"', "let it write a file: file:///etc/rsp/app.json"),
    ('"/etc/rsp/app.json"', 'write "file:///etc/rsp/app.json"'),
    ('"file://app.json"', "file:// takes no host: write file:///app.json"),
    ('"file:///"', "expected the path of a file, as in file:///etc/rsp/app.json"),
    ('"file:///a.json?x"', "file:// takes no options after a question mark"),
    ('"etcd://10.0.0.5"', "expected a prefix of keys after the host, as in etcd://10.0.0.5:2379/services/app/"),
    ('"etcd://10.0.0.5/app/?dc=1"', 'etcd:// takes no options after a question mark, got "dc"'),
    ('"etcd:///app/"', "expected a host after ://, as in 10.0.0.5:2379"),
    ('"etcd://10.0.0.5:0/app/"', "expected a host as in 10.0.0.5:2379"),
    ('"etcd://u:p@10.0.0.5/app/"', "a URL may not contain credentials: use the keys username and password_file"),
    ('"etcd://10.0.0.5/app /"', "expected a URL"),
    ('{ "etcd://10.0.0.5/app/" }', 'write "etcd://10.0.0.5/app/"'),
    ('{ "etcd://10.0.0.5/app/", minimum = 2 }', 'write url = "etcd://10.0.0.5:2379,10.0.0.6:2379/services/app/"'),
    ("{ minimum = 2 }", 'discover: missing "url"'),
    ("true", "expected a string or a table, got true"),
    (f'{{ {ETCD}, endpoints = "a" }}', 'unknown key "endpoints" (in rsp: discover = { url = "etcd://10.0.0.5:2379'),
    (f'{{ {ETCD}, rootkey = "x" }}', "in rsp it is the path of the URL"),
    (f"{{ {ETCD}, refreshInterval = 5 }}", 'interval = "5s"; only HTTP is polled'),
    (f"{{ {ETCD}, minumum = 5 }}", 'did you mean "minimum"?'),
    (f"{{ {ETCD}, minimum = -1 }}", "expected a whole number of at least 0, got -1"),
    (f'{{ {ETCD}, interval = "1s" }}', '"interval" is for HTTP, not for etcd://'),
    (f'{{ {ETCD}, token = "x" }}', '"token" is for Consul, Kubernetes and HTTP, not for etcd://'),
    (f'{{ {ETCD}, network = "x" }}', '"network" is for Docker, not for etcd://'),
    (f'{{ {ETCD}, tags = {{ "x" }} }}', '"tags" is for Consul, not for etcd://'),
    (f'{{ {ETCD}, timeout = 0 }}', "timeout: expected 100ms or more, got 0s"),
    (f'{{ {ETCD}, username = "rsp" }}', 'username: the password is missing: add  password_file = "password"'),
    (f'{{ {ETCD}, password = "x" }}', '"password" needs "username"'),
    (f'{{ {ETCD}, username = "a", password = "x", password_file = "y" }}', '"password" and "password_file" cannot be '
                                                                           "used together"),
    (f'{{ {ETCD}, tls = {{ ca = "ca.pem" }} }}', "tls: the URL is not one with TLS: write etcds://"),
    (f'{{ {ETCDS}, tls = {{ key = "k.pem" }} }}', 'tls: "key" needs "certificate"'),
    (f'{{ {ETCDS}, tls = {{ name = "https://etcd/" }} }}', 'expected a host name or an IP address, got "https://etcd/"; write "etcd"'),
    ('{ url = "https://a/b", interval = "1ms" }', "interval: expected 100ms or more, got 1ms"),
    ('{ url = "https://a/b", username = "u", password = "p", token = "t" }', '"username" and a token cannot be used '
                                                                             "together"),
    ('{ url = "file:///a.json", username = "u", password = "p" }', '"username" is for etcd and HTTP, not for file://'),
]  # fmt: skip


@pytest.mark.parametrize(("discover", "expected"), MESSAGES)
def test_messages(said, discover, expected):
    messages = said(f"discover = {discover}")
    assert any(expected in message for message in messages), messages
    assert all(message.startswith('s.lua:3: upstream "app": discover: ') for message in messages), messages
    assert not any("u:p" in message for message in messages)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ('"127.0.0.1:80", resolve = true', '"app.internal:8000" as a peer: names are resolved periodically'),
        ('{ "127.0.0.1:80", resolve = true }', '"app.internal:8000" as a peer'),
        ('"127.0.0.1:80", eds = {}', 'discover = "etcd://10.0.0.5:2379/services/app/" in an upstream'),
        ('"discover:app#0123456789abcdef"', 'expected "host:port", "[v6]:port" or "unix:/path"'),
        ("", 'no peers: add addresses such as "127.0.0.1:8000", or  discover = "etcd://'),
    ],
)
def test_words_of_other_programs(said, keys, expected):
    (message,) = said(keys)
    assert expected in message


@pytest.mark.parametrize("word", ["providers", "server_template", "consul", "eds", "kubernetesIngress"])
def test_settings_of_other_programs(said, word):
    (message,) = said('"127.0.0.1:80"', f"{word} = {{}}")
    assert message.startswith(f's.lua:4: unknown setting "{word}" (in rsp: ')


def loaded(tmp_path, keys):
    (tmp_path / "s.lua").write_text(SITE.format(keys))
    return load(str(tmp_path / "s.lua")).bundle.config


def test_what_is_right(said, tmp_path):
    assert said('"10.0.0.1:80", discover = "etcd://a,b:1,[::1]:2/app/"') == []
    assert said('discover = "file:///etc/rsp/app.json"') == []
    assert said('discover = { url = "https://a.example/x?y=z", token = "t", interval = 1, minimum = 0 }') == []


def test_warnings(tmp_path):
    text = "\n".join(loaded(tmp_path, 'discover = "etcd://a/services/app", tls = true').warnings)
    assert 'keys that begin with "/services/app" are members, such as "/services/app2"' in text
    assert "discovered peers have IP addresses, so their certificates must be valid for these" in text


# -- files


PROTECTED = f'discover = {{ {ETCDS}, username = "u", password_file = "pw", tls = {{ ca = "ca.pem" }} }}'
STORE = 'store "main" { "rediss://10.0.0.5/0", password_file = "redis-pw", tls = { ca = "ca.pem" } }'


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    authority().write(tmp_path / "ca.pem")
    (tmp_path / "pw").write_bytes(b"p\xc3\xa4ss word \r\n")
    (tmp_path / "redis-pw").write_text("other")
    (tmp_path / "s.lua").write_text(SITE.format(PROTECTED) + STORE)
    return load("s.lua").bundle.config


def test_secrets_go_to_the_processes_that_need_them(site, tmp_path):
    config = site
    reading = read(config, str(tmp_path / "s.lua"))
    workers, control = unpack(reading.keyring), unpack(reading.peers)
    assert control.files == {"secret pw": "päss word ".encode()}
    assert workers.files == {"secret redis-pw": b"other"}
    assert "ca.pem" in workers.authorities and "ca.pem" in control.authorities
    assert control.chains == ()
    assert secrets_for(config, workers=True) == {"secret redis-pw"}
    assert {name.rpartition("/")[2] for name in reading.watch} == {"ca.pem", "pw", "redis-pw"}
    assert "ss word" not in repr(reading) + repr(control) + to_lua(config)


def test_a_file_that_goes_bad_keeps_what_it_had(site, tmp_path):
    config, main = site, str(tmp_path / "s.lua")
    before = read(config, main)
    (tmp_path / "pw").write_text("two\nlines")
    after = read(config, main, before)
    assert unpack(after.peers).files == unpack(before.peers).files
    assert any("expected one line with the password or the token" in note for note in after.notes)
    (tmp_path / "pw").write_text("new")
    assert unpack(read(config, main, after).peers).files == {"secret pw": b"new"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no such file"),
        (b"", "expected one line with the password or the token"),
        (b"\n", "expected one line"),
        (b"a\nb", "expected one line"),
        (b"\xff\xfe", "it is not UTF-8 text"),
        (b"x" * 70_000, "it is larger than 64 KB"),
    ],
)
def test_what_is_wrong_with_a_file(said, tmp_path, content, why):
    if content is not None:
        (tmp_path / "pw").write_bytes(content)
    (message,) = said(f'discover = {{ {ETCD}, username = "u", password_file = "pw" }}')
    assert message.startswith('s.lua:3: upstream "app": discover: password_file "pw": ') and why in message


def test_a_secret_is_shown_by_no_command(said, tmp_path):
    config = loaded(tmp_path, f'discover = {{ {ETCD}, username = "u", password = "hunter2" }}')
    assert "hunter2" not in to_lua(config)


# -- what stands for the peers


def test_other_settings_are_another_source():
    one = Upstream(name="app", discover="etcd://a/b/")
    same = Upstream(name="app", discover="etcd://a/b/", policy="least_conn")
    other = Upstream(name="app", discover="etcd://a/c/")
    assert one.source == same.source != other.source
    assert re.fullmatch(r"discover:app#[0-9a-f]{16}", one.source)
    assert [peer.address for peer in one.given] == [one.source]
    assert one.named(0, "10.0.0.1:80") == "10.0.0.1:80"
