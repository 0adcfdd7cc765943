"""The API of Kubernetes as far as rsp uses it: lists in pages, watches with bookmarks, versions that are forgotten, tokens.

Written from kubernetes.io/docs/reference/using-api/api-concepts and the reference of EndpointSlice (discovery.k8s.io/v1)
and Service (v1); errors are those of kube-apiserver.
"""

import base64
import contextlib
import json

from aiohttp import web

from tests.engine_fake import EngineFake

SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
SERVICES = "/api/v1/namespaces/default/services"
_KINDS = {
    "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
    "services": ("v1", "Service"),
    "ingresses": ("networking.k8s.io/v1", "Ingress"),
}


def endpoint(address, ready=True, serving=None, terminating=None, **more):
    conditions = {"ready": ready, "serving": serving, "terminating": terminating}
    return {
        "addresses": [address],
        "conditions": {name: value for name, value in conditions.items() if value is not None},
        "targetRef": {"kind": "Pod", "name": "app-abc12", "namespace": "default", "uid": "5f1c"},
        "nodeName": "node-1",
        "zone": "us-west2-a",
        **more,
    }


def ending(address, serving=True):
    return endpoint(address, ready=False, serving=serving, terminating=True)


def slice_of(service, *endpoints, ports=((8080, "http"),), family="IPv4", labels=None):
    """The name is given by :meth:`KubernetesFake.put`."""
    return {
        "metadata": {
            "labels": {"kubernetes.io/service-name": service, **(labels or {})},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": service, "uid": "1"}],
            "managedFields": [{"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:x": {}}}],
        },
        "addressType": family,
        "endpoints": [each if isinstance(each, dict) else endpoint(each) for each in endpoints],
        "ports": [{"name": name, "port": port, "protocol": "TCP"} for port, name in ports],
    }


def service(*, annotations=None, labels=None, ports=((80, "http", 8080),), created="2026-11-26T12:00:00Z"):
    return {
        "metadata": {"labels": labels or {}, "annotations": annotations or {}, "creationTimestamp": created},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "10.96.0.10",
            "ports": [{"name": n, "port": p, "targetPort": t, "protocol": "TCP"} for p, n, t in ports],
        },
        "status": {"loadBalancer": {}},
    }


def status(code, reason, message):
    return {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code,
    }  # fmt: skip


