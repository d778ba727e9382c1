// Channels by the names that people have for them, where a rule names them; else by instance and key, as in commands.

import { element, given } from "./elements.js";

let names = new Map();

/** The rules say what their channels are called. */
export function learn(rules) {
  names = new Map(
    rules.flatMap((rule) => [...rule.sources, ...rule.targets]).map((end) => [end.channel, end]),
  );
}

/** A channel, to be shown; what a rule or a command needs of it is in its title. */
export function named(channel) {
  const end = names.get(channel);
  if (end === undefined) return given(channel);
  return element("span", { title: channel }, given(end.name), element("span", { class: "of" }, " on ", given(end.instance)));
}
