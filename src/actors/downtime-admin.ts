/** What operators do to keep jobs from sites: downtimes, which they look at with the feeds, enter by hand and remove; and probation. */
import type { Principal } from "../core/access.js";
import { BY_HAND, type Downtime, type DowntimeView, OWN_SOURCES } from "../core/downtime.js";
import { XpcsError } from "../core/errors.js";
import type { ClientApi } from "../core/protocols.js";
import type { Central } from "./central.js";
import { CLIENT_REQUESTS, parseRequest } from "./requests.js";

type DowntimeApi = Pick<ClientApi, "downtimes" | "addDowntime" | "removeDowntime" | "setProbation">;

/** The downtimes' part of the client's interface of `central`, in the name of `principal`. */
export function downtimeAdmin(central: Central, { person }: Principal): DowntimeApi {
  const parse = <M extends keyof DowntimeApi>(method: M, request: unknown) =>
    parseRequest(CLIENT_REQUESTS[method], method, request) as Parameters<DowntimeApi[M]>[0];
  /** Within a turn. */
  const viewOf = (id: string): DowntimeView | undefined => central.downtimeViews().find((view) => view.id === id);
  return {
    async downtimes(request) {
      parse("downtimes", request);
      return central.turn(() => ({ downtimes: central.downtimeViews(), feeds: [...central.feeds.views()] }));
    },
    async addDowntime(request) {
      const { id, site, from, to, text } = parse("addDowntime", request);
      const fromMs = Date.parse(from);
      const toMs = to === null ? null : Date.parse(to);
      if (toMs !== null && toMs <= fromMs)
        throw new XpcsError("INVALID_ARGUMENT", "addDowntime: to: the end must be later than the beginning");
      central.checkRoom();
      return central.turn(() => {
        const nowMs = central.clock.nowMs();
        // What has an end, or is still to begin, somebody has planned.
        const kind = toMs === null && fromMs <= nowMs ? "unplanned" : "planned";
        const downtime: Downtime = { id, site, fromMs, toMs, kind, source: BY_HAND, fetchedMs: nowMs, text, by: person };
        central.execute({ type: "addDowntime", downtime }, person);
        return { downtime: viewOf(id)! };
      });
    },
    async removeDowntime(request) {
      const { id } = parse("removeDowntime", request);
      return central.turn(() => {
        const before = viewOf(id);
        if (before === undefined) throw new XpcsError("NOT_FOUND", `there is no downtime ${id}: xpcs site downtime shows them`);
        if (OWN_SOURCES.some((source) => source === before.source))
          throw new XpcsError("REFUSED", `downtime ${id} is nobody's word, but what central knows by itself: it goes with its cause`);
        central.execute({ type: "removeDowntime", id, person }, person);
        return { downtime: viewOf(id)! };
      });
    },
    async setProbation(request) {
      const { site, reason } = parse("setProbation", request);
      return central.turn(() => {
        central.execute({ type: "setProbation", site, reason }, person);
        return {};
      });
    },
  };
}
