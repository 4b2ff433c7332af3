"""Posts alerts to a chat service's webhook.

The webhook's address is a secret: who knows it can post. So it is in no message, log, or ``repr``
of this module. The Lambda function has this module too, so it needs only botocore.
"""

import contextlib
import ipaddress
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, HTTPClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from register_contract.alerts import Alert, Shape

# To connect, and again for the answer.
_SECONDS = 4
_AGAIN = frozenset({429, 500, 502, 503, 504})
_TEAMS = (
    ".logic.azure.com", ".powerplatform.com", ".powerautomate.com", ".flow.microsoft.com",
    ".webhook.office.com",
)  # fmt: skip
# At the level of debugging, these write addresses.
_CHATTY = ("urllib3.connectionpool", "botocore.httpsession")


class NotDelivered(Exception):  # noqa: N818 - says what happened
    """A channel did not take an alert; the message has no address.

    Parameters
    ----------
    reason : str
        A status, or the name of an error.
    passing : bool
        Whether another attempt may succeed.
    """

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing


@dataclass(frozen=True)
class Webhook:
    """A webhook and what it takes.

    Parameters
    ----------
    url : str
        Its address; see :func:`read`.
    shape : Shape
    """

    url: str = field(repr=False)
    shape: Shape

    name = "webhook"

    def send(self, alert: Alert) -> None:
        """Post an alert, once, within seconds.

        Raises
        ------
        NotDelivered
            The service can't be reached, or refuses the alert.
        """
        body = json.dumps(alert.payload(self.shape), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8"}
        proxies = {} if _is_loopback(self.url) else get_environ_proxies(self.url)
        with _silent():
            try:
                # It follows no redirect, so the alert goes nowhere else.
                session = URLLib3Session(proxies=proxies, timeout=_SECONDS)
                request = AWSRequest("POST", self.url, headers=headers, data=body).prepare()
                status = session.send(request).status_code
            except (BotoCoreError, HTTPClientError, OSError, ValueError) as error:
                # Its text has the address, as would the error that this one came from.
                raise NotDelivered(type(error).__name__, passing=True) from None
        if not 200 <= status < 300:
            raise NotDelivered(f"HTTP {status}", passing=status in _AGAIN)


def read(text: str, shape: str = "") -> Webhook:
    """Return the webhook with an address.

    Parameters
    ----------
    text : str
        The address, white space around it ignored.
    shape : str
        ``slack`` or ``teams``; empty means that the address's host decides.

    Raises
    ------
    ValueError
        The address can't be used; the message doesn't quote it.
    """
    url = text.strip()
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if len(url.split()) != 1 or not parts.hostname:
        raise ValueError("the alert URL is not a URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(url)):
        raise ValueError("the alert URL does not start with https://")
    if shape and shape not in set(Shape):
        raise ValueError(f"the alert format is {shape!r}, not slack or teams")
    if not shape:
        shape = Shape.TEAMS if parts.hostname.endswith(_TEAMS) else Shape.SLACK
    return Webhook(url, Shape(shape))


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _CHATTY]
    before = [one.disabled for one in loggers]
    for one in loggers:
        one.disabled = True
    try:
        yield
    finally:
        for one, disabled in zip(loggers, before):
            one.disabled = disabled
