// The page's connection to the daemon: what it is told, line by line, and what it asks. The token stays in this tab.

const VERSION = 1; // as nextbridge/control/protocol.py has it
const KEPT = "nextbridge-status-token";
const SILENCE = 45_000; // an empty line comes every fourteen seconds where nothing happens
const LONGEST_WAIT = 15_000;

/** The daemon does not do what it was asked; says why. */
export class Refusal extends Error {}

export class Connection {
  #token = null;
  #hear;
  #tell;
  #retry = null;

  /** `hear` is given each answer; `tell` the state of the connection, with a sentence where there is one. */
  constructor(hear, tell) {
    this.#hear = hear;
    this.#tell = tell;
    const inLink = new URLSearchParams(location.hash.slice(1)).get("token");
    if (inLink) {
      this.#keep(inLink);
      history.replaceState(null, "", location.pathname + location.search);
    } else {
      this.#token = sessionStorage.getItem(KEPT);
    }
  }

  /** Connect with a token that somebody has typed. */
  open(token) {
    this.#keep(token);
    this.#retry?.();
  }

  /** Stay connected, for as long as the page is open. */
  async run() {
    for (let wait = 1000; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
      this.#tell("connecting", "");
      try {
        const response = await this.#request("live", {});
        if (response.status === 401) {
          const tried = this.#token !== null;
          this.#forget();
          this.#tell("token", tried ? await response.text() : "");
          await new Promise((go) => (this.#retry = go));
          wait = 500;
          continue;
        }
        if (!response.ok) {
          this.#tell("refused", await response.text());
        } else {
          this.#tell("online", "");
          wait = 500;
          await this.#read(response.body);
          this.#tell("lost", "");
        }
      } catch {
        this.#tell("lost", "");
      }
      await new Promise((go) => setTimeout(go, wait * (0.75 + Math.random() / 2)));
    }
  }

  /** The answer to a question of the control protocol. Throws Refusal with the reason. */
  async ask(question) {
    let response;
    try {
      response = await this.#request("ask", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ version: VERSION, ask: question }),
      });
    } catch {
      throw new Refusal("The daemon does not answer.");
    }
    if (!response.ok) throw new Refusal(await response.text());
    const { answer } = await response.json();
    if (answer.what === "refused") throw new Refusal(answer.reason);
    return answer;
  }

  #request(path, options) {
    const headers = { ...options.headers };
    if (this.#token !== null) headers.Authorization = `Bearer ${this.#token}`;
    return fetch(path, { cache: "no-store", credentials: "omit", ...options, headers });
  }

  async #read(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      let silence;
      const tooLong = new Promise((_, fail) => (silence = setTimeout(fail, SILENCE, new Error("silence"))));
      let part;
      try {
        part = await Promise.race([reader.read(), tooLong]);
      } catch (error) {
        reader.cancel().catch(() => {});
        throw error;
      } finally {
        clearTimeout(silence);
      }
      if (part.done) return;
      const lines = (rest + part.value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (line === "") continue;
        const { version, answer } = JSON.parse(line);
        if (version !== VERSION) {
          location.reload(); // the daemon is another version now, and has another page
          return;
        }
        this.#hear(answer);
      }
    }
  }

  #keep(token) {
    this.#token = token;
    sessionStorage.setItem(KEPT, token);
  }

  #forget() {
    this.#token = null;
    sessionStorage.removeItem(KEPT);
  }
}
