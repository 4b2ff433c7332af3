"""From candidates to the rows that are published: the part of ``02_transform`` that Spark shuffles.

Functions take and return DataFrames; they are meant for ``DataFrame.transform``.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import polars as pl
from pyspark.sql import Column, DataFrame, Observation, Window
from pyspark.sql import functions as F  # noqa: N812

from client_health import contract, identity, register, rules, text
from client_health.errors import HandoverError
from client_health.sources import SOURCE

_SPARK_TYPES: dict[pl.DataType, str] = {
    pl.String(): "string",
    pl.Date(): "date",
    pl.Datetime("us"): "timestamp_ntz",
    pl.Int32(): "int",
    pl.Int64(): "bigint",
}
# What the workers hand to the shuffle, in Spark's words.
CANDIDATES = ", ".join(
    f"{name} {_SPARK_TYPES[kind]}" for name, kind in register.CANDIDATE_SCHEMA.items()
)
_BEST = "best"
# Counts arrive with Spark's events, after the write itself.
_PATIENCE_SECONDS = 60.0


def best_first(candidates: DataFrame) -> DataFrame:
    """Add the column ``best``: 1 for the row of a CPF that stays, and so on.

    A missing, unreadable or future time of registration ranks after every valid one. Ties fall by
    source (Parquet, CSV, JSON) and then by the content of the row, so that the order of rows and
    files never decides.

    Notes
    -----
    Rule: specification, "Remoção de Duplicatas".
    """
    order = Window.partitionBy("cpf").orderBy(
        F.col(register.RANK).desc(), register.PLACE, *register.CONTENT
    )
    return candidates.withColumn(_BEST, F.row_number().over(order))


def one_row_a_person(numbered: DataFrame) -> DataFrame:
    """Keep the best row of each CPF."""
    return numbered.filter(F.col(_BEST) == 1)


def published(survivors: DataFrame, key: bytes) -> DataFrame:
    """Return the published columns: ids added, and what identifies a person masked.

    Parameters
    ----------
    survivors : DataFrame
    key : bytes
        The id key.

    Notes
    -----
    Rule: specification, "Geração de IDs Únicos" and "Proteção de Dados Sensíveis (LGPD)".
    """
    masked = {column.name for column in contract.COLUMNS if column.masked}
    with_id = identity.add_ids(survivors, key)
    return with_id.select(
        *(
            (F.lit(contract.MASK) if column.name in masked else F.col(column.name)).alias(
                column.name
            )
            for column in contract.COLUMNS
        )
    )


@dataclass(frozen=True)
class Counted:
    """What was counted while the survivors were written.

    Parameters
    ----------
    arrived, kept : mapping of str to int
        Rows by source that came through the shuffle, and those that stayed.
    warnings : mapping of str to int
        Rows that stayed, by rule.
    badly_formed_cpfs : int
        CPFs among them that are not 11 digits.
    """

    arrived: Mapping[str, int]
    kept: Mapping[str, int]
    warnings: Mapping[str, int]
    badly_formed_cpfs: int


@dataclass(frozen=True)
class Counter:
    """Counts rows on their way to the table, in the pass that writes them.

    A task of the last part of a job counts once however often it ran, since Spark takes the
    numbers of the attempt whose result it takes.
    """

    _observation: Observation = field(default_factory=Observation)

    def __call__(self, numbered: DataFrame) -> DataFrame:
        """Return the frame, observed; use with ``DataFrame.transform``."""
        stays = F.col(_BEST) == 1

        def count(condition: Column, name: str) -> Column:
            return F.count(F.when(condition, True)).alias(name)

        sources = {name: F.col(SOURCE) == name for name in contract.SOURCE_NAMES}
        bits = {name: 1 << at for at, name in enumerate(rules.WARNINGS)}
        return numbered.observe(
            self._observation,
            *(count(here, f"arrived {name}") for name, here in sources.items()),
            *(count(here & stays, f"kept {name}") for name, here in sources.items()),
            *(
                count(stays & (F.col(register.WARNINGS).bitwiseAND(bit) != 0), name)
                for name, bit in bits.items()
            ),
            count(stays & ~F.col("cpf").rlike(text.WELL_FORMED_CPF), "badly formed"),
        )

    def counted(self, accepted: int) -> Counted:
        """Return the counts, once the write has ended.

        Parameters
        ----------
        accepted : int
            Rows that were not rejected. Where there is none, Spark leaves the shuffle out, and
            what counts behind it.

        Raises
        ------
        HandoverError
            When they do not arrive.
        """
        if not accepted:
            none = dict.fromkeys(contract.SOURCE_NAMES, 0)
            return Counted(none, none, dict.fromkeys(rules.WARNINGS, 0), 0)
        waiting = ThreadPoolExecutor(max_workers=1)
        try:
            found = waiting.submit(lambda: self._observation.get).result(_PATIENCE_SECONDS)
        except TimeoutError:
            raise HandoverError(
                "The rows were written, but Spark has lost the counts of them. Run this stage "
                "again."
            ) from None
        finally:
            waiting.shutdown(wait=False)
        return Counted(
            {name: found[f"arrived {name}"] for name in contract.SOURCE_NAMES},
            {name: found[f"kept {name}"] for name in contract.SOURCE_NAMES},
            {name: found[name] for name in rules.WARNINGS},
            found["badly formed"],
        )
