"""Words for discovery that people bring from Traefik, nginx, HAProxy, Envoy, Caddy and Prometheus."""

import re
from typing import Any, Final

import msgspec

from rsp.config.engines import Discover
from rsp.config.errors import Path
from rsp.config.tls import UpstreamTls
from rsp.config.upstreams import Upstream, UpstreamPeer

_DISCOVER: Final = 'discover = "etcd://10.0.0.5:2379/services/app/" in an upstream'
_CONSUL: Final = 'discover = "consul://127.0.0.1:8500/app" in an upstream'
_KUBERNETES: Final = 'discover = "kubernetes:///namespace/service" in an upstream'
_DOCKER: Final = (
    'discover = { url = "docker:///var/run/docker.sock", labels = { app = "web" } } in an upstream, or discover_routes '
    "for routes from labels"
)
_NAME: Final = '"app.internal:8000" as a peer: names are resolved periodically'
_SRV: Final = '"srv:_http._tcp.app.internal" as a peer'

# Settings, and what is a key nowhere: by the word in lower case without underscores.
SAID: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("providers", "provider", "discovery", "servicediscovery", "eds", "edsclusterconfig", "edsconfig", "etcd",
         "dynamic", "dynamicupstreams"),
        _DISCOVER,
    ),
    **dict.fromkeys(("consulcatalog", "consul", "consulsdconfigs", "consultemplate"), _CONSUL),
    **dict.fromkeys(("kubernetesingress", "kubernetescrd", "kubernetesgateway", "kubernetes", "ingress"), _KUBERNETES),
    **dict.fromkeys(("docker", "swarm", "podman", "dockergen"), _DOCKER),
    **dict.fromkeys(("filesdconfigs",), 'discover = "file:///etc/rsp/app.json" in an upstream'),
    **dict.fromkeys(("httpsdconfigs",), 'discover = "https://config.example.com/app.json" in an upstream'),
    **dict.fromkeys(("servertemplate", "resolve", "strictdns", "logicaldns", "initaddr", "resolveprefer"), _NAME),
    **dict.fromkeys(("dnssrv", "srv", "dynamicsrv", "resolveservice"), _SRV),
}  # fmt: skip

_URL: Final = 'in rsp: discover = { url = "etcd://10.0.0.5:2379/services/app/" }'
_PATH: Final = "in rsp it is the path of the URL: etcd://10.0.0.5:2379/services/app/"
_SERVICE: Final = "in rsp it is the path of the URL: consul://127.0.0.1:8500/app, kubernetes:///namespace/service"
_PORT: Final = "in rsp: port = 8000, or the name of a port"
_TLS: Final = 'in rsp: tls = { ca = "ca.pem" }'
_NAMED: Final = f"in rsp: {_NAME}"
_OPTIONS: Final = 'in rsp it is an option of the URL: "consul://127.0.0.1:8500/app?dc=fra&passing"'
WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    Discover: {
        **dict.fromkeys(
            ("endpoint", "endpoints", "hosts", "host", "address", "addresses", "server", "servers", "type", "kind",
             "provider", "scheme", "etcd", "consul", "kubernetes", "docker", "file", "filename", "http"),
            _URL,
        ),
        **dict.fromkeys(("prefix", "rootkey", "key", "path"), _PATH),
        **dict.fromkeys(("service", "servicename", "namespace"), _SERVICE),
        **dict.fromkeys(("user", "login"), 'in rsp: username = "rsp", password_file = "password"'),
        **dict.fromkeys(("pass", "secret"), 'in rsp: password_file = "password"'),
        **dict.fromkeys(("pollinterval", "refreshinterval", "refresh", "pollrate", "period", "watch"),
                        'in rsp: interval = "5s"; only HTTP is polled; the other sources report changes'),
        **dict.fromkeys(("ca", "cafile", "cert", "certfile", "insecureskipverify", "tlsskipverify", "keyfile"), _TLS),
        "tag": 'in rsp: tags = { "v2" }',
        **dict.fromkeys(
            ("passing", "onlypassing", "passingonly", "strictchecks", "filter", "dc", "datacenter", "partition",
             "stale", "allowstale", "requireconsistent"),
            _OPTIONS,
        ),
        **dict.fromkeys(
            ("label", "selector", "selectors", "labelselector", "constraints", "container", "containername", "app"),
            'in rsp: labels = { app = "web" }',
        ),
        **dict.fromkeys(("usebindportip", "hostport", "hostnetwork", "networkmode"), 'in rsp: network = "host"'),
        **dict.fromkeys(("socket", "dockersocket", "sockpath"), 'in rsp: url = "docker:///var/run/docker.sock"'),
        **dict.fromkeys(
            ("kubeconfig", "certauthfilepath", "serviceaccount"),
            'in rsp: token_file = "kube.token", tls = { ca = "kube-ca.pem" }; in a pod nothing is needed',
        ),
        **dict.fromkeys(("portname", "targetport", "defaultport"), _PORT),
        **dict.fromkeys(("min", "minhealthy", "least"), "in rsp: minimum = 2"),
    },
    Upstream: {
        **dict.fromkeys(("resolve", "servertemplate", "dns", "strictdns"), _NAMED),
        **dict.fromkeys(("srv", "dnssrv", "dynamicsrv"), f"in rsp: {_SRV}"),
        **dict.fromkeys(("eds", "edsclusterconfig", "provider", "providers", "source", "dynamic", "etcd"),
                        f"in rsp: {_DISCOVER}"),
        "consul": f"in rsp: {_CONSUL}",
        "kubernetes": f"in rsp: {_KUBERNETES}",
        "docker": f"in rsp: {_DOCKER}",
    },
    UpstreamPeer: {
        **dict.fromkeys(("resolve", "resolvers"), f"in rsp: {_NAME}"),
        "service": f"in rsp: {_SRV}",
    },
}  # fmt: skip

