/**
 * The commands that a site allows, from its settings file (docs/apps.md): by name, an argv template and the type of each parameter. A job names
 * the app and fills in the parameters; it never brings a command line, and nothing goes through a shell.
 */
import { isAbsolute } from "node:path";
import { z } from "zod";
import { BUILT_IN_PREFIX } from "../core/job.js";
import { LIMITS } from "../core/limits.js";

const NAME = /^[a-z][A-Za-z0-9_]{0,63}$/;
/** What a template may use beside the parameters. */
export const GIVEN = ["job", "epoch", "site", "cores", "gpus", "folder", "nodes", "hosts"] as const;
/** A word that stands for all words with which the site starts a program on the nodes of the job. */
export const LAUNCHER = "{launcher}";

const bounds = { min: z.number().optional(), max: z.number().optional() };
const parameter = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("integer"), ...bounds, default: z.int().optional(), optional: z.literal(true).optional() }),
  z.strictObject({ type: z.literal("number"), ...bounds, default: z.number().optional(), optional: z.literal(true).optional() }),
  z.strictObject({ type: z.literal("boolean"), default: z.boolean().optional(), optional: z.literal(true).optional() }),
  z.strictObject({
    type: z.literal("text"),
    choices: z.array(z.string()).min(1).optional(),
    /** The whole text must match it. */
    pattern: z
      .string()
      .refine((source) => isPattern(source), "is no regular expression")
      .optional(),
    default: z.string().optional(),
    optional: z.literal(true).optional(),
  }),
  z.strictObject({ type: z.literal("input"), optional: z.literal(true).optional() }),
  z.strictObject({ type: z.literal("output"), optional: z.literal(true).optional() }),
]);
const argument = z.union([z.string(), z.strictObject({ when: z.string(), argv: z.array(z.string()).min(1) })]);
const argv = z
  .array(argument)
  .min(1)
  .refine((words) => {
    const program = words[0] === LAUNCHER ? words[1] : words[0];
    return typeof program === "string" && isAbsolute(program);
  }, "must begin with the absolute path of a program");
const app = z
  .strictObject({
    argv,
    parameters: z.record(z.string().regex(NAME, "is no name of a parameter"), parameter).default({}),
    before: z.array(argv).default([]),
    after: z.array(argv).default([]),
    env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string()).default({}),
    exclusive: z.boolean().default(false),
    /** Processes on each node, for {launcher}: a number, or the name of a parameter. */
    ranksPerNode: z.union([z.int().min(1).max(LIMITS.threadsMax), z.string()]).default(1),
  })
  .superRefine(({ argv: main, before, after, env, parameters, ranksPerNode }, context) => {
    const known = new Set<string>([...GIVEN, ...Object.keys(parameters)]);
    const fault = (message: string) => context.addIssue({ code: "custom", message });
    for (const given of GIVEN) if (Object.hasOwn(parameters, given)) fault(`the parameter "${given}" has the name of a given value`);
    if (typeof ranksPerNode === "string" && (!Object.hasOwn(parameters, ranksPerNode) || parameters[ranksPerNode]?.type !== "integer"))
      fault(`"ranksPerNode" names no parameter of whole numbers: "${ranksPerNode}"`);
    const words = [main, ...before, ...after].flat().flatMap((word) => {
      if (typeof word === "string") return [word];
      if (!Object.hasOwn(parameters, word.when)) fault(`"when" names no parameter: "${word.when}"`);
      return word.argv;
    });
    for (const word of [...words.filter((each) => each !== LAUNCHER), ...Object.values(env)]) {
      for (const [, name] of word.matchAll(/\{([^{}]*)\}/g))
        if (!known.has(name!))
          fault(`"${word}" uses {${name}}, which is ${`{${name}}` === LAUNCHER ? "a word of its own in a command line" : "no parameter"}`);
    }
    if (Object.keys(parameters).length > LIMITS.commandFieldsMax) fault(`there are more than ${LIMITS.commandFieldsMax} parameters`);
  });
/** What the file may hold. */
export const COMMAND_APPS = z.record(
  z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "is no name of an app")
    .refine((name) => !name.startsWith(BUILT_IN_PREFIX), `may not begin with ${BUILT_IN_PREFIX}`),
  app,
);

export type Parameter = z.infer<typeof parameter>;
export type CommandApp = z.infer<typeof app>;
export type CommandApps = Readonly<Record<string, CommandApp>>;
export type Argv = CommandApp["argv"];

function isPattern(source: string): boolean {
  try {
    new RegExp(source, "u");
    return true;
  } catch {
    return false;
  }
}
