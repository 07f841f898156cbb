// SPDX-License-Identifier: Apache-2.0
// Looks at the daemon once a second (/api/v1/actors, /metrics, /api/v1/trace, through nydusctl page) and shows what
// changed. No library; tables are updated in place, so that focus and scroll positions stay.
"use strict";

const byId = id => document.getElementById(id);
const mostRows = 200; // of a table; more are counted
let before = null;    // the last look: {at, running, samples}
let chosen = null;    // the request whose waterfall is shown
let isPaused = false;

// -- numbers ----------------------------------------------------------------------

function timeText(us) {
  if (us < 999.5) return `${us.toFixed(us > 0 && us < 9.95 ? 1 : 0)} µs`;
  return us < 999950 ? `${(us / 1000).toFixed(1)} ms` : `${(us / 1e6).toFixed(2)} s`;
}
function bytesText(bytes) {
  let unit = 0;
  while (bytes >= 1024 && unit < 4) { bytes /= 1024; ++unit; }
  return `${bytes.toFixed(unit ? 1 : 0)} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}
function rateText(rate) {
  if (rate === 0) return "0";
  if (rate < 100) return rate.toFixed(1);
  return rate < 10000 ? rate.toFixed(0) : rate < 1e6 ? `${(rate / 1e3).toFixed(1)}k` : `${(rate / 1e6).toFixed(1)}M`;
}
const percentText = part => `${(100 * part).toFixed(0)} %`;

// -- reading ----------------------------------------------------------------------

/// Prometheus's text -> values by series, as 'name{label="value"}'.
function readSamples(text) {
  const samples = new Map();
  for (const line of text.split("\n")) {
    const space = line.lastIndexOf(" ");
    if (line[0] !== "#" && space > 0) samples.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return samples;
}
const labelText = value => value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

/// Chrome trace JSON -> requests, each with its steps and the fetches that it caused. Spans of one id nest; those with
/// args are requests and fetches, the others are steps of the one before.
function readTrace(trace) {
  const mounts = new Map(), latest = new Map(), all = [];
  for (const event of trace.traceEvents) {
    if (event.ph === "M") { mounts.set(event.pid, event.args.name); continue; }
    const open = latest.get(event.id);
    if (event.ph === "b" && event.args) {
      const span = {id: event.id, name: event.name, mount: event.pid, began: event.ts, took: null, args: event.args, steps: []};
      latest.set(event.id, span);
      all.push(span);
    } else if (open && event.ph === "b") {
      open.steps.push({name: event.name, began: event.ts, took: null});
    } else if (open && event.ph === "e") {
      const step = open.steps.findLast(one => one.took === null && one.name === event.name);
      (step ?? open).took = event.ts - (step ?? open).began;
    }
  }
  for (const one of all) one.mount = mounts.get(one.mount) ?? `mount ${one.mount}`;
  const requests = all.filter(one => one.name !== "fetch");
  for (const one of requests) one.fetches = all.filter(other => other.name === "fetch" && other.id === one.id);
  return requests;
}

// -- tables -----------------------------------------------------------------------

/// A cell is text, or {text, part, warn}: part (0 to 1) draws a meter behind the text.
function fillCell(cell, content) {
  const {text, part, warn} = typeof content === "object" ? content : {text: content};
  if (cell.shown === text && cell.part === part) return;
  cell.textContent = cell.title = text;
  cell.className = warn ? "warn" : "";
  if (part !== undefined) {
    const meter = document.createElement("span");
    const fill = document.createElement("i");
    meter.className = warn ? "meter full" : "meter";
    meter.setAttribute("aria-hidden", "true");
    fill.style.width = percentText(Math.min(part, 1)).replace(" ", "");
    meter.append(fill);
    cell.append(meter);
  }
  cell.shown = text;
  cell.part = part;
}

/// `rows`: lists of cells. At most mostRows are drawn.
function fillTable(section, rows) {
  const body = document.querySelector(`#${section} tbody`);
  const columns = document.querySelectorAll(`#${section} thead th`).length;
  body.querySelector(".rest")?.remove();
  const drawn = rows.slice(0, mostRows);
  while (body.rows.length > drawn.length) body.deleteRow(-1);
  drawn.forEach((cells, i) => {
    const row = body.rows[i] ?? body.insertRow();
    while (row.cells.length < columns) row.insertCell();
    cells.forEach((content, c) => fillCell(row.cells[c], content));
  });
  if (rows.length > drawn.length || rows.length === 0) {
    const row = body.insertRow();
    const cell = row.insertCell();
    row.className = "rest";
    cell.className = "more";
    cell.colSpan = columns;
    cell.textContent = rows.length === 0 ? "none" : `and ${rows.length - drawn.length} more; the filter narrows it`;
  }
}

