"""The strict kernel: every result except an ok statement is an error in the notebook."""

import base64
import os
import signal
import threading
import time
from contextlib import closing

import pytest
from tests.support.local_api import CREATE
from tests.support.misbehaving import Endpoint, change, lose_answer, refuse
from tests.support.papermill_kernel import Kernel

from strict_glue.api import glue_client

CONFIGURE = '%%configure\n{"glue_version": "5.1", "number_of_workers": 2}'


@pytest.fixture(scope="module")
def proxy(local_service):
    with closing(Endpoint(local_service)) as found:
        yield found


@pytest.fixture(scope="module")
def attached(proxy, session):
    with Kernel(proxy.environment, session, retries=3) as kernel:
        yield kernel


@pytest.fixture
def kernel(attached, proxy):
    proxy.clear()
    yield attached
    proxy.clear()


def test_text_is_one_stream_output(kernel):
    cell = kernel.run("print('a'); print('b')")
    assert cell.reply["status"] == "ok"
    assert cell.outputs == [("stream", {"name": "stdout", "text": "a\nb\n"})]


def test_a_cell_without_output_shows_nothing(kernel):
    assert kernel.run("quiet = 1").outputs == []
    assert kernel.run("# only a comment\n").outputs == []
    assert kernel.run("").reply["status"] == "ok"


def test_what_a_cell_defines_the_next_one_has(kernel):
    kernel.run("shared_value = 41")
    assert kernel.run("print(shared_value + 1)").text == "42\n"


def test_execution_counts_rise_by_one(kernel):
    first = kernel.run("1").reply["execution_count"]
    assert kernel.run("1").reply["execution_count"] == first + 1


def test_configure_is_silent_and_harmless_in_an_attached_kernel(kernel):
    assert kernel.run(CONFIGURE).outputs == []
    assert kernel.run("%glue_version 4.0\n%idle_timeout 5\nprint(1)").text == "1\n"


def test_a_picture_is_display_data_beside_the_text(kernel):
    code = (
        "import matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt\n"
        "figure = plt.figure()\nprint('beside')\n%matplot plt"
    )
    cell = kernel.run(code)
    (picture,) = cell.of("display_data")
    assert base64.b64decode(picture["data"]["image/png"]).startswith(b"\x89PNG")
    assert "beside" in cell.text


def test_an_exception_keeps_its_name_message_and_traceback(kernel):
    cell = kernel.run("print('before')\ndef f():\n    raise ValueError('boom')\nf()")
    assert cell.error == ("ValueError", "boom")
    assert "in f" in "".join(cell.of("error")[0]["traceback"])


def test_an_error_class_of_the_users_own_keeps_its_name(kernel):
    cell = kernel.run("class QualityGateError(Exception): pass\nraise QualityGateError('7 %')")
    assert cell.error == ("QualityGateError", "7 %")


def test_a_syntax_error_is_an_error(kernel):
    assert kernel.run("def broken(:").error[0] == "SyntaxError"


def test_a_system_exit_is_an_error_and_the_session_lives_on(kernel):
    assert kernel.run("raise SystemExit").error[0] == "SystemExit"
    assert kernel.run("print('alive')").text == "alive\n"


def test_sql_cells_run_in_the_session(kernel):
    assert "42" in kernel.run("%%sql\nSELECT 42 AS answer").text


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("%%configure\n{broken", "GlueConfigurationError"),
        ("%%configure\n", "GlueConfigurationError"),
        ("%no_such_magic 1", "UsageError"),
        ("%%no_such_magic\nx", "UsageError"),
        ("%number_of_workers many", "ValueError"),
        ("%extra_py_files s3://a b/c", "GlueConfigurationError"),
        ("%%tags\n{'a': 1}", "Exception"),
    ],
)
def test_a_magic_that_fails_is_an_error(kernel, code, name):
    assert kernel.run(code).error[0] == name


def test_code_that_is_too_long_is_refused_before_it_is_sent(kernel, proxy):
    kernel.run("1")
    before = proxy.calls["RunStatement"]
    name, message = kernel.run("x = 1  # " + "x" * 68_000).error
    assert name == "GlueStatementError"
    assert "68,000" in message
    assert proxy.calls["RunStatement"] == before


def test_throttling_and_5xx_answers_are_sat_out(kernel, proxy):
    proxy.will("RunStatement", refuse("ThrottlingException"))
    proxy.will("GetStatement", refuse("InternalServiceException", status=500), lose_answer)
    assert kernel.run("print('through')").text == "through\n"
    assert proxy.pending == 0


def test_a_statement_whose_answer_was_lost_runs_once(kernel, proxy):
    kernel.run("times = 0")
    proxy.will("RunStatement", lose_answer)
    assert kernel.run("times += 1\nprint(times)").text == "1\n"
    assert kernel.run("print(times)").text == "1\n"


def test_a_statement_that_arrives_late_runs_once_whatever_a_later_call_says(kernel, proxy):
    kernel.run("times = 0")
    late = []

    def throttle_when_it_arrives(call):
        late.pop().pass_on()
        return refuse("ThrottlingException")(call)

    # The first call is lost on its way, so that it is in no list of statements yet.
    proxy.will("RunStatement", late.append, throttle_when_it_arrives)
    assert kernel.run("times += 1\nprint(times)").text == "1\n"
    assert kernel.run("print(times)").text == "1\n"
    assert proxy.pending == 0


def test_throttling_without_end_is_an_error_with_its_true_name(kernel, proxy):
    proxy.will("RunStatement", *[refuse("ThrottlingException", "slow down")] * 50)
    name, message = kernel.run("1").error
    assert name == "GlueServiceError"
    assert "ThrottlingException: slow down" in message


