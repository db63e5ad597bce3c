// Compiled, not run: what the declarations allow.
import OpenAI from "./openai";
import { analyticsStore, configure, flush, logGroqUsage, logOpenAIUsage, logUsage, logWhisperUsage, stats } from "usage-analytics";
import { useAnalytics } from "usage-analytics/react";

configure({ url: "https://usage.example.com", apiKey: (clientId) => (clientId ? "key" : undefined) });

export async function answer(client: OpenAI, clientId: string, conversationId: string | null): Promise<number> {
  const response = client.create();
  const id: string | null = await logOpenAIUsage(clientId, conversationId, null, response.model, response.usage);
  await logGroqUsage(clientId, conversationId, null, response.model, response, { tags: { feature: "search" }, outcome: "ok" });
  await logWhisperUsage(clientId, conversationId, "5511999999999", 30, 1500);
  await logUsage({ source: "anthropic", model: "claude-sonnet-4-5", usage: { input_tokens: 1 } });
  // @ts-expect-error: a number is no client
  await logOpenAIUsage(7, null, null, "gpt-4", response.usage);
  // @ts-expect-error: no such outcome
  await logUsage({ source: "openai", outcome: "fine" });
  const isSent: boolean = await flush(500);
  const { analytics, loading, error, refetch } = useAnalytics({ days: 30, type: "all", refreshInterval: 60000 });
  const total: number = analytics?.summary?.total_tokens;
  if (!loading && error === null && isSent && id) await refetch();
  return total + stats().stored + (analyticsStore().getSnapshot().loadedAt?.getTime() ?? 0);
}
