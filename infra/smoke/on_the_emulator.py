"""What a smoke run against the emulator can't check, and why."""

from __future__ import annotations

from collections.abc import Mapping

_NO_IAM = "the emulator evaluates no permissions"

DIFFERENCES: Mapping[str, str] = {
    "optimizers": "the emulator optimizes no tables",
    "alarms": "the emulator reads no metrics from logs, so its alarms have nothing to look at",
    "reader-query": "the emulator's Athena can't read Iceberg tables",
    "reader-denied": _NO_IAM,
    "crawler": "the emulator reports that a crawl succeeded, without crawling",
    "notebook-role": _NO_IAM,
    "job-logs": "the local service writes the job's output to files",
    "session-logs": "the local service writes the sessions' output to no log group",
    "metrics": "the emulator reads no metrics from logs",
}
