"""Counts spans that look like calls of models and were passed over, by operation and reason.

Of this process, since it began: of its UsageSpanProcessor, and of the API where that runs in it.
"""

import threading
from collections import Counter

from analytics.tracking.spans import PassedOver

_MAX_KINDS = 100  # of a client; names come from strangers
_MAX_CLIENTS = 1_000
OTHER = PassedOver("other operations", "there are too many to count each")

_counts: dict[str | None, Counter[PassedOver]] = {}
_lock = threading.Lock()


def count(client_id: str | None, span: PassedOver) -> PassedOver:
    """Counts a span; returns what it was counted as."""
    with _lock:
        of_client = _counts.get(client_id)
        if of_client is None:
            if len(_counts) >= _MAX_CLIENTS:
                _counts.pop(next(iter(_counts)))
            of_client = _counts[client_id] = Counter()
        if span not in of_client and len(of_client) >= _MAX_KINDS:
            span = OTHER
        of_client[span] += 1
    return span


def counted(client_id: str | None) -> dict[PassedOver, int]:
    """Those of a client, the most frequent first."""
    with _lock:
        return dict(_counts.get(client_id, Counter()).most_common())


def counted_of_all() -> dict[str, int]:
    """Those of all clients together, as "operation: reason"."""
    together: Counter[str] = Counter()
    with _lock:
        for of_client in _counts.values():
            for span, number in of_client.items():
                together[f"{span.operation}: {span.reason}"] += number
    return dict(together.most_common())
