"""The reconciler: which uploads become claims, how claims end, and how it recovers from a crash."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import itertools
import json
import random
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.lambda_world import FILES, JOB, Aws, KilledError, World
from tests.support.webhooks import SECRET, Webhook, is_slack_message

import def_lambda
from client_health_cli.erasing import raw_files
from client_health_cli.erasing.places import Prefix
from client_health_cli.erasing.search import Values
from reconciler import deliveries
from register_contract import runs
from register_run.claim import Claim

PERSON = "52998224725"
HEADER = b"cpf|nome\n"
WITH_PERSON = HEADER + PERSON.encode() + b"|Ana\n"


@pytest.fixture(scope="module")
def aws(emulator) -> Aws:
    return Aws(emulator)


@pytest.fixture
def world(aws) -> World:
    return World(aws)


def live(world: World, rounds: int) -> None:
    """Call the reconciler repeatedly, as schedule and job events do; each run ends in between."""
    for _ in range(rounds):
        world.call()
        if world.glue.active:
            world.end_run()


# Which uploads form a delivery


def test_three_new_files_are_claimed_and_the_job_is_started_with_the_claim(world):
    versions = world.upload_delivery()
    world.call()
    (claim,) = world.claims()
    assert [one["version_id"] for one in claim["objects"]] == versions
    assert (claim["group"], claim["claimed_at"]) == ("", world.now.isoformat())
    uri = f"s3://{world.lake}/lake/claims/-/{claim['delivery_id']}.json"
    assert [run["Arguments"] for run in world.glue.runs] == [{"--CLAIM": uri}]
    assert world.metrics() == {"DeliveryClaimed": 1, "RunStarted": 1}


def test_a_claim_names_what_the_job_needs_of_each_object(world):
    world.upload_delivery("2026-11-23/", b"four")
    world.call()
    (claim,) = world.claims()
    first = claim["objects"][1]
    assert claim["group"] == "2026-11-23"
    assert first.pop("version_id")
    assert datetime.fromisoformat(first.pop("modified")).date().isoformat() == claim["as_of"]
    assert first == {
        "source": "csv",
        "bucket": world.raw,
        "key": "upload/2026-11-23/dados_2.csv",
        "size": 4,
        "etag": hashlib.md5(b"four").hexdigest(),
    }


def test_the_delivery_is_named_as_the_library_names_it(world, aws, monkeypatch):
    for key in ("2026 ç/a+b%20.csv.gz", "2026 ç/ü.Parquet", "2026 ç/x.ndjson.bz2"):
        world.upload(key)
    world.call()
    (claim,) = world.claims()
    lines = sorted(
        f"{one['source']}\t{one['version_id']}\t{one['size']}\t{one['key']}\n"
        for one in claim["objects"]
    )
    expected = "d" + hashlib.sha256("".join(lines).encode()).hexdigest()[:16]
    assert claim["delivery_id"] == expected
    # The job's own reader refuses a claim if its name doesn't match its objects.
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    uri = f"s3://{world.lake}/lake/claims/2026 ç/{expected}.json"
    assert Claim.read(uri).delivery.delivery_id == expected


def two_a_page(client):
    """Make S3 list two objects a page instead of 1,000; return a list that gets the pages."""
    pages, events = [], client.meta.events
    asked, answered = (
        f"{when}.s3.ListObjectVersions" for when in ("provide-client-params", "after-call")
    )
    events.register(asked, lambda params, **_: {**params, "MaxKeys": 2})
    events.register(answered, lambda parsed, **_: pages.append(parsed))
    return pages


def test_every_page_of_a_long_listing_counts(world):
    for number in range(3):
        world.upload(f"a/note-{number}.txt")
    world.upload_delivery("b/")
    pages = two_a_page(world.lambda_s3)
    world.call()
    assert len(pages) > 2
    assert [claim["group"] for claim in world.claims()] == ["b"]


def test_every_page_of_claims_counts(world):
    world.upload_delivery()
    world.call()
    world.end_run()
    for number in range(3):
        key = f"lake/claims/!{number}/d0.published"
        world.s3.put_object(Bucket=world.lake, Key=key)
    pages = two_a_page(world.lambda_s3)
    world.call()
    # Of the uploads, two.
    assert len(pages) > 2 + 2
    assert len(world.glue.runs) == 1
    assert world.metrics()["RunPublished"] == 1


def test_two_files_are_no_delivery(world):
    for missing in FILES:
        for source, name in FILES.items():
            if source != missing:
                world.upload(f"without-{missing}/{name}")
    world.call()
    assert world.keys() == []
    lacking = [f"without-{missing}: {missing}: 0 objects" for missing in sorted(FILES)]
    assert world.log[-1]["lacking"] == lacking


def test_what_is_no_data_neither_makes_nor_breaks_a_delivery(world):
    for other in ("notes.txt", "_SUCCESS", "_hidden.csv", ".part.json", "more.csv.tmp", "sub/"):
        world.upload(other)
    world.upload("_tmp/more.csv")
    world.upload_delivery()
    world.call()
    (claim,) = world.claims()
    assert {Path(one["key"]).name for one in claim["objects"]} == set(FILES.values())


def test_a_folder_that_is_no_data_makes_no_delivery(world):
    for folder in ("_tmp/", ".trash/a/", "a//"):
        world.upload_delivery(folder)
    world.call()
    assert world.keys() == []


def test_a_fourth_file_of_a_known_format_makes_the_group_ambiguous(world):
    world.upload_delivery()
    world.upload("again.CSV.gz")
    world.call()
    assert world.keys() == []
    assert world.log[-1]["lacking"] == ["-: csv: 2 objects"]


def test_a_file_of_zero_bytes_is_not_there_yet(world):
    world.upload_delivery()
    world.upload(FILES["json"], b"")
    world.call()
    assert world.keys() == []
    world.upload(FILES["json"])
    world.call()
    assert len(world.claims()) == 1


def test_a_deleted_file_is_not_there_any_more(world):
    world.upload_delivery()
    world.s3.delete_object(Bucket=world.raw, Key=f"upload/{FILES['csv']}")
    world.call()
    assert world.keys() == []


def test_objects_outside_the_prefix_are_not_looked_at(world):
    for name in FILES.values():
        world.s3.put_object(Bucket=world.raw, Key=f"elsewhere/{name}", Body=b"x")
        world.s3.put_object(Bucket=world.raw, Key=name, Body=b"x")
    world.call()
    assert world.keys() == []


def test_files_of_two_folders_are_never_one_delivery(world):
    world.upload("2026-11-22/a.parquet")
    world.upload("2026-11-23/b.csv")
    world.upload("2026-11-23/c.json")
    world.call()
    assert world.keys() == []


def test_yesterdays_two_files_and_todays_first_do_not_start(world):
    world.upload_delivery()
    live(world, 2)
    for number, name in enumerate(FILES.values()):
        world.upload(name)
        world.call()
        assert len(world.claims()) == (1 if number < 2 else 2)


@pytest.fixture
def rewrite(world, aws, monkeypatch):
    """Return what writes all uploads again without a person, as `client-health erase` does."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    place, people = Prefix(f"s3://{world.raw}/upload"), Values((PERSON,), ())
    notes = f"s3://{world.lake}/lake/claims"
    return lambda: raw_files.erase(raw_files.find(place, people, rewrite=True), people, notes)


