"""Takes to one environment exactly what another one has deployed, by its digest.

Nothing is built. A version's name contains the digest of its files, so they are read from the other
environment's bucket, counted again, and written to this one's under the same name. The template
must be the one that is deployed there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import deployment
from infra.artifacts import LOCK, STUDIO, Artifacts, digest
from infra.errors import RefusedError
from infra.packages import packages_key
from infra.settings import Settings
from infra.stack import Stack
from infra.template import deployable, load_template, without_marks
from infra.uploads import digest_of, file_digest, is_there, upload_file


def promote(
    clients: deployment.Clients,
    source: Settings,
    target: Settings,
    listener: deployment.Listener,
    version: str = "",
) -> dict[str, str]:
    """Deploy to an environment what another one has deployed.

    Parameters
    ----------
    clients
        Returns the boto3 client of a service; both environments are in its account and region.
    source, target
        The environments. The target's parameters are its own.
    listener
        Receives reports and questions.
    version
        The version that is expected in the source; empty for any.

    Returns
    -------
    dict of str to str
        The outputs of the target's stack.

    Raises
    ------
    DeployError
        The source has deployed something else than its names say, or the deployment failed.
    Stopped
        The listener did not agree.
    """
    if source.stack == target.stack:
        raise RefusedError(f"{source.stack} can't be promoted to itself: give FROM and TO")
    origin = Origin.read(clients, source)
    if version and version != origin.version:
        raise RefusedError(
            f"{source.stack} has deployed version {origin.version}, not {version}: deploy "
            f"{version} there first, or promote {origin.version}"
        )
    _check_template(clients, source, target)
    artifacts = origin.artifacts(source.template.with_suffix(".json").name)
    listener.note(f"version {origin.version} of {source.stack}: digest checked, nothing is built")

    def build() -> Artifacts:
        if target.packages:
            store = Stack(clients("cloudformation"), target.artifacts_stack)
            bucket = store.outputs()["ArtifactsBucketName"]
            origin.copy_packages(bucket)
        return artifacts

    return deployment.deploy(clients, target, listener, build)


@dataclass(frozen=True)
class Origin:
    """What an environment has deployed, by the parameters of its stack."""

    s3: Any
    bucket: str
    version: str
    library: str
    packages: str

    @classmethod
    def read(cls, clients: deployment.Clients, source: Settings) -> Origin:
        """Read them; there is nothing to promote without the stack."""
        stack = Stack(clients("cloudformation"), source.stack)
        if not stack.exists():
            raise RefusedError(
                f"there is no stack {source.stack} to promote: check FROM and the region, or run "
                "'make deploy' there"
            )
        given = stack.parameters()
        bucket = given["ArtifactsBucket"]
        first = given["JobPackages"].split(",")[0].removeprefix(f"s3://{bucket}/")
        # Where packages are installed, as on the emulator, the stack names no archive.
        packages = first if first.startswith("packages/") else packages_key(LOCK)
        version, library = given["ArtifactsVersion"], given["LibraryArchive"]
        return cls(clients("s3"), bucket, version, library, packages)

    def artifacts(self, template: str) -> Artifacts:
        """Return the version's files, if they are what its name says.

        Parameters
        ----------
        template
            Name of the template's copy, which isn't one of them.
        """
        files = self._files(template)
        found, wanted = digest(files, self.packages), self.version.rpartition("-")[2]
        if found != wanted:
            raise RefusedError(
                f"the {len(files)} files of {self.version} in {self.bucket} have the digest "
                f"{found}, expected {wanted}: somebody has changed, added, or removed one. Run "
                "'make deploy' there again, from the commit of that version"
            )
        return Artifacts(self.version, files, self.library, self.packages)

    def copy_packages(self, bucket: str) -> None:
        """Copy the archive of the job's packages, unless the bucket has the same one."""
        expected = digest_of(self.s3, self.bucket, self.packages)
        if expected and is_there(self.s3, bucket, self.packages, expected):
            return
        with tempfile.TemporaryDirectory(prefix="promotion-") as name:
            archive = Path(name) / "packages.zip"
            self.s3.download_file(self.bucket, self.packages, str(archive))
            if file_digest(archive) != expected:
                raise RefusedError(
                    f"{self.packages} in {self.bucket} has another digest than when it was "
                    "uploaded, or none: delete it there, and run 'make deploy' there again"
                )
            upload_file(self.s3, bucket, self.packages, archive)

    def _files(self, template: str) -> Mapping[str, bytes]:
        """Return the version's files, without what a deployment adds to them."""
        start = f"{self.version}/"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=start)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        names = [key.removeprefix(start) for key in keys]
        return {
            name: self.s3.get_object(Bucket=self.bucket, Key=f"{start}{name}")["Body"].read()
            for name in names
            if name.partition("/")[0] != STUDIO and name != template
        }


def _check_template(clients: deployment.Clients, source: Settings, target: Settings) -> None:
    """Refuse a template that differs from the one deployed in the source."""
    stack = Stack(clients("cloudformation"), source.stack)
    here = load_template(target.template.read_text(encoding="utf-8"))
    if target.unsupported:
        here = deployable(here, target.unsupported).template
    if without_marks(load_template(stack.template())) != here:
        raise RefusedError(
            f"{target.template.name} differs from the template that {source.stack} has deployed: "
            "check out the commit that was deployed there, or deploy this one there first"
        )
