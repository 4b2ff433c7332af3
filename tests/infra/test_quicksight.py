"""QuickSight shows the page's visuals, from the tables without persons alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import sqlglot
from tests.support.deployed import QUICKSIGHT, ROOT, Deployed
from tests.support.policy import Permissions

from client_health_cli.dashboard.visuals import VISUALS, Kind, Sort, Visual
from client_health_cli.questions import question
from register_contract import contract, tables

READERS = "arn:aws:quicksight:us-east-1:123456789012:group/default/gestores"
LAKE = "cliente-data-lake-123456789012-sa-east-1"
ATHENA = "arn:aws:athena:sa-east-1:123456789012"
GLUE = "arn:aws:glue:sa-east-1:123456789012"
KEY = "arn:aws:kms:sa-east-1:123456789012:key/0"
GIVEN = {"LakeBucket": LAKE, "KeyArn": KEY, "QuickSightPrincipalArn": READERS}
WITHOUT_PERSONS = {table.name for table in tables.WITHOUT_PERSONS}
DIRECTIONS = {
    ("value", "DESC"): Sort.VALUE_DESCENDING,
    ("category", "ASC"): Sort.CATEGORY_ASCENDING,
}
# The query that a visual shows on the page, by that of QuickSight.
SHOWN = {one.anonymous: one.query for one in VISUALS}
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
    return Deployed(QUICKSIGHT, parameters=GIVEN)


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
        query=SHOWN[queries[value["Column"]["DataSetIdentifier"]]],
        anonymous=queries[value["Column"]["DataSetIdentifier"]],
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
    assert names == sorted(SHOWN)


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_a_data_set_asks_what_the_file_asks(shown: Deployed, name: str):
    custom = next(found for found in data_sets(shown).values() if found["Name"] == name)
    _, _, sql = question(name, ROOT / "queries").sql.partition("\n")
    # QuickSight's connection has no default database, and may put the text on one line.
    qualified = re.sub(r"\bFROM (?=[a-z_]+\b)", f"FROM {contract.DATABASE}.", sql)
    assert custom["SqlQuery"] == qualified
    assert "--" not in qualified
    parsed = sqlglot.parse_one(qualified, dialect="athena")
    read = {(table.db, table.name) for table in parsed.find_all(sqlglot.exp.Table)}
    assert {database for database, _ in read} == {contract.DATABASE}
    assert {table for _, table in read} < WITHOUT_PERSONS
    assert [column["Name"] for column in custom["Columns"]] == parsed.named_selects


@pytest.mark.parametrize("visual", VISUALS, ids=lambda visual: visual.name)
def test_a_visuals_two_queries_have_the_same_columns(visual: Visual):
    files = ROOT / "queries"
    columns = [
        sqlglot.parse_one(question(name, files).sql, dialect="athena").named_selects
        for name in (visual.query, visual.anonymous)
    ]
    assert columns[0] == columns[1]
    assert {visual.category, visual.value} <= set(columns[0])


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
        assert types[declared.anonymous, declared.value] == "INTEGER"
        assert fields[types[declared.anonymous, declared.category]] in json.dumps(found)


def test_each_look_asks_the_tables_and_keeps_no_copy(shown: Deployed):
    modes = [found["ImportMode"] for _, found in shown.of_type("AWS::QuickSight::DataSet")]
    assert modes == ["DIRECT_QUERY"] * len(data_sets(shown))


# Who has access


def test_the_chains_stack_has_nothing_of_it():
    assert "quicksight" not in json.dumps(Deployed().template).lower()


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


def test_queries_run_in_a_work_group_and_with_a_role_of_their_own(shown: Deployed):
    source = shown.properties("QuickSightSource")["DataSourceParameters"]["AthenaParameters"]
    group = shown.ref("QuickSightWorkGroup")
    assert source == {"WorkGroup": group, "RoleArn": shown.arn("QuickSightRole")}
    (custom,) = {found["DataSourceArn"] for found in data_sets(shown).values()}
    assert custom == shown.arn("QuickSightSource")
    settings = shown.properties("QuickSightWorkGroup")["WorkGroupConfiguration"]
    assert settings["EnforceWorkGroupConfiguration"] is True
    results = settings["ResultConfiguration"]
    encrypted = {"EncryptionOption": "SSE_KMS", "KmsKey": KEY}
    assert results["OutputLocation"] == f"s3://{LAKE}/query-results/quicksight/"
    assert results["EncryptionConfiguration"] == encrypted
    chain = Deployed(parameters={"ColumnAccess": "on"})
    of_people = [
        group["WorkGroupConfiguration"]["ResultConfiguration"]["OutputLocation"]
        for _, group in chain.of_type("AWS::Athena::WorkGroup")
    ]
    assert len(of_people) == 3
    assert results["OutputLocation"] not in of_people


def test_the_role_reads_no_table_with_persons(shown: Deployed):
    role = shown.properties("QuickSightRole")
    trusted = only(role["AssumeRolePolicyDocument"]["Statement"])
    assert trusted["Principal"] == {"Service": "quicksight.amazonaws.com"}
    assert "ManagedPolicyArns" not in role
    permissions = Permissions(shown)
    grants = permissions.grants("QuickSightRole")
    files = [grant.resource for grant in grants if grant.action == "s3:GetObject"]
    assert {file.removeprefix(f"arn:aws:s3:::{LAKE}/") for file in files} == {
        "query-results/quicksight/*",
        *(f"lake/warehouse/{contract.DATABASE}.db/{name}/*" for name in WITHOUT_PERSONS),
    }
    entries = [
        grant.resource.rpartition("/")[2]
        for grant in grants
        if grant.action == "glue:GetTable" and ":table/" in grant.resource
    ]
    assert set(entries) == WITHOUT_PERSONS
    for key in (
        "lake/clientoutput/convenio=SUS/x.parquet",
        f"lake/warehouse/{contract.DATABASE}.db/clientoutput/metadata/x",
        "lake/deliveries/x",
        "query-results/readers/x.csv",
    ):
        assert not permissions.allows("QuickSightRole", "s3:GetObject", f"{LAKE}/{key}")


def test_the_role_reads_the_tables_uses_the_key_and_writes_results(shown: Deployed):
    permissions = Permissions(shown)
    group = f"{ATHENA}:workgroup/client_health_quicksight"
    table = f"{GLUE}:table/{contract.DATABASE}/clientoutput_anonima"
    warehouse = f"{LAKE}/lake/warehouse/{contract.DATABASE}.db"
    for action, resource in (
        ("s3:GetObject", f"{warehouse}/clientoutput_anonima/data/x.parquet"),
        ("s3:GetObject", f"{warehouse}/cadastros_anonimos/metadata/x"),
        ("s3:PutObject", f"{LAKE}/query-results/quicksight/x.csv"),
        ("s3:ListBucketMultipartUploads", f"arn:aws:s3:::{LAKE}"),
        ("glue:GetTable", table),
        ("kms:Decrypt", KEY),
        ("kms:GenerateDataKey", KEY),
        # The Athena actions in AWS's own policy for QuickSight.
        ("athena:BatchGetQueryExecution", group),
        ("athena:GetQueryResultsStream", group),
        ("athena:ListQueryExecutions", group),
        ("athena:GetTableMetadata", f"{ATHENA}:datacatalog/AwsDataCatalog"),
        ("athena:ListTableMetadata", f"{ATHENA}:datacatalog/AwsDataCatalog"),
        ("athena:ListWorkGroups", "*"),
        ("athena:ListDataCatalogs", "*"),
        ("athena:ListEngineVersions", "*"),
    ):
        assert permissions.allows("QuickSightRole", action, resource)


def test_a_role_that_is_given_is_used_and_none_is_made():
    own = "arn:aws:iam::123456789012:role/own"
    deployed = Deployed(QUICKSIGHT, parameters={**GIVEN, "QuickSightRoleArn": own})
    source = deployed.properties("QuickSightSource")["DataSourceParameters"]["AthenaParameters"]
    assert source["RoleArn"] == own
    assert "QuickSightRole" not in deployed.resources


@pytest.mark.parametrize(
    ("arn", "taken"),
    [
        ("", False),
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
