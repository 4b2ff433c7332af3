"""Write the page of errors, ``docs/errors.md``: ``python -m tools.errors_page``.

What happened, why, and what to do come from the error classes of the packages, and the gates from
the contract. The example messages are made by the code that a run uses. With ``--check``, the tool
writes nothing, and exits with 1 if the page has drifted.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from botocore.exceptions import ClientError
from tools.generated import write_or_check
from tools.reference_tables import ENGLISH

import client_health
import client_health_cli
import glue_local
import register_run
import strict_glue
from client_health.errors import ClientHealthError, QualityGateError
from client_health_cli.errors import ClientHealthCliError, RunFailedError
from glue_local.errors import CODES, GlueLocalError
from register_contract import contract
from register_run import errors as run_errors
from register_run.cell_errors import from_cell
from register_run.errors import Terminated
from strict_glue import api, errors
from strict_glue.errors import StrictGlueError

PAGE = Path(__file__).resolve().parent.parent / errors.PAGE
_COMMAND = "client-health"
_FACTS = ("Shown", "Why", "What to do")
_LAKE = "s3://bucket/lake/runs/r3f0c2a91d5b7e480"
_SESSION = "client-health-r3f0c2a91d5b7e480-51c6e7f0a2b9"
_LOOKS = {
    0: ("the summary", "nothing: the run is done"),
    1: (
        "the executed notebook: the failed cell has the full traceback",
        "fix what it names, then run the same command again",
    ),
    2: (
        "the message: it names the file or the argument",
        "fix the argument or deliver the file again, then run the same command again",
    ),
    3: (
        "the gate's name in the message, and [the table of gates](#qualitygateerror)",
        "do what the table says for the gate, then run the same command again",
    ),
    4: (
        "the reason in the message, and the state of the session or of AWS",
        "run the same command again; it creates a new session",
    ),
}

_HEAD = """\
# Errors

Every error that can end a run: what happened, why, and what to do. The output of a failed run
ends with a link to its error on this page (`more:`).

This page is generated from the error classes. To change it, edit the classes and run `make docs`.

## What to do first

- **The published table is intact.** Readers see the last publication until a run replaces it in
  one step.
- **You can always run the same command again.** It continues after the last finished stage. If the
  run is already published, it says so and exits with 0. You don't have to clean up first.
- **Read the last lines of the output.** They name the stage and cell, the cause, the executed
  notebook, and the next step (`next:`).

"""
_PLACES = """
| look at | what it contains |
| --- | --- |
| the last lines of the terminal or of the job's log | cause, executed notebook, next step |
| `runs/<run_id>/<stage>.ipynb` in the lake | the executed notebook, up to the cell that failed |
| `runs/<run_id>/<stage>.json` in the lake | the stage's receipt: rows in and out, rejections and \
warnings by rule. If the file doesn't exist, the stage hasn't finished. |
| `client-health rejected --run RUN` | the rejected rows with their reasons, from the table \
`rejected`. **Personal data**: for data stewards only. |
| log groups below `/aws-glue/sessions` in CloudWatch | the output of the session's own processes |

