"""Docker's HTTP API as far as rsp uses it: the list of containers with filters, and events; podman's with ``podman``.

Written from docs.docker.com/reference/api/engine (containers/json, events) and podman's compatible API.  Where podman
differs, as podman 4.3 was seen to: the list does not tell of health nor of the host's network, a container that ends is
"stopping", and "health_status" does not say which.
"""

import contextlib
import json
import time

from aiohttp import web

from tests.engine_fake import EngineFake


class DockerFake(EngineFake):
    """``containers``: by id.  ``executed``: the events of health checks that run in containers, which mean nothing."""

    def __init__(self, path: str | None, podman: bool = False) -> None:
        super().__init__(path=path)
        self.podman = podman
        self.containers: dict[str, dict] = {}
        self.events: list[dict] = []
        self.streams = 0
        self.raw_list: bytes | None = None
        self._newest: dict[str, object] = {}  # what will be known of a container
        self.lag = 0.0 if podman else 0.05  # seconds until the list knows of an end or a pause, as with Docker 20.10

    # -- what tests change

    def run(self, name, address="172.17.0.2", *, labels=None, ports=(8000,), networks=None, health=None, published=(),
            created=1700000000) -> str:  # fmt: skip
        """As `docker run`.  ``networks``: address by name.  ``published``: private port, port and address of the host."""
        networks = {"bridge": address} if networks is None else networks
        id = f"{name:x<12}"[:12].encode().hex().ljust(64, "0")[:64]
        listed = {
            "Id": id, "Names": [f"/{name}"], "Image": "app:1", "ImageID": "sha256:bcdfd7f7", "Command": "python app.py",
            "Created": created, "State": "running", "Status": _status(health), "Labels": labels or {},
            "Ports": [
                *({"PrivatePort": port, "Type": "tcp"} for port in ports),
                *({"IP": ip, "PrivatePort": private, "PublicPort": public, "Type": "tcp"}
                  for private, public, ip in published),
            ],
            "HostConfig": {"NetworkMode": "default"},
            "NetworkSettings": {
                "Networks": {
                    network: {"IPAMConfig": None, "NetworkID": "7ea29fc1", "EndpointID": "88eaed7b",
                              "Gateway": "172.17.0.1", "IPAddress": ip if ":" not in ip else "", "IPPrefixLen": 16,
                              "IPv6Gateway": "", "GlobalIPv6Address": ip if ":" in ip else "",
                              "MacAddress": "02:42:ac:11:00:02"}
                    for network, ip in networks.items()
                }
            },
            "Mounts": [], "health": health,
        }  # fmt: skip

        def change():
            self.containers[id] = listed
            self._tell("start", id)

        self.do(change)
        return id

    def health(self, name: str, state: str) -> None:
        def change():
            each = self._named(name)
            each["health"], each["Status"] = state, _status(state)
            self._tell("health_status" if self.podman else f"health_status: {state}", each["Id"])

        self.do(change)

    def signal(self, name: str, number: str = "15") -> None:
        """The first half of `docker stop`; with podman the state says it."""

        def change():
            each = self._named(name)
            if self.podman:
                each["State"] = "stopping"
            self._tell("kill", each["Id"], signal=number)

        self.do(change)

    def die(self, name: str) -> None:
        def change():
            each = self._named(name)
            self._become(each, "exited", "Exited (0) Less than a second ago")
            self._tell("die", each["Id"], exitCode="0")

        self.do(change)

    def start(self, name: str) -> None:
        def change():
            each = self._named(name)
            self._newest.pop(each["Id"], None)
            each["State"], each["Status"] = "running", _status(each["health"])
            self._tell("start", each["Id"])

        self.do(change)

    def pause(self, name: str) -> None:
        def change():
            each = self._named(name)
            self._become(each, "paused", "Up 2 minutes (Paused)")
            self._tell("pause", each["Id"])

        self.do(change)

    def unpause(self, name: str) -> None:
        def change():
            each = self._named(name)
            self._become(each, "running", _status(each["health"]))
            self._tell("unpause", each["Id"])

        self.do(change)

    def _become(self, each, state, status):
        def known():
            if self._newest.get(each["Id"]) is known:
                each["State"], each["Status"] = state, status

        self._newest[each["Id"]] = known
        if self.lag:
            self._loop.call_later(self.lag, known)
        else:
            known()

    def connect(self, name: str, network: str, address: str) -> None:
        def change():
            each = self._named(name)
            each["NetworkSettings"]["Networks"][network] = {"IPAddress": address}
            attributes = {"container": each["Id"], "name": network, "type": "bridge"}
            self._append("network", "connect", "7ea29fc1", attributes)

        self.do(change)

    def executed(self, name: str) -> None:
        """A health check runs: three events."""

        def change():
            for action in ("exec_create: /bin/sh -c true", "exec_start: /bin/sh -c true", "exec_die"):
                self._tell(action, self._named(name)["Id"])

        self.do(change)

    def silently(self, change) -> None:
        """Without an event."""
        self.do(lambda: change(self.containers))

    def send(self, raw: str) -> None:
        self.do(lambda: self.events.append({"raw": raw}))

    def _named(self, name):
        return next(each for each in self.containers.values() if f"/{name}" in each["Names"])

    def _tell(self, action, id, **attributes):
        known = self.containers[id]
        about = {"image": known["Image"], "name": known["Names"][0][1:], **known["Labels"], **attributes}
        self._append("container", action, id, about)

    def _append(self, kind, action, id, attributes):
        now = time.time_ns()
        self.events.append(
            {"status": action, "id": id, "Type": kind, "Action": action, "scope": "local",
             "Actor": {"ID": id, "Attributes": attributes}, "time": now // 10**9, "timeNano": now}
        )  # fmt: skip

    # -- the API

    def routes(self):
        return [web.get("/containers/json", self._list), web.get("/events", self._events)]

    async def _list(self, request):
        if self.raw_list is not None:
            return web.Response(body=self.raw_list, content_type="application/json")
        filters = json.loads(request.query.get("filters", "{}"))
        if unknown := set(filters) - {"status", "label", "health", "name", "id", "network"}:
            return web.json_response({"message": f"invalid filter '{unknown.pop()}'"}, status=400)
        found = [self._shown(each) for each in self.containers.values() if _fits(each, filters)]
        return web.json_response(found)

    def _shown(self, listed):
        shown = {name: value for name, value in listed.items() if name != "health"}
        if self.podman:
            shown |= {"Status": "Up 2 minutes", "HostConfig": {}}
            if "host" in shown["NetworkSettings"]["Networks"]:
                shown |= {"NetworkSettings": {"Networks": None}}
        return shown

    async def _events(self, request):
        filters = json.loads(request.query.get("filters", "{}"))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        at = len(self.events)
        await response.prepare(request)
        self.streams += 1
        try:
            with contextlib.suppress(ConnectionError):
                while True:
                    news, at = self.events[at:], len(self.events)
                    for event in news:
                        if "raw" in event:
                            await response.write(event["raw"].encode())
                        elif event["Type"] in filters.get("type", [event["Type"]]):
                            await response.write(json.dumps(event).encode() + b"\n")
                    count = len(self.events)
                    await self.until(lambda count=count: len(self.events) != count, 600)
        finally:
            self.streams -= 1
        return response


def _status(health):
    shown = {None: "", "starting": " (health: starting)"}.get(health, f" ({health})")
    return f"Up 2 minutes{shown}"


def _fits(listed, filters):
    health = listed["health"] or "none"
    if listed["State"] not in filters.get("status", ["running"]):
        return False
    if "health" in filters and health not in filters["health"]:
        return False
    labels = listed["Labels"]
    for wanted in filters.get("label", []):
        name, equals, value = wanted.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True
