"""The documents agree with the code: tables, names, links, and commands."""

from __future__ import annotations

import ast
import contextlib
import functools
import io
import re
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest
import typer.main
from typer.testing import CliRunner

from client_health.errors import QualityGateError
from client_health_cli.main import app
from glue_local.errors import CODES
from register_contract import contract

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "docs" / "deploy.md"
READMES = (ROOT / "README.md", ROOT / "README.pt-BR.md")
REFERENCES = (ROOT / "docs" / "reference.md", ROOT / "docs" / "reference.pt-BR.md")
DOCUMENTS = (*READMES, *sorted((ROOT / "docs").rglob("*.md")))
ERRORS = ROOT / "docs" / "errors.md"
# A page's generator, the page, and a word in its generated part.
PAGES = (
    ("tools.errors_page", ERRORS, "`volume_diferente`"),
    ("tools.reliability_page", ROOT / "docs" / "reliability.md", "**exit 0**"),
)

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def prose(path: Path) -> str:
    return FENCE.sub("", path.read_text("utf-8"))


def commands(path: Path) -> str:
    """Return everything that a reader could type: shell blocks, and code in the text."""
    text = path.read_text("utf-8")
    blocks = [body for kind, body in FENCE.findall(text) if kind == "sh"]
    return "\n".join([*blocks, *CODE.findall(prose(path))])


@dataclass(frozen=True)
class Ended:
    """The end of a tool."""

    returncode: int
    stderr: str


def run(tool: str, *arguments: str | Path) -> Ended:
    """Run a tool's module as a command, but in this process: it only reads and writes documents."""
    said = io.StringIO()
    # Otherwise, Python warns of a module that is imported and then run.
    sys.modules.pop(tool, None)
    with (
        patch.object(sys, "argv", [tool, *map(str, arguments)]),
        contextlib.redirect_stderr(said),
        pytest.raises(SystemExit) as ended,
    ):
        runpy.run_module(tool, run_name="__main__")
    return Ended(int(ended.value.code or 0), said.getvalue())


def tables(*arguments: str | Path) -> Ended:
    return run("tools.reference_tables", *arguments)


# -- tables ------------------------------------------------------------------------------------


