// The page: what the control process sends each second goes into charts, numbers and tables.

const page = {
  range: 300,
  chosen: { kind: "total", name: "" },
  sparks: { routes: {}, upstreams: {}, peers: {} },
  more: null,
  view: null,
  events: null,
};

const GOOD = { up: "good", doubtful: "warn", probing: "warn", draining: "warn", drained: "warn", ejected: "bad", down: "bad" };
const errorTone = (value) => (value > 0 ? "bad" : "dim");
const warnTone = (value) => (value > 0 ? "warn" : "dim");
const routeKey = (row) => `${row.name}\0${row.upstream}`;
const peerKey = (row) => `${row.upstream}\0${row.peer}`;

// -- charts

const charts = [
  new Chart($("rate"), [["requests", "all", "c-all"], ["status_4xx", "4xx", "c-4xx"], ["status_5xx", "5xx", "c-5xx"]], rate, true),
  new Chart($("latency"), [["p50", "median", "c-p50"], ["p90", "p90", "c-p90"], ["p99", "p99", "c-p99"]], seconds, false),
];

async function drawCharts() {
  if (document.hidden) return;
  const { kind, name } = page.chosen;
  const asked = JSON.stringify([kind, name, page.range]);
  page.asked = asked;
  try {
    const answer = await fetch(`history?${new URLSearchParams({ kind, name, seconds: page.range })}`);
    if (!answer.ok) return;
    const points = padded(await answer.json());
    if (page.asked === asked) for (const chart of charts) chart.draw(points);
  } catch {
    // the stream of events says that the connection is lost
  }
}

// The whole range, though there may be less.
function padded(points) {
  const wanted = Math.ceil(page.range / points.step);
  for (const [name, column] of Object.entries(points.columns)) {
    points.columns[name] = [...Array(Math.max(0, wanted - column.length)).fill(null), ...column];
  }
  return points;
}

function choose(kind, name, label) {
  page.chosen = { kind, name };
  $("traffic-title").textContent = kind === "total" ? "Traffic" : `Traffic of ${kind} ${label}`;
  $("all").hidden = kind === "total";
  drawCharts();
  if (page.view) showTables();
  if (kind !== "total") $("traffic").scrollIntoView({ block: "start" });
}

function setRange(value) {
  page.range = value;
  for (const button of document.querySelectorAll("[data-range]")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.range) === value));
  }
  drawCharts();
}

// -- numbers

const NUMBERS = [
  ["Requests", (view) => [rate(view.total.requests), "/s"]],
  ["Server errors", (view) => [percent(view.total.status_5xx, view.total.requests), "", view.total.status_5xx ? "bad" : ""]],
  ["Client errors", (view) => [percent(view.total.status_4xx, view.total.requests), ""]],
  ["Median", (view) => [seconds(view.total.p50), ""]],
  ["99 % are below", (view) => [seconds(view.total.p99), ""]],
  ["Sent", (view) => [bytes(view.total.bytes_sent), "/s"]],
  ["Connections", (view) => [count(view.status.now.connections), ""]],
  ["Running", (view) => [count(view.status.now.in_flight), "requests"]],
  ["Waiting for a peer", (view) => [count(view.status.now.queued), "", view.status.now.queued ? "warn" : ""]],
  ["TLS handshakes", (view) => [rate(view.total.handshakes), "/s"]],
];

function showNumbers(view) {
  const list = $("numbers");
  if (!list.firstChild) {
    list.append(...NUMBERS.map(([name]) => element("div", {}, element("dt", { text: name }), element("dd", {}, "", element("small")))));
  }
  NUMBERS.forEach(([, read], index) => {
    const [value, unit, tone = ""] = read(view);
    const box = list.children[index];
    const shown = box.querySelector("dd");
    if (shown.firstChild.data !== value) shown.firstChild.data = value;
    setText(shown.lastChild, unit);
    if (box.className !== tone) box.className = tone;
  });
}

