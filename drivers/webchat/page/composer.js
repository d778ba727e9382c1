// The line to type in: what is said, what it answers or edits, and the files that go with it.

import { button, element, excerpt } from "./message.js";
import { inWords } from "./transfers.js";

const TALLEST = 160;
const TYPING_EVERY = 3000;

export class Composer {
  // `parts` are the elements: form, text, send, attach, files (an input), attached (a list), context.
  // `doing` has: ask(frame), typing(), discard(file), newestOwn(), refuse(reason)
  constructor(parts, transfers, doing) {
    this.parts = parts;
    this.transfers = transfers;
    this.doing = doing;
    this.answering = null;
    this.editing = null;
    this.attachments = [];
    this.draft = "";
    this.typed = 0;
    this.limits = { file: 0, files: 0 };
    const { form, text, attach, files } = parts;
    text.addEventListener("input", () => this.input());
    text.addEventListener("keydown", (event) => this.key(event));
    text.addEventListener("paste", (event) => this.paste(event));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    attach.addEventListener("click", () => files.click());
    files.addEventListener("change", () => {
      this.add(files.files);
      files.value = "";
    });
  }

  limit(frame) {
    this.parts.text.maxLength = frame.max_message;
    this.limits = { file: frame.max_file, files: frame.max_files };
    this.parts.attach.hidden = frame.max_file === 0;
  }

  // --- typing ---

  fit() {
    const { text } = this.parts;
    text.style.height = "auto";
    const needed = text.scrollHeight + text.offsetHeight - text.clientHeight;
    text.style.height = `${Math.min(needed, TALLEST)}px`;
    text.classList.toggle("tall", needed > TALLEST);
  }

  input() {
    this.fit();
    if (this.parts.text.value === "" || this.editing !== null || Date.now() - this.typed < TYPING_EVERY) return;
    this.typed = Date.now();
    this.doing.typing();
  }

  key(event) {
    const { form, text } = this.parts;
    if (event.isComposing) return;
    if (event.key === "Escape" && (this.answering !== null || this.editing !== null)) {
      event.preventDefault();
      this.stop();
    } else if (event.key === "ArrowUp" && text.value === "" && this.doing.newestOwn() !== undefined) {
      event.preventDefault();
      this.edit(this.doing.newestOwn());
    } else if (event.key === "Enter" && !event.shiftKey && !matchMedia("(pointer: coarse)").matches) {
      // On a phone Enter is the only way to a new line.
      event.preventDefault();
      form.requestSubmit();
    }
  }

  submit() {
    const { text, send } = this.parts;
    const said = text.value.trim();
    const files = this.attachments.map((each) => each.file);
    if (send.disabled || (said === "" && files.length === 0 && !this.editing?.files)) return;
    if (this.editing !== null) {
      if (said !== original(this.editing)) this.doing.ask({ type: "edit", message: this.editing.id, text: said });
      this.stop();
    } else {
      const frame = { type: "post", text: said };
      if (this.answering !== null) frame.reply_to = this.answering.id;
      if (files.length) {
        frame.files = files.map((file) => file.id);
        frame.attached = files;
      }
      text.value = "";
      this.attachments = [];
      this.parts.attached.replaceChildren();
      this.doing.ask(frame);
      this.stop();
    }
    this.typed = 0;
    text.focus();
  }

  // --- what it is about ---

  answer(message) {
    if (this.editing !== null) this.stop();
    this.answering = message;
    this.about(`Answering ${message.name}`, excerpt(message));
  }

  edit(message) {
    this.stop();
    this.draft = this.parts.text.value;
    this.editing = message;
    this.parts.text.value = original(message);
    this.about("Editing", excerpt(message));
  }

  about(what, text) {
    const { context, text: field } = this.parts;
    const stop = button("stop", "×", "Cancel", () => this.stop());
    const words = element("p", "about");
    words.append(element("bdi", "about-what", what), " ", element("bdi", "about-text", text));
    context.replaceChildren(words, stop);
    context.hidden = false;
    this.fit();
    field.focus();
  }

  stop() {
    if (this.editing !== null) this.parts.text.value = this.draft;
    this.answering = null;
    this.editing = null;
    this.parts.context.hidden = true;
    this.parts.context.replaceChildren();
    this.fit();
    this.parts.text.focus();
  }

  // What it is about was deleted meanwhile.
  gone(id) {
    if (this.editing?.id === id) this.stop();
    else if (this.answering?.id === id) {
      this.answering = null;
      this.parts.context.hidden = true;
    }
  }

  // --- files ---

  paste(event) {
    const files = event.clipboardData?.files ?? [];
    if (files.length === 0) return;
    event.preventDefault();
    this.add(files);
  }

  add(files) {
    for (const file of files) {
      if (this.limits.file === 0) return this.doing.refuse("No files can be sent here.");
      if (this.attachments.length >= this.limits.files) {
        return this.doing.refuse(`A message has at most ${this.limits.files} files.`);
      }
      if (file.size > this.limits.file) {
        this.doing.refuse(`${file.name} is larger than ${inWords(this.limits.file)}.`);
      } else {
        this.attach(file);
      }
    }
    return undefined;
  }

  attach(file) {
    const item = element("li", "attachment");
    const state = element("span", "attachment-state", inWords(file.size));
    const progress = element("progress");
    progress.max = 1;
    progress.setAttribute("aria-label", `Uploading ${file.name}`);
    const again = button("again", "Again", `Upload ${file.name} again`);
    again.hidden = true;
    const attachment = { file: null, abort: null };
    const drop = button("drop", "×", `Remove ${file.name}`, () => {
      attachment.abort();
      if (attachment.file !== null) this.doing.discard(attachment.file);
      this.attachments = this.attachments.filter((each) => each !== attachment);
      item.remove();
      this.ready();
    });
    const begin = () => {
      again.hidden = true;
      progress.hidden = false;
      attachment.abort = this.transfers.upload(file, {
        progress: (share) => { progress.value = share; },
        done: (uploaded) => {
          attachment.file = uploaded;
          this.uploaded(progress);
        },
        failed: (reason) => {
          state.textContent = reason;
          again.hidden = false;
          item.classList.add("failed");
          this.uploaded(progress);
        },
      });
      this.ready();
    };
    again.addEventListener("click", () => {
      item.classList.remove("failed");
      state.textContent = inWords(file.size);
      begin();
    });
    item.append(element("bdi", "attachment-name", file.name), state, progress, again, drop);
    this.parts.attached.append(item);
    this.attachments.push(attachment);
    begin();
  }

  uploaded(progress) {
    progress.hidden = true;
    this.ready();
  }

  ready() {
    // Nothing is left out unsaid: a file that did not arrive is uploaded again, or removed.
    const missing = this.attachments.some((each) => each.file === null);
    this.parts.send.disabled = missing;
    this.parts.send.setAttribute("aria-label", missing ? "Send, once all files are uploaded" : "Send");
  }
}

function original(message) {
  return message.action ? `/me ${message.text}` : message.text;
}
