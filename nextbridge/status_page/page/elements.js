// Making and renewing parts of the page. What comes from outside becomes text, and nothing else.

export const find = (id) => document.getElementById(id);

/** An element with attributes and children; a string among the children is text. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((each) => each !== null && each !== undefined));
  return made;
}

/** Something that a chat user or a server chose: it cannot turn round the text beside it. */
export const given = (text, attributes = {}) => element("bdi", attributes, visible(text));

/** `text` on one line, with what a reader would not see written as its code. */
export function visible(text) {
  return text
    .replace(/\s+/g, " ")
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}]/gu, (each) =>
      each === "\u200d" ? each : `\\u{${each.codePointAt(0).toString(16)}}`,
    );
}

export function show(where, wanted) {
  where.hidden = !wanted;
}

/** Set text only where it is another: a screen reader reads what changes. */
export function say(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

/**
 * Renew a list in place, so that what has the focus keeps it. `make` gives an item's element, `fill` its content;
 * an element is filled anew only where `mark` says that its item has changed.
 */
export function renew(list, items, key, make, fill, mark = JSON.stringify) {
  const before = new Map([...list.children].map((each) => [each.dataset.key, each]));
  let place = list.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let made = before.get(name);
    before.delete(name);
    if (made === undefined) {
      made = make(item);
      made.dataset.key = name;
    }
    const now = mark(item);
    if (made.renewedFor !== now) {
      fill(made, item);
      made.renewedFor = now;
    }
    if (made === place) place = place.nextElementSibling;
    else list.insertBefore(made, place);
  }
  for (const each of before.values()) each.remove();
}
