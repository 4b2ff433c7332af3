"""What notebooks show: masked samples, small tables, and pictures.

Of personal data, samples show ids at most: everything else that tells of a person is masked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from types import ModuleType
from typing import Any

import polars as pl

from client_health.clean import text
from client_health.read.sources import MALFORMED_LINE, SOURCE
from register_contract import contract, receipts
from register_contract.anonymity import K, Report
from register_contract.rule_set import RuleSet

_WIDEST = 60
# Columns that show only valid values.
_RECOGNISED: Mapping[str, Callable[[pl.Expr], pl.Expr]] = {
    "estado": lambda estado: text.is_state(text.substituir_estado_por_sigla(estado)),
    "sexo": lambda sexo: ~text.is_unknown_sexo(sexo),
}


def table(rows: Iterable[Sequence[Any]], headers: Sequence[str]) -> str:
    """Return rows as an aligned text table: numbers right-aligned, with thousands separators.

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


def masked(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with every personal value replaced by the mask; nulls stay visible.

    A state or a sex is shown only if it is valid: in a file whose columns have shifted, it may be
    a street.
    """
    names = [column.name for column in contract.COLUMNS if column.personal]
    personal = {source.column(name) for source in contract.SOURCES for name in names}
    personal |= {*names, MALFORMED_LINE}
    known = {
        source.column(column.name): column
        for source in contract.SOURCES
        for column in contract.COLUMNS
    }

    def shown(name: str) -> pl.Expr:
        mask = pl.when(pl.col(name).is_not_null()).then(pl.lit(contract.MASK)).alias(name)
        if name in personal:
            return mask
        column = known.get(name)
        recognised = _RECOGNISED.get(column.name if column else name)
        if recognised is None:
            return pl.col(name)
        harmless = recognised(pl.col(name)) | (pl.col(name) == contract.DEFAULT_TEXT)
        return pl.when(harmless).then(pl.col(name)).otherwise(mask).alias(name)

    return frame.select(shown(name) for name in frame.columns)


def sample(frame: pl.DataFrame) -> str:
    """Return some rows, masked, as a table with a line for each column.

    Parameters
    ----------
    frame : DataFrame
        A few rows; their source is the heading, if known.
    """
    names = [c.name for c in contract.COLUMNS if c.name in frame.columns]
    rows = masked(frame.select(names)).rows()
    heads = frame[SOURCE].to_list() if SOURCE in frame.columns else range(1, frame.height + 1)
    return table(
        [[name, *(_cell(row[at]) for row in rows)] for at, name in enumerate(names)],
        ["column", *(str(head) if SOURCE in frame.columns else f"row {head}" for head in heads)],
    )


def counts(found: Mapping[str, int], meaning: bool = True, *, rules: RuleSet | None = None) -> str:
    """Return rule counts as a table, with each rule's meaning.

    Parameters
    ----------
    found : mapping of str to int
        Rows by rule.
    meaning : bool
        Whether to add the meanings.
    rules : RuleSet, optional
        The rules that held; None for the contract's.
    """
    meanings = {rule.name: rule.meaning for rule in (rules or RuleSet()).rules()}
    rows = [
        [name, count, meanings.get(name, "")] if meaning else [name, count]
        for name, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))
    ]
    return table(rows, ["rule", "rows", "meaning"] if meaning else ["rule", "rows"])


def receipt(content: Mapping[str, Any]) -> str:
    """Return a receipt as a table of its rows by source."""
    headers = ["source", *receipts.COUNTS]
    rows = [
        [name, *(counts[key] for key in headers[1:])] for name, counts in content["rows"].items()
    ]
    total = ["total", *(sum(row[i] for row in rows) for i in range(1, len(headers)))]
    return table([*rows, total], headers)


def classes(report: Report | None) -> str:
    """Return how the anonymous table was made, a line for each step of the ladder."""
    headers = ["step", "meaning", "classes", "smallest", f"% in classes under {K}"]
    return table(report.described() if report else [], headers)


def bars(values: Mapping[str, int], title: str) -> ModuleType:
    """Draw horizontal bars, largest on top, and return pyplot for ``%matplot``.

    Parameters
    ----------
    values : mapping of str to int
        In the order of the bars.
    title : str
    """
    import matplotlib as mpl  # noqa: PLC0415 (takes a second, which only pictures need)

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
