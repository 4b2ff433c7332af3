"""Receipts: what a stage reports, and whether the report is complete and true."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Optional, cast

import jsonschema

from register_contract import manifest, publications, receipts, runs
from register_contract.publications import BranchState, Metadata
from register_contract.receipts import Handover, Receipt
from register_run import storage
from register_run.errors import ReceiptError


@dataclass(frozen=True)
class Expected:
    """What a receipt must agree with.

    Parameters
    ----------
    stage, run_id, delivery_id : str
        The asked ones.
    library_version, rules : str
        Those that named the run: another version in the session is another run.
    attempt : str, optional
        The start of the stage that must have written it; ``None`` when an earlier one may.
    before : mapping, optional
        Receipt of the stage before; its rows out are this stage's rows in.
    resubmissions : tuple of str
        The batches of corrected rows that the run takes in.
    as_of : str, optional
        The day that was asked for; ``None`` if the delivery's own, which a copy may change.
    """

    stage: str
    run_id: str
    delivery_id: str
    library_version: str
    rules: str
    attempt: Optional[str] = None
    before: Optional[Receipt] = None
    resubmissions: tuple[str, ...] = ()
    as_of: Optional[str] = None


def uri_of(lake: str, run_id: str, stage: str) -> str:
    """Return the location of a stage's receipt."""
    return storage.join(lake, runs.receipt_path(run_id, stage))


def load(lake: str, run_id: str, stage: str) -> Optional[Receipt]:
    """Read a stage's receipt; ``None`` if there is none.

    Raises
    ------
    ReceiptError
        The file is no JSON object.
    """
    uri = uri_of(lake, run_id, stage)
    body = storage.read_bytes(uri)
    if body is None:
        return None
    try:
        content = json.loads(body)
    except ValueError as error:
        raise ReceiptError.untrue(stage, uri, [f"not JSON: {error}"]) from error
    if not isinstance(content, dict):
        raise ReceiptError.untrue(stage, uri, ["not a JSON object"])
    return cast("Receipt", content)  # verify() checks that it is one


def save(lake: str, receipt: Receipt) -> None:
    """Write a receipt to its location."""
    text = json.dumps(receipt, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    storage.write_text(uri_of(lake, receipt["run_id"], receipt["stage"]), text)


def verify(
    receipt: Receipt, expected: Expected, lake: str, table: Optional[Metadata] = None
) -> None:
    """Accept a receipt, or report everything that is wrong with it at once.

    Whether a table's snapshot is on its main branch is the publication's to say, not checked
    here.

    Parameters
    ----------
    receipt : mapping
    expected : Expected
    lake : str
    table : mapping, optional
        Metadata of the published table, whose branch a receipt may hand over.

    Raises
    ------
    ReceiptError
        It is invalid, of another run or start, does not add up, does not follow from the
        stage before, or what it hands over is not what stands there.
    """
    problems = _schema_problems(receipt)
    if not problems:
        problems = [
            *_identity_problems(receipt, expected),
            *_row_problems(receipt, expected.before),
            *_handover_problems(receipt, lake, table),
        ]
    if problems:
        uri = uri_of(lake, expected.run_id, expected.stage)
        raise ReceiptError.untrue(expected.stage, uri, problems)


def handover_fingerprint(lake: str, path: str) -> str:
    """Fingerprint the files below ``path`` of the lake, as the receipt's schema defines it.

    Where a manifest stands beside them, only those that it names count: a task that ran twice may
    have left others.

    Raises
    ------
    ValueError
        What stands there as the manifest is none.
    """
    folder = storage.join(lake, path)
    body = storage.read_bytes(storage.join(folder, manifest.NAME))
    sizes = {file.name: file.size for file in storage.list_files(folder)}
    if body is None:
        return manifest.fingerprint(sizes)
    return manifest.fingerprint_of(body.decode(), sizes)


def _schema_problems(receipt: Receipt) -> list[str]:
    validator = jsonschema.Draft202012Validator(
        receipts.schema(), format_checker=jsonschema.FormatChecker()
    )
    found = sorted(validator.iter_errors(dict(receipt)), key=lambda problem: problem.json_path)
    return [f"{problem.json_path}: {problem.message}" for problem in found]


def _identity_problems(receipt: Receipt, expected: Expected) -> list[str]:
    found: Mapping[str, object] = receipt
    asked = {
        "stage": expected.stage,
        "run_id": expected.run_id,
        "delivery_id": expected.delivery_id,
        "library_version": expected.library_version,
        "rules": expected.rules,
        "attempt": expected.attempt,
        "as_of": expected.as_of,
    }
    problems = [
        f"{name} is {found[name]!r}, expected {value!r}"
        for name, value in asked.items()
        if value is not None and found[name] != value
    ]
    taken = receipt.get("resubmissions", [])
    if sorted(taken) != sorted(expected.resubmissions):
        named, wanted = ", ".join(taken) or "none", ", ".join(expected.resubmissions) or "none"
        problems.append(f"it has taken in the corrected rows of {named}, expected {wanted}")
    return problems


def _row_problems(receipt: Receipt, before: Optional[Receipt]) -> list[str]:
    problems = []
    for source, counts in receipt["rows"].items():
        if missing := receipts.missing(counts):
            taken_in = receipts.taken(counts)
            accounted = taken_in - missing
            problems.append(f"{source}: {taken_in} rows in, {accounted} accounted for")
    if before is not None:
        handed = {source: counts["out"] for source, counts in before["rows"].items()}
        taken = {source: receipts.taken(counts) for source, counts in receipt["rows"].items()}
        problems += [
            f"{source}: {taken.get(source, 0)} rows in, {before['stage']} handed over"
            f" {handed.get(source, 0)}"
            for source in sorted({*handed, *taken})
            if handed.get(source) != taken.get(source)
        ]
    handed_over, out = receipt["handover"]["rows"], receipts.total(receipt, "out")
    if handed_over != out:
        problems.append(f"{handed_over} rows handed over, {out} rows out")
    return problems


def _handover_problems(receipt: Receipt, lake: str, table: Optional[Metadata]) -> list[str]:
    handover = receipt["handover"]
    if "branch" in handover:
        return _branch_problems(handover, table or {})
    if "path" not in handover:
        return []
    path = handover["path"]
    if storage.is_s3(path) or path.startswith("/") or ".." in path.split("/"):
        return [f"handover {path!r} is not inside the lake"]
    try:
        found = handover_fingerprint(lake, path)
    except ValueError as error:
        return [f"the manifest of {path} cannot be read: {error}"]
    if found != handover["fingerprint"]:
        return [f"the files of {path} are not those that the stage handed over"]
    return []


def _branch_problems(handover: Handover, table: Metadata) -> list[str]:
    """Check that a branch is still what the stage wrote, and can still be published."""
    branch = handover["branch"]
    state = publications.branch_state(table, branch, handover["snapshot_id"])
    if state is BranchState.GONE:
        return [f"the branch {branch} is gone, or not the one that the stage wrote"]
    if state is BranchState.OVERTAKEN:
        return [f"others have published since the branch {branch} was written"]
    return []
