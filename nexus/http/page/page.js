"use strict";

// What comes from the log is only ever set as text, never as markup.
const $ = (id) => document.getElementById(id);
const KEPT = 300;
const SILENCE_MS = 15000;
const MARKS = { healthy: "●", degraded: "▲", unhealthy: "◆", stale: "◌", unknown: "○" };
const COLOURS = {
  running: "good", completed: "good", healthy: "good", starting: "warn", waiting: "warn", stopping: "warn",
  degraded: "warn", stale: "warn", paused: "warn", failed: "bad", unhealthy: "bad",
};

let token = sessionStorage.getItem("nexus-token");
let role = null;
let at = "";
let last = null;
let heard = 0;
let events = [];
const pending = new Map();

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

async function ask(path, options = {}) {
  const answer = await fetch(path, {
    ...options, headers: { Authorization: `Bearer ${token}`, ...options.headers }, cache: "no-store", credentials: "omit",
  });
  if (answer.status === 401) leave("That token is not valid (any more).");
  return answer;
}

async function get(path) {
  const moment = at ? `${path.includes("?") ? "&" : "?"}at=${encodeURIComponent(at)}` : "";
  const answer = await ask(path + moment);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail || answer.statusText);
  return body;
}

function soon(name, work) {
  if (pending.has(name)) return;
  pending.set(name, setTimeout(() => {
    pending.delete(name);
    work().catch((error) => { $("told").textContent = error.message; });
  }, 150));
}

// -- in and out --------------------------------------------------------------------------------

async function enter() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code) {
    history.replaceState(null, "", location.pathname);
    const answer = await fetch("/api/sessions", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ code }), credentials: "omit",
    });
    const body = await answer.json();
    if (answer.ok) keep(body.token);
    else if (!token) return leave(body.detail);
  }
  if (!token) return leave("");
  const answer = await ask("/api/session");
  if (!answer.ok) return;
  role = (await answer.json()).role;
  $("door").hidden = true;
  $("inside").hidden = $("moment").hidden = false;
  refresh();
  follow();
}

function keep(secret) {
  token = secret;
  sessionStorage.setItem("nexus-token", secret);
}

function leave(reason) {
  token = null;
  sessionStorage.removeItem("nexus-token");
  $("refused").textContent = reason;
  $("door").hidden = false;
  $("inside").hidden = $("moment").hidden = true;
  $("line").textContent = "not signed in";
}

// -- what is shown -------------------------------------------------------------------------------

function refresh() {
  soon("status", showStatus);
  soon("alerts", showAlerts);
  soon("decisions", showDecisions);
}

function moment(text) {
  return text ? new Date(text).toLocaleTimeString() : "–";
}

async function showStatus() {
  const found = await get("/api/status");
  const supervisor = found.supervisor;
  const who = !supervisor ? "no supervisor runs: nexus up -d starts one"
    : supervisor.alive ? `supervised by pid ${supervisor.pid}`
      : `the supervisor (pid ${supervisor.pid}) is down: nexus up -d takes over, the services go on`;
  $("project").textContent = document.title = found.project || "Nexus";
  $("line").textContent = `${who} · event ${found.seq}`;
  $("line").className = supervisor && !supervisor.alive ? "bad" : "";
  $("past").hidden = $("now").hidden = !at;
  $("past").textContent = at ? `As it was at event ${found.seq}, ${new Date(found.at).toLocaleString()}` : "";
  $("services").replaceChildren(...Object.entries(found.services).map(([name, it]) => serviceRow(name, it)));
}

function serviceRow(name, service) {
  const row = element("tr");
  const title = element("td");
  title.append(element("strong", name));
  if (service.why) title.append(element("span", service.why, "why"));
  const ports = service.instances.flatMap((it) => Object.values(it.ports)).join(" ");
  const health = service.health === "unknown" && !service.instances.some((it) => it.pid) ? "" : service.health;
  row.append(
    title,
    element("td", service.state, `tight ${COLOURS[service.state] || "faint"}`),
    element("td", health && `${MARKS[health]} ${health}`, `tight ${COLOURS[health] || "faint"}`),
    element("td", ports, "tight number"),
    element("td", moment(service.instances[0]?.since), "tight number"),
    commands(name, service),
  );
  return row;
}

function commands(name, service) {
  const cell = element("td", "", "tight");
  for (const verb of service.wanted ? ["restart", "stop"] : ["start"]) {
    const button = element("button", verb);
    button.disabled = Boolean(at) || role === "read";
    button.setAttribute("aria-label", `${verb} ${name}`);
    button.addEventListener("click", () => command(name, verb));
    cell.append(button, " ");
  }
  return cell;
}

async function command(name, verb) {
  const answer = await ask(`/api/services/${name}/${verb}`, {
    method: "POST", headers: { "Idempotency-Key": crypto.randomUUID() },
  });
  const body = await answer.json();
  $("told").textContent = answer.ok ? `${verb} ${name}: recorded as event ${body.seq}` : body.detail;
}

