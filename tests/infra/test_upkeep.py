"""Maintenance of the published table on AWS does what the command does, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.deployed import MAINTENANCE, Deployed
from tests.support.policy import Permissions

from register_contract import contract
from register_contract.retention import RETENTION

LAKE = "cliente-data-lake-123456789012-sa-east-1"
KEY = "arn:aws:kms:sa-east-1:123456789012:key/DataKey"
GLUE = "arn:aws:glue:sa-east-1:123456789012"
LOGS = "arn:aws:logs:sa-east-1:123456789012:log-group:/aws-glue"
WAREHOUSE = f"{LAKE}/lake/warehouse/db_client_insurance.db"
GIVEN = {"LakeBucket": LAKE, "KeyArn": KEY}


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    return Deployed(MAINTENANCE, parameters=GIVEN)


@pytest.fixture(scope="module")
def permissions(deployed: Deployed) -> Permissions:
    return Permissions(deployed)


def optimizers(deployed: Deployed) -> dict[str, dict[str, Any]]:
    """Return the configuration of each optimizer, by its type."""
    found = [properties for _, properties in deployed.of_type("AWS::Glue::TableOptimizer")]
    assert len({one["Type"] for one in found}) == len(found)
    return {one["Type"]: one["TableOptimizerConfiguration"] for one in found}


def test_the_limits_are_those_of_the_command(deployed: Deployed):
    found = optimizers(deployed)
    assert found["retention"]["RetentionConfiguration"]["IcebergConfiguration"] == {
        "SnapshotRetentionPeriodInDays": RETENTION.snapshot_days,
        "NumberOfSnapshotsToRetain": RETENTION.snapshots_kept,
        # Otherwise, they would only become orphans.
        "CleanExpiredFiles": True,
    }
    orphans = found["orphan_file_deletion"]["OrphanFileDeletionConfiguration"]
    days = orphans["IcebergConfiguration"]["OrphanFileRetentionPeriodInDays"]
    assert days == RETENTION.orphan_days


def test_the_published_table_alone_is_maintained_and_never_compacted(deployed: Deployed):
    found = [properties for _, properties in deployed.of_type("AWS::Glue::TableOptimizer")]
    assert {f"{one['DatabaseName']}.{one['TableName']}" for one in found} == {contract.TABLE}
    assert {one["CatalogId"] for one in found} == {"123456789012"}
    assert optimizers(deployed).keys() == {"retention", "orphan_file_deletion"}
    assert all(one["Enabled"] is True for one in optimizers(deployed).values())


def test_orphans_are_looked_for_where_the_job_lets_data_be_written(deployed: Deployed):
    job = Deployed().properties("Job")["DefaultArguments"]
    orphans = optimizers(deployed)["orphan_file_deletion"]["OrphanFileDeletionConfiguration"]
    assert orphans["IcebergConfiguration"]["Location"] == f"{job['--OUTPUT_PATH']}/"


def test_without_a_folder_it_is_the_tables_location():
    deployed = Deployed(MAINTENANCE, parameters={**GIVEN, "OrphanFolder": ""})
    orphans = optimizers(deployed)["orphan_file_deletion"]["OrphanFileDeletionConfiguration"]
    assert orphans["IcebergConfiguration"].keys() == {"OrphanFileRetentionPeriodInDays"}


def test_glue_takes_the_role(deployed: Deployed):
    (statement,) = deployed.properties("MaintenanceRole")["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "glue.amazonaws.com"}
    roles = {one["RoleArn"] for one in optimizers(deployed).values()}
    assert roles == {deployed.arn("MaintenanceRole")}


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:ListBucket", LAKE),
        *(
            (f"s3:{action}Object", f"{folder}/x")
            for action in ("Get", "Put", "Delete")
            for folder in (f"{LAKE}/lake/clientoutput", f"{WAREHOUSE}/clientoutput/metadata")
        ),
        ("glue:GetTable", f"{GLUE}:table/db_client_insurance/clientoutput"),
        ("glue:UpdateTable", f"{GLUE}:table/db_client_insurance/clientoutput"),
        ("kms:Decrypt", KEY),
        ("kms:GenerateDataKey", KEY),
        ("logs:PutLogEvents", f"{LOGS}/iceberg-retention/logs:log-stream:x"),
        ("logs:PutLogEvents", f"{LOGS}/iceberg-orphan-file-deletion/logs:log-stream:x"),
    ],
)
def test_the_role_may_maintain_the_table(permissions: Permissions, action: str, resource: str):
    assert permissions.allows("MaintenanceRole", action, resource)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        # Nothing may delete the record of publications.
        ("s3:DeleteObject", f"{WAREHOUSE}/publications/metadata/x"),
        ("glue:UpdateTable", f"{GLUE}:table/db_client_insurance/publications"),
        ("glue:DeleteTable", f"{GLUE}:table/db_client_insurance/clientoutput"),
        *(
            (f"s3:{action}Object", f"{LAKE}/lake/{zone}/x")
            for action in ("Get", "Put", "Delete")
            for zone in ("staging", "deliveries", "runs", "claims")
        ),
        ("s3:DeleteObject", f"{LAKE}/query-results/readers/x"),
        ("glue:GetTable", f"{GLUE}:table/db_client_insurance_raw/deliveries_csv"),
        ("kms:Decrypt", "arn:aws:kms:sa-east-1:123456789012:key/another"),
        ("logs:PutLogEvents", f"{LOGS}/sessions/output:log-stream:x"),
    ],
)
def test_the_role_may_touch_nothing_else(permissions: Permissions, action: str, resource: str):
    assert not permissions.allows("MaintenanceRole", action, resource)
