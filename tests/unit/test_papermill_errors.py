"""An error's name shows its kind, and its message has only a few lines."""

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from register_run.cell_errors import from_cell
from register_run.errors import GateStopped, InputError, MainMoved, NotebookFailed, ReceiptError
from strict_glue import api
from strict_glue.errors import ServiceError, SessionError, StatementError, StrictGlueError


def _cell(ename, evalue="boom"):
    return from_cell(
        stage="02_transform",
        cell=4,
        ename=ename,
        evalue=evalue,
        traceback=["Traceback", "  secret line"],
        notebook="/lake/runs/r1/02_transform.ipynb",
        input_errors=("InputError",),
        gate_errors=("QualityGateError",),
        moved_errors=("MainMovedError",),
    )


@pytest.mark.parametrize(
    ("ename", "kind", "code"),
    [
        ("ValueError", NotebookFailed, 1),
        ("SystemExit", NotebookFailed, 1),
        ("InputError", InputError, 2),
        ("GlueConfigurationError", None, 2),
        ("QualityGateError", GateStopped, 3),
        ("MainMovedError", MainMoved, 1),
        ("GlueSessionError", SessionError, 4),
        ("GlueServiceError", ServiceError, 4),
        ("GlueStatementError", None, 4),
        ("DeadKernelError", None, 4),
        ("CellTimeoutError", None, 4),
    ],
)
def test_the_name_of_a_cells_error_decides_the_exit_code(ename, kind, code):
    error = _cell(ename)
    assert error.exit_code == code
    assert kind is None or type(error) is kind
    assert (error.stage, error.cell, error.ename, error.evalue) == (
        "02_transform",
        4,
        ename,
        "boom",
    )


def test_an_error_is_told_in_a_few_lines_without_its_traceback():
    told = str(_cell("QualityGateError", "7 % rejected, at most 5 % allowed"))
    assert told.splitlines()[0] == (
        "02_transform, cell 4: QualityGateError: 7 % rejected, at most 5 % allowed"
    )
    assert "/lake/runs/r1/02_transform.ipynb" in told
    assert "next:" in told
    assert "secret line" not in told


def test_an_error_ends_with_its_place_on_the_page_of_errors():
    assert str(_cell("GlueSessionError")).splitlines()[-1] == "  more: docs/errors.md#sessionerror"
    assert str(_cell("ValueError")).splitlines()[-1] == "  more: docs/errors.md#notebookfailed"


@pytest.mark.parametrize("kind", StrictGlueError.__subclasses__())
def test_every_error_says_why_and_what_to_do(kind):
    said = vars(kind)["__doc__"]  # its own docstring, not its parent's
    assert "\n    Why: " in said
    assert "\n    What to do: " in said


@pytest.mark.parametrize(
    "error",
    [
        SessionError.not_created("s1", "AccessDeniedException: not your role"),
        SessionError.ended("s1", {"Status": "FAILED", "ErrorMessage": "no memory"}),
        SessionError.not_found("s1"),
        SessionError.not_ready("s1", "PROVISIONING", 90.0),
        StatementError.from_state({"Id": 3, "State": "CANCELLED"}),
        StatementError.incomplete({"Id": 3, "Output": {}}),
        StatementError.too_long(68_001, 68_000),
        ReceiptError.missing("01_ingest", "runs/r1/01_ingest.json"),
        ReceiptError.untrue("01_ingest", "runs/r1/01_ingest.json", ["csv: 2 rows in, 1 out"]),
        api.failure("GetSession", EndpointConnectionError(endpoint_url="http://x")),
        _cell("ValueError"),
        _cell("InputError"),
        _cell("QualityGateError"),
        _cell("GlueSessionError"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_tells_what_was_found_and_the_next_step_in_few_words(error):
    found, *rest = str(error).splitlines()
    assert error.message in found
    assert [line.split(":")[0].strip() for line in rest[-2:]] == ["next", "more"]
    assert len(error.next_step) <= 90
    assert not {"Traceback", "NoneType", "object at 0x"} & set(str(error).split())


def test_the_stack_of_the_jvm_is_left_out():
    evalue = (
        "An error occurred while calling o1.save.\n: org.apache.spark.SparkException: full disk\n"
        "\tat org.apache.spark.A.b(A.scala:1)\n\tat org.apache.spark.C.d(C.scala:2)"
    )
    told = str(_cell("Py4JJavaError", evalue))
    assert "full disk" in told
    assert "\tat " not in told
    assert len(told.splitlines()) <= 5


def _client_error(code, status=400):
    answer = {
        "Error": {"Code": code, "Message": "m"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "RunStatement")


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (_client_error("ThrottlingException"), True),
        (_client_error("Strange", 503), True),
        (_client_error("Strange", 429), True),
        (_client_error("InvalidInputException"), False),
        (_client_error("ExpiredTokenException"), False),
        (EndpointConnectionError(endpoint_url="http://x"), True),
        (ReadTimeoutError(endpoint_url="http://x"), True),
        (SSLError(endpoint_url="http://x", error="bad"), False),
        (NoCredentialsError(), False),
    ],
)
def test_only_what_may_pass_is_tried_again(error, transient):
    assert api.is_transient(error) is transient


def test_a_call_is_tried_again_until_it_succeeds():
    answers = [_client_error("ThrottlingException"), _client_error("Strange", 500), "done"]

    def call():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert api.call(call, 10) == "done"
    assert answers == []


def test_a_call_is_given_up_when_its_budget_is_over():
    tries = []

    def call():
        tries.append(1)
        raise _client_error("ThrottlingException")

    with pytest.raises(ClientError):
        api.call(call, 0.3)
    assert len(tries) == 2


def test_an_error_that_cannot_pass_is_raised_at_once():
    tries = []

    def call():
        tries.append(1)
        raise _client_error("AccessDeniedException")

    with pytest.raises(ClientError):
        api.call(call, 60)
    assert len(tries) == 1


def test_expired_credentials_are_named_with_the_next_step():
    error = api.failure("GetStatement", _client_error("ExpiredTokenException"))
    assert error.exit_code == 4
    assert "ExpiredTokenException" in str(error)
    assert "renew the credentials" in str(error)
