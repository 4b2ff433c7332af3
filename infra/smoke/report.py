"""The report of a smoke run: JSON and Markdown, without the account's numbers and names."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import boto3

from infra.smoke.checks import Result, State
from infra.smoke.table import ROWS, outcome
from register_contract import __version__

_ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")
# What comes after the kind of a principal in an ARN, and in AWS's messages.
_PRINCIPAL = re.compile(r"\b(user|role|assumed-role|federated-user|group)/[^\s\"'`,;)\]]+")
# Ids of access keys, users, roles, and their sessions.
_IDS = re.compile(r"\b(?:AKIA|ASIA|AIDA|AROA|AGPA|ANPA|AIPA|ABIA|ACCA)[A-Z0-9]{12,}\b")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


@dataclass(frozen=True)
class Header:
    """Where and when the run was."""

    region: str
    place: str
    seconds: float
    names: tuple[str, ...] = ()


def masked(text: str, names: Iterable[str] = ()) -> str:
    """Return a text without account numbers, names of users and roles, keys' ids, and addresses.

    Parameters
    ----------
    text
        The text.
    names
        Names of the caller, wherever they stand.
    """
    for name in sorted(filter(None, names), key=len, reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "masked", text)
    text = _EMAIL.sub("masked", text)
    text = _PRINCIPAL.sub(r"\1/masked", text)
    return _ACCOUNT.sub("000000000000", _IDS.sub("masked", text))


def caller_names(arn: str) -> tuple[str, ...]:
    """Return the names in the ARN of whoever runs the checks: user, role, and session."""
    return tuple(part for part in arn.rpartition(":")[2].split("/")[1:] if len(part) > 2)


def write(folder: Path, header: Header, results: Sequence[Result]) -> tuple[Path, Path]:
    """Write the report.

    Returns
    -------
    tuple of Path
        The JSON and the Markdown file.
    """
    when = datetime.now(UTC)
    facts = {
        "date": when.strftime("%Y-%m-%d"),
        "region": header.region,
        "place": header.place,
        "seconds": round(header.seconds),
        "version": __version__,
        "python": platform.python_version(),
        "boto3": boto3.__version__,
    }
    by_id = {result.id: result for result in results}
    lines = [(row.part, *outcome(row, by_id)) for row in ROWS]
    content = {
        **facts,
        "checks": [asdict(result) for result in results],
        "rows": [{"part": p, "state": state, "words": words} for p, state, words in lines],
    }
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"smoke-{when:%Y%m%d-%H%M%S}"
    texts = {
        folder / f"{stem}.json": json.dumps(content, indent=2, ensure_ascii=False) + "\n",
        folder / f"{stem}.md": _markdown(facts, results, lines),
    }
    for path, text in texts.items():
        path.write_text(masked(text, header.names), encoding="utf-8")
    as_json, as_markdown = texts
    return as_json, as_markdown


def _markdown(
    facts: Mapping[str, object],
    results: Sequence[Result],
    lines: Iterable[tuple[str, State, str]],
) -> str:
    text = ["# Smoke run", ""]
    text += [f"- {name}: {value}" for name, value in facts.items()]
    text += [
        "",
        "## Checks",
        "",
        "| check | | seconds | what was found |",
        "| --- | --- | --- | --- |",
    ]
    for result in results:
        words = " ".join(result.words.replace("|", "/").split())
        text.append(f"| {result.id} | {result.state} | {result.seconds:.0f} | {words} |")
    text += ["", '## Rows of docs/deploy.md, "Never run on AWS"', ""]
    text += ["| part | | |", "| --- | --- | --- |"]
    text += [f"| {part} | {state} | {words} |" for part, state, words in lines]
    return "\n".join(text) + "\n"
