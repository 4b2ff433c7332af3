"""A catalog that Lake Formation governs: seen before the deployment, and granted by the template.

The emulator has no Lake Formation, so its answers come from botocore's Stubber, which checks them
against the model of the API.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from infra.governance import GRANTS, look
from tests.support.deployed import MAINTENANCE, QUICKSIGHT, Deployed

ACCOUNT = "123456789012"
PEOPLE = {f"{kind}RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{kind}" for kind in ("Reader", "Steward")}
GIVEN = {
    "LakeFormationGrants": "on",
    "QuickSightPrincipalArn": f"arn:aws:quicksight:us-east-1:{ACCOUNT}:group/default/team",
    **PEOPLE,
}
DATABASES = ("db_client_insurance", "db_client_insurance_raw")
TO_IAM = [
    {
        "Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"},
        "Permissions": ["ALL"],
    }
]
OPEN = {"CreateDatabaseDefaultPermissions": TO_IAM, "CreateTableDefaultPermissions": TO_IAM}
GOVERNED = {"CreateDatabaseDefaultPermissions": [], "CreateTableDefaultPermissions": []}


def client(service: str) -> Any:
    session: Any = boto3.Session("key", "secret", None, "sa-east-1")
    return session.client(service)


def told(
    settings: dict[str, Any] | None,
    parameters: dict[str, str] | None = None,
    table_defaults: list[dict[str, Any]] | None = None,
) -> list[str]:
    """Return what is reported; without settings, the credentials may not ask."""
    made = {service: client(service) for service in ("lakeformation", "glue")}
    stubs = {service: Stubber(one) for service, one in made.items()}
    if settings is None:
        stubs["lakeformation"].add_client_error("get_data_lake_settings", "AccessDeniedException")
    else:
        stubs["lakeformation"].add_response(
            "get_data_lake_settings", {"DataLakeSettings": settings}
        )
    if table_defaults is not None:
        database = {"Name": "theirs", "CreateTableDefaultPermissions": table_defaults}
        stubs["glue"].add_response("get_database", {"Database": database}, {"Name": "theirs"})
    notes: list[str] = []
    clients: Callable[[str], Any] = made.__getitem__
    with stubs["lakeformation"], stubs["glue"]:
        look(clients, parameters or {}, *DATABASES, notes.append)
        if table_defaults is not None:
            stubs["glue"].assert_no_pending_responses()
    return notes


def test_a_catalog_that_is_left_to_iam_needs_nothing() -> None:
    assert told(OPEN) == []


@pytest.mark.parametrize(
    "settings",
    [
        GOVERNED,
        {**OPEN, "CreateTableDefaultPermissions": []},
        {**OPEN, "CreateDatabaseDefaultPermissions": []},
        {},
    ],
    ids=["both", "tables", "databases", "nothing said"],
)
def test_a_governed_catalog_is_told_what_to_grant_to_whom(settings: dict[str, Any]) -> None:
    notes = told(settings)
    assert "LakeFormationGrants=on" in notes[0]
    assert [line.strip() for line in notes[1:]] == [
        "client-health-session-sa-east-1: DESCRIBE, CREATE_TABLE on the database"
        " db_client_insurance",
        "client-health-session-sa-east-1: DESCRIBE, ALTER on all tables of the database"
        " db_client_insurance",
        "client-health-job-sa-east-1: DESCRIBE on all tables of the database db_client_insurance",
        "client-health-reconciler-sa-east-1: DESCRIBE on all tables of the database"
        " db_client_insurance",
        "client-health-crawler-sa-east-1: DESCRIBE, CREATE_TABLE on the database"
        " db_client_insurance_raw",
        "the role of readers: DESCRIBE on the database db_client_insurance",
        "the role of readers: DESCRIBE, SELECT on all tables of the database db_client_insurance",
        "the role of stewards: DESCRIBE on the database db_client_insurance_raw",
        "the role of stewards: DESCRIBE, SELECT on all tables of the database"
        " db_client_insurance_raw",
        "the role of stewards: DESCRIBE on all tables of the database db_client_insurance",
    ]


def test_roles_have_the_names_that_the_parameters_give_them() -> None:
    notes = told(GOVERNED, {**GIVEN, "LakeFormationGrants": "off", "Prefix": "dev-"})
    text = "\n".join(notes)
    assert "dev-client-health-session-sa-east-1: " in text
    assert f"{PEOPLE['ReaderRoleArn']}: " in text


@pytest.mark.parametrize(("defaults", "governed"), [(TO_IAM, False), ([], True)])
def test_a_given_database_may_be_governed_by_itself(
    defaults: list[dict[str, Any]], governed: bool
) -> None:
    assert bool(told(OPEN, {"DatabaseName": "theirs"}, defaults)) is governed


def test_whoever_may_not_look_is_told_so_and_goes_on() -> None:
    (note,) = told(None)
    assert "AccessDeniedException" in note
    assert "docs/deploy.md" in note


def test_with_the_grants_nobody_asks() -> None:
    look(lambda _: pytest.fail("asked"), {"LakeFormationGrants": "on"}, *DATABASES, print)


# The template grants the same


def granted(deployed: Deployed) -> list[tuple[str, list[str], dict[str, Any]]]:
    return [
        (one["Principal"]["DataLakePrincipalIdentifier"], one["Permissions"], one["Resource"])
        for _, one in deployed.of_type("AWS::LakeFormation::PrincipalPermissions")
    ]


def test_the_template_grants_what_is_told_and_no_more() -> None:
    deployed = Deployed(parameters=GIVEN)
    expected = []
    for grant in GRANTS:
        role = PEOPLE.get(grant.role) or deployed.arn(f"{grant.role.title()}Role")
        database = DATABASES[grant.raw]
        place: dict[str, Any] = (
            {"Table": {"CatalogId": ACCOUNT, "DatabaseName": database, "TableWildcard": {}}}
            if grant.tables
            else {"Database": {"CatalogId": ACCOUNT, "Name": database}}
        )
        expected.append((role, list(grant.permissions), place))
    assert granted(deployed) == expected
    properties = [one for _, one in deployed.of_type("AWS::LakeFormation::PrincipalPermissions")]
    assert all(one["PermissionsWithGrantOption"] == [] for one in properties)


def test_the_dashboards_role_is_granted_the_tables_without_persons_and_no_other() -> None:
    given = {"LakeBucket": "lake", "KeyArn": "arn:aws:kms:sa-east-1:123456789012:key/0"}
    given |= {"QuickSightPrincipalArn": GIVEN["QuickSightPrincipalArn"]}
    assert granted(Deployed(QUICKSIGHT, parameters=given)) == []
    deployed = Deployed(QUICKSIGHT, parameters={**given, "LakeFormationGrants": "on"})
    found = granted(deployed)
    assert {role for role, _, _ in found} == {deployed.arn("QuickSightRole")}
    tables = [place["Table"] for _, _, place in found if "Table" in place]
    assert {one["Name"] for one in tables} == {"clientoutput_anonima", "cadastros_anonimos"}
    assert all(set(permissions) <= {"DESCRIBE", "SELECT"} for _, permissions, _ in found)


def test_nothing_is_granted_unless_it_is_switched_on() -> None:
    assert granted(Deployed(parameters={**GIVEN, "LakeFormationGrants": "off"})) == []


def test_access_by_column_replaces_what_readers_are_granted() -> None:
    both = granted(Deployed(parameters={**GIVEN, "ColumnAccess": "on"}))
    wide = [
        place
        for principal, permissions, place in both
        if principal == PEOPLE["ReaderRoleArn"] and "SELECT" in permissions
    ]
    assert all("LFTagPolicy" in place for place in wide)


def test_the_optimizers_get_what_aws_lists_for_governed_tables() -> None:
    given = {"LakeBucket": "lake", "KeyArn": f"arn:aws:kms:sa-east-1:{ACCOUNT}:key/1"}
    assert granted(Deployed(MAINTENANCE, parameters=given)) == []
    ((_, permissions, place),) = granted(
        Deployed(MAINTENANCE, parameters={**given, "LakeFormationGrants": "on"})
    )
    assert permissions == ["ALTER", "DELETE", "DESCRIBE", "INSERT"]
    assert place["Table"]["Name"] == "clientoutput"
