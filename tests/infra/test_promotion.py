"""Promotion on the emulator: the same bytes in the next environment, or a refusal."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from infra.deployment import deploy
from infra.emulator import UNSUPPORTED
from infra.errors import RefusedError
from infra.promotion import promote
from infra.settings import Settings
from infra.stack import Stack
from infra.terminal import TerminalListener
from rich.console import Console
from tests.support.built import build_once
from tests.support.quick_sam import quick_sam

from glue_local.emulator import Emulator
from infra import artifacts, packages, promotion

Clients = Callable[[str], Any]


def settings(prefix: str) -> Settings:
    return Settings(prefix=prefix, unsupported=UNSUPPORTED, packages=False, poll_seconds=0.1)


DEV, TEST = settings("dev-"), settings("test-")


@pytest.fixture(scope="module")
def clients(
    emulator_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clients]:
    folder = tmp_path_factory.mktemp("emulator")
    with Emulator(log=folder / "emulator.log") as cloud:
        session: Any = boto3.Session(
            aws_access_key_id=cloud.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=cloud.environment["AWS_SECRET_ACCESS_KEY"],
            region_name="sa-east-1",
        )
        found = functools.cache(functools.partial(session.client, endpoint_url=cloud.endpoint))
        with quick_sam(found):
            deploy(found, DEV, listener(), build=build_once)
            yield found


def listener() -> TerminalListener:
    return TerminalListener(Console(quiet=True), yes=True)


def bucket(clients: Clients, environment: Settings) -> str:
    stack = Stack(clients("cloudformation"), environment.artifacts_stack)
    return stack.outputs()["ArtifactsBucketName"]


def contents(clients: Clients, environment: Settings) -> dict[str, bytes]:
    """Return the files of an environment, without its copies for Glue Studio."""
    s3, name = clients("s3"), bucket(clients, environment)
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=name)["Contents"]]
    return {
        key: s3.get_object(Bucket=name, Key=key)["Body"].read()
        for key in keys
        if "/studio/" not in key
    }


def stacks(clients: Clients) -> set[str]:
    found = clients("cloudformation").describe_stacks()["Stacks"]
    return {one["StackName"] for one in found if one["StackName"].startswith("test-")}


@pytest.fixture
def unpromoted(clients: Clients) -> Iterator[None]:
    """Check that a refusal comes before anything is made."""
    assert not stacks(clients)
    yield
    assert not stacks(clients)


@pytest.mark.usefixtures("unpromoted")
def test_another_version_than_expected_is_refused(clients: Clients) -> None:
    with pytest.raises(RefusedError, match=r"not 0\.0\.0-aaaaaaaaaa"):
        promote(clients, DEV, TEST, listener(), "0.0.0-aaaaaaaaaa")


@pytest.mark.usefixtures("unpromoted")
@pytest.mark.parametrize("what", ["changed", "added", "removed"])
def test_files_that_differ_from_the_versions_digest_are_refused(
    clients: Clients, what: str
) -> None:
    s3, name = clients("s3"), bucket(clients, DEV)
    version = build_once().version
    key = f"{version}/{'extra.zip' if what == 'added' else 'start_job.py'}"
    if what == "removed":
        s3.delete_object(Bucket=name, Key=key)
    else:
        s3.put_object(Bucket=name, Key=key, Body=b"print('not what was tested')")
    try:
        with pytest.raises(RefusedError, match=f"expected {version.rpartition('-')[2]}"):
            promote(clients, DEV, TEST, listener())
    finally:
        s3.delete_object(Bucket=name, Key=key)
        if what != "added":
            s3.put_object(Bucket=name, Key=key, Body=build_once().files["start_job.py"])


@pytest.mark.usefixtures("unpromoted")
def test_another_template_than_the_deployed_one_is_refused(
    clients: Clients, tmp_path: Path
) -> None:
    changed = tmp_path / "template.yaml"
    text = TEST.template.read_text(encoding="utf-8")
    changed.write_text(text.replace("EnableKeyRotation: true", "EnableKeyRotation: false"))
    with pytest.raises(RefusedError, match="check out the commit"):
        promote(clients, DEV, replace(TEST, template=changed), listener())


@pytest.mark.usefixtures("unpromoted")
def test_an_environment_that_is_not_there_or_the_same_is_refused(clients: Clients) -> None:
    with pytest.raises(RefusedError, match="no stack other-client-health"):
        promote(clients, settings("other-"), TEST, listener())
    with pytest.raises(RefusedError, match="itself"):
        promote(clients, DEV, DEV, listener())


def test_the_next_environment_gets_the_same_bytes_and_nothing_is_built(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed = contents(clients, DEV)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("promotion builds nothing")

    monkeypatch.setattr(artifacts, "build", refuse)
    monkeypatch.setattr(packages, "build_packages", refuse)
    outputs = promote(clients, DEV, TEST, listener(), build_once().version)
    assert outputs["DatabaseName"] == "test_db_client_insurance"
    assert contents(clients, TEST) == deployed
    given = Stack(clients("cloudformation"), TEST.stack).parameters()
    assert given["ArtifactsVersion"] == build_once().version
    assert given["ArtifactsBucket"] == bucket(clients, TEST) != bucket(clients, DEV)


def test_the_jobs_packages_are_copied_once_and_only_with_their_digest(
    clients: Clients, tmp_path: Path
) -> None:
    archive = tmp_path / "packages.zip"
    archive.write_bytes(b"packages")
    key, source = build_once().packages, bucket(clients, DEV)
    s3, made = clients("s3"), "packages-of-another"
    s3.create_bucket(Bucket=made, CreateBucketConfiguration={"LocationConstraint": "sa-east-1"})
    promotion.upload_file(s3, source, key, archive)
    origin = promotion.Origin.read(clients, DEV)
    for _ in range(2):
        origin.copy_packages(made)
        assert s3.get_object(Bucket=made, Key=key)["Body"].read() == b"packages"
    metadata = s3.head_object(Bucket=source, Key=key)["Metadata"]
    s3.put_object(Bucket=source, Key=key, Body=b"others", Metadata={**metadata, "sha256": "0" * 64})
    with pytest.raises(RefusedError, match="another digest"):
        origin.copy_packages(made)
    assert s3.get_object(Bucket=made, Key=key)["Body"].read() == b"packages"
