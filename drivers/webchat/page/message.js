// One message as the page shows it. What people wrote is only ever set as text; the page makes the elements.

import { inWords } from "./transfers.js";

const ADDRESS = /https?:\/\/[^\s<>"'`\u0000-\u001f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+/giu;
const AFTER_ADDRESS = /[.,:;!?*_~]+$/u;
const QUOTED = 90;
const NAMES = 8;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

export function button(className, text, label, pressed) {
  const made = element("button", className, text);
  made.type = "button";
  if (label) made.setAttribute("aria-label", label);
  if (pressed) made.addEventListener("click", pressed);
  return made;
}

function hue(name) {
  let hash = 0x811c9dc5;
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193);
  return (hash >>> 0) % 360;
}

function initials(name) {
  const words = name.split(/[\s._-]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const first = (words.length > 1 ? [words[0], words.at(-1)] : words).map((word) => word.match(/[\p{L}\p{N}]/u)[0]);
  return first.join("").toUpperCase() || [...name][0] || "?";
}

function trimmed(address) {
  let kept = address.replace(AFTER_ADDRESS, "");
  // A bracket that was opened before the address closes after it.
  while (kept.endsWith(")") && kept.split(")").length > kept.split("(").length) {
    kept = kept.slice(0, -1).replace(AFTER_ADDRESS, "");
  }
  return kept;
}

function parsed(address) {
  try {
    return new URL(address);
  } catch {
    return null;
  }
}

export function withLinks(text) {
  const made = document.createDocumentFragment();
  let end = 0;
  for (const found of text.matchAll(ADDRESS)) {
    const address = trimmed(found[0]);
    const url = parsed(address);
    if (url === null || !["http:", "https:"].includes(url.protocol) || url.username || url.password) continue;
    made.append(text.slice(end, found.index));
    const link = element("a", "", address);
    link.href = url.href;
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
    made.append(link);
    end = found.index + address.length;
  }
  made.append(text.slice(end));
  return made;
}

// The beginning of a message, for a line that quotes it.
export function excerpt(message) {
  const said = message.text || (message.files ?? []).map((file) => file.name).join(", ");
  const line = said.replace(/\s+/gu, " ");
  const characters = [...line.slice(0, 2 * QUOTED)];
  return characters.length > QUOTED ? `${characters.slice(0, QUOTED - 1).join("")}…` : line;
}

// `surroundings` has: author (one's own), transfers, find(number), jump(number), react(message, emoji, add),
// menu(message, opener), settled() for when something grew.
export function draw(message, own, surroundings) {
  const made = element("div", "message");
  made.classList.toggle("own", own);
  made.classList.toggle("action", message.action === true);
  made.style.setProperty("--hue", hue(message.name));
  const avatar = element("span", "avatar", initials(message.name));
  avatar.setAttribute("aria-hidden", "true");
  const body = element("div", "body");
  body.append(...[
    head(message),
    quote(message, surroundings),
    message.text === "" && message.files ? null : words(message),
    files(message, surroundings),
    reactions(message, surroundings),
  ].filter((part) => part !== null));
  made.append(avatar, body);
  if (message.id !== undefined) {
    const opener = button("more", "⋯", `Answer, react or more: message of ${message.name}`);
    opener.setAttribute("aria-haspopup", "dialog");
    opener.addEventListener("click", () => surroundings.menu(message, opener));
    made.append(opener);
  }
  return made;
}

function head(message) {
  const made = element("p", "head");
  made.append(element("bdi", "name", message.name));
  if (message.origin !== undefined) {
    const badge = element("span", "badge", message.origin);
    badge.title = `Came from ${message.origin}`;
    made.append(badge);
  }
  const time = element("time", "", clock.format(message.at));
  time.dateTime = new Date(message.at).toISOString();
  time.title = exact.format(message.at);
  made.append(time);
  return made;
}

function words(message) {
  const made = element("div", "text");
  made.dir = "auto";
  if (message.action) made.append(element("bdi", "actor", message.name), " ");
  made.append(withLinks(message.text));
  if (message.edited) {
    // Not in what is said, so that nobody can write it.
    const mark = element("span", "edited");
    mark.dataset.mark = "edited";
    mark.setAttribute("role", "img");
    mark.setAttribute("aria-label", "edited");
    made.append(mark);
  }
  return made;
}

function quote(message, surroundings) {
  if (message.reply_to === undefined) return null;
  const original = surroundings.find(message.reply_to);
  if (original === undefined) return element("p", "quote gone", "Answers a message that is not here any more");
  const made = button("quote", undefined, `Answers ${original.name}: ${excerpt(original)}. Go there`);
  made.append(element("bdi", "quoted-name", original.name), " ", element("bdi", "quoted", excerpt(original)));
  made.addEventListener("click", () => surroundings.jump(original.id));
  return made;
}

function files(message, surroundings) {
  if (!message.files) return null;
  const made = element("ul", "files");
  made.setAttribute("aria-label", "Files");
  for (const file of message.files) {
    const item = element("li");
    item.append(file.image && message.id !== undefined ? picture(file, surroundings) : chip(file, surroundings));
    made.append(item);
  }
  return made;
}

function chip(file, surroundings) {
  const made = button("file", undefined, `Save ${file.name}, ${inWords(file.size)}`);
  made.append(element("bdi", "file-name", file.name), element("span", "file-size", inWords(file.size)));
  made.addEventListener("click", async () => {
    try {
      await surroundings.transfers.save(file);
    } catch (error) {
      made.querySelector(".file-size").textContent = error.message;
    }
  });
  return made;
}

function picture(file, surroundings) {
  const made = button("picture", undefined, `Save the picture ${file.name}`);
  const image = element("img");
  image.alt = file.name;
  image.addEventListener("load", () => surroundings.settled());
  const instead = () => {
    made.replaceWith(chip(file, surroundings));
    surroundings.settled();
  };
  image.addEventListener("error", instead);
  surroundings.transfers.picture(file.id).then((address) => { image.src = address; }, instead);
  made.append(image);
  made.addEventListener("click", () => surroundings.transfers.save(file).catch(instead));
  return made;
}

function reactions(message, surroundings) {
  if (!message.reactions) return null;
  const made = element("ul", "reactions");
  made.setAttribute("aria-label", "Reactions");
  for (const { emoji, by } of message.reactions) {
    const mine = by.some((each) => each.author === surroundings.author);
    const names = by.slice(0, NAMES).map((each) => each.name);
    const who = by.length > NAMES ? `${names.join(", ")} and ${by.length - NAMES} more` : names.join(", ");
    const chosen = button("reaction", undefined, `${emoji} ${by.length}: ${who}`);
    chosen.append(element("span", "emoji", emoji), element("span", "count", String(by.length)));
    chosen.title = who;
    chosen.setAttribute("aria-pressed", String(mine));
    chosen.addEventListener("click", () => surroundings.react(message, emoji, !mine));
    const item = element("li");
    item.append(chosen);
    made.append(item);
  }
  return made;
}
