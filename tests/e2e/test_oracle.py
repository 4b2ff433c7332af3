"""``client-health run`` on dirty deliveries, compared with an independent implementation.

The oracle (``tests/oracle``) shares no code with the library. ``python -m tests.oracle.check``
compares more and larger deliveries.
"""

from __future__ import annotations

import ast
import copy
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests import oracle
from tests.oracle import compare, dirty
from tests.oracle.compare import Left
from tests.oracle.correct import correct
from tests.oracle.reading import SOURCES
from tests.oracle.register import ERRORS, WARNINGS, Expected, expect
from tests.support.warm import Warm

KEY = "0ac1" * 16


@dataclass(frozen=True)
class Compared:
    """A delivery, its expected result, and the result of a run."""

    delivery: dirty.Delivery
    expected: Expected
    left: Left


def compared(folder: Path, warm: Warm, rows: int, seed: int, **how: bool) -> Compared:
    key = folder / "id.key"
    key.write_text(KEY)
    key.chmod(0o600)
    delivery = dirty.write(folder / "raw", rows, seed, **how)
    environment = {**os.environ, **warm.endpoint.environment}
    done = compare.run(delivery, folder / "lake", key, *warm.options, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = expect(delivery.sources, KEY.encode(), delivery.as_of)
    return Compared(delivery, expected, compare.look(folder / "lake"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Compared:
    """Return a delivery with one file per source."""
    return compared(tmp_path_factory.mktemp("whole"), warm, 1500, 11)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Compared:
    """Return a delivery with several files per source: compressed, reordered, with other types."""
    return compared(tmp_path_factory.mktemp("parts"), warm, 300, 12, parts=True)


@pytest.fixture(params=["whole", "parts"])
def either(request: pytest.FixtureRequest) -> Compared:
    found: Compared = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("what", [compare.published, compare.rejected, compare.counted])
def test_a_run_leaves_what_the_oracle_expects(
    either: Compared, what: Callable[[Expected, Left], Iterator[str]]
) -> None:
    found = list(what(either.expected, either.left))
    assert not found, compare.shown(found)


def test_the_delivery_has_dirt_of_every_kind(whole: Compared) -> None:
    expected = whole.expected
    assert min(expected.rejections[rule] for rule in ERRORS) > 0
    warned = {rule for [client, *_] in expected.clients.values() for rule in client.warnings}
    assert warned == set(WARNINGS)
    for name in SOURCES:
        assert expected.rows[name]["rejected"] > 0
        assert expected.rows[name]["duplicates"] > 0
    assert any(len(tied) > 1 for tied in expected.clients.values())


def _swap(left: Left) -> None:
    first, second = left.published[:2]
    first["id"], second["id"] = second["id"], first["id"]


def _count(left: Left, *path: str) -> None:
    inside: Any = left.receipts
    for name in path[:-1]:
        inside = inside[name]
    inside[path[-1]] += 1


FAULTS: dict[str, Callable[[Left], object]] = {
    "a row lost": lambda left: left.published.pop(),
    "a row twice": lambda left: left.published.append(left.published[0]),
    "two people's rows swapped": _swap,
    "a value changed": lambda left: left.published[0].update(numero=123_456),
    "a mask off": lambda left: left.published[0].update(cidade="Recife"),
    "a column more": lambda left: left.published[0].update(source="csv"),
    "a rejected row lost": lambda left: left.rejected.pop(),
    "a rejected row twice": lambda left: left.rejected.append(left.rejected[0]),
    "another reason": lambda left: left.rejected[0].update(reasons=["cpf_estranho"]),
    "another source": lambda left: left.rejected[0].update(source="none"),
    "rows read": lambda left: _count(left, "01_ingest", "rows", "csv", "in"),
    "corrected rows": lambda left: _count(left, "02_transform", "rows", "csv", "resubmitted"),
    "duplicates": lambda left: _count(left, "02_transform", "rows", "json", "duplicates"),
    "rows published": lambda left: _count(left, "03_quality", "rows", "parquet", "out"),
    "a rejection": lambda left: _count(left, "02_transform", "rejections", "cpf_formato"),
    "a warning": lambda left: _count(left, "02_transform", "warnings", "nome_ausente"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_comparison_notices(whole: Compared, fault: str) -> None:
    left = copy.deepcopy(whole.left)
    FAULTS[fault](left)
    assert len(compare.differences(whole.expected, left)) > len(
        compare.differences(whole.expected, whole.left)
    )


def test_the_same_seed_gives_the_same_delivery(whole: Compared, tmp_path: Path) -> None:
    again = dirty.write(tmp_path, 1500, 11)
    for name in SOURCES:
        assert again.sources[name].read_bytes() == whole.delivery.sources[name].read_bytes()


def test_the_oracle_shares_no_code_with_the_library() -> None:
    imported = set()
    for path in Path(str(oracle.__file__)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(str(node.module).split(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"pyarrow"}


@pytest.fixture(scope="module")
def again(whole: Compared, own_environment: dict[str, str], warm: Warm) -> Compared:
    """Return the delivery published again, with its rejected rows corrected."""
    folder = whole.delivery.sources["csv"].parent.parent
    lake, corrections = folder / "lake", folder / "corrections"

    def call(*words: object) -> str:
        given = [str(compare.COMMAND), *map(str, words), "--lake", str(lake)]
        done = subprocess.run(
            given, capture_output=True, text=True, env=own_environment, check=True
        )
        return done.stdout

    call("rejected", "--export", corrections)
    known = [rows[0].came.values["cpf"] for rows in whole.expected.clients.values()]
    # A person of the register, and a new one, in turn.
    cpfs = (cpf for number, one in enumerate(known) for cpf in (str(one), f"{number:011}"))
    corrected = correct(corrections, cpfs)
    files = list(corrected.values())
    assert "publishes it once" in call("resubmit", *files)
    assert "nothing was changed" in call("resubmit", *files)
    environment = {**os.environ, **warm.endpoint.environment}
    runs = compare.run_folders(lake)
    for _ in range(2):  # the second start finds itself published
        more = (*warm.options, "--accept-drift", "--accept-volume-change")
        done = compare.run(whole.delivery, lake, folder / "id.key", *more, environment=environment)
        assert done.returncode == 0, done.stdout + done.stderr
    (run,) = compare.run_folders(lake) - runs
    expected = expect(whole.delivery.sources, KEY.encode(), whole.delivery.as_of, corrected)
    return Compared(whole.delivery, expected, compare.look(lake, run.name))


@pytest.mark.parametrize("what", [compare.published, compare.rejected, compare.counted])
def test_corrected_rows_come_back_as_the_oracle_expects(
    again: Compared, what: Callable[[Expected, Left], Iterator[str]]
) -> None:
    assert all(again.expected.rows[name]["resubmitted"] for name in SOURCES)
    found = list(what(again.expected, again.left))
    assert not found, compare.shown(found)