def test_tables_in_the_readmes_and_the_reference_are_those_of_the_code() -> None:
    command = [sys.executable, "-m", "tools.reference_tables", "--check"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


# A document, and a cell in one of its tables.
CELLS = (
    (READMES[0], "| 3 |"),
    (READMES[1], "| 3 |"),
    (REFERENCES[0], "`cpf_ausente`"),
    (REFERENCES[1], "`cpf_ausente`"),
    (DEPLOY, "`reader-denied`"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("document", "cell"), CELLS, ids=lambda given: Path(given).name)
def test_a_table_that_drifted_is_noticed_and_fixed(
    document: Path, cell: str, tmp_path: Path
) -> None:
    text = document.read_text("utf-8")
    assert cell in text
    drifted = tmp_path / document.name
    drifted.write_text(text.replace(cell, "| drift |"), "utf-8")
    checked = tables("--check", drifted)
    assert checked.returncode == 1
    assert document.name in checked.stderr
    assert "| drift |" in drifted.read_text("utf-8"), "a check must not write"
    assert tables(drifted).returncode == 0
    assert drifted.read_text("utf-8") == text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("document", "table"),
    [(READMES[0], "exit-codes"), *((REFERENCES[0], table) for table in ("rules", "columns"))],
    ids=["README", "rules", "columns"],
)
def test_a_document_that_lost_a_table_is_noticed(
    document: Path, table: str, tmp_path: Path
) -> None:
    lost = tmp_path / document.name
    marker = f"<!-- table: {table} -->"
    text = document.read_text("utf-8")
    assert marker in text
    lost.write_text(text.replace(marker, ""), "utf-8")
    checked = tables("--check", lost)
    assert checked.returncode == 1
    assert table in checked.stderr


# -- generated pages ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("tool", "page", "word"), PAGES, ids=("errors", "reliability"))
def test_a_generated_page_is_that_of_the_code_and_a_drift_is_noticed_and_fixed(
    tool: str, page: Path, word: str, tmp_path: Path
) -> None:
    checked = run(tool, "--check")
    assert checked.returncode == 0, checked.stderr
    text = page.read_text("utf-8")
    drifted = tmp_path / page.name
    drifted.write_text(text.replace(word, "`drift`"), "utf-8")
    checked = run(tool, "--check", drifted)
    assert checked.returncode == 1
    assert page.name in checked.stderr
    assert "`drift`" in drifted.read_text("utf-8"), "a check must not write"
    assert run(tool, drifted).returncode == 0
    assert drifted.read_text("utf-8") == text


def error_classes() -> set[str]:
    """Return all exception classes in the packages, judging by the names of their bases."""
    bases: dict[str, set[str]] = {}
    for module in (ROOT / "lib").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                names = {ast.unparse(base).split(".")[-1] for base in node.bases}
                bases.setdefault(node.name, set()).update(names)

    def is_error(name: str) -> bool:
        if name.endswith(("Exception", "SystemExit", "RuntimeError", "BotoCoreError")):
            return True
        return any(is_error(base) for base in bases.get(name, ()))

    return {name for name in bases if is_error(name)}


# Readers never see these: the packages' root errors, wrappers that only pass on other messages,
# and errors that are converted before they leave a package. Names that begin with `_` are private
# to a module.
UNSEEN = {"ClientHealthError", "ClientHealthCliError", "GlueLocalError"}
UNSEEN |= {"RunFailedError", "CodeRaised", "NoAnswerError", "OldLakeError", "TooLongError"}
UNSEEN |= {"UnsearchableError", "NotDelivered"}


def test_the_page_of_errors_has_every_error_that_a_reader_can_meet() -> None:
    raised = error_classes()
    assert raised >= UNSEEN
    seen = {kind for kind in raised - UNSEEN if not kind.startswith("_")}
    assert {kind.lower() for kind in seen} <= anchors(ERRORS)


def test_the_page_of_errors_says_of_each_why_and_what_to_do() -> None:
    sections = re.split(r"^### ", ERRORS.read_text("utf-8"), flags=re.MULTILINE)[1:]
    assert len(sections) > 20
    for section in sections:
        for said in ("Shown", "Why", "What to do"):
            assert re.search(rf"^- \*\*{said}\*\*: \S.*\.$", section, re.MULTILINE), section[:200]
    whys = re.findall(r"^- \*\*Why\*\*: (.*)$", "".join(sections), re.MULTILINE)
    assert len(set(whys)) == len(whys), "each error has its own reason"


def gates_in_the_code() -> set[str]:
    """Return every gate that the library and the job use, except where gates are declared."""
    declared = {"contract.py", "errors.py"}
    modules = [
        *(path for path in (ROOT / "lib" / "client_health").rglob("*.py")),
        *(ROOT / "jobs").glob("*.py"),
    ]
    return {
        node.attr
        for path in modules
        if path.name not in declared
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).split(".")[-1] == "Gate"
    }


def test_what_the_code_can_raise_is_declared_explained_and_in_the_documents() -> None:
    raised = {contract.Gate[name].value for name in gates_in_the_code()}
    rules = {rule.name for rule in contract.rules(contract.Criticality.GATE)}
    assert raised == rules == set(contract.Gate)
    for page in (*REFERENCES, ERRORS):
        text = page.read_text("utf-8")
        assert {gate for gate in rules if f"| `{gate}` |" not in text} == set()


