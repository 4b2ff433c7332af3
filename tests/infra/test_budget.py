"""A budget that tells people, if there is one."""

from __future__ import annotations

from typing import Any

from tests.support.deployed import Deployed

ACCOUNT = "123456789012"
TOPIC = f"arn:aws:sns:sa-east-1:{ACCOUNT}:client-health-alarms"


def budget(**parameters: Any) -> dict[str, Any]:
    ((_, found),) = Deployed(parameters={"MonthlyBudget": 20, **parameters}).of_type(
        "AWS::Budgets::Budget"
    )
    return found


def test_without_an_amount_there_is_none() -> None:
    assert dict(Deployed().of_type("AWS::Budgets::Budget")) == {}


def test_it_counts_what_grows_with_use_in_this_region() -> None:
    found = budget()["Budget"]
    assert found["BudgetLimit"] == {"Amount": 20, "Unit": "USD"}
    # Neither needs a tag that somebody must first activate for billing.
    assert found["CostFilters"] == {
        "Service": ["AWS Glue", "Amazon Athena"],
        "Region": ["sa-east-1"],
    }


def test_two_environments_or_regions_have_two_names() -> None:
    names = {budget(Prefix=prefix)["Budget"]["BudgetName"] for prefix in ("", "dev-")}
    assert names == {"client-health-sa-east-1", "dev-client-health-sa-east-1"}


def test_people_hear_of_a_forecast_in_time_and_when_it_is_spent() -> None:
    said = {}
    for one in budget()["NotificationsWithSubscribers"]:
        assert one["Subscribers"] == [{"SubscriptionType": "SNS", "Address": TOPIC}]
        notification = one["Notification"]
        assert notification["ThresholdType"] == "PERCENTAGE"
        assert notification["ComparisonOperator"] == "GREATER_THAN"
        said[notification["NotificationType"]] = notification["Threshold"]
    assert said == {"FORECASTED": 80, "ACTUAL": 100}


def test_the_service_may_publish_to_the_encrypted_topic_for_this_account_only() -> None:
    one = Deployed()
    topic = one.properties("AlarmTopicPolicy")["PolicyDocument"]["Statement"]
    key = one.properties("DataKey")["KeyPolicy"]["Statement"]
    for statements, actions in (
        (topic, "sns:Publish"),
        (key, ["kms:Decrypt", "kms:GenerateDataKey"]),
    ):
        (found,) = [
            statement
            for statement in statements
            if isinstance(statement["Principal"], dict)
            and statement["Principal"].get("Service") == "budgets.amazonaws.com"
        ]
        assert found["Action"] == actions
        assert found["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
