"""Files of a local lake that are older than their folder's limit.

In S3, lifecycle rules of the bucket do the same.
"""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_health_cli.errors import LakeError
from register_contract import resubmissions
from register_contract.retention import Retention

FOLDERS: Final = ("staging", "deliveries", "runs", resubmissions.FOLDER)


@dataclass(frozen=True)
class Old:
    """What is too old in one folder of the lake.

    Attributes
    ----------
    folder
        Its name.
    days
        Its limit.
    paths
        What is removed in it: the folder of a run or delivery, or the file of a batch.
    size
        Their size in bytes.
    """

    folder: str
    days: int
    paths: tuple[Path, ...]
    size: int


def find(lake: Path, retention: Retention, now: dt.datetime) -> tuple[Old, ...]:
    """Return what is too old, by folder; a run counts as old as its newest file.

    Parameters
    ----------
    lake
        The lake's folder.
    retention
        The limits.
    now
        The current time, with a time zone.
    """
    found = []
    for name in FOLDERS:
        days = retention.of_folder(name)
        if days is None or not (lake / name).is_dir():
            continue
        limit = (now - dt.timedelta(days=days)).timestamp()
        # A lock is neither: it stays.
        old = [
            (path, files)
            for path in sorted((lake / name).iterdir())
            if (path.is_dir() or path.suffix == ".parquet")
            and (files := _files(path))
            and max(files.values())[0] < limit
        ]
        size = sum(size for _, files in old for _, size in files.values())
        found.append(Old(name, days, tuple(path for path, _ in old), size))
    return tuple(found)


def remove(lake: Path, found: tuple[Old, ...]) -> None:
    """Remove what :func:`find` has found.

    Parameters
    ----------
    lake
        The lake's folder.
    found
        Everything that can be removed goes, whatever can't.

    Raises
    ------
    LakeError
        Something can't be removed.
    """
    left: dict[Path, OSError] = {}
    for path in (path for old in found for path in old.paths):
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            left[path] = error
    if left:
        first, why = next(iter(left.items()))
        raise LakeError(
            str(lake),
            f"{len(left):,} of the items that are too old can't be removed, such as"
            f" {first.relative_to(lake)} ({why.strerror}): they are still there",
        )


def _files(folder: Path) -> dict[Path, tuple[float, int]]:
    """Return time of change and size of a file, or of each file of a folder."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            found[path] = (status.st_mtime, status.st_size)
    return found
