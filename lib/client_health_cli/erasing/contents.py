"""The content of a file as it would be read: decompressed, page by page.

What a file has beside its compressed parts is given as it is stored: names, and what footers,
indexes, and page headers say.
"""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Any, Literal

from client_health_cli.erasing.thrift import Reader

#: Kinds of files, by their first bytes.
PARQUET, AVRO, GZIP, BZIP2, ZIP, OTHER = "Parquet", "Avro", "gzip", "bzip2", "zip", "other"
_MAGIC = {
    b"PAR1": PARQUET,
    b"Obj\x01": AVRO,
    b"\x1f\x8b": GZIP,
    b"BZh": BZIP2,
    b"PK\x03\x04": ZIP,
}
# What hides values in other ways. No part of a lake is one of these.
_HIDING = {
    b"\xfd7zX": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7-Zip",
    b"\x04\x22\x4d\x18": "LZ4",
    b"ORC": "ORC",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_KINDS = {**_MAGIC, **_HIDING}
# Bytes read at once, and bytes that are given twice, so that nothing is cut in two.
_BLOCK, _OVERLAP = 16 << 20, 1 << 12
# Parquet's codecs by number, as PyArrow names them.
_CODECS: dict[int, Literal["snappy", "gzip", "brotli", "zstd", "lz4_raw"]] = {
    1: "snappy",
    2: "gzip",
    4: "brotli",
    6: "zstd",
    7: "lz4_raw",
}
# Encodings that write a text as the difference to another, or take it apart.
_DELTA_BYTES, _SPLIT_BYTES = 7, 9
_DATA_PAGE_V2 = 3
_TYPE, _UNPACKED, _PACKED, _HEADER_V2 = 1, 2, 3, 8
_DEFINITION_BYTES, _REPETITION_BYTES, _IS_COMPRESSED = 5, 6, 7
# Numbers of fields in Parquet's structures.
_ROW_GROUPS, _COLUMNS, _META_DATA = 4, 1, 3
_ENCODINGS, _PATH, _CODEC, _SIZE, _DATA_AT, _DICTIONARY_AT, _BLOOM_AT = 2, 3, 4, 7, 9, 11, 14


# RuntimeError: an archive with a password, or packed in a way that Python doesn't know.
_DAMAGED = (
    *(ValueError, KeyError, EOFError, OSError, RuntimeError),
    *(zlib.error, zipfile.BadZipFile),
)


class UnsearchableError(Exception):
    """A part of a file can't be searched, so nothing can be proved about it."""


def kind_of(file: IO[bytes]) -> str:
    """Return a file's kind, by its first bytes."""
    file.seek(0)
    start = file.read(4)
    return next((kind for magic, kind in _KINDS.items() if start.startswith(magic)), OTHER)


def parts(file: IO[bytes], kind: str) -> Iterator[bytes]:
    """Yield the content of a file, stored and decompressed.

    Parameters
    ----------
    file
        The file, which can seek.
    kind
        Its kind; see :func:`kind_of`.

    Yields
    ------
    bytes
        Up to some megabytes each; a page of Parquet may be larger. No value is cut in two.

    Raises
    ------
    UnsearchableError
        Part of the file can't be decompressed, or has a form that hides values.
    """
    if kind in _HIDING.values():
        raise UnsearchableError(f"it is {kind}, which can't be searched")
    try:
        file.seek(0)
        if kind == PARQUET:
            yield from _pages(file)
            return
        yield from _stream(file)
        file.seek(0)
        if kind == AVRO:
            yield from _blocks(file.read())
        elif kind == GZIP:
            with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
                yield from _inside(unpacked)
        elif kind == BZIP2:
            with bz2.BZ2File(file) as unpacked:
                yield from _inside(unpacked)
        elif kind == ZIP:
            with zipfile.ZipFile(file) as archive:
                for name in archive.namelist():
                    with archive.open(name) as unpacked:
                        yield from _inside(unpacked)
    except _DAMAGED as error:
        raise UnsearchableError(f"its {kind} can't be read ({type(error).__name__})") from error


def _inside(file: IO[bytes] | Any) -> Iterator[bytes]:  # noqa: ANN401 - several kinds of files
    """Yield what was packed; if it is packed again, it would have to be unpacked twice."""
    if (kind := kind_of(file)) != OTHER:
        raise UnsearchableError(f"it has {kind} inside, which can't be searched there")
    file.seek(0)
    yield from _stream(file)


def _stream(file: IO[bytes] | Any) -> Iterator[bytes]:  # noqa: ANN401 - several kinds of files
    kept = b""
    while block := file.read(_BLOCK):
        yield kept + block
        kept = block[-_OVERLAP:]


def _pages(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the decompressed pages of a Parquet file, then everything that is in no page.

    Notes
    -----
    Rule: Apache Parquet's format, ``parquet.thrift``.
    """
    content = memoryview(file.read())
    length = int.from_bytes(content[-8:-4], "little")
    footer = Reader(content[-8 - length : -8]).struct()
    bodies: list[tuple[int, int]] = []
    yield from _gathered(_pages_of(file, content, footer, bodies))
    ends = [0, *(end for _, end in sorted(bodies))]
    starts = [*(start for start, _ in sorted(bodies)), len(content)]
    yield b"\0".join(content[end:start] for end, start in zip(ends, starts, strict=True))


def _pages_of(
    file: IO[bytes], content: memoryview, footer: dict[int, Any], bodies: list[tuple[int, int]]
) -> Iterator[bytes]:
    """Yield the decompressed pages, and note where their bodies are."""
    for group in footer.get(_ROW_GROUPS, ()):
        for chunk in group[_COLUMNS]:
            described = chunk[_META_DATA]
            if _BLOOM_AT in described:
                raise UnsearchableError("it has a bloom filter, which can't be searched for values")
            if {_DELTA_BYTES, _SPLIT_BYTES} & set(described[_ENCODINGS]):
                yield _decoded(file, described[_PATH][0].decode())
            yield from _chunk(content, described, bodies)


def _gathered(pages: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pages together, until they are worth a search."""
    gathered: list[bytes] = []
    size = 0
    for page in pages:
        gathered.append(page)
        size += len(page)
        if size > _BLOCK:
            yield b"\0".join(gathered)
            gathered, size = [], 0
    yield b"\0".join(gathered)


def _chunk(
    content: memoryview, described: dict[int, Any], bodies: list[tuple[int, int]]
) -> Iterator[bytes]:
    """Yield the decompressed pages of a column chunk."""
    # A chunk without values has only a dictionary, or nothing.
    position = min(filter(None, map(described.get, (_DATA_AT, _DICTIONARY_AT))), default=0)
    end = position + described[_SIZE]
    while position < end:
        reader = Reader(content, position)
        header = reader.struct()
        start, position = reader.position, reader.position + header[_PACKED]
        bodies.append((start, position))
        yield _page(content[start:position], header, described[_CODEC])


def _page(body: memoryview, header: dict[int, Any], codec: int) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 - slows every command's start

    levels, compressed = 0, codec != 0
    if header[_TYPE] == _DATA_PAGE_V2:
        version_2 = header[_HEADER_V2]
        # Levels come first, and are never compressed.
        levels = version_2[_DEFINITION_BYTES] + version_2[_REPETITION_BYTES]
        compressed = compressed and version_2.get(_IS_COMPRESSED, True)
    size = header[_UNPACKED] - levels
    if not compressed or not size:
        return bytes(body)
    if codec not in _CODECS:
        raise UnsearchableError(f"its pages are compressed with codec {codec}")
    return pa.Codec(_CODECS[codec]).decompress(bytes(body[levels:]), size, asbytes=True)


def _decoded(file: IO[bytes], column: str) -> bytes:
    import polars as pl  # noqa: PLC0415

    file.seek(0)
    values = pl.read_parquet(file, columns=[column], hive_partitioning=False).to_series()
    return str(values.cast(pl.String).str.join("\n").item()).encode()


def _blocks(content: bytes) -> Iterator[bytes]:
    """Yield the decompressed blocks of an Avro file.

    Notes
    -----
    Rule: Apache Avro's specification, "Object container files".
    """
    file = io.BytesIO(content)
    file.seek(4)
    described: dict[str, bytes] = {}
    while count := _long(file):
        if count < 0:
            _long(file)
        for _ in range(abs(count)):
            name = file.read(_long(file)).decode()
            described[name] = file.read(_long(file))
    mark = file.read(16)
    codec = described.get("avro.codec", b"null").decode()
    while file.tell() < len(content):
        _long(file)
        block = file.read(_long(file))
        if file.read(16) != mark:
            raise ValueError("a block of Avro ends elsewhere")
        yield _unpacked(block, codec)


def _unpacked(block: bytes, codec: str) -> bytes:
    if codec == "null":
        return block
    if codec == "deflate":
        return zlib.decompress(block, -zlib.MAX_WBITS)
    raise UnsearchableError(f"its blocks are compressed with {codec}")


def _long(file: io.BytesIO) -> int:
    result = shift = 0
    while True:
        byte = file.read(1)
        if not byte:
            raise EOFError
        result |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return (result >> 1) ^ -(result & 1)
        shift += 7
