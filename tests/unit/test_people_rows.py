"""Rows of people in delivered files: found whatever form they have, and taken out alone."""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support import canaries

from client_health import InputError, people_rows

Counts = people_rows.Counts

GONE = (canaries.cpf(45), canaries.cpf(88))
DOTTED = f"{GONE[0][:3]}.{GONE[0][3:6]}.{GONE[0][6:9]}-{GONE[0][9:]}"
OTHER = "11144477735"
HEADER = b"cpf|nome|convenio\r\n"
# Ends of all kinds, a byte order mark, blank lines, a repeated header, and bytes that aren't UTF-8.
LINES = (
    (b"\xef\xbb\xbf" + HEADER, False),
    (b"%s|Ana|x\r\n" % OTHER.encode(), False),
    (b"%s|Bia|x\n" % GONE[0].encode(), True),
    (b"\n", False),
    (b"  \r", False),
    (HEADER, False),
    (b'"%s"|"Bia ""B"""|x\r\n' % DOTTED.encode(), True),
    (b"%s7|Bia|x\n" % GONE[0].encode(), True),
    (b"%s|M\xe3e de %s|x\n" % (OTHER.encode(), GONE[1].encode()), False),
    (b"|sem CPF, mas %s|x\n" % GONE[1].encode(), True),
    (b"x|one|too|many|%s\n" % GONE[1].encode(), True),
    (b"%s|Caio|x" % OTHER.encode(), False),
)
CSV = b"".join(line for line, _ in LINES)
CSV_LEFT = b"".join(line for line, theirs in LINES if not theirs)
JSON = "\n".join(canaries.json_lines()).encode() + b"\r\n"
PACKED: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "plain": (bytes, bytes),
    "gzip": (gzip.compress, gzip.decompress),
    "two gzip members": (
        lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]),
        gzip.decompress,
    ),
    "bzip2": (bz2.compress, bz2.decompress),
}


def rewritten(content: bytes, cpfs: tuple[str, ...] = GONE) -> bytes:
    target = io.BytesIO()
    people_rows.without(io.BytesIO(content), target, cpfs)
    return target.getvalue()


@pytest.mark.parametrize("how", PACKED)
def test_a_csv_file_loses_these_lines_and_no_other_byte(how: str) -> None:
    pack, unpack = PACKED[how]
    counted = people_rows.count(io.BytesIO(pack(CSV)), GONE)
    assert counted == Counts(theirs=5, mentions=1)
    assert unpack(rewritten(pack(CSV))) == CSV_LEFT


@pytest.mark.parametrize("how", PACKED)
def test_json_lines_lose_these_lines_and_no_other_byte(how: str) -> None:
    pack, unpack = PACKED[how]
    assert people_rows.count(io.BytesIO(pack(JSON)), GONE) == Counts(2, 0)
    left = unpack(rewritten(pack(JSON)))
    kept = [line for line in JSON.splitlines(keepends=True) if DOTTED.encode() not in line]
    kept = [line for line in kept if canaries._punctuated(GONE[1]).encode() not in line]
    assert left == b"".join(kept)
    assert len(kept) == len(JSON.splitlines()) - 2


def test_lines_are_the_same_whatever_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client_health.read.pieces.PIECE_BYTES", 70)
    assert rewritten(CSV) == CSV_LEFT
    assert people_rows.count(io.BytesIO(CSV), GONE) == Counts(5, 1)


def parquet(**options: Any) -> bytes:
    rows: dict[str, Any] = canaries.parquet_rows()
    rows["numero"] = pa.array([7] * canaries.ROWS, pa.int64())
    rows["quando"] = pa.array([0] * canaries.ROWS, pa.timestamp("ns"))
    rows["documento_cpf"][50] = GONE[0] + "9"
    rows["nome_completo"][51] = f"neta de {DOTTED}"
    table = pa.table(rows).replace_schema_metadata({"who": "wrote it"})
    target = io.BytesIO()
    pq.write_table(table, target, row_group_size=25, **options)
    return target.getvalue()


PARQUET: tuple[dict[str, Any], ...] = (
    {},
    {"compression": "zstd", "version": "1.0", "use_dictionary": ["uf"]},
    {"compression": "none", "store_schema": False},
    {"use_deprecated_int96_timestamps": True, "compression": "gzip"},
)


@pytest.mark.parametrize("options", PARQUET)
def test_a_parquet_file_keeps_its_schema_its_row_groups_and_all_other_rows(
    options: dict[str, Any],
) -> None:
    content = parquet(**options)
    assert people_rows.count(io.BytesIO(content), GONE) == Counts(theirs=2, mentions=1)
    before, after = (pq.ParquetFile(io.BytesIO(one)) for one in (content, rewritten(content)))
    assert after.schema.equals(before.schema)
    assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)
    groups = [[one.metadata.row_group(at).num_rows for at in range(3)] for one in (before, after)]
    assert groups == [[25, 25, 10], [25, 24, 9]]
    codecs = [one.metadata.row_group(0).column(0).compression for one in (before, after)]
    assert codecs[0] == codecs[1]
    kept = [row for at, row in enumerate(before.read().to_pylist()) if at not in {45, 50}]
    assert after.read().to_pylist() == kept


def test_a_row_group_without_others_goes() -> None:
    rows = {name: values[:2] for name, values in canaries.parquet_rows().items()}
    rows["documento_cpf"] = [GONE[0], OTHER]
    target = io.BytesIO()
    pq.write_table(pa.table(rows), target, row_group_size=1)
    assert pq.ParquetFile(io.BytesIO(rewritten(target.getvalue()))).num_row_groups == 1


def test_what_is_no_source_has_no_rows_and_is_not_written_again() -> None:
    table = io.BytesIO()
    pq.write_table(pa.table({"a": [GONE[0]]}), table)
    for content in (b"", b"a,b\n1,2\n", table.getvalue()):
        assert people_rows.count(io.BytesIO(content), GONE) is None
        with pytest.raises(InputError, match="form of no source"):
            rewritten(content)


def test_a_damaged_file_is_refused_without_its_content() -> None:
    for content in (gzip.compress(CSV)[:-20], b"PAR1" + GONE[0].encode()):
        with pytest.raises(InputError, match="damaged data") as raised:
            people_rows.count(io.BytesIO(content), GONE)
        assert GONE[0] not in str(raised.value)


def test_a_line_that_is_too_long_is_never_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client_health.read.pieces.PIECE_BYTES", 64)
    monkeypatch.setattr("client_health.read.pieces.LONGEST", 100)
    with pytest.raises(InputError, match="longer than any"):
        rewritten(CSV + b"\n" + b"x" * 1000)