class KubernetesFake(EngineFake):
    """``gone``: how a version that is forgotten is refused, "event" or "status".  ``tokens``: those that are good; none:
    all are.  ``forbidden``: collections that may not be read."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.version = 1000
        self.objects: dict[tuple[str, str], dict] = {}  # by collection and name
        self.history: list[tuple[int, str, str, dict]] = []  # version, collection, type, object
        self.forgotten = 0  # versions up to this one are
        self.gone = "event"
        self.tokens: set[str] = set()
        self.forbidden: set[str] = set()
        self.watches = 0  # that run now
        self.ended = 0
        self.page: int | None = None  # a smaller page than what is asked for
        self.raw_event: bytes | None = None

    # -- what tests change

    def put(self, name: str, value: dict, collection: str = SLICES) -> None:
        self.do(lambda: self._put(collection, name, value))

    def _put(self, collection, name, value):
        self.version += 1
        namespace = collection.split("/namespaces/")[1].split("/")[0]
        api, kind = _KINDS[collection.rpartition("/")[2]]
        metadata = {**value["metadata"], "name": name, "namespace": namespace, "resourceVersion": str(self.version)}
        made = {"kind": kind, "apiVersion": api, **value, "metadata": metadata}
        known = (collection, name) in self.objects
        self.objects[collection, name] = made
        self.history.append((self.version, collection, "MODIFIED" if known else "ADDED", made))

    def remove(self, name: str, collection: str = SLICES) -> None:
        def change():
            self.version += 1
            gone = self.objects.pop((collection, name))
            gone = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self.version)}}
            self.history.append((self.version, collection, "DELETED", gone))

        self.do(change)

    def remove_unseen(self, name: str, collection: str = SLICES) -> None:
        """Its event is forgotten before any watch has seen it."""

        def change():
            self.version += 1
            self.objects.pop((collection, name))

        self.do(change)

    def forget(self) -> None:
        """All versions until now (etcd's compaction, the end of the watch cache)."""

        def change():
            self.version += 1
            self.forgotten = self.version
            self.history.clear()

        self.do(change)

    def bookmark(self, collection: str = SLICES) -> None:
        """The version has grown by changes elsewhere, and watches are told."""

        def change():
            self.version += 5
            api, kind = _KINDS[collection.rpartition("/")[2]]
            mark = {"kind": kind, "apiVersion": api, "metadata": {"resourceVersion": str(self.version)}}
            self.history.append((self.version, collection, "BOOKMARK", mark))

        self.do(change)

    def end_watches(self) -> None:
        """As when their time is over."""

        def change():
            self.ended += 1

        self.do(change)

    def send(self, raw: bytes) -> None:
        """To all watches, as it is."""

        def change():
            self.history.append((self.version, "", "RAW", {"raw": raw}))

        self.do(change)

    # -- the API

    def routes(self):
        return [web.get("/{path:apis?/.+}", self._get)]

    async def _get(self, request):
        if refused := self._refused(request):
            return refused
        if request.query.get("watch") in ("true", "1"):
            return await self._watch(request)
        return self._list(request)

    def _refused(self, request):
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens and given not in self.tokens:
            return _failure(status(401, "Unauthorized", "Unauthorized"))
        if request.path in self.forbidden:
            what = request.path.rpartition("/")[2]
            verb = "watch" if "watch" in request.query else "list"
            return _failure(
                status(
                    403, "Forbidden",
                    f'{what}.discovery.k8s.io is forbidden: User "system:serviceaccount:default:rsp" cannot {verb} '
                    f'resource "{what}" in API group "discovery.k8s.io" in the namespace "default"',
                )
            )  # fmt: skip
        return None

    def _list(self, request):
        query = request.query
        asked = query.get("resourceVersion", "")
        if asked.isdigit() and int(asked) > self.version:
            return self._too_new(asked)
        found = [each for key, each in sorted(self.objects.items()) if self._fits(key[0], each, request)]
        begin, version = 0, self.version
        if query.get("continue"):
            told = json.loads(base64.b64decode(query["continue"]))
            begin, version = told["begin"], told["version"]
            if version <= self.forgotten:
                text = "The provided continue parameter is too old to display a consistent list result."
                return _failure(status(410, "Expired", text))
        size = self.page or (int(query["limit"]) if query.get("limit") and asked != "0" else len(found) + 1)
        metadata: dict[str, object] = {"resourceVersion": str(version)}
        if begin + size < len(found):
            token = json.dumps({"begin": begin + size, "version": version}).encode()
            metadata |= {"continue": base64.b64encode(token).decode(), "remainingItemCount": len(found) - begin - size}
        api, kind = _KINDS[request.path.rpartition("/")[2]]
        items = found[begin : begin + size]
        return web.json_response({"kind": f"{kind}List", "apiVersion": api, "metadata": metadata, "items": items})

    def _fits(self, collection, value, request):
        if collection != request.path:
            return False
        labels = value["metadata"].get("labels", {})
        for part in filter(None, request.query.get("labelSelector", "").split(",")):
            name, equals, wanted = part.partition("=")
            if name not in labels or (equals and labels[name] != wanted):
                return False
        return True

    async def _watch(self, request):
        seen = int(request.query["resourceVersion"])
        if seen > self.version:
            return self._too_new(seen)
        if seen < self.forgotten and self.gone == "status":
            return _failure(self._too_old(seen))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self.watches += 1
        try:
            with contextlib.suppress(ConnectionError):
                await self._send_events(request, response, seen)
        finally:
            self.watches -= 1
        return response

    async def _send_events(self, request, response, seen):
        ended = self.ended
        if seen < self.forgotten:
            await _send(response, "ERROR", self._too_old(seen))
            return
        at = 0
        while True:
            if at > len(self.history):  # it was cut meanwhile
                await _send(response, "ERROR", self._too_old(seen))
                return
            news, at = self.history[at:], len(self.history)
            for version, collection, kind, value in news:
                if kind == "RAW":
                    await response.write(value["raw"])
                elif version > seen and self._wanted(request, collection, kind, value):
                    await _send(response, kind, value)
            if self.ended != ended:
                return
            count = len(self.history)
            await self.until(lambda count=count: len(self.history) != count or self.ended != ended, 600)

    def _wanted(self, request, collection, kind, value):
        if kind == "BOOKMARK":
            return collection == request.path and request.query.get("allowWatchBookmarks") == "true"
        return self._fits(collection, value, request)

    def _too_new(self, asked):
        """Another server, which is not as far yet."""
        return _failure(status(504, "Timeout", f"Too large resource version: {asked}, current: {self.version}"))

    def _too_old(self, seen):
        return status(410, "Expired", f"too old resource version: {seen} ({self.forgotten})")


def _failure(said):
    return web.json_response(said, status=said["code"])


async def _send(response, kind, value):
    await response.write(json.dumps({"type": kind, "object": value}).encode() + b"\n")
