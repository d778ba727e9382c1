// The page: what is asked at the entrance, the rooms, the line to type in, and what the connection says.
//
// The address may name a room, a name to join under and the token: #room=lobby&name=Ada&token=…, or just #lobby.

import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { Log } from "./log.js";
import { Menu } from "./menu.js";
import { Transfers } from "./transfers.js";
import { Typists } from "./typists.js";

const find = (id) => document.getElementById(id);

// Kept in this browser, for this web chat alone. In a frame a browser may keep nothing: then for as long as the page.
const memory = {
  held: new Map(),
  read(key, otherwise) {
    try {
      const kept = localStorage.getItem(`${location.pathname} ${key}`);
      if (kept !== null) return JSON.parse(kept);
    } catch { /* not allowed to keep anything here */ }
    return this.held.get(key) ?? otherwise;
  },
  write(key, value) {
    this.held.set(key, value);
    try {
      localStorage.setItem(`${location.pathname} ${key}`, JSON.stringify(value));
    } catch { /* likewise */ }
  },
};

const STATES = {
  connecting: "Connecting…",
  welcome: "Ready",
  online: "Connected",
  offline: "Connection lost, trying again…",
  refused: "Not connected",
};

const transfers = new Transfers(memory);
const typists = new Typists(find("typing"));
const react = (message, emoji, add) => connection.ask({ type: "react", message: message.id, emoji, add });
const log = new Log(find("messages"), find("newer"), find("empty"), transfers, {
  react,
  menu: (message, opener) => menu.open(message, opener),
});
const composer = new Composer(
  {
    form: find("composer"), text: find("text"), send: find("send"), attach: find("attach"), files: find("files"),
    attached: find("attached"), context: find("context"),
  },
  transfers,
  {
    ask: (frame) => connection.ask(frame),
    typing: () => connection.put({ type: "typing" }),
    discard: (file) => connection.put({ type: "discard", file: file.id }),
    newestOwn: () => log.newestOwn(),
    refuse: (reason) => log.notice(reason, "Not sent"),
  },
);
const menu = new Menu(find("menu"), {
  isOwn: (message) => log.isOwn(message),
  react,
  answer: (message) => composer.answer(message),
  edit: (message) => composer.edit(message),
  remove: (message) => connection.ask({ type: "delete", message: message.id }),
});
let topic = "";
let title = "Web chat";
let rooms = [];
let room = null;
let name = memory.read("name", "");
let missed = 0;

function readAddress() {
  const fragment = location.hash.slice(1);
  const asked = fragment.includes("=") ? new URLSearchParams(fragment) : new URLSearchParams({ room: fragment });
  if (asked.get("token")) {
    memory.write("token", asked.get("token"));
    asked.delete("token");
    // Out of sight, and out of what people copy from the address bar.
    history.replaceState(null, "", `#${asked}`);
  }
  return { room: (asked.get("room") || "").toLowerCase(), name: asked.get("name") || "" };
}

const asked = readAddress();
let joinsAtOnce = asked.name !== "" || (name !== "" && asked.room !== "");
if (asked.name) name = asked.name;
find("name").value = name;

const connection = new Connection(
  new URL("live", location.href.replace(/^http/u, "ws").split("#")[0]).href,
  memory,
  {
    state(state) {
      find("status").dataset.state = state;
      find("status").textContent = STATES[state];
      document.body.classList.toggle("offline", state === "offline");
    },
    welcome(frame) {
      title = frame.title;
      rooms = frame.rooms;
      log.author = frame.author;
      composer.limit(frame);
      find("token-field").hidden = true;
      showTitle();
      showRooms();
      if (connection.wanted !== null) {
        // Asked for before it was known which rooms there are, or gone since.
        if (!rooms.includes(connection.wanted.room)) connection.move(rooms[0]);
      } else if (joinsAtOnce) {
        joinsAtOnce = false;
        connection.wanted = { room: rooms.includes(asked.room) ? asked.room : rooms[0], name };
      } else {
        showEntrance();
      }
    },
    joined(frame) {
      if (frame.room !== room || frame.fresh) log.clear();
      if (frame.room !== room) typists.clear();
      room = frame.room;
      name = frame.name;
      topic = frame.topic ?? "";
      memory.write("name", name);
      showInside();
    },
    history: (messages) => log.add(messages, false),
    said(message) {
      log.add([message], true);
      typists.wrote(message.name);
      if (document.hidden) missed += 1;
      showTitle();
    },
    refused(frame) {
      if (frame.what === "token") memory.write("token", null);
      this.state("refused");
      showEntrance(frame);
    },
    changed(message) {
      log.change(message);
      if (message.gone) composer.gone(message.id);
    },
    typing: (who) => typists.typing(who),
    told: (frame) => log.notice(frame.text, "Only you see this"),
    topic(text) {
      topic = text;
      showTitle();
    },
    pending: (request) => request.type === "post" && log.pending(request, name),
    sent: (request) => request.type === "post" && log.sent(request.id),
    unsent(request, reason, isFinal) {
      if (request.type === "post") log.unsent(request.id, reason, isFinal);
      else if (isFinal) log.notice(reason, "Not done");
    },
  },
);

