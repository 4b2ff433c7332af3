"""Several environments in one account and region: no name is shared, and none reaches another."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from infra.errors import SettingsError
from infra.settings import Settings
from tests.support.deployed import MAINTENANCE, QUICKSIGHT, TEMPLATE, Deployed
from tests.support.policy import Grant, Permissions

from register_contract import contract

PREFIXES = ("", "dev-", "client-")
# What is the account's, not a stack's, or belongs to AWS.
SHARED = (
    "arn:aws:logs:sa-east-1:123456789012:log-group:/aws-glue/sessions/*",
    "arn:aws:glue:sa-east-1:123456789012:catalog",
    "arn:aws:s3:::aws-glue-assets-123456789012-sa-east-1",
)
# Everything that has a name of its own, by the property that has it.
NAMES = (
    *(
        "AlarmName",
        "AliasName",
        "AnalysisId",
        "BucketName",
        "BudgetName",
        "DashboardId",
        "DashboardName",
    ),
    *("DataSetId", "DataSourceId", "DatabaseName", "FunctionName", "LogGroupName"),
    *("ManagedPolicyName", "Name", "QueueName", "RoleName", "TagKey", "TopicName"),
)


def deployed(prefix: str) -> Deployed:
    given = {"Prefix": prefix, "ColumnAccess": "on", "MonthlyBudget": "20"}
    return Deployed(TEMPLATE, parameters=given)


def of_the_chain(prefix: str) -> dict[str, str]:
    """Return what the deploy command passes to the stacks for the chain's tables."""
    return {
        "LakeBucket": f"{prefix}cliente-data-lake-123456789012-sa-east-1",
        "KeyArn": "arn:aws:kms:sa-east-1:123456789012:key/1",
        "Prefix": prefix,
        "DatabaseName": Settings(prefix=prefix).database,
        "QuickSightPrincipalArn": "arn:aws:quicksight:us-east-1:123456789012:group/default/team",
    }


def names(environment: Deployed) -> set[tuple[str, str]]:
    found = set()
    for resource in environment.resources.values():
        properties = resource.get("Properties", {})
        properties = {**properties, **properties.get("Budget", {})}
        # A saved query is known by its work group.
        if resource["Type"] == "AWS::Athena::NamedQuery":
            continue
        # A name in QuickSight is a title.
        is_title = resource["Type"].startswith("AWS::QuickSight::")
        found |= {
            (resource["Type"], str(properties[name]))
            for name in NAMES
            if name in properties and not (is_title and name == "Name")
        }
        if "CsvClassifier" in properties:
            found.add((resource["Type"], properties["CsvClassifier"]["Name"]))
    return found


def strings(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [text for value in node.values() for text in strings(value)]
    if isinstance(node, list):
        return [text for value in node for text in strings(value)]
    return [str(node)]


def tags_wanted(grant: Grant) -> tuple[tuple[str, str], ...]:
    """Return the tags of what a grant is for."""
    wanted = grant.condition.get("StringEquals", {}).items()
    return tuple((key.partition("/")[2], value) for key, value in wanted if "Tag/" in key)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(PREFIXES, 2)))
