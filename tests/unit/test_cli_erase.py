"""What `erase` and `hold` refuse before they start anything, and whom a hold covers."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support import lakes
from typer.testing import CliRunner

from client_health import identity
from client_health_cli.erasing import cpfs, held
from client_health_cli.errors import ClientHealthCliError, LakeError, SettingsError
from client_health_cli.main import app
from register_contract import publications

CPF = "52998224725"
TODAY = dt.date(2026, 2, 1)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    lakes.make(tmp_path / "lake")
    (tmp_path / "id.key").write_text("k" * 32)
    (tmp_path / "id.key").chmod(0o600)
    return tmp_path / "lake"


def refusal(*arguments: object, typed: str = "") -> ClientHealthCliError:
    """Return the error that a command ends with."""
    done = CliRunner().invoke(app, [*map(str, arguments)], input=typed)
    assert isinstance(done.exception, ClientHealthCliError), done.output
    assert CPF not in str(done.exception) + done.output
    return done.exception


def erase(lake: Path, *arguments: object, typed: str = "") -> ClientHealthCliError:
    key = lake.parent / "id.key"
    given = ("erase", "--lake", lake, "--id-key", key, *arguments)
    return refusal(*given, typed=typed)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--cpf-file", "-", "--yes", "--by", "dpo-1"), "--ground and --by"),
        (("--cpf-file", "-", "--ground", "x", "--by", "dpo-1"), "need --yes"),
        (("--cpf-file", "nowhere.txt", "--verify"), "nowhere.txt: No such file"),
    ],
)
def test_what_is_missing_is_named(lake: Path, arguments: tuple[str, ...], said: str) -> None:
    error = erase(lake, *arguments, typed=CPF)
    assert isinstance(error, SettingsError)
    assert said in str(error)


def test_a_line_that_is_no_cpf_is_named_by_its_number(lake: Path) -> None:
    error = erase(lake, "--cpf-file", "-", "--verify", typed=f"{CPF}\n{CPF}1\n")
    assert "line 2" in str(error)


def test_a_lake_that_cannot_be_reached_is_an_error_with_a_next_step(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--cpf-file", "-", "--verify")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name in ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nowhere-1")
    said = str(refusal("erase", "--lake", "s3://bucket/lake", *given, typed=CPF))
    assert "Are you signed in to AWS?" in said
    error = refusal("erase", "--lake", tmp_path / "none", *given, typed=CPF)
    assert isinstance(error, LakeError)
    assert not (tmp_path / "none").exists()


def test_another_key_than_the_lakes_finds_nobody_and_is_refused(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakes.publish(lake, "r1", lakes.register(3))
    key = str(lake.parent / "id.key")
    assert cpfs.key_of(lake, key) == b"k" * 32
    monkeypatch.setattr(
        publications, "_publication", with_key_check(publications._publication, "another")
    )
    with pytest.raises(SettingsError, match="another id key"):
        cpfs.key_of(lake, key)


def with_key_check(made: object, check: str) -> object:
    from dataclasses import replace

    return lambda *given: replace(made(*given), key_check=check)  # type: ignore[operator]


def test_a_key_is_never_made(lake: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with pytest.raises(SettingsError, match="no id key"):
        cpfs.key_of(lake, "")
    assert not identity.default_key_path().exists()


def test_people_are_known_by_cpf_and_id() -> None:
    people = cpfs.values((CPF, "11144477735"), b"k" * 32)
    assert people.ids[0] == identity.client_id(b"k" * 32, CPF)
    left = cpfs.without(people, {people.ids[0]})
    assert (left.cpfs, left.ids) == (("11144477735",), people.ids[1:])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"--until": "2020-01-01"}, "that day is over"),
        ({"--until": "tomorrow"}, "give a day such as"),
        ({"--reason": " "}, "--reason is empty"),
        ({"--by": ""}, "--by is empty"),
    ],
)
def test_a_hold_that_holds_nobody_is_refused(
    lake: Path, changed: dict[str, str], said: str
) -> None:
    usual = {"--cpf-file": "-", "--reason": "lawsuit", "--until": "9999-12-31", "--by": "legal-2"}
    given = [word for pair in (usual | changed).items() for word in pair]
    assert said in str(refusal("hold", "add", "--lake", lake, *given, typed=CPF))


def test_the_day_is_brasilias(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Clock:
            return cls(2026, 1, 1, 2, 59, tzinfo=dt.UTC).astimezone(tz)

    monkeypatch.setattr(cpfs.dt, "datetime", Clock)
    assert cpfs.today() == dt.date(2025, 12, 31)


def hold(person: str, until: dt.date, minute: int) -> dict[str, object]:
    at = dt.datetime(2026, 1, 1, 12, minute)
    return {
        "id": person, "reason": "x", "ordered_by": "y", "until": until, "recorded_at": at,
        "id_key": "k1",
    }  # fmt: skip


def test_the_newest_hold_of_a_person_counts_until_its_last_day() -> None:
    day = dt.timedelta(days=1)
    rows = [
        hold("ended", TODAY - day, 2),
        hold("ended", TODAY + day, 1),
        hold("over", TODAY - day, 1),
        hold("held", TODAY - day, 1),
        hold("held", TODAY, 2),
    ]
    assert set(held.newest(rows, TODAY)) == {"held"}
    made = held.rows([("a", "k2"), ("b", "k2")], "lawsuit", TODAY, "legal-2")
    assert [row["id"] for row in made] == ["a", "b"]
    assert len({row["hold_id"] for row in made}) == 1
    assert {row["id_key"] for row in made} == {"k2"}


def test_a_hold_of_an_earlier_key_is_the_persons_until_a_newer_one_of_either_key() -> None:
    day = dt.timedelta(days=1)
    rows = [
        hold("old-1", TODAY, 1),
        hold("old-2", TODAY, 1),
        hold("new-2", TODAY - day, 2),
        hold("new-3", TODAY - day, 1),
        hold("old-3", TODAY, 2),
    ]
    same = {f"old-{at}": f"new-{at}" for at in (1, 2, 3)}
    assert set(held.newest(rows, TODAY, same)) == {"new-1", "new-3"}
    assert held.people(held.newest(rows, TODAY).values()) == 3


def test_people_have_ids_of_both_keys_and_are_left_out_with_both() -> None:
    keys = (b"n" * 32, b"k" * 32)
    people = cpfs.values((CPF, "11144477735"), *keys)
    assert people.previous_ids == cpfs.values(people.cpfs, keys[1]).ids
    left = cpfs.without(people, {people.ids[0]})
    assert (left.cpfs, left.previous_ids) == (("11144477735",), people.previous_ids[1:])
    assert left.all_ids == (people.ids[1], people.previous_ids[1])
    assert len(people.patterns()) == 2 + 4


def test_the_previous_key_must_be_another_one(lake: Path) -> None:
    error = erase(
        lake, "--cpf-file", "-", "--verify", "--previous-id-key", lake.parent / "id.key", typed=CPF
    )
    assert "--previous-id-key is the key of the table" in str(error)
    error = erase(lake, "--cpf-file", "-", "--verify", "--previous-id-key", "nowhere", typed=CPF)
    assert "nowhere cannot be read" in str(error)


def test_holds_of_an_unknown_key_stop_an_erasure_that_nobody_is_asked_about(
    lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.Table.from_pylist([hold("old-1", dt.date(9999, 1, 1), 1) | {"hold_id": "h1"}])
    monkeypatch.setattr(held, "_read", lambda _: table)
    assert held.hidden("lake", TODAY, ("k2",)) == 1
    assert held.hidden("lake", TODAY, ("k2", "k1")) == 0
    assert held.hidden("lake", TODAY, ("k1",)) == 0
    given = ("--cpf-file", "-", "--ground", "x", "--by", "dpo-1", "--yes", "--sessions", "aws")
    error = erase(lake, *given, typed=CPF)
    assert "an id of an earlier key only: 1." in str(error)


def test_a_lake_without_the_table_holds_nobody(lake: Path) -> None:
    assert held.active(str(lake), TODAY) == {}
    done = CliRunner().invoke(app, ["hold", "list", "--lake", str(lake)])
    assert done.output == "Nobody is held.\n"
