// An application that logs its calls; tests/test_typescript.py runs it and looks at what is stored.
import { createRequire } from "node:module";
import * as usage from "../../typescript/index.js";

const twin = createRequire(import.meta.url)("../../typescript/index.cjs");
const { url, key, client, provider, part } = JSON.parse(process.argv[2]);
const dropped = [];
const onDropped = (records, reason) => dropped.push([records.length, reason]);
const told = { url, apiKey: key, firstRetryMs: 1, onDropped };

async function answered(model) {
  const answer = await fetch(`${provider}/chat/completions`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model, messages: [] }),
  });
  return answer.json();
}

const parts = {
  async hundred() {
    const responses = [];
    for (let number = 0; number < 100; number += 1) responses.push(await answered("gpt-4"));
    const log = ({ logOpenAIUsage }) =>
      responses.map((response, number) =>
        logOpenAIUsage(client, `chat ${number % 5}`, "5511999999999", response.model, response, { tags: { feature: "search" } }),
      );
    // An answer that gets lost, and a server that asks for patience.
    const troubles = [
      async (...request) => {
        await (await fetch(...request)).text();
        throw new TypeError("the answer was lost");
      },
      async () => new Response('{"error":"too many"}', { status: 429, headers: { "Retry-After": "0" } }),
    ];
    usage.configure({ ...told, fetch: (...request) => (troubles.shift() ?? fetch)(...request) });
    await Promise.all(log(usage));
    const first = [await usage.flush(), usage.stats()];
    await Promise.all(log(usage));
    twin.configure(told);
    await Promise.all(log(twin));
    return { first, again: [await usage.flush(), usage.stats()], twin: [await twin.flush(), twin.stats()], responses };
  },

  async kinds() {
    usage.configure({ ...told, fetch: async (...request) => {
      // Nothing that people wrote is sent.
      if (request[1].body.includes("invoice")) throw new Error("content was sent");
      return fetch(...request);
    } });
    const groq = { prompt_tokens: 150, completion_tokens: 80, total_tokens: 230, queue_time: 0.011 };
    const ids = [
      await usage.logOpenAIUsage(client, null, null, "gpt-4", await answered("gpt-4")),
      await usage.logGroqUsage(client, "c", null, "llama-3.1-8b-instant", groq, { id: "call 1" }),
      await usage.logWhisperUsage(client, "c", "5511999999999", 30, 1500),
      await usage.logOpenAIUsage(null, "c", null, "gpt-4", null, { outcome: "cut", latencyMs: 1200.5 }),
      await usage.logOpenAIUsage(null, "c", null, "gpt-4", undefined, { outcome: "error", attempt: 1, operationId: "o" }),
      await usage.logUsage({ source: "ollama", model: "llama3", usage: { ...(await answered("llama3")), id: "chatcmpl-7" } }),
    ];
    await usage.flush();
    return { ids, stats: usage.stats() };
  },

  async dropped() {
    usage.configure({ ...told, maxWaiting: 3 });
    const circle = {};
    circle.itself = circle;
    await usage.logOpenAIUsage("00000000-0000-4000-8000-000000000001", null, null, "gpt-4", { prompt_tokens: 1 });
    await usage.logOpenAIUsage(client, null, null, "gpt-4", { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 });
    await usage.logOpenAIUsage(client, null, null, "gpt-4", circle);
    await usage.logOpenAIUsage(client, null, null, "gpt-4", { bananas: 3 });
    await usage.logOpenAIUsage(client, null, null, "gpt-4", {});
    const flushed = [await usage.flush()];
    usage.configure({ apiKey: () => "nobody's" });
    await usage.logOpenAIUsage(client, null, null, "gpt-4", {});
    flushed.push(await usage.flush());
    usage.configure({ apiKey: () => undefined });
    await usage.logOpenAIUsage(client, null, null, "gpt-4", {});
    // A server that is away for good: the process ends, and says what it loses.
    usage.configure({ apiKey: key, url: "http://127.0.0.1:9" });
    await usage.logOpenAIUsage(client, null, null, "gpt-4", {});
    flushed.push(await usage.flush(1));
    return { flushed, stats: usage.stats(), dropped };
  },

  async numbers() {
    const store = usage.analyticsStore({ url, apiKey: key, days: 7, type: "daily", filters: { model: ["gpt-4"] } });
    const before = store.getSnapshot();
    const leave = store.subscribe(() => {});
    await store.refetch();
    leave();
    const wrong = usage.analyticsStore({ url, apiKey: "nobody's" });
    await wrong.refetch();
    const { refetch, ...after } = store.getSnapshot();
    return { before: before.loading, after, error: wrong.getSnapshot().error, same: store === usage.analyticsStore({ url, apiKey: key, days: 7, type: "daily", filters: { model: ["gpt-4"] } }) };
  },
};

console.log(JSON.stringify(await parts[part]()));
if (part === "dropped") process.exit(); // as an application that is stopped
