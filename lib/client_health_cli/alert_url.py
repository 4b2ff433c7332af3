"""Where a run's alerts go: the URL of a webhook, which is a secret."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from client_health_cli.errors import SettingsError

if TYPE_CHECKING:
    from register_run.alerting import Channel

VARIABLE = "CLIENT_HEALTH_ALERT_URL"


def channels(file: Path | None, shape: str = "") -> list[Channel]:
    """Return the webhook for alerts, if one is given.

    The variable is removed from this process's environment, so that no session or kernel inherits
    the URL.

    Parameters
    ----------
    file
        A file with the URL, which only its owner may read; None means the variable.
    shape
        `slack` or `teams`; empty means that the URL's host decides.

    Raises
    ------
    SettingsError
        If the file can't be read or is open to others, or the URL can't be used. The message
        doesn't quote the URL.
    """
    variable = os.environ.pop(VARIABLE, "")
    place = f"--alert-url-file {file}" if file else VARIABLE
    url = _read(file) if file else variable
    if not url and not file:
        if shape:
            raise SettingsError(f"--alert-format {shape}: give --alert-url-file, or {VARIABLE}")
        return []

    from register_run import webhook  # noqa: PLC0415 - slows the start of every command

    try:
        return [webhook.read(url, shape)]
    except ValueError as error:
        raise SettingsError(f"{place}: {error}") from None


def _read(file: Path) -> str:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError(f"--alert-url-file {file} can't be read: {reason}") from None
    if mode & 0o077:
        raise SettingsError(
            f"--alert-url-file {file} can be read by others (mode {mode:04o}): chmod 600 {file}"
        )
    return text
