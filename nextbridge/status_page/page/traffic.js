// What crosses while the page is open, the newest first. Nobody's text is in it.

import { element, find, given, show, visible } from "./elements.js";
import { named } from "./names.js";
import { age, clock, day, late } from "./times.js";

const MOST = 200;
const SHOWN_AT_ONCE = 100; // milliseconds from one renewal of the list to the next

const kept = []; // the newest first
let waiting = false;
let paused = false;

find("tail-pause").addEventListener("click", () => {
  paused = !paused;
  find("tail-pause").setAttribute("aria-pressed", String(paused));
  find("tail-pause").textContent = paused ? "Go on" : "Pause";
  if (!paused) draw();
});
for (const id of ["tail-instance", "tail-rule"]) find(id).addEventListener("change", draw);

/** One more delivery has come to something. */
export function hear(crossed) {
  kept.unshift(crossed);
  kept.splice(MOST);
  if (paused || waiting) return;
  waiting = true;
  setTimeout(() => {
    waiting = false;
    if (!paused) draw();
  }, SHOWN_AT_ONCE);
}

/** The names that can be chosen from. */
export function offer(id, names) {
  const choice = find(id);
  const chosen = choice.value;
  if ([...choice.options].slice(1).map((each) => each.value).join("\n") === names.join("\n")) return;
  choice.replaceChildren(choice.options[0], ...names.map((each) => element("option", { value: each }, visible(each))));
  choice.value = names.includes(chosen) ? chosen : "";
}

function draw() {
  const [instance, rule] = [find("tail-instance").value, find("tail-rule").value];
  const from = (channel) => channel.startsWith(`${instance}/`);
  const wanted = kept.filter(
    (each) => (!instance || from(each.source) || from(each.target)) && (!rule || each.rule === rule),
  );
  show(find("tail-box"), wanted.length > 0);
  show(find("tail-empty"), wanted.length === 0);
  find("tail-empty").textContent = kept.length
    ? "Nothing that you have chosen has crossed since this page was opened."
    : "Nothing has crossed since this page was opened.";
  find("tail").replaceChildren(...wanted.map(row));
}

function row(crossed) {
  crossed.row ??= element(
    "li",
    {},
    element("time", { title: day(crossed.at) }, clock(crossed.at)),
    element("span", { class: "badge", "data-outcome": crossed.outcome }, crossed.outcome),
    element("span", { class: "way" }, named(crossed.source), " → ", named(crossed.target)),
    element(
      "span",
      { class: "faint" },
      `${crossed.kind} by `,
      given(crossed.author),
      `, ${late(crossed.late_ms)} after it was said, rule `,
      given(crossed.rule),
      crossed.retry_in === null ? "" : `, again in ${age(crossed.retry_in)}`,
    ),
    crossed.reason ? given(crossed.reason, { class: "reason" }) : null,
  );
  return crossed.row;
}
