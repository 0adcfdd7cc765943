"""What hooks cost, beside nginx's Lua module on the same work: ``make bench-lua``; the tables of docs/lua.md.

Needs nginx with libnginx-mod-http-lua.  Each figure is the median of interleaved turns on one core.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.peers import LOAD_CORE, NGINX, RSP, Peer, backends, missing
from bench.scenarios import sample
from bench.sections import replace_named

# Name -> what it does, rsp's Lua, and nginx's (None: not compared).
WORK: dict[str, tuple[str, str, str | None]] = {
    "none": ("no hook", "", ""),
    "empty": ("an empty hook", "function on_request(req) end", "rewrite_by_lua_block { }"),
    "routing": (
        "read one header, set one, choose an upstream",
        """
        function on_request(req)
          if req.headers["x-canary"] == "1" then return proxy "upload" end
          req.headers["X-Route"] = "stable"
        end
        """,
        """
        set $pool static;
        rewrite_by_lua_block {
          local headers = ngx.req.get_headers()
          if headers["x-canary"] == "1" then ngx.var.pool = "upload" end
          ngx.req.set_header("X-Route", "stable")
        }
        """,
    ),
    "headers": (
        "change two request and two response headers",
        """
        function on_request(req)
          req.headers["X-Env"] = "live"
          req.headers["Cookie"] = nil
        end
        function on_response(req, res)
          res.headers["X-Served-By"] = "edge"
          res.headers["ETag"] = nil
        end
        """,
        """
        rewrite_by_lua_block { ngx.req.set_header("X-Env", "live") ngx.req.clear_header("Cookie") }
        header_filter_by_lua_block { ngx.header["X-Served-By"] = "edge" ngx.header["ETag"] = nil }
        """,
    ),
    "incr": (
        "count in shared state",
        """
        local counts = shared("counts")
        function on_request(req) counts.incr("all") end
        """,
        'rewrite_by_lua_block { ngx.shared.counts:incr("all", 1, 0) }',
    ),
    "rate": (
        "limit the rate of each client (GCRA)",
        """
        function on_request(req)
          if not limit.rate{ key = req.client, rate = "1000000r/s", burst = 1000 } then return respond(429) end
        end
        """,
        """
        rewrite_by_lua_block {
          local counts, key, now = ngx.shared.counts, ngx.var.remote_addr, ngx.now()
          local expected = counts:get(key) or now
          if expected < now then expected = now end
          if expected - now > 0.001 then return ngx.exit(429) end
          counts:set(key, expected + 0.000001, 60)
        }
        """,
    ),
    "sub-request": (
        "ask another upstream first",
        """
        function on_request(req)
          local res = http.get{ upstream = "static", path = "/small" }
          if not res or res.status ~= 200 then return respond(403) end
        end
        """,
        """
        access_by_lua_block {
          local res = ngx.location.capture("/check")
          if res.status ~= 200 then return ngx.exit(403) end
        }
        """,
    ),
}


@dataclass
class Hooked(Peer):
    """``work``: one of ``WORK``; without an access log."""

    work: str = "none"
    log: str = "off"

    def _command(self) -> list[str]:
        values = self.values()
        _, mine, nginx = WORK[self.work]
        if self.name.startswith("rsp"):
            return [sys.executable, "-m", "rsp", self._write("site.lua", RSP.format(**values) + mine)]
        text = NGINX.format(**values)
        modules = "load_module modules/ndk_http_module.so; load_module modules/ngx_http_lua_module.so;\n"
        text = text.replace("http {", "http { lua_shared_dict counts 10m;", 1)
        target = "http://$pool" if "$pool" in (nginx or "") else "http://static"
        check = "location = /check { internal; proxy_pass http://static/small; }"
        text = text.replace(
            "location / { proxy_pass http://static; }", f"{check} location / {{ {nginx} proxy_pass {target}; }}"
        )
        return ["nginx", "-c", self._write("nginx.conf", modules + text)]


def costs(directory: Path, names: list[str], repeats: int, seconds: float) -> dict[tuple[str, str], dict[str, float]]:
    """By proxy and work: medians of user and system CPU in us, requests a second, and errors."""
    peers = []
    for number, work in enumerate(names):
        for offset, proxy in enumerate(("rsp", "nginx")):
            if proxy == "rsp" or WORK[work][2] is not None:
                port = 9300 + 2 * number + offset
                peers.append(Hooked(f"{proxy} {work}", port, directory / f"{proxy}-{work}", work=work))
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    try:
        for peer in peers:
            peer.start()
            load.wrk(peer.port, "browser", "/small", 64, 0.5)
        for turn in range(repeats):
            for peer in peers:
                result = sample(peer, lambda peer=peer: load.wrk(peer.port, "browser", "/small", 64, seconds))
                found.setdefault((peer.name.split()[0], peer.work), []).append(result)
            print(f"... turn {turn + 1} of {repeats}", file=sys.stderr)
    finally:
        for peer in peers:
            peer.stop()
    figures = ("user", "system", "rate", "errors", "p99")
    return {
        key: {figure: statistics.median(one[figure] for one in samples) for figure in figures}
        for key, samples in found.items()
    }


def table(found: dict[tuple[str, str], dict[str, float]]) -> str:
    lines = [
        "| work | rsp: user us | on top | requests/s | nginx + Lua: user us | on top | requests/s | rsp / nginx |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for work in dict.fromkeys(work for _, work in found):
        cells = [WORK[work][0]]
        rates = []
        for proxy in ("rsp", "nginx"):
            one = found.get((proxy, work))
            if one is None:
                cells += ["", "", ""]
                continue
            more = one["user"] - found[proxy, "none"]["user"] if (proxy, "none") in found else 0.0
            cells += [f"{one['user']:.1f}", f"{more:+.1f}", f"{one['rate']:,.0f}"]
            rates.append(one["rate"])
        cells.append(f"{rates[0] / rates[1]:.2f}" if len(rates) == 2 else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


HARM = """
local function answer(req)
  if req.path == "/loop" then while true do end end
  if req.path == "/memory" then local t = {} while true do t[#t + 1] = ("x"):rep(100000) .. #t end end
  if req.path == "/error" then error("a storm") end
  if req.path == "/wait" then http.get{ url = "http://192.0.2.1/", timeout = 2 } return respond(504) end
end
function on_request(req) return answer(req) end
"""


ATTACK = """
import os, socket, sys, time
os.nice(19)  # it shares the load's core, and is not to be in the load's way
port, path, rate, held = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), []
while True:
    time.sleep(1 / rate)
    one = socket.create_connection(("127.0.0.1", port))
    one.sendall(b"GET /%b HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n" % path.encode())
    held.append(one)
    while len(held) > 300:
        held.pop(0).close()
