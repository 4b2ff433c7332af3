"""Tells people how a run ended: through a webhook, and through SNS.

What is told is in :mod:`register_contract.alerts`. Nothing here changes a run's outcome: an alert
that can't be delivered is a note of the run.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Optional, Protocol
from urllib.parse import quote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed

from register_contract.alerts import Alert, Kind
from register_contract.contract import Gate
from register_contract.receipts import Receipt
from register_run import storage
from register_run.delivery import Delivery
from register_run.errors import (
    GateStopped,
    InputError,
    MainMoved,
    NotebookFailed,
    ReceiptError,
    RunInProgress,
)
from register_run.listener import Listener
from register_run.webhook import NotDelivered
from strict_glue import (
    ConfigurationError,
    KernelDied,
    ServiceError,
    SessionError,
    StageTimeout,
    StrictGlueError,
    Usage,
    shorten,
)

# The texts of these are our own, or a service's that has no rows. Those of all others may quote
# what the session's code had in hand, so their texts stay in the notebook.
_OWN_WORDS: tuple[type[StrictGlueError], ...] = (
    GateStopped,
    InputError,
    MainMoved,
    ReceiptError,
    RunInProgress,
    ConfigurationError,
    KernelDied,
    ServiceError,
    SessionError,
    StageTimeout,
)
_AGAIN = "Run the same command again: it continues after the last finished stage."
_CORRECT = "Correct what it names, then run the same command again."
_READ_NOTEBOOK = "Open the executed notebook: it has the full message and traceback."
_ATTEMPTS, _WAIT_SECONDS = 2, 1.0
_QUICK = Config(connect_timeout=3, read_timeout=5, retries={"max_attempts": 1})


class Channel(Protocol):
    """A way to people."""

    @property
    def name(self) -> str:
        """What notes call it."""

    def send(self, alert: Alert) -> None:
        """Send an alert once, or raise NotDelivered."""


@dataclass(frozen=True)
class Topic:
    """A topic of SNS."""

    arn: str

    name = "topic"

    def send(self, alert: Alert) -> None:
        """Publish an alert's text.

        Raises
        ------
        NotDelivered
            SNS can't be reached, or refuses it.
        """
        try:
            region = self.arn.split(":")[3]
            boto3.client("sns", config=_QUICK, region_name=region).publish(
                TopicArn=self.arn, Subject=alert.subject, Message=alert.text()
            )
        except ClientError as error:
            raise NotDelivered(error.response["Error"]["Code"]) from None
        except (BotoCoreError, IndexError) as error:
            raise NotDelivered(type(error).__name__, passing=True) from None


class Alerts(Listener):
    """Listener that passes everything on, and tells people how the run ended.

    Parameters
    ----------
    listener : Listener
        Receives all reports.
    channels : sequence of Channel
        Each gets every alert.
    own_words : type of Exception, optional
        The root of the caller's errors, whose texts have no rows.
    """

    def __init__(
        self,
        listener: Listener,
        channels: Sequence[Channel],
        own_words: Optional[type[Exception]] = None,
    ) -> None:
        self._listener = listener
        self._channels = channels
        self._own_words = own_words
        self._run_id = self._delivery_id = self._day = self._stage = ""
        self._warnings: list[str] = []

    def run_started(self, run_id: str, delivery: Delivery) -> None:
        """Keep the names for the alert."""
        self._run_id, self._delivery_id, self._day = run_id, delivery.delivery_id, delivery.as_of
        self._listener.run_started(run_id, delivery)

    def delivery_kept(self, delivery: Delivery) -> None:
        """Pass it on."""
        self._listener.delivery_kept(delivery)

    def stage_started(self, stage: str, cells: int) -> None:
        """Keep the stage for the alert."""
        self._stage = stage
        self._listener.stage_started(stage, cells)

    def cell_started(self, stage: str, index: int, total: int) -> None:
        """Pass it on."""
        self._listener.cell_started(stage, index, total)

    def progress(self, stage: str, fraction: float) -> None:
        """Pass it on."""
        self._listener.progress(stage, fraction)

    def stage_skipped(self, stage: str, receipt: Receipt) -> None:
        """Pass it on."""
        self._listener.stage_skipped(stage, receipt)

    def stage_finished(self, stage: str, receipt: Receipt, seconds: float) -> None:
        """Pass it on."""
        self._stage = ""
        self._listener.stage_finished(stage, receipt, seconds)

    def session_used(self, used: Usage) -> None:
        """Pass it on."""
        self._listener.session_used(used)

    def warned(self, text: str) -> None:
        """Keep the warning: all of a run's are sent together."""
        self._warnings.append(text)
        self._listener.warned(text)

    def note(self, text: str) -> None:
        """Pass it on."""
        self._listener.note(text)

    def ended(self, error: Optional[BaseException] = None) -> None:
        """Tell people how the run ended; nothing about a run that was published without warnings.

        Parameters
        ----------
        error : BaseException, optional
            What ended the run.
        """
        if error is not None:
            self._send(self._of_error(error))
        if self._warnings:
            title = f"Run {self._run_id} has {len(self._warnings)} warning(s)"
            self._send(Alert(Kind.WARNED, title, "\n".join(self._warnings), facts=self._facts()))
            self._warnings = []

    def _of_error(self, error: BaseException) -> Alert:
        run = f"Run {self._run_id}" if self._run_id else "A run"
        if isinstance(error, GateStopped):
            return self._of_gate(error)
        if isinstance(error, StrictGlueError):
            where = f" in {error.stage}" if error.stage else ""
            own = isinstance(error, _OWN_WORDS)
            return Alert(
                Kind.FAILED,
                f"{run} failed{where}",
                _cause(error) if own else _kind_of(error),
                next_step=error.next_step if own else _READ_NOTEBOOK,
                facts=self._facts(error),
                link=place_of(error.notebook or ""),
            )
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            cause = "It was stopped from outside (SIGTERM), and stopped its session."
            title = f"{run} was stopped from outside"
            return Alert(Kind.INTERRUPTED, title, cause, _AGAIN, self._facts())
        if self._own_words and isinstance(error, self._own_words):
            code = str(getattr(error, "exit_code", ""))
            facts = self._facts(exit_code=code)
            return Alert(Kind.FAILED, f"{run} failed", str(error), _CORRECT, facts)
        cause = f"The runner itself failed: {type(error).__name__}."
        return Alert(
            Kind.FAILED, f"{run} failed", cause, "See the traceback in its log.", self._facts()
        )

    def _of_gate(self, error: GateStopped) -> Alert:
        cause = _cause(error, lines=False)
        gates = [gate for gate in Gate if f"{gate}:" in cause]
        steps = " ".join(dict.fromkeys(gate.next_step for gate in gates))
        for gate in gates:
            cause = cause.replace(gate.next_step, "")
        # A gate of the runner has its own next step, not the gate's.
        in_notebook = error.cell is not None
        named = ", ".join(gates) or "a gate"
        return Alert(
            Kind.GATE,
            f"Run {self._run_id} was stopped by {named}",
            cause,
            next_step=steps if in_notebook and steps else error.next_step,
            facts=self._facts(error, ", ".join(gates)),
            link=place_of(error.notebook or ""),
        )

    def _facts(
        self, error: Optional[StrictGlueError] = None, rules: str = "", exit_code: str = ""
    ) -> tuple[tuple[str, str], ...]:
        stage, cell, name = self._stage, "", ""
        if error is not None:
            stage = error.stage or stage
            cell = "" if error.cell is None else str(error.cell)
            exit_code = str(error.exit_code)
            if isinstance(error, NotebookFailed) and (error.ename or "").isidentifier():
                name = error.ename or ""
        return (
            ("Run", self._run_id),
            ("Delivery", self._delivery_id),
            ("Day", self._day),
            ("Stage", stage),
            ("Cell", cell),
            ("Rule", rules),
            ("Error", name),
            ("Exit code", exit_code),
        )

    def _send(self, alert: Alert) -> None:
        for channel in self._channels:
            try:
                for attempt in Retrying(
                    retry=retry_if_exception(_is_passing),
                    stop=stop_after_attempt(_ATTEMPTS),
                    wait=wait_fixed(_WAIT_SECONDS),
                    reraise=True,
                ):
                    with attempt:
                        channel.send(alert)
            except Exception as error:  # a channel must not change the run's outcome
                # Another error's text could have the channel's address.
                reason = error if isinstance(error, NotDelivered) else type(error).__name__
                self._listener.note(
                    f"the alert did not reach the {channel.name} ({reason}); this does not change"
                    " the run's outcome"
                )


