"""Lists in pages, with tokens that contain only the start of the next page."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

from glue_local.errors import ApiError

T = TypeVar("T")


def page_of(items: list[T], token: str | None, size: int) -> tuple[list[T], dict[str, str]]:
    """Return a page and, as ``NextToken``, the start of the next one.

    Raises
    ------
    ApiError
        If the token is not from this function.
    """
    start = 0
    if token is not None:
        try:
            start = int(base64.urlsafe_b64decode(token.encode()).decode("ascii"))
        except (ValueError, binascii.Error):
            start = -1
        if start < 0:
            raise ApiError.invalid("NextToken is not from this service.")
    end = start + size
    more = {"NextToken": base64.urlsafe_b64encode(str(end).encode()).decode()}
    return items[start:end], more if end < len(items) else {}
