// The messages on the page. What people wrote is only ever set as text; the page makes the elements.

const MOST = 1500;
const TOGETHER = 5 * 60_000;
const PATIENCE = 500;
const ADDRESS = /https?:\/\/[^\s<>"'`\u0000-\u001f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+/giu;
const AFTER_ADDRESS = /[.,:;!?*_~]+$/u;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
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

function withLinks(text) {
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

function day(at) {
  return new Date(at).toDateString();
}

// Whether it goes on where the previous message left off, and needs no name and time of its own.
function belongs(message, previous) {
  return previous !== null && previous.name === message.name && previous.author === message.author &&
    previous.origin === message.origin && message.at - previous.at < TOGETHER &&
    !message.action && !previous.action;
}

export class Log {
  constructor(list, newer, empty) {
    this.list = list;
    this.newer = newer;
    this.empty = empty;
    this.author = null;
    this.shown = new Map();
    this.pendings = new Map();
    this.last = null;
    this.lastPending = null;
    this.unread = 0;
    this.sticks = true;
    this.measured = "";
    list.addEventListener("scroll", () => this.scrolled());
    newer.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => this.sticks && this.toEnd()).observe(list);
  }

  clear() {
    this.list.replaceChildren();
    this.shown.clear();
    this.pendings.clear();
    this.last = null;
    this.lastPending = null;
    this.sticks = true;
    this.setUnread(0);
    this.showEmpty();
  }

  // `live` is what was said just now, not what is read again.
  add(messages, live) {
    // What is read again is not to be read out.
    this.list.setAttribute("aria-live", live ? "polite" : "off");
    for (const message of messages) {
      if (this.shown.has(message.id)) continue;
      const own = message.author !== undefined && message.author === this.author;
      if (own) this.sticks ||= live;
      const made = this.draw(message, own);
      made.dataset.id = message.id;
      this.place(made, message);
      this.shown.set(message.id, made);
      if (!this.sticks && live) this.setUnread(this.unread + 1);
    }
    this.forget();
    this.settle();
  }

  pending(post, name) {
    if (this.pendings.has(post.id)) return;
    const action = post.text.startsWith("/me ");
    const text = action ? post.text.slice(4) : post.text;
    const message = { at: post.at, name, text, action, author: this.author };
    const made = this.draw(message, true);
    made.classList.add("pending");
    made.setAttribute("aria-hidden", "true");
    made.dataset.id = `pending-${post.id}`;
    made.classList.toggle("follows", belongs(message, this.lastPending ?? this.last));
    const note = element("p", "note");
    made.querySelector(".text").after(note);
    this.list.append(made);
    this.pendings.set(post.id, made);
    this.lastPending = message;
    this.sticks = true;
    this.settle();
    // Most are sent before anybody could read a note.
    setTimeout(() => {
      if (!this.pendings.has(post.id)) return;
      made.classList.add("slow");
      made.removeAttribute("aria-hidden");
      note.textContent ||= "Sending…";
      this.settle();
    }, PATIENCE);
  }

  sent(id) {
    this.pendings.get(id)?.remove();
    this.settled(id);
    this.settle();
  }

  settled(id) {
    this.pendings.delete(id);
    if (this.pendings.size === 0) this.lastPending = null;
  }

  unsent(id, reason, isFinal) {
    const made = this.pendings.get(id);
    if (made === undefined) return;
    made.querySelector(".note").textContent = isFinal ? `Not sent. ${reason}` : reason;
    made.classList.toggle("failed", isFinal);
    made.removeAttribute("aria-hidden");
    if (isFinal) this.settled(id);
    this.settle();
  }

  // Everything that is shown but not sent yet stays below everything that was said.
  place(made, message) {
    const before = this.pendings.values().next().value ?? null;
    const previous = this.last;
    if (previous === null || day(previous.at) !== day(message.at)) {
      const separator = element("p", "day");
      separator.append(element("span", "", calendar.format(message.at)));
      this.list.insertBefore(separator, before);
    } else {
      made.classList.toggle("follows", belongs(message, previous));
    }
    this.list.insertBefore(made, before);
    this.last = message;
  }

  draw(message, own) {
    const made = element("div", "message");
    made.classList.toggle("own", own);
    made.classList.toggle("action", message.action === true);
    made.style.setProperty("--hue", hue(message.name));
    const avatar = element("span", "avatar", initials(message.name));
    avatar.setAttribute("aria-hidden", "true");
    const head = element("p", "head");
    head.append(element("bdi", "name", message.name));
    if (message.origin !== undefined) {
      const badge = element("span", "badge", message.origin);
      badge.title = `Came from ${message.origin}`;
      head.append(badge);
    }
    const time = element("time", "", clock.format(message.at));
    time.dateTime = new Date(message.at).toISOString();
    time.title = exact.format(message.at);
    head.append(time);
    const text = element("div", "text");
    text.dir = "auto";
    if (message.action) text.append(element("bdi", "actor", message.name), " ");
    text.append(withLinks(message.text));
    const body = element("div", "body");
    body.append(head, text);
    made.append(avatar, body);
    return made;
  }

  // An old page would grow without end.
  forget() {
    while (this.sticks && this.shown.size > MOST) {
      const [id, made] = this.shown.entries().next().value;
      this.shown.delete(id);
      while (this.list.firstChild !== made) this.list.firstChild.remove();
      made.remove();
    }
  }

  settle() {
    if (this.sticks) this.toEnd();
    this.showEmpty();
  }

  showEmpty() {
    this.empty.hidden = this.list.childElementCount > 0;
  }

  scrolled() {
    const { scrollHeight, scrollTop, clientHeight, clientWidth } = this.list;
    const measured = `${scrollHeight} ${clientHeight} ${clientWidth}`;
    // The end also moves away when the window or the messages change: then nobody has scrolled.
    if (scrollHeight - scrollTop - clientHeight < 40) this.sticks = true;
    else if (measured === this.measured) this.sticks = false;
    this.measured = measured;
    if (this.sticks) this.setUnread(0);
    else this.newer.hidden = this.unread === 0;
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
    this.measured = `${this.list.scrollHeight} ${this.list.clientHeight} ${this.list.clientWidth}`;
    this.sticks = true;
    this.setUnread(0);
  }

  setUnread(count) {
    this.unread = count;
    this.newer.hidden = count === 0;
    this.newer.textContent = count === 1 ? "1 new message" : `${count} new messages`;
  }
}