function showHead(view) {
  const { status } = view;
  setText($("version"), status.rsp);
  const trial = status.trial ? `; version ${status.trial.version} is tried for ${span(status.trial.seconds_left)}` : "";
  const uptime = status.workers.length ? Math.max(...status.workers.map((worker) => worker.uptime)) : null;
  setText($("about"), `${status.listeners.join(", ")} · configuration ${status.configuration.version} (${status.configuration.digest.slice(0, 12)})` +
    ` · ${count(status.totals.requests)} requests in all · oldest worker ${span(uptime)}${trial}`);
  document.title = `${rate(view.total.requests)}/s · rsp`;
}

// -- tables

const rateColumns = [
  { head: "Last 5 min", kind: "text minor", own: sparkCell((row) => page.sparks[row.table]?.[row.key]) },
  { head: "Requests/s", cell: (row) => rate(row.rates.requests) },
  { head: "4xx/s", kind: "minor", cell: (row) => toned(rate(row.rates.status_4xx), warnTone(row.rates.status_4xx)) },
  { head: "5xx/s", cell: (row) => toned(rate(row.rates.status_5xx), errorTone(row.rates.status_5xx)) },
  { head: "Sent/s", kind: "minor", cell: (row) => bytes(row.rates.bytes_sent) },
  { head: "Requests", cell: (row) => toned(count(row.counts.requests), "dim") },
  { head: "5xx", cell: (row) => toned(percent(row.counts.status_5xx, row.counts.requests), row.counts.status_5xx ? "" : "dim") },
];

const routeTable = new Table("route-table", [
  { head: "Route", kind: "text wide", own: nameCell((row) => row.name || "(no route)", (row) => choose("route", row.key, row.name || "(none)"), (row) => row.name) },
  { head: "Upstream", kind: "text", cell: (row) => toned(row.upstream || "–", row.upstream ? "" : "dim") },
  ...rateColumns,
  { head: "99 %", kind: "minor", cell: (row) => toned(row.p99 === undefined ? "" : seconds(row.p99), "", "of routes with metrics = true") },
], "No route has had a request.");

const upstreamTable = new Table("upstream-table", [
  { head: "Upstream, peer", kind: "text wide", own: nameCell(peerName, pressPeer, (row) => (row.peer && row.note) || "") },
  { head: "State", kind: "text", own: stateCell },
  { head: "Last 5 min", kind: "text minor", own: sparkCell((row) => page.sparks[row.table]?.[row.key]) },
  { head: "Requests/s", cell: (row) => rate(row.peer ? row.rate : row.rates.requests) },
  { head: "5xx/s", cell: (row) => toned(rate(row.peer ? row.error_rate : row.rates.status_5xx), errorTone(row.peer ? row.error_rate : row.rates.status_5xx)) },
  { head: "Median", kind: "minor", cell: (row) => (row.peer ? toned(row.latency_now_ms ? seconds(row.latency_now_ms / 1000) : "–", "dim", "decaying mean of the time to the response head") : seconds(row.p50)) },
  { head: "99 %", cell: (row) => (row.peer ? "" : seconds(row.p99)) },
  { head: "Running", cell: (row) => count(row.in_flight) },
  { head: "Failures", kind: "minor", cell: (row) => (row.peer ? toned(count(row.failures), warnTone(row.failures), "connections that failed, or broke before the whole response") : "") },
  { head: "Retries", kind: "minor", cell: (row) => (row.peer ? toned(count(row.retries), "dim") : "") },
  { head: "Weight", kind: "minor", cell: (row) => (row.peer ? toned(`${row.weight}${row.backup ? " backup" : ""}`, "dim") : "") },
  { head: "", kind: "text", own: actionCell },
], "There is no upstream.");

function peerName(row) {
  if (!row.peer) return row.name;
  return `${row.name ? `${row.name} (${row.peer})` : row.peer}${row.tls ? " · TLS" : ""}`;
}

function pressPeer(row) {
  const upstream = row.peer ? row.upstream : row.name;
  choose("upstream", upstream, upstream);
}

function stateCell(cell, row) {
  if (!cell.firstChild) cell.append(element("span"));
  const [text, tone] = row.peer ? peerState(row) : [`${row.up} of ${row.peers} up`, !row.up ? "bad" : row.up === row.peers ? "good" : "warn"];
  setText(cell.firstChild, text);
  if (cell.firstChild.className !== `state ${tone}`) cell.firstChild.className = `state ${tone}`;
}

