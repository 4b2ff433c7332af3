"""A lake with the publications of two days, which tests change and get back as it was."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from tests.support import Command, canaries

DAYS = (datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 2, 12, tzinfo=UTC))
_CATALOG = "catalog.db"


class TwoDays:
    """The marked delivery, and on the next day the same with one line more, both published.

    The runs keep their staging files. Everything stays in one place, because a table's files name
    each other by their paths.

    Parameters
    ----------
    folder : Path
        An empty folder.
    command : callable
        Runs ``client-health`` with its arguments.
    """

    def __init__(self, folder: Path, command: Command) -> None:
        self.lake, self._saved = folder / "lake", folder / "saved"
        first = canaries.write_delivery(folder / "first")
        second = canaries.write_delivery(folder / "second")
        with (second / canaries.NAMES["csv"]).open("a") as lines:
            lines.write(canaries.csv_lines()[1] + "\n")
        self.deliveries = (first, second)
        for raw, day in zip(self.deliveries, DAYS, strict=True):
            for file in raw.iterdir():
                os.utime(file, (day.timestamp(),) * 2)
            done = command("run", "--keep-staging", "--raw", raw, "--lake", self.lake)
            assert done.returncode == 0, done.stdout + done.stderr
        shutil.copytree(self.lake, self._saved, ignore=shutil.ignore_patterns(f"{_CATALOG}*"))
        _copy(self.lake / _CATALOG, self._saved / _CATALOG)

    def restore(self) -> TwoDays:
        """Make the lake what it was after the second day, and return this."""
        for path in self.lake.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif not path.name.startswith(_CATALOG):
                path.unlink()
        shutil.copytree(
            self._saved, self.lake, ignore=shutil.ignore_patterns(_CATALOG), dirs_exist_ok=True
        )
        _copy(self._saved / _CATALOG, self.lake / _CATALOG)
        return self


def _copy(source: Path, target: Path) -> None:
    """Copy a catalog's content: the file itself is open in the session."""
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)
