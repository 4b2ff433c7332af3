"""Lists in pages, with tokens that hold nothing but where the next page begins."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

from glue_local.errors import ApiError

T = TypeVar("T")


def page_of(items: list[T], token: str | None, size: int) -> tuple[list[T], dict[str, str]]:
    """Return a page and, under ``NextToken``, where the next one begins.

    Raises
    ------
    ApiError
        If the token is none of these.
    """
    start = 0
    if token is not None:
        try:
            start = int(base64.urlsafe_b64decode(token.encode()).decode("ascii"))
        except (ValueError, binascii.Error):
            start = -1
        if start < 0:
            raise ApiError.invalid("NextToken is not one that this service gave.")
    end = start + size
    more = {"NextToken": base64.urlsafe_b64encode(str(end).encode()).decode()}
    return items[start:end], more if end < len(items) else {}
