"""The calls at Spark's start if its own catalog is Glue's: ``--enable-glue-datacatalog``.

Glue's client for Hive's metastore first checks that there is a database ``default``, and creates it
if not. A role without permission for that can't start a session.
"""

from __future__ import annotations

from typing import Any

from glue_local.errors import SessionStartError

_DEFAULT = "default"


def make_sure_of_default(environment: dict[str, str]) -> None:
    """Look for the database, and create it, as the session would.

    Parameters
    ----------
    environment : dict of str to str
        The variables that point the session at Glue, including its credentials.

    Raises
    ------
    SessionStartError
        If Glue refuses.
    """
    import botocore.session  # noqa: PLC0415 - a slow import that few sessions need
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    client: Any = botocore.session.Session().create_client(
        "glue",
        region_name=environment["AWS_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL_GLUE"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    try:
        try:
            client.get_database(Name=_DEFAULT)
        except client.exceptions.EntityNotFoundException:
            client.create_database(DatabaseInput={"Name": _DEFAULT})
    except (ClientError, BotoCoreError) as error:
        raise SessionStartError(
            f"Unable to verify existence of default database: {error}. The session was created "
            "with --enable-glue-datacatalog."
        ) from error
