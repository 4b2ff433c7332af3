"""What a run of a delivery in S3 reads, and what it leaves for the reconciler."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

import job_client_health
from register_run import storage
from register_run.claim import Claim, Outcome
from register_run.delivery import Delivery, delivery_id, find_sources
from register_run.errors import InputError

FILES = {"a.parquet": b"PAR1", "b.csv": b"x|y\n", "c c+ç.json": b"{}\n"}


@pytest.fixture
def buckets(emulator, monkeypatch):
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    s3 = emulator.client("s3")
    name = f"claim-{uuid.uuid4().hex[:12]}"
    for bucket in (f"{name}-raw", f"{name}-lake"):
        s3.create_bucket(Bucket=bucket)
    return s3, f"{name}-raw", f"{name}-lake"


@pytest.fixture
def versioned(buckets):
    s3, raw, lake = buckets
    s3.put_bucket_versioning(Bucket=raw, VersioningConfiguration={"Status": "Enabled"})
    for name, content in FILES.items():
        s3.put_object(Bucket=raw, Key=f"upload/{name}", Body=content)
    return s3, raw, f"s3://{lake}/lake"


def read(raw):
    return Delivery.read(find_sources(f"s3://{raw}/upload"))


def claim_of(delivery, lake):
    objects = [
        {
            "source": item.source,
            "bucket": storage.s3_parts(item.name)[0],
            "key": storage.s3_parts(item.name)[1],
            "version_id": item.version,
            "size": item.size,
            "etag": "",
            "modified": item.modified.isoformat(),
        }
        for item in delivery.objects
    ]
    uri = f"{lake}/claims/-/{delivery.delivery_id}.json"
    content = {"delivery_id": delivery.delivery_id, "as_of": delivery.as_of, "objects": objects}
    storage.write_text(uri, json.dumps(content))
    return uri


def test_the_same_content_uploaded_again_is_another_delivery(versioned):
    s3, raw, _ = versioned
    before = read(raw)
    assert read(raw) == before
    s3.put_object(Bucket=raw, Key="upload/b.csv", Body=FILES["b.csv"])
    assert read(raw).delivery_id != before.delivery_id


def test_without_versions_the_content_names_the_delivery(buckets):
    s3, raw, _ = buckets
    for name, content in FILES.items():
        s3.put_object(Bucket=raw, Key=f"upload/{name}", Body=content)
    before = read(raw)
    s3.put_object(Bucket=raw, Key="upload/b.csv", Body=FILES["b.csv"])
    assert read(raw).delivery_id == before.delivery_id
    s3.put_object(Bucket=raw, Key="upload/b.csv", Body=b"x|z\n")
    assert read(raw).delivery_id != before.delivery_id


def test_copies_are_of_the_versions_that_were_there_whatever_is_uploaded_later(versioned):
    s3, raw, lake = versioned
    delivery = read(raw)
    for name in FILES:
        s3.put_object(Bucket=raw, Key=f"upload/{name}", Body=b"tomorrow's")
    kept = delivery.kept_in(lake)
    assert (kept.delivery_id, kept.as_of, kept.objects) == (
        delivery.delivery_id,
        delivery.as_of,
        delivery.objects,
    )
    for place in kept.sources.values():
        name = place.rsplit("/", 1)[-1]
        assert storage.read_bytes(place) == FILES[name]
        assert f"/delivery_id={delivery.delivery_id}/" in place


def test_copies_that_an_earlier_start_made_need_no_source_any_more(versioned):
    s3, raw, lake = versioned
    delivery = read(raw)
    first = delivery.kept_in(lake)
    for item in delivery.objects:
        key = storage.s3_parts(item.name)[1]
        s3.delete_object(Bucket=raw, Key=key, VersionId=item.version)
    assert delivery.kept_in(lake) == first


def test_a_version_that_is_gone_is_named(versioned):
    s3, raw, lake = versioned
    delivery = read(raw)
    s3.put_object(Bucket=raw, Key="upload/b.csv", Body=b"new")
    (gone,) = (item for item in delivery.objects if item.source == "csv")
    s3.delete_object(Bucket=raw, Key="upload/b.csv", VersionId=gone.version)
    with pytest.raises(InputError, match="source csv is gone: version"):
        delivery.kept_in(lake)


def test_a_folder_of_parts_is_copied_as_a_folder(versioned):
    s3, raw, lake = versioned
    s3.delete_object(Bucket=raw, Key="upload/b.csv")
    for part in ("p1", "sub/p2"):
        s3.put_object(Bucket=raw, Key=f"upload/csv/{part}", Body=part.encode())
    kept = read(raw).kept_in(lake)
    assert [file.name for file in storage.list_files(kept.sources["csv"])] == ["p1", "sub/p2"]


def test_a_claim_gives_the_delivery_that_a_look_at_the_bucket_gives(versioned):
    _, raw, lake = versioned
    delivery = read(raw)
    claim = Claim.read(claim_of(delivery, lake))
    assert claim.delivery.delivery_id == delivery.delivery_id == delivery_id(delivery.objects)
    assert claim.delivery.as_of == delivery.as_of
    assert dict(claim.delivery.sources) == dict(delivery.sources)
    request = job_client_health.request_from_arguments(
        ["--CLAIM", claim.uri, "--RAW", "s3://elsewhere/upload", "--LAKE", lake]
    )
    assert request.delivery == claim.delivery


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda claim: claim.update(delivery_id="d0123456789abcdef"), "its objects are delivery d"),
        (
            lambda claim: claim["objects"][0].update(version_id="other"),
            "its objects are delivery d",
        ),
        (lambda claim: claim.pop("objects"), "cannot be read"),
    ],
)
def test_a_claim_that_is_none_is_refused_by_name(versioned, change, told):
    s3, raw, lake = versioned
    uri = claim_of(read(raw), lake)
    content = json.loads(storage.read_bytes(uri))
    change(content)
    storage.write_text(uri, json.dumps(content))
    with pytest.raises(InputError, match=told):
        Claim.read(uri)
    bucket, key = storage.s3_parts(uri)
    s3.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(InputError, match="there is none"):
        Claim.read(uri)


def test_the_outcome_stands_beside_the_claim(versioned):
    _, raw, lake = versioned
    uri = claim_of(read(raw), lake)
    Outcome(3, "stopped", "r1", "jr_1", "a gate").leave(uri)
    found = json.loads(storage.read_bytes(uri.replace(".json", ".outcome.json")))
    assert found == {
        "exit_code": 3,
        "status": "stopped",
        "run_id": "r1",
        "job_run_id": "jr_1",
        "message": "a gate",
    }


def test_a_job_that_cannot_begin_leaves_its_outcome_and_a_line_of_metrics(
    versioned, capsys, monkeypatch, caplog
):
    _, raw, lake = versioned
    # The job sets this variable to identify itself to AWS; it must not reach later tests.
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", job_client_health.JOB)
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", "http://127.0.0.1:1")
    claim = claim_of(read(raw), lake)
    arguments = ["--CLAIM", claim, "--LAKE", lake, "--RUN_ID", "no good name"]
    assert job_client_health.main(arguments) == 2
    outcome = json.loads(storage.read_bytes(claim.replace(".json", ".outcome.json")))
    assert (outcome["exit_code"], outcome["status"]) == (2, "stopped")
    assert "isn't a run id" in outcome["message"]
    # No Glue endpoint answers: what can't be looked up stays empty, and nothing else is affected.
    assert outcome["job_run_id"] == ""
    assert "the id of this job run was not found (" in caplog.text
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["RunFailed"], line["GateStopped"], line["ExitCode"]) == (1, 0, 2)
    (described,) = line["_aws"]["CloudWatchMetrics"]
    assert described["Namespace"] == "ClientHealth"
    assert described["Dimensions"] == [["Job"]]
    assert {metric["Name"] for metric in described["Metrics"]} <= set(line)
    now = datetime.now(UTC).timestamp() * 1000
    assert abs(now - line["_aws"]["Timestamp"]) < 60_000


def test_a_crawler_that_is_missing_stops_nothing(versioned, emulator, caplog):
    _, raw, lake = versioned
    caplog.set_level("INFO")
    listener = job_client_health.JobListener("no-such-crawler")
    listener.delivery_kept(read(raw).kept_in(lake))
    assert "was not started (EntityNotFoundException); run continues" in caplog.text


def test_a_crawler_is_started_and_one_that_runs_is_fine(versioned, emulator, caplog):
    _, raw, lake = versioned
    caplog.set_level("INFO")
    glue = emulator.client("glue")
    glue.create_crawler(
        Name="crawler_clients", Role="r", Targets={"S3Targets": [{"Path": f"{lake}/deliveries/"}]}
    )
    listener = job_client_health.JobListener("crawler_clients")
    delivery = read(raw).kept_in(lake)
    listener.delivery_kept(delivery)
    assert "crawler crawler_clients started" in caplog.text
    try:
        glue.start_crawler(Name="crawler_clients")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "CrawlerRunningException"
        listener.delivery_kept(delivery)
        assert "crawler crawler_clients is already running" in caplog.text
