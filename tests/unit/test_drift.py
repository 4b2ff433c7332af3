"""A run compared with the last published ones: gates, warnings, and when nothing is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from client_health.gate import drift
from client_health.gate.drift import Columns
from register_contract import contract

LIMITS = contract.LIMITS
PROFILE = {
    "nulls": {"nome_completo": 20, "numero": 100},
    "categories": {"sexo": {"F": 5_000, "M": 4_800, "N/A": 200}, "estado": {"SP": 10_000}},
    "registrations": {"2026-03-09": 1_500, "2026-03-10": 12},
    "extremes": {},
    "distinct": {},
}
SHARES = {"Gold": 6_000, "SUS": 4_000}


def columns(day: str = "2026-03-10", shares: Mapping[str, int] = SHARES, **changes) -> Columns:
    return Columns.of(day, {**PROFILE, **changes}, shares)


def week(count: int = 7, **changes) -> list[Columns]:
    days = [f"2026-03-{at:02}" for at in range(1, count + 1)]
    return [replace(columns(**changes), day=day, registrations=yesterday(day)) for day in days]


def yesterday(day: str, count: int = 1_500) -> dict[str, int]:
    number = int(day[-2:]) - 1
    return {f"2026-03-{number:02}" if number else "2026-02-28": count}


def test_a_run_like_the_others_is_as_usual():
    found = drift.compare(columns(), week())
    assert not (found.stops or found.warnings)
    assert found.described() == [
        ("none", "as usual, compared with 7 publications, 2026-03-01 to 2026-03-07")
    ]


@pytest.mark.parametrize("runs", range(LIMITS.drift_least_runs))
def test_nothing_is_said_before_there_is_a_history(runs: int):
    found = drift.compare(columns(shares={"New": 10_000}), week(runs))
    assert found == drift.Drift()
    assert found.described() == [("none", "compared as soon as 3 runs are published")]


def test_shares_of_few_rows_are_not_compared():
    few = {"Gold": LIMITS.drift_least_rows - 1}
    assert drift.compare(columns(shares=few), week()) == drift.Drift()
    small = [replace(one, rows=LIMITS.drift_least_rows - 1) for one in week()]
    assert drift.compare(columns(shares={"New": 10_000}), small) == drift.Drift()


def test_a_category_that_moved_stops_the_run_with_numbers_limit_and_days():
    moved = {"F": 3_000, "M": 6_800, "N/A": 200}
    found = drift.compare(columns(categories={**PROFILE["categories"], "sexo": moved}), week())
    [stop] = found.stops
    assert stop.rule == "distribuicao_diferente"
    assert stop.detail == (
        "sexo F 30.0% instead of 50.0%, sexo M 68.0% instead of 48.0% (the median of 7 "
        "publications, 2026-03-01 to 2026-03-07; the limit is 10 points)"
    )
    assert stop.value == pytest.approx(0.2)
    assert stop.limit == LIMITS.category_shift


def test_a_category_at_the_limit_passes_and_one_above_it_does_not():
    def with_f(rows: int) -> drift.Drift:
        sexo = {"F": rows, "M": 9_800 - rows, "N/A": 200}
        return drift.compare(columns(categories={"sexo": sexo}), week())

    assert not with_f(5_990).stops
    assert with_f(6_010).stops


def test_one_strange_day_does_not_change_what_is_usual():
    strange = replace(columns(categories={"sexo": {"N/A": 10_000}}), day="2026-03-04")
    assert not drift.compare(columns(), [*week()[:3], strange, *week()[4:]]).stops


def test_only_the_last_runs_count():
    old = [replace(one, categories={"sexo": {"N/A": 1.0}}) for one in week(5)]
    assert not drift.compare(columns(), [*old, *week(LIMITS.drift_runs)]).stops


def test_missing_values_that_rose_stop_the_run_and_those_that_fell_do_not():
    found = drift.compare(columns(nulls={"nome_completo": 900, "numero": 0}), week())
    [stop] = found.stops
    assert stop.rule == "nulos_em_alta"
    assert stop.detail.startswith("nome_completo 9.0% missing instead of 0.2% (the median of 7")
    assert "the limit is 5 points" in stop.detail


def test_a_plan_that_is_new_or_gone_is_a_warning_compared_with_the_last_run():
    found = drift.compare(columns(shares={"Gold": 6_000, "Ouro": 4_000}), week())
    assert [one.rule for one in found.warnings] == ["convenios_diferentes"]
    assert found.warnings[0].detail == ("1 new: Ouro; 1 gone: SUS (compared with 2026-03-07)")
    many = {f"P{at}": 100 for at in range(60)} | SHARES
    [one] = drift.compare(columns(shares=many), week()).warnings
    assert one.detail.startswith("60 new: P0, P1, P10, P11, P12, … (")


@pytest.mark.parametrize(
    ("count", "warns"), [(0, True), (499, True), (4_501, True), (4_500, False)]
)
def test_unusually_many_or_few_registrations_are_a_warning(count: int, warns: bool):
    now = columns(registrations={"2026-03-09": count})
    found = list(drift.compare(now, week()).warnings)
    assert bool(found) is warns
    if found:
        assert found[0].rule == "cadastros_incomuns"
        assert f"{count:,} registrations on the day before" in found[0].detail
        assert "instead of 1,500" in found[0].detail


def test_few_registrations_are_not_compared():
    few = [replace(one, registrations=yesterday(one.day, 9)) for one in week()]
    assert not drift.compare(columns(registrations={"2026-03-09": 90}), few).warnings


def test_every_rule_is_declared():
    declared = {rule.name for rule in contract.RULES}
    assert {drift.NEW_OR_GONE, drift.UNUSUAL_DAY} <= declared
    of_runs = {rule.name for rule in contract.RULES if rule.of_run}
    assert of_runs == {drift.NEW_OR_GONE, drift.UNUSUAL_DAY}
