"""Usage objects of all SDKs, by what their fields mean: see analytics.calls.usage_objects."""
