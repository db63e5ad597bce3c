"""Settings: environment first, then secrets, then defaults."""

import hashlib
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from analytics.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

PROJECT_DIRECTORY = Path(__file__).resolve().parent.parent

SPOOL_MAX_CALLS = 1_000_000  # some 400 MB
API_REQUESTS_PER_MINUTE = 600  # per key

UNNAMED_PROVIDER = "default"
"""The name of the provider whose settings are in [auth] itself, as Streamlit calls it."""
# Sections of [auth] that are not providers.
_NO_PROVIDERS = frozenset({"client_kwargs"})


@dataclass(frozen=True, kw_only=True)
class TrackerSettings:
    """How calls are tracked."""

    database_url: "URL | None"
    """None: the configured database, or the embedded one."""
    spool_path: Path
    spool_max_calls: int
    synchronous: bool
    """log_*() ships each call before it returns: for functions that are frozen between requests."""
    strict: bool
    """A call with invalid arguments raises; else it is counted and reported."""


@dataclass(frozen=True, kw_only=True)
class AccessSettings:
    """Who may look at the dashboard, by the secrets."""

    is_embedded: bool
    """No database is configured: the embedded one is used, which nobody else can reach."""
    signs_in: bool
    """There is an [auth] section: people sign in, and see the clients of which they are members."""
    public_client: str | None = None
    """Name or id of the client that everybody may see."""
    is_local: bool = False
    """Visitors from this machine may see everything."""
    contact: str | None = None
    """Whom to ask for membership."""
    trust_unverified_email: tuple[str, ...] = ()
    """Providers whose email addresses are trusted without a verification."""


def dashboard_script() -> Path:
    """The script that Streamlit runs: in a clone beside the package, in an installed package inside it.

    Raises:
        ConfigurationError: it is not there.
    """
    for directory in (PROJECT_DIRECTORY, PROJECT_DIRECTORY / "analytics"):
        if (script := directory / "streamlit_app.py").is_file():
            return script
    raise ConfigurationError(f"the dashboard is not where it should be: no streamlit_app.py in {directory}")


def connect_document() -> Path:
    """docs/connect.md, whose lines the page Connect shows: in a clone, or in an installed package."""
    in_clone = PROJECT_DIRECTORY / "docs" / "connect.md"
    return in_clone if in_clone.is_file() else PROJECT_DIRECTORY / "analytics" / "docs" / "connect.md"


def data_directory() -> Path:
    """The directory for files that outlive a process.

    USAGE_DATA_DIR; or else `.data` in a clone of the project that is this user's, and the user's directory
    for application data where the package is installed or the clone is somebody else's.
    """
    if configured := os.environ.get("USAGE_DATA_DIR"):
        return Path(configured)
    in_clone = PROJECT_DIRECTORY / ".data"
    if (PROJECT_DIRECTORY / "pyproject.toml").is_file() and _is_ours(in_clone):
        return in_clone
    from platformdirs import user_data_path

    return user_data_path("usage-analytics")


def _is_ours(directory: Path) -> bool:
    """Whether this user keeps files there, or can where nobody does yet."""
    if not directory.exists():
        return os.access(directory.parent, os.W_OK)
    is_owner = sys.platform == "win32" or directory.stat().st_uid == os.geteuid()
    return is_owner and os.access(directory, os.W_OK)


def spool_directory() -> Path:
    """The directory of the spool: calls that are not in PostgreSQL yet."""
    return data_directory() / "spool"


def tracker_settings(
    *,
    database_url: str | None = None,
    directory: Path | None = None,
    spool_max_calls: int | None = None,
    synchronous: bool | None = None,
    strict: bool | None = None,
) -> TrackerSettings:
    """The settings as given, else of USAGE_SPOOL_MAX_CALLS, USAGE_SYNCHRONOUS and USAGE_STRICT.

    Each database has its own file in `directory`: no call ever goes to another one than it was logged for.

    Raises:
        ConfigurationError: a setting is not valid.
    """
    given = postgresql_url(database_url, origin="database_url") if database_url else None
    if spool_max_calls is None:
        spool_max_calls = _positive_integer("USAGE_SPOOL_MAX_CALLS", SPOOL_MAX_CALLS)
    return TrackerSettings(
        database_url=given,
        spool_path=(directory or spool_directory()) / f"{_spool_name(given)}.db",
        spool_max_calls=spool_max_calls,
        synchronous=_switch("USAGE_SYNCHRONOUS") if synchronous is None else synchronous,
        strict=_switch("USAGE_STRICT") if strict is None else strict,
    )


