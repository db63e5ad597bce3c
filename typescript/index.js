// Logs calls of models to an installation of usage-analytics, by fetch alone: Node, Bun, Deno, edge functions, browsers.
//
// A call gets its identity and its time here, at once. Whatever is sent again (an answer was lost, a server was
// away) carries the same identity, so it is stored once.

const MAX_RECORDS = 500; // of a request; the API takes 1,000
const MAX_CHARACTERS = 1_000_000; // of a request; the API takes 8,000,000 bytes
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 60_000;
const MOST_ASKED_MS = 300_000; // a Retry-After beyond is not believed
const ATTEMPTS_THAT_KEEP_ALIVE = 5; // later ones wait without keeping the process
const TIMEOUT_MS = 30_000;
// Ids that Ollama draws out of a thousand: the API makes no identity of them, so neither do we.
const DRAWN = /^(?:chatcmpl-|cmpl-|resp_)\d{1,3}$/;

const env = (name) => globalThis.process?.env?.[name] || undefined;

let settings = {};
let lanes = new Map(); // key -> Lane
let counts = noCounts();

function noCounts() {
  return { logged: 0, stored: 0, updated: 0, alreadyThere: 0, dropped: 0, retries: 0, lastError: null, reasons: {} };
}

/** Settings of this process; what is left out comes from the environment (USAGE_URL, USAGE_WRITE_KEY). */
export function configure(given) {
  settings = { ...settings, ...given };
}

/** Logs a call of OpenAI: usage is that of the response, or the response. The id of the call, at once. */
export function logOpenAIUsage(clientId, conversationId, phone, model, usage, facts) {
  return log({ ...facts, source: "openai", clientId, conversationId, phone, model, usage });
}

/** Logs a call of Groq; the times in its usage are kept with the call. */
export function logGroqUsage(clientId, conversationId, phone, model, usage, facts) {
  return log({ ...facts, source: "groq", clientId, conversationId, phone, model, usage });
}

/** Logs a transcription, which costs by its seconds; a token estimate is counted and never priced. */
export function logWhisperUsage(clientId, conversationId, phone, durationSeconds, tokensEstimate, facts) {
  const estimate =
    tokensEstimate == null ? {} : { usage: { total_tokens: tokensEstimate }, tokensEstimated: true };
  return log({
    source: "whisper",
    model: "whisper-1",
    operation: "transcription",
    ...facts,
    clientId,
    conversationId,
    phone,
    durationSeconds,
    ...estimate,
  });
}

/** Logs a call of any provider. */
export function logUsage(call) {
  return log(call);
}

/** Sends what waits; true once all that was logged before is at the server, false after timeoutMs. */
export async function flush(timeoutMs = 10_000) {
  const until = Date.now() + timeoutMs;
  const sent = await Promise.all([...lanes.values()].map((lane) => lane.flush(until)));
  return sent.every(Boolean);
}

/** What became of the calls of this process. */
export function stats() {
  let waiting = 0;
  for (const lane of lanes.values()) waiting += lane.queue.length;
  return { ...counts, reasons: { ...counts.reasons }, waiting };
}

/** Forgets settings, counts and calls that wait: these are dropped, and told. */
export function reset() {
  for (const lane of lanes.values()) lane.end("reset() was called");
  lanes = new Map();
  settings = {};
  counts = noCounts();
}

async function log(call) {
  let record;
  try {
    record = recordOf(call ?? {});
    const text = JSON.stringify(record);
    counts.logged += 1;
    const url = settings.url ?? env("USAGE_URL");
    const given = settings.apiKey ?? env("USAGE_WRITE_KEY");
    const key = typeof given === "function" ? given(record.client_id) : given;
    const missing = url == null ? "url (or USAGE_URL)" : key ? null : "apiKey (or USAGE_WRITE_KEY)";
    if (missing) {
      drop([{ record }], `configure() needs ${missing}`);
      return null;
    }
    lane(String(url).replace(/\/+$/, ""), key).add({ record, text });
    return record.id ?? record.response_id;
  } catch (error) {
    // A BigInt, a circle, a getter that throws: the application goes on.
    drop([{ record: record ?? null }], `the call cannot be sent: ${error?.message ?? error}`);
    return null;
  }
}

