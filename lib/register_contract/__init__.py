"""What session, runner, job and reconciler must agree on, in the standard library alone.

Its modules are its public names: ``runs.staging_path``, ``manifest.parse``. Each loads when it is
asked for. Valid from Python 3.9 on: the Lambda and the Python Shell job carry it as it is.
"""

from importlib import import_module

TYPE_CHECKING = False  # typing's own takes longer to load than all of this
if TYPE_CHECKING:
    from register_contract import (
        columns,
        contract,
        manifest,
        publications,
        receipts,
        retention,
        rules,
        runs,
        sources,
    )

__all__ = [
    "__version__",
    "columns",
    "contract",
    "manifest",
    "publications",
    "receipts",
    "retention",
    "rules",
    "runs",
    "sources",
]
# Of all packages: one commit is one version.
__version__ = "0.2.0"


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return import_module(f"{__name__}.{name}")
