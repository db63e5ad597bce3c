// Written by build.mjs from the module beside it.
"use strict";
// const { analytics, loading, error, refetch } = useAnalytics({ days: 30, type: "all", refreshInterval: 60000 })
const { useSyncExternalStore } = require("react");
const { analyticsStore } = require("./index.cjs");

/** The numbers of the key's client as React state; without `url` those of the application's own /api/analytics. */
function useAnalytics(options) {
  const store = analyticsStore(options);
  return useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot);
}

module.exports = { useAnalytics };
