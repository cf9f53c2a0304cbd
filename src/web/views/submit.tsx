/** Hands a detector file to central. Central checks what is sent as it checks what the command line sends, and its words are shown. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ANALYSIS_TYPES, ERROR_CONVENTIONS } from "../../core/analysis.js";
import { DEFAULT_EXPERIMENT } from "../../core/job.js";
import { askJson, messageOf } from "../api.js";
import { FileChoice, hasServedFolders } from "../file-choice.js";
import { mayAct, me } from "../me.js";
import { linkTo } from "../place.js";

interface Field {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly needed?: true;
  readonly number?: true;
}

const FILES: readonly Field[] = [
  { name: "input", label: "Detector file", hint: "as central and the sites see it: /data/2026-3/smith/A053.bin", needed: true },
  { name: "qmap", label: "q-map", needed: true },
  { name: "metadata", label: "Metadata" },
  { name: "out", label: "Result", hint: "empty: beside the input, NAME_results.hdf" },
];
const NUMBERS: readonly Field[] = [
  { name: "begin", label: "First frame", number: true },
  { name: "end", label: "Last frame", number: true },
  { name: "stride", label: "Stride", number: true },
  { name: "average", label: "Average", number: true },
  { name: "dpl", label: "Delays per level", number: true },
  { name: "frameTimeS", label: "Frame time, s", hint: "where neither the file nor its metadata say it", number: true },
];

function resultOf(input: string): string {
  return `${input.replace(/\.[^./]*$/, "")}_results.hdf`;
}

/** A request without what was left empty. */
function jobOf(form: FormData, experiment: string) {
  const text = (name: string) => String(form.get(name) ?? "").trim();
  const file = (name: string) => (text(name) === "" ? {} : { [name]: { path: text(name) } });
  const numbers = NUMBERS.flatMap(({ name }) => (text(name) === "" ? [] : [[name, Number(text(name))]]));
  const options = { type: text("type"), errors: text("errors"), ...Object.fromEntries(numbers) };
  const tags = Object.fromEntries(
    text("tags")
      .split(/[\s,]+/)
      .flatMap((pair) => (pair.includes("=") ? [[pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]] : [])),
  );
  const out = { path: text("out") || resultOf(text("input")) };
  const work = { app: "xpcs.corr", ...file("input"), ...file("qmap"), ...file("metadata"), out, overwrite: form.has("overwrite"), options };
  const site = text("site") === "" ? {} : { site: text("site") };
  return { work, tags, attemptsMax: 3, experiment: text("experiment") || experiment, ...site };
}

function Input({ field: { name, label, hint, needed, number } }: { field: Field }) {
  return (
    <p>
      <label for={name}>{label}</label>
      <input
        id={name}
        name={name}
        required={needed === true}
        inputMode={number === true ? "numeric" : "text"}
        {...(number === true ? { type: "number", min: 0, step: "any" } : {})}
      />
      {hint !== undefined && <small>{hint}</small>}
    </p>
  );
}

/** A field of a path, with what chooses it where central serves folders. */
function FileInput({ field, experiment, served }: { field: Field; experiment: () => string; served: boolean }) {
  const isOpen = useSignal(false);
  const input = useRef<HTMLInputElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const { name, label, hint, needed } = field;
  return (
    <>
      <p>
        <label for={name}>{label}</label>
        <input ref={input} id={name} name={name} required={needed === true} />
        {served && name !== "out" && (
          <button
            ref={opener}
            type="button"
            aria-expanded={isOpen.value}
            aria-label={`Choose ${label}…`}
            onClick={() => {
              isOpen.value = !isOpen.value;
            }}
          >
            Choose…
          </button>
        )}
        {hint !== undefined && <small>{hint}</small>}
      </p>
      {isOpen.value && (
        <FileChoice
          experiment={experiment()}
          what={label}
          choose={(path) => {
            if (path !== null) input.current!.value = path;
            isOpen.value = false;
            opener.current?.focus();
          }}
        />
      )}
    </>
  );
}

function Choice({ name, label, values }: { name: string; label: string; values: readonly string[] }) {
  return (
    <p>
      <label for={name}>{label}</label>
      <select id={name} name={name}>
        {values.map((value) => (
          <option key={value}>{value}</option>
        ))}
      </select>
    </p>
  );
}

/** The form. */
export function Submit() {
  const made = useSignal<string | null>(null);
  const problem = useSignal<string | null>(null);
  // The same form sent twice makes one job; a changed one is another.
  const key = useSignal(crypto.randomUUID());
  const served = useSignal(false);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    void hasServedFolders().then((has) => {
      served.value = has;
    });
  }, []);
  const typedExperiment = (): string => String(new FormData(form.current!).get("experiment") ?? "").trim();
  if (!mayAct()) return <p>This token sees everything and changes nothing.</p>;
  const experiment = me.value?.experiment ?? DEFAULT_EXPERIMENT;
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    problem.value = null;
    const job = jobOf(new FormData(event.currentTarget as HTMLFormElement), experiment);
    askJson<{ jobs: string[] }>("/v1/jobs", { method: "POST", key: key.value, body: { jobs: [job] } }).then(
      ({ jobs }) => {
        made.value = jobs[0] ?? null;
        key.value = crypto.randomUUID();
      },
      (error: unknown) => {
        problem.value = messageOf(error);
        // What was refused was not made; what was corrected is another request.
        key.value = crypto.randomUUID();
      },
    );
  };
  return (
    <>
      <h1>Submit</h1>
      <form ref={form} class="submit" onSubmit={send}>
        <fieldset>
          <legend>Files</legend>
          {FILES.map((field) => (
            <FileInput key={field.name} field={field} served={served.value} experiment={() => typedExperiment() || experiment} />
          ))}
          <p>
            <label>
              <input type="checkbox" name="overwrite" /> replace a result that is there
            </label>
          </p>
        </fieldset>
        <fieldset>
          <legend>Analysis</legend>
          <Choice name="type" label="Type" values={ANALYSIS_TYPES} />
          <Choice name="errors" label="Errors" values={ERROR_CONVENTIONS} />
          {NUMBERS.map((field) => (
            <Input key={field.name} field={field} />
          ))}
        </fieldset>
        <fieldset>
          <legend>Job</legend>
          <Input field={{ name: "experiment", label: "Experiment", hint: `empty: ${experiment}` }} />
          <Input field={{ name: "tags", label: "Tags", hint: "sample=silica temperature=300" }} />
          <Input field={{ name: "site", label: "Site", hint: "empty: where it is answered soonest" }} />
        </fieldset>
        {problem.value !== null && <p role="alert">{problem.value}</p>}
        {made.value !== null && (
          <p role="status">
            Submitted: <a href={linkTo(["jobs", made.value])}>{made.value}</a>
          </p>
        )}
        <button type="submit">Submit</button>
      </form>
    </>
  );
}
