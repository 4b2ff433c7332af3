"""The smoke run's own stack: it marks what a smoke run made, and has the roles to act with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.deployment import Clients
from infra.settings import Settings
from infra.template import load_template, render

ROLES = Path(__file__).with_name("roles.yaml")
TAG = {"Key": "made-by", "Value": "client-health-smoke"}


class Marker:
    """The stack ``<prefix>client-health-smoke``.

    Parameters
    ----------
    clients : callable
        Returns the boto3 client of a service.
    settings : Settings
        The chain's.
    """

    def __init__(self, clients: Clients, settings: Settings) -> None:
        self._clients = clients
        self._prefix = settings.prefix
        # CloudFormation's waiters would ask an emulator as rarely as AWS.
        self._wait = {"Delay": max(1, int(settings.poll_seconds)), "MaxAttempts": 600}
        self.name = f"{settings.stack}-smoke"

    def exists(self) -> bool:
        """Whether a smoke run made the stack, and nobody else."""
        found = self._described()
        return bool(found) and TAG in found.get("Tags", [])

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs."""
        return {o["OutputKey"]: o["OutputValue"] for o in self._described().get("Outputs", [])}

    def given(self) -> dict[str, str]:
        """Return the stack's parameters."""
        found = self._described().get("Parameters", [])
        return {p["ParameterKey"]: p["ParameterValue"] for p in found}

    def create(self) -> None:
        """Create the stack, with roles that may do nothing yet."""
        if not self.exists():
            self._change("create", {}, [])

    def complete(self, outputs: Mapping[str, str], reader_policy: str) -> None:
        """Give the roles what the deployed chain gives to readers and notebooks.

        Parameters
        ----------
        outputs
            Those of the chain's stack.
        reader_policy
            ARN of its policy for readers.
        """
        iam = self._clients("iam")
        role = outputs["NotebookRoleArn"].rpartition("/")[2]
        policies = []
        for page in iam.get_paginator("list_role_policies").paginate(RoleName=role):
            for name in page["PolicyNames"]:
                found = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
                document = found if isinstance(found, dict) else json.loads(found)
                policies.append({"PolicyName": name, "PolicyDocument": document})
        given = {"ReaderPolicyArn": reader_policy, "DataKeyArn": outputs["DataKeyArn"]}
        if any(self.given().get(name) != value for name, value in given.items()):
            self._change("update", given, policies)

    def release(self) -> None:
        """Take the chain's policies away again: IAM deletes no policy that a role has."""
        given = self.given()
        if given.get("ReaderPolicyArn"):
            key = given.get("DataKeyArn", "")
            self._change("update", {"ReaderPolicyArn": "", "DataKeyArn": key}, [])

    def delete(self) -> None:
        """Delete the stack."""
        cloudformation = self._clients("cloudformation")
        cloudformation.delete_stack(StackName=self.name)
        waiter = cloudformation.get_waiter("stack_delete_complete")
        waiter.wait(StackName=self.name, WaiterConfig=self._wait)

    def _change(self, kind: str, given: Mapping[str, str], policies: list[Any]) -> None:
        template = load_template(ROLES.read_text(encoding="utf-8"))
        if policies:
            template["Resources"]["NotebookRole"]["Properties"]["Policies"] = policies
        cloudformation = self._clients("cloudformation")
        getattr(cloudformation, f"{kind}_stack")(
            StackName=self.name,
            TemplateBody=render(template),
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in {"Prefix": self._prefix, **given}.items()
            ],
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Tags=[TAG],
        )
        waiter = cloudformation.get_waiter(f"stack_{kind}_complete")
        waiter.wait(StackName=self.name, WaiterConfig=self._wait)

    def _described(self) -> Mapping[str, Any]:
        try:
            found = self._clients("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return {}
            raise
        return found[0] if found else {}
