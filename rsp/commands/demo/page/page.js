// The demo's page: it shows what its stream of events says, and sends an order for each button.

const token = new URLSearchParams(location.search).get("token") || "";
const SHOWN = 400;
const RECENT = 100;  // requests that the shares are of
const names = [];
const recent = [];
let site = null;

async function order(path, data) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": token };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(data) });
    warn(answer.ok ? "" : (await answer.json()).error);
  } catch {
    warn("rsp demo does not answer.");
  }
}

function warn(text) {
  setText($("notice"), text);
  $("notice").hidden = !text;
}

function link(kind, text) {
  $("link").className = `state ${kind}`;
  setText($("link"), text);
}

// -- numbers

const figures = {};

function figure(key, label, value, kind, hidden = false) {
  if (!figures[key]) {
    const [term, number] = [element("dt"), element("dd", { id: `number-${key}` })];
    figures[key] = element("div", {}, term, number);
    $("numbers").append(figures[key]);
  }
  const [term, number] = figures[key].children;
  setText(term, label);
  setText(number, value);
  figures[key].className = kind;
  figures[key].hidden = hidden;
}

function showNumbers(view) {
  figure("sent", "sent", view.sent.toLocaleString("en"), "");
  figure("answered", "answered", view.answered.toLocaleString("en"), "");
  figure("failed", "failed", view.failed.toLocaleString("en"), view.failed ? "bad" : "good");
  figure("retries", "sent again by rsp, to another backend", view.retries.toLocaleString("en"), "");
  figure("trial", "errors of a configuration that one worker tried", view.trial.toLocaleString("en"), "warn", !view.trial);
  figure("version", "configuration version", view.version ?? "–", "");
}

// -- requests

const classOf = (outcome) => (names.includes(outcome) ? `b${names.indexOf(outcome)}` : outcome);
const LETTERS = { failed: "×", trial: "!", other: "·" };

function showStream(outcomes) {
  const stream = $("stream");
  for (const outcome of outcomes) {
    const letter = LETTERS[outcome] || outcome[0];
    stream.prepend(element("li", { class: `${classOf(outcome)} new`, "data-letter": letter, title: outcome }));
    recent.push(outcome);
  }
  while (stream.children.length > SHOWN) stream.lastChild.remove();
  recent.splice(0, recent.length - RECENT);
}

function showLegend(view) {
  const keys = [...names];
  if (view.counts.other) keys.push("other");
  if (view.failed) keys.push("failed");
  if (view.trial) keys.push("trial");
  const texts = { failed: "failed", trial: "error of a tried configuration", other: "another answer" };
  if ($("legend").children.length === keys.length) return;
  $("legend").replaceChildren(...keys.map((name) =>
    element("span", { class: `key ${classOf(name)}` }, element("b", { text: texts[name] || name }))));
}

// -- backends

const cards = {};

function card(name) {
  const state = element("span", { class: "state" });
  const share = element("i");
  const numbers = element("span", { class: "muted" });
  const button = element("button", { type: "button" });
  const whole = element("article", { class: "panel card" },
    element("div", { class: "row" }, element("h3", { text: name }), state),
    element("div", { class: `share ${classOf(name)}` }, share),
    element("div", { class: "row" }, numbers, button));
  whole.id = `backend-${name}`;
  button.addEventListener("click", () => order(button.dataset.order, { name }));
  $("backends").append(whole);
  cards[name] = { whole, state, share, numbers, button };
}

