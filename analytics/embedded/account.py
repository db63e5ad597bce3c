"""Whom the embedded PostgreSQL runs as, and what only that user may enter.

That is whoever starts it. PostgreSQL refuses to run as root, for whom it runs as a user of its own, who is
made for that: no directory is opened to anybody for it.
"""

import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analytics.errors import DatabaseUnavailable

FOR_ROOT = "usage-postgres"
"""The user as whom it runs when root starts it."""
FOR_ROOT_DIRECTORY = Path("/var/lib/usage-postgres")
"""Where PostgreSQL's programs are copied to, where that user cannot reach those of root."""
_BEFORE = "pgserver"
"""As whom it ran for root before it had a user of its own."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user of this machine, as whom PostgreSQL runs."""

    uid: int
    gid: int
    name: str
    is_another: bool
    """Root starts it, and it runs as this one."""

    @property
    def callers(self) -> Sequence[str]:
        """Names of the users who may connect."""
        return [self.name, pwd.getpwuid(0).pw_name] if self.is_another else [self.name]

    @property
    def process_options(self) -> dict[str, Any]:
        """How subprocess starts something as this user."""
        as_user = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_another else {}
        # libpq's and PostgreSQL's own variables are about other servers.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {"env": environment, "umask": 0o077, "stdin": subprocess.DEVNULL, **as_user}

    def own(self, path: Path) -> None:
        """Gives this user what root has just made."""
        if self.is_another:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def take_over(self, directory: Path) -> None:
        """Gives this user a directory and all in it, where root or the user of earlier versions has it."""
        if not self.is_another or directory.is_symlink() or directory.stat().st_uid not in _before():
            return
        for parent, directories, files in os.walk(directory):
            for name in (*directories, *files):
                self.own(Path(parent, name))
        self.own(directory)

    def can_enter(self, directory: Path) -> bool:
        """Whether this user can reach what is in the directory."""
        return not self.is_another or all(
            self._may_pass(parent.stat()) for parent in (directory, *directory.parents) if parent.exists()
        )

    def _may_pass(self, found: os.stat_result) -> bool:
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == self.gid else stat.S_IXOTH))


def account() -> Account:
    """The user as whom PostgreSQL runs when this process starts it.

    Raises:
        DatabaseUnavailable: there is none as whom it could.
    """
    uid = os.geteuid()
    name = FOR_ROOT if uid == 0 else None
    try:
        found = pwd.getpwnam(name) if name else pwd.getpwuid(uid)
    except KeyError:
        if name is None:
            raise DatabaseUnavailable(
                f"the embedded PostgreSQL does not start for the user {uid}, who has no name here: give it "
                "one in /etc/passwd, or set DATABASE_URL to a server of your own"
            ) from None
        found = _made(name)
    return Account(uid=found.pw_uid, gid=found.pw_gid, name=found.pw_name, is_another=uid == 0)


def _made(name: str) -> pwd.struct_passwd:
    try:
        subprocess.run(
            ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name],
            check=True,
            capture_output=True,
            text=True,
        )
        return pwd.getpwnam(name)
    except (OSError, subprocess.CalledProcessError, KeyError) as error:
        reason = getattr(error, "stderr", None) or error
        raise DatabaseUnavailable(
            f"PostgreSQL does not run as root, and a user {name} could not be made ({str(reason).strip()}): "
            "start this as another user, or set DATABASE_URL to a server of your own"
        ) from error


def _before() -> set[int]:
    """Ids of the users as whom root may have run the server, and made its files, before."""
    found = {0}
    try:
        found.add(pwd.getpwnam(_BEFORE).pw_uid)
    except KeyError:
        return found
    return found


def reachable_programs(wheel: Path, version: str, of: Account) -> Path:
    """The directory of PostgreSQL's programs in the wheel, or in a copy of it that the user can reach."""
    installed = wheel / f"pginstall{version}"
    if of.can_enter(installed / "bin"):
        return installed / "bin"
    # By size and time of what is copied, so that another version of it becomes another copy.
    found = (installed / "bin" / "postgres").stat()
    copy = FOR_ROOT_DIRECTORY / f"programs-{found.st_size}-{int(found.st_mtime)}"
    if not copy.is_dir():
        FOR_ROOT_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=FOR_ROOT_DIRECTORY))
        # The libraries are beside the wheel, and the programs look for them there.
        for directory in (installed, wheel.with_name(f"{wheel.name}.libs")):
            if directory.is_dir():
                shutil.copytree(directory, unfinished / directory.relative_to(wheel.parent), symlinks=True)
        unfinished.chmod(0o755)
        unfinished.rename(copy)
    return copy / installed.relative_to(wheel.parent) / "bin"


def check_private(directory: Path, of: Account) -> None:
    """Refuses a directory that anybody else could enter, or have put there.

    Raises:
        DatabaseUnavailable: it is a link, not a directory, somebody else's, or open to others.
    """
    found = directory.lstat()
    mode = stat.S_IMODE(found.st_mode)
    refused = "the embedded PostgreSQL does not start, as its directory must be closed to all others"
    if stat.S_ISLNK(found.st_mode):
        raise DatabaseUnavailable(
            f"{refused}: {directory} is a link: set USAGE_DATA_DIR to where it leads, or remove it"
        )
    if not stat.S_ISDIR(found.st_mode):
        raise DatabaseUnavailable(f"{refused}: {directory} is no directory: remove it")
    if found.st_uid != of.uid:
        raise DatabaseUnavailable(
            f"{refused}: {directory} belongs to the user {_name(found.st_uid)}, not to {of.name}: set "
            "USAGE_DATA_DIR to a directory of yours"
        )
    if mode & 0o077:
        raise DatabaseUnavailable(
            f"{refused}: {directory} has the mode {mode:04o}: run chmod 700 {shlex.quote(str(directory))}"
        )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
