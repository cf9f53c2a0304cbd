/** The mailbox over a disk that the test slows down and breaks. */
import { describe, expect, it } from "vitest";
import { Mailbox } from "../../src/actors/mailbox.js";
import { settle } from "./virtual-clock.js";

/** A mailbox whose disk is slow: a commit ends when the test says so. */
function slowMailbox(options: { messagesMax?: number; batchMax?: number } = {}) {
  const commits: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const deaths: string[] = [];
  const mailbox = new Mailbox({
    messagesMax: options.messagesMax ?? 100,
    batchMax: options.batchMax ?? 10,
    commit: () => new Promise((resolve, reject) => commits.push({ resolve, reject })),
    onDead: (error) => deaths.push(error.message),
  });
  return { mailbox, commits, deaths };
}

describe("a mailbox", () => {
  it("answers nobody before the commit, and commits a batch once", async () => {
    const { mailbox, commits } = slowMailbox({ batchMax: 3 });
    const ran: number[] = [];
    const answered: number[] = [];
    const posts = [0, 1, 2, 3, 4].map((n) =>
      mailbox
        .post(() => {
          ran.push(n);
          return n;
        })
        .then((answer) => answered.push(answer)),
    );
    await settle();
    expect(ran).toEqual([0, 1, 2]);
    expect(answered).toEqual([]);
    expect(commits).toHaveLength(1);
    commits[0]!.resolve();
    await settle();
    expect(answered).toEqual([0, 1, 2]);
    expect(ran).toEqual([0, 1, 2, 3, 4]);
    commits[1]!.resolve();
    await Promise.all(posts);
    expect(commits).toHaveLength(2);
    await mailbox.idle();
  });

  it("gives a turn's error to its caller alone", async () => {
    const { mailbox, commits } = slowMailbox();
    const bad = mailbox.post(() => {
      throw new Error("no");
    });
    const good = mailbox.post(() => "yes");
    await settle();
    commits[0]!.resolve();
    await expect(bad).rejects.toThrow("no");
    expect(await good).toBe("yes");
  });

  it("is OVERLOADED when the queue is full, and takes messages again later", async () => {
    const { mailbox, commits } = slowMailbox({ messagesMax: 2, batchMax: 1 });
    const posts = [mailbox.post(() => 1), mailbox.post(() => 2)];
    await expect(mailbox.post(() => 3)).rejects.toMatchObject({ code: "OVERLOADED" });
    await settle();
    const third = mailbox.post(() => 3);
    for (let commit = 0; commit < 3; commit += 1) {
      commits[commit]!.resolve();
      await settle();
    }
    expect(await Promise.all([...posts, third])).toEqual([1, 2, 3]);
  });

  it("is dead after a commit that failed: those who waited, and all later ones, hear UNAVAILABLE", async () => {
    const { mailbox, commits, deaths } = slowMailbox({ batchMax: 1 });
    const posts = [mailbox.post(() => 1), mailbox.post(() => 2)];
    const settled = Promise.allSettled(posts);
    await settle();
    commits[0]!.reject(new Error("disk full"));
    for (const post of await settled) expect(post).toMatchObject({ status: "rejected", reason: { code: "UNAVAILABLE" } });
    await expect(mailbox.post(() => 3)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(deaths).toEqual(["disk full"]);
    await mailbox.idle();
  });
});
