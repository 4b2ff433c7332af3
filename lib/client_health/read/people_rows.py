"""Finds rows of people in delivered files, and writes the files again without these rows.

A row is a person's if its CPF is the person's, with any punctuation. A row without a usable CPF is
a person's if the CPF's digits are anywhere in it. Content decides what a file is, not its name.
"""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import IO, Any, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from client_health.errors import InputError
from client_health.read import file_types, headers, lines, pieces
from client_health.read.sources import MALFORMED_LINE
from register_contract import contract, erasures
from register_contract.contract import Source

_SOURCES = {source.name: source for source in contract.SOURCES}
_CPF, _TEXT = "cpf", "text"
_SEPARATORS = f"[{erasures.SEPARATORS}]"
_WELL_FORMED = r"\A[0-9]{11}\z"
_START = 1 << 16
_VERSIONS = ("1.0", "2.4", "2.6")
# Names of codecs that a writer knows under another one.
_CODECS = {"UNCOMPRESSED": "NONE", "LZ4_RAW": "LZ4"}


@dataclass(frozen=True)
class Counts:
    """Rows of a file.

    Parameters
    ----------
    theirs : int
        Rows of the people.
    mentions : int
        Rows of others that have a CPF of the people somewhere: they are never taken out.
    """

    theirs: int = 0
    mentions: int = 0


def count(file: IO[bytes], cpfs: Sequence[str]) -> Counts | None:
    """Count people's rows in a file.

    Parameters
    ----------
    file : binary file
        One that can seek.
    cpfs : sequence of str
        11 digits each.

    Returns
    -------
    Counts or None
        None if the file has the form of no source, so that its rows can't be told apart.

    Raises
    ------
    InputError
        The file has that form only in part, or can't be read.
    """
    source, packing = _form_of(file)
    if source is None:
        return None
    found = [
        (int(marked["theirs"].sum()), int(marked["mentions"].sum()))
        for _, marked in _marked_parts(file, source, packing, cpfs)
    ]
    return Counts(sum(one for one, _ in found), sum(one for _, one in found))


def without(file: IO[bytes], target: IO[bytes], cpfs: Sequence[str]) -> None:
    """Write a file again without people's rows.

    Lines keep their bytes, their ends, and their order. A compressed file is compressed again. A
    Parquet file keeps its schema and the order of its row groups.

    Parameters
    ----------
    file : binary file
        One that can seek, of which :func:`count` knows the rows.
    target : binary file
        Where to write.
    cpfs : sequence of str
        11 digits each.

    Raises
    ------
    InputError
        The file's form would change.
    """
    source, packing = _form_of(file)
    if source is None:
        raise _refused("data in the form of no source")
    if source.name == "parquet":
        _without_rows(file, target, source, cpfs)
        return
    with _packed(target, packing) as packed:
        packed.write(_byte_order_mark(file, packing))
        for block, marked in _marked_parts(file, source, packing, cpfs):
            packed.write(_without_lines(cast("bytes", block), marked))


def _form_of(file: IO[bytes]) -> tuple[Source | None, str]:
    """Return the source whose form a file has, if any, and how it is compressed."""
    packing = _packing_of(file)
    try:
        start = _unpacked(file, packing).read(_START)
        file.seek(0)
        if start.startswith(file_types.PARQUET):
            names: Sequence[str] = pq.read_schema(file).names
            source = _SOURCES["parquet"]
            return (source if source.column(_CPF) in names else None), ""
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        raise _refused(f"damaged data ({type(error).__name__})") from None
    first = _first_line(start)
    if first.lstrip().startswith("{"):
        return _SOURCES["json"], packing
    source = _SOURCES["csv"]
    return (source if source.column(_CPF) in headers.split(first) else None), packing


def _packing_of(file: IO[bytes]) -> str:
    file.seek(0)
    found = file_types.format_of(file.read(8))
    return {"gzip data": ".gz", "bzip2 data": ".bz2"}.get(found, "")


def _unpacked(file: IO[bytes], packing: str) -> IO[bytes]:
    file.seek(0)
    if packing == ".gz":
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file, mode="rb"))
    return cast("IO[bytes]", bz2.BZ2File(file)) if packing else file


def _packed(target: IO[bytes], packing: str) -> AbstractContextManager[IO[bytes]]:
    if packing == ".gz":
        # Without a name and a time, which aren't the file's own.
        return cast("IO[bytes]", gzip.GzipFile("", "wb", fileobj=target, mtime=0))
    return cast("IO[bytes]", bz2.BZ2File(target, "wb")) if packing else nullcontext(target)


def _byte_order_mark(file: IO[bytes], packing: str) -> bytes:
    mark = lines.BYTE_ORDER_MARK
    return mark if _unpacked(file, packing).read(len(mark)) == mark else b""


def _first_line(start: bytes) -> str:
    shown = start.removeprefix(lines.BYTE_ORDER_MARK)
    filled = (line for line in lines.LINE_END.split(shown) if line.strip())
    return next(filled, b"").decode(errors="replace")


