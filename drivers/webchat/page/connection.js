// The live connection to the daemon: opened again by itself, and nothing that was typed is lost on the way.
// frames.py is the other end of it.

const PING_EVERY = 20_000;
const SILENCE = 10_000;
const FIRST_WAIT = 400;
const LONGEST_WAIT = 15_000;

function randomId() {
  // Not crypto.randomUUID: browsers have it on https pages only.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Connection {
  // `listener` has: state(name), welcome(frame), joined(frame), history(messages), said(message), changed(message),
  // refused(frame), pending(request), sent(request), unsent(request, reason, isFinal), typing(name), told(frame),
  // topic(text)
  constructor(address, memory, listener) {
    this.address = address;
    this.memory = memory;
    this.listener = listener;
    this.wanted = null;
    this.newest = null;
    this.inside = false;
    // What was asked for and is not done yet, in order: it outlives the connection and the page.
    this.unsent = new Map(memory.read("unsent", []).map((request) => [request.id, request]));
    this.failures = 0;
    this.socket = null;
    this.retry = null;
    this.author = null;
    this.sending = null;
    this.rest = null;
    window.addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
  }

  open() {
    clearTimeout(this.retry);
    this.retry = null;
    this.halted = false;
    this.known = false;
    this.listener.state("connecting");
    const socket = new WebSocket(this.address);
    this.socket = socket;
    socket.addEventListener("open", () => {
      this.put({ type: "hello", token: this.memory.read("token", null), session: this.memory.read("session", null) });
      this.expect();
    });
    socket.addEventListener("message", (event) => {
      if (this.socket !== socket) return;
      this.expect();
      this.take(JSON.parse(event.data));
    });
    socket.addEventListener("close", () => this.socket === socket && this.lost());
  }

  close() {
    const socket = this.socket;
    this.socket = null;
    this.inside = false;
    clearTimeout(this.watch);
    clearTimeout(this.pinger);
    socket?.close();
  }

  // The page woke up or the network came back: no reason to wait any longer.
  hurry() {
    if (this.retry !== null) this.open();
    else if (this.inside) this.ping();
  }

  lost() {
    this.close();
    if (this.halted) return;
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 1.8 ** this.failures) * (0.7 + 0.6 * Math.random());
    this.failures += 1;
    this.listener.state("offline");
    this.retry = setTimeout(() => this.open(), wait);
  }

  // Every frame shows that the other end is there; after a while without one it is asked, and then given up.
  expect() {
    clearTimeout(this.watch);
    clearTimeout(this.pinger);
    this.pinger = setTimeout(() => this.ping(), PING_EVERY);
  }

  ping() {
    this.put({ type: "ping" });
    clearTimeout(this.watch);
    this.watch = setTimeout(() => this.lost(), SILENCE);
  }

  put(frame) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  move(room) {
    if (this.wanted?.room !== room) this.newest = null;
    this.wanted = { ...this.wanted, room };
  }

  join(room, name) {
    this.move(room);
    this.wanted.name = name;
    this.inside = false;
    if (this.socket?.readyState === WebSocket.OPEN) this.enter();
    else if (this.retry === null && this.socket === null) this.open();
  }

  enter() {
    this.put({ type: "join", room: this.wanted.room, name: this.wanted.name, after: this.newest });
  }

  // Ask for something (a frame without its id), now or as soon as there is a connection.
  ask(frame) {
    const request = { ...frame, id: randomId(), room: this.wanted.room, at: Date.now() };
    this.unsent.set(request.id, request);
    this.keep();
    this.listener.pending(request);
    this.pump();
  }

  // One at a time, so that what is sent again keeps its place in the order.
  pump() {
    if (!this.inside || this.sending !== null || this.rest !== null) return;
    for (const request of this.unsent.values()) {
      if (request.room !== this.wanted.room) continue;
      this.sending = request.id;
      const { room, at, attached, ...frame } = request;
      this.put(frame);
      return;
    }
  }

  // What was just sent is heard a moment before it is acknowledged; it is not to be seen twice meanwhile.
  recognise(message) {
    const request = this.unsent.get(this.sending);
    if (request?.type === "post" && message.author === this.author) this.listener.sent(request);
  }

  taken(id) {
    this.unsent.delete(id);
    this.keep();
    this.sending = null;
    this.pump();
  }

  keep() {
    this.memory.write("unsent", [...this.unsent.values()]);
  }

  seen(message) {
    this.newest = Math.max(this.newest ?? 0, message.revision);
  }

  take(frame) {
    switch (frame.type) {
      case "welcome":
        this.known = true;
        this.author = frame.author;
        this.memory.write("session", frame.session);
        this.listener.welcome(frame);
        if (this.wanted !== null) this.enter();
        else this.listener.state("welcome");
        break;
      case "refused":
        this.inside = false;
        this.wanted = null;
        if (!this.known) {
          // Trying again by itself would change nothing.
          this.halted = true;
          this.close();
        }
        this.listener.refused(frame);
        break;
      case "joined":
        this.failures = 0;
        this.inside = true;
        if (frame.fresh) this.newest = null;
        this.listener.joined(frame);
        this.listener.state("online");
        for (const request of this.unsent.values()) {
          if (request.room === frame.room) this.listener.pending(request);
        }
        this.sending = null;
        clearTimeout(this.rest);
        this.rest = null;
        this.pump();
        break;
      case "history":
        frame.messages.forEach((message) => this.seen(message));
        this.listener.history(frame.messages);
        break;
      case "message":
        this.seen(frame.message);
        this.recognise(frame.message);
        this.listener.said(frame.message);
        break;
      case "changed":
        this.seen(frame.message);
        this.listener.changed(frame.message);
        break;
      case "typing":
        this.listener.typing(frame.name);
        break;
      case "told":
        this.listener.told(frame);
        break;
      case "topic":
        this.listener.topic(frame.topic);
        break;
      case "sent":
        if (this.unsent.has(frame.id)) this.listener.sent(this.unsent.get(frame.id));
        this.taken(frame.id);
        break;
      case "unsent":
        this.notTaken(frame);
        break;
    }
  }

  notTaken(frame) {
    const isFinal = frame.retry_after === undefined;
    if (this.unsent.has(frame.id)) this.listener.unsent(this.unsent.get(frame.id), frame.reason, isFinal);
    if (isFinal) {
      this.taken(frame.id);
      return;
    }
    this.rest = setTimeout(() => {
      this.rest = null;
      this.sending = null;
      this.pump();
    }, frame.retry_after * 1000);
  }
}
