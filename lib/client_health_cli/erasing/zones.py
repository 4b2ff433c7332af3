"""The parts of a lake, and what of people is in each of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from client_health_cli.erasing import places, raw_records
from client_health_cli.erasing.places import File, Place
from client_health_cli.erasing.search import SEPARATORS, SHORTEST, Values, search
from client_health_cli.errors import LakeError
from client_health_cli.published import data_files, opened
from register_contract import erasures, publications, runs, tables
from register_contract.erasures import Zone

if TYPE_CHECKING:
    import polars as pl

#: Files in these folders belong to a run, and go as a whole.
LOOSE = (runs.STAGING, "deliveries", "runs", "claims")
_NAME, _STREET, _CPF, _MALFORMED = "nome_completo", "logradouro", "cpf", "malformed_line"
_MINE, _OTHERS = "mine", "others"
_SEPARATORS = f"[{re.escape(SEPARATORS)}]"
# What a process that was killed was writing.
_DRAFT = re.compile(r"\A\..+\.[0-9]+\Z")
_WELL_FORMED = r"\A[0-9]{11}\z"


@dataclass(frozen=True)
class Found:
    """What a lake has of people.

    Attributes
    ----------
    values
        What tells of them and of nobody else.
    shared
        How many of their names and streets others have, too, or are too short to tell of anybody.
    zones
        Their rows and files.
    files
        Files outside the tables that have to go.
    rejections
        Their rows of the table of rejected rows, by name.
    batches
        Files of corrected rows that have some of theirs.
    """

    values: Values
    shared: int
    zones: tuple[Zone, ...]
    files: tuple[File, ...]
    rejections: tuple[str, ...] = ()
    batches: tuple[File, ...] = ()


def everything(lake: Place) -> list[File]:
    """Return all files of a lake, but not those that an erasure itself needs.

    In S3, these are all object versions.
    """
    return [file for file in places.files(lake) if not _is_in(file, lake, erasures.FOLDER)]


def find(lake: Place, values: Values) -> Found:
    """Find people in a lake, by CPF and id, and what else tells of them.

    Parameters
    ----------
    lake
        The lake.
    values
        CPFs and ids; names and streets that an earlier start has found.

    Returns
    -------
    Found
        Names and streets in rows of others are never among the values.
    """
    files = [file for file in everything(lake) if places.is_current(file)]
    known, shared, staged = _names(files, lake, values)
    loose = [path for path in files if _zone(path, lake) in LOOSE]
    going = search(loose, known).with_values()
    older = places.older(lake)
    drafts = [path for path in files if _DRAFT.match(path.name) and path not in loose]
    zones = _zones_of_tables(lake, files, values)
    raw = {name: _raw(name, files, lake, known) for name in raw_records.FOLDERS}
    zones += [Zone(name, sum(map(len, rows.values())), len(rows)) for name, rows in raw.items()]
    for name in LOOSE:
        inside = [path for path in going if _zone(path, lake) == name]
        zones.append(Zone(name, staged if name == runs.STAGING else None, len(inside)))
    zones.append(Zone("unfinished files", None, len(drafts)))
    zones.append(Zone("older object versions", None, len(older)))
    kept = tuple(zone for zone in zones if zone.rows or zone.files)
    rejected, corrected = raw.values()
    return Found(
        known,
        shared,
        kept,
        tuple(sorted({*going, *drafts, *older})),
        tuple(sorted({name for names in rejected.values() for name in names})),
        tuple(corrected),
    )


def _raw(zone: str, files: list[File], lake: Place, known: Values) -> dict[File, tuple[str, ...]]:
    """Return the files of a zone with rows of the people, and the names of these rows."""
    paths = raw_records.files_of(zone, files, lake)
    found = {path: raw_records.of_people(path, known) for path in paths}
    return {path: names for path, names in found.items() if names}


def larger(one: Iterable[Zone], other: Iterable[Zone]) -> tuple[Zone, ...]:
    """Return the larger counts of two findings: a second start finds only what the first left."""
    merged = {zone.name: zone for zone in one}
    for zone in other:
        seen = merged.get(zone.name, zone)
        rows = None if zone.rows is None else max(zone.rows, seen.rows or 0)
        merged[zone.name] = replace(zone, rows=rows, files=max(zone.files, seen.files))
    return tuple(merged.values())


def _zone(file: File, lake: Place) -> str:
    return places.relative(file, lake).partition("/")[0]


def _is_in(file: File, lake: Place, folder: str) -> bool:
    return places.relative(file, lake).startswith(f"{folder}/")


def _zones_of_tables(lake: Place, files: list[File], values: Values) -> list[Zone]:
    """Return the tables that have rows of the people; of the published one, only what is seen."""
    published = _published_files(lake)
    folders = {publications.TABLE: [file for file in files if places.location(file) in published]}
    for table in tables.TABLES:
        if tables.PERSON in tables.field_names(table) and table is not tables.SUPPRESSIONS:
            # Every table that tells persons apart is restricted, but the published one.
            folder = tables.restricted_path(table)
            folders[table.name] = [file for file in files if _is_in(file, lake, folder)]
    zones = []
    for name, found in folders.items():
        counts = [
            int(_read(file, [tables.PERSON])[tables.PERSON].is_in(list(values.all_ids)).sum())
            for file in found
            if file.suffix == ".parquet" and not file.name.startswith(".")
        ]
        zones.append(Zone(name, sum(counts), sum(count > 0 for count in counts)))
    return zones


def _published_files(lake: Place) -> frozenset[str]:
    if isinstance(lake, Path) and not (lake / "catalog.db").is_file():
        return frozenset()
    try:
        with opened(str(lake)) as table:
            return frozenset(data_files(str(lake), table.scan().plan_files()))
    except LakeError as error:
        if not error.missing:
            raise
        return frozenset()


def _read(file: File, columns: list[str]) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415 - slows every command's start

    with file.open("rb") as content:
        return pl.read_parquet(content, columns=columns, hive_partitioning=False)


def _names(files: list[File], lake: Place, values: Values) -> tuple[Values, int, int]:
    """Return the values with names and streets, how many are shared, and the staged rows."""
    names, streets = set(values.names), set(values.streets)
    staged = 0
    for rows in _rows(files, lake, values):
        mine = rows.filter(_MINE)
        names |= set(mine[_NAME].drop_nulls().to_list())
        streets |= set(mine[_STREET].drop_nulls().to_list())
        staged += mine.filter("staged").height
    told = {text: _bare(text) for text in names | streets}
    long = sorted({told[text] for text in told if _tells(text)})
    taken: set[str] = set()
    for rows in _rows(files, lake, values) if long else ():
        others = rows.filter(_OTHERS)
        for column in (_NAME, _STREET):
            found = (
                others[column].drop_nulls().unique().str.replace_all(_SEPARATORS, "")
            ).str.extract_many(long, overlapping=True)
            taken |= set(found.filter(found.list.len() > 0).explode().unique().to_list())

    def kept(texts: set[str]) -> tuple[str, ...]:
        return tuple(sorted(t for t in texts if _tells(t) and told[t] not in taken))

    known = replace(values, names=kept(names), streets=kept(streets))
    return known, len(told) - len({*known.names, *known.streets}), staged


def _tells(text: str) -> bool:
    """Return whether a name or street is long enough to tell of anybody: two words or more."""
    return len(text.split()) > 1 and len(_bare(text)) >= SHORTEST


def _bare(text: str) -> str:
    return re.sub(_SEPARATORS, "", text)


def _rows(files: list[File], lake: Place, values: Values) -> Iterator[pl.DataFrame]:
    """Yield names and streets of published and staged rows, and whose they are.

    Only accepted rows count as rows of others: a rejected row with a person's name and a damaged
    CPF may be the person's.
    """
    import polars as pl  # noqa: PLC0415

    ids, cpfs = list(values.all_ids), list(values.cpfs)
    for path in files:
        if path.suffix != ".parquet" or path.name.startswith("."):
            continue
        if _zone(path, lake) == publications.TABLE:
            mine = pl.col(tables.PERSON).is_in(ids)
            yield _read(path, [tables.PERSON, _NAME]).select(
                pl.col(_NAME),
                pl.lit(None, pl.String).alias(_STREET),
                mine.alias(_MINE),
                (~mine).alias(_OTHERS),
                pl.lit(value=False).alias("staged"),
            )
        elif _zone(path, lake) == runs.STAGING:
            staged = _read(path, [_CPF, _NAME, _STREET, _MALFORMED])
            yield _owned(staged, cpfs, staged=True)
        elif any(_is_in(path, lake, one) for one in raw_records.FOLDERS.values()):
            for rows in raw_records.shaped(path):
                yield _owned(rows, cpfs, staged=False)


def _owned(rows: pl.DataFrame, cpfs: list[str], *, staged: bool) -> pl.DataFrame:
    """Return names and streets of rows as they came, and whose they are."""
    import polars as pl  # noqa: PLC0415

    digits = pl.col(_CPF).str.replace_all(_SEPARATORS, "").fill_null("")
    line = pl.col(_MALFORMED).str.replace_all(_SEPARATORS, "").fill_null("")
    well_formed = digits.str.contains(_WELL_FORMED)
    mine = (well_formed & digits.is_in(cpfs)) | (
        ~well_formed & (digits.str.contains_any(cpfs) | line.str.contains_any(cpfs))
    )
    return rows.select(
        pl.col(_NAME),
        pl.col(_STREET),
        mine.alias(_MINE),
        (well_formed & ~mine).alias(_OTHERS),
        pl.lit(staged).alias("staged"),
    )
