"""The receipt's fields have one declaration, which its schema and its writers agree with."""

from __future__ import annotations

import pytest

from client_health.gate.accounting import SourceRows
from register_contract import receipts

SCHEMA = receipts.schema()
PARTS = SCHEMA["properties"]
FORMS = {
    "receipt": (receipts.Receipt, SCHEMA),
    "input": (receipts.Input, PARTS["inputs"]["items"]),
    "counts": (receipts.Counts, PARTS["rows"]["additionalProperties"]),
}


@pytest.mark.parametrize(("fields", "form"), FORMS.values(), ids=FORMS)
def test_fields_are_those_of_the_schema(fields, form):
    assert fields.__required_keys__ == set(form["required"])
    assert fields.__required_keys__ | fields.__optional_keys__ == set(form["properties"])


def test_each_form_of_a_handover_has_known_fields_and_together_they_have_all():
    forms = [set(form["properties"]) for form in PARTS["handover"]["oneOf"]]
    known = receipts.Handover.__required_keys__ | receipts.Handover.__optional_keys__
    assert set().union(*forms) == known
    assert set.intersection(*forms) == receipts.Handover.__required_keys__


def test_the_version_is_the_one_that_the_schema_wants():
    assert PARTS["receipt"] == {"const": receipts.VERSION}


def test_counts_have_one_set_of_names():
    counts = SourceRows(6, 4, 2, 2, 1, resubmitted=3).as_receipt()
    assert set(receipts.COUNTS) == set(counts) == receipts.Counts.__required_keys__
    assert receipts.missing(counts) == 0
    assert receipts.missing({**counts, "out": 3}) == 1
    assert receipts.total({"rows": {"csv": counts, "json": counts}}, "out") == 8


def test_records_of_earlier_versions_have_no_corrected_rows():
    counts = {"in": 9, "out": 4, "rejected": 2, "duplicates": 2, "suppressed": 1}
    assert receipts.missing(counts) == 0
    assert receipts.total({"rows": {"csv": counts}}, "resubmitted") == 0
