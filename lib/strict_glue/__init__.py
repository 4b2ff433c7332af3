"""Strict notebook runs on AWS Glue Interactive Sessions: client, kernel, and papermill engine.

Each name is loaded on first use; errors and settings need only the standard library. papermill
finds the engine ``glue_strict`` by its entry point. ``OwnSessions`` creates sessions, and
``Session`` provides their methods.
"""

from importlib import import_module

from strict_glue.errors import (
    NEXT,
    ConfigurationError,
    KernelDied,
    ServiceError,
    SessionError,
    StageTimeout,
    StatementError,
    StrictGlueError,
    shorten,
)
from strict_glue.settings import SESSION_VARIABLE, Limits, SessionSettings

TYPE_CHECKING = False  # importing typing takes longer than this whole module
if TYPE_CHECKING:
    from strict_glue import engine, kernels, kernelspec, session_request
    from strict_glue.api import failure
    from strict_glue.kernels import Kernels
    from strict_glue.own_session import OwnSessions
    from strict_glue.progress_watch import ProgressWatch
    from strict_glue.session import Session, alive
    from strict_glue.signals import unwinding
    from strict_glue.usage import Usage, usage_of

__all__ = [
    "NEXT",
    "SESSION_VARIABLE",
    "ConfigurationError",
    "KernelDied",
    "Kernels",
    "Limits",
    "OwnSessions",
    "ProgressWatch",
    "ServiceError",
    "Session",
    "SessionError",
    "SessionSettings",
    "StageTimeout",
    "StatementError",
    "StrictGlueError",
    "Usage",
    "alive",
    "engine",
    "failure",
    "kernels",
    "kernelspec",
    "session_request",
    "shorten",
    "unwinding",
    "usage_of",
]
_HOMES = {
    "Kernels": "strict_glue.kernels",
    "OwnSessions": "strict_glue.own_session",
    "ProgressWatch": "strict_glue.progress_watch",
    "Session": "strict_glue.session",
    "Usage": "strict_glue.usage",
    "alive": "strict_glue.session",
    "engine": "strict_glue.engine",
    "failure": "strict_glue.api",
    "kernels": "strict_glue.kernels",
    "kernelspec": "strict_glue.kernelspec",
    "session_request": "strict_glue.session_request",
    "unwinding": "strict_glue.signals",
    "usage_of": "strict_glue.usage",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "engine":
            # papermill loads the engine through the entry point, in the middle of its own import.
            import_module("papermill")
        home = import_module(_HOMES[name])
        # A public name is a module, or a name in one.
        return home if home.__name__.endswith(f".{name}") else getattr(home, name)
