"""Which program a process is, by its command line: a server of applications, a language's interpreter, or another."""

import re
from collections.abc import Sequence
from typing import Final

# They serve applications, whatever an answer says.
SERVERS: Final = frozenset((
    "gunicorn", "uvicorn", "hypercorn", "daphne", "granian", "waitress-serve", "uwsgi", "puma", "unicorn", "thin",
    "passenger", "next-server", "nuxt", "vite", "php-fpm", "flask", "runserver", "rails", "artisan",
))  # fmt: skip
OTHER_PROTOCOLS: Final = ("php-fpm", "uwsgi")  # than HTTP
# They serve applications, among other things.
RUNTIMES: Final = frozenset(
    ("python", "node", "nodejs", "bun", "deno", "ruby", "java", "dotnet", "php", "perl", "beam.smp")
)
PROXIES: Final = frozenset(("nginx", "apache2", "httpd", "lighttpd", "caddy", "haproxy", "traefik", "envoy"))
# They answer HTTP or would be disturbed by a request, and are no backend of a site.
OTHERS: Final = frozenset((
    "rsp", "sshd", "systemd", "systemd-resolved", "systemd-resolve", "cupsd", "postgres", "mysqld", "mariadbd",
    "redis-server", "valkey-server", "memcached", "mongod", "dockerd", "docker-proxy", "rootlessport", "containerd",
    "podman", "exim4", "master", "dnsmasq", "named", "rpcbind", "smbd", "avahi-daemon", "chronyd", "etcd", "epmd",
    "code", "code-server", "chrome", "chromium", "firefox", "ssh", "adb", "xorg", "kubelet", "prometheus",
    "node_exporter", "slapd", "dovecot", "rsyslogd", "rabbitmq-server", "elasticsearch", "consul",
))  # fmt: skip
_LOOKED_AT: Final = 8  # arguments
_VERSION: Final = re.compile(r"[0-9.]+$")


def program_of(arguments: Sequence[str], name: str) -> str:
    """The most telling word; ``name``: of the process, where its command line cannot be read."""
    words = [word for text in arguments[:_LOOKED_AT] if (word := _word(text))] or [_word(name)]
    for known in (SERVERS, PROXIES, OTHERS, RUNTIMES):
        candidates = words[:1] if known in (PROXIES, OTHERS) else words
        for word in candidates:
            if word in known:
                return word
    return words[0]


def _word(text: str) -> str:
    """``/usr/bin/python3.11`` is python; ``gunicorn: master [shop]`` is gunicorn."""
    first = re.split(r"[\s:]", text.strip(), maxsplit=1)[0] if not text.startswith("/") else text.split(" ")[0]
    word = first.rpartition("/")[2].lower().removesuffix(".js").removesuffix(".py")
    return word if word in SERVERS | OTHERS else _VERSION.sub("", word)
