"""Requests and answers: what the OpenAPI document describes, and what requests are checked by."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from analytics.api.answers import AnalyticsRequest, Section
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.exports.files import Format
from analytics.queries import NAMES, TAG, TOP_CONVERSATIONS, Filters, Period
from analytics.queries.groups import GROUPS, TOP_VALUES, Order

MAX_DAYS = 365
MAX_RANGE_DAYS = 366  # a whole leap year
MAX_CONVERSATIONS = 1_000
"""Or values of a group."""
MAX_RECORDS = 1_000

_MAX_KEY = 500  # characters
_DAY = r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
_MONTH = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"

Usd = Annotated[float, Field(description="US dollars, with all booked digits")]
KnownUsd = Annotated[
    float | None,
    Field(description="US dollars of the calls with a price; null, not 0, where none of the calls has one"),
]
Tokens = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class DaysQuery(BaseModel):
    """Which days: `days` up to today, or those `from` to `to`, in the client's time zone."""

    model_config = ConfigDict(extra="forbid")

    days: str = Field(
        "30",
        description=f"Whole days up to today, 1 to {MAX_DAYS}; or by name, as in a page's address",
        json_schema_extra={
            "pattern": rf"^([1-9][0-9]?|[12][0-9]{{2}}|3[0-5][0-9]|36[0-5]|{'|'.join(NAMES)})$"
        },
    )
    first: str | None = Field(None, alias="from", pattern=_DAY, description="First day, as 2026-03-01")
    last: str | None = Field(None, alias="to", pattern=_DAY, description="Last day, included")

    def period(self) -> Period:
        """The days of the request.

        Raises:
            InvalidInput: they are not valid.
        """
        if self.first is None and self.last is None:
            return _named(self.days)
        if self.first is None or self.last is None:
            raise InvalidInput("from and to go together: give both, or only days")
        if "days" in self.model_fields_set:
            raise InvalidInput("give days, or from and to, not both")
        first, last = _day("from", self.first), _day("to", self.last)
        try:
            days = Days(first, last)
        except InvalidInput as error:
            raise error.named("from and to") from None
        if len(days) > MAX_RANGE_DAYS:
            raise InvalidInput(
                f"from {first} to {last} are {len(days)} days: at most {MAX_RANGE_DAYS} are allowed"
            )
        return Period.of(days)


class AnalyticsQuery(DaysQuery):
    """Which numbers, and of which days."""

    type: Section = Field("all", description="Which numbers; not with group_by")
    month: str | None = Field(
        None,
        pattern=_MONTH,
        description="Month of `monthly`, as 2026-03; by default that of the last day",
    )
    limit: int | None = Field(
        None,
        ge=1,
        le=MAX_CONVERSATIONS,
        description=f"Rows of `byConversation`, {TOP_CONVERSATIONS} if left out; with group_by values that "
        f"have rows of their own, {TOP_VALUES} if left out",
    )
    order: Order = Field(
        "tokens",
        description="What `byConversation` or groups are sorted by, the most first; requests: only groups",
    )
    group_by: str | None = Field(
        None,
        description=f"Answers `byGroup` instead: usage by {', '.join(GROUPS)}, or {TAG}<key>",
        json_schema_extra={"pattern": rf"^({'|'.join(GROUPS)}|tag\.[^\u0000]{{1,{_MAX_KEY}}})$"},
    )
    grain: Literal["hour", "day", "week", "month", "all"] | None = Field(
        None, description="With group_by: how long each bucket is; one for all days if left out"
    )

    def request(self, filters: Filters) -> AnalyticsRequest:
        """The request that the database answers.

        Raises:
            InvalidInput: the days are not valid, or parameters do not go together.
        """
        month = None if self.month is None else date.fromisoformat(f"{self.month}-01")
        if self.group_by is None:
            if self.grain is not None:
                raise InvalidInput("grain goes with group_by: give both, or neither")
            if self.order == "requests":
                raise InvalidInput('order must be tokens or cost, not "requests", without group_by')
        else:
            for name in ("type", "month"):
                if name in self.model_fields_set:
                    raise InvalidInput(f"give {name}, or group_by, not both")
            self._check_group(self.group_by)
        return AnalyticsRequest(
            section=self.type,
            period=self.period(),
            month=month,
            limit=self.limit or (TOP_CONVERSATIONS if self.group_by is None else TOP_VALUES),
            order=self.order,
            group=self.group_by,
            grain=self.grain or "all",
            filters=filters,
        )

    def _check_group(self, group: str) -> None:
        key = group.removeprefix(TAG)
        if group not in GROUPS and (key in ("", group) or len(key) > _MAX_KEY or "\0" in key):
            raise InvalidInput(f'group_by must be one of {", ".join(GROUPS)}, {TAG}<key>, not "{group[:60]}"')