def test_a_rule_that_is_declared_once_is_everywhere() -> None:
    code = (
        "import sys\n"
        "from register_contract import rules\n"
        "from register_contract.contract import rules_fingerprint\n"
        "before = rules_fingerprint()\n"
        "added = rules.Rule('bairro_ausente', rules.Criticality.WARN, 'no district', 'sem bairro',"
        " 'bairro')\n"
        "for name in [name for name in sys.modules if name.startswith('register_contract.con')]:\n"
        "    del sys.modules[name]\n"
        "rules.RULES = (*rules.RULES, added)\n"
        "from tools import reference_tables as reference\n"
        "from client_health.clean import rules as conditions\n"
        "from client_health_cli.dashboard import dictionary\n"
        "from client_health_cli.sample_data import DEFAULT_DEFECTS\n"
        "from register_contract.contract import rules_fingerprint\n"
        "assert rules_fingerprint() != before\n"
        "row = '| `bairro_ausente` | row published and counted | no district |'\n"
        "assert row in reference.rules_table(reference.ENGLISH)\n"
        "assert '| sem bairro |' in reference.rules_table(reference.PORTUGUESE)\n"
        "assert 'sem bairro' in dictionary.write()\n"
        "assert ('bairro_ausente',) in [one.rules for one in dictionary.entries()]\n"
        "assert 'bairro_ausente' in DEFAULT_DEFECTS\n"
        "assert 'bairro_ausente' in conditions.WARNINGS\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_gate_that_is_not_declared_cannot_be_raised() -> None:
    with pytest.raises(ValueError, match="tinta_azul"):
        QualityGateError([("tinta_azul", "found")])  # type: ignore[list-item]


def test_every_code_that_the_service_answers_with_is_explained() -> None:
    used: set[str] = set()
    for module in (ROOT / "lib" / "glue_local").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.Call):
                used |= {
                    item.value
                    for item in ast.iter_child_nodes(node)
                    if isinstance(item, ast.Constant)
                    and re.fullmatch(r"[A-Z][A-Za-z]+Exception", str(item.value))
                }
    assert used == set(CODES)


# -- links and names ---------------------------------------------------------------------------


@functools.cache
def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub creates for the headings."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_link_leads_somewhere(document: Path) -> None:
    broken = []
    for target in LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        path = (document.parent / place).resolve() if place else document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


def test_the_list_of_decisions_has_each_with_its_title() -> None:
    folder = ROOT / "docs" / "decisions"
    titles = {
        path.name: path.read_text("utf-8").splitlines()[0].removeprefix("# ")
        for path in folder.glob("0*.md")
    }
    listed = re.findall(r"^- \[(.+)\]\((.+)\)$", (folder / "README.md").read_text("utf-8"), re.M)
    assert sorted((place, title) for title, place in listed) == sorted(titles.items())
    assert all(title.startswith(f"{place[:4]}: ") for place, title in titles.items())


@functools.cache
def defined_tests() -> set[str]:
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        found |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_test_that_a_document_names_exists(document: Path) -> None:
    named = set(re.findall(r"(?<![\w/])(test_\w+)(?!\.py)\b", prose(document)))
    assert named - defined_tests() == set()


