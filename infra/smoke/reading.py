"""Checks of who may read what: people with the policy for readers, and the crawler's catalog."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from infra.smoke import delivering
from infra.smoke.checks import NotAsExpectedError, expect
from infra.smoke.trial import Trial
from register_contract import publications
from register_contract.sources import SOURCE_NAMES
from register_run.storage import s3_parts

_QUERIES = Path(__file__).resolve().parents[2] / "queries"
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


def reader_query(trial: Trial) -> str:
    """Query the published table in Athena, as a person with the policy for readers."""
    athena = _as_reader(trial)("athena")
    (count,) = _ask(trial, athena, f"SELECT count(*) FROM {publications.TABLE}")  # noqa: S608 - a constant
    rows = delivering.published_rows(trial)
    expect(count == [str(rows)], f"Athena counts {count}, expected the receipt's {rows}")
    answer = _ask(trial, athena, (_QUERIES / "convenios.sql").read_text(encoding="utf-8"))
    expect(len(answer) > 1, f"queries/convenios.sql has {len(answer)} rows, expected several")
    return f"{rows} rows, and {len(answer)} of queries/convenios.sql"


def reader_denied(trial: Trial) -> str:
    """Try to read what readers may not: a delivery with CPFs, and the id key."""
    reader = _as_reader(trial)
    bucket, key = s3_parts(delivering.copy_of_a_delivery(trial))
    must_be_denied("a delivery", lambda: reader("s3").get_object(Bucket=bucket, Key=key))
    secret = trial.chain.outputs["IdKeyArn"]
    secrets = reader("secretsmanager")
    must_be_denied("the id key", lambda: secrets.get_secret_value(SecretId=secret))
    return "a reader gets neither a delivery nor the id key"


def crawler(trial: Trial) -> str:
    """Look at the tables that the crawler made of the deliveries' copies."""
    glue = trial.chain.client("glue")

    def crawled() -> Any:  # noqa: ANN401 - as boto3 gives it
        found = glue.get_crawler(Name=trial.names.crawler)["Crawler"]
        return found["State"] == "READY" and found.get("LastCrawl")

    last = trial.until("the crawler to end", crawled, trial.pace.publish)
    expect(
        last["Status"] == "SUCCEEDED", f"the crawl is {last['Status']}: {last.get('ErrorMessage')}"
    )
    database = f"{trial.chain.outputs['DatabaseName']}_raw"
    pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
    found = {table["Name"] for page in pages for table in page["TableList"]}
    wanted = {f"deliveries_{kind}" for kind in SOURCE_NAMES}
    expect(found == wanted, f"the crawler made {sorted(found)}, expected {sorted(wanted)}")
    return f"made {', '.join(sorted(found))}"


def must_be_denied(what: str, call: Callable[[], object]) -> None:
    """Fail the check unless AWS denies a call.

    Raises
    ------
    NotAsExpectedError
        It was allowed, or failed for another reason.
    """
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _DENIED:
            return
        raise NotAsExpectedError(f"{what}: AWS answers {code}, expected a denial") from error
    raise NotAsExpectedError(f"{what}: AWS allows it, expected a denial")


def _as_reader(trial: Trial) -> Callable[[str], Any]:
    return trial.acting(trial.marker.outputs()["ReaderRoleArn"])


def _ask(trial: Trial, athena: Any, sql: str) -> list[list[str]]:  # noqa: ANN401 - boto3 makes its clients' classes up
    """Return the rows of an answer, without its headings."""
    outputs = trial.chain.outputs
    query = athena.start_query_execution(
        QueryString=sql,
        WorkGroup=outputs["AthenaWorkGroup"],
        QueryExecutionContext={"Database": outputs["DatabaseName"]},
    )["QueryExecutionId"]

    def status() -> Any:  # noqa: ANN401 - as boto3 gives it
        found = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        return found if found["State"] not in {"QUEUED", "RUNNING"} else None

    ended = trial.until("Athena's answer", status, trial.pace.soon)
    reason = ended.get("StateChangeReason", "no reason")
    expect(ended["State"] == "SUCCEEDED", f"the query is {ended['State']}: {reason}")
    rows = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
    return [[cell.get("VarCharValue", "") for cell in row["Data"]] for row in rows[1:]]
