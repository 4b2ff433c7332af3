"""The queries in `queries/`: their results, and that they use Athena's dialect."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp
from tests.support import lakes

from client_health_cli import dialect, queries
from client_health_cli.errors import LakeError, QueryError
from client_health_cli.published import published_table
from client_health_cli.questions import questions
from client_health_cli.results import rows_of

QUESTIONS = questions(Path(__file__).resolve().parents[2] / "queries")
SPECIFIED = {"clientes_por_ano", "convenios", "clientes_por_sexo", "estados"}


def answer(lake: Path, sql: str) -> list[tuple[object, ...]]:
    with queries.query(published_table(str(lake)), sql) as found:
        return list(rows_of(found))


def ask(lake: Path, name: str) -> list[tuple[object, ...]]:
    return answer(lake, QUESTIONS[name].sql)


def test_the_specified_queries_are_there() -> None:
    assert set(QUESTIONS) >= SPECIFIED


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_query_is_one_select_in_athenas_dialect_that_orders_its_rows(name: str) -> None:
    (statement,) = sqlglot.parse(QUESTIONS[name].sql, read="athena")
    assert isinstance(statement, exp.Query)
    assert QUESTIONS[name].meaning.endswith(".")
    one_row = not statement.args.get("group") and statement.find(exp.Count) and name == "clientes"
    assert statement.args.get("order") or one_row


@pytest.fixture(scope="module")
def shuffled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lake with the same two runs, whose files have the rows in another order."""
    other = tmp_path_factory.mktemp("shuffled") / "lake"
    lakes.make(other)
    rows = lakes.register()
    for run, published in (
        ("run-1", [row for row in rows if row["convenio"] != "Prata"][:1_500]),
        ("run-22", rows),
    ):
        lakes.publish(other, run, random.Random(7).sample(published, len(published)))
    return other


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_the_order_of_the_rows_in_the_files_changes_no_answer(
    name: str, lake: Path, shuffled: Path
) -> None:
    expected, found = ask(lake, name), ask(shuffled, name)
    if name == "execucoes_publicadas":
        # Times and snapshot ids differ between the lakes.
        expected, found = ([(row[1], *row[3:]) for row in rows] for rows in (expected, found))
    assert found == expected
    # So few clients have no place in common that the anonymous table could name.
    assert bool(expected) == (name != "estados_anonimos")


def test_clients_per_year_are_those_after_2020_and_not_in_the_future(lake: Path) -> None:
    years = Counter(row["data_cadastro"].year for row in lakes.register())
    assert ask(lake, "clientes_por_ano") == [
        (year, years[year]) for year in sorted(years) if 2020 < year < 2095
    ]


def test_the_distribution_by_convenio_leaves_out_sus(lake: Path) -> None:
    plans = Counter(row["convenio"] for row in lakes.register())
    del plans["SUS"]
    found = ask(lake, "convenios")
    assert [row[:2] for row in found] == sorted(plans.items(), key=lambda pair: (-pair[1], pair[0]))
    assert sum(row[2] for row in found) == pytest.approx(100, abs=0.05)


def test_the_five_states_are_states(lake: Path) -> None:
    states = Counter(row["estado"] for row in lakes.register())
    assert states["ZZ"] > 0 < states["N/A"]
    best = sorted(states.items(), key=lambda pair: (-pair[1], pair[0]))
    real = [pair for pair in best if pair[0] not in {"ZZ", "N/A"}]
    assert ask(lake, "estados") == real[:5]


