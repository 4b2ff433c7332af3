"""Write the tables that repeat the code: ``python -m tools.reference_tables``.

The reference pages have most of them, the READMEs the exit codes, each in two languages; the page
about deploying has what a smoke run checks. Rules and columns come from
``register_contract.contract``, exit codes from the errors of the runner and of the command. Each
table is between two comments that name it; the tool leaves the rest alone. With ``--check`` it
writes nothing, and exits with 1 if a table has drifted.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from infra.smoke.on_the_emulator import DIFFERENCES
from infra.smoke.order import CHECKS, REMOVAL, REMOVAL_TITLE
from infra.smoke.table import ROWS

import client_health.errors
import client_health_cli.errors
import register_run.cell_errors
import register_run.errors
import strict_glue.errors
from register_contract import anonymity, contract, rule_expressions, tables

ROOT = Path(__file__).resolve().parent.parent
READMES = (ROOT / "README.md", ROOT / "README.pt-BR.md")
REFERENCES = (ROOT / "docs" / "reference.md", ROOT / "docs" / "reference.pt-BR.md")
DEPLOY = ROOT / "docs" / "deploy.md"
FILES = (*READMES, *REFERENCES, DEPLOY)
_BLOCK = re.compile(r"<!-- table: (?P<name>[\w-]+) -->\n(?P<body>.*?)<!-- /table -->", re.DOTALL)
_SUCCESS = 0


class DriftError(Exception):
    """A document and the code differ, and only a person can fix it."""


@dataclass(frozen=True)
class Language:
    """The words of the tables in one language.

    Parameters
    ----------
    heads : mapping of str to sequence of str
        Column headings by table.
    effects : mapping of str to str
        Effect of a rule, by criticality.
    exits : mapping of int to str
        Meaning of an exit code.
    masked, unmasked, never : str
        How a value is published; that it is never null.
    kinds : mapping of str to str
        What the functions of a rule are for.
    meaning : str
        Attribute of the contract with the meaning in this language.
    """

    heads: Mapping[str, Sequence[str]]
    effects: Mapping[str, str]
    exits: Mapping[int, str]
    masked: str
    unmasked: str
    never: str
    kinds: Mapping[str, str]
    meaning: str = "meaning"


ENGLISH = Language(
    heads={
        "rules": ("rule", "effect", "when"),
        "columns": (
            *("column", "type", "meaning", "Parquet", "CSV", "JSON lines"),
            *("null becomes", "published"),
        ),
        "anonymous": ("column", "type", "meaning"),
        "ladder": ("step", "classes are clients with the same convênio, sexo, and"),
        "exit-codes": ("exit code", "meaning"),
        "errors": ("exit code", "meaning", "errors"),
        "functions": ("for", "functions"),
        "smoke-rows": ("part", "settled by", "still unknown then"),
        "smoke-checks": ("check", "what it checks", "on the emulator"),
    },
    effects={
        "error": "row rejected",
        "warn": "row published and counted",
        "gate": "nothing published",
    },
    exits={
        0: "published, now or earlier",
        1: "a notebook's code raised an error, or something unexpected happened",
        2: "wrong usage or configuration, or input that is missing or unusable",
        3: "a gate stopped the run; nothing is published",
        4: "a session, a statement, or a service failed, or a receipt is missing or invalid",
    },
    masked="masked",
    unmasked="unchanged",
    never="never null",
    kinds={"text": "texts", "number": "numbers", "date": "dates", "choice": "choices, nulls"},
)
PORTUGUESE = Language(
    heads={
        "rules": ("regra", "efeito", "quando"),
        "columns": (
            *("coluna", "tipo", "significado", "Parquet", "CSV", "JSON Lines"),
            *("nulo vira", "na publicação"),
        ),
        "anonymous": ("coluna", "tipo", "significado"),
        "ladder": ("passo", "uma classe são os clientes com os mesmos convênio, sexo e"),
        "exit-codes": ("código de saída", "significado"),
        "errors": ("código de saída", "significado", "erros"),
        "functions": ("para", "funções"),
    },
    effects={
        "error": "linha rejeitada",
        "warn": "linha publicada e contada",
        "gate": "nada é publicado",
    },
    exits={
        0: "publicado, agora ou antes",
        1: "o código de um notebook lançou uma exceção, ou algo inesperado aconteceu",
        2: "uso ou configuração incorretos, ou entrada ausente ou inutilizável",
        3: "um bloqueio interrompeu a execução; nada é publicado",
        4: "uma sessão, uma instrução ou um serviço falhou, ou falta um recibo válido",
    },
    masked="mascarada",
    unmasked="sem alteração",
    never="nunca é nulo",
    kinds={"text": "textos", "number": "números", "date": "datas", "choice": "escolhas, nulos"},
    meaning="significado",
)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def rules_table(language: Language) -> str:
    """Return the table of row rules and gates."""
    return _table(
        language.heads["rules"],
        (
            [
                f"`{rule.name}`",
                language.effects[rule.criticality.value],
                getattr(rule, language.meaning),
            ]
            for rule in contract.RULES
        ),
    )


def _in_source(source: contract.Source, column: contract.Column) -> str:
    if column not in contract.REGISTER_COLUMNS:
        return ""
    written = {"data_nascimento": source.date.value, "data_cadastro": source.timestamp.value}
    name = f"`{source.column(column.name)}`"
    return f"{name} {written[column.name]}" if column.name in written else name


def columns_table(language: Language) -> str:
    """Return the table of the published columns, with the sources' own names and formats."""
    rows = []
    for column in contract.COLUMNS:
        default = language.never if column.default is None else f"`{column.default}`"
        rows.append(
            [
                f"`{column.name}`",
                column.type,
                getattr(column, language.meaning),
                *(_in_source(source, column) for source in contract.SOURCES),
                default,
                language.masked if column.masked else language.unmasked,
            ]
        )
    return _table(language.heads["columns"], rows)


