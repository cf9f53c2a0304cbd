/** The decisions of the set-up: what is missing, who may install it, and what has to be done again. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LONE_TESTS, LONG_TESTS } from "../scripts/long-tests.mjs";
import {
  atLeast,
  compilerSuffices,
  installCommands,
  installHints,
  missingParts,
  nodeAdvice,
  orphanOutputs,
  packagesStale,
  versionNumbers,
} from "../scripts/setup/decide.mjs";
import { withLock } from "../scripts/setup/lock.mjs";
import { digest, filesUnder, readStamp, writeStamp } from "../scripts/setup/stamps.mjs";

const COMPLETE = {
  compiler: { family: "gcc" as const, version: "12.2.0" },
  cmake: "cmake version 3.25.1",
  generator: true,
  hdf5: "/usr/include",
  lz4: "/usr/include",
  zlib: "/usr/include",
};

describe("versions", () => {
  it.each([
    ["cmake version 3.25.1\n\nCMake suite", [3, 25, 1]],
    ["12", [12]],
    ["Ubuntu clang version 14.0.0-1ubuntu1", [14, 0, 0]],
    ["none", []],
  ])("reads %j", (text, numbers) => {
    expect(versionNumbers(text)).toEqual(numbers);
  });

  it("compares number by number", () => {
    expect(atLeast([20, 17], [20, 17])).toBe(true);
    expect(atLeast([20, 9], [20, 17])).toBe(false);
    expect(atLeast([22], [20, 17])).toBe(true);
    expect(atLeast([], [1])).toBe(false);
  });

  it("says what to do about an old Node, and nothing about a new one", () => {
    expect(nodeAdvice("20.17.0")).toBeNull();
    expect(nodeAdvice("26.1.0")).toBeNull();
    expect(nodeAdvice("18.20.4")).toMatch(/18\.20\.4 is too old[\s\S]*nvm install/);
  });

  it("knows which compilers have the C++20 that is used", () => {
    expect(compilerSuffices({ family: "gcc", version: "11" })).toBe(true);
    expect(compilerSuffices({ family: "gcc", version: "9.4.0" })).toBe(false);
    expect(compilerSuffices({ family: "clang", version: "13.0.1" })).toBe(false);
    expect(compilerSuffices(null)).toBe(false);
  });
});

describe("missing system parts", () => {
  it("finds none on a complete machine", () => {
    expect(missingParts(COMPLETE)).toEqual([]);
  });

  it.each([
    [{ compiler: null }, "compiler"],
    [{ cmake: null }, "cmake"],
    [{ cmake: "cmake version 3.16.3" }, "cmake"],
    [{ generator: false }, "generator"],
    [{ hdf5: null }, "hdf5"],
    [{ lz4: null }, "lz4"],
    [{ zlib: null }, "zlib"],
  ])("%j lacks %s", (change, part) => {
    expect(missingParts({ ...COMPLETE, ...change })).toEqual([part]);
  });

  it("names the package of each manager", () => {
    const commands = installHints(["compiler", "hdf5", "lz4", "zlib"]).map((hint) => hint.command);
    expect(commands).toEqual([
      "sudo apt-get update && sudo apt-get install -y --no-install-recommends g++ libhdf5-dev liblz4-dev zlib1g-dev",
      "sudo dnf install -y gcc-c++ hdf5-devel lz4-devel zlib-devel",
      'conda install -y -c conda-forge cxx-compiler "hdf5=*=nompi*" lz4-c zlib',
    ]);
  });

  it("installs as root with apt", () => {
    const commands = installCommands(["cmake"], { apt: true, root: true, sudo: false });
    expect(commands?.map((command) => command.join(" "))).toEqual([
      "env DEBIAN_FRONTEND=noninteractive apt-get -q update",
      "env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends cmake",
    ]);
  });

  it("uses sudo only where it asks nothing", () => {
    const commands = installCommands(["cmake"], { apt: true, root: false, sudo: true });
    expect(commands?.every((command) => command.slice(0, 2).join(" ") === "sudo -n")).toBe(true);
  });

  it.each([
    { apt: true, root: false, sudo: false },
    { apt: false, root: true, sudo: false },
    { apt: false, root: false, sudo: true },
  ])("leaves it to a person with %j", (rights) => {
    expect(installCommands(["cmake"], rights)).toBeNull();
  });
});

describe("installed packages", () => {
  const lock = {
    packages: { "": { version: "1.0.0" }, "node_modules/a": { version: "1.2.3" }, "node_modules/b": { version: "2.0.0", optional: true } },
  };
  const everywhere = () => true;

  it("are fresh when npm's own list agrees; an optional one may be absent", () => {
    expect(packagesStale(lock, { packages: { "node_modules/a": { version: "1.2.3" } } }, everywhere)).toBeNull();
  });

  it.each([
    ["not installed yet", null, everywhere],
    ["node_modules/a is missing", { packages: {} }, everywhere],
    ["node_modules/a is 1.2.2, the lock file says 1.2.3", { packages: { "node_modules/a": { version: "1.2.2" } } }, everywhere],
    ["node_modules/a is missing", { packages: { "node_modules/a": { version: "1.2.3" } } }, () => false],
  ])("are stale: %s", (reason, installed, exists) => {
    expect(packagesStale(lock, installed, exists)).toBe(reason);
  });
});

describe("compiled files", () => {
  it("without a source are orphans", () => {
    const outputs = ["cli/main.js", "cli/main.js.map", "cli/main.d.ts", "old.js", "old.d.ts", "main.d.ts.map"];
    expect(orphanOutputs(outputs, ["cli/main.ts", "main.ts"])).toEqual(["old.js", "old.d.ts"]);
  });
});

describe("on disk", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "xpcs-setup-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("a digest changes with content, names and facts, and with nothing else", () => {
    mkdirSync(join(folder, "src"));
    writeFileSync(join(folder, "src/a.ts"), "a");
    const first = digest(folder, ["src", "absent"], ["x 1"]);
    expect(digest(folder, ["src", "absent"], ["x 1"])).toBe(first);
    expect(digest(folder, ["src"], ["x 2"])).not.toBe(first);
    writeFileSync(join(folder, "src/a.ts"), "b");
    expect(digest(folder, ["src"], ["x 1"])).not.toBe(first);
    writeFileSync(join(folder, "src/a.ts"), "a");
    writeFileSync(join(folder, "src/b.ts"), "");
    expect(digest(folder, ["src"], ["x 1"])).not.toBe(first);
    expect(filesUnder(folder, "src")).toEqual(["src/a.ts", "src/b.ts"]);
  });

  it("a stamp is read back", () => {
    const file = join(folder, "build/.stamp");
    expect(readStamp(file)).toBeNull();
    writeStamp(file, "abc");
    expect(readStamp(file)).toBe("abc");
  });

  it("a lock of a process that died is taken over", () => {
    const file = join(folder, "lock");
    // Above the largest process number that Linux gives.
    writeFileSync(file, "4194305");
    let held = "";
    withLock(
      file,
      () => {},
      () => {
        held = readFileSync(file, "utf8");
      },
    );
    expect(held).toBe(String(process.pid));
    expect(existsSync(file)).toBe(false);
  });
});

describe("the tests that npm test leaves out", () => {
  it("are all there", () => {
    expect([...LONG_TESTS, ...LONE_TESTS].filter((path) => !existsSync(join(import.meta.dirname, "..", path)))).toEqual([]);
  });
});