function recordOf(call) {
  const response = call.usage && typeof call.usage === "object" && "usage" in call.usage ? call.usage : null;
  const source = call.source;
  const responseId = identityIn(source, call.responseId ?? response?.id);
  const at = call.createdAt ?? new Date();
  const record = {
    source,
    model: call.model ?? undefined,
    client_id: text(call.clientId),
    conversation_id: text(call.conversationId),
    phone: text(call.phone),
    usage: response ? withoutContent(response) : (call.usage ?? undefined),
    duration_seconds: call.durationSeconds,
    tokens_estimated: call.tokensEstimated,
    cost_usd: call.costUsd,
    // Whoever else tells of the same response adds no second call; all others are known by an id of their own.
    id: text(call.id) ?? (responseId ? undefined : newId()),
    response_id: responseId ?? text(call.responseId),
    created_at: at instanceof Date ? at.toISOString() : text(at),
    service_tier: call.serviceTier,
    operation: call.operation,
    outcome: call.outcome,
    latency_ms: call.latencyMs,
    time_to_first_token_ms: call.timeToFirstTokenMs,
    operation_id: text(call.operationId),
    attempt: call.attempt,
    account: call.account,
    stated_cost_usd: call.statedCostUsd,
    plan: call.plan,
    tags: call.tags,
    metadata: call.metadata,
  };
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined && value !== null));
}

const text = (value) => (value == null || value === "" ? undefined : String(value));

function identityIn(source, id) {
  if (typeof id !== "string" || !id.trim() || id.length > 200) return undefined;
  return source !== "openai" && DRAWN.test(id) ? undefined : id.trim();
}

/** A response without what people wrote: what its usage, tools, tier and end are read from. */
function withoutContent(response) {
  const kept = {};
  for (const name of ["id", "object", "type", "model", "usage", "service_tier", "status", "stop_reason", "incomplete_details"])
    if (response[name] != null) kept[name] = response[name];
  if (response.tool_usage != null) kept.tool_usage = response.tool_usage;
  if (Array.isArray(response.choices))
    kept.choices = response.choices.map((choice) => ({ finish_reason: choice?.finish_reason ?? null }));
  if (Array.isArray(response.output))
    kept.output = response.output.map((item) => ({
      type: item?.type,
      ...(item?.status && { status: item.status }),
      ...(item?.action?.type && { action: { type: item.action.type } }),
      ...(Array.isArray(item?.content) && { content: item.content.map((part) => ({ type: part?.type })) }),
    }));
  return kept;
}