def test_what_an_erasure_writes_again_is_no_new_delivery(world, rewrite):
    world.upload_delivery(content=WITH_PERSON)
    live(world, 2)
    rewrite()
    assert world.s3.get_object(Bucket=world.raw, Key="upload/dados_2.csv")["Body"].read() == HEADER
    live(world, 2)
    assert len(world.claims()) == len(world.glue.runs) == 1
    assert world.log[-1]["lacking"] == ["-: parquet: not new, csv: not new, json: not new"]


def test_what_an_erasure_writes_again_is_never_part_of_the_next_delivery(world, rewrite):
    world.upload_delivery(content=WITH_PERSON)
    live(world, 2)
    rewrite()
    world.upload(FILES["parquet"], b"tomorrow")
    world.upload(FILES["json"], b"tomorrow")
    live(world, 2)
    assert len(world.claims()) == 1
    tomorrows = world.upload(FILES["csv"], b"tomorrow")
    live(world, 2)
    claimed = [one["version_id"] for claim in world.claims() for one in claim["objects"]]
    assert tomorrows in claimed
    assert len(world.claims()) == len(world.glue.runs) == 2


def test_a_version_without_a_note_of_its_own_size_is_new(world, rewrite):
    world.upload_delivery(content=WITH_PERSON)
    live(world, 2)
    rewrite()
    for name in FILES.values():
        note = runs.rewritten_name(f"upload/{name}", len(HEADER))
        world.s3.delete_object(Bucket=world.lake, Key=f"lake/claims/{note}")
        note = runs.rewritten_name(f"upload/{name}", len(HEADER) + 1)
        world.s3.put_object(Bucket=world.lake, Key=f"lake/claims/{note}")
    live(world, 2)
    assert len(world.claims()) == 2


