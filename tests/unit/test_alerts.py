"""Alerts: what people are told about a run, in which form, and what is never told."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import canaries
from tests.support.webhooks import SECRET, Webhook, is_slack_message, is_teams_message

from client_health_cli.alert_url import VARIABLE, channels
from client_health_cli.errors import ClientHealthCliError, SettingsError
from register_contract.alerts import Alert, Kind, Shape, late
from register_contract.contract import Gate
from register_run import webhook
from register_run.alerting import Alerts, Topic, alerting, place_of
from register_run.cell_errors import from_cell
from register_run.delivery import Delivery
from register_run.errors import GateStopped, InputError, ReceiptError, Terminated
from register_run.listener import Listener
from strict_glue.errors import ServiceError, SessionError, StatementError, StrictGlueError

CANARY = f"{canaries.cpf(7)} Zyxcanario Nome"
NOTEBOOK = "s3://lake/lake/runs/r1/02_transform.ipynb"
FULL = Alert(
    Kind.FAILED, "Run r1 failed", "a <b> & c", "do it", (("Run", "r1"), ("Cell", "")),
    "https://console.aws.amazon.com/s3/object/lake?prefix=x",
)  # fmt: skip


class Heard(Listener):
    """Keeps notes and warnings."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warned(self, text: str) -> None:
        self.warnings.append(text)


class Kept:
    """A channel that keeps alerts."""

    name = "kept"

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def send(self, alert: Alert) -> None:
        self.alerts.append(alert)


@pytest.fixture
def server() -> Iterator[Webhook]:
    found = Webhook()
    yield found
    found.close()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("register_run.alerting._WAIT_SECONDS", 0)


def told_of(error: BaseException, *, stage: str = "02_transform") -> Alert:
    """Return the alert of a run that an error ended."""
    kept = Kept()
    with (
        pytest.raises(type(error)) as caught,
        alerting(Heard(), [kept]) as listener,
    ):
        listener.run_started("r1", Delivery("d1", "2026-01-31", {}, ()))
        listener.stage_started(stage, 9)
        raise error
    assert caught.value is error
    (alert,) = kept.alerts
    for shape, check in ((Shape.SLACK, is_slack_message), (Shape.TEAMS, is_teams_message)):
        check(alert.payload(shape))
    return alert


def in_a_cell(ename: str, evalue: str) -> StrictGlueError:
    traceback = [f"Traceback: {evalue}"]
    return from_cell(
        stage="02_transform", cell=4, ename=ename, evalue=evalue, traceback=traceback,
        notebook=NOTEBOOK,
    )  # fmt: skip


# What is told


def test_a_stopped_gate_is_told_with_its_rule_its_figures_and_its_next_step() -> None:
    gate = Gate.REJEITADOS_DEMAIS
    message = f"{gate}: 7.2 % of 300 rows. Nothing was published; it is as it was. {gate.next_step}"
    alert = told_of(in_a_cell("QualityGateError", message))
    assert alert.kind is Kind.GATE
    assert alert.title == "Run r1 was stopped by rejeitados_demais"
    assert alert.cause.startswith("rejeitados_demais: 7.2 % of 300 rows. Nothing was published")
    assert gate.next_step not in alert.cause
    assert alert.next_step == gate.next_step
    facts = dict(alert.facts)
    assert facts["Rule"] == "rejeitados_demais"
    assert (facts["Run"], facts["Delivery"], facts["Day"]) == ("r1", "d1", "2026-01-31")
    assert (facts["Stage"], facts["Cell"], facts["Exit code"]) == ("02_transform", "4", "3")
    assert alert.link == place_of(NOTEBOOK)


def test_every_gate_can_be_named_and_none_is_named_for_another() -> None:
    for gate in Gate:
        alert = told_of(in_a_cell("QualityGateError", f"{gate}: found"))
        assert dict(alert.facts)["Rule"] == gate


def test_a_gate_of_the_runner_keeps_the_runners_next_step() -> None:
    error = GateStopped(f"{Gate.REMESSA_ANTIGA}: it is older", next_step="--accept-older")
    alert = told_of(error, stage="")
    assert alert.next_step == "--accept-older"
    assert dict(alert.facts)["Rule"] == "remessa_antiga"


def test_unusable_input_is_told_in_its_own_words() -> None:
    alert = told_of(in_a_cell("InputError", "c.csv: an empty file; expected rows"))
    assert alert.title == "Run r1 failed in 02_transform"
    assert alert.cause == "c.csv: an empty file; expected rows"
    assert alert.next_step == "fix or replace what the message names, then run again"