/** A UUID of version 7: ids of one time stand together in the database. */
function newId() {
  const bytes = new Uint8Array(16);
  if (globalThis.crypto?.getRandomValues) globalThis.crypto.getRandomValues(bytes);
  else bytes.forEach((_, at) => (bytes[at] = Math.floor(Math.random() * 256))); // Node 18
  let time = Date.now();
  for (let at = 5; at >= 0; at -= 1) {
    bytes[at] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes[6] = 0x70 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function drop(items, reason) {
  if (!items.length) return;
  counts.dropped += items.length;
  const isNew = !(reason in counts.reasons);
  // A reason may have anything in it: of a thousand kinds the rest count together.
  const name = isNew && Object.keys(counts.reasons).length >= 1000 ? "others" : reason;
  counts.reasons[name] = (counts.reasons[name] ?? 0) + items.length;
  try {
    if (settings.onDropped) settings.onDropped(items.map((item) => item.record), reason);
    else if (isNew) console.error(`usage-analytics: ${items.length} calls are not stored: ${reason}`);
  } catch {
    // The application's own trouble does not stop the others' calls.
  }
}

function lane(url, key) {
  const name = `${url} ${key}`;
  if (!lanes.has(name)) lanes.set(name, new Lane(url, key));
  watchExit();
  return lanes.get(name);
}

let isWatched = false;
function watchExit() {
  const on = globalThis.process?.on;
  if (isWatched || typeof on !== "function") return;
  isWatched = true;
  on.call(globalThis.process, "exit", () => {
    for (const each of lanes.values()) each.end("the process ended before the server could be reached");
  });
}

/** What waits for one server with one key. One request at a time. */
class Lane {
  constructor(url, key) {
    this.url = url;
    this.key = key;
    this.queue = [];
    this.most = MAX_RECORDS; // of a request: fewer after a 413
    this.failures = 0;
    this.sending = null;
    this.timer = null;
    this.notBefore = 0;
  }

  add(item) {
    const most = settings.maxWaiting ?? 10_000;
    if (this.queue.length >= most) {
      drop([item], `more than ${most} calls wait for the server`);
      return;
    }
    this.queue.push(item);
    this.later(settings.lingerMs ?? 1_000);
    if (this.queue.length >= this.most && this.failures === 0) this.send();
  }

  later(milliseconds) {
    if (this.timer !== null) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.send();
    }, milliseconds);
    if (this.failures >= ATTEMPTS_THAT_KEEP_ALIVE) this.timer?.unref?.();
  }

  end(reason) {
    clearTimeout(this.timer);
    drop(this.queue.splice(0), reason);
  }

  async flush(until) {
    // What is logged meanwhile is not waited for.
    const last = this.queue.at(-1);
    while (last && this.queue.includes(last)) {
      const now = Date.now();
      const wait = this.notBefore - now;
      if (now >= until || (wait > 0 && now + wait > until)) return false;
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      const sent = this.send();
      const left = until - Date.now();
      let timer;
      await Promise.race([sent, new Promise((resolve) => (timer = setTimeout(resolve, Math.max(0, left))))]);
      clearTimeout(timer);
    }
    return true;
  }

  send() {
    this.sending ??= this.sendAll().finally(() => (this.sending = null));
    return this.sending;
  }

  async sendAll() {
    clearTimeout(this.timer);
    this.timer = null;
    while (this.queue.length) {
      const wait = await this.sendOne();
      if (wait === null) continue;
      this.notBefore = Date.now() + wait;
      clearTimeout(this.timer); // of a call that was logged meanwhile
      this.timer = null;
      this.later(wait);
      return;
    }
  }

  /** Sends the oldest calls. Null where they are done with, else the milliseconds until the next attempt. */
  async sendOne() {
    const batch = [];
    let size = 0;
    for (const item of this.queue.slice(0, this.most)) {
      size += item.text.length;
      if (batch.length && size > MAX_CHARACTERS) break;
      batch.push(item);
    }
    let status = 0;
    let headers;
    let content = null;
    let problem = "";
    try {
      const answer = await (settings.fetch ?? fetch)(`${this.url}/api/usage`, {
        method: "POST",
        headers: { "Content-Type": "application/json", Authorization: `Bearer ${this.key}` },
        body: `[${batch.map((item) => item.text).join(",")}]`,
        signal: AbortSignal.timeout(settings.timeoutMs ?? TIMEOUT_MS),
      });
      ({ status, headers } = answer);
      content = await answer.json().catch(() => null);
      problem = `${this.url} answered ${status}: ${content?.error ?? "not like this API: check the address"}`;
    } catch (error) {
      problem = `${this.url} cannot be reached: ${error?.cause?.message ?? error?.message ?? error}`;
      status = 0; // an answer that broke off tells nothing
    }
    if (Array.isArray(content?.results) && content.results.length === batch.length && status < 500) {
      this.took(batch, content.results);
      return null;
    }
    counts.lastError = problem;
    const isToRepeat = status === 0 || status === 408 || status === 425 || status === 429 || status >= 500;
    if (!isToRepeat && !(status >= 200 && status < 300)) {
      if (status === 413 && batch.length > 1) this.most = Math.max(1, batch.length >> 1);
      else this.refused(batch, problem);
      return null;
    }
    counts.retries += 1;
    this.failures += 1;
    const backoff = Math.min(LAST_RETRY_MS, (settings.firstRetryMs ?? FIRST_RETRY_MS) * 2 ** Math.min(this.failures - 1, 12));
    return Math.max(askedFor(headers), backoff * (0.5 + Math.random() / 2));
  }

  took(batch, results) {
    this.forget(batch);
    this.failures = 0;
    this.notBefore = 0;
    counts.lastError = null;
    const rejected = new Map();
    results.forEach((result, at) => {
      if (result.status === "stored") counts.stored += 1;
      else if (result.status === "updated") counts.updated += 1;
      else if (result.status === "duplicate") counts.alreadyThere += 1;
      else {
        const reason = result.reason ?? "rejected";
        rejected.set(reason, [...(rejected.get(reason) ?? []), batch[at]]);
      }
    });
    for (const [reason, items] of rejected) drop(items, reason);
  }

  refused(batch, problem) {
    this.forget(batch);
    drop(batch, problem);
  }

  forget(batch) {
    // reset() may have emptied it meanwhile.
    const sent = new Set(batch);
    this.queue = this.queue.filter((item) => !sent.has(item));
  }
}