def test_a_note_of_a_rewritten_upload_counts_for_an_hour():
    noted = datetime(2026, 1, 1, 12, tzinfo=UTC)
    notes = {runs.rewritten_name("upload/a.csv", 9): noted}
    found = [
        deliveries.rewritten(
            [{"key": "upload/a.csv", "size": 9, "version_id": "v", "modified": at}], notes
        )
        for at in ("2026-01-01T11:59:59+00:00", "2026-01-01T13:00:00+00:00")
    ]
    assert found == [["v"], ["v"]]
    late = {"key": "upload/a.csv", "size": 9, "version_id": "v"}
    assert deliveries.rewritten([late | {"modified": "2026-01-01T13:00:01+00:00"}], notes) == []


def test_unchanged_content_uploaded_again_is_a_new_delivery(world):
    world.upload_delivery(content=b"same")
    live(world, 2)
    world.upload_delivery(content=b"same")
    live(world, 2)
    assert len(world.claims()) == 2
    assert set(world.starts().values()) == {1}
    assert len(world.names("published")) == 2


def test_a_version_that_returns_when_newer_ones_are_removed_is_not_new(world):
    first = world.upload_delivery()
    live(world, 2)
    second = world.upload_delivery()
    live(world, 2)
    for name, version in zip(FILES.values(), second, strict=True):
        world.s3.delete_object(Bucket=world.raw, Key=f"upload/{name}", VersionId=version)
    for name in list(FILES.values())[1:]:
        world.upload(name)
    world.call()
    assert len(world.claims()) == 2
    assert first[0] in world.read("-/000002.turn")["used"]


def test_without_versioning_the_content_is_the_version(aws):
    world = World(aws, versioned=False)
    world.upload_delivery(content=b"one")
    world.call()
    (claim,) = world.claims()
    assert {one["version_id"] for one in claim["objects"]} == {hashlib.md5(b"one").hexdigest()}


def test_a_file_uploaded_while_the_job_runs_changes_nothing_of_that_run(world):
    world.upload_delivery()
    world.call()
    (before,) = world.claims()
    world.upload(FILES["csv"], b"newer")
    world.call()
    assert world.claims() == [before]
    assert len(world.glue.runs) == 1


def test_two_calls_that_saw_different_uploads_never_use_a_version_twice(world, aws):
    world.upload_delivery()
    slow, others = aws.client("s3"), iter([world.call])

    def before_the_claim(**_):
        for call in others:
            world.upload(FILES["parquet"], b"newer")
            call()

    slow.meta.events.register("before-call.s3.PutObject", before_the_claim)
    world.call(s3=slow)
    used = [one["version_id"] for claim in world.claims() for one in claim["objects"]]
    assert len(used) == len(set(used)) == 3


def test_two_calls_that_saw_the_same_uploads_claim_and_start_once(world):
    world.upload_delivery("a/")
    with ThreadPoolExecutor(4) as pool:
        for call in [pool.submit(world.call) for _ in range(4)]:
            call.result()
    assert world.metrics() == {"DeliveryClaimed": 1, "RunStarted": 1}


def test_a_claim_that_was_removed_by_hand_does_not_hold_up_its_group(world):
    for _ in range(2):
        world.upload_delivery("v1.2/part.a/")
        live(world, 2)
    oldest = world.order()[0]
    world.s3.delete_object(Bucket=world.lake, Key=f"lake/claims/{oldest}.json")
    world.upload_delivery("v1.2/part.a/")
    live(world, 2)
    assert [name.split("/")[0] for name in world.order()] == ["v1.2+part.a"] * 3
    assert set(world.starts().values()) == {1}


def test_a_clock_that_is_wrong_changes_no_delivery(world):
    world.upload_delivery()
    world.now = datetime(2001, 1, 1, tzinfo=UTC)
    live(world, 2)
    (claim,) = world.claims()
    assert claim["as_of"] > "2026"
    assert len(world.names("published")) == 1


# How claims end


def test_a_published_claim_is_marked_and_left_alone(world):
    world.upload_delivery()
    live(world, 4)
    assert len(world.names("published")) == 1
    assert len(world.glue.runs) == 1
    assert world.metrics() == {"DeliveryClaimed": 1, "RunStarted": 1, "RunPublished": 1}