class ExportQuery(DaysQuery):
    """Which file, and of which days."""

    format: Format = Field(
        "csv",
        description="csv: each call. focus: costs per day, source and model, by the FOCUS specification. "
        "pdf: a statement",
    )


class Error(BaseModel):
    """Why a request was refused, and what would do."""

    error: str


class Unavailable(Error):
    """The database is away."""

    last_good_at: str | None = Field(description="When this server last had numbers for the client")


REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Error, "description": "The request is not valid"},
    401: {"model": Error, "description": "No valid key"},
    403: {"model": Error, "description": "The key has another scope"},
    429: {"model": Error, "description": "Too many requests"},
    503: {"model": Unavailable, "description": "The database is away"},
}
"""Errors of every route that needs a key."""
REFUSED_BODIES: dict[int | str, dict[str, Any]] = REFUSALS | {
    413: {"model": Error, "description": "The body is too large"},
    415: {"model": Error, "description": "The body has another content type"},
}
"""The same of routes that take a body."""


class DailyUsage(BaseModel):
    date: date
    source: str
    total_tokens: Tokens
    total_cost: KnownUsd
    request_count: Count
    unpriced_count: Count


class WeeklyUsage(BaseModel):
    week_start: date
    week_number: int
    total_tokens: Tokens
    openai_tokens: Tokens
    groq_tokens: Tokens
    other_tokens: Tokens
    total_cost: KnownUsd
    openai_cost: KnownUsd
    groq_cost: KnownUsd
    other_cost: KnownUsd
    request_count: Count
    unpriced_count: Count
    openai_request_count: Count
    groq_request_count: Count
    other_request_count: Count
    openai_unpriced_count: Count
    groq_unpriced_count: Count
    other_unpriced_count: Count


class ModelUsage(BaseModel):
    source: str
    model: str | None
    total_tokens: Tokens
    prompt_tokens: Tokens
    completion_tokens: Tokens
    total_cost: KnownUsd
    request_count: Count
    unpriced_count: Count
    cost_per_1k_tokens: Usd | None = Field(description="null where some of the cost is unknown")
    tokens_per_request: float


class ConversationUsage(BaseModel):
    phone: str | None
    conversation_name: str | None
    conversation_id: str | None
    total_tokens: Tokens
    total_cost: KnownUsd
    request_count: Count
    openai_tokens: Tokens
    groq_tokens: Tokens
    other_tokens: Tokens
    unpriced_count: Count
    share_of_tokens: float


class Totals(BaseModel):
    total_tokens: Tokens
    prompt_tokens: Tokens
    completion_tokens: Tokens
    total_cost: KnownUsd
    request_count: Count
    unpriced_count: Count
    previous_total_tokens: Tokens | None = Field(
        description="of `compared_with`; null if it has no equal days"
    )
    previous_total_cost: KnownUsd
    previous_request_count: Count | None
    previous_unpriced_count: Count | None


class ComparedWith(BaseModel):
    """The days just before, as many as the period has."""

    model_config = ConfigDict(populate_by_name=True)

    first: date = Field(alias="from")
    last: date = Field(alias="to")
    is_running: bool = Field(
        description="While the period runs, the last day counts until the time of day of the answer. "
        "(That is not in it: an answer with equal numbers stays the same.)"
    )
    no_comparison: str | None = Field(description="Why the two cannot be compared; null where they can")


class ProviderTotals(Totals):
    provider: str


class Summary(Totals):
    compared_with: ComparedWith
    by_provider: list[ProviderTotals] = Field(description="openai, groq and other, which add up to the whole")


