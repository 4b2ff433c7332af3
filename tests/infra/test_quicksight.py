"""QuickSight shows the page's visuals, with the results of the same queries."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import sqlglot
from tests.support.deployed import ROOT, Deployed
from tests.support.policy import Permissions

from client_health_cli.dashboard.visuals import VISUALS, Kind, Sort, Visual
from client_health_cli.questions import question
from register_contract import contract

READERS = "arn:aws:quicksight:us-east-1:123456789012:group/default/gestores"
LAKE = "cliente-data-lake-123456789012-sa-east-1"
ATHENA = "arn:aws:athena:sa-east-1:123456789012"
DIRECTIONS = {
    ("value", "DESC"): Sort.VALUE_DESCENDING,
    ("category", "ASC"): Sort.CATEGORY_ASCENDING,
}
OF_VISUALS = ("AWS::QuickSight::Analysis", "AWS::QuickSight::Dashboard")


@dataclass(frozen=True)
class Wells:
    """The names of a visual's parts, by kind of visual."""

    kind: Kind
    category: str
    value: str
    sort: str
    category_label: str
    value_label: str


WELLS = {
    "PieChart": Wells(
        Kind.PIE, "Category", "Values", "CategorySort", "CategoryLabelOptions", "ValueLabelOptions"
    ),
    "BarChart": Wells(
        Kind.BAR, "Category", "Values", "CategorySort", "CategoryLabelOptions", "ValueLabelOptions"
    ),
    "TreeMap": Wells(
        Kind.TREEMAP, "Groups", "Sizes", "TreeMapSort", "GroupLabelOptions", "SizeLabelOptions"
    ),
    "LineChart": Wells(
        Kind.LINE,
        "Category",
        "Values",
        "CategorySort",
        "XAxisLabelOptions",
        "PrimaryYAxisLabelOptions",
    ),
}


@pytest.fixture(scope="module")
def shown() -> Deployed:
    return Deployed(parameters={"QuickSightPrincipalArn": READERS})


def definition(shown: Deployed, kind: str) -> dict[str, Any]:
    ((_, properties),) = shown.of_type(kind)
    return dict(properties["Definition"])


def only(items: Mapping[str, Any] | list[Any]) -> Any:
    """Return the only item; from a mapping, as a pair of name and value."""
    (item,) = items.items() if isinstance(items, Mapping) else items
    return item


def visual(found: Mapping[str, Any], queries: Mapping[str, str]) -> Visual:
    """Convert a visual of the template to the form of its declaration.

    Parameters
    ----------
    found
        The visual in the template.
    queries
        Query of each data set, by the name that the definition gives it.
    """
    name, properties = only(found)
    prefix = name.removesuffix("Visual")
    wells, chart = WELLS[prefix], properties["ChartConfiguration"]
    fields = chart["FieldWells"][f"{prefix}AggregatedFieldWells"]
    assert set(fields) == {wells.category, wells.value}
    category = only(only(fields[wells.category]))[1]
    kind, value = only(only(fields[wells.value]))
    assert kind == "NumericalMeasureField"
    # There is one row per class, so the sum is the query's number.
    assert value["AggregationFunction"] == {"SimpleNumericalAggregation": "SUM"}
    assert category["Column"]["DataSetIdentifier"] == value["Column"]["DataSetIdentifier"]
    order = only(chart["SortConfiguration"][wells.sort])["FieldSort"]
    sorted_by = {category["FieldId"]: "category", value["FieldId"]: "value"}[order["FieldId"]]
    for option, field in ((wells.category_label, category), (wells.value_label, value)):
        applies = only(chart[option]["AxisLabelOptions"])["ApplyTo"]
        assert applies == {"FieldId": field["FieldId"], "Column": field["Column"]}
    return Visual(
        name=properties["VisualId"],
        title=properties["Title"]["FormatText"]["PlainText"],
        kind=wells.kind,
        query=queries[value["Column"]["DataSetIdentifier"]],
        category=category["Column"]["ColumnName"],
        value=value["Column"]["ColumnName"],
        value_title=only(chart[wells.value_label]["AxisLabelOptions"])["CustomLabel"],
        sort=DIRECTIONS[sorted_by, order["Direction"]],
    )


