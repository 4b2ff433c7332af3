"""Access by column: the template's LF-Tags and grants are those of the contract."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.deployed import MAINTENANCE, Deployed
from tests.support.policy import Permissions

from register_contract import access, contract, tables
from register_contract.access import DataClass

ROLES = {kind: f"arn:aws:iam::123456789012:role/{kind.lower()}s" for kind in access.GRANTS}
GIVEN = {"ColumnAccess": "on", **{f"{kind}RoleArn": arn for kind, arn in ROLES.items()}}
LAKE = "cliente-data-lake-123456789012-sa-east-1"
FOLDERS = {
    f"arn:aws:s3:::{LAKE}/lake/{folder}"
    for folder in ("clientoutput", "warehouse/db_client_insurance.db/clientoutput")
}
WITHOUT_PERSONS = {
    f"arn:aws:s3:::{LAKE}/lake/warehouse/db_client_insurance.db/{name}" for name in access.TABLES
}


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    return Deployed(parameters=GIVEN)


def of_type(deployed: Deployed, kind: str) -> list[dict[str, Any]]:
    return [properties for _, properties in deployed.of_type(f"AWS::LakeFormation::{kind}")]


def grants(deployed: Deployed, permission: str) -> list[tuple[str, dict[str, Any]]]:
    """Return who has a permission, and on what."""
    found = of_type(deployed, "PrincipalPermissions")
    assert all(one["PermissionsWithGrantOption"] == [] for one in found)
    return [
        (one["Principal"]["DataLakePrincipalIdentifier"], one["Resource"])
        for one in found
        if one["Permissions"] == [permission]
    ]


def test_nothing_of_it_is_made_unless_it_is_switched_on() -> None:
    for deployed in (Deployed(), Deployed(parameters={**GIVEN, "ColumnAccess": "off"})):
        text = json.dumps(deployed.resources)
        assert "lakeformation" not in text.lower()
        assert "analysts" not in text


def test_every_column_and_table_has_the_tag_of_its_class_and_no_other(deployed: Deployed) -> None:
    (tag,) = of_type(deployed, "Tag")
    assert (tag["TagKey"], tag["TagValues"]) == (access.TAG, [str(one.value) for one in DataClass])
    tagged: dict[str, list[str]] = {}
    whole = {}
    for association in of_type(deployed, "TagAssociation"):
        (pair,) = association["LFTags"]
        assert pair["TagKey"] == access.TAG
        (value,) = pair["TagValues"]
        ((kind, place),) = association["Resource"].items()
        assert place["DatabaseName"] == contract.DATABASE
        if kind == "Table":
            whole[place["Name"]] = value
            continue
        assert f"{place['DatabaseName']}.{place['Name']}" == contract.TABLE
        assert value not in tagged
        tagged[value] = place["ColumnNames"]
    assert tagged == {one.value: list(access.columns_of(one)) for one in DataClass}
    assert sorted(name for names in tagged.values() for name in names) == sorted(
        column.name for column in contract.COLUMNS
    )
    assert whole == {name: one.value for name, one in access.TABLES.items()}


def test_each_kind_of_reader_is_granted_its_classes_and_no_more(deployed: Deployed) -> None:
    selects = grants(deployed, "SELECT")
    found = {}
    for principal, resource in selects:
        policy = resource["LFTagPolicy"]
        (expression,) = policy["Expression"]
        assert (policy["ResourceType"], expression["TagKey"]) == ("TABLE", access.TAG)
        found[principal] = expression["TagValues"]
    assert len(found) == len(selects)
    assert found == {
        ROLES[kind]: [one.value for one in classes] for kind, classes in access.GRANTS.items()
    }
    described = {
        principal: place["Database"]["Name"] for principal, place in grants(deployed, "DESCRIBE")
    }
    assert described == dict.fromkeys(ROLES.values(), contract.DATABASE)


def test_analysts_see_no_personal_value_and_no_id() -> None:
    seen = {name for one in access.GRANTS["Analyst"] for name in access.columns_of(one)}
    for column in contract.COLUMNS:
        assert (column.name in seen) == (
            column.name != "id" and (column.masked or not column.personal)
        )


def test_analysts_see_the_tables_without_persons_and_no_other_whole_table() -> None:
    assert set(access.TABLES) == {table.name for table in tables.WITHOUT_PERSONS}
    assert set(access.TABLES.values()) <= set(access.GRANTS["Analyst"])
    for table in tables.WITHOUT_PERSONS:
        assert not table.restricted
        assert tables.PERSON not in tables.field_names(table)


def test_a_role_that_is_not_given_is_granted_nothing() -> None:
    deployed = Deployed(parameters={"ColumnAccess": "on", "AnalystRoleArn": ROLES["Analyst"]})
    assert {principal for principal, _ in grants(deployed, "SELECT")} == {ROLES["Analyst"]}


def test_the_table_is_registered_and_those_who_commit_to_it_may_go_on(deployed: Deployed) -> None:
    locations = of_type(deployed, "Resource")
    assert {one["ResourceArn"] for one in locations} == FOLDERS | WITHOUT_PERSONS
    assert all(one["HybridAccessEnabled"] is True for one in locations)
    given = {"LakeBucket": LAKE, "KeyArn": "arn:aws:kms:sa-east-1:123456789012:key/DataKey"}
    maintenance = Deployed(MAINTENANCE, parameters={**given, "ColumnAccess": "on"})
    assert of_type(Deployed(MAINTENANCE, parameters=given), "PrincipalPermissions") == []
    # The tables without persons have no optimizer.
    for stack, role, folders in (
        (deployed, "SessionRole", FOLDERS | WITHOUT_PERSONS),
        (maintenance, "MaintenanceRole", FOLDERS),
    ):
        found = grants(stack, "DATA_LOCATION_ACCESS")
        assert {principal for principal, _ in found} == {stack.arn(role)}
        assert {place["DataLocation"]["ResourceArn"] for _, place in found} == folders


def test_lake_formation_reads_the_table_and_analysts_no_file_of_it(deployed: Deployed) -> None:
    permissions = Permissions(deployed)
    table = f"{LAKE}/lake/clientoutput/convenio=SUS/x.parquet"
    assert permissions.allows("ColumnAccessRole", "s3:GetObject", table)
    assert not permissions.allows("ColumnAccessRole", "s3:PutObject", table)
    for folder in WITHOUT_PERSONS:
        file = f"{folder.removeprefix('arn:aws:s3:::')}/data/x.parquet"
        assert permissions.allows("ColumnAccessRole", "s3:GetObject", file)
        assert not permissions.allows("AnalystPolicy", "s3:GetObject", file)
    for folder in ("deliveries/csv", "staging/r0", "warehouse/db_client_insurance.db/publications"):
        place = f"{LAKE}/lake/{folder}/x"
        assert not permissions.allows("ColumnAccessRole", "s3:GetObject", place)
    for policy in ("AnalystPolicy", "GrantedColumnsPolicy"):
        assert permissions.allows(policy, "lakeformation:GetDataAccess", "*")
    assert permissions.allows("AnalystPolicy", "s3:PutObject", f"{LAKE}/query-results/analysts/x")
    for key in (
        "lake/clientoutput/convenio=SUS/x.parquet",
        "lake/warehouse/db_client_insurance.db/clientoutput/metadata/x",
        "query-results/readers/x.csv",
        "query-results/stewards/x.csv",
    ):
        assert not permissions.allows("AnalystPolicy", "s3:GetObject", f"{LAKE}/{key}")


def test_results_of_analysts_are_where_no_other_group_writes(deployed: Deployed) -> None:
    places = [
        group["WorkGroupConfiguration"]["ResultConfiguration"]["OutputLocation"]
        for _, group in deployed.of_type("AWS::Athena::WorkGroup")
    ]
    assert f"s3://{LAKE}/query-results/analysts/" in places
    assert len(set(places)) == len(places) == 3