def test_claims_are_run_one_after_the_other_in_their_order(world):
    folders = [f"2026-11-{day}" for day in range(20, 24)]
    for folder in reversed(folders):
        world.upload_delivery(f"{folder}/")
    live(world, 6)
    assert [name.split("/")[0] for name in world.order()] == folders
    assert len(world.names("published")) == 4


@pytest.mark.parametrize("exit_code", [2, 3])
def test_a_run_that_only_a_person_can_mend_is_not_started_again(world, exit_code):
    world.upload_delivery()
    world.call()
    world.end_run("FAILED", exit_code)
    world.later(hours=1)
    live(world, 3)
    assert len(world.glue.runs) == 1
    assert len(world.names("stopped")) == 1
    assert world.metrics()["RunStopped"] == 1


def test_a_run_that_ends_amid_the_look_is_judged_by_its_outcome(world):
    world.settings = replace(world.settings, max_attempts=1)
    world.upload_delivery()
    world.call()
    world.glue.client.meta.events.register_first(
        "before-call.glue.GetJobRuns", lambda **_: world.end_run("FAILED", 3)
    )
    world.call()
    assert len(world.names("stopped")) == 1
    assert world.names("failed") == []


@pytest.mark.parametrize(
    ("state", "exit_code"),
    [
        ("FAILED", 4),
        ("FAILED", 1),
        ("FAILED", None),
        ("TIMEOUT", None),
        ("STOPPED", 4),
        ("ERROR", None),
    ],
)
def test_a_run_that_a_retry_can_mend_is_started_again_up_to_the_limit(world, state, exit_code):
    world.upload_delivery()
    for attempt in (1, 2, 3):
        world.call()
        assert len(world.glue.runs) == attempt
        world.end_run(state, exit_code)
        world.later(seconds=599)
        world.call()
        assert len(world.glue.runs) == attempt
        world.later(seconds=1)
    assert len(world.names("failed")) == 1
    live(world, 2)
    assert len(world.glue.runs) == 3
    assert world.metrics()["RunFailed"] == 1


@pytest.mark.parametrize("exit_code", [0, 4, None])
def test_a_run_that_was_killed_after_it_had_published_is_published(world, exit_code):
    world.settings = replace(world.settings, max_attempts=1)
    world.upload_delivery()
    world.call()
    world.end_run("TIMEOUT", exit_code, published=True)
    live(world, 2)
    assert len(world.names("published")) == 1
    assert len(world.glue.runs) == 1


@pytest.mark.parametrize("exit_code", [0, None])
def test_a_run_that_succeeded_and_published_nothing_is_started_again(world, exit_code):
    world.upload_delivery()
    for attempt in (1, 2, 3):
        world.call()
        assert len(world.glue.runs) == attempt
        world.end_run("SUCCEEDED", exit_code, published=False)
        world.later(seconds=600)
    world.call()
    assert world.names("published") == []
    assert len(world.names("failed")) == 1


def test_a_run_that_glue_takes_for_a_success_is_judged_by_its_own_exit_code(world):
    world.upload_delivery()
    world.call()
    world.end_run("SUCCEEDED", 3)
    live(world, 2)
    assert len(world.names("stopped")) == 1
    assert len(world.glue.runs) == 1


def test_a_run_is_published_when_only_the_log_still_says_so(world):
    world.upload_delivery()
    world.call()
    world.end_run("FAILED", None, published=False)
    (claim,) = world.claims()
    world.publish("dother")
    world.publish(claim["delivery_id"], log=True)
    live(world, 2)
    assert len(world.names("published")) == 1
    assert len(world.glue.runs) == 1


def test_the_outcome_of_an_earlier_start_says_nothing_of_this_one(world):
    world.upload_delivery()
    world.call()
    (run,) = world.glue.active
    key = run["Arguments"]["--CLAIM"].removeprefix(f"s3://{world.lake}/").removesuffix(".json")
    stale = json.dumps({"exit_code": 3, "job_run_id": "jr_before"})
    world.s3.put_object(Bucket=world.lake, Key=f"{key}.outcome.json", Body=stale)
    world.end_run("TIMEOUT", None)
    world.later(minutes=10)
    world.call()
    assert len(world.glue.runs) == 2


