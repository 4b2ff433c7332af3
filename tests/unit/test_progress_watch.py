"""The progress of statements is only for information: if it can't be read, nothing happens."""

import threading

import pytest
from botocore.stub import Stubber

from strict_glue import Limits, ProgressWatch
from strict_glue.api import glue_client
from strict_glue.session import Session

NOWHERE = {
    "glue_endpoint_url": "http://127.0.0.1:9",
    "region": "sa-east-1",
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
}


@pytest.fixture
def client():
    return glue_client(NOWHERE)


@pytest.fixture
def crashes(monkeypatch):
    """Return the errors that end a thread."""
    found = []
    monkeypatch.setattr(threading, "excepthook", found.append)
    return found


def watch(client):
    with ProgressWatch(Session(client, "s1", Limits()), lambda _: None, 2.0):
        pass


def test_a_refusal_ends_the_watch_quietly(client, crashes):
    with Stubber(client) as stub:
        stub.add_client_error("list_statements", "AccessDeniedException")
        watch(client)
        stub.assert_no_pending_responses()
    assert crashes == []


def test_a_service_that_cannot_be_reached_ends_the_watch_quietly(client, crashes):
    watch(client)
    assert crashes == []
