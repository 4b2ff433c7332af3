"""Whether Lake Formation governs the account's catalog, and what to grant there if it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

#: The type of the template's grants; where it isn't supported, there is no Lake Formation.
RESOURCE = "AWS::LakeFormation::PrincipalPermissions"
_EVERYBODY = "IAM_ALLOWED_PRINCIPALS"


@dataclass(frozen=True)
class Grant:
    """What one role needs, as the template grants it with ``LakeFormationGrants``.

    Parameters
    ----------
    role : str
        A role of the stack by the part of its name after ``client-health-``, or the template's
        parameter with the ARN of people's role.
    permissions : tuple of str
        Lake Formation's.
    raw : bool
        Whether it is for the database of the deliveries, instead of that of the published table.
    tables : bool
        Whether it is for all tables of the database, instead of the database.
    """

    role: str
    permissions: tuple[str, ...]
    raw: bool = False
    tables: bool = False


#: In the template's order; a test compares both. Maintenance and the dashboard in QuickSight have
#: their own grants in their templates.
GRANTS = (
    Grant("session", ("DESCRIBE", "CREATE_TABLE")),
    Grant("session", ("DESCRIBE", "ALTER"), tables=True),
    Grant("job", ("DESCRIBE",), tables=True),
    Grant("reconciler", ("DESCRIBE",), tables=True),
    Grant("crawler", ("DESCRIBE", "CREATE_TABLE"), raw=True),
    Grant("ReaderRoleArn", ("DESCRIBE",)),
    Grant("ReaderRoleArn", ("DESCRIBE", "SELECT"), tables=True),
    Grant("StewardRoleArn", ("DESCRIBE",), raw=True),
    Grant("StewardRoleArn", ("DESCRIBE", "SELECT"), raw=True, tables=True),
    Grant("StewardRoleArn", ("DESCRIBE",), tables=True),
)
_PEOPLE = {"ReaderRoleArn": "the role of readers", "StewardRoleArn": "the role of stewards"}


def look(
    clients: Callable[[str], Any],
    parameters: Mapping[str, str],
    database: str,
    raw_database: str,
    note: Callable[[str], None],
) -> None:
    """Report what to grant, if Lake Formation governs new databases or tables.

    Parameters
    ----------
    clients
        Returns the boto3 client of a service.
    parameters
        The template's parameters, those of earlier deployments included.
    database, raw_database : str
        Databases of the published table, and of the deliveries.
    note
        Receives each line; the deployment goes on, because the roles must exist to be granted to.
    """
    if parameters.get("LakeFormationGrants") == "on":
        return
    client = clients("lakeformation")
    try:
        settings = client.get_data_lake_settings()["DataLakeSettings"]
        ungoverned = _leaves_to_iam(settings, "CreateDatabaseDefaultPermissions")
        ungoverned = ungoverned and _leaves_to_iam(settings, "CreateTableDefaultPermissions")
        if ungoverned and parameters.get("DatabaseName"):
            found = clients("glue").get_database(Name=parameters["DatabaseName"])["Database"]
            ungoverned = _leaves_to_iam(found, "CreateTableDefaultPermissions")
    except (ClientError, BotoCoreError) as error:
        reason = error.response["Error"]["Code"] if isinstance(error, ClientError) else error
        note(
            f"Lake Formation was not looked at ({reason}): if it governs this account's catalog, "
            "ask a data lake administrator for the grants in docs/deploy.md"
        )
        return
    if ungoverned:
        return
    note(
        "Lake Formation governs the catalog here: the roles get access to databases and tables "
        "only by grants. Deploy as a data lake administrator with LakeFormationGrants=on, which "
        "grants the following, or have it granted after this deployment; until then, runs fail "
        "with AccessDeniedException:"
    )
    start = f"{parameters.get('Prefix', '')}client-health"
    for line in _words(parameters, database, raw_database, start, client.meta.region_name):
        note(f"  {line}")


def _leaves_to_iam(found: Mapping[str, Any], member: str) -> bool:
    return any(
        entry.get("Principal", {}).get("DataLakePrincipalIdentifier") == _EVERYBODY
        and "ALL" in entry.get("Permissions", ())
        for entry in found.get(member, ())
    )


def _words(
    parameters: Mapping[str, str], database: str, raw_database: str, start: str, region: str
) -> Iterator[str]:
    for grant in GRANTS:
        if grant.role in _PEOPLE:
            role = parameters.get(grant.role) or _PEOPLE[grant.role]
        else:
            role = f"{start}-{grant.role}-{region}"
        place = f"the database {raw_database if grant.raw else database}"
        yield (
            f"{role}: {', '.join(grant.permissions)} on "
            f"{f'all tables of {place}' if grant.tables else place}"
        )