def test_a_claim_that_its_lifecycle_removed_stays_removed(world):
    world.upload_delivery("2026-01-01/")
    live(world, 3)
    world.remove_claims(keep="turn")
    world.later(days=8)
    live(world, 2)
    assert world.names("json") == []
    assert len(world.glue.runs) == 1


def test_a_claim_that_waits_for_its_retry_keeps_its_place(world):
    world.upload_delivery("a/")
    world.upload_delivery("b/")
    world.call()
    world.end_run("FAILED", 4)
    world.call()
    assert len(world.glue.runs) == 1
    world.later(minutes=10)
    live(world, 3)
    assert [run["Arguments"]["--CLAIM"].split("/")[-2] for run in world.glue.runs] == [*"aab"]
    assert len(world.names("published")) == 2


def test_a_stopped_claim_lets_the_next_one_pass(world):
    world.upload_delivery("a/")
    world.upload_delivery("b/")
    world.call()
    world.end_run("FAILED", 3)
    live(world, 2)
    assert [name.split("/")[0] for name in world.names("published")] == ["b"]


def test_a_busy_job_lets_the_claim_wait(world):
    world.upload_delivery()
    world.glue.refusals["StartJobRun"] = ("ConcurrentRunsExceededException", 400)
    world.call()
    assert world.log[-1]["event"] == "task_waits"
    assert world.names("published") == world.names("failed") == []
    world.glue.refusals.clear()
    live(world, 2)
    assert len(world.names("published")) == 1


def test_a_run_that_a_person_started_is_waited_for(world):
    world.glue.client.start_job_run(JobName=JOB)
    world.upload_delivery()
    world.call()
    assert len(world.claims()) == len(world.glue.runs) == 1


# Sessions


OURS = {"project": "client-health", "job": JOB}


def test_sessions_that_a_dead_run_left_are_stopped(world):
    world.glue.sessions = {
        "client-health-1": ("READY", OURS),
        "client-health-2": ("STOPPED", OURS),
        "client-health-3": ("READY", OURS),
        "somebodys": ("READY", {"project": "client-health"}),
    }
    world.call()
    assert world.glue.stopped == ["client-health-1", "client-health-3"]
    assert world.metrics()["SessionsStopped"] == 2


def test_sessions_are_left_alone_while_a_run_is_active(world):
    world.glue.client.start_job_run(JobName=JOB)
    world.glue.sessions = {"client-health-1": ("READY", OURS)}
    world.call()
    assert world.glue.stopped == []


def test_a_session_of_a_run_that_starts_amid_the_look_is_left_alone(world):
    looks = []

    def start(model, **_):
        looks.append(model.name)
        if len(looks) == 2:
            world.glue.client.start_job_run(JobName=JOB)
            world.glue.sessions = {"client-health-1": ("READY", OURS)}

    for operation in ("ListSessions", "GetJobRuns"):
        world.glue.client.meta.events.register(f"before-call.glue.{operation}", start)
    world.call()
    assert len(world.glue.active) == 1
    assert world.glue.stopped == []


def test_a_session_that_cannot_be_stopped_yet_is_left_for_the_next_call(world):
    world.glue.sessions = {"a": ("PROVISIONING", OURS), "b": ("READY", OURS)}
    world.call()
    assert world.glue.stopped == ["b"]
    world.glue.sessions["a"] = ("READY", OURS)
    world.call()
    assert world.glue.stopped == ["b", "a"]


# A late delivery


def test_a_late_delivery_is_told_once_a_day_with_what_is_missing(world):
    world.upload_delivery()
    live(world, 2)
    world.upload(FILES["csv"])
    world.later(days=1)
    for _ in range(3):
        world.call(scheduled=True)
    (message,) = world.messages()
    assert f"No complete delivery by {world.now:%Y-%m-%d} 10:" in message["Message"]
    assert "-: parquet: not new, json: not new" in message["Message"]
    assert "Upload what is missing" in message["Message"]
    world.later(days=1)
    world.call(scheduled=True)
    assert len(world.messages()) == 1
    assert world.metrics()["DeliveryLate"] == 2


@pytest.fixture
def server():
    found = Webhook()
    yield found
    found.close()


class Secrets:
    """Answers as boto3's client does; the emulator's part is not what these tests are about."""

    def __init__(self, text):
        self.text = text

    def get_secret_value(self, SecretId):  # noqa: N803 - boto3's
        assert SecretId == "the secret"
        if self.text is None:
            answer = {"Error": {"Code": "AccessDeniedException", "Message": "not you"}}
            raise ClientError(answer, "GetSecretValue")
        return {"SecretString": self.text}


