"""Where the database is: environment, then secrets, then the embedded PostgreSQL."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from analytics.errors import ConfigurationError

PROJECT_DIRECTORY = Path(__file__).resolve().parent.parent


def data_directory() -> Path:
    """Where files that outlive a process are kept: USAGE_DATA_DIR, or `.data` in the project."""
    return Path(os.environ.get("USAGE_DATA_DIR") or PROJECT_DIRECTORY / ".data")


def configured_database_url(secrets: Mapping[str, Any] | None = None) -> URL | None:
    """The URL that somebody configured, or None: then the embedded PostgreSQL serves.

    DATABASE_URL wins over `[connections.usage] url` of the secrets. `secrets` are Streamlit's; without
    them the project's and then the user's `.streamlit/secrets.toml` are read.

    Raises:
        ConfigurationError: the URL is not one of PostgreSQL's, or a secrets file is not TOML.
    """
    if url := os.environ.get("DATABASE_URL"):
        return postgresql_url(url, origin="DATABASE_URL")
    if secrets is None:
        secrets = _secrets_files()
    found: Any = secrets
    for name in ("connections", "usage", "url"):
        if not isinstance(found, Mapping):
            raise ConfigurationError(
                'the secrets need [connections.usage] with url = "postgresql://..." in it'
            )
        found = found.get(name, {} if name != "url" else None)
    return postgresql_url(str(found), origin="[connections.usage] url in the secrets") if found else None


def postgresql_url(text: str, *, origin: str) -> URL:
    """`text` as a URL for SQLAlchemy with psycopg; `origin` names the setting in the error."""
    remedy = 'expected something like "postgresql://user:password@host:5432/database"'
    try:
        url = make_url(text.strip())
    except (ArgumentError, ValueError):
        # The text may hold a password, so the message never repeats it.
        raise ConfigurationError(f"{origin} is not a database URL: {remedy}") from None
    if "@" in f"{url.host}{url.database}":
        # Part of a password, which would otherwise show in every message that names the server.
        raise ConfigurationError(f"{origin}: write @ : / # in a password as %40 %3A %2F %23")
    if url.get_backend_name() not in ("postgresql", "postgres"):
        raise ConfigurationError(
            f"{origin} names {url.get_backend_name()!r}, but only PostgreSQL is supported: {remedy}"
        )
    return url.set(drivername="postgresql+psycopg")


def _secrets_files() -> Mapping[str, Any]:
    for path in (
        PROJECT_DIRECTORY / ".streamlit" / "secrets.toml",
        Path.home() / ".streamlit" / "secrets.toml",
    ):
        if path.is_file():
            try:
                return tomllib.loads(path.read_text(encoding="utf-8"))
            except tomllib.TOMLDecodeError as error:
                raise ConfigurationError(f"{path} is not valid TOML: {error}") from None
    return {}
