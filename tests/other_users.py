"""What other users of this machine do: in a process of their own, which has become theirs."""

import json
import os
import pwd
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# Two who are on every Debian and have nothing.
SOMEBODY = "nobody"
SOMEBODY_ELSE = "daemon"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def as_user(name: str, work: Callable[[], Any], **environment: str) -> Any:
    """What `work` returns (anything that JSON takes) in a process of this user; fails where it raises."""
    user = pwd.getpwnam(name)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            os.environ.update(environment)
            answer = {"value": work()}
        except BaseException:
            answer = {"error": traceback.format_exc()}
        os.write(writing, json.dumps(answer).encode())
        # Nothing that the parent has put down for its end.
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        told = json.loads(answers.read())
    os.waitpid(child, 0)
    assert "error" not in told, told["error"]
    return told["value"]


def psql(name: str, programs: Path, sockets: Path, statement: str) -> "subprocess.CompletedProcess[str]":
    """PostgreSQL's own client, run by this user as the superuser of whoever listens in `sockets`."""
    user = pwd.getpwnam(name)
    return subprocess.run(
        [str(programs / "psql"), "-w", "-At", "-h", str(sockets), "-U", "postgres", "-c", statement],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
    )