def test_no_name_is_in_two_environments(one: str, other: str) -> None:
    shared = names(deployed(one)) & names(deployed(other))
    assert not shared
    assert len(names(deployed(one))) > 45


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(PREFIXES, 2)))
def test_no_permission_reaches_another_environment(one: str, other: str) -> None:
    mine, theirs = deployed(one), deployed(other)
    permissions = Permissions(mine)
    holders = [
        name
        for kind in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy")
        for name, _ in mine.of_type(kind)
    ]
    grants = [
        grant
        for name in holders
        for grant in permissions.grants(name)
        if grant.effect == "Allow" and grant.resource != "*" and grant.resource not in SHARED
    ]
    # What the other environment's own policies name is what it has, with the tags that they want.
    others = Permissions(theirs)
    reachable = {
        (grant.resource.replace("*", "x"), tags_wanted(grant))
        for name, _ in theirs.of_type("AWS::IAM::Role")
        for grant in others.grants(name)
        if grant.resource != "*" and grant.resource not in SHARED
    }
    assert len(grants) > 100
    assert len(reachable) > 30
    crossing = [
        (grant.sid, grant.action, grant.resource, resource)
        for grant in grants
        for resource, tags in reachable
        if grant.covers(grant.action, resource) and resource.startswith("arn:")
        if grant.takes(dict(tags), dict(tags))
        # Keys have ids instead of names.
        if ":kms:" not in resource
    ]
    assert not crossing


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(PREFIXES, 2)))
def test_a_notebook_reaches_sessions_of_its_own_environment_alone(one: str, other: str) -> None:
    permissions = Permissions(deployed(one))
    # Two environments' notebooks may have the same id: Glue Studio chooses it.
    session = "arn:aws:glue:sa-east-1:123456789012:session/01234567-89ab-cdef-0123-456789abcdef"

    def reached(value: str) -> set[str]:
        tags = {"project": value}
        actions = ("CreateSession", "TagResource", "GetSession", "StopSession", "RunStatement")
        return {
            action
            for action in actions
            if permissions.allows(
                "NotebookRole", f"glue:{action}", session, request_tags=tags, resource_tags=tags
            )
        }

    assert len(reached(f"{one}client-health-studio")) == 5
    assert not reached(f"{other}client-health-studio")
    assert not reached(f"{one}client-health") | reached(f"{other}client-health")


@pytest.mark.parametrize("prefix", PREFIXES[1:])
def test_nothing_in_an_environment_names_that_of_the_specification(prefix: str) -> None:
    """A text without the prefix is a name that was forgotten."""
    mine, plain = deployed(prefix), deployed("")
    databases = {contract.DATABASE, f"{contract.DATABASE}_raw"}
    plain_names = {name for _, name in names(plain)} | databases
    texts = set(strings(mine.resources))
    # Also the id of the function's calls in CloudTrail, which has the function's ARN beside it.
    assert sorted(texts & plain_names) == ["def_lambda"]


def test_an_empty_prefix_gives_the_specifications_names() -> None:
    found = {name for _, name in names(deployed(""))}
    assert {"def_lambda", "job_client_health", "crawler_clients", contract.DATABASE} <= found


def test_databases_have_an_underscore_for_the_hyphen() -> None:
    found = {name for kind, name in names(deployed("dev-")) if kind == "AWS::Glue::Database"}
    assert found == {f"dev_{contract.DATABASE}", f"dev_{contract.DATABASE}_raw"}
    assert Settings(prefix="dev-").database == f"dev_{contract.DATABASE}"


@pytest.mark.parametrize(
    ("path", "role"),
    [
        (MAINTENANCE, "dev-client-health-maintenance-sa-east-1"),
        (QUICKSIGHT, "dev-client-health-quicksight-sa-east-1"),
    ],
    ids=["maintenance", "quicksight"],
)
def test_the_stacks_for_its_tables_are_the_environments_too(path: Path, role: str) -> None:
    mine, plain = (Deployed(path, parameters=of_the_chain(prefix)) for prefix in ("dev-", ""))
    assert not names(mine) & names(plain)
    found = set(strings(mine.resources))
    assert role in found
    assert not {text for text in found if f"/{contract.DATABASE}" in text}
    assert not {text for text in found if re.search(rf"\b{contract.DATABASE}\.", text)}


def test_stacks_are_named_after_the_prefix() -> None:
    settings = Settings(prefix="dev-")
    assert settings.stack == "dev-client-health"
    assert settings.artifacts_stack == "dev-client-health-artifacts"
    assert settings.given == {"Prefix": "dev-"}
    assert Settings(stack="mine", prefix="dev-").stack == "mine"


@pytest.mark.parametrize("prefix", ["dev", "Dev-", "1-", "a_b-", "toolongname-", "-"])
def test_a_prefix_that_names_cannot_have_is_refused(prefix: str) -> None:
    with pytest.raises(SettingsError, match="such as dev-"):
        Settings(prefix=prefix)