def test_an_age_is_counted_in_whole_years(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    today = dt.datetime.now(dt.UTC).date()
    nineteen = today.replace(year=today.year - 19, day=min(today.day, 28))
    births = [nineteen, nineteen + dt.timedelta(days=10), dt.date(1970, 1, 1), today.replace(2095)]
    rows = [lakes.client(n, data_nascimento=birth) for n, birth in enumerate(births)]
    lakes.publish(tmp_path / "lake", "run", rows)
    bands = {row[1]: row[2] for row in ask(tmp_path / "lake", "faixas_etarias_por_convenio")}
    assert bands == {"00-18": 1, "19-28": 1, "N/A": 2}


def test_a_month_is_compared_with_the_month_before_and_with_no_other(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    months = [(2023, 1)] * 4 + [(2023, 2)] * 6 + [(2023, 4)] * 3
    rows = [lakes.client(n, data_cadastro=dt.datetime(*month, 5)) for n, month in enumerate(months)]
    lakes.publish(tmp_path / "lake", "run", rows)
    assert ask(tmp_path / "lake", "cadastros_por_mes") == [
        (dt.date(2023, 1, 1), 4, None, None, None),
        (dt.date(2023, 2, 1), 6, 4, 2, 50.0),
        (dt.date(2023, 4, 1), 3, None, None, None),
    ]


def test_default_values_are_counted_by_column(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    rows = [*lakes.clients(3), *lakes.clients(1, 3, numero=0, sexo="N/A", nome_completo="N/A")]
    lakes.publish(tmp_path / "lake", "run", rows)
    assert ask(tmp_path / "lake", "valores_padrao_por_coluna") == [
        ("nome_completo", 1, 25.0),
        ("numero", 1, 25.0),
        ("sexo", 1, 25.0),
        ("convenio", 0, 0.0),
        ("data_cadastro", 0, 0.0),
        ("data_nascimento", 0, 0.0),
        ("estado", 0, 0.0),
    ]


def test_k_anonymity_is_that_of_plain_counting(lake: Path) -> None:
    others = ("convenio", "sexo", "estado", "data_nascimento")
    rows = lakes.register()
    found = {row[0]: row[1:] for row in ask(lake, "anonimato")}
    for table, names in (
        ("clientoutput, com nome", (*others, "nome_completo")),
        ("clientoutput, sem nome", others),
    ):
        sizes = Counter(tuple(row[name] for name in names) for row in rows).values()
        below = sum(size for size in sizes if size < 5)
        share = round(100 * below / len(rows), 2)
        assert found[table] == (len(sizes), min(sizes), len(rows), share)
    classes, smallest, clients, share = found["clientoutput_anonima"]
    assert (clients, share) == (len(rows), 0)
    assert smallest >= 5
    assert classes > 1


def test_without_persons_the_sums_are_those_of_all_clients(lake: Path) -> None:
    assert ask(lake, "clientes_por_ano_anonimos") == ask(lake, "clientes_por_ano")
    exact, found = (
        {row[0]: int(str(row[1])) for row in ask(lake, name)}
        for name in ("clientes_por_sexo", "clientes_por_sexo_anonimos")
    )
    suppressed = found.pop("Suprimidos")
    assert 5 <= suppressed <= 0.01 * len(lakes.register())
    assert sum(found.values()) + suppressed == sum(exact.values()) == len(lakes.register())
    assert all(exact[sex] - suppressed <= clients <= exact[sex] for sex, clients in found.items())


def test_without_persons_a_plan_is_named_as_in_the_published_table(lake: Path) -> None:
    exact = {row[0]: int(str(row[1])) for row in ask(lake, "convenios")}
    rows = ask(lake, "convenios_anonimos")
    found = {row[0]: int(str(row[1])) for row in rows}
    suppressed = found.pop("Suprimidos")
    assert set(found) == set(exact)
    assert all(
        exact[plan] - suppressed <= clients <= exact[plan] for plan, clients in found.items()
    )
    assert sum(float(str(row[2])) for row in rows) == pytest.approx(100, abs=0.05)


def test_without_persons_states_are_named_where_enough_clients_share_one(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    born = dt.date(1980, 5, 5)
    rows = [
        lakes.client(100 * n + m, estado=state, data_nascimento=born)
        for n, state in enumerate(("SP", "SP", "MG", "RJ", "ZZ", "BA", "PR", "SC"))
        for m in range(40 + n)
    ]
    few = lakes.clients(2, 900, estado="AC", data_nascimento=born)
    lakes.publish(tmp_path / "lake", "run", [*rows, *few])
    # Two clients alone can't be suppressed, so MG, the smallest other class, joins them.
    expected = [("SP", 81), ("SC", 47), ("PR", 46), ("BA", 45), ("RJ", 43)]
    assert ask(tmp_path / "lake", "estados_anonimos") == expected


def test_without_persons_regions_stand_for_states_that_too_few_clients_share(
    tmp_path: Path,
) -> None:
    lakes.make(tmp_path / "lake")
    states = ("SP", "MG", "RJ", "ES", "BA", "CE", "PE", "PR", "SC", "RS")
    rows = [
        lakes.client(10 * n + m, estado=state, data_nascimento=dt.date(1980, 5, 5))
        for n, state in enumerate(states)
        for m in range(3)
    ]
    lakes.publish(tmp_path / "lake", "run", rows)
    expected = [("Sudeste", 12), ("Nordeste", 9), ("Sul", 9)]
    assert ask(tmp_path / "lake", "estados_anonimos") == expected


def test_growth_compares_with_the_run_published_before(lake: Path) -> None:
    rows = lakes.register()
    now = Counter(row["convenio"] for row in rows)
    before = Counter(
        row["convenio"] for row in [r for r in rows if r["convenio"] != "Prata"][:1500]
    )
    found = ask(lake, "crescimento_entre_execucoes")
    assert [row[:4] for row in found] == [
        (plan, before[plan], now[plan], now[plan] - before[plan]) for plan in sorted(now)
    ]
    assert next(row[4] for row in found if row[0] == "Prata") is None


def test_growth_can_be_asked_from_any_snapshot(lake: Path) -> None:
    first = published_table(str(lake)).published[0].snapshot_id
    sql = f"SELECT count(*) AS n FROM db_client_insurance.clientoutput FOR VERSION AS OF {first}"
    assert answer(lake, sql) == [(1_500,)]


def test_a_first_run_has_nothing_to_grow_from(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    lakes.publish(tmp_path / "lake", "run", lakes.clients(6))
    with pytest.raises(QueryError, match="only one run has been published"):
        ask(tmp_path / "lake", "crescimento_entre_execucoes")
    (row,) = ask(tmp_path / "lake", "execucoes_publicadas")
    assert (row[1], *row[3:]) == ("run", 6, None, None)


def test_published_runs_show_their_growth(lake: Path) -> None:
    found = ask(lake, "execucoes_publicadas")
    assert [(row[1], *row[3:]) for row in found] == [
        ("run-1", 1_500, None, None),
        ("run-22", 3_000, 1_500, 100.0),
    ]
    assert [row[2] for row in found] == [
        one.snapshot_id for one in published_table(str(lake)).published
    ]


def test_tables_beside_the_published_one_are_read_as_in_athena(lake: Path) -> None:
    everybody = len(lakes.register())
    for name in ("clientoutput_anonima", "DB_client_insurance.ClientOutput_Anonima"):
        assert answer(lake, f"SELECT sum(clientes) FROM {name}") == [(everybody,)]
    joined = """
        SELECT DISTINCT (SELECT count(*) FROM clientoutput) / sum(clientes) OVER () AS a
        FROM awsdatacatalog.db_client_insurance.clientoutput_anonima
    """
    assert answer(lake, joined) == [(1,)]


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    lakes.make(tmp_path / "lake")
    lakes.publish(tmp_path / "lake", "run", lakes.clients(4))
    assert (
        answer(tmp_path / "lake", "SELECT uf, sum(clientes) FROM clientoutput_anonima GROUP BY uf")
        == []
    )
    assert answer(tmp_path / "lake", "SELECT count(*) FROM clientoutput_anonima") == [(0,)]


def test_a_table_that_no_run_has_written_is_said(lake: Path) -> None:
    with pytest.raises(LakeError, match="has no table erasures yet: the next run writes it"):
        answer(lake, "SELECT * FROM erasures")
    assert answer(lake, "SELECT count(DISTINCT run_id) FROM quality_results") == [(3,)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 7 / 2 AS a, -7 / 2 AS b", (3, -3)),
        ("SELECT count(*) / 7 AS a FROM clientoutput", (428,)),
        ("SELECT max(numero) / 1000 AS a FROM clientoutput", (72,)),
        ("SELECT date_diff('year', DATE '2000-12-31', DATE '2001-01-01') AS a", (0,)),
        ("SELECT date_diff('month', DATE '2000-01-31', DATE '2000-03-01') AS a", (1,)),
        ("SELECT date_format(DATE '2024-03-05', '%d/%m/%Y') AS a", ("05/03/2024",)),
        ("SELECT approx_distinct(sexo) AS a FROM clientoutput", (3,)),
        ("SELECT regexp_like('abc', '^a') AS a", (True,)),
        ("SELECT date_diff('year', DATE '2000-01-01', DATE '2025-06-01') / 10 AS a", (2,)),
        (
            "SELECT TIMESTAMP '2024-03-01 01:30:00' AT TIME ZONE 'America/Sao_Paulo' AS a",
            (dt.datetime(2024, 2, 29, 22, 30),),
        ),
        (
            "SELECT from_unixtime(0) AT TIME ZONE 'America/Sao_Paulo' AS a",
            (dt.datetime(1969, 12, 31, 21),),
        ),
        (
            "SELECT (TIMESTAMP '2024-03-01 01:30:00' AT TIME ZONE 'America/Sao_Paulo')"
            " AT TIME ZONE 'Asia/Tokyo' AS a",
            (dt.datetime(2024, 3, 1, 10, 30),),
        ),
        ("SELECT regexp_replace('ana silva', '(\\w+) (\\w+)', '$2, $1') AS a", ("silva, ana",)),
        ("SELECT regexp_replace('3', '\\d', 'R\\$ $0') AS a", ("R$ 3",)),
        ("SELECT regexp_replace('a-b-c', '-', '\\\\') AS a", ("a\\b\\c",)),
        ("SELECT regexp_extract('abc', '\\d+') AS a", (None,)),
        ("SELECT regexp_extract('abc 12', '([a-z]+) (\\d+)', 2) AS a", ("12",)),
        ("SELECT regexp_extract(regexp_extract('a 1', '[a-z]'), '\\d') AS a", (None,)),
        ("SELECT extract(dow FROM DATE '2024-03-03') AS a", (7,)),
        ("SELECT extract(dow FROM DATE '2024-03-04') AS a", (1,)),
        ("SELECT CAST(2.5e0 AS bigint) AS a, CAST(-2.5e0 AS integer) AS b", (3, -3)),
        ("SELECT TRY_CAST(avg(2.5e0) AS bigint) AS a FROM clientoutput", (3,)),
    ],
)
def test_sql_means_here_what_it_means_in_athena(
    lake: Path, sql: str, expected: tuple[object, ...]
) -> None:
    assert answer(lake, sql) == [expected]


def test_a_column_without_a_name_is_called_as_in_athena(lake: Path) -> None:
    table = published_table(str(lake))
    sql = "SELECT estado, count(*), 1 + 1 FROM clientoutput GROUP BY estado LIMIT 1"
    with queries.query(table, sql) as found:
        assert tuple(found.schema.names) == ("estado", "_col1", "_col2")


def test_rows_without_an_order_come_in_the_order_of_their_values(lake: Path) -> None:
    found = answer(lake, "SELECT estado, count(*) FROM clientoutput GROUP BY estado")
    assert found == sorted(found)
    assert len(found) > 5


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT format_datetime(data_cadastro, 'yyyy') FROM clientoutput", "may run in Athena"),
        ("SELECT * FROM clientoutput FOR TIMESTAMP AS OF TIMESTAMP '2026-01-01'", "a snapshot_id"),
        ("SELECT * FROM other FOR VERSION AS OF 1", "only be used with the table clientoutput"),
        (
            "SELECT * FROM clientoutput_anonima FOR VERSION AS OF 1",
            "only be used with the table clientoutput",
        ),
        ("SELECT * FROM clientoutput FOR VERSION AS OF 77", "no snapshot 77"),
        ("SELECT format('%.1f%%', 12.34) AS a", r"format\(\) can't be translated"),
        ("SELECT regexp_replace('a', '(?<x>a)', '${x}') AS a", r"\$0 to \$9 can't be"),
        ("SELECT regexp_replace('a', '(a)', '$1' || 'b') AS a", "in one text can't be"),
        (
            "SELECT date_trunc('day', data_cadastro AT TIME ZONE 'Asia/Tokyo') AT TIME ZONE 'UTC'"
            " AS a FROM clientoutput",
            "another AT TIME ZONE can't be",
        ),
        (
            "SELECT t AT TIME ZONE 'UTC' AS a FROM"
            " (SELECT data_cadastro AT TIME ZONE 'Asia/Tokyo' AS t FROM clientoutput)",
            "another AT TIME ZONE can't be",
        ),
        ("WITH x AS (INSERT INTO t VALUES (1)) SELECT * FROM x", "only SELECT"),
        ("SELECT 1 INTO x", "only SELECT"),
    ],
)
def test_what_cannot_be_run_is_said_with_the_next_step(lake: Path, sql: str, said: str) -> None:
    with pytest.raises(Exception, match=said) as raised:
        answer(lake, sql)
    assert getattr(raised.value, "exit_code", None) == 2
    assert "\n" not in str(raised.value)


def test_for_athena_the_run_before_is_named_by_its_snapshot() -> None:
    statement = dialect.parse("SELECT * FROM clientoutput FOR VERSION AS OF 0")
    assert "FOR VERSION AS OF 4711" in dialect.with_version(statement, 4711)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM read_blob('{file}')",
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM parquet_metadata('{file}')",
        "SELECT * FROM sniff_csv('{file}')",
        "SELECT * FROM query('SELECT * FROM read_text(''{file}'')')",
        'SELECT * FROM "{file}"',
        "SELECT * FROM tables",
        "SELECT getenv('HOME')",
    ],
)
def test_a_query_cannot_reach_anything_but_the_table(lake: Path, tmp_path: Path, sql: str) -> None:
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    with pytest.raises(QueryError, match=r"disabled|does not exist"):
        answer(lake, sql.format(file=tmp_path / "secret.csv"))
