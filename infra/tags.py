"""Tags of a deployment, which say whose costs they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from infra.errors import SettingsError

# As in the template, whose parameter SessionTags separates tags by commas.
_NAME = re.compile(r"\A(?!aws:)[A-Za-z0-9 _.:/+@-]{1,128}\Z")
_VALUE = re.compile(r"\A[A-Za-z0-9 _.:/=+@-]{0,256}\Z")
# A session may have 50, and the job adds three; CloudFormation takes 50 for a stack.
_MOST = 40
# AWS's page on stack-level tags says only that propagation varies by resource type. It is known to
# be missing for crawlers; what jobs and queries cost is told apart by tags, too.
_EXPLICIT = {
    "AWS::Athena::WorkGroup": ("athena", "workgroup"),
    "AWS::Glue::Crawler": ("glue", "crawler"),
    "AWS::Glue::Job": ("glue", "job"),
}


def read_tags(texts: Iterable[str]) -> dict[str, str]:
    """Return the tags in ``Name=value`` texts.

    Raises
    ------
    SettingsError
        A text is no tag, or has characters that not every service of AWS takes.
    """
    tags: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or name in tags or not _NAME.match(name) or not _VALUE.match(value):
            raise SettingsError(
                f"{text!r} is not a tag: write Name=value, each name once, with letters, digits, "
                "spaces, and _ . : / + @ - only, and no aws: at the start"
            )
        tags[name] = value
    if len(tags) > _MOST:
        raise SettingsError(f"{len(tags)} tags are given, expected at most {_MOST}: leave some out")
    return tags


def as_parameter(tags: Mapping[str, str]) -> str:
    """Return tags as the template's parameter ``SessionTags`` has them."""
    return ",".join(f"{name}={value}" for name, value in tags.items())


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as most of AWS's APIs take them."""
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def tag_explicitly(
    clients: Callable[[str], Any],
    resources: Mapping[str, tuple[str, str]],
    tags: Mapping[str, str],
) -> None:
    """Tag what a stack has, and may not have got its tags.

    Parameters
    ----------
    clients
        Returns the boto3 client of a service.
    resources
        Type and physical name of each resource of the stack.
    tags
        The stack's tags; nothing is done without any.
    """
    named = [(*_EXPLICIT[kind], name) for kind, name in resources.values() if kind in _EXPLICIT]
    if not tags or not named:
        return
    account = clients("sts").get_caller_identity()["Account"]
    for service, kind, name in named:
        client = clients(service)
        place = f"{client.meta.partition}:{service}:{client.meta.region_name}:{account}"
        arn = f"arn:{place}:{kind}/{name}"
        if service == "athena":
            client.tag_resource(ResourceARN=arn, Tags=as_list(tags))
        else:
            client.tag_resource(ResourceArn=arn, TagsToAdd=dict(tags))
