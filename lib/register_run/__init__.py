"""A run of the register: its delivery, stages, receipts, and record.

``run_pipeline`` carries out a ``RunRequest``. Each module is loaded on first use: only a run needs
papermill.
"""

from register_contract import __version__
from register_contract.lazy_names import on_first_use

TYPE_CHECKING = False  # importing typing takes longer than this whole module
if TYPE_CHECKING:
    from register_run import (
        alerting,
        cost,
        lock,
        metrics,
        publication_record,
        storage,
        team_rules,
        webhook,
    )
    from register_run.claim import Claim, Outcome
    from register_run.delivery import Delivery, find_sources
    from register_run.errors import (
        GateStopped,
        InputError,
        MainMoved,
        NotebookFailed,
        ReceiptError,
        RulesFileError,
        RunInProgress,
        Terminated,
    )
    from register_run.listener import Listener, LogListener
    from register_run.request import PublishedTable, RunOutcome, RunRequest, Stage
    from register_run.runner import run_pipeline
    from register_run.stage_run import read_notebook

__all__ = [
    "Claim",
    "Delivery",
    "GateStopped",
    "InputError",
    "Listener",
    "LogListener",
    "MainMoved",
    "NotebookFailed",
    "Outcome",
    "PublishedTable",
    "ReceiptError",
    "RulesFileError",
    "RunInProgress",
    "RunOutcome",
    "RunRequest",
    "Stage",
    "Terminated",
    "__version__",
    "alerting",
    "cost",
    "find_sources",
    "lock",
    "metrics",
    "publication_record",
    "read_notebook",
    "run_pipeline",
    "storage",
    "team_rules",
    "webhook",
]
_HOMES = {
    "Claim": "register_run.claim",
    "Delivery": "register_run.delivery",
    "GateStopped": "register_run.errors",
    "InputError": "register_run.errors",
    "Listener": "register_run.listener",
    "LogListener": "register_run.listener",
    "MainMoved": "register_run.errors",
    "NotebookFailed": "register_run.errors",
    "Outcome": "register_run.claim",
    "PublishedTable": "register_run.request",
    "ReceiptError": "register_run.errors",
    "RulesFileError": "register_run.errors",
    "RunInProgress": "register_run.errors",
    "RunOutcome": "register_run.request",
    "RunRequest": "register_run.request",
    "Stage": "register_run.request",
    "Terminated": "register_run.errors",
    "alerting": "register_run.alerting",
    "cost": "register_run.cost",
    "find_sources": "register_run.delivery",
    "lock": "register_run.lock",
    "metrics": "register_run.metrics",
    "publication_record": "register_run.publication_record",
    "read_notebook": "register_run.stage_run",
    "run_pipeline": "register_run.runner",
    "storage": "register_run.storage",
    "team_rules": "register_run.team_rules",
    "webhook": "register_run.webhook",
}


if not TYPE_CHECKING:
    __getattr__ = on_first_use(__name__, _HOMES)