def with_webhook(world, text):
    world.settings = replace(world.settings, alert_secret="the secret")
    world.secrets = Secrets(text)


def test_a_late_delivery_is_told_through_the_webhook_too(world, server):
    with_webhook(world, server.url)
    world.upload(FILES["csv"])
    world.call(scheduled=True)
    (message,) = server.arrived
    is_slack_message(message)
    assert "parquet: 0 objects" in message["text"]
    assert "parquet" in world.messages()[0]["Message"]


@pytest.mark.parametrize("text", [None, f"http://example.com/{SECRET}", "refuses"])
def test_a_webhook_that_fails_is_logged_and_the_topic_is_told(world, server, text):
    server.status = 403
    with_webhook(world, server.url if text == "refuses" else text)
    world.call(scheduled=True)
    assert len(world.messages()) == 1
    (line,) = [line for line in world.log if line["event"] == "webhook_failed"]
    assert "CANARY" not in str(world.log)
    assert line["cause"]
    assert world.metrics()["DeliveryLate"] == 1


def test_a_delivery_that_is_given_up_is_told_once(world, server):
    with_webhook(world, server.url)
    world.upload_delivery()
    world.call()
    for _ in range(world.settings.max_attempts):
        # A killed run leaves no outcome, and has told nobody.
        world.end_run("TIMEOUT", None)
        world.later(seconds=world.settings.retry_seconds)
        world.call()
    world.call()
    (message,) = world.messages()
    assert "given up" in message["Subject"]
    assert f"All {world.settings.max_attempts} runs" in message["Message"]
    assert len(server.arrived) == 1


def given_up_next(world: World) -> None:
    """Let a world's only run be killed, so that the next call gives its delivery up."""
    world.settings = replace(world.settings, max_attempts=1)
    world.upload_delivery()
    world.call()
    world.end_run("TIMEOUT", None)


def test_a_delivery_is_not_given_up_before_people_are_told(world):
    given_up_next(world)
    throttled = iter([True])
    refuse(world.lambda_sns, "Publish", lambda _: next(throttled, False))
    with pytest.raises(def_lambda.ReconcileError, match="run -/"):
        world.call()
    assert world.names("failed") == world.messages() == []
    for _ in range(2):
        world.call()
    (message,) = world.messages()
    assert "given up" in message["Subject"]
    assert len(world.names("failed")) == world.metrics()["RunFailed"] == 1


def test_that_a_delivery_is_given_up_is_rather_told_twice_than_lost(aws):
    for number in itertools.count(1):
        world = World(aws)
        given_up_next(world)
        world.calls, world.die_after = 0, number
        with contextlib.suppress(KilledError):
            world.call()
        died, world.die_after = world.calls == number, 0
        world.call()
        assert len(world.names("failed")) == 1
        assert world.messages(), number
        assert world.metrics()["RunFailed"], number
        if not died:
            break


def test_when_nothing_came_the_message_says_so(world):
    world.call(scheduled=True)
    assert "nothing new is below upload/" in world.messages()[0]["Message"]


def test_nothing_is_late_before_the_hour_or_once_a_delivery_was_claimed_or_unscheduled(world):
    world.now = world.now.replace(hour=8)
    world.call(scheduled=True)
    world.later(hours=2)
    world.call()
    world.upload_delivery()
    world.call(scheduled=True)
    assert world.messages() == []


def test_a_message_is_rather_told_twice_than_lost(aws):
    for number in itertools.count(1):
        world = World(aws)
        world.die_after = number
        try:
            world.call(scheduled=True)
        except KilledError:
            world.call(scheduled=True)
        assert world.messages(), number
        if world.calls < number:
            break


# Errors


def refuse(client, operation, when):
    """Answer an operation with an error if its parameters match."""

    def handler(params, model, **_):
        if when(params):
            response = type("Answer", (), {"status_code": 500})
            return response, {
                "Error": {"Code": "InternalError", "Message": "scripted"},
                "ResponseMetadata": {"HTTPStatusCode": 500},
            }
        return None

    service = client.meta.service_model.service_name
    client.meta.events.register(f"before-call.{service}.{operation}", handler)


