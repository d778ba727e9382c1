// The page as a whole: what the daemon tells, shown where it belongs.

import { Connection } from "./connection.js";
import { element, find, given, renew, say, show, visible } from "./elements.js";
import * as letters from "./letters.js";
import * as map from "./map.js";
import { learn, named } from "./names.js";
import { age, ago, day } from "./times.js";
import * as trace from "./trace.js";
import * as traffic from "./traffic.js";

const TONES = { connected: "good", connecting: "wait", waiting: "wait", paused: "bad", stopped: "bad" };
const MEANS = {
  connected: "It hears and sends.",
  connecting: "The connection is being made.",
  waiting: "The connection ended or could not be made. It is made again by itself.",
  paused: "The platform refuses the relay. It is tried again once a minute.",
  stopped: "It does not run.",
};
const LANE_MEANS = {
  idle: "It has nothing to do.",
  sending: "Messages are being sent.",
  retrying: "A message could not be sent. It is tried again by itself, and what follows waits in order.",
  paused: "The platform refuses the relay there. It is tried again by itself.",
  waiting: "Its instance is not connected.",
};

const MOST_LANES = 100; // those that wait longest come first

let status = null;
let rules = [];
let crossings = 0;
let said = "";

const connection = new Connection(hear, tell);
const ask = (question) => connection.ask(question);
letters.begin(ask);
trace.begin(ask);
find("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = find("token").value.trim();
  find("token").value = "";
  if (token) connection.open(token);
});
setInterval(() => status && glance(), 10_000);
connection.run();

function hear(answer) {
  switch (answer.what) {
    case "status":
      status = answer.daemon;
      find("waiting").textContent = answer.waiting;
      find("oldest").textContent = answer.oldest_at === null ? "–" : ago(answer.oldest_at);
      find("dead-count").textContent = answer.dead;
      find("dead-count").dataset.tone = answer.dead ? "bad" : "";
      instances(status.instances);
      glance();
      map.plan(rules, instanceNames());
      traffic.offer("tail-instance", instanceNames());
      break;
    case "rules":
      rules = answer.rules;
      learn(rules);
      map.plan(rules, instanceNames());
      traffic.offer("tail-rule", rules.map((each) => each.rule));
      break;
    case "queue":
      lanes(answer.lanes);
      break;
    case "dead letters":
      letters.shown(answer);
      break;
    case "crossed":
      crossings += answer.outcome === "delivered";
      find("crossed").textContent = crossings;
      traffic.hear(answer);
      map.cross(answer);
      break;
  }
}

const instanceNames = () => (status?.instances ?? []).map((each) => each.name);

function tell(state, text) {
  const words = { connecting: "Connecting…", online: "Live", lost: "The daemon does not answer. Trying again…", token: "A token is needed", refused: text };
  const link = find("link");
  if (state === "connecting" && link.dataset.state === "lost") return; // it says so already
  link.dataset.state = state;
  say(link, words[state]);
  document.body.dataset.link = state;
  if (state === "token") {
    show(find("entrance"), true);
    show(find("all"), false);
    say(find("token-problem"), text);
    find("token").focus();
  } else if (state === "online") {
    show(find("entrance"), false);
    show(find("all"), true);
  }
}

function glance() {
  const down = status.instances.filter((each) => each.state !== "connected");
  const worst = down.some((each) => TONES[each.state] === "bad") ? "bad" : "wait";
  const all = status.instances.length;
  let headline = all === 1 ? "The instance is connected" : `All ${all} instances are connected`;
  if (down.length === 1) headline = `${visible(down[0].name)} is not connected`;
  if (down.length > 1) headline = `${down.length} of ${all} instances are not connected`;
  say(find("headline"), headline);
  find("sign").dataset.tone = down.length ? worst : "good";
  document.title = down.length ? `✕ ${headline} · NextBridge` : "NextBridge";
  const read = status.reloaded_at === null ? "" : `, its file was read again ${ago(status.reloaded_at)} ago`;
  say(find("about"), `Version ${status.version} runs since ${day(status.started_at)} (${ago(status.started_at)})${read}.`);
  if (said !== headline) {
    if (said) say(find("news"), headline);
    said = headline;
  }
}

function instances(found) {
  renew(
    find("instances"),
    found,
    (each) => each.name,
    () => element("li", { class: "panel" }),
    (item, { name, platform, state, since, reason }) => {
      item.dataset.tone = TONES[state] ?? "wait";
      item.replaceChildren(
        element("h3", {}, given(name), element("span", { class: "faint" }, ` ${platform}`)),
        element(
          "p",
          { class: "state", title: MEANS[state] ?? "" },
          element("span", { class: "sign", "data-tone": TONES[state] ?? "wait", "aria-hidden": "true" }),
          element("span", {}, state),
          element("time", { class: "faint", title: day(since) }, ` for ${ago(since)}`),
        ),
        reason ? element("p", { class: "reason" }, given(reason)) : "",
      );
    },
    (each) => JSON.stringify([each, ago(each.since)]),
  );
}

function lanes(found) {
  show(find("lanes-empty"), found.length === 0);
  show(find("lanes-more"), found.length > MOST_LANES);
  find("lanes-more").textContent = `… and ${found.length - MOST_LANES} more channels, which nextbridge queue shows.`;
  renew(
    find("lanes"),
    found.slice(0, MOST_LANES),
    (each) => `${each.instance}/${each.channel}`,
    () => element("li"),
    (item, lane) => {
      const again = lane.retry_in === null ? "" : `, again in ${age(lane.retry_in)}`;
      const failed = lane.attempts ? `${lane.attempts} ${lane.attempts === 1 ? "attempt" : "attempts"} failed` : "";
      const reason = lane.reason || lane.last_error;
      item.replaceChildren(
        element(
          "div",
          { class: "said" },
          element("p", { class: "way" }, named(`${lane.instance}/${lane.channel}`)),
          element(
            "p",
            { class: "small" },
            element("span", { class: "badge", "data-outcome": lane.state, title: LANE_MEANS[lane.state] ?? "" }, lane.state),
            element("span", { class: "faint" }, ` ${failed}${again}`),
          ),
          reason ? element("p", { class: "reason" }, given(reason)) : "",
        ),
        element(
          "p",
          { class: "depth" },
          element("b", {}, String(lane.depth)),
          element("span", { class: "faint small" }, lane.oldest_at === null ? "" : ` for ${ago(lane.oldest_at)}`),
        ),
      );
    },
    (each) => JSON.stringify([each, each.oldest_at && ago(each.oldest_at)]),
  );
}
