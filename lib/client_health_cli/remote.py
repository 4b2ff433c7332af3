"""The tables of a lake in S3, read through the Glue Data Catalog."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from client_health_cli.databases import VARIABLE, database_of
from client_health_cli.errors import LakeError
from register_contract import contract, publications

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


def glue_catalog() -> Catalog:
    """Return the account's Data Catalog, at the endpoints that the environment names.

    Returns
    -------
    Catalog
        boto3 reads ``AWS_ENDPOINT_URL_GLUE`` itself; Arrow's S3 client gets its endpoint here.
    """
    from pyiceberg.catalog.glue import GlueCatalog  # noqa: PLC0415 - heavy

    logging.getLogger("pyiceberg").setLevel(logging.ERROR)
    # By default, it tries for half a minute, and says nothing meanwhile.
    properties: dict[str, Any] = {"glue.max-retries": 3, "glue.retry-mode": "standard"}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if region:
        properties["client.region"] = region
    if endpoint:
        properties["s3.endpoint"] = endpoint
    return GlueCatalog(contract.CATALOG, **properties)


def remote_table(lake: str, name: str = publications.TABLE) -> Table:
    """Return a table of a lake in S3.

    Parameters
    ----------
    lake
        ``s3://bucket/prefix``.
    name
        The table, without its database.

    Raises
    ------
    LakeError
        If there is no such table, it belongs to another lake, or it can't be read.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from pyiceberg.exceptions import NoSuchTableError  # noqa: PLC0415

    full = f"{database_of(lake)}.{name}"
    try:
        table = glue_catalog().load_table(full)
    except NoSuchTableError:
        raise LakeError(
            lake,
            f"the Data Catalog has no table {full}: no run has been published yet",
            missing=True,
        ) from None
    except (ClientError, BotoCoreError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise LakeError(
            lake, f"the table {full} can't be read: {reason}. Are you signed in to AWS?"
        ) from error
    if not table.location().startswith(f"{lake.rstrip('/')}/"):
        raise LakeError(
            lake,
            f"the Data Catalog's table {full} is in {table.location()}, not in this lake:"
            f" name the lake that it belongs to, or this lake's database in {VARIABLE}",
        )
    return table
