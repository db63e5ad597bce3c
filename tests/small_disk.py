"""A disk of a few megabytes that can be filled, get room again, and fail as disks do.

It is mounted in a mount namespace of the process, which takes it along when it ends: nothing is left behind.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

_BALLAST = "ballast"


@cache
def mounting() -> tuple[str, ...] | None:
    """What a command line begins with whose process may mount; None where this system lets nobody."""
    if sys.platform != "linux":
        return None
    prefix = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--mount")
    tried = subprocess.run(
        [*prefix, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    )
    return prefix if tried.returncode == 0 else None


@cache
def can_break() -> bool:
    """Whether break_disk() works, which takes an own file system and root."""
    return mounting() is not None and os.geteuid() == 0 and Path("/sys/fs/ext4").is_dir()


def mount_disk(directory: Path, megabytes: int) -> None:
    """In memory."""
    directory.mkdir(exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(directory))


def mount_ext4(directory: Path, megabytes: int) -> None:
    """A file system of its own in a file beside the directory; one that turns read-only at an error."""
    directory.mkdir(exist_ok=True)
    image = directory.with_suffix(".image")
    with image.open("wb") as file:
        file.truncate(megabytes * 1_000_000)
    _run("mkfs.ext4", "-q", str(image))
    _run("mount", "-o", "loop,errors=remount-ro", str(image), str(directory))


def unmount(directory: Path) -> None:
    _run("umount", "--lazy", str(directory))


def break_disk(directory: Path) -> None:
    """An error in the file system of mount_ext4(), which is read-only from then on."""
    [device] = [
        device
        for device, place, *_ in map(str.split, Path("/proc/mounts").read_text().splitlines())
        if place == str(directory)
    ]
    Path("/sys/fs/ext4", Path(device).name, "trigger_fs_error").write_text("1")


def fill_disk(directory: Path) -> None:
    """To the last byte."""
    with (directory / _BALLAST).open("wb", buffering=0) as ballast:
        for size in (65_536, 512, 1):
            try:
                while True:
                    ballast.write(b"x" * size)
            except OSError:
                continue


def remount_read_only(directory: Path) -> None:
    """A disk on which no file is open."""
    _run("mount", "-o", "remount,ro", str(directory))


def make_room(directory: Path) -> None:
    """Undoes fill_disk()."""
    (directory / _BALLAST).unlink()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
