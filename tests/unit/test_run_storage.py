"""A run's files in S3: what S3 leaves of a folder is told. Its answers come from Stubber."""

from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from tests.support.papermill_helpers import Recorder

from register_run import runner, storage
from register_run.delivery import Delivery
from register_run.request import PublishedTable, RunRequest, Stage
from register_run.stage_run import Run

BUCKET, FOLDER = "a-lake", "lake/staging/r1"
URI = f"s3://{BUCKET}/{FOLDER}"


@pytest.fixture
def s3(monkeypatch):
    keys = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}
    client = boto3.client("s3", region_name="sa-east-1", **keys)
    monkeypatch.setattr(storage, "_s3", lambda: client)
    with Stubber(client) as found:
        yield found
        found.assert_no_pending_responses()


def has(s3, count):
    """Let S3 list objects; return their keys."""
    keys = [f"{FOLDER}/part-{number:04}" for number in range(count)]
    one = {"Size": 1, "LastModified": datetime.now(UTC), "ETag": '"e"'}
    s3.add_response("list_objects_v2", {"Contents": [{"Key": key, **one} for key in keys]})
    return keys


def deletes(s3, keys, **left):
    """Let S3 delete objects; it leaves some with an error, by its code."""
    asked = {"Bucket": BUCKET, "Delete": {"Objects": [{"Key": key} for key in keys]}}
    errors = [
        {"Key": key, "Code": code, "Message": "told so"} for code in left for key in left[code]
    ]
    s3.add_response("delete_objects", {"Errors": errors} if errors else {}, asked)


def test_a_folder_is_deleted(s3):
    deletes(s3, has(s3, 2))
    storage.delete_tree(URI)


def test_what_s3_leaves_of_a_folder_is_an_error_after_the_rest_is_deleted(s3):
    keys = has(s3, 1002)
    deletes(s3, keys[:1000], AccessDenied=keys[:1])
    deletes(s3, keys[1000:], AccessDenied=keys[1000:1001])
    with pytest.raises(ClientError, match=r"AccessDenied.*objects left: 2") as told:
        storage.delete_tree(URI)
    assert f"{keys[0]}: told so" in str(told.value)


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
def test_what_s3_can_delete_a_moment_later_is_deleted_then(s3, code):
    keys = has(s3, 3)
    deletes(s3, keys, **{code: keys[1:]})
    deletes(s3, keys[1:])
    storage.delete_tree(URI)


def test_what_s3_never_deletes_is_an_error(s3):
    keys = has(s3, 2)
    deletes(s3, keys, SlowDown=keys)
    deletes(s3, keys, SlowDown=keys[1:])
    with pytest.raises(ClientError, match=r"SlowDown.*objects left: 1"):
        storage.delete_tree(URI)


def test_staging_files_that_are_left_are_told_and_a_forced_run_does_not_start_from_them(s3):
    request = RunRequest(
        {}, f"s3://{BUCKET}/lake", (Stage("01_first", "1"),), "1", "r", PublishedTable("t", "l")
    )
    heard = Recorder()
    run = Run(request, Delivery("d1", "2026-01-01", {}, ()), "r1", request.lake, heard)
    for _ in range(2):
        keys = has(s3, 1)
        deletes(s3, keys, AccessDenied=keys)
    runner._clear(run)
    ((note,),) = heard.of("note")
    assert "the staging files could not be removed" in note
    with pytest.raises(ClientError):
        runner._forget(run)
