"""What notebooks show: masked samples, small tables and pictures. No personal data, ever."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from types import ModuleType
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from client_health import contract, text
from client_health.sources import MALFORMED_LINE, SOURCE

_WIDEST = 60
# Columns that show only what they are for.
_RECOGNISED: Mapping[str, Callable[[Column], Column]] = {
    "estado": lambda estado: text.is_state(text.substituir_estado_por_sigla(estado)),
    "sexo": lambda sexo: ~text.is_unknown_sexo(sexo),
}


def table(rows: Iterable[Sequence[Any]], headers: Sequence[str]) -> str:
    """Return rows as an aligned text table: numbers to the right, thousands separated.

    Parameters
    ----------
    rows : iterable of sequences
    headers : sequence of str

    Returns
    -------
    str
    """
    given = list(rows)
    shown = [[_cell(value) for value in row] for row in given]
    numeric = [
        bool(given) and all(isinstance(row[i], (int, float)) for row in given)
        for i in range(len(headers))
    ]
    widths = [max(len(line[i]) for line in [list(headers), *shown]) for i in range(len(headers))]

    def line(cells: Sequence[str]) -> str:
        parts = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, numeric, strict=True)
        ]
        return "  ".join(parts).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(list(headers)), rule, *(line(row) for row in shown)])


def _cell(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, (date, datetime)):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    shown = str(value)
    return shown if len(shown) <= _WIDEST else shown[: _WIDEST - 1] + "…"


def masked(frame: DataFrame) -> DataFrame:
    """Return a frame with every personal value replaced by the mask, nulls left visible.

    A state or a sex shows only where it is one: in a file whose columns have shifted, a street
    may stand there.
    """
    names = [column.name for column in contract.COLUMNS if column.personal]
    personal = {source.column(name) for source in contract.SOURCES for name in names}
    personal |= {*names, MALFORMED_LINE}
    known = {
        source.column(column.name): column
        for source in contract.SOURCES
        for column in contract.COLUMNS
    }

    def shown(name: str) -> Column:
        mask = F.when(F.col(name).isNotNull(), F.lit(contract.MASK))
        if name in personal:
            return mask.alias(name)
        column = known.get(name)
        recognised = _RECOGNISED.get(column.name if column else name)
        if recognised is None:
            return F.col(name)
        harmless = recognised(F.col(name)) | (F.col(name) == contract.DEFAULT_TEXT)
        return F.when(harmless, F.col(name)).otherwise(mask).alias(name)

    return frame.select(*(shown(name) for name in frame.columns))


def sample(frame: DataFrame, rows: int = 2) -> str:
    """Return the first rows of each source, masked, as a table.

    Parameters
    ----------
    frame : DataFrame
        With the column ``source``.
    rows : int
        Rows to show of each source.
    """
    parts = [
        masked(frame.filter(F.col(SOURCE) == source)).select(*_shown(frame)).limit(rows)
        for source in contract.SOURCE_NAMES
    ]
    return table([list(row) for part in parts for row in part.collect()], _shown(frame))


def newest(frame: DataFrame, rows: int = 6) -> str:
    """Return the newest registrations, masked, as a table: the same rows wherever it runs."""
    first = frame.orderBy(F.col("data_cadastro").desc(), "cpf").limit(rows)
    return table(
        [list(row) for row in masked(first).select(*_shown(frame)).collect()], _shown(frame)
    )


def _shown(frame: DataFrame) -> list[str]:
    return [SOURCE, *(c.name for c in contract.REGISTER_COLUMNS if c.name in frame.columns)]


def counts(found: Mapping[str, int], meaning: bool = True) -> str:
    """Return rule counts as a table, with each rule's meaning."""
    meanings = {rule.name: rule.meaning for rule in contract.RULES}
    rows = [
        [name, count, meanings.get(name, "")] if meaning else [name, count]
        for name, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))
    ]
    return table(rows, ["rule", "rows", "meaning"] if meaning else ["rule", "rows"])


def receipt(content: Mapping[str, Any]) -> str:
    """Return a receipt as a table of its rows by source."""
    headers = ["source", "in", "rejected", "duplicates", "suppressed", "out"]
    rows = [
        [name, *(counts[key] for key in headers[1:])] for name, counts in content["rows"].items()
    ]
    total = ["total", *(sum(row[i] for row in rows) for i in range(1, len(headers)))]
    return table([*rows, total], headers)


def bars(values: Mapping[str, int], title: str) -> ModuleType:
    """Draw horizontal bars, largest on top, and return pyplot for ``%matplot``.

    Parameters
    ----------
    values : mapping of str to int
        In the order in which they are shown.
    title : str
    """
    import matplotlib as mpl  # noqa: PLC0415 (a second of start-up that only pictures need)

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    plt.close("all")
    figure, axes = plt.subplots(figsize=(7, 0.34 * len(values) + 0.9), dpi=110)
    names = list(values)
    drawn = axes.barh(names, list(values.values()), color="#2a6f97", height=0.68)
    axes.bar_label(drawn, labels=[f"{value:,}" for value in values.values()], padding=4, fontsize=9)
    axes.invert_yaxis()
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(left=False, bottom=False, labelbottom=False, labelsize=9)
    axes.margins(x=0.12)
    figure.tight_layout()
    pyplot: ModuleType = plt
    return pyplot
