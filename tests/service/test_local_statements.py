"""Statements: their answers, their order, and how they end."""

from __future__ import annotations

import base64
import time

import pytest
from tests.support.local_api import Api, code_of


def test_printed_text_and_the_last_value_come_back_in_order(api: Api, session: str) -> None:
    statement = api.run(session, "print('first')\nprint('second')\n{'a': 1}")
    assert statement["State"] == "AVAILABLE"
    assert statement["Progress"] == 1.0
    assert statement["Output"]["Status"] == "ok"
    assert statement["Output"]["Data"] == {"TextPlain": "first\nsecond\n{'a': 1}"}
    now = time.time() * 1000
    assert now - 60_000 < statement["StartedOn"] <= statement["CompletedOn"] <= now


def test_a_statement_without_output_has_an_empty_text(api: Api, session: str) -> None:
    output = api.run(session, "nothing = None")["Output"]
    assert output["Status"] == "ok"
    assert output["Data"] == {"TextPlain": ""}


def test_what_goes_to_stderr_is_not_part_of_the_text(api: Api, session: str) -> None:
    assert api.text(session, "import sys\nsys.stderr.write('warn\\n');\nprint('out')") == "out"


def test_execution_counts_rise(api: Api, session: str) -> None:
    first = api.run(session, "0")["Output"]["ExecutionCount"]
    assert api.run(session, "0")["Output"]["ExecutionCount"] == first + 1


def test_spark_answers_in_utc_on_loopback(api: Api, session: str) -> None:
    assert api.text(session, "spark.range(5).count()") == "5"
    assert api.text(session, "spark.conf.get('spark.sql.session.timeZone')") == "'UTC'"
    assert api.text(session, "sc.getConf().get('spark.driver.bindAddress')") == "'127.0.0.1'"
    assert api.text(session, "str(sc.uiWebUrl)") == "'None'"


@pytest.mark.parametrize(
    ("code", "name", "value"),
    [
        ("def f():\n    raise ValueError('broken: ä')\nf()", "ValueError", "broken: ä"),
        ("x = (", "SyntaxError", "incomplete input"),
        ("import sys\nsys.exit(3)", "SystemExit", "3"),
        ("exit()", "SystemExit", ""),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("%matplot absent", "NameError", "%matplot absent"),
    ],
)
def test_a_python_error_is_available_with_its_name_value_and_traceback(
    api: Api, session: str, code: str, name: str, value: str
) -> None:
    statement = api.run(session, f"print('before')\n{code}")
    output = statement["Output"]
    assert statement["State"] == "AVAILABLE"
    assert output["Status"] == "error"
    assert output["ErrorName"] == name
    assert output["ErrorValue"].startswith(value)
    assert any(name in line for line in output["Traceback"])
    assert "\x1b" not in "".join(output["Traceback"])
    assert api.text(session, "'alive'") == "'alive'"


def test_a_spark_error_keeps_its_cause(api: Api, session: str) -> None:
    output = api.run(session, "spark.sql('select absent from nowhere')")["Output"]
    assert output["ErrorName"] == "AnalysisException"
    assert "nowhere" in output["ErrorValue"]


def test_statements_run_one_after_the_other_in_order(api: Api, session: str) -> None:
    run = api.client.run_statement
    codes = ["import time\norder = []", *[f"time.sleep(0.05)\norder.append({i})" for i in range(4)]]
    numbers = [run(SessionId=session, Code=code)["Id"] for code in codes]
    assert numbers == list(range(numbers[0], numbers[0] + len(codes)))
    assert api.text(session, "order") == "[0, 1, 2, 3]"
    states = [
        statement["State"]
        for statement in api.client.list_statements(SessionId=session)["Statements"]
        if statement["Id"] in numbers
    ]
    assert states == ["AVAILABLE"] * len(codes)


def test_an_error_does_not_stop_the_statements_behind_it(api: Api, session: str) -> None:
    run = api.client.run_statement
    failing = run(SessionId=session, Code="import time\ntime.sleep(0.1)\n1 / 0")["Id"]
    following = run(SessionId=session, Code="'ran'")["Id"]
    assert api.result(session, failing)["Output"]["ErrorName"] == "ZeroDivisionError"
    assert api.result(session, following)["Output"]["Data"] == {"TextPlain": "'ran'"}


def test_cancelling_ends_a_running_and_a_waiting_statement(api: Api, session: str) -> None:
    run = api.client.run_statement
    running = run(SessionId=session, Code="import time\nwhile True:\n    time.sleep(0.01)")["Id"]
    waiting = run(SessionId=session, Code="never = 'ran'")["Id"]
    api.client.cancel_statement(SessionId=session, Id=waiting)
    api.client.cancel_statement(SessionId=session, Id=running)
    assert api.result(session, waiting)["State"] == "CANCELLED"
    assert api.result(session, running)["State"] == "CANCELLED"
    assert api.text(session, "'never' in globals()") == "False"


