"""Calls of the Interactive Sessions API: the client, and what is retried for how long."""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    SSLError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError
from tenacity import Retrying, retry_if_exception, stop_before_delay, wait_exponential

from strict_glue.errors import ServiceError

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient

_TRANSIENT = frozenset(
    {
        "ConcurrentModificationException",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceException",
        "OperationTimeoutException",
        "RequestLimitExceeded",
        "ResourceNumberLimitExceededException",
        "ServiceUnavailable",
        "SessionBusyException",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
# What an answer must contain to be accepted. botocore takes a proxy's web page, or half a document,
# for an empty answer.
_MEMBERS = {
    "CreateSession": ("Session",),
    "GetSession": ("Session", "Status"),
    "RunStatement": ("Id",),
    "GetStatement": ("Statement", "State"),
}
_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "UnrecognizedClientException",
    }
)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_OK = 200
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


class NoAnswerError(BotoCoreError):
    """The answer was not from the Glue API: a proxy, a sign-in page, half a document."""

    fmt = "no answer of the Glue API came back ({found})"


def glue_client(
    environment: Optional[Mapping[str, str]] = None,
    *,
    endpoint: Optional[str] = None,
    region: Optional[str] = None,
    profile: Optional[str] = None,
    credentials: Optional[Mapping[str, str]] = None,
) -> "GlueClient":
    """Return a client of the sessions API. It verifies TLS, and leaves retries to the caller.

    Parameters
    ----------
    environment : mapping of str to str, optional
        Variables to read (default: this process's): ``glue_endpoint_url`` or
        ``AWS_ENDPOINT_URL_GLUE``, ``region``, ``AWS_REGION`` or ``AWS_DEFAULT_REGION``, and
        the keys. boto3 finds what they don't give.
    endpoint, region, profile : str, optional
        Override the environment.
    credentials : mapping of str to str, optional
        Temporary credentials, under the official kernel's names.
    """
    variables = os.environ if environment is None else environment
    keys = credentials or {
        f"temp_{name.lower()}": variables[name]
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        if name in variables and not profile
    }
    core = botocore.session.Session(profile=profile)
    # Only the official kernel's model has the members that contain pictures.
    model = _kernel_model_folder()
    if model is not None:
        core.set_config_variable("data_path", str(model))
    address = endpoint or _first(variables, "glue_endpoint_url", "AWS_ENDPOINT_URL_GLUE")
    try:
        session = boto3.Session(
            aws_access_key_id=keys.get("temp_aws_access_key_id"),
            aws_secret_access_key=keys.get("temp_aws_secret_access_key"),
            aws_session_token=keys.get("temp_aws_session_token"),
            botocore_session=core,
        )
        client = session.client(
            "glue",
            region_name=region or _first(variables, "region", "AWS_REGION", "AWS_DEFAULT_REGION"),
            endpoint_url=address,
            config=Config(
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=5,
                read_timeout=30,
                # A company's proxy cannot reach this machine's own addresses.
                proxies={} if urlsplit(address or "").hostname in _LOOPBACK else None,
            ),
        )
    except BotoCoreError as error:
        raise failure("client", error) from error
    client.meta.events.register("after-call.glue", _refuse_what_is_no_answer)
    return client


def call(function: Callable[..., Any], budget: float, **arguments: Any) -> Any:  # noqa: ANN401
    """Call the API, and retry for a limited time.

    Throttling, 5xx answers, and lost connections are retried until ``budget`` seconds are over;
    any other error is raised unchanged. The function may run more than once, so it must be
    repeatable.

    Raises
    ------
    ClientError, BotoCoreError
        The last error.
    """
    retrying = Retrying(
        retry=retry_if_exception(is_transient),
        wait=wait_exponential(multiplier=_FIRST_PAUSE, max=_LONGEST_PAUSE),
        stop=stop_before_delay(budget),
        reraise=True,
    )
    return retrying(_answer, function, arguments)


def _answer(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401
    try:
        return function(**arguments)
    except ResponseParserError as error:  # not a subclass of botocore's other errors
        raise NoAnswerError(found="it cannot be read") from error


def _refuse_what_is_no_answer(
    parsed: Mapping[str, Any],
    model: Any,  # noqa: ANN401 - botocore has no types
    **_: Any,  # noqa: ANN401
) -> None:
    if parsed.get("ResponseMetadata", {}).get("HTTPStatusCode") != _OK:
        return
    found: Any = parsed
    for name in _MEMBERS.get(model.name, ()):
        found = found.get(name) if isinstance(found, Mapping) else None
        if found is None:
            raise NoAnswerError(found=f"it has no {name}")


def is_transient(error: BaseException) -> bool:
    """Return whether the same call may succeed a moment later."""
    return (
        is_in_doubt(error)
        or error_code(error) in _TRANSIENT
        or _status(error) == _TOO_MANY_REQUESTS
    )


def is_in_doubt(error: BaseException) -> bool:
    """Return whether the call may have taken effect although it failed."""
    if isinstance(error, ClientError):
        return _status(error) >= _SERVER_ERROR
    # A certificate that cannot be verified is final: a retry changes nothing.
    return isinstance(
        error, (BotoConnectionError, HTTPClientError, NoAnswerError)
    ) and not isinstance(error, SSLError)


def error_code(error: BaseException) -> str:
    """Return the API's name of an error; empty if the error is not from the API."""
    if not isinstance(error, ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))


def failure(operation: str, error: Exception) -> ServiceError:
    """Return the service error for a failed ``operation``."""
    if isinstance(error, ClientError):
        cause = f"{error_code(error)}: {error.response.get('Error', {}).get('Message', '')}"
    else:
        cause = str(error)
    if error_code(error) in _CREDENTIALS or isinstance(error, NoCredentialsError):
        step = "renew the credentials, then run again"
    elif is_transient(error):
        step = "check that the endpoint is right and up, then run again"
    else:
        step = "check region, endpoint and permissions, then run again"
    return ServiceError(
        f"{operation}: {cause}",
        next_step=step,
        ename=error_code(error) or type(error).__name__,
        evalue=cause,
    )


def _status(error: BaseException) -> int:
    if not isinstance(error, ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _first(variables: Mapping[str, str], *names: str) -> Optional[str]:
    return next((variables[name] for name in names if variables.get(name)), None)


def _kernel_model_folder() -> Optional[Path]:
    found = importlib.util.find_spec("aws_glue_interactive_sessions_kernel")
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(next(iter(found.submodule_search_locations))) / "glue_pyspark"
    return folder if (folder / "glue").is_dir() else None
