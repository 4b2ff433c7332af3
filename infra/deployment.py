"""Deploys and removes the chain, step by step."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra import existing, governance
from infra.artifacts import LOCK, STUDIO, Artifacts, build_artifacts
from infra.changes import NAMED_BY
from infra.errors import RefusedError, SettingsError
from infra.operation import Listener, Stopped, change
from infra.packages import kept_packages
from infra.settings import Settings
from infra.stack import Stack
from infra.studio import Places, studio_copy
from infra.tags import tag_explicitly
from infra.template import Template, deployable, load_template
from infra.uploads import has_objects, is_there, upload, upload_file
from register_contract import access, publications, tables

BUCKET = "AWS::S3::Bucket"
_KEPT = ("Retain", "RetainExceptOnCreate")
_PRINCIPAL = "QuickSightPrincipalArn"
_SHOWN = tuple(table.name for table in tables.WITHOUT_PERSONS)
_TAGGED = (publications.TABLE, *access.TABLES)
Clients = Callable[[str], Any]
__all__ = ["Clients", "Listener", "Stopped", "deploy", "undeploy"]


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
        A parameter is in no template, the deployment failed, or it would lose data.
    Stopped
        The listener did not agree.
    """
    _check_names(settings)
    s3 = clients("s3")
    poll = settings.poll_seconds
    stack = Stack(clients("cloudformation"), settings.stack, poll_seconds=poll)
    database = _look(clients, settings, stack.parameters(), listener)
    by_column = settings.parameters.get("ColumnAccess") == "on"
    missing = _missing(clients("glue"), database, _TAGGED) if by_column else None
    if missing:
        raise RefusedError(
            f"ColumnAccess tags the columns of {database}.{missing}, which does not exist "
            "yet: deploy with ColumnAccess=off, and again with ColumnAccess=on after the next "
            "publication"
        )
    store = Stack(clients("cloudformation"), settings.artifacts_stack, poll_seconds=poll)
    change(store, _load(settings.artifacts_template), settings, listener)
    bucket = store.outputs()["ArtifactsBucketName"]

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
    given = artifacts.parameters(bucket, packages=settings.packages)
    change(stack, template, settings, listener, given=given, upload_to=bucket)
    outputs = stack.outputs()
    tag_explicitly(clients, stack.resources(), settings.tags)
    _publish_copies(s3, bucket, artifacts, outputs, listener, prefix=settings.prefix)
    _deploy_maintenance(clients, settings, stack, listener)
    return {**outputs, **_deploy_quicksight(clients, settings, stack, listener)}


def _check_names(settings: Settings) -> None:
    """Refuse a parameter that no template declares.

    Each stack gets what its template declares, so a misspelled name would otherwise be left out in
    silence.
    """
    if not settings.parameters:
        return
    paths = (
        settings.template,
        settings.artifacts_template,
        settings.maintenance_template,
        settings.quicksight_template,
    )
    declared = {name for path in paths for name in _load(path).get("Parameters", {})}
    for name in settings.parameters:
        if name not in declared:
            similar = difflib.get_close_matches(name, declared, n=1)
            meant = f" Did you mean {similar[0]}?" if similar else ""
            raise SettingsError(
                f"no template has the parameter {name}: see Parameters in "
                f"infra/{settings.template.name}.{meant}"
            )


def _look(clients: Clients, settings: Settings, had: Mapping[str, str], listener: Listener) -> str:
    """Look at what is given and who governs the catalog, and return the table's database."""
    parameters = {**had, **settings.given}
    existing.look(clients, parameters, listener.note)
    database = parameters.get("DatabaseName") or settings.database
    if governance.RESOURCE not in settings.unsupported:
        governance.look(clients, parameters, database, settings.raw_database, listener.note)
    return database


def _deploy_maintenance(
    clients: Clients, settings: Settings, chain: Stack, listener: Listener
) -> None:
    """Create or update the maintenance of the published table, if the table exists."""
    name, outputs = settings.maintenance_stack, chain.outputs()
    database = outputs.get("DatabaseName", settings.database)
    if not _has_table(clients("glue"), database, publications.TABLE):
        listener.note(
            f"{name}: the table {database}.{publications.TABLE} does not exist yet, and its "
            "optimizers need it; run 'make deploy' again after the first publication"
        )
        return
    template = _part_for(settings, _load(settings.maintenance_template), listener)
    stack = Stack(clients("cloudformation"), name, poll_seconds=settings.poll_seconds)
    given = _of_the_chain(chain, database)
    change(stack, template, settings, listener, given=given)


def _deploy_quicksight(
    clients: Clients, settings: Settings, chain: Stack, listener: Listener
) -> dict[str, str]:
    """Create or update the dashboard in QuickSight, or delete it; return its stack's outputs.

    Its stack keeps whom it is for. Without a stack, this must be given; given as empty, it deletes
    the stack.
    """
    name, principal = settings.quicksight_stack, settings.parameters.get(_PRINCIPAL)
    stack = Stack(clients("cloudformation"), name, poll_seconds=settings.poll_seconds)
    if principal == "" and stack.exists():
        _delete(stack, listener)
    if not (principal or stack.exists()):
        return {}
    database = chain.outputs().get("DatabaseName", settings.database)
    missing = _missing(clients("glue"), database, _SHOWN)
    if missing:
        listener.note(
            f"{name}: the table {database}.{missing} does not exist yet, and the dashboard shows "
            "it; run this command again after the next publication"
        )
        return {}
    template = _part_for(settings, _load(settings.quicksight_template), listener)
    given = _of_the_chain(chain, database)
    change(stack, template, settings, listener, given=given)
    return stack.outputs()


def _of_the_chain(chain: Stack, database: str) -> dict[str, str]:
    """Return the parameters of stacks for tables that the chain's runs create."""
    outputs = chain.outputs()
    lake = outputs["Lake"].removeprefix("s3://").partition("/")[0]
    # What they have in common, as the chain has it: it may be from an earlier deployment.
    return {
        **chain.parameters(),
        "LakeBucket": lake,
        "KeyArn": outputs["DataKeyArn"],
        "DatabaseName": database,
    }


def _missing(glue: Any, database: str, names: Sequence[str]) -> str | None:  # noqa: ANN401 - boto3 makes its clients' classes up
    """Return the first of these tables that does not exist."""
    return next((name for name in names if not _has_table(glue, database, name)), None)


def _has_table(glue: Any, database: str, name: str) -> bool:  # noqa: ANN401 - boto3 makes its clients' classes up
    try:
        glue.get_table(DatabaseName=database, Name=name)
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
    """Delete the chain's stack, after the stacks for its tables; resources with data stay.

    Raises
    ------
    RefusedError
        Deleting the stack would delete data.
    Stopped
        The listener did not agree.
    """
    cloudformation, poll = clients("cloudformation"), settings.poll_seconds
    stack = Stack(cloudformation, settings.stack, poll_seconds=poll)
    names = (settings.quicksight_stack, settings.maintenance_stack)
    dependent = [Stack(cloudformation, name, poll_seconds=poll) for name in names]
    dependent = [one for one in dependent if one.exists()]
    if not stack.exists():
        for one in dependent:
            _delete(one, listener)
        if not dependent:
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
    for one in dependent:
        # Deleted first: they use this stack's key for its tables.
        listener.note(f"deleting {one.name}, which keeps no data")
        one.delete()
    listener.note(f"deleting {stack.name}, which takes some minutes")
    stack.delete()
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
    stack.delete()


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