_SCHEMES: Final = {
    **dict.fromkeys(("srv", "dns", "dnssrv", "dns+srv"), f"; SRV records are a peer: {_SRV[:-10]}"),
    **dict.fromkeys(("k8s", "kube"), "; write kubernetes:///namespace/service"),
    **dict.fromkeys(("unix",), "; for Docker write docker:///var/run/docker.sock, for a file file:///etc/rsp/app.json"),
    **dict.fromkeys(("redis", "rediss"), "; Redis cannot be watched for members; etcd and Consul can"),
    **dict.fromkeys(("zookeeper", "zk", "eureka", "nomad", "nacos"),
                    "; rsp does not support it; let it write a file: file:///etc/rsp/app.json"),
    **dict.fromkeys(("etcd3", "etcdv3"), "; write etcd://10.0.0.5:2379/services/app/"),
    **dict.fromkeys(("etcd+https",), "; write etcds://"),
    **dict.fromkeys(("consul+https",), "; write consuls://"),
}  # fmt: skip

_BARE: Final = re.compile(r"([a-z0-9.-]{1,100}):([0-9]{1,5})(/[!-~]{0,100})?", re.IGNORECASE)
_BY_PORT: Final = {"8500": "consul", "8501": "consuls", "443": "https", "80": "http", "2375": "docker"}


def of_scheme(text: str) -> str:
    """``"; write ..."`` for a URL whose scheme there is not, or ``""``."""
    if text[:1] == "/":
        return f'; write "file://{text}"' if text.isprintable() and len(text) < 200 else ""
    if found := _BARE.fullmatch(text):
        return f'; write "{_BY_PORT.get(found[2], "etcd")}://{text}"'
    return _SCHEMES.get(text.partition(":")[0].lower(), "")


def instead(struct: type, path: Path, given: Any) -> str:
    """``"; write ..."`` where ``given`` has the wrong shape, or ``""``."""
    if struct is UpstreamTls and path == ("discover", "tls") and given is True:
        return "; use a URL with TLS: write etcds://, consuls:// or https://"
    if path == ("discover",) and isinstance(given, list) and len(given) > 1 and isinstance(given[0], str):
        return "; write several hosts in one URL: etcd://10.0.0.5:2379,10.0.0.6:2379/services/app/"
    return ""
