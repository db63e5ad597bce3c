"""Usage objects and responses as SDKs and providers make them, with what they mean and cost."""
