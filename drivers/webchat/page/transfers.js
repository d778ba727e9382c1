// Files on their way to and from the daemon. Both need the token and the session, so they are asked for from here and
// never by an address alone.

const FAILED = "It did not arrive. Is there a connection?";

export function inWords(bytes) {
  const units = ["bytes", "KB", "MB", "GB"];
  let unit = 0;
  let size = bytes;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size < 10 && unit > 0 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

export class Transfers {
  constructor(memory) {
    this.memory = memory;
    this.shown = new Map();
  }

  headers() {
    const token = this.memory.read("token", null);
    return token === null ? {} : { Authorization: `Bearer ${token}` };
  }

  // Upload a file. `listener` has: progress(share), done(file), failed(reason). Returns what stops it.
  upload(file, listener) {
    const request = new XMLHttpRequest();
    request.open("POST", "upload");
    const headers = {
      ...this.headers(),
      "X-Session": this.memory.read("session", ""),
      "X-File-Name": encodeURIComponent(file.name),
      "Content-Type": "application/octet-stream",
    };
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => listener.progress(event.loaded / Math.max(event.total, 1)));
    request.addEventListener("load", () => {
      if (request.status === 200) listener.done(JSON.parse(request.responseText));
      else listener.failed(this.reason(request.responseText));
    });
    request.addEventListener("error", () => listener.failed(FAILED));
    request.send(file);
    return () => request.abort();
  }

  reason(page) {
    return new DOMParser().parseFromString(page, "text/html").querySelector("p")?.textContent || FAILED;
  }

  async fetch(id) {
    const answer = await fetch(`files/${encodeURIComponent(id)}`, { headers: this.headers() });
    if (!answer.ok) throw new Error(this.reason(await answer.text()));
    return URL.createObjectURL(await answer.blob());
  }

  // An address of a picture for as long as the page shows it.
  async picture(id) {
    if (!this.shown.has(id)) this.shown.set(id, this.fetch(id));
    try {
      return await this.shown.get(id);
    } catch (error) {
      this.shown.delete(id);
      throw error;
    }
  }

  async forget(id) {
    const address = this.shown.get(id);
    this.shown.delete(id);
    if (address !== undefined) URL.revokeObjectURL(await address.catch(() => ""));
  }

  // Save a file as the browser saves files. Rejects with the reason.
  async save(file) {
    const address = await this.fetch(file.id);
    const link = document.createElement("a");
    link.href = address;
    link.download = file.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }
}
