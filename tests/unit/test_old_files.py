"""Files of a local lake that are older than their folder's limit."""

from __future__ import annotations

import datetime as dt
import errno
import os
import shutil
from pathlib import Path

import pytest

from client_health_cli import old_files
from client_health_cli.errors import LakeError
from register_contract.retention import Retention

NOW = dt.datetime(2026, 3, 31, 12, tzinfo=dt.UTC)
LIMITS = Retention(staging_days=7, delivery_days=30, run_days=365)


def file(path: Path, days: float, content: str = "12345") -> Path:
    """Write a file that was last changed some days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, ((NOW - dt.timedelta(days=days)).timestamp(),) * 2)
    return path


def test_each_folder_has_its_own_limit_and_a_run_is_as_old_as_its_newest_file(
    tmp_path: Path,
) -> None:
    file(tmp_path / "staging/old/ingested/a.parquet", 7.1)
    file(tmp_path / "staging/old/rejected/b.parquet", 9)
    file(tmp_path / "staging/half/ingested/a.parquet", 9)
    file(tmp_path / "staging/half/rejected/b.parquet", 6.9)
    file(tmp_path / "runs/old/01_ingest.json", 366)
    file(tmp_path / "runs/young/01_ingest.json", 364)
    file(tmp_path / "runs/.lock", 400)
    file(tmp_path / "restricted/resubmissions/b1.parquet", 31)
    file(tmp_path / "restricted/resubmissions/b2.parquet", 29)
    file(tmp_path / "clientoutput/convenio=Gold/a.parquet", 4_000)

    found = old_files.find(tmp_path, LIMITS, NOW)
    told = [(one.folder, one.days, [p.name for p in one.paths], one.size) for one in found]
    assert told == [
        ("staging", 7, ["old"], 10),
        ("runs", 365, ["old"], 5),
        ("restricted/resubmissions", 30, ["b1.parquet"], 5),
    ]  # fmt: skip

    old_files.remove(tmp_path, found)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {
        "staging/half/ingested/a.parquet",
        "staging/half/rejected/b.parquet",
        "runs/young/01_ingest.json",
        "restricted/resubmissions/b2.parquet",
        "runs/.lock",
        "clientoutput/convenio=Gold/a.parquet",
    }
    assert not any(one.paths for one in old_files.find(tmp_path, LIMITS, NOW))


def test_what_cannot_be_removed_is_named_and_the_rest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        file(tmp_path / "staging" / name / "a.parquet", 9)
    remove = shutil.rmtree

    def refusing(path: Path) -> None:
        if path.name == "a":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        remove(path)

    monkeypatch.setattr(old_files.shutil, "rmtree", refusing)
    with pytest.raises(LakeError, match=r"1 of the items .* staging/a \(Permission denied\)"):
        old_files.remove(tmp_path, old_files.find(tmp_path, LIMITS, NOW))
    assert [path.name for path in (tmp_path / "staging").iterdir()] == ["a"]


def test_a_lake_without_these_folders_has_nothing_old(tmp_path: Path) -> None:
    assert old_files.find(tmp_path, LIMITS, NOW) == ()
