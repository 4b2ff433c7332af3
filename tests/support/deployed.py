"""A template as deployed, with parameters and names filled in, without calling AWS."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.template import load_template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "infra" / "template.yaml"
ARTIFACTS = ROOT / "infra" / "artifacts.yaml"
MAINTENANCE = ROOT / "infra" / "maintenance.yaml"
DEPLOY_ROLE = ROOT / "infra" / "deploy-role.yaml"
QUICKSIGHT = ROOT / "infra" / "quicksight.yaml"
_ABSENT = object()
_IN_TEXT = re.compile(r"\$\{([^}!]+)\}")
# The property with a resource's name, and the ARN; ``{name}`` is that name.
_NAMED = {
    "AWS::Athena::WorkGroup": ("Name", "athena:{at}:workgroup/{name}"),
    "AWS::CloudWatch::Alarm": ("AlarmName", "cloudwatch:{at}:alarm:{name}"),
    "AWS::CloudWatch::Dashboard": ("DashboardName", "cloudwatch::{account}:dashboard/{name}"),
    "AWS::Events::Rule": ("Name", "events:{at}:rule/{name}"),
    "AWS::Glue::Crawler": ("Name", "glue:{at}:crawler/{name}"),
    "AWS::Glue::Job": ("Name", "glue:{at}:job/{name}"),
    "AWS::Glue::SecurityConfiguration": ("Name", ""),
    "AWS::IAM::Role": ("RoleName", "iam::{account}:role/{name}"),
    "AWS::IAM::ManagedPolicy": ("ManagedPolicyName", "iam::{account}:policy/{name}"),
    "AWS::Lambda::Function": ("FunctionName", "lambda:{at}:function:{name}"),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs:{at}:log-group:{name}:*"),
    "AWS::QuickSight::DataSet": ("DataSetId", "quicksight:{at}:dataset/{name}"),
    "AWS::QuickSight::DataSource": ("DataSourceId", "quicksight:{at}:datasource/{name}"),
    "AWS::S3::Bucket": ("BucketName", "s3:::{name}"),
    "AWS::SNS::Topic": ("TopicName", "sns:{at}:{name}"),
    "AWS::SQS::Queue": ("QueueName", "sqs:{at}:{name}"),
    "AWS::SecretsManager::Secret": ("Name", "secretsmanager:{at}:secret:{name}-AbCdEf"),
}
_REF_IS_ARN = {"AWS::IAM::ManagedPolicy", "AWS::SNS::Topic", "AWS::SecretsManager::Secret"}


class Deployed:
    """A template in which every reference and function is replaced by its value.

    Parameters
    ----------
    path : Path
        The template.
    account, region : str
        Where it would be deployed.
    parameters : mapping of str to str
        Parameters to set; the others keep their defaults.
    """

    def __init__(
        self,
        path: Path = TEMPLATE,
        *,
        account: str = "123456789012",
        region: str = "sa-east-1",
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.template = load_template(path.read_text(encoding="utf-8"))
        self._where = {"account": account, "at": f"{region}:{account}"}
        declared = self.template.get("Parameters", {})
        self.parameters: dict[str, Any] = {
            **{name: p["Default"] for name, p in declared.items() if "Default" in p},
            **(parameters or {}),
        }
        self._pseudo = {
            "AWS::AccountId": account,
            "AWS::Partition": "aws",
            "AWS::Region": region,
            "AWS::StackName": "client-health",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::NoValue": _ABSENT,
        }
        self.resources: dict[str, Any] = {
            name: self._value(resource)
            for name, resource in self.template["Resources"].items()
            if self._is_made(resource)
        }

    def properties(self, name: str) -> dict[str, Any]:
        """Return a resource's properties."""
        return dict(self.resources[name].get("Properties", {}))

    def of_type(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return logical name and properties of each resource of a type."""
        for name, resource in self.resources.items():
            if resource["Type"] == kind:
                yield name, self.properties(name)

    def outputs(self) -> dict[str, Any]:
        """Return the value of each output."""
        declared = self.template["Outputs"].items()
        return {name: self._value(o["Value"]) for name, o in declared if self._is_made(o)}

    def ref(self, name: str) -> Any:
        """Return the value of ``!Ref``."""
        for values in (self._pseudo, self.parameters):
            if name in values:
                return values[name]
        kind = self.template["Resources"][name]["Type"]
        return self.arn(name) if kind in _REF_IS_ARN else self._name(name)

    def arn(self, name: str) -> str:
        """Return a resource's ARN."""
        kind = self.template["Resources"][name]["Type"]
        if kind == "AWS::KMS::Key":
            return f"arn:aws:kms:{self._where['at']}:key/{name}"
        return f"arn:aws:{_NAMED[kind][1].format(name=self._name(name), **self._where)}"

    def _name(self, name: str) -> str:
        resource = self.template["Resources"][name]
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Glue::Database":
            return str(self._value(properties["DatabaseInput"]["Name"]))
        if resource["Type"] == "AWS::Glue::Classifier":
            return str(self._value(properties["CsvClassifier"]["Name"]))
        if resource["Type"] not in _NAMED:
            return name
        return str(self._value(properties[_NAMED[resource["Type"]][0]]))

    def _is_made(self, declared: Mapping[str, Any]) -> bool:
        return "Condition" not in declared or self._holds(declared["Condition"])

    def _holds(self, condition: str) -> bool:
        return bool(self._value(self.template["Conditions"][condition]))

    def _decided(self, side: Any) -> bool:
        named = isinstance(side, dict) and side.keys() == {"Condition"}
        return self._holds(side["Condition"]) if named else bool(self._value(side))

    def _value(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for value in map(self._value, node) if value is not _ABSENT]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            function, argument = next(iter(node.items()))
            if function == "Ref":
                return self.ref(argument)
            if function.startswith("Fn::"):
                return self._call(function, argument)
        values = {key: self._value(value) for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not _ABSENT}

    def _call(self, function: str, argument: Any) -> Any:
        if function == "Fn::GetAtt":
            name, attribute = argument
            return self.arn(name) if attribute in {"Arn", "Id"} else self._name(name)
        if function == "Fn::Sub":
            return self._substituted(argument)
        if function == "Fn::If":
            condition, yes, no = argument
            return self._value(yes if self._holds(condition) else no)
        if function == "Fn::Equals":
            return len({str(self._value(side)) for side in argument}) == 1
        if function == "Fn::Not":
            return not self._decided(argument[0])
        if function == "Fn::And":
            return all(map(self._decided, argument))
        if function == "Fn::Split":
            delimiter, text = argument
            return str(self._value(text)).split(delimiter)
        if function == "Fn::Join":
            delimiter, parts = argument
            return delimiter.join(self._value(parts))
        raise NotImplementedError(function)

    def _substituted(self, argument: Any) -> str:
        text, given = argument if isinstance(argument, list) else (argument, {})
        values = {key: self._value(value) for key, value in given.items()}

        def one(found: re.Match[str]) -> str:
            name, _, attribute = found[1].partition(".")
            if attribute:
                return str(self._call("Fn::GetAtt", [name, attribute]))
            return str(values[name] if name in values else self.ref(name))

        return _IN_TEXT.sub(one, text)