function showBackend(backend, view) {
  if (!cards[backend.name]) card(backend.name);
  const { whole, state, share, numbers, button } = cards[backend.name];
  const up = backend.state === "up";
  const waits = backend.runs && backend.state && !up;
  whole.classList.toggle("dead", !backend.runs);
  state.className = `state ${!backend.runs ? "bad" : waits ? "warn" : "good"}`;
  const known = up || !backend.state ? "" : ` · for rsp: ${backend.state}`;
  setText(state, (backend.runs ? "running" : "killed") + known);
  const part = recent.filter((outcome) => outcome === backend.name).length;
  share.style.width = `${recent.length ? (100 * part) / recent.length : 0}%`;
  const count = (view.counts[backend.name] || 0).toLocaleString("en");
  setText(numbers, `port ${backend.port} · ${count} answered · ${Math.round((100 * part) / (recent.length || 1))} % now`);
  button.className = backend.runs ? "danger" : "primary";
  button.dataset.order = backend.runs ? "kill" : "revive";
  setText(button, backend.runs ? "Kill" : "Revive");
  button.setAttribute("aria-label", `${backend.runs ? "Kill" : "Revive"} ${backend.name}`);
}

// -- reloads

const changes = {};

function showSite(data) {
  site = data;
  setText($("about"), `process ${site.pid}, ${site.workers} workers, ${site.address ? `20 requests a second to ${site.address} while this page is open` : "no plain HTTP listener that this page could send to"}`);
  $("dashboard").hidden = !site.dashboard;
  if (site.dashboard) $("dashboard").href = site.dashboard;
  setText($("file-title"), `The configuration: ${site.file}`);
  setText($("text"), site.text);
  setText($("reload-about"), site.changes.length > 1 ? `each button reloads a changed copy of ${site.file}` : `edit ${site.file}, then reload it`);
  $("changes").replaceChildren(...site.changes.map((change) => {
    const inForce = element("span", { class: "force", text: "in force", hidden: true });
    const button = element("button", { type: "button", text: "Reload", "aria-label": `Reload: ${change.title}` });
    button.addEventListener("click", () => order("reload", { name: change.name }));
    const whole = element("article", { class: "panel change" },
      element("div", {}, element("h3", {}, change.title, inForce), element("p", { text: change.about })), button);
    if (change.lines) whole.append(element("pre", { text: change.lines }));
    whole.id = `change-${change.name}`;
    changes[change.name] = { inForce, button };
    return whole;
  }));
}

function showChanges(view) {
  for (const [name, { inForce, button }] of Object.entries(changes)) {
    inForce.hidden = view.force !== name;
    button.disabled = view.reloading !== null;
    setText(button, view.reloading === name ? "On trial …" : "Reload");
  }
}

let newest = null;

function showNotes(notes) {
  const last = notes.length ? notes[notes.length - 1].at : 0;
  if (last === newest) return;
  newest = last;
  const shown = [...notes].reverse().map((note) => {
    const item = element("li", { class: note.kind }, moment(note.at), note.text);
    if (note.detail) item.append(element("pre", { text: note.detail }));
    return item;
  });
  $("notes").replaceChildren(...(shown.length ? shown : [element("li", { class: "muted", text: "Nothing yet.  Push a button." })]));
}

// -- what comes

function show(view) {
  for (const backend of view.backends) if (!names.includes(backend.name)) names.push(backend.name);
  showNumbers(view);
  showStream(view.new);
  showLegend(view);
  for (const backend of view.backends) showBackend(backend, view);
  showChanges(view);
  showNotes(view.notes);
  $("pause").setAttribute("aria-pressed", String(view.paused));
  setText($("pause"), view.paused ? "Resume" : "Pause");
  link(view.paused ? "warn" : "good", view.paused ? "paused" : "live");
}

$("pause").addEventListener("click", () => order("pause", { paused: $("pause").getAttribute("aria-pressed") !== "true" }));

const events = new EventSource(`events?token=${encodeURIComponent(token)}`);
events.addEventListener("site", (event) => showSite(JSON.parse(event.data)));
events.addEventListener("view", (event) => show(JSON.parse(event.data)));
events.addEventListener("open", () => warn(""));
events.addEventListener("error", () => {
  link("bad", "connection lost");
  warn("rsp demo has ended.  Start it again, and open the new address that it shows.");
});
