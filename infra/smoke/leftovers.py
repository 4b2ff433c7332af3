"""What an account has of a smoke run's, by its prefix."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from infra.deployment import Clients
from infra.settings import Settings
from infra.smoke.names import Names
from infra.stack import Stack

_ABSENT = frozenset(
    {
        "404",
        "EntityNotFoundException",
        "NoSuchBucket",
        "NotFoundException",
        "ResourceNotFoundException",
    }
)

_ENDED = frozenset({"CrawlerNotRunningException", "CrawlerStoppingException"})


def remains(clients: Clients, settings: Settings) -> list[str]:
    """Return what has the prefix of a smoke run, apart from the marker's stack."""
    names = Names(settings.prefix)
    own = (settings.stack, settings.artifacts_stack, settings.maintenance_stack)
    stacks = [Stack(clients("cloudformation"), name) for name in own]
    found = [f"stack {stack.name}" for stack in stacks if stack.exists()]
    found += [f"bucket {name}" for name in buckets(clients("s3"), names)]
    found += [f"log group {name}" for name in log_groups(clients("logs"), names)]
    for name in (settings.database, f"{settings.database}_raw"):
        with absent():
            clients("glue").get_database(Name=name)
            found.append(f"database {name}")
    with absent():
        secret = clients("secretsmanager").describe_secret(SecretId=names.secret)
        if "DeletedDate" not in secret:
            found.append(f"secret {names.secret}")
    return found


def buckets(s3: Any, names: Names) -> list[str]:  # noqa: ANN401 - boto3 makes its clients' classes up
    """Return the names of the chain's buckets in the client's region."""
    found = (str(bucket["Name"]) for bucket in s3.list_buckets()["Buckets"])
    ends = f"-{s3.meta.region_name}"
    return [name for name in found if name.startswith(names.buckets) and name.endswith(ends)]


def log_groups(logs: Any, names: Names) -> list[str]:  # noqa: ANN401 - boto3 makes its clients' classes up
    """Return the names of the chain's log groups."""
    pages = logs.get_paginator("describe_log_groups")
    return [
        str(group["logGroupName"])
        for start in names.log_groups
        for page in pages.paginate(logGroupNamePrefix=start)
        for group in page["logGroups"]
    ]


@contextlib.contextmanager
def absent() -> Iterator[None]:
    """Accept that something isn't there."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in {*_ABSENT, *_ENDED}:
            raise
