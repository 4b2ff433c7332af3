"""The rows of docs/deploy.md's table "Never run on AWS", and the checks that settle them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.smoke.checks import Result, State


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Parameters
    ----------
    part : str
        Its first column.
    checks : tuple of str
        Ids of the checks that settle it; empty if none does.
    left : str
        What stays unknown even if they pass.
    """

    part: str
    checks: tuple[str, ...] = ()
    left: str = ""


ROWS = (
    Row("templates", ("deploy", "deploy-again"), "the conditional parts that are off by default"),
    Row("deploy command", ("deploy", "deploy-again", "removal"), "AWS's reasons for failures"),
    Row("packages of the job", ("publish",)),
    Row("start of the job", ("publish", "kill"), "how long it takes on other days"),
    Row("library in the session", ("session-worker", "publish"), "workers with other processors"),
    Row(
        "S3 of the session",
        ("session-worker", "publish"),
        "renewal of credentials, and S3A of Hadoop 3.4, which only maintenance by command uses",
    ),
    Row("data files of the table", ("reader-query",)),
    Row("catalog of the session", ("publish",)),
    Row("copies for Glue Studio", (), "Glue Studio's page has no API: open a copy once by hand"),
    Row(
        "permissions",
        ("reader-query", "reader-denied", "notebook-role", "publish"),
        "the policies for stewards, explorers, and uploads",
    ),
    Row(
        "notebooks in Glue Studio",
        (),
        "Glue Studio's page has no API; `notebook-role` and `session-worker` try the role",
    ),
    Row("a lost catalog", (), "a person's command: delete an entry and restore it"),
    Row("budget", (), "spending is reported hours later"),
    Row("drift", (), "`make drift` after a change in the console"),
    Row("deploy role", (), "needs CI and its OpenID Connect provider"),
    Row("table maintenance", ("maintenance-stack", "optimizers"), "what the daily runs delete"),
    Row("Athena's console", (), "a console has no API; `reader-query` runs queries as a reader"),
    Row("QuickSight", (), "needs a subscription of the account, which costs money"),
    Row(
        "erasing people from S3", (), "a person's command, not the chain's: erase a made-up person"
    ),
    Row("alerts", (), "Slack and Teams need your webhook, and a failure to report"),
    Row(
        "access by column",
        (),
        "needs an administrator of the account's data lake, and roles of your people",
    ),
    Row("given buckets, key, and database", (), "the smoke run makes its own, to remove them"),
    Row("uploader in another account", (), "needs a second account"),
    Row("boundary and path of roles", (), "needs your boundary; the smoke run has none"),
    Row("tags", (), "the smoke run has one of its own; the bill comes later"),
    Row("network", (), "needs your VPC and its endpoints"),
    Row("Lake Formation's grants", (), "needs an administrator of the account's data lake"),
    Row("cost of a run", ("run-cost",), "the bill"),
    Row("prices", (), "the bill comes a day later: see the account's Cost Explorer"),
    Row("crawler", ("crawler",)),
    Row(
        "events and reconciler",
        ("publish", "second-upload", "kill", "lost-events"),
        "how late an event can be",
    ),
    Row(
        "logs and metrics",
        ("reconciler-log", "job-logs", "session-logs", "metrics", "alarms"),
        "an alarm's email",
    ),
)


def outcome(row: Row, results: Mapping[str, Result]) -> tuple[State, str]:
    """Return how a row ended: PASS only if each of its checks passed.

    Parameters
    ----------
    row
        The row.
    results
        The results by the checks' ids.
    """
    if not row.checks:
        return State.SKIPPED, row.left
    ended = [results[name] for name in row.checks]
    failed = [result.id for result in ended if result.state is State.FAIL]
    skipped = [result.id for result in ended if result.state is State.SKIPPED]
    if failed:
        return State.FAIL, f"failed: {', '.join(failed)}"
    if skipped:
        return State.SKIPPED, f"not run: {', '.join(skipped)}"
    return State.PASS, f"not settled: {row.left}" if row.left else "settled"
