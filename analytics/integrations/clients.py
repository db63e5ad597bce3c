"""wrap(): a client of OpenAI, Groq or Anthropic that logs each of its calls.

    client = analytics.wrap(OpenAI())

All calls of such a client, its helpers' too, go through its documented method post(), which is watched.
"""

import inspect
import logging
from typing import Any, NamedTuple, TypeVar

from analytics.integrations.calls import WatchedCall
from analytics.integrations.streams import watch
from analytics.pricing.providers import source_of

Client = TypeVar("Client")

_OPERATIONS = {
    "/chat/completions": "chat",
    "/responses": "chat",
    "/messages": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
    "/audio/transcriptions": "transcription",
    "/audio/translations": "transcription",
    "/images/generations": "image_generation",
    "/images/edits": "image_generation",
}
"""The end of a path -> what is asked for. Of other paths nothing is bought by the token."""
_PROVIDERS = ("openai", "groq", "anthropic")
_RAW = "X-Stainless-Raw-Response"
"""What `with_raw_response` sends along: its answer tells how often the client asked again."""
_RETRIES = "x-stainless-retry-count"
_WRAPPED = "_usage_is_logged"
_SCOPE = "usage-analytics"

log = logging.getLogger("analytics.tracking")


class _Request(NamedTuple):
    """A request that is to be watched."""

    call: WatchedCall
    arguments: dict[str, Any]
    """Of post()."""
    is_ours: bool
    """Whether we asked for the raw response, and not the application."""
    hides_usage: bool


def wrap(client: Client) -> Client:
    """The client, of the same class, with the same settings and connections, that logs its calls.

    Logged are whole answers, streams (one that is not read to its end is "cut"), and calls that failed, with
    latency, time to the first token, the number of the attempt that was answered, tier, and the response's
    id, for whom usage_context() says when the call begins. A stream of OpenAI's own chat completions is asked
    for its usage; the application sees no more of that than it asked for. What `with_streaming_response`
    reads by itself is kept as unpriced.

    Raises:
        TypeError: it is no client of openai, groq or anthropic.
    """
    packages = [kind.__module__.partition(".")[0] for kind in type(client).__mro__]
    provider = next((name for name in packages if name in _PROVIDERS), None)
    if provider is None or not hasattr(client, "post") or not hasattr(client, "copy"):
        raise TypeError(f"wrap() takes a client of {', '.join(_PROVIDERS)}, not {type(client).__name__}")
    if getattr(client, _WRAPPED, False):
        return client
    # A new one, as the parts of this one may have its post() already.
    wrapped: Client = _logging(client.copy(), provider)
    return wrapped


def _logging(client: Any, provider: str) -> Any:
    post, copy = client.post, client.copy

    async def async_post(path: str, **arguments: Any) -> Any:
        request = _begin(client, provider, path, arguments)
        if request is None:
            return await post(path, **arguments)
        try:
            answer = await post(path, **request.arguments)
            parsed = answer.parse() if _is_raw(answer) else answer
            if inspect.isawaitable(parsed):
                parsed = await parsed
        except BaseException as error:
            _fail(request.call, error)
            raise
        return _answered(request, answer, parsed)

    def sync_post(path: str, **arguments: Any) -> Any:
        request = _begin(client, provider, path, arguments)
        if request is None:
            return post(path, **arguments)
        try:
            answer = post(path, **request.arguments)
            parsed = answer.parse() if _is_raw(answer) else answer
        except BaseException as error:
            _fail(request.call, error)
            raise
        return _answered(request, answer, parsed)

    client.post = async_post if inspect.iscoroutinefunction(post) else sync_post
    client.copy = client.with_options = lambda **changes: _logging(copy(**changes), provider)
    setattr(client, _WRAPPED, True)
    return client


def _begin(client: Any, provider: str, path: str, arguments: dict[str, Any]) -> _Request | None:
    """None of a request that is not to be watched."""
    try:
        route = path.partition("?")[0]
        operation = next((name for end, name in _OPERATIONS.items() if route.endswith(end)), None)
        body = arguments.get("body")
        if operation is None or not isinstance(body, dict):
            return None
        options = dict(arguments.get("options") or {})
        headers = dict(options.get("headers") or {})
        raw = next((str(value) for name, value in headers.items() if name.lower() == _RAW.lower()), None)
        model = body.get("model")
        call = WatchedCall(
            _SCOPE,
            provider=provider,
            host=str(client.base_url),
            model=model if isinstance(model, str) else None,
            operation=operation,
        )
        if raw == "stream":  # nothing is read before the application reads it
            call.end(None)
            return None
        if raw is None:
            options["headers"] = {**headers, _RAW: "raw"}
        hides_usage = False
        # Others' servers may refuse what they do not know.
        is_openais = provider == "openai" and source_of(provider, host=str(client.base_url)) == "openai"
        if is_openais and route.endswith("/chat/completions") and arguments.get("stream"):
            asked = body.get("stream_options")
            asked = asked if isinstance(asked, dict) else {}
            hides_usage = not asked.get("include_usage")
            body = {**body, "stream_options": {**asked, "include_usage": True}}
        return _Request(call, {**arguments, "body": body, "options": options}, raw is None, hides_usage)
    except Exception:
        log.exception("a call is not watched")
        return None


def _is_raw(answer: Any) -> bool:
    return hasattr(answer, "retries_taken") and hasattr(answer, "parse")


def _answered(request: _Request, answer: Any, parsed: Any) -> Any:
    given = parsed if request.is_ours else answer
    try:
        retries = getattr(answer, "retries_taken", None)
        request.call.retries = retries if isinstance(retries, int) else None
        if hasattr(parsed, "__next__") or hasattr(parsed, "__anext__"):
            watch(parsed, request.call, hides_usage=request.hides_usage)
        else:
            # A transcription as text tells nothing.
            told = None if isinstance(parsed, (str, bytes)) else parsed
            request.call.end(told, model=getattr(parsed, "model", None))
    except Exception:
        log.exception("a call is not watched to its end")
    return given


def _fail(call: WatchedCall, error: BaseException) -> None:
    sent = getattr(getattr(error, "request", None), "headers", None) or {}
    count = str(sent.get(_RETRIES, ""))
    call.retries = int(count) if count.isdecimal() else None
    # Who gave up, and not the provider, cut it: its tokens may have been used.
    call.end(None, outcome="error" if isinstance(error, Exception) else "cut", error=error)
