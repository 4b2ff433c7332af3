"""Library of the client register, which the three notebooks call in the Spark session.

Each module is loaded on first use: Spark's workers import this package before the number of
Polars' threads is set (``docs/decisions/0018-native-data-path.md``).
"""

from client_health.errors import (
    ClientHealthError,
    HandoverError,
    InputError,
    MainMovedError,
    PublishError,
    QualityGateError,
    SettingsError,
    StorageError,
)
from register_contract import __version__, contract
from register_contract.lazy_names import on_first_use

TYPE_CHECKING = False  # importing typing takes longer than this whole module
if TYPE_CHECKING:
    from client_health import corrections, display, ingestion, stages, transformation
    from client_health.clean import classes, identity, own_rules, rejected_rows, rekeying
    from client_health.gate import quality
    from client_health.publish import anonymous, erasure, holds, maintenance, publishing
    from client_health.read import people_rows

__all__ = [
    "ClientHealthError",
    "HandoverError",
    "InputError",
    "MainMovedError",
    "PublishError",
    "QualityGateError",
    "SettingsError",
    "StorageError",
    "__version__",
    "anonymous",
    "classes",
    "contract",
    "corrections",
    "display",
    "erasure",
    "holds",
    "identity",
    "ingestion",
    "maintenance",
    "own_rules",
    "people_rows",
    "publishing",
    "quality",
    "rejected_rows",
    "rekeying",
    "stages",
    "transformation",
]
_HOMES = {
    "anonymous": "client_health.publish.anonymous",
    "classes": "client_health.clean.classes",
    "corrections": "client_health.corrections",
    "display": "client_health.display",
    "erasure": "client_health.publish.erasure",
    "holds": "client_health.publish.holds",
    "identity": "client_health.clean.identity",
    "ingestion": "client_health.ingestion",
    "maintenance": "client_health.publish.maintenance",
    "own_rules": "client_health.clean.own_rules",
    "people_rows": "client_health.read.people_rows",
    "publishing": "client_health.publish.publishing",
    "quality": "client_health.gate.quality",
    "rejected_rows": "client_health.clean.rejected_rows",
    "rekeying": "client_health.clean.rekeying",
    "stages": "client_health.stages",
    "transformation": "client_health.transformation",
}


if not TYPE_CHECKING:
    __getattr__ = on_first_use(__name__, _HOMES)