def _marked_parts(
    file: IO[bytes], source: Source, packing: str, cpfs: Sequence[str]
) -> Iterator[tuple[bytes | pa.Table, pl.DataFrame]]:
    """Yield each part of a file, and for each of its rows or lines, whose it is."""
    if source.name == "parquet":
        for group in _row_groups(file):
            names = list(dict.fromkeys(group.column_names))
            rows = pieces.texts(group, names).select(
                pl.col(source.column(_CPF)).alias(_CPF),
                pl.concat_str(names, separator="|", ignore_nulls=True).alias(_TEXT),
            )
            yield group, rows.select(*_marks(cpfs))
        return
    first = _first_line(_unpacked(file, packing).read(_START))
    parse = _parser(source, first)
    stream = _unpacked(file, packing)
    try:
        for block in pieces.whole_lines(stream):
            yield block, _marked_lines(block, parse, cpfs)
        if stream.read(1):
            raise _refused("a line that is longer than any of a register")
    except (OSError, EOFError) as error:
        raise _refused(f"damaged data ({type(error).__name__})") from None


def _row_groups(file: IO[bytes]) -> Iterator[pa.Table]:
    try:
        opened = pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=False)
        for number in range(opened.num_row_groups):
            yield opened.read_row_group(number)
    except (OSError, EOFError, pa.ArrowException) as error:
        raise _refused(f"damaged data ({type(error).__name__})") from None


def _parser(source: Source, first: str) -> Callable[[str], tuple[str | None, str | None]]:
    """Return what reads a line: its CPF, and the line itself if it is malformed."""
    name = source.column(_CPF)

    def parse(line: str) -> tuple[str | None, str | None]:
        if source.name == "csv":
            parsed = lines.parse_csv(line.encode(), first, headers.split(first), (name,))
        else:
            parsed = lines.parse_json(line.encode(), (name,))
        if not parsed.frame.height:
            return None, line
        cpf, malformed = parsed.frame.select(name, MALFORMED_LINE).row(0)
        return cpf, malformed

    return parse


def _marked_lines(
    block: bytes, parse: Callable[[str], tuple[str | None, str | None]], cpfs: Sequence[str]
) -> pl.DataFrame:
    numbered = pl.DataFrame({_TEXT: lines.split(block)}).with_row_index("line")
    # Only lines with the digits are split into columns: few of millions.
    shown = numbered.filter(_has(_TEXT, cpfs))
    read = [parse(line) for line in shown[_TEXT]]
    rows = shown.with_columns(
        pl.Series(_CPF, [None if malformed else cpf for cpf, malformed in read], pl.String)
    )
    marked = rows.select("line", *_marks(cpfs))
    return (
        numbered.select("line")
        .join(marked, on="line", how="left", maintain_order="left")
        .select(pl.col("theirs", "mentions").fill_null(value=False))
    )


def _has(column: str, cpfs: Sequence[str]) -> pl.Expr:
    bare = pl.col(column).str.replace_all(_SEPARATORS, "")
    return bare.str.contains_any(list(cpfs)).fill_null(value=False)


def _marks(cpfs: Sequence[str]) -> tuple[pl.Expr, pl.Expr]:
    digits = pl.col(_CPF).str.replace_all(_SEPARATORS, "").fill_null("")
    own = pl.when(digits.str.contains(_WELL_FORMED)).then(digits.is_in(list(cpfs)))
    theirs = own.otherwise(_has(_TEXT, cpfs))
    return theirs.alias("theirs"), (~theirs & _has(_TEXT, cpfs)).alias("mentions")


def _without_lines(block: bytes, marked: pl.DataFrame) -> bytes:
    if not marked["theirs"].any():
        return block
    ends = [found.end() for found in lines.LINE_END.finditer(block)]
    if not ends or ends[-1] < len(block):
        ends.append(len(block))
    bounds = zip([0, *ends], ends, marked["theirs"], strict=False)
    return b"".join(block[start:end] for start, end, theirs in bounds if not theirs)


def _without_rows(file: IO[bytes], target: IO[bytes], source: Source, cpfs: Sequence[str]) -> None:
    before = pq.ParquetFile(file)
    draft = io.BytesIO()
    with pq.ParquetWriter(draft, before.schema_arrow, **_as_written(before)) as writer:
        for group, marked in _marked_parts(file, source, "", cpfs):
            left = cast("pa.Table", group).filter(pa.array(~marked["theirs"]))
            if left.num_rows:
                writer.write_table(left, row_group_size=left.num_rows)
    if not pq.ParquetFile(draft).schema.equals(before.schema):
        raise _refused("a Parquet schema that would change if it were written again")
    target.write(draft.getvalue())


def _as_written(file: pq.ParquetFile) -> dict[str, Any]:
    """Return the options with which a Parquet file seems to have been written."""
    known = file.metadata
    first = known.row_group(0) if known.num_row_groups else None
    chunks = [first.column(at) for at in range(known.num_columns)] if first else []
    dictionaries = {"PLAIN_DICTIONARY", "RLE_DICTIONARY"}
    return {
        "version": known.format_version if known.format_version in _VERSIONS else _VERSIONS[-1],
        "compression": {
            one.path_in_schema: _CODECS.get(one.compression, one.compression) for one in chunks
        }
        or "snappy",
        "use_dictionary": [
            one.path_in_schema for one in chunks if dictionaries & set(one.encodings)
        ],
        "use_deprecated_int96_timestamps": any(one.physical_type == "INT96" for one in chunks),
        # As it was: with or without it, a reader may see other types.
        "store_schema": b"ARROW:schema" in (known.metadata or {}),
    }


def _refused(found: str) -> InputError:
    return InputError(
        "the file",
        found=found,
        expected="a file whose rows can be told apart",
        next_step="Erase the whole file, without --rewrite.",
    )