@pytest.mark.parametrize("action", ["RunStatement", "GetStatement"])
def test_expired_credentials_are_an_error(kernel, proxy, action):
    proxy.will(action, refuse("ExpiredTokenException", "the token has expired"))
    name, message = kernel.run("1").error
    assert name == "GlueServiceError"
    assert "ExpiredTokenException: the token has expired" in message


@pytest.mark.parametrize("status", ["TIMEOUT", "STOPPED", "FAILED"])
def test_a_session_that_has_ended_is_an_error_and_no_new_one_starts(kernel, proxy, status):
    proxy.will("RunStatement", refuse("IllegalSessionStateException", "not ready"))
    proxy.will("GetSession", change(Status=status, ErrorMessage="out of memory"))
    before = proxy.calls["CreateSession"]
    name, message = kernel.run("1").error
    assert name == "GlueSessionError"
    assert status in message
    assert "out of memory" in message
    assert proxy.calls["CreateSession"] == before


def test_a_session_that_is_not_found_is_an_error(kernel, proxy):
    proxy.will("RunStatement", refuse("EntityNotFoundException"))
    proxy.will("GetSession", refuse("EntityNotFoundException"))
    name, message = kernel.run("1").error
    assert name == "GlueSessionError"
    assert "does not exist" in message


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ({"State": "CANCELLED", "Output": None}, "CANCELLED"),
        ({"State": "ERROR", "Output": None}, "ERROR"),
        ({"State": "ERROR", "Output": {"Status": "error"}}, "ERROR"),
        ({"State": "AVAILABLE", "Output": {"Status": "odd"}}, "'odd'"),
        ({"State": "AVAILABLE", "Output": None}, "None"),
    ],
)
def test_a_statement_that_is_not_ok_is_an_error(kernel, proxy, statement, found):
    proxy.will("GetStatement", change(**statement))
    name, message = kernel.run("1").error
    assert name == "GlueStatementError"
    assert found in message


def test_an_interrupt_cancels_the_statement(kernel):
    pid = kernel.manager.provisioner.process.pid
    timer = threading.Timer(1.5, os.kill, (pid, signal.SIGINT))
    timer.start()
    cell = kernel.run("import time\nfor _ in range(300): time.sleep(0.1)")
    timer.join()
    assert cell.error[0] == "KeyboardInterrupt"
    assert kernel.run("print('next')").text == "next\n"


def test_a_session_stopped_between_two_cells_refuses_the_next(shared_sessions, endpoint):
    request = {"Id": "to-be-stopped", "Role": shared_sessions["glue_role_arn"], **CREATE}
    glue_client(shared_sessions).create_session(**request)
    with Kernel(shared_sessions, "to-be-stopped") as kernel:
        assert kernel.run("kept = 1").reply["status"] == "ok"
        endpoint.end("to-be-stopped", "STOPPED")
        name, message = kernel.run("print(kept)").error
        assert name == "GlueSessionError"
        assert "STOPPED" in message


def test_an_attached_session_is_left_running(kernel, api, session):
    kernel.run("1")
    assert "left running" in kernel.run("%stop_session").text
    assert api.client.get_session(Id=session)["Session"]["Status"] == "READY"


def test_an_unreachable_endpoint_is_an_error(local_service):
    nowhere = {**local_service.environment, "glue_endpoint_url": "http://127.0.0.1:9"}
    with Kernel(nowhere, "any", retries=0.5) as kernel:
        name, message = kernel.run("1").error
    assert name == "GlueServiceError"
    assert "127.0.0.1:9" in message


def _own_sessions(api, before):
    return [s for s in api.client.list_sessions()["Sessions"] if s["Id"] not in before]


def _ids(api):
    return {found["Id"] for found in api.client.list_sessions()["Sessions"]}


def test_a_kernel_on_its_own_makes_a_session_from_its_magics_and_stops_it(
    local_service, api, proxy
):
    proxy.clear()
    before = _ids(api)
    with Kernel(proxy.environment, retries=3) as kernel:
        assert kernel.run("1", store_history=False, silent=True).reply["status"] == "ok"
        assert kernel.run("1", store_history=False, allow_stdin=True).reply["status"] == "ok"
        assert _ids(api) == before, "an editor's own statements must not start a session"
        assert kernel.run('%%configure\n{"glue_version": "5.1", "idle_timeout": 7}').outputs == []

        proxy.will("CreateSession", refuse("AccessDeniedException", "no role for you"))
        name, message = kernel.run("1").error
        assert name == "GlueSessionError"
        assert "AccessDeniedException: no role for you" in message

        proxy.will("GetSession", change(Status="FAILED", ErrorMessage="no capacity"))
        name, message = kernel.run("1").error
        assert name == "GlueSessionError"
        assert "FAILED" in message
        assert "no capacity" in message

        proxy.will("CreateSession", lose_answer)
        assert kernel.run("print('made')").outputs == [
            ("stream", {"name": "stdout", "text": "made\n"})
        ]
        (own,) = [s for s in _own_sessions(api, before) if s["Status"] == "READY"]
        assert own["IdleTimeout"] == 7
        assert kernel.run('%%configure\n{"glue_version": "5.1", "idle_timeout": 7}').outputs == []
        changed = kernel.run('%%configure\n{"glue_version": "4.0"}')
        assert changed.error[0] == "GlueConfigurationError"
        assert own["Id"] in kernel.run("%session_id").text
    assert api.wait(own["Id"], leaves="STOPPING")["Status"] == "STOPPED"


def test_a_killed_kernels_own_session_is_stopped(shared_sessions, endpoint):
    with Kernel(shared_sessions) as kernel:
        kernel.run("1")
        (own,) = endpoint.living()
        os.kill(kernel.manager.provisioner.process.pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while endpoint.living():
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert endpoint.sessions[own] == "STOPPED"
