// What happens: events from the control process, keys, buttons, and orders.

function showMore(more) {
  page.more = more;
  page.sparks = more.sparks;
  requestTable.show(more.slow, (row) => `${row.time} ${row.request_id} ${row.duration} ${row.target}`);
  setText($("requests-count"), `of the last 15 minutes, above ${seconds(more.threshold)}`);
  certificateTable.show(more.certificates, (row) => `${row.digest} ${row.file}`);
  showList("error-list", more.errors, errorItem, "None since the control process started.");
  showList("reload-list", more.reloads, reloadItem, "None since the control process started.");
  if (page.view) showTables();
}

// Lists are made anew only when they are other ones, so that what is open stays open.
function showList(id, items, make, none) {
  const list = $(id);
  const state = JSON.stringify(items);
  if (list.state === state) return;
  list.state = state;
  list.replaceChildren(...(items.length ? items.map(make) : [element("li", { class: "muted", text: none })]));
}

function errorItem(one) {
  const times = one.times > 1 ? [element("span", { class: "times-seen", text: `${count(one.times)} times` })] : [];
  return element("li", { class: one.level <= 3 ? "bad" : "warn" }, moment(one.at), one.text, ...times);
}

function reloadItem(one) {
  const item = element("li", { class: one.good ? "good" : "bad" }, moment(one.at), one.text);
  if (one.difference) item.append(element("details", {}, element("summary", { text: "What it changes" }), differenceOf(one.difference)));
  return item;
}

function differenceOf(text) {
  const tones = { "+": "plus", "-": "minus", "@": "at" };
  const lines = text.split("\n").map((line) => element("span", { class: tones[line[0]] || "", text: `${line}\n` }));
  return element("pre", { tabIndex: 0 }, ...lines);
}

// -- the connection

function setLink(text, tone) {
  setText($("link"), text);
  $("link").className = `state ${tone}`;
}

function notice(text) {
  clearTimeout(page.noticed);
  if (text) page.noticed = setTimeout(notice, 30000);
  $("notice").hidden = !text;
  setText($("notice"), text || "");
}

function connect() {
  page.events?.close();
  const find = $("find").value.trim();
  const events = (page.events = new EventSource(`events?${new URLSearchParams({ find })}`));
  events.addEventListener("view", (event) => {
    page.view = JSON.parse(event.data);
    page.heard = Date.now();
    setLink("live", "good");
    showHead(page.view);
    showNumbers(page.view);
    showTables();
    if (page.range === 300) drawCharts();
  });
  events.addEventListener("more", (event) => {
    showMore(JSON.parse(event.data));
    if (page.range !== 300) drawCharts();
  });
  events.onerror = () => {
    setLink("connection lost, trying again", "bad");
    if (events.readyState === EventSource.CLOSED && page.events === events) setTimeout(connect, 2000);
  };
}

setInterval(() => {
  if (page.heard && Date.now() - page.heard > 5000) setLink(`nothing new for ${span((Date.now() - page.heard) / 1000)}`, "bad");
}, 1000);

// -- orders

function ask(what, row) {
  const texts = {
    drain: ["Drain", `No new requests for ${row.peer} of ${row.upstream}. What runs there is finished.`],
    enable: ["Enable", `${row.peer} of ${row.upstream} gets requests again: neither drained nor ejected.`],
    weight: ["Set weight", `Share of ${row.peer} among the peers of ${row.upstream}, until it is changed again or rsp ends.`],
  };
  const dialog = $("dialog");
  $("dialog-title").textContent = `${texts[what][0]}: ${row.peer}`;
  $("dialog-text").textContent = texts[what][1];
  $("dialog-do").textContent = texts[what][0];
  $("dialog-label").hidden = $("dialog-default").hidden = what !== "weight";
  $("dialog-weight").value = row.weight;
  dialog.returnValue = "";
  dialog.onclose = () => {
    const answer = dialog.returnValue;
    if (answer !== "do" && answer !== "default") return;
    const order = { upstream: row.upstream, peer: row.peer };
    if (what === "weight") order.weight = answer === "default" ? null : Number($("dialog-weight").value);
    send(what, order);
  };
  dialog.showModal();
  (what === "weight" ? $("dialog-weight") : $("dialog-do")).focus();
}

async function send(what, order) {
  try {
    const answer = await fetch(what, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": page.more.token },
      body: JSON.stringify(order),
    });
    const data = await answer.json();
    notice(answer.ok ? data.warning : data.error);
  } catch {
    notice("The order did not reach rsp: the connection is lost.");
  }
}

// -- keys and buttons

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = { light: "Light", dark: "Dark" }[theme] || "Auto";
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // it is for this page only, then
  }
}

function nextTheme() {
  const order = ["", "dark", "light"];
  setTheme(order[(order.indexOf(document.documentElement.dataset.theme || "") + 1) % 3]);
}

const KEYS = {
  "/": () => $("find").focus(),
  t: nextTheme,
  1: () => setRange(300),
  2: () => setRange(3600),
  3: () => setRange(86400),
  Escape: () => choose("total", "", ""),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog").open) return;
  const typing = event.target.matches?.("input");
  if (typing && event.key === "Escape") {
    $("find").value = "";
    $("find").blur();
    connect();
  } else if (!typing && KEYS[event.key]) {
    event.preventDefault();
    KEYS[event.key]();
  }
});

document.addEventListener("visibilitychange", drawCharts);

let typed = 0;
$("find").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(connect, 250);
});
$("find").form.addEventListener("submit", (event) => event.preventDefault());
$("theme").addEventListener("click", nextTheme);
$("all").addEventListener("click", () => choose("total", "", ""));
for (const button of document.querySelectorAll("[data-range]")) button.addEventListener("click", () => setRange(Number(button.dataset.range)));

let theme = "";
try {
  theme = localStorage.getItem("theme") || "";
} catch {
  // none is kept
}
setTheme(theme);
connect();
drawCharts();
