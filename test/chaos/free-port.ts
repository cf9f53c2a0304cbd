/** A port for servers that tests start. */
import { createServer } from "node:net";

/**
 * A port that is free, below those that the system gives to connections: while a central that was killed is away, nobody is given its port.
 * @throws none of some tries was free
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 50; tries += 1) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (free) return port;
  }
  throw new Error("no port is free");
}
