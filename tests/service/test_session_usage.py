"""What a stopped session used: as the service says it, estimated, or unknown; never an error."""

import time

import pytest
from tests.support.misbehaving import ENDED_DPU_SECONDS, Rule, change, refuse

from strict_glue import Limits, OwnSessions, SessionSettings, usage_of
from strict_glue.api import glue_client
from strict_glue.session import Session

ASKED = {"Id": "u1", "Role": "arn:aws:iam::123456789012:role/local", "Command": {"Name": "glueetl"}}
# As AWS describes a session of four workers that is still stopping.
STOPPING = {"Status": "STOPPING", "DPUSeconds": None, "MaxCapacity": 4.0}


@pytest.fixture
def stopped(endpoint, session):
    """Return a function that stops a session; the rules apply to it from then on."""

    def stop(*rules):
        endpoint.start(share=session)
        client = glue_client(endpoint.environment)
        found = Session.create(client, ASKED, Limits(retries=1, stop=3))
        found.stop()
        endpoint.rules = list(rules)
        endpoint.calls.clear()
        return found

    return stop


def test_the_service_says_it_once_the_session_has_ended(stopped, endpoint):
    stopping = change(**STOPPING, CreatedOn=time.time())
    used = usage_of(stopped(Rule("GetSession", stopping, times=2)), patience=5)
    assert (used.session_id, used.dpu_seconds, used.reported) == ("u1", ENDED_DPU_SECONDS, True)
    assert endpoint.calls == {"GetSession": 3}


def test_a_session_that_takes_too_long_is_estimated_by_capacity_and_age(stopped):
    stopping = change(**STOPPING, CreatedOn=time.time() - 100)
    used = usage_of(stopped(Rule("GetSession", stopping)), patience=0.3)
    assert used.reported is False
    assert 4 * 100 <= used.dpu_seconds < 4 * 110


def test_without_patience_the_service_is_asked_once(stopped, endpoint):
    stopping = change(Status="STOPPING", DPUSeconds=None)
    assert usage_of(stopped(Rule("GetSession", stopping)), patience=0) is None
    assert endpoint.calls == {"GetSession": 1}


def test_a_refusal_is_no_error(stopped):
    assert usage_of(stopped(Rule("GetSession", refuse("AccessDeniedException"))), 5) is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_run_does_not_wait_for_it(endpoint, session, error):
    endpoint.start(share=session)
    notes, used = [], []
    settings = SessionSettings(environment=endpoint.environment)
    sessions = OwnSessions(settings, Limits(stop=30), notes.append, used.append)
    endpoint.rules = [Rule("GetSession", change(Status="STOPPING", DPUSeconds=None))]
    begun = time.monotonic()
    with pytest.raises(error), sessions.created({}, "r1"):
        raise error
    assert time.monotonic() - begun < 20
    assert used == []
    assert "doesn't say what it used" in notes[-1]
