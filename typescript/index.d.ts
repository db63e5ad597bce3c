/** A UUID of `clients`; null: the client of the key. */
export type ClientId = string | null | undefined;

/** What may be known of any call. */
export interface CallFacts {
  /** Logged twice under one id, a call is stored once. Without one it is known by its response's id, or a new one. */
  id?: string | null;
  /** The provider's own id of the response: whoever else tells of it adds no second call. */
  responseId?: string | null;
  createdAt?: Date | string | null;
  serviceTier?: string | null;
  operation?: string | null;
  outcome?: "ok" | "error" | "refused" | "cut" | null;
  latencyMs?: number | null;
  timeToFirstTokenMs?: number | null;
  /** What retries and fallbacks of one operation share. */
  operationId?: string | null;
  /** 1 is the first attempt. */
  attempt?: number | null;
  account?: string | null;
  statedCostUsd?: number | string | null;
  /** The subscription that pays. */
  plan?: string | null;
  tags?: Record<string, string | number | boolean | null> | null;
  metadata?: Record<string, unknown> | null;
}

export interface Call extends CallFacts {
  /** The provider, such as "openai". */
  source: string;
  model?: string | null;
  clientId?: ClientId;
  /** A UUID, or any text of at most 200 characters. */
  conversationId?: string | null;
  phone?: string | null;
  /** The usage of a response, or the response, whose content is not sent. */
  usage?: object | null;
  durationSeconds?: number | null;
  tokensEstimated?: boolean;
  costUsd?: number | string | null;
}

export interface Settings {
  /** Of the installation, such as https://usage.example.com; else USAGE_URL. */
  url?: string;
  /** A key that may write, or which one a client has; else USAGE_WRITE_KEY. */
  apiKey?: string | ((clientId: string | undefined) => string | undefined);
  /** How long calls wait for others to go with them. 1,000 by default. */
  lingerMs?: number;
  /** How many calls may wait. 10,000 by default; more are dropped, and told. */
  maxWaiting?: number;
  /** The first pause after a failure, doubled each time. 500 by default. */
  firstRetryMs?: number;
  timeoutMs?: number;
  /** Calls that will not be stored, and why; without it each reason is written to console.error once. */
  onDropped?: (records: unknown[], reason: string) => void;
  fetch?: typeof fetch;
}

export interface Stats {
  logged: number;
  stored: number;
  /** Told of again, and fuller than before. */
  updated: number;
  alreadyThere: number;
  /** Not stored, and why. */
  dropped: number;
  reasons: Record<string, number>;
  waiting: number;
  retries: number;
  /** Why the last request failed; null once one succeeded. */
  lastError: string | null;
}

export declare function configure(settings: Settings): void;

/** The identity of the call (its response's, or a new id), at once; null where it was dropped. It never throws. */
export declare function logOpenAIUsage(
  clientId: ClientId,
  conversationId: string | null | undefined,
  phone: string | null | undefined,
  model: string | null | undefined,
  usage: object | null | undefined,
  facts?: CallFacts,
): Promise<string | null>;

export declare function logGroqUsage(
  clientId: ClientId,
  conversationId: string | null | undefined,
  phone: string | null | undefined,
  model: string | null | undefined,
  usage: object | null | undefined,
  facts?: CallFacts,
): Promise<string | null>;

export declare function logWhisperUsage(
  clientId: ClientId,
  conversationId: string | null | undefined,
  phone: string | null | undefined,
  durationSeconds: number,
  tokensEstimate?: number | null,
  facts?: CallFacts & { model?: string; source?: string },
): Promise<string | null>;

export declare function logUsage(call: Call): Promise<string | null>;

/** Sends what waits; false where it is not at the server in time. Edge functions: `ctx.waitUntil(flush())`. */
export declare function flush(timeoutMs?: number): Promise<boolean>;

export declare function stats(): Stats;

/** Forgets settings, counts and what waits, which is told as dropped. */
export declare function reset(): void;

export interface AnalyticsOptions {
  /** Whole days up to today, or a name such as "this-month". */
  days?: number | string;
  type?: "all" | "daily" | "weekly" | "monthly" | "conversation";
  /** First and last day, as 2026-03-01. */
  from?: string;
  to?: string;
  month?: string;
  limit?: number;
  order?: "tokens" | "cost" | "requests";
  groupBy?: string;
  grain?: "hour" | "day" | "week" | "month" | "all";
  /** Which calls count: { model: "gpt-4o,o1", "provider!": "groq", "tag.feature": [null] }. */
  filters?: Record<string, string | Array<string | number | null>>;
  /** Milliseconds; 60,000 by default, 0 asks once. */
  refreshInterval?: number;
  /** Of the installation; else USAGE_URL, else the page's own /api/analytics. */
  url?: string;
  /** A key that may read. Keep it on your server: a browser should ask a route of yours. */
  apiKey?: string;
  fetch?: typeof fetch;
}

export interface AnalyticsSnapshot {
  /** The last good answer; null before it. */
  analytics: Record<string, any> | null;
  period: Record<string, any> | null;
  loading: boolean;
  error: string | null;
  loadedAt: Date | null;
  refetch: () => Promise<void>;
}

export interface AnalyticsStore {
  getSnapshot: () => AnalyticsSnapshot;
  subscribe: (reader: () => void) => () => void;
  refetch: () => Promise<void>;
}

/** useAnalytics() without React: numbers that are asked for again while somebody is subscribed. */
export declare function analyticsStore(options?: AnalyticsOptions): AnalyticsStore;