const limitCell = (amount, limit, text = String) =>
  ({text: `${text(amount)} of ${text(limit)}`, part: limit ? amount / limit : 0, warn: limit > 0 && amount >= limit});

// -- sections ---------------------------------------------------------------------

/// Rates of series and fields between two looks.
function changesOf(now) {
  const seconds = before ? Math.max((now.at - before.at) / 1000, 0.001) : 1;
  const sample = (look, series) => look.samples.get(series) ?? 0;
  const grown = series => before ? Math.max(sample(now, series) - sample(before, series), 0) : 0;
  const average = (sum, count) => grown(count) ? 1e6 * grown(sum) / grown(count) : 0;
  return {seconds, grown, average, rate: series => grown(series) / seconds, value: series => sample(now, series)};
}

function showTotals(now, change) {
  const cacheReads = change.grown("nydus_cache_reads_total");
  const totals = {
    "Mounts": String(now.running.mounts.length),
    "Actors": String(now.running.actors.length),
    "Reads/s": rateText(change.rate("nydus_read_seconds_count")),
    "Bytes/s": bytesText(change.rate("nydus_read_bytes_sum")),
    "Average read": timeText(change.average("nydus_read_seconds_sum", "nydus_read_seconds_count")),
    "From cache": cacheReads ? percentText(change.grown("nydus_cache_whole_hits_total") / cacheReads) : "–",
    "In flight": String(change.value("nydus_requests_in_flight")),
    "Oldest in flight": timeText(1e6 * change.value("nydus_request_oldest_seconds")),
  };
  const list = byId("totals");
  for (const [name, text] of Object.entries(totals)) {
    let value = list.querySelector(`[data-name="${name}"]`);
    if (!value) {
      const group = document.createElement("div");
      const title = document.createElement("dt");
      title.textContent = name;
      value = document.createElement("dd");
      value.dataset.name = name;
      group.append(title, value);
      list.append(group);
    }
    value.textContent = text;
  }
  const made = [...now.samples.keys()].find(series => series.startsWith("nydus_build_info"));
  byId("version").textContent = made?.match(/version="([^"]*)"/)?.[1] ?? "";
}

function showMounts(now, change) {
  const wanted = byId("mount-filter").value;
  const rows = now.running.mounts.filter(one => one.mountpoint.includes(wanted)).map(one => {
    const labels = `{mountpoint="${labelText(one.mountpoint)}"}`;
    const errors = change.rate(`nydus_mount_read_errors_total${labels}`);
    const rate = change.rate(`nydus_mount_reads_total${labels}`);
    return {rate, waiting: one.waiting_reads, cells: [
      one.mountpoint, rateText(rate), bytesText(change.rate(`nydus_mount_read_bytes_total${labels}`)),
      timeText(change.average(`nydus_mount_read_seconds_total${labels}`, `nydus_mount_reads_total${labels}`)),
      {text: rateText(errors), warn: errors > 0}, limitCell(one.waiting_reads, one.waiting_reads_limit),
      {text: String(one.queued_reads), warn: one.queued_reads > 0},
      {text: `${one.chunks_present} of ${one.chunks}`, part: one.chunks ? one.chunks_present / one.chunks : 0}]};
  });
  rows.sort((a, b) => b.waiting - a.waiting || b.rate - a.rate);
  fillTable("mounts", rows.map(row => row.cells));
  const choice = byId("of-mount");
  const names = now.running.mounts.map(one => one.mountpoint);
  if ([...choice.options].slice(1).map(option => option.value).join("\n") !== names.join("\n")) {
    const kept = choice.value;
    choice.length = 1;
    for (const name of names) choice.add(new Option(name, name));
    choice.value = names.includes(kept) ? kept : "";
  }
}

