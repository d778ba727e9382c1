// One channel, live. The link that opens the page carries who is signed in: #token=…&channel=…

import { nodes } from "./markdown.js";
import { Server } from "./server.js";

const TOGETHER = 5 * 60 * 1000; // posts of one author within this time stand under one name

const list = document.getElementById("posts");
const composer = document.getElementById("composer");
const message = document.getElementById("message");
const send = document.getElementById("send");
const problem = document.getElementById("problem");
const status = document.getElementById("status");

const users = new Map();
const posts = new Map();
let server;
let channel;
let me;
let config;

async function open() {
  const link = new URLSearchParams(location.hash.slice(1));
  if (!link.get("token") || !link.get("channel")) {
    complain("Open this page by a link that says who you are: #token=…&channel=…");
    return;
  }
  server = new Server(link.get("token"));
  try {
    [me, config, channel] = await Promise.all([
      server.get("users/me"),
      server.get("config/client?format=old"),
      server.get(`channels/${encodeURIComponent(link.get("channel"))}`),
    ]);
  } catch (error) {
    complain(error.message);
    return;
  }
  users.set(me.id, me);
  document.getElementById("channel").textContent = channel.display_name || "Direct message";
  document.getElementById("me").textContent = `@${me.username}`;
  message.placeholder = `Write to ${channel.display_name || "this conversation"}`;
  message.disabled = send.disabled = false;
  server.listen(hear, (state) => {
    status.dataset.state = state;
    status.textContent = state;
    // What was said while there was no socket is in the channel's latest posts.
    if (state === "online") load().catch((error) => complain(error.message));
  });
}

async function load() {
  const latest = await server.get(`channels/${channel.id}/posts?per_page=100`);
  for (const id of latest.order.toReversed()) posts.set(id, latest.posts[id]);
  await show();
}

async function hear(frame) {
  if (frame.event === "user_updated") {
    users.set(frame.data.user.id, frame.data.user);
    await show();
  }
  if (!["posted", "post_edited", "post_deleted"].includes(frame.event)) return;
  const post = JSON.parse(frame.data.post);
  if (post.channel_id !== channel.id) return;
  if (frame.event === "post_deleted") posts.delete(post.id);
  else posts.set(post.id, post);
  await show();
}

async function say(text) {
  if (text.startsWith("/")) {
    await server.post("commands/execute", { channel_id: channel.id, command: text });
    return;
  }
  await server.post("posts", { channel_id: channel.id, message: text, pending_post_id: `${me.id}:${Date.now()}` });
}

// --- showing ---------------------------------------------------------------------------------------------------------

async function show() {
  const unknown = [...new Set([...posts.values()].map((post) => post.user_id))].filter((id) => !users.has(id));
  if (unknown.length) for (const user of await server.post("users/ids", unknown)) users.set(user.id, user);
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  const sorted = [...posts.values()].sort((one, other) => one.create_at - other.create_at);
  const shown = new Map([...list.children].map((item) => [item.dataset.id, item]));
  let previous;
  for (const [at, post] of sorted.entries()) {
    const version = `${post.update_at} ${name(post)} ${follows(previous, post)}`;
    let item = shown.get(post.id);
    if (item?.dataset.version !== version) {
      const drawn = draw(post, follows(previous, post));
      drawn.dataset.version = version;
      item?.replaceWith(drawn);
      item = drawn;
    }
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
    previous = post;
  }
  while (list.children.length > sorted.length) list.lastElementChild.remove();
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}

function draw(post, isFollowing) {
  const item = make("li", "post");
  item.dataset.id = post.id;
  item.classList.toggle("follows", isFollowing);
  item.classList.toggle("system", post.type.startsWith("system_"));
  const author = name(post);
  const avatar = make("div", "avatar", initials(author));
  avatar.style.setProperty("--hue", hue(author));
  avatar.ariaHidden = "true";
  const head = make("div", "head");
  head.append(make("span", "name", author));
  if (post.props.from_webhook === "true" || post.props.from_bot === "true") head.append(make("span", "tag", "BOT"));
  const time = make("time", "", new Date(post.create_at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = new Date(post.create_at).toISOString();
  head.append(time);
  const root = posts.get(post.root_id);
  if (root) head.append(make("span", "answer", `in answer to ${name(root)}`));
  const text = make("div", "text");
  text.append(...nodes(post.message));
  if (post.edit_at) text.append(" ", make("span", "edited", "(edited)"));
  const body = make("div", "body");
  body.append(head, text, ...(post.metadata?.files ?? []).map(drawFile));
  item.append(avatar, body);
  return item;
}

function drawFile(file) {
  if (file.has_preview_image) {
    const picture = make("img", "picture");
    picture.alt = file.name;
    server.file(file.id).then(
      (content) => { picture.src = URL.createObjectURL(content); },
      (error) => complain(error.message),
    );
    return picture;
  }
  const button = make("button", "file");
  button.type = "button";
  button.append(make("span", "file-name", file.name), make("span", "file-size", size(file.size)));
  button.onclick = async () => {
    try {
      const link = make("a", "");
      link.href = URL.createObjectURL(await server.file(file.id));
      link.download = file.name;
      link.click();
    } catch (error) {
      complain(error.message);
    }
  };
  return button;
}

/** As real clients show it: the overridden name where the server allows it, else the name that the team has chosen. */
function name(post) {
  if (post.type.startsWith("system_")) return "System";
  const { from_webhook: isHook, override_username: overridden } = post.props;
  if (config.EnablePostUsernameOverride === "true" && isHook === "true" && overridden) return String(overridden);
  const user = users.get(post.user_id);
  if (!user) return "Somebody";
  const full = `${user.first_name} ${user.last_name}`.trim();
  if (config.TeammateNameDisplay === "full_name") return full || user.username;
  if (config.TeammateNameDisplay === "nickname_full_name") return user.nickname || full || user.username;
  return user.username;
}

function follows(previous, post) {
  if (!previous || post.root_id || previous.type.startsWith("system_") !== post.type.startsWith("system_")) return false;
  return name(previous) === name(post) && previous.user_id === post.user_id && post.create_at - previous.create_at < TOGETHER;
}

function initials(author) {
  const words = author.match(/[\p{L}\p{N}]+/gu) ?? ["?"];
  return (words.length > 1 ? [...words[0]][0] + [...words[1]][0] : [...words[0]].slice(0, 2).join("")).toUpperCase();
}

function hue(author) {
  let sum = 0;
  for (const letter of author) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return sum;
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(0)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

function make(kind, className, text) {
  const made = document.createElement(kind);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function complain(text) {
  problem.textContent = text;
  problem.hidden = !text;
}

// --- typing ----------------------------------------------------------------------------------------------------------

composer.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = message.value;
  if (!text.trim()) return;
  message.value = "";
  fit();
  try {
    await say(text);
    complain("");
  } catch (error) {
    complain(error.message);
    // What could not be sent is not lost, unless something else was typed meanwhile.
    if (!message.value) message.value = text;
    fit();
  }
});

message.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});
message.addEventListener("input", fit);

function fit() {
  message.style.height = "auto";
  message.style.height = `${message.scrollHeight}px`;
}

// The same page can be opened for somebody else by another link.
window.addEventListener("hashchange", () => location.reload());

open();
