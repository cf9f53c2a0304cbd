/** What goes into a bundle, and what it says that it needs: the readers of ldd and objdump, and the choice of files. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { glibcNeed, glibcNumber, isGlibc, librariesOf, runTool } from "../../src/cli/bundle/elf.js";
import { inspectBundle, readManifest } from "../../src/cli/bundle/manifest.js";
import { isTaken, packageFolders } from "../../src/cli/bundle/packages.js";
import type { XpcsError } from "../../src/core/errors.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "xpcs-contents-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("libraries", () => {
  const LDD = [
    "/opt/a.node:",
    "\tlinux-vdso.so.1 (0x00007f4d3d64d000)",
    "\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f4d3d61b000)",
    "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f4d3cc1e000)",
    "\t/lib64/ld-linux-x86-64.so.2 (0x00007f4d3d64f000)",
    "/opt/b.node:",
    "\tstatically linked",
    "/opt/c.node:",
    "\tlibhdf5_serial.so.103 => /opt/with space/libhdf5_serial.so.103 (0x00007f4d3ce00000)",
    "\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f4d3d61b000)",
  ].join("\n");

  it("are those that ldd names, once each, without glibc's", () => {
    expect([...librariesOf(LDD)]).toEqual([
      ["libhdf5_serial.so.103", "/opt/with space/libhdf5_serial.so.103"],
      ["libz.so.1", "/lib/x86_64-linux-gnu/libz.so.1"],
    ]);
  });

  it("that are missing are named", () => {
    expect(() => librariesOf("\tlibgone.so.1 => not found\n")).toThrow(/libgone\.so\.1.* is not on this machine/);
  });

  it.each(["libc.so.6", "libm.so.6", "libmvec.so.1", "libresolv.so.2", "libnss_files.so.2", "ld-linux-aarch64.so.1"])(
    "%s is glibc's",
    (name) => {
      expect(isGlibc(name)).toBe(true);
    },
  );

  it.each(["libcurl.so.4", "libcrypto.so.3", "libcom_err.so.2", "libstdc++.so.6", "libgcc_s.so.1", "librtmp.so.1", "libcrypt.so.1"])(
    "%s is not",
    (name) => {
      expect(isGlibc(name)).toBe(false);
    },
  );
});

describe("the oldest glibc", () => {
  const dump = (file: string, ...versions: string[]) =>
    [
      `${file}:     file format elf64-x86-64`,
      "Version References:",
      "  required from libc.so.6:",
      ...versions.map((name) => `    0x0d696919 0x00 33 ${name}`),
    ].join("\n");

  it("is the newest that one of the files asks for, by number and not by letters", () => {
    const text = [dump("/a", "GLIBC_2.9", "GLIBC_2.28"), dump("/b", "GLIBC_2.4", "GLIBCXX_3.4.30"), dump("/c", "GLIBC_2.3.4")].join("\n\n");
    expect(glibcNeed(text)).toEqual({ version: "2.28", file: "/a" });
  });

  it("counts relative relocations, and knows of none where there is none", () => {
    expect(glibcNeed(dump("/a", "GLIBC_2.17", "GLIBC_ABI_DT_RELR"))).toEqual({ version: "2.36", file: "/a" });
    expect(glibcNeed(dump("/a", "GLIBC_PRIVATE"))).toBeNull();
  });

  it("does not take what a library defines for what it needs", () => {
    expect(glibcNeed("/a:     file format elf64-x86-64\nVersion definitions:\n1 0x01 0x0d696919 GLIBC_2.40\n")).toBeNull();
  });

  it("is ordered as a number", () => {
    expect(["2.5", "2.17", "2.36", "3.0"].map(glibcNumber)).toEqual([2005, 2017, 2036, 3000]);
  });
});

describe("packages", () => {
  const add = (path: string, manifest: object) => {
    mkdirSync(join(folder, path), { recursive: true });
    writeFileSync(join(folder, path, "package.json"), JSON.stringify(manifest));
  };

  it("are those that the program depends on, as Node finds them; optional ones where they are there", () => {
    add("", { dependencies: { a: "1", "cmake-js": "1" }, devDependencies: { typescript: "1" } });
    add("node_modules/a", { dependencies: { b: "2" }, optionalDependencies: { c: "1", other: "1" } });
    add("node_modules/a/node_modules/b", { dependencies: { a: "1" } });
    for (const name of ["b", "c", "cmake-js", "typescript"]) add(`node_modules/${name}`, {});
    expect(packageFolders(folder)).toEqual(["a", "a/node_modules/b", "c"].map((name) => join(folder, "node_modules", name)));
  });

  it("that are missing are named", () => {
    add("", { dependencies: { gone: "1" } });
    expect(() => packageFolders(folder)).toThrow(/gone is not installed/);
  });

  it.each([
    ["dist/index.js", true],
    ["LICENSE.md", true],
    ["prebuilds/linux-x64/a.node", true],
    ["prebuilds/linux-x64/a.musl.node", false],
    ["prebuilds/darwin-arm64/a.node", false],
    ["build/linux/x64/node/glibc-127-Release/addon.node", true],
    ["build/linux/x64/node/glibc-115-Release/addon.node", false],
    ["build/linux/arm64/node/glibc-127-Release/addon.node", false],
    ["build/win32/x64/node/115/addon.node", false],
    ["build/manifest.json", true],
    ["src/binding.cc", false],
    ["dist/index.d.ts", false],
    ["dist/index.js.map", false],
    ["README.md", false],
    ["node_modules/b/index.js", false],
    ["test/data.h5", false],
    ["dist/test/index.js", true],
  ])("%s is taken: %s", (path, taken) => {
    expect(isTaken(path, "linux-x64")).toBe(taken);
  });
});

describe("an unpacked bundle", () => {
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

  it("is compared with its manifest: what is changed or missing is named", async () => {
    expect(await inspectBundle(folder)).toBeNull();
    for (const name of ["a", "b", "c"]) writeFileSync(join(folder, name), name);
    const files = { a: sha256("a"), b: sha256("b"), c: sha256("c") };
    const manifest = { format: 1, version: "0.1.0", platform: "linux-x64", node: "20.0.0", glibc: "2.28", files };
    writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
    expect(await inspectBundle(folder)).toEqual({ version: "0.1.0", glibc: "2.28", files: 3, changed: [] });
    writeFileSync(join(folder, "b"), "B");
    rmSync(join(folder, "c"));
    expect((await inspectBundle(folder))!.changed).toEqual(["b", "c"]);
    writeFileSync(join(folder, "manifest.json"), "{");
    expect((await inspectBundle(folder))!.changed).toEqual(["manifest.json"]);
  });
});

describe("what is missing or broken", () => {
  it("is a tool: its package is named", () => {
    const before = process.env.PATH;
    process.env.PATH = folder;
    try {
      expect(() => runTool("patchelf", ["--version"])).toThrow(
        expect.objectContaining<Partial<XpcsError>>({ code: "UNSUPPORTED", message: expect.stringContaining("install patchelf") }),
      );
    } finally {
      process.env.PATH = before;
    }
  });

  it.each([
    ["no archive", "hello"],
    ["nothing", ""],
  ])("is a bundle that is %s", (_what, text) => {
    const path = join(folder, "x.tar.gz");
    writeFileSync(path, text);
    expect(() => readManifest(path)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  it("is a manifest with words that a shell would obey", () => {
    mkdirSync(join(folder, "xpcs"));
    const manifest = { format: 1, version: "1; rm -rf x", platform: "linux-x64", node: "20.0.0", glibc: "2.28", files: {} };
    const path = join(folder, "x.tar.gz");
    for (const [version, ok] of [
      ["1; rm -rf x", false],
      ["1.2.3-rc.1", true],
    ] as const) {
      writeFileSync(join(folder, "xpcs/manifest.json"), JSON.stringify({ ...manifest, version }));
      runTool("tar", ["-czf", path, "-C", folder, "xpcs"]);
      if (ok) expect(readManifest(path).version).toBe(version);
      else expect(() => readManifest(path)).toThrow(/is no bundle/);
    }
  });
});