def data_sets(shown: Deployed) -> dict[str, dict[str, Any]]:
    """Return the custom SQL of each data set, by its ARN."""
    return {
        shown.arn(name): only(properties["PhysicalTableMap"])[1]["CustomSql"]
        for name, properties in shown.of_type("AWS::QuickSight::DataSet")
    }


# The same visuals


@pytest.mark.parametrize("kind", OF_VISUALS)
def test_it_shows_what_the_page_shows(shown: Deployed, kind: str):
    found = definition(shown, kind)
    queries = {
        declared["Identifier"]: data_sets(shown)[declared["DataSetArn"]]["Name"]
        for declared in found["DataSetIdentifierDeclarations"]
    }
    sheet = only(found["Sheets"])
    assert tuple(visual(one, queries) for one in sheet["Visuals"]) == VISUALS


def test_analysis_and_dashboard_are_the_same(shown: Deployed):
    analysis, dashboard = (definition(shown, kind) for kind in OF_VISUALS)
    assert analysis == dashboard


def test_every_visual_has_a_place_of_its_own(shown: Deployed):
    sheet = only(definition(shown, "AWS::QuickSight::Dashboard")["Sheets"])
    places = only(sheet["Layouts"])["Configuration"]["GridLayout"]["Elements"]
    assert [place["ElementId"] for place in places] == [one.name for one in VISUALS]
    cells = [
        (row, column)
        for place in places
        for row in range(place["RowIndex"], place["RowIndex"] + place["RowSpan"])
        for column in range(place["ColumnIndex"], place["ColumnIndex"] + place["ColumnSpan"])
    ]
    assert len(cells) == len(set(cells))
    assert max(column for _, column in cells) < 36


def test_a_year_is_written_without_a_separator(shown: Deployed):
    text = json.dumps(definition(shown, "AWS::QuickSight::Dashboard")["Sheets"])
    assert text.count('"ThousandsSeparator": {"Visibility": "HIDDEN"}') == 1
    assert text.index("NumericalDimensionField") < text.index("ThousandsSeparator")


# The same results


def test_there_is_one_data_set_for_each_query_that_is_shown(shown: Deployed):
    names = sorted(custom["Name"] for custom in data_sets(shown).values())
    assert names == sorted({one.query for one in VISUALS})


@pytest.mark.parametrize("name", sorted({one.query for one in VISUALS}))
def test_a_data_set_asks_what_the_file_asks(shown: Deployed, name: str):
    custom = next(found for found in data_sets(shown).values() if found["Name"] == name)
    _, _, sql = question(name, ROOT / "queries").sql.partition("\n")
    # QuickSight's connection has no default database, and may put the text on one line.
    qualified, tables = re.subn(r"\bFROM clientoutput\b", f"FROM {contract.TABLE}", sql)
    assert custom["SqlQuery"] == qualified
    assert tables == sql.count("clientoutput") > 0
    assert "--" not in qualified
    columns = sqlglot.parse_one(sql, dialect="athena").named_selects
    assert [column["Name"] for column in custom["Columns"]] == columns


def test_every_category_has_its_columns_type(shown: Deployed):
    types = {
        (custom["Name"], column["Name"]): column["Type"]
        for custom in data_sets(shown).values()
        for column in custom["Columns"]
    }
    fields = {
        "INTEGER": "NumericalDimensionField",
        "STRING": "CategoricalDimensionField",
    }
    sheet = only(definition(shown, "AWS::QuickSight::Dashboard")["Sheets"])
    for declared, found in zip(VISUALS, sheet["Visuals"], strict=True):
        assert types[declared.query, declared.value] == "INTEGER"
        assert fields[types[declared.query, declared.category]] in json.dumps(found)


def test_each_look_asks_the_published_table_and_keeps_no_copy(shown: Deployed):
    modes = [found["ImportMode"] for _, found in shown.of_type("AWS::QuickSight::DataSet")]
    assert modes == ["DIRECT_QUERY"] * len(data_sets(shown))


# Who has access


def test_without_a_principal_nothing_is_made():
    deployed = Deployed(parameters={"QuickSightRoleArn": "arn:aws:iam::123456789012:role/own"})
    assert [name for name in deployed.resources if "QuickSight" in name] == []
    assert "QuickSightUrl" not in deployed.outputs()


