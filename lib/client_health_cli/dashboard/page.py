"""The page: figures, charts, and runs of one lake."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from client_health_cli import queries
from client_health_cli.dashboard import cube, html
from client_health_cli.dashboard.cube import Cube
from client_health_cli.dashboard.last_runs import Run, last_runs
from client_health_cli.dashboard.rule_history import RuleHistory
from client_health_cli.dashboard.visuals import VISUALS
from client_health_cli.dashboard.wording import day, hour, number, signed_percent
from client_health_cli.published import PublishedTable
from register_contract import contract
from register_contract.anonymity import LADDER, PUBLISHED, Measured, Report
from register_contract.runs import STAGES

_LATE_HOURS: Final = 26
"""A day and two hours after a load, the next one is late."""
_TOP: Final = 5
_OTHERS_YEAR: Final = "Outros ou sem data válida"
_OTHERS_STATE: Final = "Outros ou sem UF"
_CATEGORY_TITLES: Final = {"ano": "Ano", "convenio": "Convênio", "sexo": "Sexo", "estado": "Estado"}
_COUNTS: Final = (
    ("ingested", "Recebidas"),
    ("resubmitted", "Reapresentadas"),
    ("rejected", "Rejeitadas"),
    ("duplicates", "Duplicadas"),
    ("suppressed", "Suprimidas"),
    ("published", "Publicadas"),
)


@dataclass(frozen=True)
class Filter:
    """A filter of all charts.

    Attributes
    ----------
    name, title
        Its id, and its text for readers.
    options
        Positions on the cube's axis, each with its text for readers.
    """

    name: str
    title: str
    options: tuple[tuple[int, str], ...]


def write(
    table: PublishedTable,
    receipts: Iterable[Mapping[str, Any]],
    *,
    written: dt.datetime,
    dictionary: str = "",
    anonymous: Report | None = None,
    limits: contract.Limits = contract.LIMITS,
    quality: RuleHistory | None = None,
    costs: Mapping[str, float] | None = None,
) -> str:
    """Return the page.

    Parameters
    ----------
    table
        The published table; it may be empty.
    receipts
        Receipts of the lake's runs.
    written
        The current time, with a time zone.
    dictionary
        Path of the data dictionary, relative to the page; no link if empty.
    anonymous
        How the anonymous table was made; None if there is none of these rows.
    limits
        The limits that hold.
    quality
        The rules and columns of the last runs; None if unknown.
    costs
        DPU-seconds by run; None if unknown.

    Returns
    -------
    str
        Self-contained HTML.
    """
    with queries.connected(table) as connection:
        counts = cube.build(connection)
    runs = last_runs(table, receipts, costs)
    published = table.published
    newest = published[-1] if published else None
    current = next((run for run in runs if newest and run.run_id == newest.run_id), None)
    clients = counts.count(0, 0, 0, 0) if newest else None
    loaded = (newest.made_current_at or newest.committed_at) if newest else None
    growth = _growth([_records(one.summary) for one in published])
    library, script = html.chart_library(), html.script("dashboard.js")
    note = _note(clients, growth)
    return html.render(
        "dashboard.html",
        policy=html.policy(library, script),
        css=html.style(),
        library=library,
        script=script,
        clients=clients,
        note=note,
        loaded=loaded,
        current=current,
        limit=limits.rejected_share,
        filters=_filters(counts),
        visuals=[
            {**_fields(visual), "category_title": _CATEGORY_TITLES[visual.category]}
            for visual in VISUALS
        ],
        runs=runs,
        counts=[pair for pair in _COUNTS if _worth_telling(pair[0], runs)],
        stages=STAGES,
        largest_first=_largest_first,
        steps=_steps(anonymous),
        anonymous=anonymous,
        suppressed_share=_suppressed_share(anonymous),
        quality=quality or RuleHistory(),
        smallest=cube.SMALLEST,
        others=cube.OTHERS,
        snapshot_id=table.snapshot_id,
        written=written,
        dictionary=dictionary,
        data=html.data(
            {
                "cube": _cube(counts),
                "smallest": cube.SMALLEST,
                "others": cube.OTHERS,
                "othersYear": _OTHERS_YEAR,
                "top": _TOP,
                "note": note,
                "loaded": loaded.isoformat() if loaded else None,
                "lateHours": _LATE_HOURS,
                "stages": STAGES,
                "runs": [_run(run) for run in runs],
            }
        ),
    )


def _steps(report: Report | None) -> list[tuple[str, Measured]]:
    """Return what each step of the ladder generalizes, with its classes; the table comes last."""
    if report is None:
        return []
    suppressed = f"clientoutput_anonima ({number(report.suppressed)} clientes suprimidos)"
    meanings = {step.name: step.significado for step in LADDER} | {
        PUBLISHED: "como publicado",
        report.table.step: suppressed,
    }
    return [(meanings[one.step], one) for one in (*report.measured, report.table)]


def _suppressed_share(report: Report | None) -> float:
    """Return the share of clients whose values the anonymous table suppresses, 0 to 1."""
    return report.suppressed / report.table.clients if report and report.table.clients else 0.0


def _fields(visual: Any) -> dict[str, Any]:  # noqa: ANN401 - a dataclass
    return {one.name: getattr(visual, one.name) for one in dataclasses.fields(visual)}


def _note(clients: int | None, growth: float | None) -> str:
    if clients is None:
        return "nenhuma carga publicada"
    if growth is None:
        return "primeira carga publicada"
    return f"{signed_percent(growth)} desde a carga anterior"


def _growth(clients: Sequence[int | None]) -> float | None:
    """Return the change of the last run from the one before, in percent."""
    if len(clients) < 2:
        return None
    before, now = clients[-2:]
    return round(100 * (now - before) / before, 2) if before and now is not None else None


def _records(summary: Mapping[str, str]) -> int | None:
    text = summary.get("total-records", "")
    return int(text) if text.isdecimal() else None


def _filters(counts: Cube) -> tuple[Filter, ...]:
    convenio, uf, year, _ = counts.axes
    spans = [(year.others + n, title) for n, (title, _) in enumerate(year.spans, 1)]
    years = reversed(list(enumerate(year.members, 1)))
    convenios = _known(enumerate(convenio.members, 1))
    return (
        Filter("convenio", "Convênio", _options(counts, 0, "Todos", convenios, cube.OTHERS)),
        Filter("uf", "UF", _options(counts, 1, "Todas", enumerate(uf.members, 1), _OTHERS_STATE)),
        Filter(
            "periodo",
            "Período de cadastro",
            _options(counts, 2, "Todo o período", [*spans, *years], _OTHERS_YEAR),
        ),
    )


def _options(
    counts: Cube, axis: int, everything: str, members: Iterable[tuple[int, str]], others: str
) -> tuple[tuple[int, str], ...]:
    """Return the options; `OTHERS` is one only if it may be shown."""
    place = [0] * len(counts.axes)
    place[axis] = counts.axes[axis].others
    rest = [(place[axis], others)] if counts.count(*place) > 0 else []
    return ((0, everything), *members, *rest)


def _known(members: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    named = [
        (position, "Não informado" if label == contract.DEFAULT_TEXT else label)
        for position, label in members
    ]
    return sorted(named, key=lambda pair: pair[1].casefold())


def _cube(counts: Cube) -> dict[str, Any]:
    return {
        "axes": [
            {
                "labels": axis.labels,
                "others": axis.others,
                "spans": [summed for _, summed in axis.spans],
            }
            for axis in counts.axes
        ],
        "counts": counts.counts.ravel().tolist(),
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "name": run.run_id,
        "label": f"{day(run.started_at)[:5]} {hour(run.started_at)}",
        "published": run.total("published"),
        "duplicates": run.total("duplicates"),
        "rejected": run.total("rejected"),
        "seconds": dict(run.seconds),
    }


def _worth_telling(count: str, runs: Sequence[Run]) -> bool:
    """Return whether to show a count; some are left out if no run has any such rows."""
    rare = count in {"resubmitted", "suppressed"}
    return not rare or any(run.total(count) for run in runs)


def _largest_first(counts: Mapping[str, int] | None) -> list[tuple[str, int]]:
    kept = [(rule, rows) for rule, rows in (counts or {}).items() if rows]
    return sorted(kept, key=lambda pair: (-pair[1], pair[0]))
