/** Hands detector files to central, a job each. Central checks what is sent as it checks what the command line sends, and its words are shown. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ANALYSIS_TYPES, ERROR_CONVENTIONS } from "../../core/analysis.js";
import { DEFAULT_EXPERIMENT } from "../../core/job.js";
import { LIMITS } from "../../core/limits.js";
import { askJson, messageOf } from "../api.js";
import { FileChoice, hasServedFolders } from "../file-choice.js";
import { mayAct, me } from "../me.js";
import { linkTo } from "../place.js";
import { filesOf, jobsOf } from "../submit-jobs.js";

interface Field {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly needed?: true;
  readonly number?: true;
}

const FILES: readonly Field[] = [
  {
    name: "input",
    label: "Detector files",
    hint: "as central and the sites see them, one a line: /data/2026-3/smith/A053.bin",
    needed: true,
  },
  { name: "qmap", label: "q-map", needed: true },
  { name: "metadata", label: "Metadata" },
  { name: "out", label: "Result", hint: "empty: beside the input, NAME_results.hdf; of several files a folder" },
];
const NUMBERS: readonly Field[] = [
  { name: "begin", label: "First frame", number: true },
  { name: "end", label: "Last frame", number: true },
  { name: "stride", label: "Stride", number: true },
  { name: "average", label: "Average", number: true },
  { name: "dpl", label: "Delays per level", number: true },
  { name: "frameTimeS", label: "Frame time, s", hint: "where neither the file nor its metadata say it", number: true },
];

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

interface FileInputProps {
  readonly field: Field;
  readonly experiment: () => string;
  readonly served: boolean;
  readonly changed: () => void;
}

/** A field of a path, or of several, with what chooses it where central serves folders. */
function FileInput({ field, experiment, served, changed }: FileInputProps) {
  const isOpen = useSignal(false);
  const input = useRef<HTMLInputElement & HTMLTextAreaElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  const { name, label, hint, needed } = field;
  const isMany = name === "input";
  return (
    <>
      <p>
        <label for={name}>{label}</label>
        {isMany ? (
          <textarea ref={input} id={name} name={name} required={needed === true} rows={3} wrap="off" onInput={changed} />
        ) : (
          <input ref={input} id={name} name={name} required={needed === true} />
        )}
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
          mostFiles={isMany ? LIMITS.submitJobsMax : 1}
          choose={(paths) => {
            if (paths !== null) input.current!.value = paths.join("\n");
            changed();
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

/** What was submitted, with the way there. */
function Made({ jobs, experiment }: { jobs: readonly string[]; experiment: string }) {
  const [one] = jobs;
  return (
    <p role="status">
      Submitted:{" "}
      {jobs.length === 1 ? (
        <a href={linkTo(["jobs", one!])}>{one}</a>
      ) : (
        <a href={linkTo(["jobs"], { experiment })}>{jobs.length.toLocaleString("en")} jobs</a>
      )}
    </p>
  );
}

/** The form. */
export function Submit() {
  const made = useSignal<{ readonly jobs: readonly string[]; readonly experiment: string } | null>(null);
  const files = useSignal(0);
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
  if (!mayAct()) return <p>This token sees everything and changes nothing.</p>;
  const experiment = me.value?.experiment ?? DEFAULT_EXPERIMENT;
  const typed = (name: string): string => String(new FormData(form.current!).get(name) ?? "").trim();
  const count = () => {
    files.value = filesOf(typed("input")).length;
  };
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    problem.value = null;
    made.value = null;
    let body: { jobs: readonly object[] };
    try {
      const has = (name: string) => new FormData(form.current!).has(name);
      const numbers = NUMBERS.map(({ name }) => name);
      body = { jobs: jobsOf({ text: typed, has }, numbers, experiment) };
    } catch (error) {
      problem.value = messageOf(error);
      return;
    }
    const sent = typed("experiment") || experiment;
    askJson<{ jobs: string[] }>("/v1/jobs", { method: "POST", key: key.value, body }).then(
      ({ jobs }) => {
        made.value = { jobs, experiment: sent };
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
            <FileInput
              key={field.name}
              field={field}
              served={served.value}
              experiment={() => typed("experiment") || experiment}
              changed={count}
            />
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
        {made.value !== null && <Made {...made.value} />}
        <button type="submit">Submit{files.value > 1 && ` ${files.value.toLocaleString("en")} jobs`}</button>
      </form>
    </>
  );
}
