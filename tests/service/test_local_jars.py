"""Spark's jars: fetched once, pinned, and never incomplete."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event

import pytest

from glue_local.errors import JarError
from glue_local.sessions.arguments import SessionArguments
from glue_local.sessions.provision import provision
from glue_local.settings import ServiceSettings
from glue_local.spark import class_data
from glue_local.spark.class_data import ClassDataError
from glue_local.spark.driver import command
from glue_local.spark.jars import FORMATS, ICEBERG, Jar, archive_path, cache_folder, ensure, verify

TEXT = Jar("group", "artifact", "1.0", "0" * 64)


def registry(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Replace Java with another program, so that Ivy's registry answers as the script says."""
    java = folder / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(folder))


def test_iceberg_brings_the_runtime_and_the_driver_of_its_catalog() -> None:
    assert [jar.artifact for jar in FORMATS["iceberg"]] == [
        "iceberg-spark-runtime-3.5_2.12",
        "sqlite-jdbc",
    ]


def test_jars_that_are_there_need_neither_network_nor_java(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", "/absent")
    monkeypatch.setenv("PATH", "")
    (tmp_path / TEXT.file_name).write_bytes(b"there")
    assert ensure(TEXT, folder=tmp_path) == (tmp_path / TEXT.file_name,)


def test_the_users_jars_are_the_pinned_ones() -> None:
    ensure(*FORMATS["iceberg"])
    verify(*FORMATS["iceberg"])
    assert (cache_folder() / ICEBERG.file_name).stat().st_size > 40_000_000


def test_a_jar_that_cannot_be_fetched_is_named_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry(tmp_path, monkeypatch, "echo unresolved dependency; exit 1")
    with pytest.raises(JarError, match=r"group:artifact:1\.0.*glue_local\.prepare") as failed:
        ensure(TEXT, folder=tmp_path / "cache")
    assert "unresolved dependency" in failed.value.reason
    assert list((tmp_path / "cache").iterdir()) == []


def test_another_file_under_the_jars_name_is_thrown_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry(tmp_path, monkeypatch, f"echo other > {TEXT.file_name}")
    with pytest.raises(JarError, match=r"sha256 .* expected 0000"):
        ensure(TEXT, folder=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_java_that_writes_no_class_archive_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry(tmp_path, monkeypatch, "exit 7")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(ClassDataError, match="wrote no class archive"):
        class_data.ensure()
    assert not list((tmp_path / "cache").rglob("*.jsa"))


def test_old_class_archives_make_room_for_new_ones(tmp_path: Path) -> None:
    for number in range(10):
        archive = tmp_path / f"{number}.jsa"
        archive.touch()
        os.utime(archive, (number, number))
    class_data.drop_old(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{number}.jsa" for number in range(2, 10)
    ]


def test_a_session_maps_the_class_archive_that_fits_its_java(tmp_path: Path) -> None:
    java_command = command(
        {"conf": {"spark.driver.memory": "1g"}, "class_path": [], "spark_home": "/spark"}
        | {"java": "java", "class_archive": "/cache/x.jsa"},
        tmp_path / "spark.properties",
    )
    assert "-XX:SharedArchiveFile=/cache/x.jsa" in java_command
    assert class_data.ensure() == archive_path()
    assert class_data.ensure(("iceberg",)) == archive_path(("iceberg",)) != archive_path()


def test_a_class_archive_that_sessions_use_stays_among_the_kept(tmp_path: Path) -> None:
    archive = class_data.ensure()
    before = archive.stat().st_mtime
    os.utime(archive, (before - 60, before - 60))
    provision(SessionArguments({}), ServiceSettings(), tmp_path, Event())
    assert archive.stat().st_mtime >= before


def test_a_spoilt_jar_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry(tmp_path, monkeypatch, "exit 1")
    (tmp_path / TEXT.file_name).write_bytes(b"spoilt")
    with pytest.raises(JarError):
        verify(TEXT, folder=tmp_path)
    assert not (tmp_path / TEXT.file_name).exists()
