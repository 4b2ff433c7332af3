"""Failures: how the tests provoke each one, and what each way of running reports.

The tests and the table in ``docs/reliability.md`` both use these declarations.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.misbehaving import (
    Rule,
    cancelling,
    change,
    dying,
    ending,
    half_an_answer,
    lose_answer,
    nodding,
    refuse,
    torn_answer,
    web_page,
)
from tests.support.ways import Started

# The endpoint recognizes the failing cell by this line. A leading comment would not do: the
# official kernel doesn't send it.
HERE = "here = 'it happens here'"
STRIKE = f"{HERE}\nprint('struck')"
SLOW = f"{HERE}\nimport time\nfor _ in range(600): time.sleep(0.1)\nprint('struck')"
OF_A_SERVER = {"status": 500}

RulesOf = Callable[[], tuple[Rule, ...]]


def _none() -> tuple[Rule, ...]:
    return ()


@dataclass(frozen=True)
class Plain:
    """What papermill with the official kernel does, as measured; a test checks it.

    Parameters
    ----------
    exit_code : int or None
        ``None``: it had not ended after ``Scenario.patience`` seconds.
    went_on : bool
        Whether the cell after the failing one ran, or seemed to.
    emptied : bool
        Whether that cell ran in another session, without the notebook's parameters.
    session_left : bool
        Whether the session kept running afterwards, and cost money.
    """

    exit_code: int | None = 0
    went_on: bool = False
    emptied: bool = False
    session_left: bool = False


@dataclass(frozen=True)
class Scenario:
    """One failure.

    Parameters
    ----------
    name : str
        Short, for the test's name.
    what, how : str
        For the page: what happens, and how the tests provoke it.
    says : tuple of str
        Words that the command, the job, and nbval show.
    rules : callable
        Returns the endpoint's rules.
    cell : str
        The failing cell.
    does : callable, optional
        What happens to the process once the cell runs.
    exit_code : int
        Of the command and the job.
    shared : bool
        Whether it can use a session that is shared with other scenarios.
    limits : mapping of str to float
        Limits of this scenario, by name.
    nbval : tuple of str, optional
        Words of nbval's report, if they differ; empty if nbval reports nothing.
    nbval_fails : bool
        Whether nbval reports a failure.
    session_lost : bool
        Whether the session ends, with everything in it.
    unreachable : bool
        Whether nothing listens at the endpoint.
    patience : float
        Seconds after which plain papermill counts as not ended, if it doesn't end.
    plain : Plain
        What plain papermill does.
    like : str
        The scenario of the same kind that runs through whole commands. This one differs from it
        only in what the service or the code says, and runs only at the seams. Empty: this
        scenario itself runs through whole commands.
    """

    name: str
    what: str
    how: str
    says: tuple[str, ...]
    rules: RulesOf = _none
    cell: str = STRIKE
    does: Callable[[Started], None] | None = None
    exit_code: int = 4
    shared: bool = True
    limits: dict[str, float] = field(default_factory=dict)
    nbval: tuple[str, ...] | None = None
    nbval_fails: bool = True
    session_lost: bool = False
    unreachable: bool = False
    patience: float = 15.0
    plain: Plain = Plain()
    like: str = ""


def _from_here(*faults: tuple[str, Callable[..., object]], times: int | None = None) -> RulesOf:
    return lambda: tuple(Rule(action, fault, at=HERE, times=times) for action, fault in faults)  # type: ignore[arg-type]


def _always(*faults: tuple[str, Callable[..., object]]) -> RulesOf:
    return lambda: tuple(Rule(action, fault) for action, fault in faults)  # type: ignore[arg-type]


SCENARIOS = (
    # -- the session doesn't start -------------------------------------------------------------
    Scenario(
        "access_denied",
        "CreateSession is refused: access denied",
        "the endpoint answers `AccessDeniedException`",
        ("AccessDeniedException", "not authorized"),
        _always(("CreateSession", refuse("AccessDeniedException", "not authorized"))),
        like="unreachable",
    ),
    Scenario(
        "quota",
        "CreateSession is refused: quota",
        "the endpoint answers `ResourceNumberLimitExceededException`, longer than the retry limit",
        ("ResourceNumberLimitExceededException", "too many sessions"),
        _always(
            ("CreateSession", refuse("ResourceNumberLimitExceededException", "too many sessions"))
        ),
        limits={"retries": 1},
        patience=60.0,
        like="unreachable",
    ),
    Scenario(
        "wrong_role",
        "CreateSession is refused: wrong role",
        "the endpoint answers `InvalidInputException`",
        ("InvalidInputException", "cannot be assumed"),
        _always(("CreateSession", refuse("InvalidInputException", "the role cannot be assumed"))),
        like="unreachable",
    ),
    Scenario(
        "failed_provisioning",
        "The session fails while it is provisioned",
        "the endpoint reports FAILED",
        ("FAILED", "no capacity"),
        _always(("GetSession", change(Status="FAILED", ErrorMessage="no capacity"))),
        like="unreachable",
    ),
    Scenario(
        "never_ready",
        "Provisioning never ends",
        "the endpoint reports PROVISIONING forever; the limit is set to 2 s",
        ("still PROVISIONING", "2 s"),
        _always(("GetSession", change(Status="PROVISIONING"))),
        limits={"provisioning": 2},
        plain=Plain(exit_code=None, session_left=True),
        like="unreachable",
    ),
    # -- the session ends ----------------------------------------------------------------------
    Scenario(
        "expired",
        "The credentials expire during the run",
        "after a cell starts, the endpoint answers `ExpiredTokenException`",
        ("ExpiredTokenException", "renew the credentials"),
        _from_here(("*", refuse("ExpiredTokenException", "the token is too old"))),
        plain=Plain(session_left=True),
    ),
    Scenario(
        "gone",
        "The session disappears between two cells",
        "it is stopped and deleted",
        ("does not exist",),
        lambda: (Rule("RunStatement", ending("GONE"), at=HERE, times=1),),
        session_lost=True,
        like="timeout",
    ),
    Scenario(
        "timeout",
        "The session times out between two cells",
        "it ends with TIMEOUT",
        ("TIMEOUT", "idle for too long"),
        lambda: (Rule("RunStatement", ending("TIMEOUT", "idle for too long"), at=HERE, times=1),),
        session_lost=True,
        plain=Plain(went_on=True, emptied=True),
    ),
    Scenario(
        "jvm_killed",
        "The Spark driver's JVM is killed",
        "the endpoint answers as the local service does then: the statement ends with ERROR, the"
        " session with FAILED",
        ("FAILED", "JVM"),
        _from_here(("GetStatement", dying("The Spark driver (JVM) was killed by SIGKILL."))),
        session_lost=True,
        like="timeout",
    ),
    Scenario(
        "session_process_killed",
        "The session's Python process is killed",
        "the cell kills it",
        ("FAILED", "SIGKILL"),
        cell=f"{HERE}\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        shared=False,
        session_lost=True,
        like="timeout",
    ),
    # -- a statement fails ---------------------------------------------------------------------
    Scenario(
        "statement_error",
        "A statement ends with ERROR",
        "the endpoint reports ERROR",
        ("is ERROR, expected AVAILABLE",),
        _from_here(("GetStatement", change(State="ERROR", Output=None))),
        plain=Plain(went_on=True),
        like="timeout",
    ),
    Scenario(
        "cancelled_by_another",
        "Somebody else cancels a statement",
        "CancelStatement is called from elsewhere",
        ("CANCELLED",),
        lambda: (Rule("RunStatement", cancelling, at=HERE, times=1),),
        cell=SLOW,
        plain=Plain(went_on=True),
        like="timeout",
    ),
    Scenario(
        "cancelled_by_us",
        "Ctrl-C",
        "SIGINT to the process and its children, while a statement runs",
        ("stopped from outside",),
        cell=SLOW,
        does=lambda started: started.signal_all(signal.SIGINT),
        nbval=(),
        plain=Plain(exit_code=1),
    ),
    Scenario(
        "exception",
        "The notebook's code raises an error",
        "`raise LookupError(...)` in a function",
        ("LookupError", "nothing to be found"),
        cell=f"{HERE}\ndef look(): raise LookupError('nothing to be found')\nlook()",
        exit_code=1,
        plain=Plain(exit_code=1),
    ),
    Scenario(
        "syntax_error",
        "The notebook's code isn't valid Python",
        "`def broken(:`",
        ("SyntaxError",),
        cell=f"{HERE}\ndef broken(:",
        exit_code=1,
        plain=Plain(exit_code=1),
        like="exception",
    ),
    Scenario(
        "system_exit",
        "The notebook's code calls `sys.exit(0)`",
        "`sys.exit(0)` in a cell",
        ("SystemExit",),
        cell=f"{HERE}\nimport sys\nsys.exit(0)",
        exit_code=1,
        plain=Plain(exit_code=1),
        like="exception",
    ),
    Scenario(
        "too_much_output",
        "A cell prints more than the service keeps",
        "5 million characters are printed",
        ("printed more than",),
        cell=f"{HERE}\nprint('x' * 5_000_000)",
        plain=Plain(went_on=True),
        like="timeout",
    ),
    Scenario(
        "too_much_code",
        "A cell is longer than a statement may be",
        "the cell has more than 68,000 characters",
        ("68,000",),
        cell=f"{STRIKE}\n#{'x' * 68_000}",
        plain=Plain(went_on=True),
        like="timeout",
    ),
    Scenario(
        "nothing_done",
        'The service answers "ok" to every statement and does nothing',
        "an endpoint that runs no code",
        ("no receipt",),
        _always(("*", nodding)),
        nbval=("Missing output fields",),
        like="timeout",
    ),
    # -- processes on the host -----------------------------------------------------------------
    Scenario(
        "kernel_killed",
        "The kernel process on the host is killed",
        "SIGKILL while a cell runs",
        ("kernel process on this host ended",),
        cell=SLOW,
        does=lambda started: started.kill_kernel(),
        nbval=("Timeout",),
        plain=Plain(exit_code=138, session_left=True),
    ),
    Scenario(
        "runner_terminated",
        "The runner is asked to stop",
        "SIGTERM while a cell runs",
        ("stopped from outside",),
        cell=SLOW,
        does=lambda started: started.signal(signal.SIGTERM),
        nbval=(),
        plain=Plain(exit_code=-signal.SIGTERM, session_left=True),
    ),
    Scenario(
        "runner_killed",
        "The runner is killed",
        "SIGKILL while a cell runs",
        (),
        cell=SLOW,
        does=lambda started: started.signal(signal.SIGKILL),
        exit_code=-signal.SIGKILL,
        nbval=(),
        plain=Plain(exit_code=-signal.SIGKILL, session_left=True),
    ),
    # -- the connection to the service ---------------------------------------------------------
    Scenario(
        "unreachable",
        "The endpoint can't be reached",
        "nothing listens on its port",
        ("Could not connect",),
        unreachable=True,
        limits={"retries": 1},
    ),
    Scenario(
        "web_page",
        "The endpoint answers with a web page",
        "after a cell starts, it sends HTML with status 200, as a captive portal does",
        ("no answer of the Glue API",),
        _from_here(("*", web_page)),
        limits={"retries": 1},
        plain=Plain(exit_code=None, session_left=True),
        like="expired",
    ),
    Scenario(
        "half_an_answer",
        "The endpoint sends half a JSON document",
        "after a cell starts, the second half of every answer is missing",
        ("no answer of the Glue API",),
        _from_here(("*", half_an_answer)),
        limits={"retries": 1},
        plain=Plain(exit_code=None, session_left=True),
        like="expired",
    ),
    Scenario(
        "torn_answer",
        "The connection breaks during an answer",
        "after a cell starts, every answer is cut off",
        ("GetStatement",),
        _from_here(("GetStatement", torn_answer)),
        limits={"retries": 1},
        plain=Plain(went_on=True),
        like="expired",
    ),
    Scenario(
        "throttled_shortly",
        "Throttling, shorter than the retry limit",
        "three calls are throttled",
        (),
        _from_here(("GetStatement", refuse("ThrottlingException", "slow down")), times=3),
        exit_code=0,
        nbval_fails=False,
        limits={"retries": 10},
        plain=Plain(exit_code=None, session_left=True),
    ),
    Scenario(
        "throttled",
        "Throttling, longer than the retry limit",
        "after a cell starts, every call is throttled; the limit is set to 1 s",
        ("ThrottlingException", "slow down"),
        _from_here(("*", refuse("ThrottlingException", "slow down"))),
        limits={"retries": 1},
        plain=Plain(session_left=True),
        like="expired",
    ),
    Scenario(
        "server_errors_shortly",
        "5xx answers and lost connections, shorter than the retry limit",
        "three calls fail with 500, and one answer is lost",
        (),
        lambda: (
            Rule("RunStatement", lose_answer, at=HERE, times=1),
            Rule(
                "GetStatement",
                refuse("InternalServiceException", "oh", **OF_A_SERVER),
                at=HERE,
                times=3,
            ),
        ),
        exit_code=0,
        nbval_fails=False,
        limits={"retries": 10},
        plain=Plain(went_on=True),
        like="throttled_shortly",
    ),
    Scenario(
        "server_errors",
        "5xx answers, longer than the retry limit",
        "after a cell starts, every call fails with 500; the limit is set to 1 s",
        ("InternalServiceException",),
        _from_here(("*", refuse("InternalServiceException", "oh", **OF_A_SERVER))),
        limits={"retries": 1},
        plain=Plain(exit_code=None, session_left=True),
        like="expired",
    ),
)
# At least one of each kind runs through the unmodified command.
WHOLE = tuple(scenario for scenario in SCENARIOS if not scenario.like)
AT_THE_SEAMS = tuple(scenario for scenario in SCENARIOS if scenario.like)
# The job and the command make the same call of the runner. So the job runs only what signals its
# process, a service that is never there, and a failure of the code. The real notebooks run with the
# job too, which succeeds, is killed, and loses its session's processes there.
BY_THE_JOB = tuple(
    scenario
    for scenario in WHOLE
    if scenario.name in {"cancelled_by_us", "runner_terminated", "unreachable", "exception"}
)
BY_THE_RUNNER = tuple(
    scenario
    for scenario in AT_THE_SEAMS
    if scenario.name not in {"jvm_killed", "session_process_killed"}
)
# papermill ends as its kernel lets it, so plain papermill runs one of each end.
BY_PAPERMILL = tuple(
    scenario for scenario in WHOLE if scenario.name not in {"unreachable", "expired"}
)
BY_THE_OFFICIAL_KERNEL = tuple(scenario for scenario in SCENARIOS if scenario not in BY_PAPERMILL)
# nbval shows what its kernel reports. So nbval runs only what affects its process, and what it has
# its own message for. The tests of the strict kernel run it on what passes and on what raises.
BY_NBVAL = tuple(scenario for scenario in SCENARIOS if scenario.does or scenario.nbval is not None)
BY_THE_STRICT_KERNEL = tuple(scenario for scenario in SCENARIOS if scenario not in BY_NBVAL)


def by_name(scenario: Scenario) -> str:
    """Name a test after its scenario."""
    return scenario.name
