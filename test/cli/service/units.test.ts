/** The texts for systemd and scrontab: read again by the programs that they are for, where these are there. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Launch } from "../../../src/cli/service/launch.js";
import { scrontabEntry, systemdUnit, UNIT_MARK } from "../../../src/cli/service/units.js";

const root = mkdtempSync(join(tmpdir(), "xpcs-units-"));
afterAll(() => rmSync(root, { recursive: true }));

const launch: Launch = {
  name: "polaris",
  cwd: "/data/my project",
  words: ["--name", "polaris", "--state", "/s", "--work", "/w"],
  environment: { PATH: "/usr/bin:/opt/slurm/bin", XPCS_CENTRAL: "wss://c:1" },
  graceS: 30,
};
const ARGV = ["/opt/node", "/opt/main.js", "site", "--work", `/a "b" 100% $HOME \\ 'c'`];

describe("the systemd unit", () => {
  it("has every word once, as systemd unquotes it", () => {
    expect(systemdUnit(launch, ARGV)).toBe(
      [
        UNIT_MARK,
        "[Unit]",
        "Description=xpcs site polaris",
        "[Service]",
        "WorkingDirectory=/data/my project",
        'Environment="PATH=/usr/bin:/opt/slurm/bin"',
        'Environment="XPCS_CENTRAL=wss://c:1"',
        `ExecStart="/opt/node" "/opt/main.js" "site" "--work" "/a \\"b\\" 100%% $$HOME \\\\ 'c'"`,
        "Restart=on-failure",
        "RestartSec=10",
        "RestartPreventExitStatus=2 4",
        "# The site ends its kernel hosts itself: it alone gets SIGTERM, and has its grace period and some seconds to obey.",
        "KillMode=mixed",
        "TimeoutStopSec=50",
        "[Install]",
        "WantedBy=default.target",
        "",
      ].join("\n"),
    );
  });

  it("refuses what would be a second line", () => {
    expect(() => systemdUnit(launch, ["/x", "a\nExecStop=/bin/rm"])).toThrow(/control character/);
    expect(() => systemdUnit(launch, ['/x"y'])).toThrow(/without quotes/);
    expect(() => systemdUnit({ ...launch, cwd: "/a\n[Install]" }, ARGV)).toThrow(/control character/);
  });

  const analyze = spawnSync("systemd-analyze", ["--version"]).status === 0;
  it.skipIf(!analyze)("passes systemd-analyze verify, with a program whose path needs every kind of quoting", () => {
    const folder = join(root, "p q%n$HOME;#");
    mkdirSync(folder);
    const program = join(folder, "run");
    writeFileSync(program, "#!/bin/sh\n");
    chmodSync(program, 0o755);
    const unit = join(root, "xpcs-site-polaris.service");
    const verify = (text: string) => {
      writeFileSync(unit, text);
      return spawnSync("systemd-analyze", ["--user", "--man=no", "verify", unit], {
        encoding: "utf8",
        env: { ...process.env, XDG_RUNTIME_DIR: root },
      });
    };
    const good = verify(systemdUnit({ ...launch, cwd: folder }, [program, ...ARGV.slice(1)]));
    expect([good.status, good.stderr]).toEqual([0, ""]);
    // It does look: a program that is not there is found out, and so is a setting that is none.
    expect(verify(systemdUnit(launch, [`${program}2`])).stderr).toContain("not executable");
    expect(verify(systemdUnit(launch, ARGV).replace("KillMode=mixed", "KillMode=none-such")).stderr).toMatch(/kill mode/);
  });
});

describe("the scrontab entry", () => {
  const entry = scrontabEntry(launch, ["/opt/node", "/opt/main.js", "site", "--work", "/it's here"], "/state/scrontab.out");

  it("is comments, options of the one entry, and the entry", () => {
    const lines = entry.trimEnd().split("\n");
    expect(lines.at(-1)).toBe(
      "*/5 * * * * cd '/data/my project' && exec env 'PATH=/usr/bin:/opt/slurm/bin' 'XPCS_CENTRAL=wss://c:1' '/opt/node' '/opt/main.js' 'site' '--work' '/it'\\''s here'",
    );
    expect(lines.filter((line) => line.startsWith("#SCRON"))).toEqual([
      "#SCRON --job-name=xpcs-site-polaris",
      "#SCRON --output=/state/scrontab.out",
      "#SCRON --open-mode=append",
      "#SCRON --signal=B:TERM@50",
    ]);
    expect(lines.slice(0, -1).every((line) => line.startsWith("#"))).toBe(true);
  });

  it("is a command that a shell takes apart as it was meant", () => {
    const words = join(root, "words");
    writeFileSync(words, `#!/bin/sh\nfor w; do printf '%s\\n' "$w"; done\npwd\nprintf '%s\\n' "$XPCS_CENTRAL"\n`);
    chmodSync(words, 0o755);
    const text = scrontabEntry({ ...launch, cwd: root }, [words, "a b", "it's", '"$HOME"', "*"], "/o");
    const command = text.trimEnd().split("\n").at(-1)!.replace("*/5 * * * * ", "");
    expect(execFileSync("/bin/sh", ["-c", command], { encoding: "utf8" }).split("\n")).toEqual([
      "a b",
      "it's",
      '"$HOME"',
      "*",
      root,
      "wss://c:1",
      "",
    ]);
  });

  it("refuses a percent sign and a line end", () => {
    expect(() => scrontabEntry(launch, ["/x", "100%"], "/o")).toThrow(/percent/);
    expect(() => scrontabEntry(launch, ["/x", "a\nb"], "/o")).toThrow(/control character/);
  });
});
