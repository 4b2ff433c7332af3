"""The upstream: an emulator of the rest of AWS, for actions that this service doesn't have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session

from glue_local.api.protocol import CONTENT_TYPE
from glue_local.errors import ApiError
from glue_local.settings import Credentials

_KEPT_HEADERS = ("content-type", "x-amzn-errortype", "x-amzn-requestid", "x-amz-crc32")
# Distinguishes the service's own calls from those of sessions and job runs.
USER_AGENT = "glue_local"
_TIMEOUT_SECONDS = 60
_AT_ONCE = 16
# Never AWS itself: local job runs and made-up events must not reach it.
_AWS_HOSTS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Reply:
    """The upstream's answer, unchanged.

    Parameters
    ----------
    status : int
        HTTP status.
    headers : Mapping of str to str
        The headers that matter to a client.
    body : bytes
        JSON: an answer or an error.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Upstream:
    """An endpoint that answers for every service of AWS, like an emulator.

    All methods except :meth:`in_thread` block.

    Parameters
    ----------
    url : str
        Its URL.
    region : str
        Region that requests are signed for.
    credentials : Credentials or None
        Key pair that requests are signed with; if None, they are unsigned.
    """

    def __init__(self, url: str, region: str, credentials: Credentials | None) -> None:
        self.url = url.rstrip("/")
        self._region = region
        self._credentials = credentials
        self._http = URLLib3Session(timeout=_TIMEOUT_SECONDS, max_pool_connections=_AT_ONCE)
        # Separate threads: those that prepare sessions may be busy for minutes.
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="upstream")

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call, such as the other methods, while the service answers requests."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(work, *args, **kwargs))

    def send(self, action: str, body: bytes) -> Reply:
        """Send one Glue request and return the answer, whatever it is.

        Raises
        ------
        ApiError
            If there was no answer.
        """
        headers = {"Content-Type": CONTENT_TYPE, "X-Amz-Target": f"AWSGlue.{action}"}
        request = AWSRequest("POST", f"{self.url}/", headers=headers, data=body)
        if self._credentials is not None:
            keys = BotocoreCredentials(self._credentials.access_key, self._credentials.secret_key)
            SigV4Auth(keys, "glue", self._region).add_auth(request)
        try:
            answer: Any = self._http.send(request.prepare())
        except BotoCoreError as error:
            raise ApiError(
                "InternalServiceException",
                f"{action} is forwarded to {self.url}, which does not answer: {error}"[:500],
                500,
            ) from None
        kept = {
            name: value for name, value in answer.headers.items() if name.lower() in _KEPT_HEADERS
        }
        return Reply(answer.status_code, kept, answer.content)

    def call(self, action: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Call the upstream's Glue, and return the answer.

        Raises
        ------
        ApiError
            The upstream's refusal.
        """
        reply = self.send(action, json.dumps(parameters).encode())
        try:
            answer = json.loads(reply.body)
        except ValueError:
            answer = {}
        if reply.status == 200:
            return dict(answer)
        code = str(answer.get("__type", "InternalServiceException")).rpartition("#")[2]
        message = answer.get("Message") or answer.get("message") or f"HTTP {reply.status}"
        raise ApiError(code, str(message), reply.status)

    def client(self, service: str) -> Any:  # noqa: ANN401 - botocore makes its classes up
        """Return a botocore client of another of its services."""
        keys = self._credentials
        return self._session.create_client(
            service,
            endpoint_url=self.url,
            region_name=self._region,
            aws_access_key_id=keys.access_key if keys else "none",
            aws_secret_access_key=keys.secret_key if keys else "none",
            config=Config(
                user_agent_extra=f"app/{USER_AGENT}",
                connect_timeout=5,
                read_timeout=_TIMEOUT_SECONDS,
                retries={"total_max_attempts": 2},
            ),
        )

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401
        return botocore.session.get_session()


def upstream_url(text: str) -> str:
    """Return the URL, after checking it.

    Raises
    ------
    ValueError
        If it isn't a URL, or is one of AWS itself.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{text!r} is not a URL; expected one such as http://127.0.0.1:4566")
    if parts.hostname.endswith(_AWS_HOSTS):
        raise ValueError(f"{text!r} is AWS itself; the upstream must be an emulator")
    return text