def anonymous_table(language: Language) -> str:
    """Return the table of the anonymous table's columns."""
    return _fields_table(tables.CLIENTOUTPUT_ANONIMA, language)


def registrations_table(language: Language) -> str:
    """Return the table of the columns with the clients by year of registration."""
    return _fields_table(tables.CADASTROS_ANONIMOS, language)


def _fields_table(table: tables.Table, language: Language) -> str:
    return _table(
        language.heads["anonymous"],
        (
            [f"`{field.name}`", field.type, getattr(field, language.meaning)]
            for field in table.fields
        ),
    )


def ladder_table(language: Language) -> str:
    """Return the table of the steps that make the anonymous table's classes larger."""
    return _table(
        language.heads["ladder"],
        ([f"`{step.name}`", getattr(step, language.meaning)] for step in anonymity.LADDER),
    )


def _errors(module: ModuleType, root: type[Exception]) -> list[type[Exception]]:
    return [
        kind
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, root) and kind is not root
    ]


def _raised() -> Iterator[tuple[int, type[Exception]]]:
    """Yield every error with its exit code, from the class that defines it."""
    for module, root in (
        (strict_glue.errors, strict_glue.errors.StrictGlueError),
        (register_run.errors, strict_glue.errors.StrictGlueError),
        (client_health_cli.errors, client_health_cli.errors.ClientHealthCliError),
    ):
        for kind in _errors(module, root):
            # RunFailedError has the code of the runner's own error.
            if kind is not client_health_cli.errors.RunFailedError:
                yield kind.exit_code, kind  # type: ignore[attr-defined]
    terminated = register_run.errors.Terminated
    yield int(str(terminated().code)), terminated  # type: ignore[misc]
    # Errors of the notebooks' library, by the runner's error for their names.
    for kind in _errors(client_health.errors, client_health.errors.ClientHealthError):
        made = register_run.cell_errors.from_cell(
            stage="",
            cell=1,
            ename=kind.__name__,
            evalue="",
            traceback=(),
            notebook="",
        )
        yield made.exit_code, kind


def exit_codes() -> dict[int, list[str]]:
    """Return the names of the errors behind each exit code."""
    raised = list(_raised())
    codes: dict[str, set[int]] = {}
    for code, kind in raised:
        codes.setdefault(kind.__name__, set()).add(code)

    def name(kind: type[Exception]) -> str:
        # Two packages may use a name for errors with different codes.
        ambiguous = len(codes[kind.__name__]) > 1
        return f"{kind.__module__}.{kind.__name__}" if ambiguous else kind.__name__

    found: dict[int, set[str]] = {}
    for code, kind in raised:
        found.setdefault(code, set()).add(name(kind))
    return {code: sorted(names) for code, names in sorted(found.items())}


