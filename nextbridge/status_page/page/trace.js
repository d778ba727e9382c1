// The search: what became of one message, in each target and with what was done to it later.

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
      const { events } = await ask({ what: "trace", message });
      find("trace").replaceChildren(...events.map(row));
      say(
        find("trace-said"),
        events.length
          ? `${events.length} ${events.length === 1 ? "event" : "events"}.`
          : "The journal knows no message of this name: it was never accepted, or is forgotten already (global.remember).",
      );
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      find("trace").replaceChildren();
      say(find("trace-said"), error.message);
    }
  });
}

function row(event) {
  return element(
    "li",
    {},
    element(
      "div",
      { class: "said" },
      element("p", { class: "way" }, `${event.kind} in `, named(event.source), " by ", given(event.author)),
      element("p", { class: "faint small" }, `${day(event.at)}, on disk ${day(event.accepted_at)}, message `, given(event.message)),
      element("ul", { class: "ways" }, ...event.ways.map(way)),
      event.ways.length ? null : element("p", { class: "small" }, "It went nowhere, or its ways are done."),
    ),
  );
}

function way(each) {
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
    each.reason ? given(each.reason, { class: "reason" }) : null,
  );
}