"""
_BY_HAND = """\
[Start a run by hand](operations.md#start-a-run-by-hand) has the command that starts the job on \
AWS with such an argument.

"""
_SERVICE = """\
## The local service

These errors occur only where sessions run on your machine, never on AWS.

"""
_SERVICE_SHOWS = "in the `ErrorMessage` of the session, which is FAILED (exit code 4)."


@dataclass(frozen=True)
class Entry:
    """One error's part of the page.

    Parameters
    ----------
    kind : type
        Class of the error.
    exit_code : int
        Exit code of the run.
    shown : str
        Where a reader sees it, and under which name.
    """

    kind: type[BaseException]
    exit_code: int
    shown: str


def kinds(root: type[BaseException]) -> list[type[BaseException]]:
    """Return a class and all its subclasses, by module and line.

    Python lists subclasses in the order of their modules' imports, which differs between programs.
    """
    children = sorted(root.__subclasses__(), key=_place)
    return [root, *(kind for child in children for kind in kinds(child))]


def _place(kind: type[BaseException]) -> tuple[str, int]:
    return kind.__module__, inspect.getsourcelines(kind)[1]


def _import_everything() -> None:
    """Import every module, so that no error class is missed."""
    for package in (client_health, client_health_cli, glue_local, strict_glue, register_run):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


def _as_reported(kind: type[BaseException], message: str = "") -> StrictGlueError:
    """Return the runner's error for an error that a notebook's cell raised."""
    return from_cell(
        stage="03_quality",
        cell=5,
        ename=kind.__name__,
        evalue=message,
        traceback=(),
        notebook=f"{_LAKE}/03_quality.ipynb",
    )


def entries() -> list[Entry]:
    """Return all errors that a run or a command can end with."""
    _import_everything()
    found = []
    for kind in cast("list[type[StrictGlueError]]", kinds(StrictGlueError)):
        shown = "on the terminal and in the job's log."
        if "reported_as" in vars(kind) and kind is not StrictGlueError:
            shown = f"{shown[:-1]}; in a notebook, as `{kind.reported_as}`."
        found.append(Entry(kind, kind.exit_code, shown))
    stopped = "on the terminal and in the job's log."
    found.append(Entry(Terminated, int(str(Terminated().code)), stopped))
    for raised in kinds(ClientHealthError)[1:]:
        reported = _as_reported(raised)
        place = "in the notebook; on the terminal and in the job's log after stage and cell"
        shown = f"{place}, as {_link(type(reported))}."
        found.append(Entry(raised, reported.exit_code, shown))
    for refused in cast("list[type[ClientHealthCliError]]", kinds(ClientHealthCliError)[1:]):
        if refused is not RunFailedError:  # it has the runner's lines and code
            shown = f"on the terminal, after `{_COMMAND}:`."
            found.append(Entry(refused, refused.exit_code, shown))
    return found


def _link(kind: type[BaseException]) -> str:
    return f"[{kind.__name__}](#{kind.__name__.lower()})"


def examples() -> Mapping[type[BaseException], Sequence[BaseException]]:
    """Return errors as a run makes them, so that the page shows real messages."""
    receipt = f"{_LAKE}/02_transform.json"
    session, statement, missing = (
        errors.SessionError,
        errors.StatementError,
        run_errors.ReceiptError,
    )
    timeout = {"Status": "TIMEOUT", "ErrorMessage": "The session was idle for 15 minutes."}
    refusal: Any = {"Error": {"Code": "ExpiredTokenException", "Message": "The token has expired"}}
    gate = QualityGateError([("fonte_vazia", "no row in: csv")])
    volume = QualityGateError([("volume_diferente", "812 rows against 1,604 last published")])
    return {
        run_errors.NotebookFailed: [_as_reported(ValueError, "could not convert string to float")],
        run_errors.GateStopped: [_as_reported(QualityGateError, str(gate))],
        QualityGateError: [volume],
        session: [
            session.not_created(_SESSION, "AccessDeniedException: no permission for the role"),
            session.ended(_SESSION, timeout).at(stage="02_transform"),
            session.not_ready(_SESSION, "PROVISIONING", 600.0),
            session.not_found(_SESSION),
        ],
        statement: [
            statement.from_state({"Id": 7, "State": "CANCELLED"}),
            statement.incomplete({"Id": 7, "Output": {}}),
            statement.too_long(68_412, 68_000),
        ],
        errors.ServiceError: [api.failure("GetStatement", ClientError(refusal, "GetStatement"))],
        missing: [
            missing.missing("02_transform", receipt),
            missing.untrue("02_transform", receipt, ["csv: 1,000 rows in, 998 accounted for"]),
        ],
    }


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def exit_code_table() -> str:
    """Return the table of exit codes: code, meaning, where to look, what to do."""
    return _table(
        ("exit code", "what happened", "look here first", "what to do"),
        ((str(code), ENGLISH.exits[code], *_LOOKS[code]) for code in sorted(ENGLISH.exits)),
    )


def gate_table() -> str:
    """Return the table of gates: what each found, and what to do."""
    return _table(
        ("gate", "what it found", "what to do"),
        ((f"`{gate}`", gate.meaning, gate.next_step) for gate in contract.Gate),
    )


def code_table() -> str:
    """Return the table of the codes that the local service answers with."""
    return _table(("code", "meaning"), ((f"`{code}`", CODES[code]) for code in sorted(CODES)))


def facts_of(kind: type[BaseException]) -> dict[str, str]:
    """Return the facts in a class's docstring, by name; its first paragraph has the name ``""``."""
    first, _, rest = (inspect.getdoc(kind) or "").replace("``", "`").partition("\n\n")
    names = "|".join(_FACTS)
    found = re.findall(
        rf"^({names}): (.*?)(?=\n(?:{names}): |\n\n|\Z)", rest, re.DOTALL | re.MULTILINE
    )
    return {"": " ".join(first.split()), **{name: " ".join(text.split()) for name, text in found}}


def _section(entry: Entry, heading: str) -> Iterator[str]:
    said = {"Shown": entry.shown, **facts_of(entry.kind)}
    yield f"### {heading}\n\n{said['']}\n\n"
    for name in _FACTS:
        if name not in said:
            raise SystemExit(f"the docstring of {entry.kind.__qualname__} has no line '{name}: '")
        yield f"- **{name}**: {said[name]}\n"
    yield "\n"
    for error in examples().get(entry.kind, ()):
        prefix = f"{_COMMAND}: " if isinstance(error, StrictGlueError) else ""
        yield f"```text\n{prefix}{error}\n```\n\n"


def page() -> str:
    """Return the complete page."""
    found = entries()
    plain: set[str] = set()
    parts = [_HEAD, exit_code_table(), _PLACES]
    for code in sorted(ENGLISH.exits):
        of_code = [entry for entry in found if entry.exit_code == code]
        if of_code:
            parts.append(f"## Exit code {code}: {ENGLISH.exits[code]}\n\n")
        # If two packages use a name, the runner's and the command's errors get the plain anchor.
        for entry in sorted(of_code, key=_is_of_notebooks):
            name = entry.kind.__name__
            parts += _section(entry, f"{name} in a notebook" if name in plain else name)
            plain.add(name)
            if entry.kind is QualityGateError:
                parts.append(f"{gate_table()}\n{_BY_HAND}")
    parts.append(_SERVICE)
    for kind in cast("list[type[GlueLocalError]]", kinds(GlueLocalError)[1:]):
        parts += _section(Entry(kind, 4, _SERVICE_SHOWS), kind.__name__)
        if kind.__name__ == "ApiError":
            parts.append(f"{code_table()}\n")
    return "".join(parts).rstrip("\n") + "\n"


def _is_of_notebooks(entry: Entry) -> bool:
    return issubclass(entry.kind, ClientHealthError)


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, lambda _: page()))