class GroupUsage(BaseModel):
    """The values of a bucket add up to all its usage."""

    bucket_at: str = Field(description="Its begin on the client's clock, as 2026-03-18T00:00:00")
    first_date: date
    last_date: date = Field(description="Of the days that it counts")
    value: str | None = Field(description="null for calls that do not tell it, and for the others")
    is_rest: bool = Field(description="Whether it is all values that have no row of their own")
    place: int = Field(description="1 for the value with the most")
    value_count: Count = Field(description="1, or how many values the others are")
    total_tokens: Tokens
    prompt_tokens: Tokens
    completion_tokens: Tokens
    total_cost: KnownUsd
    request_count: Count
    unpriced_count: Count


class Analytics(BaseModel):
    """`type` and `group_by` decide which keys there are."""

    daily: list[DailyUsage] = Field(default_factory=list)
    weekly: list[WeeklyUsage] = Field(default_factory=list)
    monthly: list[ModelUsage] = Field(default_factory=list)
    byConversation: list[ConversationUsage] = Field(default_factory=list)  # noqa: N815 (the guide's name)
    summary: Summary | None = None
    byGroup: list[GroupUsage] = Field(default_factory=list)  # noqa: N815


class AnsweredPeriod(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    days: int
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    month: str
    timezone: str
    raw_since: date | None = Field(
        None,
        description="Only sums are kept of days before: filters that are answered from calls (basis, "
        "conversation, correction, has.*, at, latency, first-token) know nothing of them. Left out where all "
        "are there",
    )


class AnsweredFilter(BaseModel):
    """Only calls with one of the values are counted; where they are excluded, only calls with none."""

    name: str
    values: list[str | None] = Field(description="null stands for calls that do not tell it")
    excluded: bool


class AnalyticsAnswer(BaseModel):
    analytics: Analytics
    period: AnsweredPeriod
    filters: list[AnsweredFilter] = Field(description="All of them hold; `[]` where all calls are counted")


class BudgetThreshold(BaseModel):
    percent: float
    on: Literal["actual", "forecast"]


class AnsweredBudget(BaseModel):
    """A budget of the key's client, or one value of a budget that is split by a tag."""

    budget_id: str
    name: str
    version_id: str
    valid_from: str = Field(description="When the version began to hold")
    changed_by: str
    limit_amount: float | None = Field(
        description="In `unit`; null for calls of a split budget without a value"
    )
    unit: Literal["usd", "tokens"]
    period: Literal["day", "week", "month", "quarter", "year"]
    start_day: int = Field(description="Of a week 1 (Monday) to 7, of a month 1 to 31")
    time_zone: str
    filters: list[AnsweredFilter] = Field(description="Which calls count; all of them hold")
    split_by: str | None = Field(description="A tag's key, of which each value has the limit for itself")
    thresholds: list[BudgetThreshold]
    repeats: bool
    first_date: date
    end_date: date = Field(description="The first day of the next period")
    starts_at: str
    resets_at: str
    subject: str | None = Field(description="The value; null for calls without, empty where nothing is split")
    spent: float = Field(description="In `unit`; of costs what is known")
    cost_usd: Usd
    total_tokens: Tokens
    request_count: Count
    unpriced_count: Count = Field(description="Calls whose cost is not known, and not in `spent`")
    left_amount: float | None = Field(description="Below 0 where more is spent")
    share: float | None = Field(description="Spent of the limit: 1 is all of it")


class BudgetsAnswer(BaseModel):
    budgets: list[AnsweredBudget]


class NoQuery(BaseModel):
    """No parameters."""

    model_config = ConfigDict(extra="forbid")


class CheckQuery(BaseModel):
    """What is known of a call before it is made; and its tags, each as `tag.<key>`."""

    model_config = ConfigDict(extra="forbid")

    provider: str | None = Field(None, description="Such as openai")
    model: str | None = None
    operation: str | None = Field(None, description="Such as chat or embeddings")
    conversation_id: str | None = Field(
        None, description="A UUID, or the name that your application gives it"
    )


class CheckAnswer(BaseModel):
    """As check_budget() answers."""

    is_allowed: bool
    reason: str
    until: str | None = Field(description="When the budget that decided resets")
    age_seconds: float = Field(description="How old the sums are")
    possible_overshoot_usd: float = Field(
        description="What may have been spent since: the age, times US dollars per second"
    )
    budget: str | None = Field(
        description="The budget that decided; null where none counts the call, or one of all clients together"
    )


class AnsweredAlert(BaseModel):
    id: str
    kind: str = Field(
        description="of a budget actual or forecast; anomaly, burst, unpriced, silence, prices, channel"
        " or check"
    )
    subject: str
    title: str
    lines: list[str] = Field(description="Spent, pace, run-out and driver, where known")
    link: str = Field(description="Path and query of the dashboard's view that shows it")
    threshold: float = Field(description="Percent of the limit; 0 where there is none")
    period_at: str = Field(description="The first day of the budget's period, else the day, in UTC")
    occurred_at: str
    resolved_at: str | None = Field(description="Since when it is no more so")
    acknowledged_at: str | None
    is_open: bool


class AlertsAnswer(BaseModel):
    alerts: list[AnsweredAlert] = Field(description="Open ones first, then the newest")


class UsageRecord(BaseModel):
    """One call, with the arguments of log_usage(); the client is that of the key."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"required": ["source"]})

    source: str = Field(description="The provider, such as openai")
    model: str | None = None
    conversation_id: str | None = None
    phone: str | None = None
    usage: dict[str, Any] | None = Field(None, description="The usage object of the provider's response")
    duration_seconds: float | None = None
    tokens_estimated: bool = False
    cost_usd: float | str | None = Field(None, description="If given, the price lists are not used")
    id: str | None = Field(
        None,
        description="Idempotency key: sent twice, the call is stored once; fuller than before, it is updated",
    )
    created_at: str | None = Field(
        None, description="With a time zone, as 2026-03-18T12:00:00Z; default: now"
    )
    service_tier: str | None = None
    operation: str | None = Field(None, description="What was asked for, such as chat or embeddings")
    outcome: str | None = Field(None, description="ok, error, refused, or cut")
    latency_ms: float | None = Field(None, description="Milliseconds to the end of the answer")
    time_to_first_token_ms: float | None = None
    operation_id: str | None = Field(None, description="What retries and fallbacks of one operation share")
    attempt: int | None = Field(None, description="1 is the first attempt at the operation")
    response_id: str | None = Field(
        None, description="The provider's own id of the response; the call's identity where `id` is not given"
    )
    account: str | None = Field(None, description="The provider's account or project that pays")
    stated_cost_usd: float | str | None = Field(
        None, description="What the provider or a gateway says; kept beside the cost by the price lists"
    )
    plan: str | None = Field(
        None,
        description="The subscription that pays, so that the call costs nothing by itself; none; or unknown, "
        "and so is what it costs",
    )
    tags: dict[str, str | float | bool | None] | None = Field(
        None, description="What your team groups by, such as feature: search; one value per key"
    )
    metadata: dict[str, Any] | None = None
    client_id: str | None = Field(None, description="If given, that of the key")


class RecordOutcome(BaseModel):
    status: str = Field(
        pattern="^(stored|updated|duplicate|rejected)$",
        description="updated: it was there, and less was known of it; duplicate: nothing new is said",
    )
    id: str | None = Field(None, description="Of the row, unless it was rejected")
    reason: str | None = Field(None, description="Why it was rejected")


class UsageAnswer(BaseModel):
    """In the order of the records."""

    results: list[RecordOutcome]


class UsageRefused(Error):
    """No record was stored."""

    results: list[RecordOutcome] = Field(
        default_factory=list, description="Why each was rejected, if the body was readable"
    )


class Health(BaseModel):
    status: str


class LangfuseHealth(BaseModel):
    status: str
    version: str


class LangfuseOrganization(BaseModel):
    id: str
    name: str


class LangfuseProject(BaseModel):
    id: str
    name: str
    organization: LangfuseOrganization
    metadata: dict[str, Any] = Field(default_factory=dict)


class LangfuseProjects(BaseModel):
    data: list[LangfuseProject] = Field(description="The client of the key")


def _named(text: str) -> Period:
    if text in NAMES:
        return Period.parse(text)
    number = text.removesuffix("d")
    if not (number.isascii() and number.isdecimal() and len(number) <= 3 and 1 <= int(number) <= MAX_DAYS):
        raise InvalidInput(
            f'days must be a number from 1 to {MAX_DAYS}, or one of {", ".join(NAMES)}, not "{text[:40]}"'
        )
    return Period(days=int(number))


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f'{name} must be a day such as 2026-03-18, not "{text}"') from None
