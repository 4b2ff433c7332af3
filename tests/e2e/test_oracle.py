"""``client-health run`` on dirty deliveries, compared with an independent implementation.

Three publications of one lake: a register with one file per source; the same again, after people
were erased, and with rejected rows corrected; and another register, which brings erased people
back, in several files per source, which are compressed, reordered, and have other types.

The oracle (``tests/oracle``) shares no code with the library. ``python -m tests.oracle.check``
compares more and larger deliveries.
"""

from __future__ import annotations

import ast
import copy
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests import oracle
from tests.oracle import compare, dirty
from tests.oracle.compare import Left
from tests.oracle.correct import correct
from tests.oracle.reading import SOURCES
from tests.oracle.register import ERRORS, WARNINGS, Expected, expect
from tests.support import Command

KEY = "0ac1" * 16
BACK = {
    "nome": "Velha Pessoa", "convenio": "Gold", "data_nascimento": "March 02, 1985", "sexo": "F",
    "logradouro": "Rua Um", "numero": 5, "bairro": "Centro", "cidade": "Recife",
    "estado": "Pernambuco", "data_cadastro": 1_600_000_000_000,
}  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """A delivery, its expected result, and the result of a run."""

    delivery: dirty.Delivery
    expected: Expected
    left: Left


class Register:
    """A lake, what its runs left there, and what was expected.

    Parameters
    ----------
    folder : Path
        An empty folder.
    command, warm_command : callable
        Run ``client-health`` with its arguments; the second one where it needs a session.
    """

    def __init__(self, folder: Path, command: Command, warm_command: Command) -> None:
        self.runs: dict[str, Compared] = {}
        self.lake, self.key, self.corrections = (
            folder / name for name in ("lake", "id.key", "corrections")
        )
        self.key.write_text(KEY)
        self.key.chmod(0o600)
        self.people = folder / "people.txt"
        self.command, self.warm_command = command, warm_command
        self.erased = frozenset[str]()

        whole = dirty.write(folder / "whole", 1500, 11)
        self.publish("whole", whole)
        self.erase_people()
        corrected = self.correct_rows()
        # Corrected rows and more of them change the shares of columns.
        more = ("--accept-drift", "--accept-volume-change")
        self.publish("corrected", whole, *more, corrected=corrected)
        assert "already published" in self.run(whole, *more)
        parts = dirty.write(folder / "parts", 300, 12, parts=True)
        with (parts.sources["json"] / "1.json").open("a", encoding="utf-8") as lines:
            lines.write("".join(f"\n{json.dumps(BACK | {'cpf': cpf})}" for cpf in self.erased))
        self.publish("parts", parts, *more, "--accept-older")

    def call(self, command: Command, *words: object) -> str:
        done = command(*words, "--lake", self.lake)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, delivery: dirty.Delivery, *more: str) -> str:
        done = compare.run(delivery, self.lake, self.key, *more, command=self.warm_command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def publish(
        self,
        name: str,
        delivery: dirty.Delivery,
        *more: str,
        corrected: dict[str, Path] | None = None,
    ) -> None:
        before = compare.run_folders(self.lake)
        self.run(delivery, *more)
        (run,) = compare.run_folders(self.lake) - before
        expected = expect(delivery.sources, KEY.encode(), delivery.as_of, corrected, self.erased)
        left = compare.look(self.lake, run.name, self.command)
        self.runs[name] = Compared(delivery, expected, left)

    def erase_people(self) -> None:
        """Erase some people; some of them have duplicates."""
        clients = list(self.runs["whole"].expected.clients.values())
        cpfs = [str(rows[0].came.values["cpf"]) for rows in clients[:40:4]]
        self.erased = frozenset("".join(filter(str.isdigit, cpf)) for cpf in cpfs)
        self.people.write_text("\n".join(sorted(self.erased)))
        asked = ("erase", "--cpf-file", self.people, "--id-key", self.key, "--yes")
        said = self.call(self.warm_command, *asked, "--ground", "art. 18", "--by", "dpo")
        assert "Nothing of them was found." in said

    def correct_rows(self) -> dict[str, Path]:
        """Hand in corrected rows, in turn of a known person, a new one, and an erased one."""
        self.call(self.command, "rejected", "--export", self.corrections)
        clients = self.runs["whole"].expected.clients.values()
        known = [str(rows[0].came.values["cpf"]) for rows in clients]
        gone = sorted(self.erased)[0]
        corrected = correct(
            self.corrections,
            (cpf for n, one in enumerate(known) for cpf in (one, f"9{n:010}", gone)),
        )
        files = list(corrected.values())
        assert "publishes it once" in self.call(self.command, "resubmit", *files)
        assert "nothing was changed" in self.call(self.command, "resubmit", *files)
        return corrected


@pytest.fixture(scope="module")
def register(
    tmp_path_factory: pytest.TempPathFactory, command: Command, warm_command: Command
) -> Register:
    return Register(tmp_path_factory.mktemp("register"), command, warm_command)


@pytest.fixture(scope="module")
def whole(register: Register) -> Compared:
    """Return the first run, whose delivery has one file per source."""
    return register.runs["whole"]


@pytest.mark.parametrize("run", ["whole", "corrected", "parts"])
@pytest.mark.parametrize("what", [compare.published, compare.rejected, compare.counted])
def test_every_run_leaves_what_the_oracle_expects(
    register: Register, run: str, what: Callable[[Expected, Left], Iterator[str]]
) -> None:
    found = list(what(register.runs[run].expected, register.runs[run].left))
    assert not found, compare.shown(found)


def test_the_runs_have_what_they_are_about(register: Register) -> None:
    def totals(count: str) -> list[int]:
        runs = [run.expected.rows for run in register.runs.values()]
        return [sum(rows[name][count] for name in SOURCES) for rows in runs]

    assert [total > 0 for total in totals("suppressed")] == [False, True, True]
    assert [total > 0 for total in totals("resubmitted")] == [False, True, False]
    assert all(totals("rejected"))
    assert all(totals("duplicates"))
    corrected, delivery = register.runs["corrected"].expected, register.runs["whole"].delivery
    assert all(corrected.rows[name]["resubmitted"] for name in SOURCES)
    alone = expect(delivery.sources, KEY.encode(), delivery.as_of, None, register.erased)
    assert any(
        corrected.rows[name]["suppressed"] > alone.rows[name]["suppressed"] for name in SOURCES
    ), "a corrected row of an erased person"


def test_the_delivery_has_dirt_of_every_kind(whole: Compared) -> None:
    expected = whole.expected
    assert min(expected.rejections[rule] for rule in ERRORS) > 0
    warned = {rule for [client, *_] in expected.clients.values() for rule in client.warnings}
    assert warned == set(WARNINGS)
    for name in SOURCES:
        assert expected.rows[name]["rejected"] > 0
        assert expected.rows[name]["duplicates"] > 0
    assert any(len(tied) > 1 for tied in expected.clients.values())


def _swap(left: Left) -> None:
    first, second = left.published[:2]
    first["id"], second["id"] = second["id"], first["id"]


def _count(left: Left, *path: str) -> None:
    inside: Any = left.receipts
    for name in path[:-1]:
        inside = inside[name]
    inside[path[-1]] += 1


FAULTS: dict[str, Callable[[Left], object]] = {
    "a row lost": lambda left: left.published.pop(),
    "a row twice": lambda left: left.published.append(left.published[0]),
    "two people's rows swapped": _swap,
    "a value changed": lambda left: left.published[0].update(numero=123_456),
    "a mask off": lambda left: left.published[0].update(cidade="Recife"),
    "a column more": lambda left: left.published[0].update(source="csv"),
    "a rejected row lost": lambda left: left.rejected.pop(),
    "a rejected row twice": lambda left: left.rejected.append(left.rejected[0]),
    "another reason": lambda left: left.rejected[0].update(reasons=["cpf_estranho"]),
    "another source": lambda left: left.rejected[0].update(source="none"),
    "rows read": lambda left: _count(left, "01_ingest", "rows", "csv", "in"),
    "corrected rows": lambda left: _count(left, "02_transform", "rows", "csv", "resubmitted"),
    "duplicates": lambda left: _count(left, "02_transform", "rows", "json", "duplicates"),
    "rows published": lambda left: _count(left, "03_quality", "rows", "parquet", "out"),
    "a rejection": lambda left: _count(left, "02_transform", "rejections", "cpf_formato"),
    "a warning": lambda left: _count(left, "02_transform", "warnings", "nome_ausente"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_comparison_notices(whole: Compared, fault: str) -> None:
    left = copy.deepcopy(whole.left)
    FAULTS[fault](left)
    assert len(compare.differences(whole.expected, left)) > len(
        compare.differences(whole.expected, whole.left)
    )


def test_the_same_seed_gives_the_same_delivery(whole: Compared, tmp_path: Path) -> None:
    again = dirty.write(tmp_path, 1500, 11)
    for name in SOURCES:
        assert again.sources[name].read_bytes() == whole.delivery.sources[name].read_bytes()


def test_the_oracle_shares_no_code_with_the_library() -> None:
    imported = set()
    for path in Path(str(oracle.__file__)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(str(node.module).split(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"pyarrow"}
