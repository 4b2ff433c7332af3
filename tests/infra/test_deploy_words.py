"""Messages that the deploy command shows."""

from __future__ import annotations

import io
from typing import Any

import pytest
from infra.changes import Change, Plan, change_of
from infra.deployment import deploy
from infra.errors import SettingsError
from infra.events import Event, explain
from infra.settings import Settings
from infra.template import Skipped
from infra.terminal import TerminalListener
from rich.console import Console


def event(name: str, status: str, reason: str = "") -> Event:
    return Event(name, "AWS::Some::Thing", status, reason, of_stack=False)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("User x is not authorized to perform: kms:CreateKey", "credentials that may do"),
        ("client-health-raw already exists in stack arn:...", "already exists, in another stack"),
        ("Account limit exceeded for roles", "Service Quotas"),
        ("The bucket you tried to delete is not empty", "empty the bucket"),
        ("Properties validation failed", "fix what the reason names"),
    ],
)
def test_each_kind_of_reason_has_its_next_step(reason: str, advice: str) -> None:
    told = explain("s", "UPDATE_ROLLBACK_COMPLETE", [event("Thing", "CREATE_FAILED", reason)])
    assert f"reason: {reason}" in told
    assert advice in told


def test_the_first_cause_is_told_and_not_what_followed_from_it() -> None:
    events = [
        event("Good", "CREATE_COMPLETE"),
        event("Cancelled", "CREATE_FAILED", "Resource creation cancelled"),
        event("Cause", "CREATE_FAILED", "no such key"),
        event("Later", "CREATE_FAILED", "something else"),
    ]
    told = explain("s", "ROLLBACK_COMPLETE", events)
    assert "first failed: Cause (AWS::Some::Thing)" in told
    assert "Later" not in told
    assert "'make deploy' deletes it first" in told


def test_a_rollback_that_failed_says_how_to_go_on() -> None:
    told = explain("s", "UPDATE_ROLLBACK_FAILED", [])
    assert "Continue update rollback" in told


@pytest.mark.parametrize(
    ("kind", "action", "replacement", "properties", "loses"),
    [
        ("AWS::S3::Bucket", "Add", None, [], False),
        ("AWS::S3::Bucket", "Remove", None, [], True),
        ("AWS::S3::Bucket", "Modify", "False", [], False),
        ("AWS::S3::Bucket", "Modify", "True", ["BucketName"], True),
        ("AWS::S3::Bucket", "Modify", "Conditional", ["BucketName"], True),
        ("AWS::S3::Bucket", "Modify", "Conditional", ["NotificationConfiguration"], False),
        ("AWS::S3::Bucket", "Modify", "Conditional", [], True),
        ("AWS::KMS::Key", "Remove", None, [], True),
        ("AWS::SecretsManager::Secret", "Modify", "True", ["Name"], True),
        ("AWS::Glue::Database", "Remove", None, [], True),
        ("AWS::Glue::Table", "Remove", None, [], True),
        ("AWS::Lambda::Function", "Remove", None, [], False),
    ],
)
def test_what_holds_data_is_neither_removed_nor_replaced_unasked(
    kind: str, action: str, replacement: str | None, properties: list[str], loses: bool
) -> None:
    entry = {
        "Action": action,
        "LogicalResourceId": "Thing",
        "ResourceType": kind,
        "Details": [
            {"Target": {"Name": name, "RequiresRecreation": "Conditionally"}} for name in properties
        ],
        **({"Replacement": replacement} if replacement else {}),
    }
    plan = Plan("id", creates=False, changes=(change_of(entry),))
    assert bool(plan.losses()) is loses
    assert not plan.losses(["Thing"])


def test_a_change_set_is_shown_as_a_table() -> None:
    out = io.StringIO()
    listener = TerminalListener(Console(file=out, width=120), yes=True)
    listener.planned(
        "client-health",
        Plan("id", creates=False, changes=(Change("Modify", "Job", "AWS::Glue::Job", "no"),)),
    )
    listener.skipped((Skipped("Key", "AWS::KMS::Key", "no keys here"),))
    shown = out.getvalue()
    for word in ("action", "resource", "type", "replaced", "Modify", "Job", "no keys here"):
        assert word in shown


def test_where_nobody_is_there_to_answer_nothing_is_agreed_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    out = io.StringIO()
    assert not TerminalListener(Console(file=out), yes=False).agrees("Create?")
    assert "YES=1" in out.getvalue()


class AskedError(Exception):
    """AWS was asked for something."""


def nowhere(service: str) -> Any:
    raise AskedError(service)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("AlarmEmial", " Did you mean AlarmEmail?"),
        ("alarmemail", " Did you mean AlarmEmail?"),
        ("Wholly0ther", ""),
    ],
)
def test_a_parameter_that_no_template_has_is_refused_before_aws_is_asked(
    name: str, meant: str
) -> None:
    settings = Settings(parameters={"LateHour": "10", name: "a@b.example"})
    with pytest.raises(SettingsError) as refused:
        deploy(nowhere, settings, TerminalListener(Console(file=io.StringIO()), yes=True))
    assert refused.value.exit_code == 2
    assert str(refused.value) == (
        f"no template has the parameter {name}: see Parameters in infra/template.yaml.{meant}"
    )


@pytest.mark.parametrize("name", ["AlarmEmail", "OrphanFolder", "QuickSightRoleArn"])
def test_a_parameter_may_be_that_of_any_template(name: str) -> None:
    """One for each template that has parameters of its own."""
    settings = Settings(parameters={name: ""})
    with pytest.raises(AskedError):
        deploy(nowhere, settings, TerminalListener(Console(file=io.StringIO()), yes=True))
