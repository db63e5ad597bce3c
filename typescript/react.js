// const { analytics, loading, error, refetch } = useAnalytics({ days: 30, type: "all", refreshInterval: 60000 })
import { useSyncExternalStore } from "react";
import { analyticsStore } from "./index.js";

/** The numbers of the key's client as React state; without `url` those of the application's own /api/analytics. */
export function useAnalytics(options) {
  const store = analyticsStore(options);
  return useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot);
}
