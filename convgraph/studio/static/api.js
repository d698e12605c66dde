// The studio's HTTP interface. What it refuses is thrown as an error with its words.

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.message || `the studio answered ${status}`);
    this.status = status;
    this.kind = problem.error || "";
    this.details = problem.details || [];
  }
}

async function ask(method, path, body) {
  const headers = { "x-convgraph": "studio" };
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Refused(0, { error: "Unreachable", message: "The studio does not answer. Is it still running?" });
  }
  if (response.status === 204) return null;
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Refused(response.status, { message: `the studio answered ${response.status} with something that is no JSON` });
  }
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

export const get = (path) => ask("GET", path);
export const post = (path, body = {}) => ask("POST", path, body);
export const put = (path, body) => ask("PUT", path, body);
export const patch = (path, body) => ask("PATCH", path, body);
export const remove = (path) => ask("DELETE", path);

/** A path with its parts and query made safe: `path("api", "runs", id, {limit: 3})`. */
export function path(...parts) {
  const query = typeof parts.at(-1) === "object" ? parts.pop() : {};
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === null || value === undefined || value === "" ? [] : (Array.isArray(value) ? value : [value]).map((one) => [name, one]),
  );
  const search = new URLSearchParams(pairs).toString();
  return "/" + parts.map((part) => encodeURIComponent(part)).join("/") + (search ? "?" + search : "");
}

/**
 * Listen to a stream of events: `on` maps their names to functions of (data, id). The browser reconnects by itself and says what it
 * has heard last. `state` is told "open" and "lost". Returns a function that ends it.
 */
export function listen(where, on, state = () => {}) {
  const source = new EventSource(where);
  for (const [name, work] of Object.entries(on)) {
    source.addEventListener(name, (event) => work(JSON.parse(event.data), event.lastEventId));
  }
  source.onopen = () => state("open");
  source.onerror = () => state("lost");
  return () => source.close();
}