def _spool_name(given: "URL | None") -> str:
    try:
        url = given or configured_database_url()
    except ConfigurationError:
        # Shipping will report the setting. Until then the calls are safe in the spool.
        return "misconfigured"
    if url is None:
        return "embedded"
    host = url.host or url.query.get("host") or ""
    digest = hashlib.sha256(f"{host}:{url.port or 5432}/{url.database}".encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', url.database or 'postgres')}-{digest}"


def _switch(name: str) -> bool:
    text = os.environ.get(name, "").strip().lower()
    if text not in ("", "0", "1", "false", "true", "no", "yes"):
        raise ConfigurationError(f'{name} must be 0 or 1, not "{text}"')
    return text in ("1", "true", "yes")


def _positive_integer(name: str, default: int) -> int:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise ConfigurationError(f'{name} must be a whole number above 0, not "{text}"')
    return int(text)


def configured_database_url(secrets: Mapping[str, Any] | None = None) -> "URL | None":
    """The configured URL, or None for the embedded PostgreSQL.

    DATABASE_URL wins over `[connections.usage] url` of the secrets. `secrets` are Streamlit's; without
    them the project's and then the user's `.streamlit/secrets.toml` are read.

    Raises:
        ConfigurationError: the URL is not a PostgreSQL URL, or a secrets file is not TOML.
    """
    if url := os.environ.get("DATABASE_URL"):
        return postgresql_url(url, origin="DATABASE_URL")
    if secrets is None:
        secrets = _secrets_files()
    setting: Any = secrets
    for name in ("connections", "usage", "url"):
        if not isinstance(setting, Mapping):
            raise ConfigurationError(
                'the secrets need [connections.usage] with url = "postgresql://..." in it'
            )
        setting = setting.get(name, {} if name != "url" else None)
    return postgresql_url(str(setting), origin="[connections.usage] url in the secrets") if setting else None


def api_requests_per_minute() -> int:
    """How many requests a minute an API key may make: USAGE_API_REQUESTS_PER_MINUTE.

    Raises:
        ConfigurationError: it is not a number.
    """
    return _positive_integer("USAGE_API_REQUESTS_PER_MINUTE", API_REQUESTS_PER_MINUTE)


def access_settings(secrets: Mapping[str, Any] | None = None) -> AccessSettings:
    """The access settings of `[auth]` and `[access]` in the secrets.

    Raises:
        ConfigurationError: a setting is unknown or of another type.
    """
    is_embedded = configured_database_url(secrets) is None
    every = _secrets_files() if secrets is None else secrets
    access = every.get("access", {})
    if not isinstance(access, Mapping):
        raise ConfigurationError("[access] in the secrets must be a section, such as [access] local = true")
    auth = every.get("auth", {})
    if not isinstance(auth, Mapping):
        raise ConfigurationError("[auth] in the secrets must be a section, with redirect_uri and the rest")
    kinds = {"public_client": str, "local": bool, "contact": str, "trust_unverified_email": list}
    for name, value in access.items():
        if name not in kinds:
            raise ConfigurationError(
                f'unknown setting "{name}" in [access] of the secrets; allowed: {", ".join(kinds)}'
            )
        if not isinstance(value, kinds[name]):
            raise ConfigurationError(f"[access] {name} must be a {kinds[name].__name__}, not {value!r}")
    return AccessSettings(
        is_embedded=is_embedded,
        signs_in=bool(auth),
        public_client=access.get("public_client") or None,
        is_local=access.get("local", False),
        contact=access.get("contact") or None,
        trust_unverified_email=_providers(access.get("trust_unverified_email", []), auth),
    )


def providers(auth: Mapping[str, Any]) -> list[str]:
    """The identity providers of [auth]: one per section, or the unnamed one."""
    named = [name for name, value in auth.items() if isinstance(value, Mapping) and name not in _NO_PROVIDERS]
    return named if named and "client_id" not in auth else [UNNAMED_PROVIDER]


def _providers(trusted: Sequence[Any], auth: Mapping[str, Any]) -> tuple[str, ...]:
    names = providers(auth)
    for name in trusted:
        # A misspelt name would be ignored in silence.
        if name not in names:
            raise ConfigurationError(
                f"[access] trust_unverified_email: [auth] has {', '.join(names)}, not {name!r}"
                if auth
                else "[access] trust_unverified_email needs [auth]"
            )
    return tuple(trusted)


def postgresql_url(text: str, *, origin: str) -> "URL":
    """`text` as a URL for SQLAlchemy with psycopg; `origin` names the setting in the error."""
    # Imported here: it takes longer than all else that an application imports to track its calls.
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    remedy = 'expected something like "postgresql://user:password@host:5432/database"'
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        # The text may hold a password, so the message never repeats it.
        raise ConfigurationError(f"{origin} is not a database URL: {remedy}") from None
    if "@" in f"{url.host}{url.database}":
        # Part of a password: it would be in every message that names the server.
        raise ConfigurationError(f"{origin}: write @ : / # in a password as %40 %3A %2F %23")
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ConfigurationError(
            f"{origin} names {url.get_backend_name()!r}, but only PostgreSQL is supported: {remedy}"
        )
    return url.set(drivername="postgresql+psycopg")


def _secrets_files() -> Mapping[str, Any]:
    for path in _secrets_paths():
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            # The file in HOME may be another user's. The project's is ours.
            if PROJECT_DIRECTORY not in path.parents:
                continue
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{path} is not valid TOML: {error}") from None
    return {}


def _secrets_paths() -> Iterator[Path]:
    yield PROJECT_DIRECTORY / ".streamlit" / "secrets.toml"
    with suppress(RuntimeError):  # nobody's home
        yield Path.home() / ".streamlit" / "secrets.toml"


@dataclass(frozen=True, kw_only=True)
class AlertChannel:
    """Who is told of alerts, and how. The address holds passwords: it never leaves the process."""

    name: str
    url: str = field(default="", repr=False)
    """As apprise has them: `mailtos://...`, `slack://...`; else `webhook` is set."""
    webhook: str = field(default="", repr=False)
    """Where a JSON is posted to."""
    secret: str = field(default="", repr=False)
    """What the JSON is signed with; empty: it is not."""
    clients: tuple[str, ...] | None = None
    """Names or ids; None: of all, and of the installation."""
    kinds: tuple[str, ...] = ()
    """Which alerts; none: all."""
    quiet: tuple[time, time] | None = None
    digest_at: time | None = None
    """Once a day, all in one message."""
    time_zone: str = "UTC"
    """Of the quiet hours and the digest."""


_WEB = ("http://", "https://")
ALERT_CHANNEL = "ALERT_CHANNEL_"
"""What the environment variable of a channel begins with; its name follows."""
ALERT_KINDS = (
    *("actual", "forecast", "anomaly", "burst", "unpriced", "silence", "prices", "channel", "check"),
)
ALERT_SENSITIVITIES = ("low", "normal", "high")
ALERT_SETTINGS = (*("url", "webhook", "secret", "clients", "kinds", "quiet_hours", "digest_at", "timezone"),)


def alert_channels(secrets: Mapping[str, Any] | None = None) -> list[AlertChannel]:
    """The channels of `[alerts.channels.<name>]` in the secrets, and of ALERT_CHANNEL_<NAME>.

    In the environment, http:// and https:// are addresses of webhooks, and all others apprise's.

    Raises:
        ConfigurationError: a setting is not valid; the message never repeats an address.
    """
    found = [
        AlertChannel(
            name=name.removeprefix(ALERT_CHANNEL).lower(),
            url="" if address.startswith(_WEB) else address,
            webhook=address if address.startswith(_WEB) else "",
        )
        for name, address in sorted(os.environ.items())
        if name.startswith(ALERT_CHANNEL) and address
    ]
    section = (_secrets_files() if secrets is None else secrets).get("alerts", {})
    channels = section.get("channels", {}) if isinstance(section, Mapping) else {}
    if not isinstance(channels, Mapping):
        raise ConfigurationError("the secrets need sections [alerts.channels.<name>]")
    return [*found, *(_alert_channel(str(name), settings) for name, settings in channels.items())]


def dashboard_url(secrets: Mapping[str, Any] | None = None) -> str:
    """Where the dashboard is, for links in messages; empty where nobody says."""
    section = (_secrets_files() if secrets is None else secrets).get("alerts", {})
    stated = section.get("dashboard_url", "") if isinstance(section, Mapping) else ""
    return os.environ.get("DASHBOARD_URL", str(stated)).rstrip("/")


def anomaly_sensitivity(secrets: Mapping[str, Any] | None = None) -> str:
    """How little stands out as unusual, one of ALERT_SENSITIVITIES; normal where nobody says.

    Raises:
        ConfigurationError: it is none of them.
    """
    section = (_secrets_files() if secrets is None else secrets).get("alerts", {})
    stated = section.get("sensitivity", "") if isinstance(section, Mapping) else ""
    sensitivity = os.environ.get("ALERT_SENSITIVITY", str(stated)) or "normal"
    if sensitivity not in ALERT_SENSITIVITIES:
        raise ConfigurationError(
            f'the sensitivity of alerts must be {", ".join(ALERT_SENSITIVITIES)}, not "{sensitivity}"'
        )
    return sensitivity


def _alert_channel(name: str, settings: Any) -> AlertChannel:
    where = f"[alerts.channels.{name}]"
    if not isinstance(settings, Mapping):
        raise ConfigurationError(f"{where} must be a section with url or webhook in it")
    if unknown := sorted(set(settings) - set(ALERT_SETTINGS)):
        raise ConfigurationError(f"{where} has no setting {unknown[0]}; allowed: {', '.join(ALERT_SETTINGS)}")
    if bool(settings.get("url")) == bool(settings.get("webhook")):
        raise ConfigurationError(f"{where} needs either url (as apprise has it) or webhook (an address)")
    kinds = tuple(settings.get("kinds", ()))
    if wrong := [kind for kind in kinds if kind not in ALERT_KINDS]:
        raise ConfigurationError(f"{where} kinds: {wrong[0]} is none; allowed: {', '.join(ALERT_KINDS)}")
    zone = str(settings.get("timezone", "UTC"))
    if zone not in available_timezones():
        raise ConfigurationError(f'{where} timezone: "{zone}" is no IANA name such as "America/Sao_Paulo"')
    quiet = None
    if stated := settings.get("quiet_hours"):
        begin, dash, end = str(stated).partition("-")
        if not dash:
            raise ConfigurationError(f'{where} quiet_hours must be like "22:00-07:00", not "{stated}"')
        quiet = _clock(where, "quiet_hours", begin), _clock(where, "quiet_hours", end)
    digest = settings.get("digest_at")
    return AlertChannel(
        name=name.lower(),
        url=str(settings.get("url", "")),
        webhook=str(settings.get("webhook", "")),
        secret=str(settings.get("secret", "")),
        clients=tuple(map(str, settings["clients"])) if "clients" in settings else None,
        kinds=kinds,
        quiet=quiet,
        digest_at=None if digest is None else _clock(where, "digest_at", str(digest)),
        time_zone=zone,
    )


def _clock(where: str, name: str, text: str) -> time:
    try:
        return time.fromisoformat(text.strip())
    except ValueError:
        raise ConfigurationError(f'{where} {name}: "{text}" is no time such as 07:30') from None
