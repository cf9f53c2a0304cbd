/** The page: log-in, the frame around the views, and which view is shown. */
import { signal } from "@preact/signals";
import { render } from "preact";
import { savedToken, saveToken } from "./api.js";
import { connection, logOut, refusal, startFollowing, version } from "./live.js";
import { mayAct, me } from "./me.js";
import { linkTo, place } from "./place.js";
import { Compare } from "./views/compare.js";
import { JobPage } from "./views/job.js";
import { Jobs } from "./views/jobs.js";
import { Overview } from "./views/overview.js";
import { Results } from "./views/results.js";
import { Submit } from "./views/submit.js";

const VIEWS = [
  ["overview", "Overview"],
  ["jobs", "Jobs"],
  ["results", "Results"],
  ["submit", "Submit"],
] as const;

/**
 * Whether a log-in link is being used, `#token=TOKEN` or `#/jobs/ID?token=TOKEN`: its token is taken out of the address, which people
 * show to others.
 */
function takeToken(): boolean {
  const { path, query } = place.value;
  const bare = /^#token=([\x21-\x7e]+)$/.exec(location.hash)?.[1];
  const token = bare === undefined ? query.get("token") : decodeURIComponent(bare);
  if (token === null) return false;
  saveToken(token);
  query.delete("token");
  history.replaceState(null, "", bare === undefined ? linkTo(path, Object.fromEntries(query)) : linkTo(["overview"]));
  dispatchEvent(new HashChangeEvent("hashchange"));
  return true;
}

const typed = signal("");

function LogIn() {
  const enter = (event: Event) => {
    event.preventDefault();
    saveToken(typed.value.trim());
    typed.value = "";
    startFollowing();
  };
  return (
    <main class="log-in">
      <h1>xpcs</h1>
      <form onSubmit={enter}>
        <label for="token">Token</label>
        <input
          id="token"
          type="password"
          autocomplete="off"
          required
          value={typed.value}
          onInput={({ currentTarget }) => {
            typed.value = currentTarget.value;
          }}
        />
        <button type="submit">Log in</button>
      </form>
      {refusal.value !== null && <p role="alert">{refusal.value}</p>}
      <p>
        A token is made with <code>xpcs token create</code>; one with <code>--role visitor</code> sees everything and changes nothing.
      </p>
    </main>
  );
}

const STATES = { connecting: "connecting", live: "live", lost: "connection lost: trying again", "logged-out": "" } as const;

function View() {
  const [name = "overview", id] = place.value.path;
  if (name === "jobs" && id !== undefined) return <JobPage key={id} id={id} />;
  if (name === "jobs") return <Jobs />;
  if (name === "results") return <Results />;
  if (name === "compare") return <Compare />;
  if (name === "submit") return <Submit />;
  return <Overview />;
}

function Page() {
  if (connection.value === "logged-out") return <LogIn />;
  const [here = "overview"] = place.value.path;
  return (
    <>
      <a class="skip" href="#main">
        To the content
      </a>
      <header>
        <strong>xpcs</strong>
        <nav aria-label="Views">
          {VIEWS.filter(([name]) => name !== "submit" || mayAct()).map(([name, title]) => (
            <a key={name} href={linkTo([name])} aria-current={(here === "compare" ? "results" : here) === name ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <span class={`connection ${connection.value}`} role="status">
          {STATES[connection.value]}
        </span>
        <span class="version">{version}</span>
        {me.value !== null && (
          <span class="muted">
            {me.value.person} ({me.value.role}
            {me.value.experiment === null ? "" : `, ${me.value.experiment}`})
          </span>
        )}
        <button type="button" onClick={logOut}>
          Log out
        </button>
      </header>
      <main id="main" tabindex={-1}>
        <View />
      </main>
    </>
  );
}

takeToken();
addEventListener("hashchange", () => {
  if (takeToken()) startFollowing();
});
if (savedToken() === null) connection.value = "logged-out";
else startFollowing();
render(<Page />, document.getElementById("page")!);
