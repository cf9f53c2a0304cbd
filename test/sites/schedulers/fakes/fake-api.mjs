/** What the fakes of facilities' HTTP APIs share: a server of JSON on loopback, which prints its port, and the files of a facility. */
import { createServer } from "node:http";

async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const type = request.headers["content-type"] ?? "";
  const bytes = Buffer.concat(pieces);
  if (type.startsWith("application/json")) return JSON.parse(bytes.toString("utf8"));
  if (type.startsWith("multipart/") || type.includes("urlencoded")) {
    const form = await new Response(bytes, { headers: { "content-type": type } }).formData();
    return Object.fromEntries(
      await Promise.all([...form].map(async ([name, value]) => [name, typeof value === "string" ? value : await value.text()])),
    );
  }
  return null;
}

/**
 * Serves `answer({ method, path, query, headers, body })`: `[status, value, headers]`. What it throws is a 500, as of a defect. Ends with its standard input.
 */
export function serve(answer) {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://fake.example");
    let found;
    try {
      const body = await bodyOf(request);
      const { method, headers } = request;
      found = await answer({ method, path: url.pathname, query: Object.fromEntries(url.searchParams), headers, body });
    } catch (error) {
      found = [500, { title: "Internal Server Error", status: 500, detail: String(error?.stack) }];
    }
    const [status, value, headers = {}] = found;
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(status === 204 ? undefined : JSON.stringify(value));
  });
  server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
  process.stdin.resume().on("end", () => process.exit(0));
}

/** One word for bash. */
export const word = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