def test_the_principal_gets_the_answers_and_not_the_source(shown: Deployed):
    # With the data source, a person could query single rows with its role.
    given = {
        kind: [properties.get("Permissions", ()) for _, properties in shown.of_type(kind)]
        for kind in (*OF_VISUALS, "AWS::QuickSight::DataSet", "AWS::QuickSight::DataSource")
    }
    assert given.pop("AWS::QuickSight::DataSource") == [()]
    for permissions in (one for found in given.values() for one in found):
        assert only(permissions)["Principal"] == READERS
    changing = re.compile(r":(Update|Delete|Create|Cancel)")
    for (permission,) in given["AWS::QuickSight::DataSet"]:
        assert [action for action in permission["Actions"] if changing.search(action)] == []


def test_queries_run_in_the_readers_work_group_with_a_role_of_their_own(shown: Deployed):
    source = shown.properties("QuickSightSource")["DataSourceParameters"]["AthenaParameters"]
    assert source == {"WorkGroup": shown.ref("WorkGroup"), "RoleArn": shown.arn("QuickSightRole")}
    (custom,) = {found["DataSourceArn"] for found in data_sets(shown).values()}
    assert custom == shown.arn("QuickSightSource")


def test_the_role_may_what_readers_may_and_write_large_results(shown: Deployed):
    role = shown.properties("QuickSightRole")
    trusted = only(role["AssumeRolePolicyDocument"]["Statement"])
    assert trusted["Principal"] == {"Service": "quicksight.amazonaws.com"}
    assert role["ManagedPolicyArns"] == [shown.ref("ReaderPolicy")]
    grants = Permissions(shown).grants("QuickSightRole")
    lake = shown.arn("LakeBucket")
    assert [(g.action, g.resource) for g in grants] == [("s3:ListBucketMultipartUploads", lake)]


def test_the_role_reads_the_table_uses_the_key_and_writes_results(shown: Deployed):
    permissions = Permissions(shown)
    for action, resource in (
        ("s3:GetObject", f"{LAKE}/lake/clientoutput/convenio=SUS/x.parquet"),
        ("s3:PutObject", f"{LAKE}/query-results/readers/x.csv"),
        ("kms:Decrypt", shown.arn("DataKey")),
        ("kms:GenerateDataKey", shown.arn("DataKey")),
        # The Athena actions in AWS's own policy for QuickSight.
        ("athena:BatchGetQueryExecution", f"{ATHENA}:workgroup/client_health"),
        ("athena:GetQueryResultsStream", f"{ATHENA}:workgroup/client_health"),
        ("athena:ListQueryExecutions", f"{ATHENA}:workgroup/client_health"),
        ("athena:GetTableMetadata", f"{ATHENA}:datacatalog/AwsDataCatalog"),
        ("athena:ListTableMetadata", f"{ATHENA}:datacatalog/AwsDataCatalog"),
        ("athena:ListWorkGroups", "*"),
        ("athena:ListDataCatalogs", "*"),
        ("athena:ListEngineVersions", "*"),
    ):
        assert permissions.allows("ReaderPolicy", action, resource)


def test_a_role_that_is_given_is_used_and_none_is_made():
    own = "arn:aws:iam::123456789012:role/own"
    given = {"QuickSightPrincipalArn": READERS, "QuickSightRoleArn": own}
    deployed = Deployed(parameters=given)
    source = deployed.properties("QuickSightSource")["DataSourceParameters"]["AthenaParameters"]
    assert source["RoleArn"] == own
    assert "QuickSightRole" not in deployed.resources


@pytest.mark.parametrize(
    ("arn", "taken"),
    [
        ("", True),
        (READERS, True),
        ("arn:aws:quicksight:sa-east-1:123456789012:user/default/ana/ana@example.com", True),
        ("arn:aws:iam::123456789012:role/gestores", False),
        ("gestores", False),
    ],
)
def test_only_a_user_or_group_of_quicksight_is_taken_as_principal(
    shown: Deployed, arn: str, taken: bool
):
    pattern = shown.template["Parameters"]["QuickSightPrincipalArn"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, arn)) is taken


def test_the_link_leads_to_the_dashboard(shown: Deployed):
    ((_, dashboard),) = shown.of_type("AWS::QuickSight::Dashboard")
    url = shown.outputs()["QuickSightUrl"]
    assert url == (
        f"https://sa-east-1.quicksight.aws.amazon.com/sn/dashboards/{dashboard['DashboardId']}"
    )