def _known_exits(language: Language) -> dict[int, list[str]]:
    codes = {_SUCCESS: [], **exit_codes()}
    unknown = sorted(set(codes) ^ set(language.exits))
    if unknown:
        raise DriftError(f"exit codes {unknown} are only in the code or in {Path(__file__).name}")
    return codes


def exit_codes_table(language: Language) -> str:
    """Return the table of exit codes."""
    return _table(
        language.heads["exit-codes"],
        ([str(code), language.exits[code]] for code in _known_exits(language)),
    )


def errors_table(language: Language) -> str:
    """Return the table of exit codes with the errors behind each."""
    return _table(
        language.heads["errors"],
        (
            [str(code), language.exits[code], ", ".join(f"`{name}`" for name in names)]
            for code, names in _known_exits(language).items()
        ),
    )


def functions_table(language: Language) -> str:
    """Return the table of the functions that a rules file may use."""
    return _table(
        language.heads["functions"],
        (
            [language.kinds[kind], ", ".join(f"`{name}`" for name in names)]
            for kind, names in rule_expressions.FUNCTIONS.items()
        ),
    )


def smoke_rows_table(language: Language) -> str:
    """Return the table of what a smoke run settles, by the rows of "Never run on AWS"."""
    return _table(
        language.heads["smoke-rows"],
        (
            [row.part, ", ".join(f"`{name}`" for name in row.checks) or "nothing", row.left]
            for row in ROWS
        ),
    )


def smoke_checks_table(language: Language) -> str:
    """Return the table of a smoke run's checks."""
    named = [(check.id, check.title) for check in CHECKS]
    return _table(
        language.heads["smoke-checks"],
        (
            [f"`{name}`", title, DIFFERENCES.get(name, "runs")]
            for name, title in (*named, (REMOVAL, REMOVAL_TITLE))
        ),
    )


TABLES: Mapping[str, Callable[[Language], str]] = {
    "rules": rules_table,
    "columns": columns_table,
    "anonymous": anonymous_table,
    "registrations": registrations_table,
    "ladder": ladder_table,
    "errors": errors_table,
    "exit-codes": exit_codes_table,
    "functions": functions_table,
    "smoke-rows": smoke_rows_table,
    "smoke-checks": smoke_checks_table,
}
# The tables that a document must have, by the start of its name.
DOCUMENTS: Mapping[str, Sequence[str]] = {
    "README": ("exit-codes",),
    "deploy": ("smoke-rows", "smoke-checks"),
    "reference": (
        *("rules", "functions", "columns", "anonymous", "ladder", "registrations", "errors"),
    ),
}


def rendered(text: str, language: Language, expected: Sequence[str]) -> str:
    """Return a document with its tables generated from the code.

    Parameters
    ----------
    text : str
        The document.
    language : Language
        Language of the tables.
    expected : sequence of str
        Names of the tables that the document must have, each once.

    Raises
    ------
    DriftError
        If the document lacks a table, or has another one.
    """
    named = [match["name"] for match in _BLOCK.finditer(text)]
    if sorted(named) != sorted(expected):
        found = ", ".join(named) or "none"
        raise DriftError(f"has the tables {found}; expected {', '.join(expected)}, each once")

    def block(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- table: {name} -->\n{TABLES[name](language)}<!-- /table -->"

    return _BLOCK.sub(block, text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tables, or check them; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 on drift")
    parser.add_argument("files", nargs="*", type=Path, help="other copies of the documents")
    given = parser.parse_args(arguments)
    drifted = []
    for path in given.files or FILES:
        language = PORTUGUESE if ".pt-BR." in path.name else ENGLISH
        text = path.read_text(encoding="utf-8")
        try:
            wanted = rendered(text, language, DOCUMENTS[path.name.split(".")[0]])
        except DriftError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            return 1
        if wanted != text:
            drifted.append(path.name)
            if not given.check:
                path.write_text(wanted, encoding="utf-8")
    if given.check and drifted:
        print(f"{', '.join(drifted)}: run make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
