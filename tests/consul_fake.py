"""Consul's HTTP API as far as rsp uses it: health of services and keys, with blocking queries, tokens and sessions.

Written from developer.hashicorp.com/consul/api-docs (health, kv, session, features/blocking); answers have the fields
that are documented there.
"""

import base64
import re
import uuid

from aiohttp import web

from tests.engine_fake import EngineFake

ACL_NOT_FOUND = "ACL not found"
DENIED = "Permission denied: anonymous token lacks permission 'service:read' on \"%s\""


def check(status="passing", service="app-1"):
    return {
        "Node": "foobar", "CheckID": f"service:{service}", "Name": f"Service '{service}' check", "Status": status,
        "Notes": "", "Output": "", "ServiceID": service, "ServiceName": "app", "ServiceTags": [],
        "Namespace": "default",
    }  # fmt: skip


def instance(id, address="", port=8000, node="10.1.10.12", tags=(), weights=(1, 1), states=("passing",), name="app"):
    """An entry of /v1/health/service."""
    return {
        "Node": {
            "ID": "40e4a748-2192-161a-0510-9bf59fe950b5", "Node": "foobar", "Address": node, "Datacenter": "dc1",
            "TaggedAddresses": {"lan": node, "wan": node}, "Meta": {"instance_type": "t2.medium"},
        },
        "Service": {
            "ID": id, "Service": name, "Tags": list(tags) or None, "Address": address, "Port": port,
            "TaggedAddresses": {"lan": {"address": address, "port": port}}, "Meta": {"redis_version": "4.0"},
            "Weights": {"Passing": weights[0], "Warning": weights[1]}, "Namespace": "default",
        },
        "Checks": [
            {"Node": "foobar", "CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "passing"},
            *(check(state, id) for state in states),
        ],
    }  # fmt: skip


class ConsulFake(EngineFake):
    """``services``: entries by the name of their service, as :func:`instance` makes them.  ``tokens``: those that are
    good; none: all are.  ``limited``: tokens that see nothing, as with a default policy of "deny"."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.index = 10
        self.services: dict[str, list[dict]] = {}
        self.raw: str | None = None  # instead of a list of instances
        self.keys: dict[str, dict] = {}
        self.sessions: dict[str, str] = {}
        self.tokens: set[str] = set()
        self.limited: set[str] = set()
        self.without_index = False

    # -- what tests change

    def put(self, name: str, *entries: dict) -> None:
        self.do(lambda: self._put(name, entries))

    def _put(self, name, entries):
        self.index += 1
        self.services[name] = list(entries)

    def restore(self, index: int) -> None:
        """As after a restore from a snapshot: the index is lower than it was."""

        def change():
            self.index = index

        self.do(change)

    def touch(self) -> None:
        """Something else has changed: queries answer, with the same content."""

        def change():
            self.index += 1

        self.do(change)

    # -- the API

    def routes(self):
        return [
            web.get("/v1/health/service/{name}", self._health),
            web.get("/v1/kv/{key:.*}", self._get),
            web.put("/v1/kv/{key:.*}", self._set),
            web.delete("/v1/kv/{key:.*}", self._delete),
            web.put("/v1/session/create", self._create),
            web.put("/v1/session/renew/{id}", self._renew),
            web.put("/v1/session/destroy/{id}", self._destroy),
        ]

    async def _health(self, request):
        name = request.match_info["name"]
        if refused := self._refused(request):
            return refused
        await self._blocked(request)
        entries = self.services.get(name, [])
        tags = request.query.getall("tag", [])
        found = [each for each in entries if set(tags) <= set(each["Service"].get("Tags") or ())]
        if "passing" in request.query:
            found = [each for each in found if all(check["Status"] == "passing" for check in each["Checks"])]
        if request.headers.get("X-Consul-Token", "") in self.limited:
            return self._answer([], {"X-Consul-Results-Filtered-By-ACLs": "true"})
        if self.raw is not None:
            return web.Response(text=self.raw, headers=self._headers())
        return self._answer(found)

    def _refused(self, request):
        token = request.headers.get("X-Consul-Token", "")
        if self.tokens and token not in self.tokens | self.limited:
            return web.Response(status=403, text=ACL_NOT_FOUND if token else DENIED % "app")
        return None

    async def _blocked(self, request) -> None:
        asked = int(request.query.get("index", 0))
        if asked and not self.without_index:
            wait = re.fullmatch(r"(\d+)s", request.query.get("wait", "300s"))
            assert wait, "expected a wait in seconds"
            await self.until(lambda: self.index > asked or self.index < asked, float(wait[1]))

    def _headers(self):
        known = {"X-Consul-KnownLeader": "true", "X-Consul-LastContact": "0"}
        return known if self.without_index else {**known, "X-Consul-Index": str(self.index)}

    def _answer(self, body, headers=None, status=200):
        return web.json_response(body, status=status, headers={**self._headers(), **(headers or {})})

    # -- keys

    async def _get(self, request):
        if refused := self._refused(request):
            return refused
        await self._blocked(request)
        key = request.match_info["key"]
        if "recurse" in request.query:
            found = [entry for name, entry in sorted(self.keys.items()) if name.startswith(key)]
        else:
            found = [self.keys[key]] if key in self.keys else []
        if not found:
            return web.Response(status=404, headers=self._headers())
        if "raw" in request.query:
            return web.Response(body=base64.b64decode(found[0]["Value"]), headers=self._headers())
        return self._answer(found)

    async def _set(self, request):
        if refused := self._refused(request):
            return refused
        body = await request.read()
        return web.json_response(await self._changed(lambda: self._store(request, body)))

    async def _changed(self, change):
        result = change()
        async with self.changed:
            self.changed.notify_all()
        return result

    def _store(self, request, body):
        key, query = request.match_info["key"], request.query
        known = self.keys.get(key)
        if "cas" in query and int(query["cas"]) != (known["ModifyIndex"] if known else 0):
            return False
        session = known.get("Session") if known else None
        if "acquire" in query:
            if query["acquire"] not in self.sessions or session not in (None, query["acquire"]):
                return False
            session = query["acquire"]
        if "release" in query:
            if session != query["release"]:
                return False
            session = None
        self.index += 1
        self.keys[key] = {
            "LockIndex": 0, "Key": key, "Flags": 0, "Value": base64.b64encode(body).decode(),
            "CreateIndex": known["CreateIndex"] if known else self.index, "ModifyIndex": self.index,
            **({"Session": session} if session else {}),
        }  # fmt: skip
        return True

    async def _delete(self, request):
        if refused := self._refused(request):
            return refused
        return web.json_response(await self._changed(lambda: self._remove(request)))

    def _remove(self, request):
        key, query = request.match_info["key"], request.query
        if "cas" in query and int(query["cas"]) != self.keys.get(key, {}).get("ModifyIndex"):
            return False
        gone = [name for name in self.keys if (name.startswith(key) if "recurse" in query else name == key)]
        for name in gone:
            del self.keys[name]
        self.index += 1
        return True

    # -- sessions

    async def _create(self, request):
        asked = await request.json() if request.can_read_body else {}
        name = str(uuid.uuid4())
        self.sessions[name] = asked.get("Behavior", "release")
        return web.json_response({"ID": name})

    async def _renew(self, request):
        name = request.match_info["id"]
        if name not in self.sessions:
            return web.Response(status=404, text=f"Session id '{name}' not found")
        return web.json_response([{"ID": name, "TTL": "15s", "Behavior": self.sessions[name]}])

    async def _destroy(self, request):
        name = request.match_info["id"]
        await self._changed(lambda: self._expire(name))
        return web.json_response(True)

    def end_session(self, name: str) -> None:
        """As when its time is over."""
        self.do(lambda: self._expire(name))

    def _expire(self, name):
        behaviour = self.sessions.pop(name, None)
        held = [key for key, entry in self.keys.items() if entry.get("Session") == name]
        for key in held:
            self.index += 1
            if behaviour == "delete":
                del self.keys[key]
            else:
                self.keys[key] = {**self.keys[key], "ModifyIndex": self.index}
                self.keys[key].pop("Session")
