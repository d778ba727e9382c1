// The messages on the page, in their order: what was said, and below it what is on its way.

import { draw, element } from "./message.js";

const MOST = 1500;
const TOGETHER = 5 * 60_000;
const PATIENCE = 500;
const MARKED = 2000;

const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

function day(at) {
  return new Date(at).toDateString();
}

// Whether it goes on where the previous message left off, and needs no name and time of its own.
function belongs(message, previous) {
  return previous !== null && previous.name === message.name && previous.author === message.author &&
    previous.origin === message.origin && message.at - previous.at < TOGETHER &&
    !message.action && !previous.action && message.reply_to === undefined;
}

export class Log {
  // `doing` has: react(message, emoji, add), menu(message, opener)
  constructor(list, newer, empty, transfers, doing) {
    this.list = list;
    this.newer = newer;
    this.empty = empty;
    this.transfers = transfers;
    const log = this;
    this.surroundings = {
      ...doing,
      transfers,
      get author() { return log.author; },
      find: (id) => this.find(id),
      jump: (id) => this.jump(id),
      settled: () => this.settle(),
    };
    this.author = null;
    // By number: what is drawn, and what it was drawn of.
    this.shown = new Map();
    this.messages = new Map();
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
    for (const id of [...this.messages.keys()]) this.letGo(id);
    this.pendings.clear();
    this.last = null;
    this.lastPending = null;
    this.sticks = true;
    this.setUnread(0);
    this.showEmpty();
  }

  find(id) {
    return this.messages.get(id);
  }

  // The newest message of one's own, to edit it.
  newestOwn() {
    return [...this.messages.values()].findLast((message) => this.isOwn(message));
  }

  isOwn(message) {
    return message.author !== undefined && message.author === this.author;
  }

  jump(id) {
    const made = this.shown.get(id);
    if (made === undefined) return;
    made.scrollIntoView({ block: "center" });
    made.classList.add("marked");
    setTimeout(() => made.classList.remove("marked"), MARKED);
    made.querySelector(".more").focus({ preventScroll: true });
  }

  // `live` is what was said just now, not what is read again.
  add(messages, live) {
    // What is read again is not to be read out.
    this.list.setAttribute("aria-live", live ? "polite" : "off");
    for (const message of messages) {
      // What was changed and is not on the page any more stays off it.
      if (this.shown.has(message.id) || message.gone || (!live && message.id < (this.last?.id ?? 0))) {
        this.change(message);
        continue;
      }
      if (this.isOwn(message)) this.sticks ||= live;
      const made = this.make(message);
      this.place(made, message);
      this.shown.set(message.id, made);
      this.messages.set(message.id, message);
      if (!this.sticks && live) this.setUnread(this.unread + 1);
    }
    this.forget();
    this.settle();
  }

  make(message) {
    const made = draw(message, this.isOwn(message), this.surroundings);
    if (message.id !== undefined) made.dataset.id = message.id;
    return made;
  }

  // A message is another than the one that is shown.
  change(message) {
    const before = this.shown.get(message.id);
    if (before === undefined) return;
    if (message.gone) {
      this.remove(message.id);
    } else {
      this.messages.set(message.id, message);
      this.redraw(message.id);
    }
    for (const each of this.messages.values()) {
      if (each.reply_to === message.id) this.redraw(each.id);
    }
    this.settle();
  }

  redraw(id) {
    const before = this.shown.get(id);
    const made = this.make(this.messages.get(id));
    made.classList.toggle("follows", before.classList.contains("follows"));
    const focused = before.contains(document.activeElement) ? document.activeElement.className : null;
    before.replaceWith(made);
    this.shown.set(id, made);
    if (focused !== null) made.getElementsByClassName(focused)[0]?.focus({ preventScroll: true });
  }

  remove(id) {
    const made = this.shown.get(id);
    if (!made.classList.contains("follows")) made.nextElementSibling?.classList.remove("follows");
    const lonely = made.previousElementSibling?.matches(".day") && !made.nextElementSibling?.matches(".message");
    if (lonely) made.previousElementSibling.remove();
    if (lonely && made.nextElementSibling === null) this.last = null;
    made.remove();
    this.letGo(id);
  }

  letGo(id) {
    for (const file of this.messages.get(id)?.files ?? []) this.transfers.forget(file.id);
    this.shown.delete(id);
    this.messages.delete(id);
  }

  // Something that is said to this person alone.
  notice(text, from) {
    this.list.setAttribute("aria-live", "polite");
    const made = element("div", "notice");
    made.append(element("p", "notice-from", from), element("p", "notice-text", text));
    this.list.insertBefore(made, this.pendings.values().next().value ?? null);
    // What follows begins with its name again.
    if (this.last !== null) this.last = { ...this.last, name: null };
    this.sticks = true;
    this.settle();
  }

  pending(post, name) {
    if (this.pendings.has(post.id)) return;
    const action = post.text.startsWith("/me ");
    const text = action ? post.text.slice(4) : post.text;
    const { at, reply_to, attached: files } = post;
    const message = { at, name, text, action, author: this.author, reply_to, files };
    const made = draw(message, true, this.surroundings);
    made.classList.add("pending");
    made.setAttribute("aria-hidden", "true");
    made.dataset.id = `pending-${post.id}`;
    made.classList.toggle("follows", belongs(message, this.lastPending ?? this.last));
    const note = element("p", "note");
    made.querySelector(".body").append(note);
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

  // An old page would grow without end.
  forget() {
    while (this.sticks && this.shown.size > MOST) {
      const [id, made] = this.shown.entries().next().value;
      this.letGo(id);
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
