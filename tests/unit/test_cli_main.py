"""The command line as users see it: help, usage errors, exit codes, no tracebacks."""

import re
import sqlite3
import subprocess
import sys

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ParamValidationError
from sqlalchemy.exc import DatabaseError

from client_health_cli import __version__
from client_health_cli.main import main
from client_health_cli.terminal import count_text, size_text
from register_contract.rules import Criticality, rules
from register_contract.sources import SOURCES

COMMANDS = (
    ["run"],
    ["query"],
    ["anonymity"],
    ["sample-data"],
    ["sessions", "serve"],
    ["notebook"],
    ["dashboard"],
    ["docs"],
    ["contract"],
    ["rules"],
    ["rules", "suggest"],
    ["rejected"],
    ["resubmit"],
    ["history"],
    ["rollback"],
    ["maintain"],
    ["restore"],
)


@pytest.fixture
def run(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err

    return run


def test_version_is_the_packages(run):
    assert run("--version") == (0, f"client-health {__version__}\n", "")


def test_help_lists_every_command(run):
    code, out, _ = run("--help")
    assert code == 0
    for command in COMMANDS:
        assert f"\n  {command[0]} " in out
    commands = out.partition("Commands:")[2]
    assert "..." not in commands, "a summary was cut off"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_help_gives_an_example_and_the_exit_codes(run, command):
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert f"Example: client-health {' '.join(command)}" in " ".join(out.split())
    assert "Exit codes: 0 " in out


def test_help_needs_none_of_the_heavy_libraries():
    code = (
        "import sys, client_health_cli.main\n"
        "heavy = {'duckdb', 'pyiceberg', 'pyarrow', 'numpy', 'faker', 'papermill', 'pyspark', "
        "'pyathena', 'boto3', 'rich', 'sqlglot', 'jinja2', 'plotly', "
        "'strict_glue', 'register_run', 'glue_local', 'client_health'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert out.stdout.split() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "nonsense"),
        (["query", "SELECT 1"], "--lake"),
        (["query", "--lake", "x", "--format", "xml", "SELECT 1"], "xml"),
        (["sample-data"], "--out"),
        (["sample-data", "--out", "x", "--rows", "0"], "--rows"),
        (["sample-data", "--out", "x", "--rows", "5", "--defects", "nome=1"], "'nome=1'"),
        (["sessions", "serve", "--port", "99999"], "--port"),
        (["sessions", "serve", "--spark-conf", "novalue"], "novalue"),
        (["sessions", "serve", "--driver-memory", "6 GB"], "6 GB"),
        (["sessions", "serve", "--working-directory", "/nowhere/at/all"], "/nowhere/at/all"),
        (["notebook", "--notebooks", "/nowhere/at/all"], "/nowhere/at/all"),
        (["run", "--lake", "x", "--raw", "y", "--notebooks", "/nowhere"], "/nowhere"),
    ],
)
def test_wrong_usage_exits_2_and_names_what_is_wrong(run, arguments, said):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_no_arguments_show_the_help_and_exit_2(run):
    code, out, err = run()
    assert code == 2
    assert "sample-data" in out + err


def test_the_help_of_sample_data_names_each_rule_that_a_row_can_break(run):
    _, out, _ = run("sample-data", "--help")
    listed = out.partition("Rules:")[2].partition(".")[0]
    assert set(re.findall(r"\w+_\w+", listed)) == {
        rule.name for rule in rules(Criticality.ERROR) + rules(Criticality.WARN)
    }


def test_sample_data_says_in_one_line_what_it_wrote(run, tmp_path):
    code, out, err = run("sample-data", "--rows", "50", "--seed", "1", "--out", str(tmp_path))
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 1
    for path in tmp_path.iterdir():
        assert f"{path.name} ({size_text(path.stat().st_size)})" in out
    assert out.endswith("50 rows each\n")


def test_sample_data_replaces_a_delivery_only_by_force(run, tmp_path):
    (tmp_path / SOURCES[1].file).write_text("a real delivery")
    given = ("sample-data", "--rows", "5", "--out", str(tmp_path))
    code, out, err = run(*given)
    assert (code, out) == (2, "")
    assert f"has {SOURCES[1].file} already" in err
    assert "--force" in err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["a real delivery"]
    assert run(*given, "--force")[0] == 0
    assert {path.name for path in tmp_path.iterdir()} == {source.file for source in SOURCES}
    assert (tmp_path / SOURCES[1].file).read_text() != "a real delivery"


def test_a_folder_that_cannot_be_written_is_told_without_a_traceback(run, tmp_path):
    (tmp_path / "file").touch()
    code, out, err = run("sample-data", "--rows", "5", "--out", str(tmp_path / "file" / "folder"))
    assert (code, out) == (2, "")
    assert "can't be written" in err
    assert len(err.splitlines()) == 1


DENIED = {"Error": {"Code": "AccessDenied", "Message": "no\nvalue 1"}}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ClientError(DENIED, "GetObject"), "AWS: An error occurred (AccessDenied) when calling"),
        (NoCredentialsError(), "AWS: Unable to locate credentials. Check the region, that you are"),
        (ParamValidationError(report="value 1"), "AWS: Parameter validation failed. Check"),
        (PermissionError(13, "Permission denied", "/lake/x"), "Permission denied: /lake/x"),
        (PermissionError("Failed to open '/lake/x'\nvalue 1"), "Failed to open '/lake/x'"),
        (sqlite3.OperationalError("database is locked"), "database: database is locked. Check"),
        (
            DatabaseError("INSERT", {"a": "value 1"}, sqlite3.DatabaseError("malformed")),
            "database: malformed. Check",
        ),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else None,
)
def test_what_the_world_outside_refuses_is_told_in_one_line(run, monkeypatch, error, said):
    def refuse(_):
        raise error

    monkeypatch.setattr("client_health_cli.catalog_entries.entries", refuse)
    code, out, err = run("restore", "--lake", "lake")
    assert (code, out) == (4 if said.startswith("AWS") else 2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("client-health: ")
    assert said in err
    assert "value 1" not in err


def test_an_aws_that_does_not_answer_is_told_in_one_line(run, monkeypatch):
    given = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_DEFAULT_REGION": "sa-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    code, out, err = run("restore", "--lake", "s3://bucket/lake")
    assert (code, out) == (4, "")
    assert len(err.splitlines()) == 1
    assert "Could not connect to the endpoint" in err


def test_other_errors_are_defects_and_keep_their_traceback(monkeypatch):
    monkeypatch.setattr("client_health_cli.catalog_entries.entries", lambda _: {}[1])
    with pytest.raises(KeyError):
        main(["restore", "--lake", "lake"])


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"),
     (44_500_000, "44.5 MB"), (2_500_000_000, "2.5 GB")],
)  # fmt: skip
def test_sizes_have_a_fitting_unit(size, text):
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("given", "text"),
    [((0, "row"), "0 rows"), ((1, "row"), "1 row"), ((1200, "row"), "1,200 rows"),
     ((1, "person", "people"), "1 person"), ((2, "person", "people"), "2 people")],
)  # fmt: skip
def test_one_thing_is_counted_in_the_singular(given, text):
    assert count_text(*given) == text
