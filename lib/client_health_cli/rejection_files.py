"""Rejected rows as files, in the format of the source that delivered them."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from client_health_cli.errors import SettingsError
from register_contract import contract

if TYPE_CHECKING:
    import polars as pl

#: The exported files' names by source.
NAMES: Final = {name: f"rejected.{name}" for name in contract.SOURCE_NAMES}
#: The column with the line that could not be split; only where there is one.
MALFORMED_LINE: Final = "malformed_line"
_NUMBERS: Final = ("numero", "data_cadastro")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Exported:
    """One exported file.

    Attributes
    ----------
    path
        Where it is.
    rows
        Its rows.
    malformed
        How many of them are lines that could not be split.
    """

    path: Path
    rows: int
    malformed: int


def export(rows: pl.DataFrame, folder: Path) -> tuple[Exported, ...]:
    """Write rejected rows, one file for each source, for this account only.

    Parameters
    ----------
    rows
        Rows of the table `rejected`.
    folder
        Created if it is missing.

    Raises
    ------
    SettingsError
        Others may enter the folder, or it has such a file already.
    """
    import polars as pl  # noqa: PLC0415 - slows every command's start

    from client_health import rejected_rows  # noqa: PLC0415

    parts = {
        source.name: rejected_rows.delivered(rows, source).sort(
            pl.col(MALFORMED_LINE).is_not_null(), maintain_order=True
        )
        for source in contract.SOURCES
    }
    _prepare(folder, [NAMES[name] for name, part in parts.items() if part.height])
    written = []
    for name, part in parts.items():
        if part.is_empty():
            continue
        malformed = part.height - part[MALFORMED_LINE].null_count()
        shown = part if malformed else part.drop(MALFORMED_LINE)
        path = folder / NAMES[name]
        _write(path, _content(name, shown))
        written.append(Exported(path, part.height, malformed))
    return tuple(written)


def _prepare(folder: Path, names: list[str]) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = folder.stat().st_mode
    except OSError as error:
        raise SettingsError(f"--export {folder}: {error.strerror}") from error
    if mode & _OTHERS:
        raise SettingsError(
            f"--export {folder}: other accounts may enter this folder, and the files have CPFs. "
            f"Name a new folder, or close this one: chmod 700 {folder}"
        )
    there = [name for name in names if (folder / name).exists()]
    if there:
        raise SettingsError(
            f"--export {folder}: it has a {there[0]} already, which may have corrections. "
            "Name a new folder"
        )


def _content(source: str, rows: pl.DataFrame) -> bytes:
    import polars as pl  # noqa: PLC0415

    buffer = io.BytesIO()
    if source == "parquet":
        rows.write_parquet(buffer)
    elif source == "csv":
        rows.write_csv(buffer, separator=contract.CSV_DELIMITER)
    else:
        # A row with a number that could not be read has texts.
        numbers = rows.with_columns(pl.col(_NUMBERS).cast(pl.Int64, strict=False))
        same = pl.all_horizontal(
            pl.col(name).is_null() == numbers[name].is_null() for name in _NUMBERS
        )
        texts = rows.select(
            pl.struct(pl.all()).struct.json_encode().alias("text"), same.alias("same")
        )
        typed = numbers.select(pl.struct(pl.all()).struct.json_encode().alias("typed"))
        lines = texts.hstack(typed).select(pl.when("same").then("typed").otherwise("text"))
        buffer.write("".join(f"{line}\n" for line in lines.to_series()).encode())
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    try:
        with open(path, "xb", opener=_private) as file:
            file.write(content)
    except OSError as error:
        raise SettingsError(f"{path} can't be written: {error.strerror}") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
