"""`client-health query`: SELECT on the current snapshot, and on nothing else."""

import csv
import datetime as dt
import io
import json
import sqlite3

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import DateType, IntegerType, NestedField, StringType, TimestampType

from client_health_cli.errors import LakeError
from client_health_cli.main import main
from client_health_cli.published import data_files, published_table

SCHEMA = Schema(
    NestedField(1, "id", StringType()),
    NestedField(2, "convenio", StringType()),
    NestedField(3, "data_nascimento", DateType()),
    NestedField(4, "numero", IntegerType()),
    NestedField(5, "data_cadastro", TimestampType()),
)
PARTITION = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "convenio"))


def rows(*names, plan="Vida & Saude"):
    return pa.table(
        {
            "id": list(names),
            "convenio": [plan] * len(names),
            "data_nascimento": [dt.date(1990, 3, 5)] * len(names),
            "numero": pa.array([100 + n for n in range(len(names))], pa.int32()),
            "data_cadastro": [dt.datetime(2024, 1, 2, 3, 4, 5)] * len(names),
        }
    )


@pytest.fixture
def table(tmp_path):
    lake = tmp_path / "a lake's folder"
    lake.mkdir()
    catalog = SqlCatalog(
        "glue_catalog", uri=f"sqlite:///{lake}/catalog.db", warehouse=f"file://{lake}/warehouse"
    )
    catalog.create_namespace("db_client_insurance")
    table = catalog.create_table(
        "db_client_insurance.clientoutput",
        SCHEMA,
        partition_spec=PARTITION,
        properties={"write.data.path": f"{lake}/clientoutput"},
    )
    yield table
    catalog.close()


@pytest.fixture
def lake(table, tmp_path):
    table.append(rows("old", "older"))
    table.overwrite(rows("a", "b", "c"))
    return str(tmp_path / "a lake's folder")


@pytest.fixture
def run(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err

    return run


def test_only_the_current_snapshot_is_read(lake, run):
    code, out, err = run("query", "--lake", lake, "--format", "csv",
                         "SELECT id, numero FROM clientoutput ORDER BY id")  # fmt: skip
    assert (code, out, err) == (0, "id,numero\na,100\nb,101\nc,102\n", "")


def test_the_partition_column_is_the_one_in_the_files(lake, run):
    _, out, _ = run("query", "--lake", lake, "--format", "csv",
                    "SELECT DISTINCT convenio FROM clientoutput")  # fmt: skip
    assert out == "convenio\nVida & Saude\n"


def test_a_file_uri_names_a_lake_as_well(lake, run):
    uri = "file://" + lake.replace(" ", "%20")
    assert run("query", "--lake", uri, "--format", "csv", "SELECT 1 AS one")[1] == "one\n1\n"


def test_a_table_puts_numbers_to_the_right_and_nulls_in_sight(lake, run):
    _, out, _ = run("query", "--lake", lake, "SELECT id, numero * 100 AS n, NULL AS x, 'é' AS y "
                    "FROM clientoutput ORDER BY id LIMIT 2")  # fmt: skip
    assert out.splitlines() == [
        "id      n  x     y",
        "--  -----  ----  -",
        "a   10000  NULL  é",
        "b   10100  NULL  é",
    ]


def test_a_table_says_how_many_rows_it_leaves_out(lake, run):
    _, out, _ = run("query", "--lake", lake, "SELECT * FROM range(1500)")
    assert len(out.splitlines()) == 203
    assert out.endswith("... and 1,300 rows more: --format csv or json writes all of them\n")


def test_csv_writes_every_row_and_quotes_what_it_must(lake, run):
    _, out, _ = run("query", "--lake", lake, "--format", "csv",
                    "SELECT i, 'a,\"b' AS t, NULL AS x FROM range(25000) r(i)")  # fmt: skip
    read = list(csv.reader(io.StringIO(out)))
    assert len(read) == 25_001
    assert read[1] == ["0", 'a,"b', ""]


def test_json_is_a_list_of_objects_with_the_values_types(lake, run):
    _, out, _ = run("query", "--lake", lake, "--format", "json",
                    "SELECT id, numero, data_nascimento, data_cadastro, NULL AS x, 1.5 AS d, "
                    "[1, 2] AS l, true AS b, 'nan'::DOUBLE AS f, 1 AS id "
                    "FROM clientoutput ORDER BY 1 LIMIT 1")  # fmt: skip
    assert json.loads(out) == [
        {
            "id": "a", "numero": 100, "data_nascimento": "1990-03-05",
            "data_cadastro": "2024-01-02 03:04:05", "x": None, "d": 1.5, "l": [1, 2], "b": True,
            "f": None, "id_2": 1,
        }
    ]  # fmt: skip


def test_json_without_rows_is_an_empty_list(lake, run):
    sql = "SELECT * FROM clientoutput WHERE false"
    assert json.loads(run("query", "--lake", lake, "--format", "json", sql)[1]) == []


def test_a_file_gets_the_result_and_the_screen_nothing(lake, run, tmp_path):
    out = tmp_path / "out.csv"
    code, printed, _ = run(
        "query", "--lake", lake, "--format", "csv", "--out", str(out), "SELECT 'ç' AS c"
    )
    assert (code, printed) == (0, "")
    assert out.read_text(encoding="utf-8") == "c\nç\n"


def test_a_query_that_fails_leaves_the_older_file_alone(lake, run, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("before")
    sql = "SELECT CASE WHEN i > 20000 THEN error('halfway') ELSE i END FROM range(30000) r(i)"
    code, _, err = run("query", "--lake", lake, "--format", "csv", "--out", str(out), sql)
    assert code == 2
    assert "halfway" in err
    assert out.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_a_file_that_cannot_be_written_is_named(lake, run, tmp_path):
    out = str(tmp_path / "missing" / "out.csv")
    code, _, err = run("query", "--lake", lake, "--out", out, "SELECT 1")
    assert code == 2
    assert f"{out} can't be written" in err


def test_control_characters_do_not_reach_the_terminal(lake, run):
    _, out, _ = run("query", "--lake", lake, "SELECT chr(27) || '[2J' || chr(10) || 'x' AS t")
    assert "\x1b" not in out
    assert len(out.splitlines()) == 3


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT nome FROM clientoutput", "nome"),
        ("SELECT * FROM other", "other does not exist"),
        ("SELECT 1; SELECT 2", "2 statements were given"),
        ("/* nothing */", "0 statements were given"),
        ("SELECT error('boom')", "boom"),
    ],
)
def test_wrong_sql_is_told_in_one_line(lake, run, sql, said):
    code, out, err = run("query", "--lake", lake, sql)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "COPY clientoutput TO '{file}' (USE_TMP_FILE false)",
        "EXPLAIN ANALYZE COPY clientoutput TO '{file}' (USE_TMP_FILE false)",
        "CREATE TABLE t AS SELECT 1",
        "SET enable_external_access = true",
        "ATTACH '{file}.db'",
        "INSTALL httpfs",
        "DROP VIEW clientoutput",
    ],
)
def test_nothing_but_a_select_is_run(lake, run, sql):
    files = published_table(lake).files
    before = [duckdb.read_parquet(file).fetchall() for file in files]
    code, _, err = run("query", "--lake", lake, sql.format(file=files[0].replace("'", "''")))
    assert code == 2
    assert "only SELECT" in err
    assert [duckdb.read_parquet(file).fetchall() for file in files] == before