@pytest.mark.parametrize(
    "error",
    [
        SessionError.not_created("s1", "no capacity"),
        ServiceError("ThrottlingException: too fast", next_step="wait"),
        ReceiptError.missing("02_transform", "s3://lake/r.json"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_session_a_service_and_a_receipt_are_told_in_their_own_words(
    error: StrictGlueError,
) -> None:
    alert = told_of(error)
    assert alert.cause == error.message
    assert alert.next_step == error.next_step


def test_the_end_by_sigterm_is_told() -> None:
    alert = told_of(Terminated())
    assert alert.kind is Kind.INTERRUPTED
    assert alert.title == "Run r1 was stopped from outside"
    assert "SIGTERM" in alert.cause
    assert dict(alert.facts)["Stage"] == "02_transform"


def test_a_run_that_failed_before_it_had_a_name_is_told() -> None:
    kept = Kept()
    with pytest.raises(InputError), alerting(Heard(), [kept]):
        raise InputError("expected one source each, found none for csv")
    assert kept.alerts[0].title == "A run failed"


def test_the_callers_own_errors_are_told_in_their_own_words() -> None:
    kept = Kept()
    problems = "the rules file can't be used:\n  line 2: limits has no x\n  line 5: no column nome"
    error = SettingsError(problems)
    with pytest.raises(SettingsError), alerting(Heard(), [kept], ClientHealthCliError):
        raise error
    with pytest.raises(SettingsError), alerting(Heard(), [kept]):
        raise error
    own, other = kept.alerts
    assert own.cause == problems
    assert own.next_step == "Correct what it names, then run the same command again."
    assert dict(own.facts)["Exit code"] == "2"
    assert other.cause == "The runner itself failed: SettingsError."
    is_slack_message(own.payload(Shape.SLACK))


def test_warnings_are_told_together_once_the_run_has_ended() -> None:
    kept, heard = Kept(), Heard()
    with alerting(heard, [kept]) as listener:
        listener.run_started("r1", Delivery("d1", "2026-01-31", {}, ()))
        listener.warned("one moved")
        listener.warned("another vanished")
        assert kept.alerts == []
    (alert,) = kept.alerts
    assert alert.kind is Kind.WARNED
    assert alert.title == "Run r1 has 2 warning(s)"
    assert alert.cause == "one moved\nanother vanished"
    assert heard.warnings == ["one moved", "another vanished"]
    is_slack_message(alert.payload(Shape.SLACK))


def test_a_published_run_tells_nobody() -> None:
    kept = Kept()
    with alerting(Heard(), [kept]) as listener:
        listener.run_started("r1", Delivery("d1", "2026-01-31", {}, ()))
    assert kept.alerts == []


def test_without_a_channel_the_listener_is_the_given_one() -> None:
    heard = Heard()
    with alerting(heard, []) as listener:
        assert listener is heard


def test_every_report_reaches_the_listener_behind() -> None:
    reports = {name for name, one in vars(Listener).items() if inspect.isfunction(one)}
    assert reports <= vars(Alerts).keys()
    heard: list[str] = []

    class All(Listener):
        def __getattribute__(self, name: str) -> object:
            return lambda *_: heard.append(name)

    alerts = Alerts(All(), [])
    for name in reports:
        wanted = inspect.signature(getattr(Listener, name)).parameters
        delivery = Delivery("d1", "2026-01-31", {}, ())
        getattr(alerts, name)(*(delivery for _ in list(wanted)[1:]))
    assert sorted(heard) == sorted(reports)


# What is never told


@pytest.mark.parametrize(
    "error",
    [
        in_a_cell("ValueError", f"bad value {CANARY}"),
        in_a_cell("PolarsError", CANARY),
        in_a_cell(f"Evil {CANARY}", "x"),
        in_a_cell("GlueStatementError", f"statement 1 is CANCELLED: ValueError: {CANARY}"),
        StatementError.from_state(
            {"Id": 1, "State": "ERROR", "Output": {"ErrorName": "E", "ErrorValue": CANARY}}
        ),
        StrictGlueError(CANARY),
        RuntimeError(CANARY),
        KeyError(CANARY),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_code_had_in_hand_stays_in_the_notebook(error: BaseException) -> None:
    alert = told_of(error)
    told = alert.subject + alert.text() + str(alert.payload(Shape.SLACK))
    told += str(alert.payload(Shape.TEAMS))
    assert canaries.found_in(told) == []
    assert alert.cause
    assert "Evil" not in told


def test_the_name_of_a_raised_error_is_told() -> None:
    alert = told_of(in_a_cell("ZeroDivisionError", "division by zero"))
    assert dict(alert.facts)["Error"] == "ZeroDivisionError"
    assert "division" not in alert.text()


@pytest.mark.parametrize(
    "text", [canaries.cpf(3), "913.572.403-01", "913 572 403 01", f"'{canaries.cpf(3)}',"]
)
def test_what_looks_like_a_cpf_is_hidden_wherever_it_is(text: str) -> None:
    alert = Alert(Kind.FAILED, text, text, text, (("Run", text),), text)
    told = alert.subject + alert.text() + str([alert.payload(shape) for shape in Shape])
    assert "913" not in told


def test_names_and_counts_stay_as_they_are() -> None:
    text = (
        "run r12345678901abcde, snapshot 1234567890123456789, 2,400,000 rows, account 123456789012"
    )
    assert text in Alert(Kind.FAILED, "t", text).text()


# Forms


def test_slacks_special_characters_are_escaped_and_pages_are_links() -> None:
    payload = FULL.payload(Shape.SLACK)
    is_slack_message(payload)
    text = json.dumps(payload)
    assert "a &lt;b&gt; &amp; c" in text
    assert "<https://console.aws.amazon.com/s3/object/lake?prefix=x|Executed notebook>" in text
    assert "Cell" not in text


def test_a_card_of_teams_has_facts_and_opens_the_notebook() -> None:
    card = is_teams_message(FULL.payload(Shape.TEAMS))
    assert card["body"][0]["text"] == "Run r1 failed"
    assert card["body"][0]["color"] == "attention"
    assert {"type": "FactSet", "facts": [{"title": "Run", "value": "r1"}]} in card["body"]
    (action,) = card["actions"]
    assert action["url"].startswith("https://console.aws.amazon.com/")


def test_a_path_is_no_link() -> None:
    alert = Alert(Kind.FAILED, "t", "c", link="/lake/runs/r1/01_ingest.ipynb")
    slack, teams = (alert.payload(shape) for shape in (Shape.SLACK, Shape.TEAMS))
    is_slack_message(slack)
    assert "actions" not in is_teams_message(teams)
    assert all("/lake/runs/r1/01_ingest.ipynb" in str(one) for one in (slack, teams))


def test_long_texts_stay_within_the_services_limits() -> None:
    long = "á&" * 5000
    alert = Alert(Kind.WARNED, long, long, long, tuple((f"f{n}", long) for n in range(12)), long)
    is_slack_message(alert.payload(Shape.SLACK))
    is_teams_message(alert.payload(Shape.TEAMS))
    assert len(alert.subject) < 100
    assert alert.subject.isascii()


def test_a_late_delivery_says_what_is_missing() -> None:
    alert = late("2026-01-31: no csv", "2026-01-31 09:00 UTC")
    assert "2026-01-31: no csv" in alert.text()
    assert alert.text().startswith("Delivery late\n")
    for shape, check in ((Shape.SLACK, is_slack_message), (Shape.TEAMS, is_teams_message)):
        check(alert.payload(shape))


def test_a_notebook_in_s3_is_opened_in_the_console() -> None:
    assert place_of("s3://b/lake/runs/r1/01 x.ipynb") == (
        "https://console.aws.amazon.com/s3/object/b?prefix=lake/runs/r1/01%20x.ipynb"
    )
    assert place_of("/lake/x.ipynb") == "/lake/x.ipynb"


# Webhooks


@pytest.mark.parametrize(
    ("host", "shape"),
    [
        ("hooks.slack.com", Shape.SLACK),
        ("chat.example.com", Shape.SLACK),
        ("prod-12.brazilsouth.logic.azure.com", Shape.TEAMS),
        ("default1.2.environment.api.powerplatform.com", Shape.TEAMS),
        ("example.webhook.office.com", Shape.TEAMS),
        ("logic.azure.com.example.com", Shape.SLACK),
    ],
)
def test_the_host_decides_the_form_unless_it_is_given(host: str, shape: Shape) -> None:
    assert webhook.read(f"https://{host}/x\n").shape is shape
    assert webhook.read(f"https://{host}/x", "teams").shape is Shape.TEAMS


@pytest.mark.parametrize(
    "url",
    [
        "",
        SECRET,
        f"http://example.com/{SECRET}",
        f"http://127.0.0.1.example.com/{SECRET}",
        f"ftp://example.com/{SECRET}",
        f"https://two words/{SECRET}",
        f"http://[::{SECRET}",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="alert URL") as caught:
        webhook.read(url)
    assert "CANARY" not in str(caught.value)


def test_a_form_that_is_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match="'irc', not slack or teams"):
        webhook.read("https://x", "irc")


@pytest.mark.parametrize("shape", list(Shape))
def test_an_alert_arrives_as_it_is(server: Webhook, shape: Shape) -> None:
    webhook.read(server.url, shape.value).send(FULL)
    assert server.arrived == [FULL.payload(shape)]
    assert server.paths == [f"/services/{SECRET}"]


def failed_with(url: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Fail a run, and return its notes; the outcome must be the run's own."""
    heard, error = Heard(), GateStopped("saida_vazia: no rows")
    caplog.set_level(logging.DEBUG)
    found = webhook.read(url)
    with pytest.raises(GateStopped) as caught, alerting(heard, [found]):
        raise error
    assert caught.value is error
    assert "CANARY" not in caplog.text + "".join(heard.notes) + repr(found)
    return heard.notes


def test_a_webhook_that_refuses_is_asked_once(
    server: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    server.status = 403
    (note,) = failed_with(server.url, caplog)
    assert note.startswith("the alert did not reach the webhook (HTTP 403)")
    assert len(server.arrived) == 1


def test_a_webhook_that_fails_is_asked_twice(
    server: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    server.status = 500
    (note,) = failed_with(server.url, caplog)
    assert "(HTTP 500)" in note
    assert len(server.arrived) == 2


def test_a_webhook_that_does_not_answer_is_given_up(
    server: Webhook, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "_SECONDS", 0.2)
    server.answers.clear()
    (note,) = failed_with(server.url, caplog)
    assert "(ReadTimeoutError)" in note


def test_a_webhook_that_is_gone_is_noted(server: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    server.close()
    (note,) = failed_with(server.url, caplog)
    assert "(EndpointConnectionError)" in note


def test_an_alert_follows_no_redirect(server: Webhook, caplog: pytest.LogCaptureFixture) -> None:
    other = Webhook()
    server.status, server.location = 307, other.url
    try:
        (note,) = failed_with(server.url, caplog)
    finally:
        other.close()
    assert "(HTTP 307)" in note
    assert other.arrived == []


def test_a_channel_that_breaks_keeps_the_others_from_nothing() -> None:
    class Broken:
        name = "broken"

        def send(self, alert: Alert) -> None:
            raise RuntimeError(f"https://x/{SECRET}")

    kept, heard = Kept(), Heard()
    with pytest.raises(GateStopped), alerting(heard, [Broken(), kept]):
        raise GateStopped("saida_vazia: no rows")
    assert len(kept.alerts) == 1
    (note,) = heard.notes
    assert "broken (RuntimeError)" in note


def test_a_topic_that_is_none_is_noted() -> None:
    heard = Heard()
    with pytest.raises(GateStopped), alerting(heard, [Topic("no-arn")]):
        raise GateStopped("saida_vazia: no rows")
    (note,) = heard.notes
    assert "did not reach the topic" in note


# The command's URL


@pytest.fixture
def url_file(tmp_path: Path) -> Path:
    path = tmp_path / "url"
    path.write_text(f"https://hooks.slack.com/{SECRET}\n")
    path.chmod(0o600)
    return path


def test_the_url_comes_from_a_file_or_a_variable(
    url_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.delenv(VARIABLE, raising=False)
    assert channels(None) == []
    monkeypatch.setenv(VARIABLE, "https://hooks.slack.com/variable")
    (found,) = channels(url_file)
    assert found == webhook.read(f"https://hooks.slack.com/{SECRET}")
    assert VARIABLE not in os.environ, "sessions and kernels inherit the environment"
    monkeypatch.setenv(VARIABLE, "https://hooks.slack.com/variable")
    (found,) = channels(None, "teams")
    assert found == webhook.read("https://hooks.slack.com/variable", "teams")
    assert VARIABLE not in os.environ


def test_a_url_that_cannot_be_used_is_refused_before_anything_starts(
    url_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(SettingsError, match="give --alert-url-file"):
        channels(None, "slack")
    with pytest.raises(SettingsError, match="No such file"):
        channels(tmp_path / "absent")
    url_file.chmod(0o640)
    with pytest.raises(SettingsError, match=r"read by others \(mode 0640\)"):
        channels(url_file)
    url_file.chmod(0o600)
    url_file.write_text(f"http://example.com/{SECRET}")
    with pytest.raises(SettingsError, match="https://") as caught:
        channels(url_file)
    assert "CANARY" not in str(caught.value)
    url_file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not text"):
        channels(url_file)
