import type { AnalyticsOptions, AnalyticsSnapshot } from "./index.js";

export declare function useAnalytics(options?: AnalyticsOptions): AnalyticsSnapshot;
