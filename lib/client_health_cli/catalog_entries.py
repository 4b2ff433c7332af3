"""The catalog's entries of a lake's tables: which are missing, and how to make them again.

An entry is one pointer: the table's newest metadata file. The files are numbered, and they are in
the lake, so an entry that is lost can be made again from the lake alone.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from client_health_cli.databases import database_of
from client_health_cli.errors import LakeError, RunFailedError
from client_health_cli.published import is_remote, lake_folder
from client_health_cli.remote import glue_catalog
from register_contract import contract, local_catalog, publications, tables
from register_run import lock, storage
from strict_glue import StrictGlueError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

NAMES = (publications.TABLE, publications.LOG, *(table.name for table in tables.TABLES))
_LISTED = "SELECT table_name FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ?"
_LOCK_SECONDS = 20
_FILE = re.compile(r"(?P<folder>.+)/metadata/(?P<number>\d+)-[^/]+\.metadata\.json\Z")


@dataclass(frozen=True)
class Entry:
    """The entry of one table.

    Attributes
    ----------
    table
        Its name, without the database.
    location
        Its newest metadata file; empty if the lake has none.
    listed
        Whether the catalog has the entry.
    """

    table: str
    location: str
    listed: bool

    @property
    def lost(self) -> bool:
        """Whether the lake has the table, and the catalog doesn't."""
        return bool(self.location) and not self.listed


def entries(lake: str) -> list[Entry]:
    """Return the entry of each table that the lake or its catalog has.

    Raises
    ------
    LakeError
        There is no table in the lake, two files claim to be a table's newest, or the catalog of a
        local lake can't be read.
    """
    place = _place(lake)
    database = database_of(place)
    files = storage.list_files(storage.join(place, "warehouse"))
    listed = _listed(lake, place, database)
    found = [
        Entry(name, "" if name in listed else _newest(lake, files, database, name), name in listed)
        for name in NAMES
    ]
    known = [entry for entry in found if entry.location or entry.listed]
    if not known:
        raise LakeError(
            lake,
            f"{lake} has no metadata of any table below warehouse/: check --lake, or the versions "
            "of these files in the bucket",
        )
    return known


def restore(lake: str, lost: Sequence[Entry]) -> None:
    """Make lost entries again; nobody else may work on a local lake meanwhile.

    Raises
    ------
    LakeError
        A metadata file can't be read, or the catalog refuses an entry.
    RunFailedError
        Others work on the lake.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from pyiceberg.exceptions import TableAlreadyExistsError  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    place = _place(lake)
    database = database_of(place)
    try:
        with lock.alone(place), _catalog(place) as catalog:
            catalog.create_namespace_if_not_exists(database)
            for entry in lost:
                # Another one may have made it meanwhile, and then it is right already.
                with contextlib.suppress(TableAlreadyExistsError):
                    catalog.register_table(f"{database}.{entry.table}", entry.location)
    except StrictGlueError as error:
        raise RunFailedError(str(error), error.exit_code) from error
    except (
        ClientError, BotoCoreError, OSError, ValueError, sqlite3.Error, SQLAlchemyError,
    ) as error:  # fmt: skip
        reason = str(error).partition("\n")[0]
        raise LakeError(lake, f"the catalog's entries can't be made again: {reason}") from error


def _place(lake: str) -> str:
    return lake.rstrip("/") if is_remote(lake) else str(lake_folder(lake))


def _listed(lake: str, place: str, database: str) -> set[str]:
    """Return the tables that the catalog has; what isn't there isn't made."""
    if is_remote(place):
        catalog = glue_catalog()
        return {name for name in NAMES if catalog.table_exists(f"{database}.{name}")}
    file = _catalog_file(place)
    if not file.is_file():
        return set()
    try:
        with contextlib.closing(
            sqlite3.connect(f"{file.as_uri()}?mode=ro", _LOCK_SECONDS, uri=True)
        ) as connection:
            return {row[0] for row in connection.execute(_LISTED, (contract.CATALOG, database))}
    except sqlite3.Error as error:
        if "no such table" in str(error):
            return set()
        if isinstance(error, sqlite3.OperationalError):
            raise LakeError(lake, f"{file} can't be read: {error}") from error
        raise LakeError(
            lake,
            f"{file} is damaged ({error}): move it away, and files that are called {file.name}-…,"
            " then run this again",
        ) from error


def _newest(lake: str, files: Sequence[storage.StoredFile], database: str, name: str) -> str:
    """Return the metadata file with the highest number; empty if there is none."""
    # Glue's catalog adds .db to the folder of a database, the local one doesn't.
    folders = {f"{database}/{name}", f"{database}.db/{name}"}
    numbered = [
        (int(match["number"]), file.uri)
        for file in files
        for match in [_FILE.match(file.name)]
        if match and match["folder"] in folders
    ]
    highest = max((number for number, _ in numbered), default=0)
    newest = [uri for number, uri in numbered if number == highest]
    if len(newest) > 1:
        raise LakeError(
            lake,
            f"the table {name} has {len(newest)} metadata files with its highest number: "
            f"{', '.join(newest)}. Two commits ended at once, and only one is the table's: move "
            "the other away, for example the one without a later receipt, then try again",
        )
    return newest[0] if newest else ""


@contextlib.contextmanager
def _catalog(place: str) -> Iterator[Catalog]:
    """Yield the lake's catalog; make that of a local lake if it is lost."""
    if is_remote(place):
        yield glue_catalog()
        return
    from pyiceberg.catalog.sql import SqlCatalog  # noqa: PLC0415 - heavy

    logging.getLogger("pyiceberg").setLevel(logging.ERROR)
    file = _catalog_file(place)
    with contextlib.closing(sqlite3.connect(file, _LOCK_SECONDS)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        for statement in local_catalog.STATEMENTS:
            connection.execute(statement)
    catalog = SqlCatalog(contract.CATALOG, uri=f"sqlite:///{file}", init_catalog_tables="false")
    try:
        yield catalog
    finally:
        catalog.close()


def _catalog_file(place: str) -> Path:
    return storage.local_path(place) / local_catalog.FILE
