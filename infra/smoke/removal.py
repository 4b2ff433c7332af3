"""Removes everything that this or an earlier smoke run made, and says what remains."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from infra.deployment import undeploy
from infra.errors import DeployError
from infra.smoke import leftovers
from infra.smoke.leftovers import absent
from infra.smoke.trial import TooLateError, Trial
from infra.smoke.watching import SESSION_LOGS
from infra.stack import Stack

_KEY_DAYS = 7  # the least that KMS takes
_PATIENCE = 600.0
_LIVE = ("PROVISIONING", "READY", "STOPPING")
_ACTIVE = ("STARTING", "RUNNING", "STOPPING")


@dataclass
class Removal:
    """Removes what has the prefix; each step works if an earlier run has already done a part.

    Parameters
    ----------
    trial : Trial
        The smoke run.
    """

    trial: Trial
    _key: str = ""

    def remove(self) -> list[str]:
        """Remove everything.

        Returns
        -------
        list of str
            What remains, or could not be removed, and why; empty if nothing does.
        """
        marker = self.trial.marker
        if not marker.exists():
            return []
        left: list[str] = []
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            # First: once its stack is deleted, no name leads to the key.
            ("look up the key", self._find_key),
            ("stop job runs and sessions", self._quiet),
            ("take the roles' policies away", marker.release),
            ("delete the chain's stacks", self._undeploy),
            ("delete the artifacts' stack", self._delete_artifacts),
            ("delete log streams of sessions", self._forget_sessions),
            ("delete log groups", self._delete_log_groups),
            ("delete the databases", self._drop_databases),
            ("delete the secret", self._delete_secret),
            ("delete the buckets", self._delete_buckets),
            ("schedule the key's deletion", self._delete_key),
        )
        for what, step in steps:
            self.trial.note(f"  {what}")
            try:
                step()
            except (DeployError, TooLateError, ClientError, BotoCoreError, WaiterError) as error:
                left.append(f"{what}: {error}")
        left += [f"{what} is still there" for what in self.remains()]
        if not left:
            # Only now: with the marker, another run can remove what this one could not.
            marker.delete()
        return left

    def remains(self) -> list[str]:
        """Return what still has the prefix, apart from the marker's stack."""
        return leftovers.remains(self.trial.chain.client, self.trial.chain.settings)

    def _client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes up
        return self.trial.chain.client(service)

    def _find_key(self) -> None:
        stack = Stack(self._client("cloudformation"), self.trial.chain.settings.stack)
        found = stack.resources() if stack.exists() else {}
        of_stack = found.get("DataKey", ("", ""))[1]
        self._key = self.trial.marker.given().get("DataKeyArn") or of_stack

    def _quiet(self) -> None:
        """Stop what works; without its rules, the function starts nothing again."""
        events, glue = self._client("events"), self._client("glue")
        for rule in self.trial.names.rules:
            with absent():
                events.disable_rule(Name=rule)
        with absent():
            glue.stop_crawler(Name=self.trial.names.crawler)
        job = self.trial.names.job
        with absent():
            runs = glue.get_job_runs(JobName=job)["JobRuns"]
            active = [run["Id"] for run in runs if run["JobRunState"] in _ACTIVE]
            if active:
                glue.batch_stop_job_run(JobName=job, JobRunIds=active)
        for session in self._sessions():
            with contextlib.suppress(ClientError):
                glue.stop_session(Id=session)
        ended = "the end of job runs, sessions, and crawler"
        self.trial.until(ended, lambda: not self._busy(), _PATIENCE)
        for session in self._sessions(live=False):
            self.trial.sessions.add(session)
            glue.delete_session(Id=session)

    def _busy(self) -> bool:
        glue = self._client("glue")
        with absent():
            crawler = glue.get_crawler(Name=self.trial.names.crawler)["Crawler"]
            if crawler["State"] != "READY":
                return True
        with absent():
            runs = glue.get_job_runs(JobName=self.trial.names.job)["JobRuns"]
            if any(run["JobRunState"] in _ACTIVE for run in runs):
                return True
        return bool(self._sessions())

    def _sessions(self, *, live: bool = True) -> list[str]:
        """Return sessions with the prefix; other sessions of the account are none of ours."""
        found, ask = [], {"MaxResults": 100}
        while ask:
            page = self._client("glue").list_sessions(**ask)
            found += page["Sessions"]
            ask = {**ask, "NextToken": page["NextToken"]} if page.get("NextToken") else {}
        own = self.trial.names.own
        return [
            str(one["Id"])
            for one in found
            if one["Id"].startswith(own) and (not live or one["Status"] in _LIVE)
        ]

    def _undeploy(self) -> None:
        undeploy(self._client, self.trial.chain.settings, self.trial.listener)

    def _forget_sessions(self) -> None:
        """Delete the sessions' log streams; the groups are the account's."""
        logs = self._client("logs")
        for group in SESSION_LOGS:
            for session in sorted(self.trial.sessions):
                with absent():
                    found = logs.describe_log_streams(
                        logGroupName=group, logStreamNamePrefix=session
                    )
                    for stream in found["logStreams"]:
                        logs.delete_log_stream(
                            logGroupName=group, logStreamName=stream["logStreamName"]
                        )

    def _delete_log_groups(self) -> None:
        """Delete groups that a late line has created again."""
        for name in leftovers.log_groups(self._client("logs"), self.trial.names):
            with absent():
                self._client("logs").delete_log_group(logGroupName=name)

    def _drop_databases(self) -> None:
        database = self.trial.chain.settings.database
        for name in (database, f"{database}_raw"):
            with absent():
                self._client("glue").delete_database(Name=name)

    def _delete_secret(self) -> None:
        with absent():
            self._client("secretsmanager").delete_secret(
                SecretId=self.trial.names.secret, ForceDeleteWithoutRecovery=True
            )

    def _delete_key(self) -> None:
        kms = self._client("kms")
        with absent():
            if self._key and not _is_ending(kms, self._key):
                kms.schedule_key_deletion(KeyId=self._key, PendingWindowInDays=_KEY_DAYS)

    def _delete_artifacts(self) -> None:
        cloudformation = self._client("cloudformation")
        name = self.trial.chain.settings.artifacts_stack
        cloudformation.delete_stack(StackName=name)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=name, WaiterConfig={"Delay": 2, "MaxAttempts": 150}
        )

    def _delete_buckets(self) -> None:
        """Delete each bucket with all versions; what fails keeps no other from its turn."""
        s3, failed = self._client("s3"), []
        found = leftovers.buckets(s3, self.trial.names)
        # Access logs of the other buckets are written for hours: theirs comes last.
        for name in sorted(found, key=lambda name: ("-logs-" in name, name)):
            try:
                _delete_bucket(s3, name)
            except (DeployError, ClientError) as error:
                failed.append(f"bucket {name}: {error}")
        if failed:
            raise DeployError("; ".join(failed))


