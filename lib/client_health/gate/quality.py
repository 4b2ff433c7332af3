"""The gates: schema, completeness, uniqueness, accounting, and volume.

``validar_esquema`` and ``validar_qualidade_dados`` are the specification's checks. Both check
everything before they stop, so that one run reports all problems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from client_health.errors import QualityGateError
from client_health.gate import drift
from client_health.gate.accounting import StageRows
from client_health.gate.drift import Columns, Drift
from client_health.gate.rule_results import Result, of_rows
from client_health.read.sources import TYPES
from register_contract import contract
from register_contract.contract import Criticality, Gate, Limits
from register_contract.receipts import Profile
from register_contract.rule_set import RuleSet

_CONTRACT_NAMES = {kind: name for name, kind in TYPES.items()}


def schema_differences(
    frame: DataFrame | pl.DataFrame, expected: Sequence[contract.Column] = contract.COLUMNS
) -> list[str]:
    """Return every difference between a frame's columns and the expected ones.

    Parameters
    ----------
    frame : DataFrame
        From Spark or Polars.
    expected : sequence of Column

    Returns
    -------
    list of str
        A line for each missing, extra, repeated, or wrongly typed column, and one for the order.
    """
    found = _types(frame)
    names = [name for name, _ in found]
    types = dict(found)
    wanted = {column.name: column.type for column in expected}
    differences = [f"missing column {name}" for name in wanted if name not in types]
    differences += [f"extra column {name}" for name in names if name not in wanted]
    differences += [f"column {name} more than once" for name in types if names.count(name) > 1]
    differences += [
        f"column {name} is {types[name]}, not {kind}"
        for name, kind in wanted.items()
        if name in types and types[name] != kind
    ]
    shared_found = [name for name in types if name in wanted]
    shared_wanted = [name for name in wanted if name in types]
    if shared_found != shared_wanted:
        differences.append(f"order is {', '.join(shared_found)}, not {', '.join(shared_wanted)}")
    return differences


def _types(frame: DataFrame | pl.DataFrame) -> list[tuple[str, str]]:
    if not isinstance(frame, pl.DataFrame):
        return [(field.name, field.dataType.simpleString()) for field in frame.schema.fields]
    return [(name, _CONTRACT_NAMES.get(kind, str(kind))) for name, kind in frame.schema.items()]


def validar_esquema(
    frame: DataFrame | pl.DataFrame, expected: Sequence[contract.Column] = contract.COLUMNS
) -> None:
    """Stop if a frame's columns are not the expected ones.

    Parameters
    ----------
    frame : DataFrame
        From Spark or Polars.
    expected : sequence of Column

    Raises
    ------
    QualityGateError
        Names all differences: missing, extra, type, order.

    Notes
    -----
    Rule: specification, "Validação de Esquema".
    """
    differences = schema_differences(frame, expected)
    if differences:
        raise QualityGateError([(Gate.ESQUEMA_DIFERENTE, ", ".join(differences))])


@dataclass(frozen=True)
class QualityReport:
    """The findings of ``validar_qualidade_dados`` in the rows to publish.

    Parameters
    ----------
    rows : int
    distinct_ids : int
        One for each CPF, since ids are made from CPFs.
    shares : mapping of str to int
        Rows to publish by health plan, largest first.
    nulls, unmasked : mapping of str to int
        Nulls by required column, and values by masked column that are not the mask.
    badly_formed_cpfs : int
        Counted before masking.
    drift : Drift
        The comparison with the last published runs.
    results : sequence of Result
        The results of all rules.
    """

    rows: int
    distinct_ids: int
    shares: Mapping[str, int]
    nulls: Mapping[str, int]
    unmasked: Mapping[str, int] = field(default_factory=dict)
    badly_formed_cpfs: int = 0
    drift: Drift = field(default_factory=Drift)
    results: Sequence[Result] = ()

    def checks(self) -> list[tuple[str, str]]:
        """Return the checks and their results, for a table."""
        return [
            (one.rule, "ok" if one.passed else one.finding)
            for one in self.results
            if one.criticality is Criticality.GATE
        ]


_JUDGED_HERE = frozenset(
    {
        Gate.SAIDA_VAZIA,
        Gate.FONTE_VAZIA,
        Gate.NULO_OBRIGATORIO,
        Gate.CPF_FORA_DO_FORMATO,
        Gate.CPF_DUPLICADO,
        Gate.CONTAGEM_DIVERGENTE,
        Gate.REJEITADOS_DEMAIS,
        Gate.VOLUME_DIFERENTE,
        Gate.REMESSA_ANTIGA,
        Gate.DISTRIBUICAO_DIFERENTE,
        Gate.NULOS_EM_ALTA,
        Gate.AUDITORIA_DIVERGENTE,
        Gate.REGRA_PROPRIA,
    }
)


@dataclass(frozen=True)
class Expectations:
    """Values that the rows to publish are compared with.

    Parameters
    ----------
    stages : sequence of StageRows
        The counts of the previous stages, in order.
    published_rows : int, optional
        Rows of the last publication; None if there was none.
    accept_volume_change : bool
        Whether to publish however far the number of rows is from the last one.
    day : str
        Day of the delivery, as an ISO date.
    published_day : str
        Day of the last publication; empty if there was none.
    accept_older : bool
        Whether to publish even if the published delivery is of a later day.
    profile : Profile, optional
        What the columns contain, from ``02_transform``.
    usual : sequence of Columns
        What those of the last published runs contained.
    accept_drift : bool
        Whether to publish however far that is from what is usual.
    limits : Limits
    rules : RuleSet
        The rules that were judged, of which some of a team's own are gates.
    """

    stages: Sequence[StageRows] = ()
    published_rows: int | None = None
    accept_volume_change: bool = False
    day: str = ""
    published_day: str = ""
    accept_older: bool = False
    profile: Profile | None = None
    usual: Sequence[Columns] = ()
    accept_drift: bool = False
    limits: Limits = contract.LIMITS
    rules: RuleSet = field(default_factory=RuleSet)


def validar_qualidade_dados(
    branch: DataFrame, shares: Mapping[str, int], expectations: Expectations
) -> QualityReport:
    """Check the rows to publish: the audit branch, and the accounting of all stages.

    Parameters
    ----------
    branch : DataFrame
        The rows of the branch, as readers would see them.
    shares : mapping of str to int
        Its rows by health plan.
    expectations : Expectations

    Returns
    -------
    QualityReport

    Raises
    ------
    QualityGateError
        If gates stop the run; the message names all of them.

    Notes
    -----
    Rule: specification, "Verificação de Qualidade": nulls in required columns, format and
    uniqueness of CPFs, integrity. The accounting of rows is our addition.
    """
    badly_formed = sum(stage.badly_formed_cpfs for stage in expectations.stages)
    measured = measure(branch, shares, badly_formed)
    compared = _drift(shares, expectations)
    failures = [
        *_content_failures(measured),
        *_accounting_failures(measured, expectations),
        *_own_failures(measured, expectations),
        *older_failures(expectations.day, expectations.published_day, expectations.accept_older),
    ]
    if not expectations.accept_drift:
        failures += [(Gate(one.rule), one.detail) for one in compared.stops]
    results = [
        *(of_rows(expectations.stages[-1], expectations.rules) if expectations.stages else ()),
        *_results(measured, expectations, compared, dict(failures)),
    ]
    if failures:
        raise QualityGateError(failures, results)
    return replace(measured, drift=compared, results=results)


def _drift(shares: Mapping[str, int], expectations: Expectations) -> Drift:
    if expectations.profile is None:
        return Drift()
    now = Columns.of(expectations.day, expectations.profile, shares)
    return drift.compare(now, expectations.usual, expectations.limits)


def _results(
    report: QualityReport,
    expectations: Expectations,
    compared: Drift,
    failures: Mapping[Gate, str],
) -> list[Result]:
    """Return the results of the gates, and of the warnings about the whole run."""
    stages, limits = expectations.stages, expectations.limits
    before = expectations.published_rows
    ingested = stages[0].rows_in if stages else 0
    rejected = sum(stage.rejected for stage in stages)
    failed: dict[Gate, int] = {
        Gate.NULO_OBRIGATORIO: sum(report.nulls.values()),
        Gate.CPF_FORA_DO_FORMATO: report.badly_formed_cpfs,
        Gate.CPF_DUPLICADO: report.rows - report.distinct_ids,
        Gate.REJEITADOS_DEMAIS: rejected,
    }
    shares: dict[Gate, tuple[float | None, float]] = {
        Gate.REJEITADOS_DEMAIS: (
            rejected / ingested if ingested else None,
            limits.rejected_share,
        ),
        Gate.VOLUME_DIFERENTE: (
            abs(report.rows - before) / before if before else None,
            limits.volume_change,
        ),
        Gate.DISTRIBUICAO_DIFERENTE: (None, limits.category_shift),
        Gate.NULOS_EM_ALTA: (None, limits.null_rise),
    }
    shares |= {Gate(one.rule): (one.value, one.limit or 0.0) for one in compared.stops}
    accepted = {one.rule: one.detail for one in compared.stops}
    gates = [
        Result(
            gate,
            Criticality.GATE,
            passed=gate not in failures,
            checked=ingested if gate is Gate.REJEITADOS_DEMAIS else report.rows,
            failed=failed.get(gate),
            share=shares.get(gate, (None, None))[0],
            limit=shares.get(gate, (None, None))[1],
            finding=failures.get(gate) or accepted.get(gate, ""),
        )
        for gate in Gate
        if gate in _JUDGED_HERE
    ]
    warnings = [
        Result(
            one.rule,
            Criticality.WARN,
            checked=report.rows,
            share=one.value,
            limit=one.limit,
            finding=one.detail,
        )
        for one in compared.warnings
    ]
    return [*gates, *_own_results(report, expectations), *warnings]


def measure(branch: DataFrame, shares: Mapping[str, int], badly_formed: int = 0) -> QualityReport:
    """Measure the rows to publish in one pass over the columns that can be wrong."""

    def count(condition: Column, name: str) -> Column:
        return F.count(F.when(condition, True)).alias(name)

    required = [column.name for column in contract.COLUMNS if column.required]
    masked = [column.name for column in contract.COLUMNS if column.masked]
    found = branch.agg(
        F.count("*").alias("rows"),
        # Different hashes mean different ids, at a fraction of the cost; ties are checked below.
        F.count_distinct(F.xxhash64("id")).alias("ids"),
        *(count(F.col(name).isNull(), f"null {name}") for name in required),
        *(count(F.col(name) != contract.MASK, f"unmasked {name}") for name in masked),
    ).collect()[0]
    rows, ids = int(found["rows"]), int(found["ids"])
    if ids != rows:
        ids = int(branch.agg(F.count_distinct("id")).collect()[0][0])
    return QualityReport(
        rows=rows,
        distinct_ids=ids,
        shares=dict(shares),
        nulls={name: int(found[f"null {name}"]) for name in required},
        unmasked={name: int(found[f"unmasked {name}"]) for name in masked},
        badly_formed_cpfs=badly_formed,
    )


def _content_failures(report: QualityReport) -> list[tuple[Gate, str]]:
    failures = []
    if not report.rows:
        failures.append((Gate.SAIDA_VAZIA, "no row to publish"))
    nulls = [f"{rows:,} in {name}" for name, rows in report.nulls.items() if rows]
    if nulls:
        failures.append((Gate.NULO_OBRIGATORIO, "nulls: " + ", ".join(nulls)))
    if report.badly_formed_cpfs:
        found = f"{report.badly_formed_cpfs:,} CPFs are not {contract.CPF_DIGITS} digits"
        failures.append((Gate.CPF_FORA_DO_FORMATO, found))
    if report.distinct_ids != report.rows:
        found = f"{report.rows:,} rows hold {report.distinct_ids:,} different CPFs"
        failures.append((Gate.CPF_DUPLICADO, found))
    bare = [
        f"{rows:,} values of {name} are not masked"
        for name, rows in report.unmasked.items()
        if rows
    ]
    listed = sum(report.shares.values())
    if listed != report.rows:
        bare.append(f"the branch lists {listed:,} rows and shows {report.rows:,}")
    if bare:
        failures.append((Gate.AUDITORIA_DIVERGENTE, ", ".join(bare)))
    return failures


def _accounting_failures(
    report: QualityReport, expectations: Expectations
) -> list[tuple[Gate, str]]:
    failures = []
    wrong = []
    expected_in: Mapping[str, int] | None = None
    for stage in expectations.stages:
        for name, rows in stage.sources.items():
            if rows.missing:
                wrong.append(f"{name}: {rows.missing:+,} rows unaccounted for")
            if expected_in is not None and expected_in[name] != rows.taken:
                wrong.append(f"{name}: {expected_in[name]:,} handed over, {rows.taken:,} read")
        expected_in = {name: rows.rows_out for name, rows in stage.sources.items()}
    accepted = sum((expected_in or {}).values())
    if expected_in is not None and accepted != report.rows:
        wrong.append(f"{accepted:,} accepted, {report.rows:,} to publish")
    if wrong:
        failures.append((Gate.CONTAGEM_DIVERGENTE, ", ".join(wrong)))
    if expectations.stages:
        failures += _share_failures(expectations.stages, expectations.limits)
    before = expectations.published_rows
    if before and not expectations.accept_volume_change:
        change = abs(report.rows - before) / before
        if change > expectations.limits.volume_change:
            found = (
                f"{report.rows:,} rows against {before:,} last published ({change:.0%} away, the"
                f" limit is {_percent(expectations.limits.volume_change)}); if that is right, run"
                " again and accept the volume change"
            )
            failures.append((Gate.VOLUME_DIFERENTE, found))
    return failures


def older_failures(day: str, published_day: str, accept: bool) -> list[tuple[Gate, str]]:
    """Return the gate's failure if a delivery would replace one of a later day.

    Parameters
    ----------
    day, published_day : str
        ISO dates of the delivery and of the last publication; empty if there is none.
    accept : bool
        Whether a person allowed it.
    """
    if accept or not day < published_day:
        return []
    found = f"the delivery is of {day}, the published one of {published_day}"
    return [(Gate.REMESSA_ANTIGA, found)]


def _share_failures(stages: Sequence[StageRows], limits: Limits) -> list[tuple[Gate, str]]:
    failures = []
    empty = [name for name, rows in stages[0].sources.items() if not rows.rows_in]
    if empty:
        failures.append((Gate.FONTE_VAZIA, f"no row in: {', '.join(empty)}"))
    ingested = stages[0].rows_in
    rejected = sum(stage.rejected for stage in stages)
    if ingested and rejected / ingested > limits.rejected_share:
        found = (
            f"{rejected:,} of {ingested:,} rows rejected ({rejected / ingested:.1%}, the limit is"
            f" {_percent(limits.rejected_share)})"
        )
        failures.append((Gate.REJEITADOS_DEMAIS, found))
    return failures


def _own_results(report: QualityReport, expectations: Expectations) -> list[Result]:
    """Return the results of the rules file's gates: rows that break them, and their shares."""
    if not expectations.stages or not report.rows:
        return []
    counted = expectations.stages[-1].warnings
    results = []
    for one in expectations.rules.own:
        if one.share is None:
            continue
        name, rows = one.rule.name, counted.get(one.rule.name, 0)
        share = rows / report.rows
        passed = share <= one.share
        finding = (
            f"{name}: {rows:,} of {report.rows:,} rows ({_percent(share)}, the limit is"
            f" {_percent(one.share)})"
        )
        results.append(
            Result(
                name,
                Criticality.GATE,
                passed=passed,
                checked=report.rows,
                failed=rows,
                share=share,
                limit=one.share,
                finding="" if passed else finding,
            )
        )
    return results


def _own_failures(report: QualityReport, expectations: Expectations) -> list[tuple[Gate, str]]:
    broken = [one.finding for one in _own_results(report, expectations) if not one.passed]
    return [(Gate.REGRA_PROPRIA, ", ".join(broken))] if broken else []


def _percent(share: float) -> str:
    """Return a share with the digits that it needs: limits may be below 1 %."""
    return f"{100 * share:.4g}%"