def test_a_claim_that_cannot_be_written_keeps_no_other_from_its_turn(world, aws):
    for folder in "abc":
        world.upload_delivery(f"{folder}/")
    broken = aws.client("s3")
    refuse(broken, "PutObject", lambda params: "/claims/b/" in params["url_path"])
    with pytest.raises(def_lambda.ReconcileError, match="claim b"):
        world.call(s3=broken)
    assert [claim["group"] for claim in world.claims()] == ["a", "c"]
    assert len(world.glue.runs) == 1
    failed = [line for line in world.log if line["event"] == "task_failed"]
    assert "InternalError" in failed[0]["cause"]
    world.call()
    assert len(world.claims()) == 3


def test_a_claim_that_cannot_be_marked_keeps_no_other_from_its_turn(world, aws):
    world.upload_delivery("a/")
    world.upload_delivery("b/")
    world.call()
    world.end_run()
    broken = aws.client("s3")
    refuse(broken, "PutObject", lambda params: params["url_path"].endswith(".published"))
    with pytest.raises(def_lambda.ReconcileError, match="run a/"):
        world.call(s3=broken)
    assert len(world.glue.runs) == 2
    world.end_run()
    world.call()
    assert len(world.names("published")) == 2


def test_a_claim_whose_outcome_cannot_be_read_is_not_overtaken(world, aws):
    world.upload_delivery("a/")
    world.upload_delivery("b/")
    world.call()
    world.end_run("FAILED", 3)
    broken = aws.client("s3")
    refuse(broken, "GetObject", lambda params: params["url_path"].endswith(".outcome.json"))
    with pytest.raises(def_lambda.ReconcileError):
        world.call(s3=broken)
    assert len(world.glue.runs) == 1


@pytest.mark.parametrize("operation", ["ListSessions", "StopSession"])
def test_trouble_with_sessions_does_not_hold_up_a_delivery(world, operation):
    world.upload_delivery()
    world.glue.sessions = {"a": ("READY", OURS)}
    world.glue.refusals[operation] = ("AccessDeniedException", 400)
    with pytest.raises(def_lambda.ReconcileError):
        world.call()
    assert len(world.glue.runs) == 1


def test_runs_go_on_when_uploads_cannot_be_listed(world, aws):
    world.upload_delivery()
    world.call()
    world.end_run()
    broken = aws.client("s3")
    refuse(
        broken, "ListObjectVersions", lambda params: params["query_string"]["prefix"] == "upload/"
    )
    with pytest.raises(def_lambda.ReconcileError, match="claim deliveries"):
        world.call(s3=broken)
    assert len(world.names("published")) == 1


@pytest.mark.parametrize("operation", ["StartJobRun", "GetJobRuns"])
def test_trouble_with_the_job_ends_the_call_red(world, operation):
    world.upload_delivery()
    world.glue.refusals[operation] = ("AccessDeniedException", 400)
    with pytest.raises(def_lambda.ReconcileError):
        world.call()
    world.glue.refusals.clear()
    live(world, 2)
    assert len(world.names("published")) == 1


# Events and crashes


@pytest.mark.parametrize("seed", range(2))
def test_ten_deliveries_at_once_in_any_order_are_each_run_once(aws, seed):
    world, chance = World(aws), random.Random(seed)
    uploads = [f"2026-11-{day}/{name}" for day in range(10, 20) for name in FILES.values()]
    chance.shuffle(uploads)
    with ThreadPoolExecutor(4) as pool:
        calls = []
        for key in uploads:
            world.upload(key)
            # Each event comes twice at the same time, or never.
            calls += [pool.submit(world.call) for _ in range(chance.choice([0, 2]))]
        for call in calls:
            call.result()
    live(world, 12)
    assert len(world.claims()) == len(world.names("published")) == 10
    assert set(world.starts().values()) == {1}
    assert all(len(claim["objects"]) == 3 for claim in world.claims())
    assert world.metrics()["DeliveryClaimed"] == world.metrics()["RunStarted"] == 10


def test_a_lambda_that_dies_after_any_of_its_calls_loses_and_repeats_nothing(world):
    """Two deliveries; the first one's run dies and leaves its session.

    Each call of the Lambda dies after its first call of AWS, then after its second, and so on, each
    time in the state that the death before has left, until it comes to its end.
    """
    world.upload_delivery("a/")
    world.upload_delivery("b/")
    deaths, further = 0, 1
    while len(world.names("published")) < 2:
        world.calls, world.die_after = 0, further
        try:
            world.call()
        except KilledError:
            deaths, further = deaths + 1, further + 1
            assert deaths < 200
            continue
        further = 1
        if world.glue.active and len(world.glue.runs) == 1:
            world.end_run("FAILED", None)
            world.glue.sessions = {"client-health-1": ("READY", OURS)}
            world.later(minutes=10)
        elif world.glue.active:
            world.end_run()
    assert deaths > 30
    assert sorted(world.names("published")) == sorted(
        f"{claim['group']}/{claim['delivery_id']}" for claim in world.claims()
    )
    assert [run["Arguments"]["--CLAIM"].split("/")[-2] for run in world.glue.runs] == [*"aab"]
    assert world.glue.stopped == ["client-health-1"]


