"""Deploys and removes the chain, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import ClientError

from infra.artifacts import LOCK, STUDIO, Artifacts, build_artifacts
from infra.changes import NAMED_BY, Plan
from infra.errors import RefusedError, StackFailedError
from infra.events import Event
from infra.packages import kept_packages
from infra.settings import Settings
from infra.stack import Stack
from infra.studio import Places, studio_copy
from infra.template import Skipped, Template, deployable, load_template, render
from infra.uploads import has_objects, is_there, upload, upload_file
from register_contract import publications

BUCKET = "AWS::S3::Bucket"
# The limit of CreateChangeSet for a template in the request; a longer one is read from S3.
_BODY_LIMIT = 51_200
_KEPT = ("Retain", "RetainExceptOnCreate")
Clients = Callable[[str], Any]


class Listener(Protocol):
    """Receiver of a deployment's reports and questions."""

    def note(self, text: str) -> None:
        """Report a step."""

    def planned(self, stack: str, plan: Plan) -> None:
        """Report the planned changes."""

    def skipped(self, skipped: tuple[Skipped, ...]) -> None:
        """Report what this place does not support."""

    def event(self, event: Event) -> None:
        """Report an event of CloudFormation."""

    def agrees(self, question: str) -> bool:
        """Return whether to continue."""


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The answer to a question was no; nothing was changed."""


def deploy(
    clients: Clients,
    settings: Settings,
    listener: Listener,
    build: Callable[[], Artifacts] = build_artifacts,
) -> dict[str, str]:
    """Create or update the chain.

    Parameters
    ----------
    clients
        Returns the boto3 client of a service: ``boto3.Session(...).client``.
    settings
        What is deployed, and how.
    listener
        Receives reports and questions.
    build
        Builds what is deployed in addition to the template; several deployments of the same tree
        may share one build.

    Returns
    -------
    dict of str to str
        The stack's outputs.

    Raises
    ------
    DeployError
        The deployment failed, or would lose data.
    Stopped
        The listener did not agree.
    """
    s3 = clients("s3")
    poll = settings.poll_seconds
    tags = settings.parameters.get("ColumnAccess") == "on"
    if tags and not _has_table(clients("glue"), settings.database):
        raise RefusedError(
            f"ColumnAccess tags the columns of {settings.database}.{publications.TABLE}, which "
            "does not exist yet: deploy with ColumnAccess=off, and again with ColumnAccess=on "
            "after the first publication"
        )
    store = Stack(clients("cloudformation"), settings.artifacts_stack, poll_seconds=poll)
    _Operation(settings, listener).apply(store, _load(settings.artifacts_template), {})
    bucket = bucket_of(store)

    listener.note("collecting wheels, Lambda zip, and notebook bundle")
    artifacts = build()
    written = [
        name
        for name, content in artifacts.files.items()
        if upload(s3, bucket, artifacts.key(name), content)
    ]
    listener.note(
        f"version {artifacts.version}: {len(written)} of {len(artifacts.files)} files uploaded, "
        "the others existed"
    )
    if settings.packages:
        _bring_packages(s3, bucket, artifacts, listener)

    template = _part_for(settings, _load(settings.template), listener)
    url = None
    if len(render(template).encode()) > _BODY_LIMIT:
        key = artifacts.key(settings.template.with_suffix(".json").name)
        upload(s3, bucket, key, render(template).encode())
        url = f"{s3.meta.endpoint_url}/{bucket}/{key}"
    stack = Stack(clients("cloudformation"), settings.stack, poll_seconds=poll)
    given = artifacts.parameters(bucket, packages=settings.packages)
    _Operation(settings, listener).apply(stack, template, given, url=url)
    outputs = stack.outputs()
    _publish_copies(s3, bucket, artifacts, outputs, listener, prefix=settings.prefix)
    _deploy_maintenance(clients, settings, outputs, listener)
    return outputs


def _deploy_maintenance(
    clients: Clients, settings: Settings, outputs: Mapping[str, str], listener: Listener
) -> None:
    """Create or update the maintenance of the published table, if the table exists."""
    name = settings.maintenance_stack
    database = outputs.get("DatabaseName", settings.database)
    if not _has_table(clients("glue"), database):
        listener.note(
            f"{name}: the table {database}.{publications.TABLE} does not exist yet, and its "
            "optimizers need it; run 'make deploy' again after the first publication"
        )
        return
    template = _part_for(settings, _load(settings.maintenance_template), listener)
    stack = Stack(clients("cloudformation"), name, poll_seconds=settings.poll_seconds)
    lake = outputs["Lake"].removeprefix("s3://").partition("/")[0]
    given = {"LakeBucket": lake, "KeyArn": outputs["DataKeyArn"], "DatabaseName": database}
    _Operation(settings, listener).apply(stack, template, given)


def _has_table(glue: Any, database: str) -> bool:  # noqa: ANN401 - boto3 makes its clients' classes up
    try:
        glue.get_table(DatabaseName=database, Name=publications.TABLE)
    except ClientError as error:
        if error.response["Error"]["Code"] != "EntityNotFoundException":
            raise
        return False
    return True


def _part_for(settings: Settings, template: Template, listener: Listener) -> Template:
    """Return the template without what this place does not support, and report that."""
    if not settings.unsupported:
        return template
    part = deployable(template, settings.unsupported)
    if part.skipped:
        listener.skipped(part.skipped)
    return part.template


def undeploy(clients: Clients, settings: Settings, listener: Listener) -> None:
    """Delete the chain's stack, after the table's maintenance stack; resources with data stay.

    Raises
    ------
    RefusedError
        Deleting the stack would delete data.
    Stopped
        The listener did not agree.
    """
    cloudformation, poll = clients("cloudformation"), settings.poll_seconds
    stack = Stack(cloudformation, settings.stack, poll_seconds=poll)
    upkeep = Stack(cloudformation, settings.maintenance_stack, poll_seconds=poll)
    if not stack.exists():
        if upkeep.exists():
            _delete(upkeep, listener)
        else:
            listener.note(f"there is no stack {stack.name}: nothing to remove")
        return
    resources = stack.resources()
    declared = load_template(stack.template())["Resources"]
    data = {name: found for name, found in resources.items() if found[0] in NAMED_BY}
    kept = {n: f for n, f in data.items() if declared.get(n, {}).get("DeletionPolicy") in _KEPT}
    s3 = clients("s3")
    lost = [
        f"{name} ({physical})"
        for name, (kind, physical) in data.items()
        if name not in {*kept, *settings.allowed} and _holds_data(clients, kind, physical)
    ]
    if lost:
        raise RefusedError(
            f"deleting the stack {stack.name} would delete data: {', '.join(lost)}. Empty buckets "
            "that are not needed; name what else may be lost with FORCE=<logical names>"
        )
    listener.note(
        f"to be deleted: {len(resources) - len(kept)} resources; to be kept: "
        + (", ".join(f"{name} ({physical})" for name, (_, physical) in kept.items()) or "nothing")
    )
    if not listener.agrees(f"Delete the stack {stack.name}?"):
        raise Stopped
    if upkeep.exists():
        # Deleted first: its optimizers use this stack's key for the table.
        listener.note(f"deleting {upkeep.name}, which keeps no data")
        upkeep.delete(listener.event)
    stack.delete(listener.event)
    for kind, physical in kept.values():
        if kind == BUCKET and has_objects(s3, physical):
            listener.note(
                f"kept with its data: bucket {physical}. To delete it, choose it in the "
                "S3 console, then 'Empty' (which deletes every version), then 'Delete'"
            )
        else:
            listener.note(f"kept: {kind} {physical}")


def _delete(stack: Stack, listener: Listener) -> None:
    if not listener.agrees(f"Delete the stack {stack.name}?"):
        raise Stopped
    stack.delete(listener.event)


@dataclass(frozen=True)
class _Operation:
    """Change of a stack, made after the plan was shown and agreed to."""

    settings: Settings
    listener: Listener

    def apply(
        self,
        stack: Stack,
        template: Template,
        given: Mapping[str, str],
        *,
        url: str | None = None,
    ) -> None:
        """Plan the change, show it, refuse it or ask, and make it."""
        if stack.status() == "ROLLBACK_COMPLETE":
            self.listener.note(f"{stack.name} was never created: deleting what is left of it")
            stack.delete(self.listener.event)
        plan = stack.plan(template, url=url, parameters={**self.settings.given, **given})
        if plan is None:
            self.listener.note(f"{stack.name}: nothing to change")
            return
        self.listener.planned(stack.name, plan)
        losses = plan.losses(self.settings.allowed)
        if losses:
            stack.discard(plan)
            named = ", ".join(f"{change.name} ({change.type})" for change in losses)
            raise RefusedError(
                f"the change would remove or replace resources with data: {named}. Undo it in the "
                f"template; if it is intended, FORCE={','.join(change.name for change in losses)}"
            )
        what = "Create" if plan.creates else "Change"
        if not self.listener.agrees(f"{what} the stack {stack.name}?"):
            stack.discard(plan)
            raise Stopped
        stack.execute(plan, self.listener.event)


def _holds_data(clients: Clients, kind: str, physical: str) -> bool:
    if kind == BUCKET:
        return has_objects(clients("s3"), physical)
    if kind == "AWS::Glue::Database":
        pages = clients("glue").get_paginator("get_tables").paginate(DatabaseName=physical)
        tables = (table for page in pages for table in page["TableList"])
        # Only their entries list their files; a crawler's can be created again.
        return any(t.get("Parameters", {}).get("table_type") == "ICEBERG" for t in tables)
    return True


def _load(path: Path) -> Template:
    return load_template(path.read_text(encoding="utf-8"))


def bucket_of(stack: Stack) -> str:
    """Return the bucket of an artifacts stack."""
    found = [physical for kind, physical in stack.resources().values() if kind == BUCKET]
    if len(found) != 1:
        raise StackFailedError(
            f"the stack {stack.name} has {len(found)} buckets, expected one for artifacts: "
            "see infra/artifacts.yaml"
        )
    return found[0]


def _bring_packages(s3: Any, bucket: str, artifacts: Artifacts, listener: Listener) -> None:  # noqa: ANN401 - boto3 makes its clients' classes up
    if is_there(s3, bucket, artifacts.packages):
        listener.note("the job's packages are already there")
        return
    listener.note(f"packing the job's packages from {LOCK.name} (a minute the first time)")
    archive = kept_packages(LOCK)
    listener.note(f"uploading them, {archive.stat().st_size / 1e6:.0f} MB")
    upload_file(s3, bucket, artifacts.packages, archive)


def _publish_copies(
    s3: Any,  # noqa: ANN401
    bucket: str,
    artifacts: Artifacts,
    outputs: Mapping[str, str],
    listener: Listener,
    *,
    prefix: str,
) -> None:
    wanted = ("SessionRoleArn", "SessionConf", "Lake", "IdKeyArn", "DatabaseName")
    missing = [name for name in wanted if name not in outputs]
    if missing:
        listener.note(f"no copies for Glue Studio: the stack has no output {', '.join(missing)}")
        return
    role, conf, lake, id_key, database = (outputs[name] for name in wanted)
    library = f"s3://{bucket}/{artifacts.key(artifacts.library)}"
    places = Places(role, library, lake, id_key, conf, database, prefix)
    for name, content in artifacts.files.items():
        folder, _, file = name.rpartition("/")
        if folder == "notebooks":
            upload(s3, bucket, artifacts.key(f"{STUDIO}/{file}"), studio_copy(content, places))
    listener.note(f"copies for Glue Studio: s3://{bucket}/{artifacts.key(STUDIO)}/")
