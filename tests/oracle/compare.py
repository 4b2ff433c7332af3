"""Compare what a run left in its lake with what the oracle expects."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from . import values
from .dirty import Delivery
from .reading import REGISTER, SOURCES
from .register import ERRORS, WARNINGS, Client, Expected, Typed

STAGES = ("01_ingest", "02_transform", "03_quality")
COMMAND = Path(sys.executable).with_name("client-health")
Command = Callable[..., subprocess.CompletedProcess[str]]
_PARSED = ("data_nascimento", "data_cadastro", "numero")
_COUNTS = ("in", "resubmitted", "out", "rejected", "duplicates", "suppressed")


@dataclass(frozen=True)
class Left:
    """The result of a run: published rows, rejected rows, and receipts."""

    published: list[dict[str, Any]]
    rejected: list[dict[str, Any]]
    receipts: dict[str, dict[str, Any]]


def program(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command as a process."""
    words = [str(COMMAND), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def run(
    delivery: Delivery, lake: Path, key: Path, *more: str, command: Command = program
) -> subprocess.CompletedProcess[str]:
    """Run the command on a delivery."""
    sources = [word for kind in SOURCES for word in (f"--{kind}", delivery.sources[kind])]
    asked = ["--lake", lake, "--id-key", key, "--as-of", delivery.as_of.isoformat()]
    return command("run", *sources, *asked, "--keep-staging", *more)


def look(lake: Path, run_id: str = "", command: Command = program) -> Left:
    """Read the result of a lake's only run, or of its last one by name."""
    sql = "SELECT * FROM clientoutput ORDER BY id"
    done = command("query", "--lake", lake, "--format", "json", sql)
    if done.returncode:
        raise RuntimeError(done.stderr)
    published = json.loads(done.stdout)
    for row in published:
        row["data_nascimento"] = date.fromisoformat(row["data_nascimento"])
        row["data_cadastro"] = datetime.fromisoformat(row["data_cadastro"])
    (folder,) = run_folders(lake, run_id)
    receipts = {stage: json.loads((folder / f"{stage}.json").read_text()) for stage in STAGES}
    return Left(
        published, list(rejected_rows(lake / "staging" / folder.name / "rejected")), receipts
    )


def run_folders(lake: Path, run_id: str = "") -> set[Path]:
    """Return the folders of a lake's runs, or of one of them."""
    return {path for path in (lake / "runs").glob(run_id or "*") if path.is_dir()}


def rejected_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Read the rejected rows from all files and folders."""
    for path in sorted(folder.rglob("*.parquet")):
        if not any(part[0] in "_." for part in path.relative_to(folder).parts):
            table: pa.Table = pq.ParquetFile(path).read()
            yield from table.to_pylist()


def differences(expected: Expected, left: Left) -> list[str]:
    """Describe all differences between a run and the oracle; empty if they agree."""
    return [*published(expected, left), *rejected(expected, left), *counted(expected, left)]


def published(expected: Expected, left: Left) -> Iterator[str]:
    """Describe wrong published rows; if CPF, time, and source are the same, any row may be kept."""
    rows = left.published
    found = Counter(row["id"] for row in rows)
    yield from (f"published {count} times: {made}" for made, count in found.items() if count > 1)
    yield from (f"not published: {expected.clients[m]}" for m in expected.clients.keys() - found)
    for row in rows:
        clients = expected.clients.get(row["id"])
        if clients is None:
            yield f"published and not expected: {row}"
        elif not _alike(clients, row):
            best = min(clients, key=lambda client: len(_unlike(client.published, row)))
            for name in _unlike(best.published, row):
                came, wanted = best.came.values.get(name), best.published.get(name)
                given = f"{name} {came!a} became {row.get(name)!a}, expected {wanted!a}"
                yield f"{best.came.source}, {len(clients)} tied: {given}"
        elif list(row) != list(clients[0].published):
            yield f"columns published in another order: {list(row)}"


def _unlike(expected: dict[str, Any], row: dict[str, Any]) -> list[str]:
    return [n for n in {**expected, **row} if expected.get(n, ...) != row.get(n, ...)]


def _alike(clients: list[Client], row: dict[str, Any]) -> list[Client]:
    return [client for client in clients if client.published == row]


def rejected(expected: Expected, left: Left) -> Iterator[str]:
    """Describe rejected rows with wrong content, wrong parsed values, or wrong reasons."""
    wanted = Counter(_of_oracle(row, reasons) for row, reasons in expected.rejected)
    found = Counter(map(_of_run, left.rejected))
    yield from (f"rejected, {n} times too often: {row!a}" for row, n in (found - wanted).items())
    yield from (f"rejected, {n} times too rarely: {row!a}" for row, n in (wanted - found).items())


def _of_oracle(row: Typed, reasons: tuple[str, ...]) -> tuple[Any, ...]:
    came = row.came
    if came.malformed is not None:
        return came.source, reasons, came.malformed
    read = {"data_nascimento": row.birth, "data_cadastro": row.time, "numero": row.number}
    marks = tuple(name in row.unreadable for name in _PARSED)
    shown = {name: read[name] if name in read else came.values[name] for name in REGISTER}
    return came.source, reasons, *map(_or_null, shown.values()), marks


def _of_run(row: dict[str, Any]) -> tuple[Any, ...]:
    reasons = tuple(row["reasons"])
    if row["malformed_line"] is not None:
        # The columns of a malformed line aren't specified, only the line is.
        return row["source"], reasons, row["malformed_line"]
    marks = tuple(row[f"unreadable_{name}"] for name in _PARSED)
    return row["source"], reasons, *(_or_null(row[name]) for name in REGISTER), marks


def _or_null(value: Any) -> Any:
    """Treat blank as null: an empty text of a rejected row may be kept as either."""
    return None if isinstance(value, str) and values.blank(value) else value


def counted(expected: Expected, left: Left) -> Iterator[str]:
    """Describe the receipts' figures that differ: rows by source, rejections, warnings."""
    ingest, transform, quality = (left.receipts[stage] for stage in STAGES)
    for name in SOURCES:
        rows = expected.rows[name]
        came, again, out = rows["in"], rows["resubmitted"], rows["out"]
        staged = Counter({"in": came, "resubmitted": again, "out": came + again})
        for receipt, wanted in (
            (ingest, staged),
            (transform, rows),
            (quality, Counter({"in": out, "out": out})),
        ):
            for what in _COUNTS:
                given = receipt["rows"][name][what]
                if given != wanted[what]:
                    yield f"{receipt['stage']}: {name} {what} {given}, expected {wanted[what]}"
    rejections = {rule: expected.rejections[rule] for rule in ERRORS}
    if transform["rejections"] != rejections:
        yield f"{transform['stage']}: {transform['rejections']}, expected {rejections}"
    yield from _warnings(expected, left, transform)


def _warnings(expected: Expected, left: Left, receipt: dict[str, Any]) -> Iterator[str]:
    """Compare warnings with the published rows.

    Among rows with the same CPF, time, and source, any one may be kept, and warnings are counted on
    that one. The published row shows which one it was, unless the rows differ only in something
    that isn't published (a house number of 0 and an unreadable one). For these rows, a count may be
    anything between none and all of them.
    """
    least, most = Counter[str](), Counter[str]()
    for row in left.published:
        tied = _alike(expected.clients.get(row["id"], []), row)
        if tied:
            least.update(frozenset.intersection(*(client.warnings for client in tied)))
            most.update(frozenset.union(*(client.warnings for client in tied)))
    if receipt["warnings"].keys() != set(WARNINGS):
        yield f"{receipt['stage']}: warnings of {sorted(receipt['warnings'])}"
    for rule in WARNINGS:
        given = receipt["warnings"].get(rule, 0)
        if not least[rule] <= given <= most[rule]:
            yield f"{receipt['stage']}: {rule} {given}, expected {least[rule]} to {most[rule]}"


def shown(found: Iterable[str], limit: int = 20) -> str:
    """Format differences for a person: each kind once, the first ones, and the total number."""
    counted = Counter(found)
    lines = [f"{times} x {what}" if times > 1 else what for what, times in counted.items()]
    return "\n".join([*lines[:limit], f"{counted.total()} differences"])
