// The server as this page uses it: the REST API with a token, and the WebSocket with an authentication challenge.

const LONGEST_WAIT = 8000;

export class Server {
  #token;

  constructor(token) {
    this.#token = token;
  }

  get(path) {
    return this.#ask("GET", path);
  }

  post(path, body) {
    return this.#ask("POST", path, body);
  }

  /** A file's content; only the token opens it, so it cannot be the address of a link or an image. */
  async file(id) {
    const response = await fetch(address(`files/${id}`), { headers: this.#headers() });
    if (!response.ok) throw new Error(`The file cannot be fetched (${response.status}).`);
    return response.blob();
  }

  /** Call `onEvent` with each event, and `onState` with "online" or "connecting"; connects again for ever. */
  listen(onEvent, onState) {
    let wait = 500;
    const connect = () => {
      const socket = new WebSocket(address("websocket").replace(/^http/, "ws"));
      socket.onopen = () => {
        socket.send(JSON.stringify({ seq: 1, action: "authentication_challenge", data: { token: this.#token } }));
      };
      socket.onmessage = (message) => {
        const frame = JSON.parse(message.data);
        if (frame.event === "hello") {
          wait = 500;
          onState("online");
        } else if (frame.event) {
          onEvent(frame);
        }
      };
      socket.onclose = () => {
        onState("connecting");
        setTimeout(connect, wait);
        wait = Math.min(wait * 2, LONGEST_WAIT);
      };
    };
    connect();
  }

  async #ask(method, path, body) {
    const response = await fetch(address(path), {
      method,
      headers: this.#headers(),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(answer.message || `The server answered ${response.status}.`);
    return answer;
  }

  #headers() {
    return { Authorization: `Bearer ${this.#token}` };
  }
}

function address(path) {
  return new URL(`api/v4/${path}`, document.baseURI).href;
}
