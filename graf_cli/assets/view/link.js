// The conversation with the program: requests with numbers, answers that repeat them, and pictures.
// When the program ends the link looks for it again, at the same address with the same token.

const AGAIN = [300, 600, 1000, 2000]; // milliseconds between looking for the program again

export class Link {
  // `heard` is told of every answer, `changed` whether the program is there, and `missed` why it is
  // not: what it says instead, or null where nothing answers.
  constructor(heard, changed, missed) {
    Object.assign(this, { heard, changed, missed });
    this.number = 0;
    this.failures = 0;
    this.waiting = new Map();
    this.open();
  }

  get here() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  open() {
    const address = new URL("live", document.baseURI);
    address.hash = "";
    this.http = address.href;
    address.protocol = "ws:";
    this.socket = new WebSocket(address);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("open", () => {
      this.failures = 0;
      this.changed(true);
    });
    this.socket.addEventListener("message", (event) => this.take(event.data));
    this.socket.addEventListener("close", () => {
      this.waiting.clear();
      this.changed(false);
      this.why();
      const pause = AGAIN[Math.min(this.failures++, AGAIN.length - 1)];
      setTimeout(() => this.open(), pause);
    });
  }

  // A socket that is refused tells a page nothing, so it asks in words.
  async why() {
    let said = null;
    try {
      said = (await (await fetch(this.http)).text()).trim();
    } catch {
      // Nobody is there.
    }
    if (!this.here) this.missed(said);
  }

  // Ask for something; `answered` is told of each answer to it. Returns the request's number.
  ask(request, answered) {
    if (!this.here) return 0;
    const id = ++this.number;
    if (answered) {
      this.waiting.set(id, answered);
      for (const old of this.waiting.keys()) if (old < id - 200) this.waiting.delete(old);
    }
    this.socket.send(JSON.stringify({ ...request, id }));
    return id;
  }

  // The first answer to a request, as a promise.
  once(request) {
    return new Promise((resolve, reject) => {
      const id = this.ask(request, (answer) => {
        this.waiting.delete(id);
        if (answer.is === "problem") reject(new Error(answer.text));
        else resolve(answer);
      });
      if (!id) reject(new Error("The program is not there."));
    });
  }

  take(data) {
    let answer;
    if (typeof data === "string") {
      answer = JSON.parse(data);
    } else {
      const length = new DataView(data).getUint32(0, true);
      answer = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
      answer.data = new Uint8Array(data, 4 + length);
    }
    const answered = this.waiting.get(answer.id);
    if (answered) answered(answer);
    else this.heard(answer);
  }
}
