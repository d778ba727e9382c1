// Who is typing just now, in one line.

const LASTS = 6000;
const NAMED = 3;

export class Typists {
  constructor(line) {
    this.line = line;
    this.timers = new Map();
  }

  typing(name) {
    clearTimeout(this.timers.get(name));
    this.timers.set(name, setTimeout(() => this.wrote(name), LASTS));
    this.show();
  }

  wrote(name) {
    clearTimeout(this.timers.get(name));
    if (this.timers.delete(name)) this.show();
  }

  clear() {
    for (const name of [...this.timers.keys()]) this.wrote(name);
  }

  show() {
    const names = [...this.timers.keys()];
    const verb = names.length === 1 ? "is" : "are";
    const who = names.length > NAMED ? "Several people" : names.join(", ");
    this.line.textContent = names.length === 0 ? "" : `${who} ${verb} typing…`;
  }
}