function peerState(row) {
  const reason = row.reason && row.reason !== "operator" ? ` (${row.reason})` : "";
  return [`${row.state}${reason}${row.for == null ? "" : `, ${span(row.for)}`}`, GOOD[row.state] || ""];
}

function actionCell(cell, row) {
  const wanted = row.peer && page.more?.actions;
  if (!wanted) return cell.replaceChildren();
  if (!cell.firstChild) {
    const make = (what) => element("button", { class: "small", type: "button", text: what });
    cell.append(element("span", { class: "actions" }, make("Drain"), make("Enable"), make("Weight")));
  }
  const buttons = cell.firstChild.children;
  const out = row.state === "drained" || row.state === "draining";
  buttons[0].hidden = out;
  buttons[1].hidden = row.state === "up";
  ["drain", "enable", "weight"].forEach((what, index) => {
    buttons[index].onclick = () => ask(what, row);
    buttons[index].setAttribute("aria-label", `${buttons[index].textContent} ${row.peer} of ${row.upstream}`);
  });
}

const requestTable = new Table("request-table", [
  { head: "Duration", cell: (row) => toned(seconds(row.duration), "", row.request_id ? `request id ${row.request_id}` : "") },
  { head: "Status", cell: (row) => toned(row.status, row.status >= 500 ? "bad" : row.status >= 400 ? "warn" : "") },
  { head: "Request", kind: "text wide", cell: (row) => toned(`${row.method} ${row.target}`, "", `${row.method} ${row.target}`) },
  { head: "Peer", kind: "text minor", cell: (row) => toned(row.upstream || "–", "dim") },
  { head: "Client", kind: "text minor", cell: (row) => toned(row.client, "dim") },
  { head: "Time", cell: (row) => toned(timeOf(row.time), "dim") },
], "No slow request in the last 15 minutes.");

const timeOf = (value) => (typeof value === "number" ? clock(value) : Number.isNaN(Date.parse(value)) ? String(value) : clock(Date.parse(value) / 1000));

const workerTable = new Table("worker-table", [
  { head: "Process", kind: "text", cell: processName },
  { head: "PID", kind: "minor", cell: (row) => toned(row.pid, "dim") },
  { head: "Version", kind: "minor", cell: (row) => row.version },
  { head: "Up", kind: "minor", cell: (row) => span(row.uptime) },
  { head: "Processor", cell: (row) => (row.load == null ? "–" : `${digits(Math.round(row.load * 1000) / 10)} %`) },
  { head: "Memory", cell: (row) => bytes(row.memory) },
  { head: "Connections", cell: (row) => (row.slot == null ? "" : count(row.connections)) },
  { head: "Running", cell: (row) => (row.slot == null ? "" : count(row.in_flight)) },
  { head: "Requests", cell: (row) => (row.slot == null ? "" : count(row.requests)) },
], "No process.");

const listenerTable = new Table("listener-table", [
  { head: "Address", kind: "text wide", cell: (row) => toned(row.name, "", row.name) },
  { head: "Connections/s", cell: (row) => rate(row.connections) },
  { head: "Requests/s", cell: (row) => rate(row.requests) },
  { head: "Requests", cell: (row) => toned(count(row.total), "dim") },
], "There is no listener.");

const SOURCES = { ok: "good", doubtful: "warn", waiting: "warn", unreachable: "bad" };
const discoveryTable = new Table("discovery-table", [
  { head: "Upstream", kind: "text", cell: (row) => row.upstream },
  { head: "Source", kind: "text wide", cell: (row) => toned(row.source, "", row.source) },
  { head: "State", kind: "text", cell: (row) => toned(row.state, SOURCES[row.state] || "", row.problem) },
  { head: "Members", cell: (row) => count(row.members) },
  { head: "Changes", cell: (row) => toned(count(row.changes), "dim") },
  { head: "Errors", cell: (row) => toned(count(row.errors), warnTone(row.errors)) },
  { head: "Problem", kind: "text wide", cell: (row) => toned(row.problem || (row.flapping.length ? `come and go: ${row.flapping.join(", ")}` : ""), "dim", row.problem) },
], "Nothing is discovered.");

