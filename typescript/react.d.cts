import type { AnalyticsOptions, AnalyticsSnapshot } from "./index.cjs";

export declare function useAnalytics(options?: AnalyticsOptions): AnalyticsSnapshot;
