"""What coding agents' metrics tell of their tokens, beside what their logs do. They check, and never count.

A metric is a sum over calls that the logs tell one by one; to count both would double them. Of this process,
since it began.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

# The kinds whose sum is all tokens: Claude Code counts cached ones beside the input, Gemini CLI thoughts
# beside the output, and Codex adds up all itself.
TOKEN_METRICS: Mapping[str, tuple[str, str, frozenset[str]]] = {
    "claude_code.token.usage": (
        "Claude Code",
        "type",
        frozenset({"input", "output", "cacheRead", "cacheCreation"}),
    ),
    "gemini_cli.token.usage": ("Gemini CLI", "type", frozenset({"input", "output", "thought", "tool"})),
    "qwen-code.token.usage": ("Qwen Code", "type", frozenset({"input", "output"})),
    "codex.turn.token_usage": ("Codex", "token_type", frozenset({"total"})),
}
"""Metric -> agent, the attribute with the kind of tokens, and the kinds that are added up."""

_AGENTS = {
    "com.anthropic.claude_code": "Claude Code",
    "gemini-cli": "Gemini CLI",
    "qwen-code": "Qwen Code",
    "codex": "Codex",
}
_MAX_CLIENTS = 1_000
_MAX_SERIES = 10_000


class Metered(NamedTuple):
    """A data point of one of TOKEN_METRICS."""

    metric: str
    attributes: Mapping[str, Any]
    tokens: float
    started_ns: int
    is_cumulative: bool
    """Whether it has the tokens since started_ns, and not only those since the point before."""


class Told(NamedTuple):
    """Tokens of one agent."""

    by_metrics: int = 0
    by_logs: int = 0

    @property
    def is_short(self) -> bool:
        """Whether calls are missing: logs come long before the metrics do."""
        return self.by_logs < self.by_metrics * 0.95


_told: OrderedDict[str, dict[str, Told]] = OrderedDict()
_series: OrderedDict[tuple[Any, ...], float] = OrderedDict()
_lock = threading.Lock()


def count_metrics(client_id: str, points: Iterable[Metered]) -> list[str]:
    """Counts the tokens of data points; the agents that they are of."""
    agents: dict[str, None] = {}
    for point in points:
        agent, name, kinds = TOKEN_METRICS[point.metric]
        agents[agent] = None
        if point.attributes.get(name) in kinds and math.isfinite(point.tokens) and 0 <= point.tokens < 1e15:
            with _lock:
                _add(client_id, agent, Told(by_metrics=round(_new_tokens(client_id, point))))
    return list(agents)


def count_call(client_id: str, scope: str, tokens: int) -> None:
    """Counts the tokens of a call that a log told of."""
    agent = next((agent for begin, agent in _AGENTS.items() if scope.startswith(begin)), None)
    if agent is not None:
        with _lock:
            _add(client_id, agent, Told(by_logs=tokens))


def told(client_id: str) -> dict[str, Told]:
    """Agent -> tokens of the client."""
    with _lock:
        return dict(_told.get(client_id, {}))


def _add(client_id: str, agent: str, further: Told) -> None:
    of_client = _told.setdefault(client_id, {})
    known = of_client.get(agent, Told())
    of_client[agent] = Told(known.by_metrics + further.by_metrics, known.by_logs + further.by_logs)
    while len(_told) > _MAX_CLIENTS:
        _told.popitem(last=False)


def _new_tokens(client_id: str, point: Metered) -> float:
    if not point.is_cumulative:
        return point.tokens
    series = (client_id, point.metric, point.started_ns, repr(sorted(point.attributes.items())))
    before = _series.pop(series, 0)
    _series[series] = point.tokens
    while len(_series) > _MAX_SERIES:
        _series.popitem(last=False)
    return max(point.tokens - before, 0)
