// Dead letters: messages that were given up, with the buttons to try them again or to drop them.

import { Refusal } from "./connection.js";
import { element, find, given, renew, say, show } from "./elements.js";
import { named } from "./names.js";
import { ago, day } from "./times.js";

const AT_ONCE = 200; // as many as the daemon takes in one go

let ask;

/** `answers` asks the daemon. */
export function begin(answers) {
  ask = answers;
  find("retry-all").addEventListener("click", () => all("retry"));
  find("drop-all").addEventListener("click", () => all("drop"));
  find("dead").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) one(button.dataset.does, Number(button.closest("li").dataset.key));
  });
}

/** Show these, as the daemon lists them. */
export function shown({ letters, more }) {
  show(find("dead-empty"), letters.length === 0);
  show(find("dead-all"), letters.length > 1);
  show(find("dead-more"), more);
  renew(find("dead"), letters, (each) => each.id, row, fill);
}

function row(letter) {
  const button = (does, text, looks) =>
    element("button", { type: "button", "data-does": does, class: looks, "aria-describedby": `letter-${letter.id}` }, text);
  return element(
    "li",
    {},
    element("div", { class: "said", id: `letter-${letter.id}` }),
    element("div", { class: "line end" }, button("retry", "Try again"), button("drop", "Drop…", "danger")),
  );
}

function fill(item, letter) {
  const files = letter.files ? `, ${letter.files} ${letter.files === 1 ? "file" : "files"}` : "";
  item.querySelector(".said").replaceChildren(
    element("p", { class: "way" }, named(letter.source), " → ", named(letter.target)),
    element("p", { class: "reason" }, given(letter.reason)),
    element(
      "p",
      { class: "faint small" },
      `${letter.kind} by `,
      given(letter.author),
      ` ${day(letter.at)}${files}; given up `,
      element("time", { title: day(letter.buried_at) }, `${ago(letter.buried_at)} ago`),
      letter.attempts ? ` after ${letter.attempts} ${letter.attempts === 1 ? "attempt" : "attempts"}` : "",
      ", rule ",
      given(letter.rule),
      `, number ${letter.id}`,
    ),
  );
}

async function one(does, id) {
  if (does === "drop" && !(await sure("Drop this message?", "It is forgotten, with its files, and never sent."))) return;
  await attempt(async () => done(does, (await ask({ what: does, ids: [id] })).ids.length));
  // the button is gone with its letter
  (find("dead").querySelector("button") ?? find("dead-title")).focus();
}

async function all(does) {
  if (does === "drop" && !(await sure("Drop all dead letters?", "All of them are forgotten, with their files, and never sent."))) {
    return;
  }
  await attempt(async () => {
    const { ids } = await ask({ what: "dead ids", after: 0 });
    let number = 0;
    for (let place = 0; place < ids.length; place += AT_ONCE) {
      number += (await ask({ what: does, ids: ids.slice(place, place + AT_ONCE) })).ids.length;
    }
    done(does, number);
  });
}

function done(does, number) {
  const letters = number === 1 ? "message" : "messages";
  say(find("dead-done"), `${number} ${letters} ${does === "retry" ? "put at the end of the lane" : "dropped"}.`);
}

async function attempt(deed) {
  try {
    await deed();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    say(find("dead-done"), error.message);
  }
}

function sure(title, text) {
  const dialog = find("sure");
  find("sure-title").textContent = title;
  find("sure-text").textContent = text;
  dialog.returnValue = "no";
  dialog.showModal();
  find("sure-no").focus();
  return new Promise((decide) =>
    dialog.addEventListener("close", () => decide(dialog.returnValue === "yes"), { once: true }),
  );
}