@pytest.mark.timeout(120)
def test_a_statement_can_be_cancelled_at_any_moment_of_its_start(api: Api, session: str) -> None:
    for pause in range(40):
        code = "while True:\n    pass"
        number = api.client.run_statement(SessionId=session, Code=code)["Id"]
        time.sleep(pause / 4000)
        api.client.cancel_statement(SessionId=session, Id=number)
        assert api.result(session, number)["State"] == "CANCELLED"
        assert api.text(session, "'next'") == "'next'", "an interrupt is never the next one's"


def test_cancelling_stops_the_spark_job_as_well(api: Api, session: str) -> None:
    job = "import time\nsc.parallelize(range(200), 200).foreach(lambda _: time.sleep(0.5))"
    number = api.client.run_statement(SessionId=session, Code=job)["Id"]
    while not api.client.get_statement(SessionId=session, Id=number)["Statement"]["Progress"]:
        time.sleep(0.05)
    api.client.cancel_statement(SessionId=session, Id=number)
    assert api.result(session, number)["State"] == "CANCELLED"
    assert api.text(session, "sc.statusTracker().getActiveJobsIds()") == "[]"


def test_cancelling_what_has_ended_changes_nothing(api: Api, session: str) -> None:
    statement = api.run(session, "'done'")
    api.client.cancel_statement(SessionId=session, Id=statement["Id"])
    assert api.result(session, statement["Id"]) == statement


def test_progress_rises_while_spark_works(api: Api, session: str) -> None:
    job = "import time\nsc.parallelize(range(8), 8).foreach(lambda _: time.sleep(0.5))"
    number = api.client.run_statement(SessionId=session, Code=job)["Id"]
    seen = []
    while (statement := api.client.get_statement(SessionId=session, Id=number)["Statement"])[
        "State"
    ] in ("WAITING", "RUNNING"):
        seen.append(statement["Progress"])
        time.sleep(0.05)
    assert seen == sorted(seen)
    assert [share for share in seen if 0 < share < 1]
    assert statement["Progress"] == 1.0


def test_a_picture_is_answered_as_the_glue_kernels_show_it(api: Api, session: str) -> None:
    code = (
        "import matplotlib.pyplot as plt\nplt.clf()\nplt.plot([1, 3, 2]);\n"
        "print('beside it')\n%matplot plt"
    )
    pictures = []
    for _ in range(2):
        number = api.run(session, code)["Id"]
        status, answer = api.post("GetStatement", {"SessionId": session, "Id": number})
        data = answer["Statement"]["Output"]["Data"]
        assert (status, data["MimeType"]) == (200, "image/png")
        assert data["TextPlain"] == data["StdOut"] == "beside it"
        pictures.append(base64.b64decode(data["Result"], validate=True))
    assert pictures[0].startswith(b"\x89PNG")
    assert b"Software" not in pictures[0]
    assert pictures[0] == pictures[1]


def test_more_output_than_is_kept_is_an_error_and_never_a_silent_cut(
    api: Api, session: str
) -> None:
    statement = api.run(session, "print('x' * 4_000_001)")
    assert statement["State"] == "ERROR"
    assert statement["Output"]["ErrorName"] == "OutputTooLarge"
    assert api.text(session, "'alive'") == "'alive'"


def test_a_session_with_too_many_waiting_statements_is_busy(api: Api, session: str) -> None:
    run, cancel = api.client.run_statement, api.client.cancel_statement
    numbers = [run(SessionId=session, Code="import time\ntime.sleep(600)")["Id"]]
    while api.client.get_statement(SessionId=session, Id=numbers[0])["Statement"]["State"] != (
        "RUNNING"
    ):
        time.sleep(0.02)
    numbers += [run(SessionId=session, Code="1")["Id"] for _ in range(100)]
    assert code_of(run, SessionId=session, Code="1") == "SessionBusyException"
    for number in reversed(numbers):
        cancel(SessionId=session, Id=number)
    assert api.result(session, numbers[0])["State"] == "CANCELLED"
    listed: list[int] = []
    token: dict[str, str] = {}
    while not listed or token:
        page = api.client.list_statements(SessionId=session, **token)
        listed += [statement["Id"] for statement in page["Statements"]]
        token = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
    assert listed == list(range(numbers[-1] + 1))


def test_code_is_data_whatever_it_holds(api: Api, session: str) -> None:
    text = "ç ☃ 𝄞 \\u0000 \" ' $(id) {x}"
    assert api.text(session, f"print({text!r})") == text


def test_code_may_be_as_long_as_the_api_allows_and_no_longer(api: Api, session: str) -> None:
    longest = "#" * 67_999 + "\n"
    assert api.text(session, longest) == ""
    run = api.client.run_statement
    assert code_of(run, SessionId=session, Code=longest + "1") == "ValidationException"


def test_an_unknown_statement_is_named(api: Api, session: str) -> None:
    for call in (api.client.get_statement, api.client.cancel_statement):
        assert code_of(call, SessionId=session, Id=10_000) == "EntityNotFoundException"
        assert code_of(call, SessionId=session, Id=-1) == "EntityNotFoundException"


def test_the_service_keys_are_not_in_the_session(api: Api, session: str) -> None:
    names = api.text(session, "import os\n' '.join(os.environ.values())")
    assert api.service.environment["AWS_SECRET_ACCESS_KEY"] not in names
