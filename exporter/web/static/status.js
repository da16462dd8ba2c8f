"use strict";
// Keeps the page current: asks api/v1/status every few seconds and builds the same cards as the server did.
// Whatever comes from a gateway becomes text or an attribute, never markup.
(() => {
  const EVERY = 5000, PATIENCE = 10000, TOO_OLD = 60000, PAUSE = "15m";
  const SVG = "http://www.w3.org/2000/svg";
  const SVG_NAMES = new Set(["svg", "path", "rect", "circle", "text"]);
  const byId = (id) => document.getElementById(id);
  const main = byId("main"), cards = byId("cards"), trouble = byId("trouble");
  const lifecycle = main.dataset.lifecycle === "true";
  const notes = new Map(); // what became of a button, by target

  // Words: the same as in words.py

  const SPACE = "\u00a0"; // number and unit stay on one line
  const fixed = (value, decimals) => {
    const text = value.toFixed(decimals);
    return Number(text) === 0 ? text.replace("-", "") : text;
  };
  const scaled = (value, unit) => {
    const size = Math.abs(value);
    return `${fixed(value, size < 10 ? 2 : size < 100 ? 1 : 0)}${SPACE}${unit}`;
  };
  const power = (watts) => {
    const size = Math.abs(watts);
    if (size < 1000) return `${fixed(watts, 0)}${SPACE}W`;
    return size < 1e6 ? scaled(watts / 1e3, "kW") : scaled(watts / 1e6, "MW");
  };
  const energy = (joules) => {
    const kwh = joules / 3.6e6;
    return Math.abs(kwh) < 1000 ? scaled(kwh, "kWh") : scaled(kwh / 1000, "MWh");
  };
  const percent = (ratio) => `${fixed(ratio * 100, 0)}${SPACE}%`;
  const span = (seconds) => {
    for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]])
      if (seconds >= 2 * length) return `${fixed(seconds / length, 0)}${SPACE}${unit}`;
    return `${fixed(Math.max(seconds, 0), 0)}${SPACE}s`;
  };
  const date = (timestamp) => {
    const day = new Date(timestamp * 1000);
    return isNaN(day) ? fixed(timestamp, 0) : day.toISOString().slice(0, 10);
  };
  const plain = (name) => name.replaceAll("_", " ");
  const time = () => new Date().toLocaleTimeString();

  // Elements

  const h = (name, attributes, ...children) => {
    const made = SVG_NAMES.has(name) ? document.createElementNS(SVG, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    for (const child of children)
      if (child !== null) made.append(child.nodeType ? child : document.createTextNode(child));
    return made;
  };
  const foreign = (text) => h("bdi", {}, text);

  // The flow: the same as in flow.py

  const PLACES = {
    pv: [108, 2, "M160 56V92", "M153 69h14l-7 10z", "M153 79h14l-7 -10z"],
    grid: [2, 73, "M106 100H152", "M124 93v14l10 -7z", "M134 93v14l-10 -7z"],
    house: [214, 73, "M214 100H168", "M196 93v14l-10 -7z", "M186 93v14l10 -7z"],
    battery: [108, 144, "M160 144V108", "M153 131h14l-7 -10z", "M153 121h14l-7 10z"],
  };
  const node = (place, label, inwards, outwards, inNote, outNote) => {
    const coming = inwards ?? 0, going = outwards ?? 0;
    if (going > coming) return { place, label, value: power(going), note: outNote, way: "out" };
    if (coming > 0) return { place, label, value: power(coming), note: inNote, way: "in" };
    const value = power(outwards === null ? coming : going);
    return { place, label, value, note: outNote ? "idle" : inNote, way: "idle" };
  };
  const nodesOf = (plant) => {
    const nodes = [];
    const today = plant.pv_energy_today_joules;
    if (plant.pv_power_watts !== null)
      nodes.push(node("pv", "PV", plant.pv_power_watts, null, today === null ? "" : `today ${energy(today)}`, ""));
    if (plant.grid_import_power_watts !== null || plant.grid_export_power_watts !== null)
      nodes.push(
        node("grid", "Grid", plant.grid_import_power_watts, plant.grid_export_power_watts, "import", "export"));
    if (plant.load_power_watts !== null) nodes.push(node("house", "House", null, plant.load_power_watts, "", ""));
    const charge = plant.battery_charge_power_watts, discharge = plant.battery_discharge_power_watts;
    const ratio = plant.battery_state_of_charge_ratio;
    if (charge !== null || discharge !== null) {
      const label = ratio === null ? "Battery" : `Battery ${percent(ratio)}`;
      nodes.push(node("battery", label, discharge, charge, "discharging", "charging"));
    } else if (ratio !== null) {
      nodes.push({ place: "battery", label: "Battery", value: percent(ratio), note: "", way: "idle" });
    }
    return nodes;
  };
  const drawn = ({ place, label, value, note, way }) => {
    const [x, y, line, inwards, outwards] = PLACES[place];
    const parts = [h("path", { class: `line ${place} ${way}`, d: line })];
    if (way !== "idle") parts.push(h("path", { class: `arrow ${place}`, d: way === "in" ? inwards : outwards }));
    parts.push(h("rect", { class: `box ${place}`, x, y, rx: 8, width: 104, height: 54 }));
    for (const [kind, text, below] of [["label", label, 15], ["value", value, 33], ["note", note, 48]])
      parts.push(h("text", { class: kind, x: x + 52, y: y + below }, text));
    return parts;
  };
  const flow = (plant) => {
    const nodes = nodesOf(plant);
    if (nodes.length === 0) return null;
    if (nodes.length === 1) {
      const [{ label, value, note }] = nodes;
      return h("p", { class: "single" }, h("span", {}, label), " ", h("b", {}, value), " ", h("span", {}, note));
    }
    const height = nodes.some(({ place }) => place === "battery") ? 200 : 130;
    const words = nodes.map(({ label, value, note }) => [label, value, note].filter(Boolean).join(" "));
    return h(
      "svg",
      { class: "flow", viewBox: `0 0 320 ${height}`, role: "img", "aria-label": words.join("; ") },
      ...nodes.flatMap(drawn),
      h("circle", { class: "hub", cx: 160, cy: 100, r: 8 }));
  };

  // Cards: the same as in cards.py

  const DEVICE_VALUES = [
    ["pv_power_watts", "PV", power],
    ["ac_active_power_watts", "AC", power],
    ["battery_state_of_charge_ratio", "charge", percent],
    ["battery_state_of_health_ratio", "health", percent],
    ["pv_energy_today_joules", "today", energy],
  ];
  const level = (target) => (target.problem ? "bad" : target.state === "online" ? "good" : "waiting");
  const times = (target) => {
    const told = [`${plain(target.state)} for ${span(target.state_age_seconds)}`];
    if (target.failing_for_seconds !== null) told.push(`down for ${span(target.failing_for_seconds)}`);
    if (target.retry_in_seconds !== null) told.push(`next try in ${span(target.retry_in_seconds)}`);
    const age = target.last_refresh_age_seconds;
    told.push(age === null ? "never read" : `read ${span(age)} ago`);
    return told.join(" · ");
  };
  const labels = (target) => {
    const told = Object.entries(target.labels).filter(([, value]) => value).map((label) => label.join(": "));
    return told.length ? h("p", { class: "meta" }, foreign(told.join(" · "))) : null;
  };
  const CHECKS = {
    bypass: "certificate not checked", pinned: "certificate pinned", strict: "certificate checked" };
  const transport = (target) =>
    ` · ${target.transport} · ${target.transport === "ws" ? "not encrypted" : CHECKS[target.verify] ?? target.verify}`;
  const error = (target) => {
    if (target.error === null) return null;
    const past = target.state === "online" || target.state === "asleep";
    return h("div", { class: past ? "error past" : "error" },
      h("p", { class: "what" }, past ? "Last error: " : null, foreign(target.error)),
      target.advice === null || past ? null : h("p", {}, target.advice));
  };
  const silence = (target) =>
    target.state !== "online" || target.up || !target.had_first_cycle
      ? null
      : h("p", { class: "alarm" }, "It is online, but gives no readings.");
  const alarms = ({ gateway }) => {
    const told = [[gateway.faults, "fault"], [gateway.alarms, "alarm"]]
      .filter(([count]) => count)
      .map(([count, what]) => `${fixed(count, 0)} ${what}${count === 1 ? "" : "s"}`);
    return told.length ? h("p", { class: "alarm" }, `The gateway reports ${told.join(" and ")}.`) : null;
  };
  const without = ({ plant, devices }) => {
    if (!plant.without.length) return null;
    const names = new Map(devices.map(({ device, name }) => [device, name]));
    const told = plant.without.map((identity) => names.get(identity) ?? identity).join(", ");
    return h("p", { class: "meta" }, "Not in the sum, for the gateway has no link: ", foreign(told));
  };
  const device = (one) => {
    const state = one.online === false ? "no link" : one.up ? plain(one.state ?? "") : "no readings";
    const values = DEVICE_VALUES.filter(([name]) => name in one.values)
      .map(([name, label, say]) => `${label} ${say(one.values[name])}`);
    const faults = one.faults.length ? `fault ${one.faults.join(", ")}` : "";
    const how = [state, faults].filter(Boolean).join(", ");
    const wrong = faults || one.online === false || one.state === "fault";
    return h("li", {},
      h("span", { class: "name" }, foreign(one.name || one.device)), " ",
      h("span", { class: "meta" }, foreign(one.model), ` · ${one.kind}${how && " · "}`),
      h("span", { class: wrong ? "wrong" : "how" }, foreign(how)),
      h("span", { class: "values" }, values.join(" · ")));
  };
  const choose = (value, yes, no) => (value === null ? null : value ? yes : no);
  const details = (target) => {
    const { gateway, certificate } = target;
    const signal = gateway.wifi_signal_dbm;
    const rows = [
      ["Firmware", gateway.firmware],
      ["Hardware", gateway.hardware],
      ["Serial number", gateway.serial],
      ["Cloud", choose(gateway.cloud_connected, "connected", "not connected")],
      ["WLAN", signal === null ? null : `${fixed(signal, 0)} dBm`],
      ["Sun", choose(target.sun_up, "up", "down")],
    ];
    if (certificate !== null) {
      const end = certificate.expiry_timestamp_seconds, left = certificate.expires_in_seconds;
      const valid = end === null ? null : `${date(end)}, ${left > 0 ? `in ${span(left)}` : "which is past"}`;
      rows.push(["Certificate ends", valid], ["Fingerprint", certificate.fingerprint_sha256]);
    }
    for (const one of target.devices) rows.push(["Device", `${one.device} ${one.model}`.trim()]);
    let told = rows.filter(([, value]) => value !== null);
    if (!told.length) told = [["Gateway", "nothing is known yet"]];
    const parts = told.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, foreign(value))]);
    return h("details", {}, h("summary", {}, "Gateway and serial numbers"), h("dl", {}, ...parts));
  };
  const actions = (target) => {
    if (!lifecycle) return null;
    const button = (word, what) =>
      h("button", { type: "button", "data-action": what, "aria-label": `${word}: ${target.name}` }, word);
    const made = target.state === "paused" ? button("Resume", "resume") : button("Pause for 15 min", "pause");
    const waits = ["backing_off", "asleep"].includes(target.state) && target.retry_in_seconds !== null;
    return h("div", { class: "actions" }, made, waits ? button("Try now", "resume") : null,
      h("p", { role: "status" }, notes.get(target.name) ?? ""));
  };
  const card = (target) =>
    h("article", { class: `card ${level(target)}`, "data-target": target.name },
      h("header", {}, h("h2", {}, foreign(target.name)), h("p", { class: "state" }, plain(target.state))),
      h("p", { class: "meta" }, foreign(target.host), transport(target)),
      labels(target),
      h("p", { class: "meta" }, times(target)),
      error(target), silence(target), alarms(target), flow(target.plant), without(target),
      target.devices.length ? h("ul", { class: "devices" }, ...target.devices.map(device)) : null,
      details(target), actions(target));

  // Taking over news without disturbing focus, selection or what is unfolded

  const patch = (old, made) => {
    if (old.nodeType !== made.nodeType || old.nodeName !== made.nodeName) {
      old.replaceWith(made);
      return;
    }
    if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== made.data) old.data = made.data;
      return;
    }
    for (const { name } of [...old.attributes])
      if (!made.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
    for (const { name, value } of made.attributes)
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    const before = [...old.childNodes], after = [...made.childNodes];
    after.forEach((child, place) => (place < before.length ? patch(before[place], child) : old.append(child)));
    before.slice(after.length).forEach((child) => child.remove());
  };
  const reload = (refused) => {
    if (refused === null) return h("div", { id: "reload", hidden: "" });
    const ago = `A new configuration was refused ${span(refused.age_seconds)} ago; the old one stays in force.`;
    return h("div", { id: "reload" },
      h("p", { class: "what" }, ago),
      h("p", { role: "alert" }, foreign(refused.error)),
      h("p", {}, "The log and winet-exporter check-config name every mistake."));
  };
  const showCards = (targets) => {
    const known = new Map([...cards.children].map((child) => [child.dataset.target, child]));
    const focused = document.activeElement;
    targets.forEach((target, place) => {
      const made = card(target), old = known.get(target.name);
      if (old) patch(old, made);
      known.delete(target.name);
      const mine = old ?? made;
      if (cards.children[place] !== mine) cards.insertBefore(mine, cards.children[place] ?? null);
    });
    known.forEach((gone) => gone.remove());
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  };

  // The page around the cards

  const query = new URLSearchParams(location.search);
  const limit = Number(main.dataset.limit);
  const addressOf = (offset) => {
    const asked = new URLSearchParams(query);
    asked.delete("offset");
    if (offset > 0) asked.set("offset", offset);
    return `./?${asked}`;
  };
  const text = (element, words) => {
    if (element.textContent !== words) element.textContent = words;
  };
  const show = (status) => {
    const count = Object.values(status.states).reduce((sum, each) => sum + each, 0);
    const which = count === status.known ? "" : "matching ";
    const online = `${status.states.online} of ${count} ${which}target${count === 1 ? "" : "s"} online`;
    const look = status.problems ? `, ${status.problems} need${status.problems === 1 ? "s" : ""} a look.` : ".";
    text(byId("summary"), online + look);
    document.title = status.problems ? `(${status.problems}) winet-exporter` : "winet-exporter";
    for (const option of byId("state").options) {
      const state = option.value;
      text(option, state ? `${plain(state)} (${status.states[state]})` : `all (${count})`);
    }
    patch(byId("reload"), reload(status.exporter.refused_reload));
    showCards(status.targets);
    const { offset, total } = status, last = Math.min(offset + status.limit, total);
    byId("nothing").hidden = status.targets.length > 0;
    text(byId("where"), offset < total ? `${offset + 1} to ${last} of ${total}` : `${total} in all`);
    const previous = byId("previous"), next = byId("next");
    previous.hidden = offset === 0;
    previous.setAttribute("href", addressOf(Math.max(offset - status.limit, 0)));
    next.hidden = last >= total;
    next.setAttribute("href", addressOf(offset + status.limit));
  };

  // Asking

  let timer = 0, asking = null, last = null, lastAt = 0, lastTime = "";
  const blame = (words) => {
    trouble.hidden = !words;
    text(trouble, words);
  };
  const forget = (status) => { // old power is no power
    for (const target of status.targets) {
      for (const name of Object.keys(target.plant)) target.plant[name] = name === "without" ? [] : null;
      for (const one of target.devices) one.values = {};
    }
    return status;
  };
  const failed = (words) => {
    const since = lastTime ? ` What is shown is of ${lastTime}.` : "";
    blame(words + since);
    main.classList.add("old");
    if (last && Date.now() - lastAt > TOO_OLD) show(forget(last));
  };
  const refresh = async () => {
    clearTimeout(timer);
    asking?.abort();
    const mine = (asking = new AbortController());
    const patience = setTimeout(() => mine.abort(), PATIENCE);
    const asked = new URLSearchParams(query);
    asked.set("limit", limit);
    try {
      const answer = await fetch(`./api/v1/status?${asked}`, { cache: "no-store", signal: mine.signal });
      const status = await answer.json().catch(() => ({}));
      if (mine !== asking) return;
      if (answer.ok && status.targets) {
        [last, lastAt, lastTime] = [status, Date.now(), time()];
        blame("");
        main.classList.remove("old");
        show(status);
        text(byId("updated"), `Updated ${lastTime}`);
      } else failed(`The exporter refuses to answer (${answer.status}): ${status.error ?? answer.statusText}.`);
    } catch {
      if (mine !== asking) return;
      failed("The exporter cannot be reached.");
    } finally {
      clearTimeout(patience);
      if (mine === asking && !document.hidden) timer = setTimeout(refresh, EVERY);
    }
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else refresh();
  });

  const ask = (changes) => {
    for (const [name, value] of Object.entries({ offset: "", ...changes }))
      if (value) query.set(name, value);
      else query.delete(name);
    history.replaceState(null, "", `./${query.size ? `?${query}` : ""}`);
    return refresh();
  };
  const form = byId("search");
  let typing = 0;
  const searched = () => {
    clearTimeout(typing);
    return ask({ q: byId("q").value.trim(), state: byId("state").value });
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    searched();
  });
  byId("q").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(searched, 300);
  });
  byId("state").addEventListener("change", searched);
  byId("pages").addEventListener("click", async (event) => {
    if (event.target.nodeName !== "A" || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    await ask({ offset: new URL(event.target.href).searchParams.get("offset") });
    byId("search").scrollIntoView();
  });

  // Buttons

  const DONE = { "Pause for 15 min": "Paused.", Resume: "Resumed.", "Try now": "Asked to try." };
  const WORDS = {
    403: "The exporter does not allow this (403)",
    404: "The exporter cannot do this (404)",
    405: "The exporter cannot do this (405)",
  };
  cards.addEventListener("click", async (event) => {
    const what = event.target.dataset.action, done = DONE[event.target.textContent];
    if (!what) return;
    const name = event.target.closest("[data-target]").dataset.target;
    const asked = new URLSearchParams(what === "pause" ? { target: name, for: PAUSE } : { target: name });
    try {
      const answer = await fetch(`./-/${what}?${asked}`, { method: "POST", credentials: "same-origin" });
      const words = (await answer.text()).trim().slice(0, 300);
      const refused = WORDS[answer.status] ?? `The exporter answers ${answer.status}`;
      notes.set(name, answer.ok ? done : `${refused}${words && `: ${words}`}`);
    } catch {
      notes.set(name, "The exporter cannot be reached.");
    }
    refresh();
  });

  refresh();
})();