# Entry point


EVENTS = {
    "s3": {"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "upload/a+b%C3%A7"}}}]},
    "another prefix": {"Records": [{"s3": {"object": {"key": "elsewhere/x.csv"}}}]},
    "test": {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"},
    # As AWS documents it; here, the key isn't encoded.
    "eventbridge": {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2026-11-23T00:00:00Z",
        "region": "sa-east-1",
        "resources": ["arn:aws:s3:::their-uploads"],
        "detail": {
            "version": "0",
            "bucket": {"name": "their-uploads"},
            "object": {"key": "upload/a bç", "size": 5, "version-id": "v1", "sequencer": "0"},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "reason": "PutObject",
        },
    },
    "schedule": {"source": "aws.events", "detail-type": "Scheduled Event"},
    "job": {"source": "aws.glue", "detail-type": "Glue Job State Change", "detail": {}},
    "console": {"key1": "value1"},
    "nothing": {},
}


@pytest.fixture
def deployed(world, monkeypatch) -> World:
    """Set the function's variables, and make its clients use this world."""
    for name in ("raw_bucket", "lake", "job_name", "topic_arn"):
        monkeypatch.setenv(name.upper(), getattr(world.settings, name))
    monkeypatch.setenv("LATE_HOUR", "0")
    clients = {"s3": world.lambda_s3, "sns": world.lambda_sns, "glue": world.glue.client}
    monkeypatch.setattr(def_lambda.boto3, "client", clients.__getitem__)
    return world


def test_any_event_is_only_a_hint_to_look(deployed):
    """An event's content is never used, encoded or not: the listing has the true keys."""
    for number, event in enumerate(EVENTS.values(), 1):
        deployed.upload_delivery(f"2026-11-{number:02} ç+/")
        def_lambda.lambda_handler(event, None)
        groups = [claim["group"] for claim in deployed.claims()]
        assert groups == [f"2026-11-{day:02} ç+" for day in range(1, number + 1)]
        assert len(deployed.glue.runs) == number
        deployed.end_run()


def test_only_the_schedule_tells_a_late_delivery(deployed):
    # It comes last, because a late delivery is told once a day.
    for event in sorted(EVENTS.values(), key=lambda event: event is EVENTS["schedule"]):
        def_lambda.lambda_handler(event, None)
        assert bool(deployed.messages()) == (event is EVENTS["schedule"])


def test_logs_are_lines_of_json_that_carry_their_metrics(deployed, capsys):
    deployed.upload_delivery()
    def_lambda.lambda_handler(EVENTS["s3"], None)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == [
        "called",
        "delivery_claimed",
        "uploads_seen",
        "run_started",
    ]
    (head,) = lines[1]["_aws"]["CloudWatchMetrics"]
    assert head["Namespace"] == "ClientHealth"
    assert [lines[1][metric["Name"]] for metric in head["Metrics"]] == [1]
    assert re.fullmatch(r"\d{13}", str(lines[1]["_aws"]["Timestamp"]))
    assert "_aws" not in lines[0]


def test_settings_come_from_variables_in_their_own_kinds():
    variables = {"RAW_BUCKET": "1", "LAKE": "s3://b/l", "JOB_NAME": "j", "TOPIC_ARN": "t"}
    settings = def_lambda.Settings.read(variables | {"MAX_ATTEMPTS": "5", "OTHER": "x"})
    assert settings == def_lambda.Settings("1", "s3://b/l", "j", "t", max_attempts=5)


def test_the_function_needs_only_what_lambda_has(root):
    rooms = sorted((root / "jobs" / "reconciler").glob("*.py"))
    assert rooms
    rooms.append(root / "lib" / "register_run" / "webhook.py")
    named = {
        name.split(".")[0]
        for path in (root / "jobs" / "def_lambda.py", *rooms)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    brought = {"reconciler", "register_contract", "register_run"}
    assert named <= {*sys.stdlib_module_names, "boto3", "botocore", *brought}
