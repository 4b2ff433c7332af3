"""What session, runner, job, and reconciler must agree on.

Its modules are its public names: ``runs.staging_path``, ``manifest.parse``. Each is loaded on first
use. It needs only the standard library and Python 3.9 or later: the Lambda function and the Python
Shell job include it unchanged.
"""

from importlib import import_module

TYPE_CHECKING = False  # importing typing takes longer than this whole module
if TYPE_CHECKING:
    from register_contract import (
        access,
        alerts,
        anonymity,
        columns,
        contract,
        erasures,
        lazy_names,
        local_catalog,
        manifest,
        publications,
        receipts,
        refusals,
        resubmissions,
        retention,
        rule_expressions,
        rule_file,
        rule_set,
        rules,
        runs,
        sources,
        tables,
    )

__all__ = [
    "__version__",
    "access",
    "alerts",
    "anonymity",
    "columns",
    "contract",
    "erasures",
    "lazy_names",
    "local_catalog",
    "manifest",
    "publications",
    "receipts",
    "refusals",
    "resubmissions",
    "retention",
    "rule_expressions",
    "rule_file",
    "rule_set",
    "rules",
    "runs",
    "sources",
    "tables",
]
# Of all packages: one commit is one version.
__version__ = "0.2.0"


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return import_module(f"{__name__}.{name}")
