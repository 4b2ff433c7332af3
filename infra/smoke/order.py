"""The checks, in the order in which they run."""

from __future__ import annotations

from infra.smoke import delivering, deploying, reading, sessions, watching
from infra.smoke.checks import Check

# Alarms come before the run that is stopped, which raises two of them.
CHECKS = (
    Check("deploy", "the stacks are created under a prefix of their own", deploying.deploy),
    Check(
        "deploy-again",
        "a second deployment changes nothing",
        deploying.deploy_again,
        ("deploy",),
    ),
    Check("publish", "three uploads become a published table", delivering.publish, ("deploy",)),
    Check(
        "second-upload",
        "one file again starts no job",
        delivering.second_upload,
        ("publish",),
    ),
    Check(
        "maintenance-stack",
        "a deployment after the first table adds its maintenance",
        deploying.deploy_maintenance,
        ("publish",),
    ),
    Check(
        "optimizers",
        "the table's optimizers are created",
        deploying.optimizers,
        ("maintenance-stack",),
    ),
    Check("alarms", "no alarm sounds after a good run", watching.alarms, ("publish",)),
    Check(
        "reader-query",
        "a reader queries the table in Athena",
        reading.reader_query,
        ("publish",),
    ),
    Check(
        "reader-denied",
        "a reader gets neither deliveries nor the id key",
        reading.reader_denied,
        ("publish",),
    ),
    Check(
        "crawler",
        "the crawler catalogs the deliveries",
        reading.crawler,
        ("publish",),
    ),
    Check(
        "kill",
        "a run that is stopped in its second stage is finished",
        delivering.kill,
        ("publish",),
    ),
    Check(
        "session-worker",
        "a worker of a notebook's session reads and writes the lake",
        sessions.session_worker,
        ("publish",),
    ),
    Check(
        "notebook-role",
        "a notebook's role can't do what the job may",
        sessions.notebook_role,
        ("publish",),
    ),
    Check(
        "reconciler-log",
        "the function's log is there, without CPFs",
        watching.reconciler_log,
        ("publish",),
    ),
    Check("job-logs", "the job's logs are there, without CPFs", watching.job_logs, ("publish",)),
    Check(
        "session-logs",
        "the sessions' logs are there, without CPFs",
        watching.session_logs,
        ("publish",),
    ),
    Check("metrics", "metrics of job and reconciler arrive", watching.metrics, ("publish",)),
    Check("run-cost", "what a run used is in the lake", watching.run_cost, ("publish",)),
    Check("lost-events", "every event was delivered", watching.lost_events, ("publish",)),
)
#: What always runs last, and is reported as a check of its own.
REMOVAL, REMOVAL_TITLE = "removal", "everything is removed"
