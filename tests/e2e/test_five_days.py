"""Five days of one register, compared with the oracle: people are erased, rows are corrected.

The oracle (``tests/oracle``) shares no code with the library.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from tests.oracle import compare, dirty
from tests.oracle.correct import correct
from tests.oracle.reading import SOURCES
from tests.oracle.register import Expected, expect
from tests.support.warm import Warm

KEY = "5da7" * 16
NEW = {
    "nome": "Nova Pessoa", "convenio": "Gold", "data_nascimento": "March 02, 1985", "sexo": "F",
    "logradouro": "Rua Um", "numero": 5, "bairro": "Centro", "cidade": "Recife",
    "estado": "Pernambuco", "data_cadastro": 1_600_000_000_000,
}  # fmt: skip


def of_day(folder: Path, base: dirty.Delivery, number: int) -> dirty.Delivery:
    """Return the register with as many new people as the day's number says."""
    shutil.copytree(base.sources["json"].parent, folder)
    sources = {name: folder / path.name for name, path in base.sources.items()}
    people = [NEW | {"cpf": f"{number:05}{at:06}"} for at in range(number)]
    with sources["json"].open("a", encoding="utf-8") as lines:
        lines.write("".join(f"\n{json.dumps(person)}" for person in people))
    return dirty.Delivery(sources, base.as_of + timedelta(days=number))


@dataclass
class Days:
    """What was expected on each day, and what the run of the day left."""

    found: list[list[str]] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def days(
    tmp_path_factory: pytest.TempPathFactory, warm: Warm, own_environment: dict[str, str]
) -> Days:
    folder = tmp_path_factory.mktemp("days")
    lake, key = folder / "lake", folder / "id.key"
    key.write_text(KEY)
    key.chmod(0o600)
    base = dirty.write(folder / "base", 400, 31)
    environment = {**os.environ, **own_environment, **warm.endpoint.environment}
    days, erased = Days(), frozenset[str]()

    def call(*words: object) -> str:
        given = [str(compare.COMMAND), *map(str, words), "--lake", str(lake)]
        done = subprocess.run(given, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def publish(number: int, corrected: dict[str, Path] | None = None) -> None:
        delivery = of_day(folder / f"raw-{number}", base, number)
        before = compare.run_folders(lake) if lake.exists() else set()
        done = compare.run(delivery, lake, key, *warm.options, environment=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        (run,) = compare.run_folders(lake) - before
        expected = expect(delivery.sources, KEY.encode(), delivery.as_of, corrected, erased)
        days.expected.append(expected)
        days.found.append(compare.differences(expected, compare.look(lake, run.name)))

    publish(1)
    publish(2)

    # Some with duplicates, one who came on the second day, one who shows up in a rejected row.
    clients = list(days.expected[-1].clients.values())
    people = [rows[0].came.values["cpf"] for rows in clients[:40:4]]
    erased = frozenset("".join(filter(str.isdigit, str(cpf))) for cpf in people) | {"00002000001"}
    file = folder / "people.txt"
    file.write_text("\n".join(sorted(erased)))
    asked = ("erase", "--cpf-file", file, "--id-key", key, "--ground", "art. 18", "--by", "dpo")
    days.said.append(call(*asked, *warm.options, "--yes"))

    publish(3)

    # Corrected: people of the register, new ones, and one who was erased.
    call("rejected", "--export", folder / "corrections")
    known = [rows[0].came.values["cpf"] for rows in days.expected[-1].clients.values()]
    gone = sorted(erased)[0]
    cpfs = (cpf for n, one in enumerate(known) for cpf in (str(one), f"9{n:010}", gone))
    corrected = correct(folder / "corrections", cpfs)
    days.said.append(call("resubmit", *corrected.values()))

    publish(4, corrected)
    publish(5)
    return days


def test_every_day_leaves_what_the_oracle_expects(days: Days) -> None:
    assert len(days.found) == 5
    for number, found in enumerate(days.found, 1):
        assert not found, f"day {number}: {compare.shown(found)}"


def test_the_days_have_what_they_are_about(days: Days) -> None:
    def total(number: int, count: str) -> int:
        return sum(days.expected[number - 1].rows[name][count] for name in SOURCES)

    assert [total(number, "suppressed") > 0 for number in range(1, 6)] == [
        False,
        False,
        *[True] * 3,
    ]
    assert [total(number, "resubmitted") > 0 for number in range(1, 6)] == [
        *[False] * 3, True, False,
    ]  # fmt: skip
    assert total(4, "suppressed") > total(3, "suppressed"), "a corrected row of an erased person"
    assert all(total(number, "rejected") and total(number, "duplicates") for number in range(1, 6))
    assert "Nothing of them was found." in days.said[0]
