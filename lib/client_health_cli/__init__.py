"""The client-health command, and what it reads of a lake.

Each module is loaded on first use, so that ``--help`` is fast.
"""

from register_contract import __version__
from register_contract.lazy_names import on_first_use

TYPE_CHECKING = False  # importing typing takes longer than this whole module
if TYPE_CHECKING:
    from client_health_cli import sample_data
    from client_health_cli.errors import (
        ClientHealthCliError,
        LakeError,
        QueryError,
        RunFailedError,
        ServiceFailedError,
        SettingsError,
    )
    from client_health_cli.published import opened, published_table
    from client_health_cli.queries import query
    from client_health_cli.remote import remote_table
    from client_health_cli.results import rows_of

__all__ = [
    "ClientHealthCliError",
    "LakeError",
    "QueryError",
    "RunFailedError",
    "ServiceFailedError",
    "SettingsError",
    "__version__",
    "opened",
    "published_table",
    "query",
    "remote_table",
    "rows_of",
    "sample_data",
]
_HOMES = {
    "ClientHealthCliError": "client_health_cli.errors",
    "LakeError": "client_health_cli.errors",
    "QueryError": "client_health_cli.errors",
    "RunFailedError": "client_health_cli.errors",
    "ServiceFailedError": "client_health_cli.errors",
    "SettingsError": "client_health_cli.errors",
    "opened": "client_health_cli.published",
    "published_table": "client_health_cli.published",
    "query": "client_health_cli.queries",
    "remote_table": "client_health_cli.remote",
    "rows_of": "client_health_cli.results",
    "sample_data": "client_health_cli.sample_data",
}


if not TYPE_CHECKING:
    __getattr__ = on_first_use(__name__, _HOMES)
