"""Writes legal holds, which keep a person's rows from being erased."""

from __future__ import annotations

import json

import polars as pl

from client_health import storage
from client_health.errors import HandoverError
from client_health.publish import records
from client_health.publish.lake import Lake
from client_health.spark_session import spark_session
from register_contract import erasures
from register_contract.tables import LEGAL_HOLDS


def add(lake: str) -> dict[str, int]:
    """Add the holds, or ends of holds, that a file in the lake asks for.

    Parameters
    ----------
    lake : str
        A folder or an ``s3://`` URI.

    Returns
    -------
    dict of str to int
        ``people``: how many rows were written.

    Raises
    ------
    HandoverError
        There is no such file.
    """
    opened = Lake.open(spark_session(), lake)
    text = storage.read_text(opened.path(erasures.HOLDS))
    if text is None:
        raise HandoverError("There is no hold to write. Run `client-health hold add`.")
    opened.make_tables()
    asked = pl.DataFrame(json.loads(text)).with_columns(
        pl.col("until").str.to_date(), pl.col("recorded_at").str.to_datetime(time_unit="us")
    )
    rows = asked.select(records.schema(LEGAL_HOLDS).names()).cast(records.schema(LEGAL_HOLDS))
    records.replace(opened, LEGAL_HOLDS, str(rows[LEGAL_HOLDS.key][0]), rows)
    return {"people": rows.height}
