"""Looks for values in every file of a folder, with nothing of the product in it."""

from __future__ import annotations

import bz2
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def found(folder: Path, values: Iterable[str]) -> dict[str, set[str]]:
    """Return the values that each file has, in hexadecimal, stored or decompressed."""
    wanted = {value.encode().hex(): value for value in values}
    pattern = re.compile("|".join(map(re.escape, wanted)))
    hits: dict[str, set[str]] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        for content in _contents(path):
            here = {wanted[hit] for hit in pattern.findall(content.hex())}
            if here:
                hits.setdefault(str(path.relative_to(folder)), set()).update(here)
    return hits


def _contents(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    yield path.name.encode() + b"\n" + content
    if content[:4] == content[-4:] == b"PAR1":
        yield from _parquet(path)
    elif content[:4] == b"Obj\x01":
        yield from _avro(content)
    elif content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    elif content[:3] == b"BZh":
        yield bz2.decompress(content)


def _parquet(path: Path) -> Iterator[bytes]:
    names = pq.read_schema(path).names
    # Read as dictionaries, columns show all values of their dictionary pages, used or not.
    for column in pq.read_table(path, read_dictionary=names, partitioning=None).columns:
        for chunk in column.chunks:
            told = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
            yield "\n".join(map(str, told.to_pylist())).encode()
    yield repr(pq.read_metadata(path).to_dict()).encode()


def _avro(content: bytes) -> Iterator[bytes]:
    for block in content.split(content[-16:])[1:]:
        for start in range(2, min(20, len(block))):
            unpacking = zlib.decompressobj(-15)
            try:
                plain = unpacking.decompress(block[start:])
            except zlib.error:
                continue
            if unpacking.eof and not unpacking.unused_data:
                yield plain
                break
        else:
            assert not block, "a block of Avro is compressed in another way"