@contextlib.contextmanager
def alerting(
    listener: Listener,
    channels: Sequence[Channel],
    own_words: Optional[type[Exception]] = None,
) -> Iterator[Listener]:
    """Yield a listener for a run; tell people if the block fails, or if the run has warnings.

    Parameters
    ----------
    listener : Listener
        Receives all reports.
    channels : sequence of Channel
        Without any, the listener itself is yielded.
    own_words : type of Exception, optional
        The root of the caller's errors, whose texts have no rows: they are told as they are.
    """
    if not channels:
        yield listener
        return
    alerts = Alerts(listener, channels, own_words)
    try:
        yield alerts
    except (Exception, SystemExit) as error:
        alerts.ended(error)
        raise
    alerts.ended()


def place_of(uri: str) -> str:
    """Return where a person opens a file: for S3, its page in the console."""
    if not storage.is_s3(uri):
        return uri
    bucket, key = storage.s3_parts(uri)
    return f"https://console.aws.amazon.com/s3/object/{bucket}?prefix={quote(key)}"


def _cause(error: StrictGlueError, *, lines: bool = True) -> str:
    """Return an error's own words, without the name that a notebook puts in front."""
    text = error.message
    if error.ename and text.startswith(f"{error.ename}: "):
        text = text[len(error.ename) + 2 :]
    return shorten(text) if lines else text


def _kind_of(error: StrictGlueError) -> str:
    """Return the sentence of the error's class: its own text may quote data."""
    return (type(error).__doc__ or type(error).__name__).splitlines()[0]


def _is_passing(error: BaseException) -> bool:
    return isinstance(error, NotDelivered) and error.passing
