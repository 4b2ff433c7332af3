"""Checks who may use the service: programs that sign with the key pair of this start."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials as BotocoreCredentials

from glue_local.errors import ApiError
from glue_local.settings import Credentials

_SKEW_SECONDS = 300
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[a-z0-9-]+)"
    r"/(?P<service>[a-z0-9-]+)/aws4_request,\s*SignedHeaders=(?P<headers>[a-z0-9;-]+)"
    r",\s*Signature=(?P<signature>[0-9a-f]{64})"
)
# Unless these are signed, one signed request could be turned into another.
_MUST_BE_SIGNED = {"host", "x-amz-date", "x-amz-target"}
# Browsers set these; programs have no reason to.
_BROWSER_HEADERS = ("origin", "referer", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")


@dataclass(frozen=True)
class Request:
    """The signed parts of a request.

    Parameters
    ----------
    method, path, query : str
        From the request line.
    headers : Mapping of str to str
        Names in lower case.
    body : bytes
        As received.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class _Signer(SigV4Auth):
    """botocore's signer, for exactly the headers that the request says were signed."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return request.headers


class Gate:
    """Check that lets only signed requests pass.

    Parameters
    ----------
    credentials : Credentials
        The key pair of this start.
    hosts : frozenset of str
        The ``Host`` values that name this service.
    region : str
        The service's region: requests signed for another one are refused, as on AWS.
    """

    def __init__(self, credentials: Credentials, hosts: frozenset[str], region: str) -> None:
        self._credentials = credentials
        self._hosts = hosts
        self._region = region

    def check(self, request: Request) -> None:
        """Return if the request may pass.

        Raises
        ------
        ApiError
            With the code that AWS uses for the same refusal.
        """
        headers = request.headers
        if headers.get("host") not in self._hosts:
            raise ApiError("AccessDeniedException", "The Host header names another service.", 403)
        if any(name in headers for name in _BROWSER_HEADERS):
            raise ApiError("AccessDeniedException", "Requests from browsers are refused.", 403)
        if "authorization" not in headers:
            raise ApiError("MissingAuthenticationTokenException", "The request is unsigned.", 403)
        parts = _AUTHORIZATION.fullmatch(headers["authorization"].strip())
        if parts is None:
            raise ApiError(
                "IncompleteSignatureException",
                "The Authorization header is not an AWS Signature Version 4 for this API.",
                403,
            )
        if not hmac.compare_digest(parts["key"], self._credentials.access_key):
            raise ApiError(
                "UnrecognizedClientException",
                "The access key is not this service's. Use the environment that the running "
                "service printed; each start creates a new key pair.",
                403,
            )
        if parts["region"] != self._region:
            raise _invalid(
                f"Credential should be scoped to a valid region: it is {parts['region']}, this "
                f"service's is {self._region}. Set AWS_REGION."
            )
        self._check_time(headers.get("x-amz-date", ""), parts["date"])
        self._check_signature(request, parts)

    def _check_time(self, stamp: str, date: str) -> None:
        try:
            signed_on = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        except ValueError:
            raise _invalid("x-amz-date is missing or malformed.") from None
        if not stamp.startswith(date) or abs(time.time() - signed_on) > _SKEW_SECONDS:
            raise _invalid(f"Signature expired: it is from {stamp}, 5 minutes are allowed.")

    def _check_signature(self, request: Request, parts: re.Match[str]) -> None:
        names = parts["headers"].split(";")
        digest = hashlib.sha256(request.body).hexdigest()
        if not set(names) >= _MUST_BE_SIGNED or any(name not in request.headers for name in names):
            raise _invalid("host, x-amz-date and x-amz-target must be signed.")
        if request.headers.get("x-amz-content-sha256", digest) != digest:
            raise _invalid("x-amz-content-sha256 is not the body's hash.")
        url = f"http://{request.headers['host']}{request.path}"
        signed = AWSRequest(
            method=request.method,
            url=f"{url}?{request.query}" if request.query else url,
            headers={name: request.headers[name] for name in names},
            data=request.body,
        )
        signed.context["timestamp"] = request.headers["x-amz-date"]
        keys = BotocoreCredentials(self._credentials.access_key, self._credentials.secret_key)
        signer = _Signer(keys, parts["service"], parts["region"])
        text = signer.string_to_sign(signed, signer.canonical_request(signed))
        expected = signer.signature(text, signed)
        if parts["service"] != "glue" or not hmac.compare_digest(expected, parts["signature"]):
            raise _invalid(
                "The request signature does not match. Check the secret key and the signing method."
            )


def _invalid(reason: str) -> ApiError:
    return ApiError("InvalidSignatureException", reason, 403)
