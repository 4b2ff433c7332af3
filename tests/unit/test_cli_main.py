"""The command line as users see it: help, usage errors, exit codes, no tracebacks."""

import re
import subprocess
import sys

import pytest

from client_health_cli import __version__
from client_health_cli.main import main
from client_health_cli.terminal import count_text, size_text
from register_contract.rules import Criticality, rules

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


def test_a_folder_that_cannot_be_written_is_told_without_a_traceback(run, tmp_path):
    (tmp_path / "file").touch()
    code, out, err = run("sample-data", "--rows", "5", "--out", str(tmp_path / "file" / "folder"))
    assert (code, out) == (2, "")
    assert "can't be written" in err
    assert len(err.splitlines()) == 1


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