def _delete_bucket(s3: Any, name: str) -> None:  # noqa: ANN401 - boto3 makes its clients' classes up
    deadline = time.monotonic() + _PATIENCE
    while True:
        _empty(s3, name)
        try:
            with absent():
                s3.delete_bucket(Bucket=name)
        except ClientError as error:
            late = time.monotonic() > deadline
            if late or error.response["Error"]["Code"] != "BucketNotEmpty":
                raise
        else:
            return


def _empty(s3: Any, bucket: str) -> None:  # noqa: ANN401 - boto3 makes its clients' classes up
    """Delete every version of every object, and the parts of broken uploads."""
    with absent():
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            doomed = [
                {"Key": item["Key"], "VersionId": item["VersionId"]}
                for item in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            ]
            if doomed:
                answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
                if answer.get("Errors"):
                    raise DeployError(
                        f"{bucket} can't be emptied: {answer['Errors'][0].get('Message', '')}"
                    )
        for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
            for part in page.get("Uploads", ()):
                s3.abort_multipart_upload(Bucket=bucket, Key=part["Key"], UploadId=part["UploadId"])


def _is_ending(kms: Any, key: str) -> bool:  # noqa: ANN401 - boto3 makes its clients' classes up
    state: str = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    return state == "PendingDeletion"
