"""The report of a smoke run has nothing that identifies the account or its people."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from infra.smoke.checks import Result, State
from infra.smoke.order import CHECKS, REMOVAL
from infra.smoke.report import Header, caller_names, masked, write
from infra.smoke.table import ROWS, Row, outcome

ACCOUNT = "123456789012"
CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/AdminOfTeam/jane.doe"
WORDS = (
    f"User: {CALLER} is not authorized to perform: sts:AssumeRole on resource: "
    f"arn:aws:iam::{ACCOUNT}:role/path/smoke-client-health-smoke-reader-us-east-1, because | of\n"
    f"s3://smoke-cliente-data-raw-{ACCOUNT}-us-east-1/upload/ and key AKIAABCDEFGHIJKLMNOP of "
    f"AROAABCDEFGHIJKLMNOPQ:jane.doe <jane.doe@example.com>, AdminOfTeam in {ACCOUNT}."
)
FORBIDDEN = (ACCOUNT, "AdminOfTeam", "jane", "AKIA", "AROA", "@", "smoke-reader")


def results(state: State = State.PASS, words: str = "as expected") -> list[Result]:
    named = [(check.id, check.title) for check in CHECKS]
    return [Result(name, title, state, words, 1.0) for name, title in (*named, (REMOVAL, "gone"))]


def test_a_report_that_has_them_everywhere_has_none_of_them(tmp_path: Path) -> None:
    everywhere = [
        Result(f"{one.id} {WORDS}", f"{one.title} {WORDS}", State.FAIL, WORDS) for one in results()
    ]
    written = write(
        tmp_path,
        Header(f"region {WORDS}", WORDS, 1.0, caller_names(CALLER)),
        [*results(), *everywhere],
    )
    for path in written:
        text = path.read_text()
        assert [name for name in FORBIDDEN if name in text] == []
        assert re.findall(r"(?<!\d)(?!0{12})\d{12}(?!\d)", text) == []
        assert "000000000000" in text
        assert "is not authorized to perform: sts:AssumeRole" in text
    assert json.loads(written[0].read_text())["checks"][0]["state"] == "PASS"


@pytest.mark.parametrize(
    "kept",
    [
        "1764412513123 is a time",
        "300 of 900 rows, d0123456789012345",
        "deploy, in us-east-1",
        "masking",
    ],
)
def test_what_identifies_nobody_stays(kept: str) -> None:
    assert masked(kept, ("mask",)) == kept


def test_a_name_is_masked_only_as_a_whole_word() -> None:
    assert masked("admin, administrator, a-admin", ("admin",)) == "masked, administrator, a-admin"


def test_the_callers_names_are_those_of_the_arn() -> None:
    assert caller_names(CALLER) == ("AdminOfTeam", "jane.doe")
    assert caller_names(f"arn:aws:iam::{ACCOUNT}:user/ops/jane") == ("ops", "jane")
    assert caller_names(f"arn:aws:iam::{ACCOUNT}:root") == ()


def by_id(**changed: State) -> dict[str, Result]:
    found = {one.id: one for one in results()}
    for name, state in changed.items():
        found[name] = Result(name, "", state, "")
    return found


def test_a_row_passes_only_if_each_of_its_checks_did() -> None:
    row = Row("permissions", ("publish", "crawler", "kill"), "the rest")
    assert outcome(row, by_id()) == (State.PASS, "not settled: the rest")
    assert outcome(row, by_id(kill=State.SKIPPED)) == (State.SKIPPED, "not run: kill")
    both = by_id(kill=State.SKIPPED, crawler=State.FAIL)
    assert outcome(row, both) == (State.FAIL, "failed: crawler")
    assert outcome(Row("prices", (), "a bill"), {}) == (State.SKIPPED, "a bill")


def table_of(page: str, heading: str) -> list[str]:
    """Return the first column of the first table below a heading."""
    below = page.split(f"{heading}\n", 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", below, re.MULTILINE)
    assert rows
    return [line.split("|")[1].strip() for line in rows[0].splitlines()[2:]]


def test_every_row_of_the_page_has_a_check_or_a_reason(root: Path) -> None:
    page = (root / "docs" / "deploy.md").read_text()
    assert [row.part for row in ROWS] == table_of(page, "## Never run on AWS")
    for row in ROWS:
        assert row.checks or row.left, row.part


def test_the_table_names_checks_that_exist_and_each_check_settles_a_row() -> None:
    known = {*(check.id for check in CHECKS), REMOVAL}
    named = {name for row in ROWS for name in row.checks}
    assert named == known