def test_no_other_file_can_be_read(lake, run, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("secret\n1\n")
    old = sorted(set(map(str, tmp_path.rglob("*.parquet"))) - set(published_table(lake).files))
    assert old
    for path in [str(other), *old]:
        literal = path.replace("'", "''")
        code, out, err = run("query", "--lake", lake, f"SELECT * FROM '{literal}'")
        assert (code, out) == (2, "")
        assert "disabled" in err


def test_a_folder_without_a_lake_is_told_with_the_next_step(tmp_path, run):
    code, _, err = run("query", "--lake", str(tmp_path / "nowhere"), "SELECT 1")
    assert code == 2
    assert "no lake at" in err
    assert "client-health run" in err
    assert not (tmp_path / "nowhere").exists()


def test_a_lake_without_the_table_is_told(tmp_path, run):
    catalog = SqlCatalog(
        "glue_catalog", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=str(tmp_path)
    )
    catalog.create_namespace("db_client_insurance")
    catalog.close()
    code, _, err = run("query", "--lake", str(tmp_path), "SELECT 1")
    assert code == 2
    assert "no table clientoutput yet" in err


def test_a_table_that_never_had_a_row_is_told(table, tmp_path, run):
    code, _, err = run("query", "--lake", str(tmp_path / "a lake's folder"), "SELECT 1")
    assert code == 2
    assert "is empty" in err


def test_a_catalog_that_is_no_database_is_told(tmp_path, run):
    (tmp_path / "catalog.db").write_text("not a database at all, but long enough to be read as one")
    code, _, err = run("query", "--lake", str(tmp_path), "SELECT 1")
    assert code == 2
    assert "can't be read" in err
    assert "Traceback" not in err


def test_a_lake_whose_metadata_is_gone_is_told(lake, run, tmp_path):
    for path in tmp_path.rglob("*.metadata.json"):
        path.unlink()
    code, _, err = run("query", "--lake", lake, "SELECT 1")
    assert code == 2
    assert "can't be read" in err


def test_a_lake_on_aws_is_asked_through_athena(run, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    # No server listens on this port.
    monkeypatch.setenv("AWS_ENDPOINT_URL_ATHENA", "http://127.0.0.1:9")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "sa-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    code, _, err = run("query", "--lake", "s3://bucket/lake", "SELECT 1")
    assert code == 2
    assert "Athena can't be asked" in err
    assert len(err.splitlines()) == 1


def test_a_kept_query_is_run_by_its_name(lake, run, tmp_path):
    (tmp_path / "total.sql").write_text("-- All of them.\nSELECT count(*) AS n FROM clientoutput\n")
    folder = ["--queries", str(tmp_path)]
    asked = run("query", "--lake", lake, *folder, "--name", "total", "--format", "csv")
    assert asked == (0, "n\n3\n", "")
    assert run("query", *folder, "--list") == (0, "total  All of them.\n", "")
    code, _, err = run("query", "--lake", lake, *folder, "--name", "totals")
    assert code == 2
    assert "'totals'" in err
    assert "total" in err


def test_the_repositorys_queries_are_listed_with_what_they_answer(run):
    code, out, _ = run("query", "--list")
    assert code == 0
    assert {"clientes_por_ano", "convenios", "clientes_por_sexo", "estados"} <= {
        line.split()[0] for line in out.splitlines()
    }
    assert all(len(line.split()) > 2 for line in out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lake", "x"], "--name"),
        (["--lake", "x", "--name", "estados", "SELECT 1"], "--name"),
        (["--name", "estados"], "--lake"),
        (["--lake", "x", "--format", "parquet", "SELECT 1"], "--out"),
        (["--queries", "/nowhere/at/all", "--list"], "/nowhere/at/all"),
    ],
)
def test_what_is_asked_must_be_clear(run, arguments, said):
    code, out, err = run("query", *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_a_query_without_its_comment_is_refused(run, tmp_path):
    (tmp_path / "total.sql").write_text("SELECT 1\n")
    code, _, err = run("query", "--queries", str(tmp_path), "--list")
    assert code == 2
    assert "must begin with a comment" in err


def test_parquet_keeps_types_and_names(lake, run, tmp_path):
    out = tmp_path / "out.parquet"
    sql = (
        "SELECT id, numero, data_nascimento, data_cadastro, 1.5e0 AS d, CAST(1 AS decimal(9, 2)) "
        "AS m, [1, 2] AS l, true AS b, count(*) AS n, CAST(NULL AS bigint) AS x "
        "FROM clientoutput GROUP BY 1, 2, 3, 4"
    )
    arguments = ["query", "--lake", lake, "--format", "parquet", "--out", str(out), sql]
    assert run(*arguments) == (0, "", "")
    found = pq.read_table(out)
    assert {field.name: str(field.type) for field in found.schema} == {
        "id": "string", "numero": "int32", "data_nascimento": "date32[day]",
        "data_cadastro": "timestamp[us]", "d": "double", "m": "decimal128(9, 2)", "l": "string",
        "b": "bool", "n": "int64", "x": "int64",
    }  # fmt: skip
    first = out.read_bytes()
    assert found.to_pylist()[0]["id"] == "a"
    assert found.to_pylist()[0]["l"] == "[1, 2]"
    run(*arguments)
    assert out.read_bytes() == first


@pytest.mark.parametrize(
    ("kind", "sql", "said"),
    [
        ("csv", "SELECT DATE '2020-01-01' + INTERVAL '9000' YEAR AS a", "CAST the column"),
        ("parquet", f"SELECT CAST('{10**30}' AS decimal(38, 0)) AS a", "column a needs more than"),
    ],
)
def test_what_a_format_cannot_hold_is_told_with_the_next_step(lake, run, tmp_path, kind, sql, said):
    out = tmp_path / "out"
    code, _, err = run("query", "--lake", lake, "--format", kind, "--out", str(out), sql)
    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1
    assert not out.exists()


def test_a_time_is_as_fine_as_the_tables(lake, run):
    sql = "SELECT CAST('2024-01-02 03:04:05.123456789' AS timestamp(9)) AS a"
    _, out, _ = run("query", "--lake", lake, "--format", "csv", sql)
    assert out == "a\n2024-01-02 03:04:05.123456\n"


def test_parquet_without_rows_has_its_columns(lake, run, tmp_path):
    out = tmp_path / "out.parquet"
    sql = "SELECT id, numero FROM clientoutput WHERE false"
    run("query", "--lake", lake, "--format", "parquet", "--out", str(out), sql)
    assert pq.read_table(out).column_names == ["id", "numero"]


def test_a_writer_is_not_locked_out_by_a_reader_nor_a_reader_by_a_writer(lake, run, table):
    database = sqlite3.connect(f"{lake}/catalog.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("BEGIN IMMEDIATE")
    code, out, _ = run("query", "--lake", lake, "--format", "csv", "SELECT count(*) AS n FROM clientoutput")  # fmt: skip # noqa: E501
    database.execute("ROLLBACK")
    database.close()
    assert (code, out) == (0, "n\n3\n")
    table.append(rows("d"))


def test_rows_deleted_by_files_of_their_own_are_never_brought_back():
    def file(content, path):
        return DataFile.from_args(
            content=content, file_path=path, file_format=FileFormat.PARQUET, partition=Record(),
            record_count=1, file_size_in_bytes=1,
        )  # fmt: skip

    data = file(DataFileContent.DATA, "file:/lake/a.parquet")
    deletes = file(DataFileContent.POSITION_DELETES, "/lake/d.parquet")
    assert data_files("/lake", [FileScanTask(data)]) == ("/lake/a.parquet",)
    with pytest.raises(LakeError, match="rewrite its data files"):
        data_files("/lake", [FileScanTask(data, delete_files={deletes})])
