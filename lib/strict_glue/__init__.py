"""Strict notebook runs on AWS Glue Interactive Sessions: client, kernel, and papermill engine.

What is named here loads nothing but the standard library. The engine is papermill's ``glue_strict``
(an entry point); ``strict_glue.own_session`` gives a session of one's own, and
``strict_glue.session`` what can be done with it.
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
