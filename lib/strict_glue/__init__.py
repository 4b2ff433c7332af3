"""Strict notebook runs on AWS Glue Interactive Sessions: client, kernel, and papermill engine.

The names exported here import only the standard library. papermill finds the engine
``glue_strict`` by its entry point. ``strict_glue.own_session`` creates a session, and
``strict_glue.session`` provides its methods.
"""

from strict_glue.errors import (
    ConfigurationError,
    KernelDied,
    ServiceError,
    SessionError,
    StageTimeout,
    StatementError,
    StrictGlueError,
)
from strict_glue.settings import Limits, SessionSettings

__all__ = [
    "ConfigurationError",
    "KernelDied",
    "Limits",
    "ServiceError",
    "SessionError",
    "SessionSettings",
    "StageTimeout",
    "StatementError",
    "StrictGlueError",
]
__version__ = "0.2.0"
