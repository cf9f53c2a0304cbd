/** Texts by which a site is started again without anybody: a systemd user unit, and an entry of Slurm's scrontab. Pure. */
import { XpcsError } from "../../core/errors.js";
import { quoted } from "../../sites/bash-words.js";
import type { Launch } from "./launch.js";

/** What a site needs beyond its grace: kernels are stopped, central is told. */
export const GOODBYE_S = 20;
/** First line of a unit that was written by this program, which may write it anew. */
export const UNIT_MARK = "# Written by xpcs site start --systemd.";

function oneLine(text: string): string {
  if (/\p{Cc}/u.test(text))
    throw new XpcsError("INVALID_ARGUMENT", `${JSON.stringify(text)} cannot be written into a unit: it has a control character`);
  return text;
}

/** One word as systemd.syntax(7) has it; a percent sign would begin a specifier. */
const unitWord = (text: string): string => `"${oneLine(text).replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%")}"`;
/** Within a command line a dollar sign would begin a variable, but not in the program's path, which may not be quoted from within. */
function commandWord(text: string, place: number): string {
  if (place > 0) return unitWord(text).replaceAll("$", "$$$$");
  if (/["'\\]/.test(text))
    throw new XpcsError(
      "INVALID_ARGUMENT",
      `${text} cannot be started by systemd: put this program into a folder without quotes and backslashes`,
    );
  return unitWord(text);
}

/**
 * The unit: started again after a failure, but not where that is pointless: a mistake in its options or settings (exit 2), a refusal (4).
 * See systemd.service(5), systemd.exec(5), systemd.kill(5).
 */
export function systemdUnit({ name, cwd, environment, graceS }: Launch, argv: readonly string[]): string {
  return `${[
    UNIT_MARK,
    "[Unit]",
    `Description=xpcs site ${name}`,
    "[Service]",
    `WorkingDirectory=${oneLine(cwd).replaceAll("%", "%%")}`,
    ...Object.entries(environment).map(([variable, value]) => `Environment=${unitWord(`${variable}=${value}`)}`),
    `ExecStart=${argv.map(commandWord).join(" ")}`,
    "Restart=on-failure",
    "RestartSec=10",
    "RestartPreventExitStatus=2 4",
    "# The site ends its kernel hosts itself: it alone gets SIGTERM, and has its grace period and some seconds to obey.",
    "KillMode=mixed",
    `TimeoutStopSec=${graceS + GOODBYE_S}`,
    "[Install]",
    "WantedBy=default.target",
  ].join("\n")}\n`;
}

/** The commands that put a unit to work. */
export function unitCommands(name: string, user: string): string[] {
  return ["systemctl --user daemon-reload", `systemctl --user enable --now xpcs-site-${name}`, `loginctl enable-linger ${quoted(user)}`];
}

/**
 * An entry of scrontab(1) (https://slurm.schedmd.com/scrontab.html): a batch job whose successor begins when it has ended. `%` is refused, since crontabs and
 * names of output files give it a meaning.
 */
export function scrontabEntry({ name, cwd, environment, graceS }: Launch, argv: readonly string[], output: string): string {
  const assignments = Object.entries(environment).map(([variable, value]) => `${variable}=${value}`);
  const percent = [cwd, output, ...assignments, ...argv].find((text) => oneLine(text).includes("%"));
  if (percent !== undefined) throw new XpcsError("INVALID_ARGUMENT", `${percent} cannot be written into a scrontab: it has a percent sign`);
  if (/\s/.test(output))
    throw new XpcsError("INVALID_ARGUMENT", `${output} cannot be written into a scrontab: it has a space; --state names another folder`);
  return `${[
    `# xpcs site ${name}, by xpcs site start --scrontab. What the facility asks for goes before the entry, for example:`,
    "#   #SCRON --qos=workflow",
    "#   #SCRON --account=NAME",
    "#   #SCRON --time=30-00:00:00",
    `#SCRON --job-name=xpcs-site-${name}`,
    `#SCRON --output=${output}`,
    "#SCRON --open-mode=append",
    "# Before its time is over it is told to stop.",
    `#SCRON --signal=B:TERM@${graceS + GOODBYE_S}`,
    `*/5 * * * * cd ${quoted(cwd)} && exec env ${[...assignments, ...argv].map(quoted).join(" ")}`,
  ].join("\n")}\n`;
}