@functools.cache
def names_of(module: Path) -> set[str]:
    """Return the names that a module defines at its top level."""
    found: set[str] = set()
    for node in ast.parse(module.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
            found |= {f"{node.name}.{item.name}" for item in ast.walk(node) if item is not node
                      and isinstance(item, ast.FunctionDef)}  # fmt: skip
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


@functools.cache
def resolves(dotted: str) -> bool:
    """Return whether a dotted name is a package, a module, or something that a module defines."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT / "lib" / Path(*parts[:length])
        if place.is_dir() and length == len(parts):
            return True
        module = place.with_suffix(".py")
        if module.is_file():
            return length == len(parts) or ".".join(parts[length:]) in names_of(module)
    return False


PACKAGES = (
    "client_health", "strict_glue", "register_run", "glue_local", "client_health_cli",
    "register_contract",
)  # fmt: skip
# Don't match names after a dot: `spark.client_health.lake` is a Spark setting.
DOTTED = re.compile(rf"(?<![\w.])(?:{'|'.join(PACKAGES)})(?:\.\w+)*")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_python_name_that_a_document_gives_exists(document: Path) -> None:
    given = {found for code in CODE.findall(prose(document)) for found in DOTTED.findall(code)}
    assert {found for found in given if not resolves(found)} == set()


def test_a_name_that_is_gone_would_be_noticed() -> None:
    assert resolves("client_health.clean.text.remove_accents")
    assert resolves("client_health.gate.accounting.SourceRows.as_receipt")
    assert not resolves("client_health.clean.text.remove_accents_udf")
    assert not resolves("client_health.nothing")


FOLDERS = (
    "benchmarks", "docs", "infra", "jobs", "lib", "locks", "notebooks", "queries", "tests", "tools"
)  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    given = [code for code in CODE.findall(prose(document)) if re.fullmatch(r"[\w./-]+", code)]
    paths = [code for code in given if "/" in code and code.split("/")[0] in FOLDERS]
    assert [path for path in paths if not (ROOT / path).exists()] == []


# -- commands ----------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_make_target_that_a_document_names_exists(document: Path) -> None:
    targets = set(
        re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    )
    named = set()
    for line in commands(document).splitlines():
        if match := re.search(
            r"\bmake((?:\s+(?:[A-Z]+=\S+|[a-z][a-z0-9-]*))+)", line.split("#")[0]
        ):
            named |= {word for word in match[1].split() if "=" not in word}
    assert named - targets == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_command_and_option_that_a_document_names_exists(document: Path) -> None:
    root = typer.main.get_command(app)
    text = FENCE.sub(lambda block: block[2], document.read_text("utf-8"))
    unknown = []
    for line in text.splitlines():
        for given in re.findall(r"client-health((?: +[^\s`|#]+)+)", line):
            words = given.split()
            command = root
            while words and words[0] in getattr(command, "commands", {}):
                command = command.commands[words.pop(0)]
            if command is root:
                unknown.append(words[0])
                continue
            options = {option for parameter in command.params for option in parameter.opts}
            unknown += [word for word in words if word.startswith("--") and word not in options]
    assert unknown == []


def test_the_readmes_name_every_command_there_is() -> None:
    answer = CliRunner().invoke(app, ["--help"])
    listed = re.findall(r"^  ([a-z][\w-]+)  +[A-Z]", answer.output, re.MULTILINE)
    assert {"run", "query", "sample-data", "sessions", "notebook"} <= set(listed)
    for readme in READMES:
        said = commands(readme)
        for command in listed:
            assert f"client-health {command}" in said or f"make {command}" in said, command


# -- pictures ----------------------------------------------------------------------------------


def pictures() -> list[tuple[str, str]]:
    return [
        (name(path), body)
        for path in DOCUMENTS
        for kind, body in FENCE.findall(path.read_text("utf-8"))
        if kind == "mermaid"
    ]


def test_pictures_are_of_a_known_kind_and_their_blocks_are_closed() -> None:
    drawn = pictures()
    assert {"README.md", "README.pt-BR.md", "docs/architecture.md"} <= {path for path, _ in drawn}
    for path, body in drawn:
        first, *lines = [line.strip() for line in body.splitlines() if line.strip()]
        assert re.match(r"(flowchart (LR|TD)|sequenceDiagram)\Z", first), path
        opened = [line for line in lines if re.match(r"(subgraph|loop|alt|opt)\b", line)]
        assert len(opened) == lines.count("end"), path
        for left, right in ("[]", "()", "{}"):
            assert body.count(left) == body.count(right), (path, left)
        assert body.count('"') % 2 == 0, path


# -- what must not be committed ----------------------------------------------------------------

HOME = "|".join(("work", "root"))
MACHINE_PATH = re.compile(rf"(?<![\w.*/])/(?:{HOME})/\w")
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("repo1", "maven", "org"),
        ("repo", "maven", "apache", "org"),
        ("registry", "npmjs", "org"),
    )
)


def test_no_file_names_a_path_of_a_machine_or_a_registrys_host() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    files = [ROOT / entry for entry in listed.split("\0") if entry]
    assert ROOT / "Makefile" in files
    found = []
    for path in files:
        if not path.is_file():
            continue
        text = path.read_text("utf-8", errors="replace")
        found += [f"{name(path)}: {match[0]}" for match in MACHINE_PATH.finditer(text)]
        found += [f"{name(path)}: {host}" for host in REGISTRIES if host in text]
    assert found == []