function showBackends(now) {
  fillTable("backends", now.running.backends.map(one => [
    one.name, limitCell(one.requests_under_way, one.request_limit), limitCell(one.bytes_under_way, one.byte_limit, bytesText),
    String(one.requests_queued), String(one.prefetch_queued), String(one.readers),
    {text: timeText(1000 * one.oldest_ms), warn: one.oldest_ms >= 1000}]));
}

function showReactors(now, change) {
  fillTable("reactors", now.running.reactors.map(one => {
    const rate = name => change.rate(`nydus_reactor_${name}_total{reactor="${labelText(one.name)}"}`);
    const busy = rate("busy_seconds");
    return [one.name, {text: percentText(busy), part: busy}, rateText(rate("rounds")), rateText(rate("resumptions")),
            rateText(rate("wake_ups")), timeText(one.longest_round_us)];
  }));
}

function showActors(now, change) {
  const wanted = byId("actor-filter").value;
  const old = new Map((before?.running.actors ?? []).map(one => [one.id, one]));
  const rows = now.running.actors.filter(one => `${one.kind} ${one.name}`.includes(wanted)).map(one => {
    const then = old.get(one.id) ?? one;
    const rate = Math.max(one.messages - then.messages, 0) / change.seconds;
    const busy = Math.max(one.busy_us - then.busy_us, 0) / 1e6 / change.seconds;
    return {rate, mailbox: one.mailbox, cells: [
      one.kind, one.name, one.place, rateText(rate), String(one.messages),
      {text: String(one.mailbox), part: one.mailbox_most ? one.mailbox / one.mailbox_most : 0}, String(one.mailbox_most),
      percentText(busy), {text: String(one.restarts), warn: one.restarts > 0}]};
  });
  rows.sort((a, b) => b.mailbox - a.mailbox || b.rate - a.rate);
  fillTable("actors", rows.map(row => row.cells));
}

// -- requests and their waterfall ---------------------------------------------------

/// The list is one stop of the Tab key; the arrow keys move within it.
function makeTabStop(button) {
  for (const other of document.querySelectorAll("#request-list button")) other.tabIndex = other === button ? 0 : -1;
}

const placeText = one => `${one.mount} inode ${one.args.inode}`;
const tookText = one => one.took === null ? "under way" : timeText(one.took);
const outcomeText = one => one.took === null ? "under way" : one.args.outcome ? `error ${one.args.outcome}` : "ok";

function showRequests(requests) {
  const list = byId("request-list");
  const slowest = byId("order").value === "slowest";
  requests.sort((a, b) => slowest ? (b.took ?? Infinity) - (a.took ?? Infinity) : b.began - a.began);
  while (list.children.length > requests.length) list.lastChild.remove();
  requests.forEach((one, i) => {
    let button = list.children[i]?.firstChild;
    if (!button) {
      const item = document.createElement("li");
      button = document.createElement("button");
      button.type = "button";
      for (const name of ["name", "of", "took"]) {
        const part = document.createElement("span");
        part.className = name;
        button.append(part, " ");
      }
      item.append(button);
      list.append(item);
    }
    const [name, of, took] = button.querySelectorAll("span");
    name.textContent = one.name;
    of.textContent = of.title = placeText(one);
    took.textContent = tookText(one);
    button.request = one;
    button.setAttribute("aria-current", String(one.id === chosen?.id));
    if (one.id === chosen?.id && chosen.took === null && one.took !== null) showWaterfall(one);
  });
  makeTabStop(list.querySelector("button[tabindex='0']") ?? list.querySelector("button"));
}

