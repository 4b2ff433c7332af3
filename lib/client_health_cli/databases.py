"""The catalog's database with a lake's tables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from register_contract import contract

if TYPE_CHECKING:
    from register_run import PublishedTable

#: Variable with the database of lakes in S3, if the stack was deployed with a prefix or with a
#: database of its own.
VARIABLE = "CLIENT_HEALTH_DATABASE"
#: Variable with the Athena workgroup for readers, if the stack was deployed with a prefix.
WORKGROUP_VARIABLE = "CLIENT_HEALTH_WORKGROUP"
#: Variable with the deployed job, if the stack was deployed with a prefix.
JOB_VARIABLE = "CLIENT_HEALTH_JOB"
_WORKGROUP = "client_health"


def database_of(lake: str) -> str:
    """Return the database of a lake's tables.

    Parameters
    ----------
    lake
        A folder, which always has the contract's, or an ``s3://`` prefix, whose catalog is the
        account's: several lakes may each have a database there.
    """
    given = os.environ.get(VARIABLE, "") if lake.startswith("s3://") else ""
    return given or contract.DATABASE


def workgroup() -> str:
    """Return the Athena workgroup for readers."""
    return os.environ.get(WORKGROUP_VARIABLE) or _WORKGROUP


def job() -> str:
    """Return the deployed job, whose sessions on AWS are the model for others."""
    import job_client_health  # noqa: PLC0415 - takes a while to load

    return os.environ.get(JOB_VARIABLE) or job_client_health.JOB


def tables_of(lake: str) -> PublishedTable:
    """Return the tables that show what is published in a lake."""
    from register_run import PublishedTable  # noqa: PLC0415 - takes a while to load

    return PublishedTable.of_database(database_of(lake), contract.CATALOG)
