"""Which batches of corrected rows a run takes in, and how they name it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from register_contract import resubmissions, runs
from register_contract.publications import History, Publication

FIRST, SECOND, THIRD = (f"b{number:016}" for number in (1, 2, 3))


def publication(number: int, delivery: str, *batches: str) -> Publication:
    record = {"resubmissions": list(batches)} if batches else {}
    return Publication(f"r{number}", delivery, str(number), number, "u", "", record)


ONE, TWO = publication(1, "d1", FIRST), publication(2, "d2", SECOND)


def test_a_run_without_batches_has_the_name_that_it_always_had() -> None:
    assert runs.name_run("d1", "0.2.0", "rules") == "ra7b14a79a1dfc91f"
    assert runs.name_run("d1", "0.2.0", "rules", ()) == runs.name_run("d1", "0.2.0", "rules")


def test_batches_are_part_of_a_run_s_name_in_any_order() -> None:
    names = {
        runs.name_run("d1", "0.2.0", "rules", batches)
        for batches in ((), (FIRST,), (SECOND,), (FIRST, SECOND), (SECOND, FIRST))
    }
    assert len(names) == 4


@pytest.mark.parametrize(
    ("delivery", "taken"),
    [
        # Unpublished: what waits. Published last: its own, too. Replaced: its own alone.
        ("d3", (THIRD,)),
        ("d2", (SECOND, THIRD)),
        ("d1", (FIRST,)),
    ],
)
def test_a_run_takes_in_what_waits_and_what_its_delivery_has_taken_in(
    delivery: str, taken: tuple[str, ...]
) -> None:
    history = History(published=(ONE, TWO))
    assert resubmissions.of_run(delivery, (FIRST, SECOND, THIRD), history) == taken


def test_a_published_batch_names_its_run_even_when_its_file_is_gone() -> None:
    assert resubmissions.of_run("d2", (), History(published=(ONE, TWO))) == (SECOND,)
    assert resubmissions.published(History(published=(ONE, TWO))) == {FIRST: ONE, SECOND: TWO}


def test_a_withdrawn_publication_makes_its_batches_wait_again() -> None:
    history = History(published=(ONE,), withdrawn=(TWO,))
    assert resubmissions.of_run("d3", (FIRST, SECOND), history) == (SECOND,)


def test_a_delivery_published_again_without_its_batches_has_none() -> None:
    again = replace(publication(3, "d2"), receipt={})
    history = History(published=(ONE, TWO, again))
    assert resubmissions.of_run("d2", (FIRST, SECOND), history) == ()


def test_other_files_are_no_batches() -> None:
    names = [f"{SECOND}.parquet", f"{FIRST}.parquet", f".{THIRD}.parquet.77", "b1.parquet", "x"]
    assert resubmissions.among(names) == (FIRST, SECOND)
