// What can be done with a message: react, answer it and, where it is one's own, edit or delete it.

import { button, element } from "./message.js";

const OFTEN = ["👍", "❤️", "😂", "🎉", "😮", "😢", "🙏", "✅"];

export class Menu {
  // `doing` has: isOwn(message), react(message, emoji, add), answer(message), edit(message), remove(message)
  constructor(panel, doing) {
    this.panel = panel;
    this.doing = doing;
    panel.addEventListener("toggle", (event) => {
      if (event.newState === "closed") this.opener?.focus({ preventScroll: true });
    });
  }

  open(message, opener) {
    this.opener = opener;
    const picker = element("div", "picker");
    picker.append(...OFTEN.map((emoji) => button("pick", emoji, `React with ${emoji}`, () => this.react(message, emoji))));
    const other = element("form", "other");
    const field = element("input");
    field.maxLength = 40;
    field.placeholder = "Other emoji";
    field.setAttribute("aria-label", "React with another emoji");
    field.autocomplete = "off";
    const chosen = element("button", "", "React");
    other.append(field, chosen);
    other.addEventListener("submit", (event) => {
      event.preventDefault();
      if (field.value.trim() !== "") this.react(message, field.value.trim());
    });
    const things = [button("thing answer", "Answer", undefined, () => this.after(() => this.doing.answer(message)))];
    if (this.doing.isOwn(message)) {
      things.push(button("thing edit", "Edit", undefined, () => this.after(() => this.doing.edit(message))));
      things.push(this.deleter(message));
    }
    this.panel.replaceChildren(picker, other, ...things);
    this.panel.showPopover();
    this.place();
    picker.firstChild.focus();
  }

  // Pressed twice: nothing brings a message back.
  deleter(message) {
    const made = button("thing delete", "Delete");
    made.addEventListener("click", () => {
      if (made.classList.contains("sure")) {
        this.after(() => this.doing.remove(message));
        return;
      }
      made.classList.add("sure");
      made.textContent = "Delete for everybody? Press again";
    });
    return made;
  }

  react(message, emoji) {
    this.after(() => this.doing.react(message, emoji, true));
  }

  after(then) {
    this.panel.hidePopover();
    then();
  }

  place() {
    const from = this.opener.getBoundingClientRect();
    const { width, height } = this.panel.getBoundingClientRect();
    const left = Math.min(Math.max(8, from.right - width), innerWidth - width - 8);
    const below = from.bottom + 4;
    this.panel.style.left = `${left}px`;
    this.panel.style.top = `${below + height < innerHeight ? below : Math.max(8, from.top - height - 4)}px`;
  }
}