function showWaterfall(request) {
  chosen = request;
  for (const button of document.querySelectorAll("#request-list button"))
    button.setAttribute("aria-current", String(button.request.id === request.id));
  const spans = [request, ...request.fetches];
  const lines = spans.flatMap(span => [{...span, isWhole: true}, ...span.steps]);
  const start = Math.min(...lines.map(line => line.began));
  const end = Math.max(...lines.map(line => line.began + (line.took ?? 0)));
  const table = document.createElement("table");
  table.createCaption().textContent = `${request.name} of ${placeText(request)}: ${bytesText(request.args.size ?? 0)}, ` +
    `${outcomeText(request)}, ${tookText(request)}`;
  const head = table.createTHead().insertRow();
  for (const title of ["Step", "Began", "Took", "Timeline"]) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = title;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const line of lines) {
    const row = body.insertRow();
    row.className = line.isWhole ? "whole" : "step";
    const name = line.name === "fetch" ? `fetch ${(line.args.blob ?? "").slice(0, 8)}` : line.name;
    for (const text of [name, timeText(line.began - start), line.took === null ? "–" : timeText(line.took)])
      row.insertCell().textContent = text;
    const cell = row.insertCell();
    const bar = document.createElement("span");
    const part = at => 100 * at / Math.max(end - start, 0.001);
    cell.className = "line";
    bar.className = line.isWhole ? "bar whole" : `bar ${line.name}`;
    bar.style.left = `${Math.min(part(line.began - start), 99.5)}%`;
    bar.style.width = `${part(line.took ?? end - line.began)}%`;
    bar.setAttribute("aria-hidden", "true");
    cell.append(bar);
  }
  byId("waterfall").replaceChildren(table);
}

// -- the loop -----------------------------------------------------------------------

async function ask(path) {
  const answer = await fetch(path, {cache: "no-store"});
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer;
}

async function look() {
  const [running, samples] = await Promise.all([
    ask("/api/v1/actors").then(answer => answer.json()), ask("/metrics").then(answer => answer.text())]);
  const now = {at: performance.now(), running, samples: readSamples(samples)};
  const change = changesOf(now);
  showTotals(now, change);
  showMounts(now, change);
  showBackends(now);
  showReactors(now, change);
  showActors(now, change);
  before = now;
  await lookAtRequests();
}

async function lookAtRequests() {
  const query = new URLSearchParams({[byId("order").value]: "50"});
  if (byId("of-mount").value) query.set("mount", byId("of-mount").value);
  showRequests(readTrace(await ask(`/api/v1/trace?${query}`).then(answer => answer.json())));
}

function say(className, text) {
  const state = byId("state");
  if (state.textContent === text) return;
  state.className = className;
  state.textContent = text;
}

async function loop() {
  if (!isPaused && !document.hidden) {
    try {
      await look();
      say("live", "live");
    } catch (why) {
      say("lost", `no answer: ${why.message.slice(0, 200)}`);
    }
  }
  setTimeout(loop, 1000);
}

byId("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  byId("pause").setAttribute("aria-pressed", String(isPaused));
  byId("pause").textContent = isPaused ? "Go on" : "Pause";
  say("", isPaused ? "paused" : "waiting for the daemon");
});
byId("choice").addEventListener("submit", event => event.preventDefault());
for (const id of ["order", "of-mount"])
  byId(id).addEventListener("change", () => lookAtRequests().catch(why => say("lost", why.message)));
byId("request-list").addEventListener("focusin", event => makeTabStop(event.target));
byId("request-list").addEventListener("click", event => {
  const button = event.target.closest("button");
  if (button) showWaterfall(button.request);
});
byId("request-list").addEventListener("keydown", event => {
  const item = event.target.closest("li");
  const next = {ArrowDown: item?.nextSibling, ArrowUp: item?.previousSibling}[event.key];
  if (next) {
    event.preventDefault();
    next.firstChild.focus();
  }
});
loop();
