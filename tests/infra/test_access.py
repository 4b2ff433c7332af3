"""Access by column: the template's LF-Tags and grants are those of the contract."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.deployed import MAINTENANCE, Deployed
from tests.support.policy import Permissions

from register_contract import access, contract
from register_contract.access import DataClass

ROLES = {kind: f"arn:aws:iam::123456789012:role/{kind.lower()}s" for kind in access.GRANTS}
GIVEN = {"ColumnAccess": "on", **{f"{kind}RoleArn": arn for kind, arn in ROLES.items()}}
LAKE = "cliente-data-lake-123456789012-sa-east-1"
FOLDERS = {
    f"arn:aws:s3:::{LAKE}/lake/{folder}"
    for folder in ("clientoutput", "warehouse/db_client_insurance.db/clientoutput")
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


def test_every_column_has_the_tag_of_its_class_and_no_other(deployed: Deployed) -> None:
    (tag,) = of_type(deployed, "Tag")
    assert (tag["TagKey"], tag["TagValues"]) == (access.TAG, [str(one.value) for one in DataClass])
    tagged: dict[str, list[str]] = {}
    for association in of_type(deployed, "TagAssociation"):
        (pair,) = association["LFTags"]
        assert pair["TagKey"] == access.TAG
        place = association["Resource"]["TableWithColumns"]
        assert f"{place['DatabaseName']}.{place['Name']}" == contract.TABLE
        (value,) = pair["TagValues"]
        assert value not in tagged
        tagged[value] = place["ColumnNames"]
    assert tagged == {one.value: list(access.columns_of(one)) for one in DataClass}
    assert sorted(name for names in tagged.values() for name in names) == sorted(
        column.name for column in contract.COLUMNS
    )


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


def test_a_role_that_is_not_given_is_granted_nothing() -> None:
    deployed = Deployed(parameters={"ColumnAccess": "on", "AnalystRoleArn": ROLES["Analyst"]})
    assert {principal for principal, _ in grants(deployed, "SELECT")} == {ROLES["Analyst"]}


def test_the_table_is_registered_and_those_who_commit_to_it_may_go_on(deployed: Deployed) -> None:
    locations = of_type(deployed, "Resource")
    assert {one["ResourceArn"] for one in locations} == FOLDERS
    assert all(one["HybridAccessEnabled"] is True for one in locations)
    given = {"LakeBucket": LAKE, "KeyArn": "arn:aws:kms:sa-east-1:123456789012:key/DataKey"}
    maintenance = Deployed(MAINTENANCE, parameters={**given, "ColumnAccess": "on"})
    assert of_type(Deployed(MAINTENANCE, parameters=given), "PrincipalPermissions") == []
    for stack, role in ((deployed, "SessionRole"), (maintenance, "MaintenanceRole")):
        found = grants(stack, "DATA_LOCATION_ACCESS")
        assert {principal for principal, _ in found} == {stack.arn(role)}
        assert {place["DataLocation"]["ResourceArn"] for _, place in found} == FOLDERS


def test_lake_formation_reads_the_table_and_analysts_no_file_of_it(deployed: Deployed) -> None:
    permissions = Permissions(deployed)
    table = f"{LAKE}/lake/clientoutput/convenio=SUS/x.parquet"
    assert permissions.allows("ColumnAccessRole", "s3:GetObject", table)
    assert not permissions.allows("ColumnAccessRole", "s3:PutObject", table)
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
