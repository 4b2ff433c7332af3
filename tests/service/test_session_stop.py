"""Sessions are stopped as soon as the service allows it, at the latest by their guard."""

import threading
import time

import pytest
from tests.support.local_api import CREATE
from tests.support.misbehaving import provisioning
from tests.support.papermill_kernel import Kernel

from strict_glue import Limits, OwnSessions, ServiceError, SessionSettings
from strict_glue.api import glue_client
from strict_glue.session import Session

NAME = "early"


@pytest.fixture
def create(shared_sessions, endpoint):
    """Return what creates a session that is being provisioned."""

    def made(**limits):
        endpoint.will("CreateSession", provisioning)
        asked = {"Id": NAME, "Role": shared_sessions["glue_role_arn"], **CREATE}
        return Session.create(glue_client(shared_sessions), asked, Limits(**limits))

    return made


def wait_for(found):
    deadline = time.monotonic() + 30
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_session_that_is_provisioned_is_stopped_when_it_is_ready(create, endpoint):
    session = create(stop=30)
    ready = threading.Timer(0.5, endpoint.sessions.update, ({NAME: "READY"},))
    ready.start()
    session.stop()
    assert endpoint.sessions[NAME] == "STOPPED"
    assert endpoint.calls["StopSession"] > 1


def test_a_session_that_stays_provisioned_is_no_stopped_one(create, endpoint):
    session = create(stop=0.3)
    with pytest.raises(ServiceError, match="StopSession: IllegalSessionStateException"):
        session.stop()
    assert endpoint.sessions[NAME] == "PROVISIONING"


@pytest.mark.parametrize("status", ["STOPPED", "FAILED", "GONE"])
def test_a_session_that_has_ended_needs_no_stop(create, endpoint, status):
    session = create(stop=30)
    endpoint.sessions[NAME] = status
    session.stop()
    assert endpoint.calls["StopSession"] == 1


def test_a_guard_stops_what_its_owner_could_not(shared_sessions, endpoint):
    notes = []
    settings = SessionSettings(environment=shared_sessions)
    endpoint.will("CreateSession", provisioning)
    with OwnSessions(settings, Limits(stop=0.2), notes.append).created({}, "r1") as session:
        pass
    assert "may still run: StopSession: IllegalSessionStateException" in notes[-1]
    tried = endpoint.calls["StopSession"]
    wait_for(lambda: endpoint.calls["StopSession"] > tried)
    time.sleep(0.5)  # longer than the limit that the owner has
    endpoint.sessions[session.session_id] = "READY"
    wait_for(lambda: endpoint.sessions[session.session_id] == "STOPPED")


def test_a_cell_after_one_that_waited_too_long_has_another_session(shared_sessions, endpoint):
    endpoint.will("CreateSession", provisioning)
    with Kernel(shared_sessions, provisioning=0.5, stop=0.2) as kernel:
        name, message = kernel.run("1").error
        assert (name, "still PROVISIONING" in message) == ("GlueSessionError", True)
        assert kernel.run("print('next')").text == "next\n"
        assert len(endpoint.sessions) == 2