/** Milliseconds that a server asks to wait: Retry-After in seconds or as a date. */
function askedFor(headers) {
  const said = headers?.get("Retry-After");
  if (!said) return 0;
  const wait = /^\d+(\.\d+)?$/.test(said.trim()) ? Number(said) * 1000 : Date.parse(said) - Date.now();
  return Number.isFinite(wait) ? Math.min(Math.max(0, wait), MOST_ASKED_MS) : 0;
}

// Reading ---------------------------------------------------------------------------------------------

const stores = new Map();

/** The numbers of GET /api/analytics, kept fresh while somebody looks; one store for equal options. */
export function analyticsStore(options = {}) {
  const { url = env("USAGE_URL") ?? "", apiKey = env("USAGE_API_KEY"), refreshInterval = 60_000 } = options;
  const { days, type, from, to, month, limit, order, groupBy, grain, filters } = options;
  const asked = { days, type, from, to, month, limit, order, group_by: groupBy, grain };
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) if (value != null) parameters.set(name, String(value));
  for (const [name, values] of Object.entries(filters ?? {})) parameters.set(name, filterText(values));
  const address = `${String(url).replace(/\/+$/, "")}/api/analytics?${parameters}`;
  const name = JSON.stringify([address, apiKey, refreshInterval]);
  if (!stores.has(name)) stores.set(name, makeStore(address, apiKey, refreshInterval, options.fetch));
  return stores.get(name);
}

function filterText(values) {
  if (!Array.isArray(values)) return String(values);
  return values.map((value) => (value === null ? "" : String(value)).replace(/[\\,]/g, "\\$&")).join(",");
}

function makeStore(address, apiKey, refreshInterval, ownFetch) {
  const readers = new Set();
  let timer = null;
  let asking = null;
  let snapshot = { analytics: null, period: null, loading: true, error: null, loadedAt: null, refetch };

  function tell(change) {
    snapshot = { ...snapshot, ...change };
    for (const reader of [...readers]) reader();
  }

  async function ask() {
    try {
      const answer = await (ownFetch ?? fetch)(address, {
        headers: apiKey ? { Authorization: `Bearer ${apiKey}` } : {},
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const content = await answer.json().catch(() => null);
      if (!answer.ok || content?.analytics == null)
        throw new Error(`answered ${answer.status}: ${content?.error ?? "not like this API: check the address"}`);
      const age = Number(answer.headers.get("Age")) || 0;
      const loadedAt = new Date(Date.now() - age * 1000);
      tell({ analytics: content.analytics, period: content.period, loading: false, error: null, loadedAt });
    } catch (error) {
      // The last good numbers stay.
      tell({ loading: false, error: String(error?.message ?? error) });
    }
  }

  function refetch() {
    asking ??= ask().finally(() => (asking = null));
    return asking;
  }

  return {
    getSnapshot: () => snapshot,
    refetch,
    subscribe(reader) {
      readers.add(reader);
      if (readers.size === 1) {
        refetch();
        if (refreshInterval > 0) timer = setInterval(refetch, refreshInterval);
      }
      return () => {
        readers.delete(reader);
        if (readers.size === 0) clearInterval(timer);
      };
    },
  };
}