async function showAlerts() {
  const { alerts } = await get("/api/alerts");
  $("alerts").replaceChildren(...alerts.map((it) => {
    const item = element("li", it.message, it.severity === "critical" ? "bad" : "");
    item.append(element("span", [it.advice, `since ${moment(it.since)}`].filter(Boolean).join(" · "), "why"));
    return item;
  }));
}

async function showDecisions() {
  const { decisions } = await get("/api/decisions?newest_first=true&limit=15");
  const open = new Map([...$("decisions").querySelectorAll("details[open]")].map((it) => [it.dataset.id, it]));
  $("decisions").replaceChildren(...decisions.map((it) => {
    const item = element("li");
    item.append(open.get(String(it.id)) || decisionDetails(it));
    return item;
  }));
}

function decisionDetails(decision) {
  const details = element("details");
  details.dataset.id = decision.id;
  const summary = element("summary");
  summary.append(element("span", `${decision.id} ${moment(decision.at)} `, "number faint"), decision.summary,
    element("span", ` · ${decision.rule}`, "faint"));
  const why = element("div", "…");
  details.append(summary, why);
  details.addEventListener("toggle", () => {
    if (details.open && why.textContent === "…") explain(decision.id, why).catch((error) => { why.textContent = error.message; });
  });
  return details;
}

async function explain(id, place) {
  const found = await get(`/api/decisions/${id}/explanation`);
  const values = Object.entries(found.values).map(([name, value]) => `${name}: ${value}`);
  place.replaceChildren(
    element("p", `Because ${found.rule_in_words}.`), list("With", values),
    list("Not taken", found.rejected.map((it) => `${it.option}: ${it.reason}`)),
    tree("It came from", found.causes), tree("What came of it", found.outcome),
  );
}

function list(title, lines) {
  const made = element("div");
  if (!lines.length) return made;
  const items = element("ul");
  items.append(...lines.map((line) => element("li", line)));
  made.append(element("span", title, "faint"), items);
  return made;
}

function tree(title, nodes) {
  const made = element("div");
  if (!nodes.length) return made;
  made.append(element("span", title, "faint"), branches(nodes));
  return made;
}

function branches(nodes) {
  const items = element("ul");
  for (const node of nodes) {
    const item = element("li", `${node.id} ${node.summary}`);
    if (node.children.length) item.append(branches(node.children));
    items.append(item);
  }
  return items;
}

// -- the live feed -------------------------------------------------------------------------------

async function follow() {
  while (token) {
    try {
      const resume = last === null ? {} : { "Last-Event-ID": last };
      const answer = await ask("/events", { headers: { Accept: "text/event-stream", ...resume } });
      if (answer.ok) await read(answer.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    if (!token) return;
    $("line").textContent = "the web API does not answer; trying again…";
    $("line").className = "bad";
    await new Promise((done) => { setTimeout(done, 1000); });
  }
}

async function read(reader) {
  heard = Date.now();
  const watch = setInterval(() => { if (Date.now() - heard > SILENCE_MS) reader.cancel(); }, 1000);
  try {
    for (let text = ""; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      heard = Date.now();
      const blocks = (text + value).split("\n\n");
      text = blocks.pop();
      blocks.forEach(take);
    }
  } finally {
    clearInterval(watch);
  }
}

function take(block) {
  const fields = new Map(block.split("\n").map((line) => line.split(/: (.*)/s)).map(([name, value]) => [name, value]));
  if (fields.has("id")) last = fields.get("id");
  if (!fields.has("data")) return;
  const found = JSON.parse(fields.get("data"));
  if (!fields.has("event")) {
    events = [found, ...events].slice(0, KEPT);
    soon("feed", showFeed);
  }
  if (!at) refresh();
}

async function showFeed() {
  const wanted = $("search").value.toLowerCase();
  const shown = events.filter((it) => JSON.stringify(it).toLowerCase().includes(wanted)).slice(0, 100);
  $("feed").replaceChildren(...shown.map((it) => {
    const row = element("tr");
    row.append(
      element("td", String(it.seq), "tight number faint"), element("td", moment(it.at), "tight number faint"),
      element("td", it.summary), element("td", it.kind, "tight faint"),
    );
    return row;
  }));
}

// -- what people do ------------------------------------------------------------------------------

function lookBack(text) {
  at = text;
  $("at").value = text;
  $("told").textContent = "";
  refresh();
}

document.addEventListener("DOMContentLoaded", () => {
  $("enter").addEventListener("submit", (event) => {
    event.preventDefault();
    keep($("token").value.trim());
    $("token").value = "";
    enter();
  });
  $("moment").addEventListener("submit", (event) => { event.preventDefault(); lookBack($("at").value.trim()); });
  $("now").addEventListener("click", () => lookBack(""));
  $("filter").addEventListener("submit", (event) => event.preventDefault());
  $("search").addEventListener("input", () => soon("feed", showFeed));
  enter();
});