function showTitle() {
  find("title").textContent = title;
  find("room").textContent = room === null ? "" : `#${room}${topic ? ` · ${topic}` : ""}`;
  find("room").title = topic;
  document.title = `${missed ? `(${missed}) ` : ""}${room === null ? "" : `#${room} · `}${title}`;
}

function showRooms() {
  find("rooms").hidden = rooms.length < 2 || room === null;
  find("rooms").replaceChildren(...rooms.map((each) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `#${each}`;
    if (each === room) button.setAttribute("aria-current", "page");
    button.addEventListener("click", () => each === room || connection.join(each, name));
    return button;
  }));
  find("room-choice").hidden = rooms.length < 2;
  find("room-name").replaceChildren(...rooms.map((each) => new Option(`#${each}`, each)));
  const likely = room ?? asked.room;
  if (rooms.includes(likely)) find("room-name").value = likely;
}

function showEntrance(refusal) {
  find("entrance").hidden = false;
  find("messages").inert = true;
  find("composer").hidden = true;
  find("typing").hidden = true;
  find("rooms").hidden = true;
  find("who").hidden = true;
  find("empty").hidden = true;
  if (refusal?.what === "token") find("token-field").hidden = false;
  find("refusal").hidden = refusal === undefined;
  find("refusal").textContent = refusal?.reason ?? "";
  find(refusal?.what === "token" ? "token" : "name").focus();
}

function showInside() {
  find("entrance").hidden = true;
  find("messages").inert = false;
  find("composer").hidden = false;
  find("typing").hidden = false;
  find("who").hidden = false;
  find("who").textContent = name;
  find("who").setAttribute("aria-label", `You are ${name}. Change your name`);
  log.showEmpty();
  history.replaceState(null, "", `#room=${encodeURIComponent(room)}`);
  showTitle();
  showRooms();
  if (matchMedia("(pointer: fine)").matches && window === window.top) find("text").focus();
}

find("join-form").addEventListener("submit", (event) => {
  event.preventDefault();
  name = find("name").value.trim();
  if (!find("token-field").hidden) memory.write("token", find("token").value.trim());
  find("refusal").hidden = true;
  connection.join(find("room-name").value || asked.room || rooms[0] || "", name);
});

find("who").addEventListener("click", () => showEntrance());

find("join-form").addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || room === null) return;
  name = memory.read("name", name);
  find("name").value = name;
  connection.join(room, name);
});

// Files can be dropped anywhere on the page.
function carriesFiles(event) {
  return room !== null && !find("composer").hidden && [...(event.dataTransfer?.types ?? [])].includes("Files");
}

document.addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  document.body.classList.remove("dropping");
  if (!carriesFiles(event)) return;
  event.preventDefault();
  composer.add(event.dataTransfer.files);
});

window.addEventListener("hashchange", () => {
  // Still at the entrance, a link with a room or the token is followed as in a new tab.
  if (room === null) {
    location.reload();
    return;
  }
  const wanted = readAddress();
  if (rooms.includes(wanted.room) && wanted.room !== room && name) connection.join(wanted.room, wanted.name || name);
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) missed = 0;
  showTitle();
});

connection.open();