"""


def harm(directory: Path, seconds: float) -> list[tuple[str, float, dict[str, float], dict[str, float]]]:
    """What others do, how often a second; and what clients see: 64 in full load, and 32 at 4000 requests a second."""
    WORK["harm"] = ("", HARM, None)
    peer = Hooked("rsp harm", 9390, directory / "harm", work="harm")
    results = []
    peer.start()
    try:
        load.wrk(peer.port, "browser", "/small", 64, 1)
        for kind, rate in (("quiet", 20), ("loop", 10), ("memory", 3), ("error", 200), ("wait", 50)):
            command = [sys.executable, "-c", ATTACK, str(peer.port), kind, str(rate)]
            with subprocess.Popen(command) as attacker:
                time.sleep(0.5)
                full = load.wrk(peer.port, "browser", "/small", 64, seconds)
                results.append((kind, rate, full, load.steady(peer.port, 32, 4000, seconds)))
                attacker.kill()
    finally:
        peer.stop()
    return results


def endurance(directory: Path, requests: int) -> list[tuple[float, int]]:
    """Requests so far, and the worker's memory in bytes, with every phase in use."""
    WORK["all"] = (
        "",
        """
        local counts = shared("counts")
        function on_request(req)
          req.ctx.began = time.monotonic()
          req.headers["X-Route"] = req.cookies.theme or "none"
          if not limit.rate{ key = req.client .. req.args.item, rate = "10r/s", burst = 10 } then counts.incr("slow") end
        end
        function on_response(req, res) res.headers["X-Time"] = time.monotonic() - req.ctx.began end
        function on_log(req, res) counts.incr("status " .. res.status) end
        """,
        None,
    )
    peer = Hooked("rsp all", 9391, directory / "all", work="all")
    peer.start()
    done, memory = 0.0, []
    try:
        while done < requests:
            done += load.wrk(peer.port, "browser", "/small", 64, 10)["requests"]
            memory.append((done, peer.rss()))
            print(f"... {done:,.0f} requests, {memory[-1][1] / 1e6:.1f} MB", file=sys.stderr)
    finally:
        peer.stop()
    return memory


def harm_table(results: list[tuple[str, float, dict[str, float], dict[str, float]]]) -> str:
    names = {
        "quiet": "nothing bad", "loop": "endless loops", "memory": "memory bombs", "error": "errors",
        "wait": "sub-requests that are not answered",
    }  # fmt: skip
    lines = [
        "| what others send | a second | full load: p50 ms | p99 ms | / quiet | 4,000/s: p50 ms | p99 ms | / quiet |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind, rate, *loads in results:
        cells = []
        for one, quiet in zip(loads, results[0][2:], strict=True):
            cells += [f"{one['p50'] / 1000:.2f}", f"{one['p99'] / 1000:.2f}", f"{one['p99'] / quiet['p99']:.2f}"]
        lines.append(f"| {names[kind]} | {rate} | {' | '.join(cells)} |")
    return "\n".join(lines)


def endurance_table(memory: list[tuple[float, int]]) -> str:
    chosen = memory[:: max(1, len(memory) // 6)]
    lines = ["| requests | the worker's memory, MB |", "|---|---|"]
    lines += [f"| {done:,.0f} | {size / 1e6:.1f} |" for done, size in dict([*chosen, memory[-1]]).items()]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.lua", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--only", help="costs, harm or endurance")
    parser.add_argument("--work", help="some of the works, separated by commas")
    parser.add_argument("--document", type=Path, help="a file whose tables are to be replaced")
    parser.add_argument("--requests", type=int, default=5_000_000, help="of the endurance run")
    options = parser.parse_args()
    if missing("nginx", "wrk", "cc"):
        print("bench: needs nginx, libnginx-mod-http-lua, wrk and cc", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {LOAD_CORE})
    parts = []
    with tempfile.TemporaryDirectory() as name, backends(Path(name)):
        directory = Path(name)
        directory.chmod(0o755)
        if options.only in (None, "costs"):
            names = options.work.split(",") if options.work else list(WORK)
            parts.append(table(costs(directory, names, options.repeats, options.seconds)))
        if options.only in (None, "harm"):
            parts.append(harm_table(harm(directory, 10)))
        if options.only in (None, "endurance"):
            parts.append(endurance_table(endurance(directory, options.requests)))
    text = "\n\n".join(parts)
    print(text)
    if options.document:
        replace_named(options.document, "measured", f"\n{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
