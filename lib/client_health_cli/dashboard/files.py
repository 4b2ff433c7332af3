"""Writes the pages as files."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from client_health_cli import rule_listing
from client_health_cli.anonymous_table import anonymous_report
from client_health_cli.dashboard import dictionary, page
from client_health_cli.dashboard.last_runs import receipts_of
from client_health_cli.dashboard.rule_history import rule_history
from client_health_cli.errors import SettingsError
from client_health_cli.published import published_table
from register_run import cost


@dataclass(frozen=True)
class Pages:
    """The written pages.

    Attributes
    ----------
    dashboard, dictionary
        The files.
    size
        Size of the dashboard in bytes.
    """

    dashboard: Path
    dictionary: Path
    size: int


def write_pages(lake: str, out: Path, dictionary_file: Path, written: dt.datetime) -> Pages:
    """Write the dashboard, and the data dictionary that it links to.

    Parameters
    ----------
    lake
        The lake with the table and the receipts.
    out, dictionary_file
        The files; each gets its name only when complete.
    written
        The current time, with a time zone.

    Raises
    ------
    LakeError
        If there is no table.
    SettingsError
        If a file can't be written, or the lake's rules file has mistakes.
    """
    table = published_table(lake, may_be_empty=True)
    rules = rule_listing.held(lake)
    link = quote(os.path.relpath(dictionary_file.absolute(), out.absolute().parent))
    text = page.write(
        table,
        receipts_of(lake),
        written=written,
        dictionary=link,
        anonymous=anonymous_report(table),
        limits=rules.limits,
        quality=rule_history(table, rules),
        costs=cost.of_lake(lake),
    )
    save(dictionary_file, dictionary.write(rules))
    return Pages(out, dictionary_file, save(out, text))


def save(path: Path, text: str) -> int:
    """Write a file that gets its name only when complete; return its size in bytes.

    Raises
    ------
    SettingsError
        If the file can't be written.
    """
    body = text.encode()
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(body)
        partial.replace(path)
    except OSError as error:
        raise SettingsError(f"{path} can't be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return len(body)
