/** `xpcs leverage RESULT`: the pixels that pull g2, and the q-map without the blemishes. The result stays as it is. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { XpcsError } from "../core/errors.js";
import { type LeveragePixel, type LeverageTable, readLeverage } from "../xpcs/leverage-file.js";
import { patchQmap } from "../xpcs/native.js";
import { withExample } from "./help.js";
import type { CliIo } from "./output.js";

interface LeverageOptions {
  readonly patchQmap?: string;
  readonly overwrite?: true;
}

/** What a blemish is likely to be. */
function kindOf({ blemish, countsPerFrame, brightness }: LeveragePixel): string {
  if (!blemish) return "";
  if (countsPerFrame === 0) return "dead";
  if (brightness === null || brightness > 1.5) return "hot";
  return brightness < 0.67 ? "weak" : "unsteady";
}

const HEADINGS = ["row", "column", "q bin", "static", "counts/frame", "x median", "pull", "g2 moves", "most", "at delay", ""];

function rowOf(pixel: LeveragePixel): string[] {
  const signed = (value: number): string => `${value < 0 ? "-" : "+"}${Math.abs(value).toPrecision(3)}`;
  return [
    `${pixel.row}`,
    `${pixel.column}`,
    `${pixel.dynamicBin}`,
    `${pixel.staticBin}`,
    pixel.countsPerFrame.toPrecision(3),
    pixel.brightness === null ? "-" : pixel.brightness.toPrecision(3),
    pixel.pull.toPrecision(2),
    signed(pixel.change),
    signed(pixel.largestChange),
    `${pixel.largestChangeDelay}`,
    kindOf(pixel),
  ];
}

/** The rows under their headings, columns aligned to the right. */
function tableText(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADINGS.map((heading, at) => Math.max(heading.length, ...rows.map((row) => row[at]!.length)));
  return [HEADINGS, ...rows].map((row) =>
    row
      .map((cell, at) => cell.padStart(widths[at]!))
      .join("  ")
      .trimEnd(),
  );
}

function leverageText({ path, blemishPull, bins, pixels }: LeverageTable, patched: { path: string; masked: number } | null): string {
  const number = (value: number | null): string => (value === null ? "-" : value.toFixed(4));
  return [
    path,
    ...bins.map(({ bin, lagsJudged, blemishes, g2, g2WithoutBlemishes }) =>
      lagsJudged === 0
        ? `  q bin ${bin}: no lag has 20 photon pairs, its pixels cannot be judged`
        : `  q bin ${bin}: ${blemishes} blemishes; mean g2 over ${lagsJudged} lags ${number(g2)}, without them ${number(g2WithoutBlemishes)}`,
    ),
    `Pixels by pull (standard errors that one adds to g2 of the sound pixels; a blemish has ${blemishPull} or more). "g2 moves": when it alone is left out.`,
    ...tableText(pixels.map(rowOf)).map((line) => `  ${line}`),
    ...(patched === null ? [] : [`${patched.path}: the q-map with ${patched.masked} pixels masked`]),
  ].join("\n");
}

async function leverage(path: string, options: LeverageOptions, io: CliIo): Promise<void> {
  if (options.overwrite === true && options.patchQmap === undefined)
    throw new XpcsError("INVALID_ARGUMENT", "--overwrite goes with --patch-qmap FILE");
  const table = await readLeverage(resolve(path));
  const out = options.patchQmap === undefined ? null : resolve(options.patchQmap);
  const patched = out === null ? null : { path: out, masked: patchQmap(table.path, out, options.overwrite === true) };
  io.result({ ...table, patched }, () => leverageText(table, patched));
}

/** Adds the command to the program. */
export function registerLeverage(program: Command, io: CliIo): void {
  const command = program
    .command("leverage")
    .argument("<result>", "NeXus result of `xpcs corr --leverage`")
    .description("Show which pixels pull g2 and how much it would move without each. Never changes the result.")
    .option("--patch-qmap <file>", "write the result's q-map with the blemishes masked, for the next run or pySimpleMask")
    .option("--overwrite", "replace that file if it is there")
    .action((path: string, options: LeverageOptions) => leverage(path, options, io));
  withExample(command, "xpcs leverage scan_0001_results.hdf --patch-qmap qmap_patched.hdf");
}
