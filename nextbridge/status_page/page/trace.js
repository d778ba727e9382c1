// The search: what became of one message, in each target and with what was done to it later, or why it was not relayed.

import { Refusal } from "./connection.js";
import { element, find, given, say } from "./elements.js";
import { named } from "./names.js";
import { day } from "./times.js";

const LONGEST = 1000; // characters; what matters of a link stands at its end

/** `ask` asks the daemon. */
export function begin(ask) {
  find("trace-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const message = find("trace-name").value.trim().slice(-LONGEST);
    if (message === "") return;
    try {
      const found = await ask({ what: "trace", message });
      find("trace").replaceChildren(...found.events.map(row), ...found.skipped.map(skip));
      say(find("trace-said"), summary(found));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      find("trace").replaceChildren();
      say(find("trace-said"), error.message);
    }
  });
}

function summary({ events, skipped, skips_since }) {
  if (events.length) return `${events.length} ${events.length === 1 ? "event" : "events"}.`;
  if (skipped.length) return "It was not relayed.";
  return (
    "The journal knows no message of this name: it was never accepted, or is forgotten already (global.remember)." +
    (skips_since === null ? "" : ` All that was not relayed since ${day(skips_since)} is known; this was not among it.`)
  );
}

function skip(each) {
  return element(
    "li",
    {},
    element(
      "div",
      { class: "said" },
      element("p", { class: "way" }, `not relayed: ${each.kind || "message"} in `, named(each.channel), ...by(each.author)),
      element("p", { class: "faint small" }, `${day(each.at)}, message `, given(each.message)),
      element(
        "p",
        {},
        element("span", { class: "badge", "data-outcome": "skipped" }, each.reason),
        " ",
        each.meaning,
        each.rule ? ", by rule " : "",
        given(each.rule),
      ),
    ),
  );
}

const by = (author) => (author ? [" by ", given(author)] : []);

function row(event) {
  return element(
    "li",
    {},
    element(
      "div",
      { class: "said" },
      element("p", { class: "way" }, `${event.kind} in `, named(event.source), " by ", given(event.author)),
      element("p", { class: "faint small" }, `${day(event.at)}, on disk ${day(event.accepted_at)}, message `, given(event.message)),
      event.rules?.length ? element("ul", { class: "ways small" }, ...event.rules.map(rule)) : null,
      element("ul", { class: "ways" }, ...event.ways.map(way)),
      event.ways.length ? null : element("p", { class: "small" }, "It went nowhere, or its ways are done."),
    ),
  );
}

function rule(each) {
  return element("li", { class: "faint" }, "rule ", given(each.rule), ": ", given(each.reason || "relays it"));
}

function attempt(each) {
  return element("li", {}, `${day(each.at)} ${each.outcome}`, each.reason ? ": " : "", given(each.reason));
}

function way(each) {
  const hasFailed = each.tried.some(({ outcome }) => outcome !== "delivered");
  const ids = each.messages.filter((id) => id !== null);
  const failed = each.attempts ? `, ${each.attempts} ${each.attempts === 1 ? "attempt" : "attempts"} failed` : "";
  return element(
    "li",
    {},
    element("span", { class: "badge", "data-outcome": each.state }, each.state),
    " ",
    named(each.target),
    element(
      "span",
      { class: "faint" },
      ids.length ? " as " : "",
      given(ids.join(", ")),
      each.rule ? ", rule " : "",
      given(each.rule),
      failed,
      each.dead === null ? "" : `, dead letter ${each.dead}`,
    ),
    each.reason && !hasFailed ? given(each.reason, { class: "reason" }) : null,
    hasFailed ? element("ul", { class: "small" }, ...each.tried.map(attempt)) : null,
    each.lane ? element("p", { class: "faint small" }, `its lane is ${each.lane}`, each.held_by ? ": " : "", given(each.held_by)) : null,
  );
}
