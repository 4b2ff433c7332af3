"""Erases people from the tables of a lake, so that nothing older of these tables is left.

Each step can be repeated: if the session dies, the same work ends the same. Rows are deleted, and
snapshots, branches, and files removed, by Iceberg's own actions.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import polars as pl

from client_health import storage
from client_health.errors import HandoverError
from client_health.publish import anonymous, records
from client_health.publish.lake import Lake
from client_health.spark_session import spark_session
from register_contract import contract, erasures, publications
from register_contract.erasures import Request
from register_contract.publications import MAIN
from register_contract.tables import (
    ERASURES,
    ID_KEY,
    PERSON,
    REJECTED,
    SUPPRESSIONS,
    TABLES,
    WITHOUT_PERSONS,
)

_TASKS = 8
_SYSTEM = f"{contract.CATALOG}.system"
# What the tables are made with, and Iceberg's least: how many older metadata files are kept.
_PREVIOUS, _USUAL, _FEWEST = "write.metadata.previous-versions-max", 50, 1
# Above the time of any file and snapshot that exists, whatever the clock of its storage says.
_AHEAD = timedelta(hours=1)


def erase(lake: str) -> dict[str, int]:
    """Erase people from the tables as the request in the lake says, and write the audit record.

    Parameters
    ----------
    lake : str
        A folder or an ``s3://`` URI. Nothing else may write to it meanwhile.

    Returns
    -------
    dict of str to int
        ``tables`` that may have rows of people.

    Raises
    ------
    HandoverError
        There is no request.
    """
    opened = Lake.open(spark_session(), lake)
    text = storage.read_text(opened.path(erasures.REQUEST))
    if text is None:
        raise HandoverError("There is no request to erase anybody. Run `client-health erase`.")
    # Few files are compared: most of Spark's default 200 tasks would have none.
    opened.spark.conf.set("spark.sql.shuffle.partitions", str(_TASKS))
    request = erasures.parse(text)
    for step in STEPS:
        step(opened, request)
    return {"tables": len(_tables_of_people(opened))}


def suppress(lake: Lake, request: Request) -> None:
    """Put the people on the list that every run leaves out."""
    lake.make_tables()
    since = datetime.fromisoformat(request.ordered_at)
    people = [(person, request.id_key) for person in request.ids]
    people += [(person, request.previous_id_key) for person in request.previous_ids]
    columns = {PERSON: pl.String, ID_KEY: pl.String}
    listed = pl.DataFrame(people, schema=columns, orient="row").with_columns(
        pl.lit(request.erasure_id).alias(SUPPRESSIONS.key),
        pl.lit(since, dtype=pl.Datetime("us")).alias("since"),
        pl.lit(request.ground).alias("ground"),
        pl.lit(request.ordered_by).alias("ordered_by"),
    )
    records.replace(lake, SUPPRESSIONS, request.erasure_id, listed)


def record(lake: Lake, request: Request) -> None:
    """Record, before anything is deleted, that what is published until now must stay unseen."""
    lake.complete_log()
    lake.record_erasure(request.erasure_id)


def delete_rows(lake: Lake, request: Request) -> None:
    """Delete the rows of all suppressed people from ``main`` of each table, file by file.

    Rejected rows have no id: the request names them. A table whose rows are replaced by key loses
    them key by key: in one deletion, Spark would write what is left of small files together, and a
    file with the rows of several keys could never be replaced again.
    """
    keys = {records.name(lake, table): table.key for table in TABLES}
    suppressed = f"SELECT {PERSON} FROM {records.name(lake, SUPPRESSIONS)}"  # noqa: S608 - our own names
    named = ", ".join(f"'{name}'" for name in request.rejections)
    for table in _tables_of_people(lake):
        rejected = table == records.name(lake, REJECTED)
        if _refs(lake, table) and (named or not rejected):
            theirs = f"rejection_id IN ({named})" if rejected else f"{PERSON} IN ({suppressed})"
            for part in _by_key(lake, table, keys.get(table), theirs):
                lake.spark.sql(f"DELETE FROM {table} WHERE {part}")  # noqa: S608
            # Entries of deleted files may have bounds of the deleted rows.
            lake.spark.sql(f"CALL {_SYSTEM}.rewrite_manifests(table => '{_short(table)}')")
    lake.keep_record()
    lake.complete_log()


def _by_key(lake: Lake, table: str, key: str | None, theirs: str) -> list[str]:
    """Return conditions that together match what one matches, each within one value of a key."""
    if key is None:
        return [theirs]
    found = lake.spark.sql(f"SELECT DISTINCT {key} FROM {table} WHERE {theirs}")  # noqa: S608
    return [f"{key} = '{value}' AND {theirs}" for (value,) in sorted(found.collect())]


def drop_references(lake: Lake, request: Request) -> None:
    """Drop every branch and tag but ``main``: they keep older rows."""
    for table in _tables_of_people(lake):
        for name, ref in _refs(lake, table).items():
            if name != MAIN:
                lake.spark.sql(f"ALTER TABLE {table} DROP {str(ref['type']).upper()} `{name}`")


def expire(lake: Lake, request: Request) -> None:
    """Expire every snapshot but the newest, however young, with its files."""
    for table in _tables_of_people(lake):
        _expire(lake, table)


def recount(lake: Lake, request: Request) -> None:
    """Make the tables without persons again: next to older counts, they would show who is gone."""
    if anonymous.follow(lake) is not None:
        for table in WITHOUT_PERSONS:
            _expire(lake, records.name(lake, table))


def _expire(lake: Lake, table: str) -> None:
    lake.spark.sql(
        f"CALL {_SYSTEM}.expire_snapshots(table => '{_short(table)}', retain_last => 1,"
        f" older_than => TIMESTAMP '{datetime.now(tz=UTC) + _AHEAD:%Y-%m-%d %H:%M:%S}')"
    )


def remove_orphans(lake: Lake, request: Request) -> None:
    """Delete the files that no snapshot names, however young: the procedure would keep a day."""
    actions = lake.java.org.apache.iceberg.spark.actions.SparkActions
    for table in _tables_of_people(lake):
        loaded = lake.loaded(table)
        data = str(loaded.properties().get("write.data.path") or "")
        for location in filter(None, (str(loaded.location()), data)):
            if storage.exists(location):
                found = actions.get(lake.spark._jsparkSession).deleteOrphanFiles(loaded)
                ahead = datetime.now(tz=UTC) + _AHEAD
                until = int(ahead.timestamp() * 1000)
                found.location(location).olderThan(until).execute()


def trim_metadata(lake: Lake, request: Request) -> None:
    """Delete the older metadata files, which name what is gone."""
    for table in _tables_of_people(lake):
        # A commit deletes what is over the limit, and the second one what the first still kept.
        for kept in (_FEWEST, _USUAL):
            lake.spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('{_PREVIOUS}'='{kept}')")


def audit(lake: Lake, request: Request) -> None:
    """Write the audit record: who ordered it, when, why, and how much went in which zone."""
    rows = [
        {
            ERASURES.key: request.erasure_id,
            "ordered_at": datetime.fromisoformat(request.ordered_at),
            "ordered_by": request.ordered_by,
            "ground": request.ground,
            "people": len(request.ids),
            "held": request.held,
            "zone": zone.name,
            "rows": zone.rows,
            "files": zone.files,
        }
        for zone in request.zones
    ]
    written = pl.DataFrame(rows, schema=records.schema(ERASURES))
    records.replace(lake, ERASURES, request.erasure_id, written)


#: The steps, in order.
STEPS: tuple[Callable[[Lake, Request], None], ...] = (
    suppress,
    record,
    delete_rows,
    drop_references,
    expire,
    remove_orphans,
    trim_metadata,
    recount,
    audit,
)


def _tables_of_people(lake: Lake) -> list[str]:
    """Return the tables with rows of people, apart from the list of the suppressed."""
    database = f"{contract.CATALOG}.{lake.database}"
    if storage.is_remote(lake.uri):
        # The role of sessions may look tables up, but not list them.
        known = (publications.TABLE, *(table.name for table in TABLES))
        names = [one for one in known if lake.spark.catalog.tableExists(f"{database}.{one}")]
    else:
        names = [row.tableName for row in lake.spark.sql(f"SHOW TABLES IN {database}").collect()]
    found = [f"{database}.{name}" for name in sorted(names) if name != SUPPRESSIONS.name]
    rejected = records.name(lake, REJECTED)
    return [one for one in found if one == rejected or PERSON in lake.spark.table(one).columns]


def _refs(lake: Lake, table: str) -> dict[str, dict[str, object]]:
    refs: dict[str, dict[str, object]] = dict(lake.metadata(table).get("refs", {}))
    return refs


def _short(table: str) -> str:
    return table.removeprefix(f"{contract.CATALOG}.")
