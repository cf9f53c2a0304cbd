/**
 * Links between a process and its child over Node's IPC channel. The child must be forked with `serialization: "advanced"`,
 * so that bytes travel as bytes. The exit of the other process closes the link.
 */
import type { ChildProcess } from "node:child_process";
import { XpcsError } from "../core/errors.js";
import { createCloseSignal, type Link } from "./link.js";

/** What both ends of the IPC channel have in common. */
interface IpcEnd {
  readonly connected: boolean;
  send(message: Uint8Array, done: (error: Error | null) => void): void;
  onMessage(run: (message: unknown) => void): void;
  disconnect(): void;
}

function ipcLink(end: IpcEnd, onGone: (run: (why: string) => void) => void): Link {
  const signal = createCloseSignal();
  let buffered = 0;
  onGone((why) => signal.fire(new XpcsError("UNAVAILABLE", why)));
  return {
    send(bytes) {
      if (signal.reason !== null || !end.connected) return;
      buffered += bytes.length;
      end.send(bytes, (error) => {
        buffered -= bytes.length;
        if (error !== null) signal.fire(new XpcsError("UNAVAILABLE", `the IPC channel failed: ${error.message}`));
      });
    },
    onBytes(receive) {
      end.onMessage((message) => {
        if (signal.reason === null && message instanceof Uint8Array) receive(message);
      });
    },
    onClose: signal.onClose,
    close(reason) {
      if (signal.reason !== null) return;
      signal.fire(reason ?? new XpcsError("UNAVAILABLE", "the link was closed"));
      if (end.connected) end.disconnect();
    },
    get buffered() {
      return buffered;
    },
  };
}

/** The parent's end. The link closes when the child exits or disconnects; ending the child is its owner's business. */
export function childLink(child: ChildProcess): Link {
  return ipcLink(
    {
      get connected() {
        return child.connected;
      },
      send: (message, done) => child.send(message, done),
      onMessage: (run) => child.on("message", run),
      disconnect: () => child.disconnect(),
    },
    (run) => {
      child.once("exit", (code, killedBy) => run(`the child process ended (${killedBy ?? `exit code ${code}`})`));
      child.once("disconnect", () => run("the child process closed its channel"));
      child.once("error", (error) => run(`the child process failed: ${error.message}`));
    },
  );
}

/**
 * The child's end.
 *
 * @throws INTERNAL this process was not started as a child with an IPC channel
 */
export function parentLink(): Link {
  const { send, disconnect } = process;
  if (send === undefined || disconnect === undefined) {
    throw new XpcsError("INTERNAL", "this program is started by a site, with a channel to it, and not by hand");
  }
  return ipcLink(
    {
      get connected() {
        return process.connected;
      },
      send: (message, done) => send.call(process, message, done),
      onMessage: (run) => process.on("message", run),
      disconnect: () => disconnect.call(process),
    },
    (run) => process.once("disconnect", () => run("the parent process closed the channel or ended")),
  );
}