function processName(row) {
  const name = row.slot == null ? "control" : `worker ${row.slot}`;
  return row.silent >= 3 ? toned(`${name}, silent for ${span(row.silent)}`, "bad", "its loop has not run for so long") : name;
}

const certificateTable = new Table("certificate-table", [
  { head: "Names", kind: "text wide", cell: (row) => toned(row.names.join(", ") || row.subject, "", row.names.join(", ")) },
  { head: "Left", cell: (row) => toned(row.days_left <= 0 ? "expired" : `${digits(Math.floor(row.days_left))} days`, row.days_left <= 7 ? "bad" : row.days_left <= 30 ? "warn" : "") },
  { head: "Issuer", kind: "text wide", cell: (row) => toned(row.issuer, "dim", row.issuer) },
  { head: "Kind", kind: "text minor", cell: (row) => toned(row.kind, "dim") },
  { head: "Problem", kind: "text wide", cell: (row) => toned(row.problem || row.ocsp?.problem || "", "bad", row.problem || "") },
], "No certificate is in use.");

function peerRows(view) {
  const rows = [];
  for (const upstream of view.upstreams) {
    rows.push({ ...upstream, table: "upstreams", key: upstream.name });
    for (const peer of view.peers.rows) {
      if (peer.upstream === upstream.name) rows.push({ ...peer, table: "peers", key: peerKey(peer), note: `upstream ${peer.upstream}` });
    }
  }
  return $("find").value ? rows.filter((row) => row.peer || matches(row.name) || view.peers.rows.some((peer) => peer.upstream === row.name)) : rows;
}

const matches = (name) => name.toLowerCase().includes($("find").value.toLowerCase());

function showTables() {
  const { view, chosen } = page;
  const routes = view.routes.rows.map((row) => ({ ...row, table: "routes", key: routeKey(row) }));
  routeTable.show(routes, routeKey, (row) => (chosen.kind === "route" && chosen.name === row.key ? "chosen" : ""));
  setText($("routes-count"), view.routes.found > routes.length ? `the busiest ${routes.length} of ${count(view.routes.found)}` : `${count(view.routes.all)}`);
  upstreamTable.show(peerRows(view), (row) => `${row.table} ${row.key}`, (row) =>
    `${row.peer ? "member" : "group"}${!row.peer && chosen.kind === "upstream" && chosen.name === row.name ? " chosen" : ""}`);
  const unknown = view.peers.unknown.length ? `; without an address: ${view.peers.unknown.join(", ")}` : "";
  const peers = view.peers.found > view.peers.rows.length ? `${view.peers.rows.length} of ${count(view.peers.found)} peers` : `${count(view.peers.all)} peer${view.peers.all === 1 ? "" : "s"}`;
  setText($("upstreams-count"), `${view.upstreams.length} upstream${view.upstreams.length === 1 ? "" : "s"}, ${peers}${unknown}`);
  listenerTable.show(view.listeners, (row) => row.name);
  $("discovery").hidden = !view.status.discovery.length;
  discoveryTable.show(view.status.discovery, (row) => `${row.upstream} ${row.source}`);
  const { workers, control } = view.status;
  workerTable.show([...workers, control].map((row) => ({ ...row, load: load(row) })), (row) => String(row.slot ?? "control"));
  setText($("workers-count"), `${workers.length} worker${workers.length === 1 ? "" : "s"}, master ${view.status.master}`);
}

// The share of a processor between the last two measurements that were seen to change; the master measures every 5 s.
const used = new Map();
function load(row) {
  const last = used.get(row.pid);
  if (last?.since != null && row.cpu === last.cpu && row.uptime - last.since > 11) last.share = 0;
  if (!last || row.cpu !== last.cpu) {
    const share = last?.since != null ? (row.cpu - last.cpu) / Math.max(0.001, row.uptime - last.since) : null;
    used.set(row.pid, { cpu: row.cpu, since: last ? row.uptime : null, share });
  }
  return used.get(row.pid).share;
}
