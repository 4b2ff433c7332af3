"""A local AWS Glue Interactive Sessions service: ``LocalService`` runs it for a block of code.

Each module is loaded on first use: each session is a process that needs few of them.
"""

from importlib import import_module

TYPE_CHECKING = False  # importing typing takes longer than this whole module
if TYPE_CHECKING:
    from glue_local.emulator import Emulator, free_port
    from glue_local.errors import (
        ApiError,
        GlueLocalError,
        JarError,
        ServiceStartError,
        SessionStartError,
    )
    from glue_local.launch import LocalService

__all__ = [
    "ApiError",
    "Emulator",
    "GlueLocalError",
    "JarError",
    "LocalService",
    "ServiceStartError",
    "SessionStartError",
    "free_port",
]
_HOMES = {
    "ApiError": "glue_local.errors",
    "Emulator": "glue_local.emulator",
    "GlueLocalError": "glue_local.errors",
    "JarError": "glue_local.errors",
    "LocalService": "glue_local.launch",
    "ServiceStartError": "glue_local.errors",
    "SessionStartError": "glue_local.errors",
    "free_port": "glue_local.emulator",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = import_module(_HOMES[name])
        # A public name is a module, or a name in one.
        return home if home.__name__.endswith(f".{name}") else getattr(home, name)
