"""Detects a file's format from its first bytes, whatever its name says."""

from __future__ import annotations

import re

from client_health.errors import InputError, QualityGateError
from register_contract.contract import Gate

PARQUET = b"PAR1"

_SIGNATURES = (
    (PARQUET, "Parquet"),
    (b"PARE", "encrypted Parquet"),
    (b"\x1f\x8b", "gzip data"),
    (b"BZh", "bzip2 data"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"%PDF", "a PDF document"),
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
    (b"SQLite format 3", "a SQLite database"),
)
_MARKUP = re.compile(rb"\s*<(?:!doctype|\?xml|html|[a-z]+[ >])", re.IGNORECASE)
# UTF-32 comes first: its little-endian mark begins like that of UTF-16.
_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_PACKED = {".gz": b"\x1f\x8b", ".bz2": b"BZh"}
_TWO_BYTES_A_LETTER = re.compile(rb"(?:[ -~]\x00){8}|(?:\x00[ -~]){8}")


def packing(name: str) -> str:
    """Return a name's ending if it means that the file is compressed; otherwise empty."""
    return next((ending for ending in _PACKED if name.endswith(ending)), "")


def format_of(start: bytes) -> str:
    """Return a file's format by its first bytes; empty if unknown."""
    for mark, name in _SIGNATURES:
        if start.startswith(mark):
            return name
    return "an HTML or XML page" if _MARKUP.match(start) else ""


def encoding_of(start: bytes) -> str:
    """Return the encoding of text if it is neither UTF-8 nor similar to it; otherwise empty."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    return "UTF-16" if _TWO_BYTES_A_LETTER.match(start) else ""


def check_packing(name: str, start: bytes) -> None:
    """Refuse a file whose name says that it is compressed, but whose bytes aren't.

    Parameters
    ----------
    name : str
        The file's name.
    start : bytes
        Its first bytes, as stored.

    Raises
    ------
    InputError
    """
    ending = packing(name)
    if ending and not start.startswith(_PACKED[ending]):
        raise InputError(
            name,
            found=f"{format_of(start) or 'data that is not compressed'} under a name in {ending}",
            expected=f"data compressed as {ending} says",
            next_step="Give the file the ending of its real format, and run again.",
        )


def check_text(name: str, start: bytes, expected: str) -> None:
    """Refuse data that isn't text, or text in another kind of encoding.

    Parameters
    ----------
    name : str
        The file's name.
    start : bytes
        Its first bytes, unpacked.
    expected : str
        The format that the file should have.

    Raises
    ------
    InputError
        If the bytes are of another format.
    QualityGateError
        If they are UTF-16 or UTF-32.
    """
    encoding = encoding_of(start)
    if encoding:
        raise _other_encoding(f"{name} is {encoding}")
    found = format_of(start)
    if found:
        ending = {"gzip data": ".gz", "bzip2 data": ".bz2"}.get(found)
        rename = f"Give it a name that ends in {ending}, in lower case" if ending else ""
        raise InputError(
            name,
            found=f"{found} under another format's name",
            expected=expected,
            next_step=f"{rename or 'Deliver the file in its own format'}, and run again.",
        )


def not_utf8(name: str, place: str) -> QualityGateError:
    """Return the error for text in an encoding with one byte per letter.

    Parameters
    ----------
    name : str
        The file's name.
    place : str
        Place of the first such letter, for example ``line 17``.
    """
    return _other_encoding(f"{name} is not UTF-8 from {place} on, perhaps Latin-1")


def _other_encoding(found: str) -> QualityGateError:
    detail = f"{found}; expected UTF-8. Ask the sender to export it that way"
    return QualityGateError([(Gate.CODIFICACAO_DE_ENTRADA, detail)])
