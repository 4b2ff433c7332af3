"""A stand-in for ``infra.sam.deploy`` in this process, for what only arranges a test.

The SAM CLI takes seconds to start, and these tests would start it dozens of times. What the tests
say about a deployment, they say of the real one. For the same reason, chains share one build of
what they deploy.
"""

from __future__ import annotations

import functools
import hashlib
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError, WaiterError
from infra.deployment import deploy as deploy_all
from infra.sam import CAPABILITIES, SamError
from infra.settings import Settings
from infra.stack import CHANGE_SETS, Stack
from infra.tags import as_list
from infra.template import Template, render
from tests.support.built import build_once

from infra import sam

EVERY = {"Delay": 0.05, "MaxAttempts": 2000}


@contextmanager
def quick_sam(clients: Callable[[str], Any], *, real: Collection[str] = ()) -> Iterator[None]:
    """Replace the SAM CLI for a block of code, except for the stacks named in ``real``."""
    cloudformation = clients("cloudformation")
    sam_cli = sam.deploy

    def deploy(
        stack: Stack,
        template: Template,
        settings: Settings,
        parameters: Mapping[str, str],
        approve: Callable[[str], None],
        *,
        show: Callable[[str], None],
        upload_to: str = "",
    ) -> None:
        if stack.name in real:
            sam_cli(stack, template, settings, parameters, approve, show=show, upload_to=upload_to)
            return
        had = previous(cloudformation, stack.name)
        given = [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()]
        kept = [key for key in template.get("Parameters", {}) if key in had.keys() - parameters]
        given += [{"ParameterKey": key, "UsePreviousValue": True} for key in kept]
        text = render(template)
        source = {"TemplateBody": text}
        if upload_to:
            s3, key = clients("s3"), f"templates/{hashlib.sha256(text.encode()).hexdigest()}"
            s3.put_object(Bucket=upload_to, Key=key, Body=text.encode())
            url = f"{s3.meta.endpoint_url}/{upload_to}/{key}"
            source = {"TemplateURL": url}
        try:
            made = cloudformation.create_change_set(
                StackName=stack.name,
                ChangeSetName=f"{CHANGE_SETS}-{uuid.uuid4().hex}",
                ChangeSetType="UPDATE" if had else "CREATE",
                Parameters=given,
                Capabilities=CAPABILITIES,
                Tags=as_list(settings.tags or stack.tags()),
                **source,
            )["Id"]
            named = {"ChangeSetName": made, "StackName": stack.name}
            cloudformation.get_waiter("change_set_create_complete").wait(
                **named, WaiterConfig=EVERY
            )
        except (ClientError, WaiterError) as error:
            if "didn't contain changes" in str(getattr(error, "last_response", "")):
                return
            raise SamError(str(error)) from error
        approve(made)
        cloudformation.execute_change_set(**named)
        end = f"stack_{'update' if had else 'create'}_complete"
        try:
            cloudformation.get_waiter(end).wait(StackName=stack.name, WaiterConfig=EVERY)
        except WaiterError as error:
            raise SamError(str(error)) from error
        show("done")

    one_build = functools.partial(deploy_all, build=build_once)
    with patch("infra.sam.deploy", deploy), patch("infra.chain.deploy", one_build):
        yield


def previous(cloudformation: Any, stack: str) -> dict[str, str]:
    """Return a stack's parameters and its name; nothing if there is no stack."""
    try:
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError:
        return {}
    if found["StackStatus"] == "REVIEW_IN_PROGRESS":
        return {}
    values = {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])}
    return {"StackName": stack, **values}
