"""Reading pieces: every Parquet type as text, and blocks that lose and repeat nothing."""

from __future__ import annotations

import bz2
import gzip
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from test_readers import COLUMNS, csv_line, csv_text, json_line, save

from client_health.read import pieces
from client_health.read.lines import LONGEST, TooLongError
from client_health.read.readers import Piece, read_source
from client_health.read.sources import MALFORMED_LINE

MOMENTS = [
    datetime(2019, 11, 27, 11, 12, 2),
    datetime(1969, 12, 31, 23, 59, 59, 999_000),
    datetime(2020, 1, 1, 0, 0, 0, 120_000),
    datetime(1600, 2, 29, 1, 2, 3, 4),
    None,
]
FLOATS = [120.0, 0.1, -0.0, 1e7, 9_999_999.0, 0.001, 0.00012, 52998224725.0, -1.5e300, 2e-3]
NAMED = [float("nan"), float("inf"), float("-inf"), None]
TYPED: dict[str, pa.Array[Any]] = {
    "int": pa.array([120, -1, 0, None], pa.int32()),
    "long": pa.array([52998224725, -(1 << 63), None], pa.int64()),
    "byte": pa.array([1, -128, None], pa.int8()),
    "double": pa.array([*FLOATS, *NAMED], pa.float64()),
    "float": pa.array([120.0, 0.1, 0.3, 1e7, 1.5e-5, 16777216.0, *NAMED], pa.float32()),
    "decimal": pa.array([Decimal("1.50"), Decimal("-120.00"), None], pa.decimal128(10, 2)),
    "fine decimal": pa.array([Decimal("0.0000000001"), Decimal(0), None], pa.decimal128(38, 10)),
    "whole decimal": pa.array([Decimal(52998224725), None], pa.decimal128(11, 0)),
    "moment": pa.array(MOMENTS, pa.timestamp("us")),
    "moment with zone": pa.array(
        [one and one.replace(tzinfo=UTC) for one in MOMENTS], pa.timestamp("us", "UTC")
    ),
    "moment in Brazil": pa.array(
        [one and one.replace(tzinfo=UTC) for one in MOMENTS],
        pa.timestamp("us", "America/Sao_Paulo"),
    ),
    "milliseconds": pa.array([MOMENTS[0], MOMENTS[2], None], pa.timestamp("ms")),
    "day": pa.array([date(1949, 1, 7), date(1, 1, 1), date(9999, 12, 31), None]),
    "truth": pa.array([True, False, None]),
    "text": pa.array(["São", "", " x ", None]),
    "long text": pa.array(["São", None], pa.large_string()),
    "bytes": pa.array(["São".encode(), b"", None]),
    "dictionary": pa.array(["Gold", "SUS", "Gold", None]).dictionary_encode(),
    "nothing": pa.array([None, None], pa.null()),
}


def parquet(path: Path, **given: pa.Array[Any]) -> Path:
    """Write a file with the given columns; the others have the same text in each row."""
    count = len(next(iter(given.values())))
    columns = {name: pa.array(["x"] * count) for name in COLUMNS["parquet"]} | given
    pq.write_table(pa.table(columns), path)
    return path


def texts(path: Path, column: str) -> list[str | None]:
    found = read_source("parquet", str(path))
    read = [block.frame for piece in found.pieces for block in pieces.read(piece)]
    return [text for frame in read for text in frame[column].to_list()]


@pytest.fixture(scope="module")
def from_spark(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str | None]]:
    """Return the text that Spark gives to each value; all columns are in one file."""
    path = tmp_path_factory.mktemp("typed") / "a.parquet"
    count = max(map(len, TYPED.values()))
    columns = {
        kind: pa.concat_arrays([values, pa.nulls(count - len(values), values.type)])
        for kind, values in TYPED.items()
    }
    pq.write_table(pa.table(columns), path)
    read = spark.read.option("datetimeRebaseMode", "CORRECTED").parquet(str(path))
    rows = read.select(*(F.col(kind).cast("string") for kind in TYPED)).collect()
    return {kind: [row[kind] for row in rows[: len(TYPED[kind])]] for kind in TYPED}


@pytest.mark.parametrize("kind", TYPED)
def test_a_typed_column_has_the_text_that_spark_gives_it(
    from_spark: dict[str, list[str | None]], tmp_path: Path, kind: str
) -> None:
    path = parquet(tmp_path / "a.parquet", bairro=TYPED[kind])
    found = texts(path, "bairro")
    if pa.types.is_timestamp(TYPED[kind].type):
        # Spark omits trailing zeros of a second's fraction; the parser accepts both forms.
        found = [re.sub(r"\.?0*\Z", "", one) if one and "." in one else one for one in found]
    assert found == from_spark[kind]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (52998224725.0, "5.2998224725E10"),
        (120.0, "120.0"),
        (-0.0, "-0.0"),
        (12_345_678.0, "1.2345678E7"),
        (1e21, "1.0E21"),
        (0.00012, "1.2E-4"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (None, None),
    ],
)
def test_a_float_is_written_as_java_does(tmp_path: Path, value: float, text: str) -> None:
    path = parquet(tmp_path / "a", documento_cpf=pa.array([value], pa.float64()))
    assert texts(path, "documento_cpf") == [text]


def test_bytes_that_are_no_utf_8_are_replaced_and_counted(tmp_path: Path) -> None:
    values = ["São".encode(), "São".encode("latin-1"), None, "lost \ufffd".encode()]
    path = parquet(tmp_path / "a", bairro=pa.array(values), cidade=pa.array(["\ufffd"] * 4))
    [piece] = read_source("parquet", str(path)).pieces
    [block] = pieces.read(piece)
    assert block.frame["bairro"].to_list() == ["São", "S\ufffdo", None, "lost \ufffd"]
    # Text that is declared as such is UTF-8; a letter may have been lost before the delivery.
    assert block.undecodable == 2


def test_text_that_is_declared_and_is_none_is_replaced(tmp_path: Path) -> None:
    torn = pa.Array.from_buffers(
        pa.string(), 2, pa.array([b"Sul", "São".encode("latin-1")], pa.binary()).buffers()
    )
    path = parquet(tmp_path / "a", bairro=torn)
    assert texts(path, "bairro") == ["Sul", "S\ufffdo"]


def test_row_groups_are_read_each_alone_and_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "BLOCK_ROWS", 3)
    cpfs = [f"{at:011}" for at in range(10)]
    table = pa.table(dict.fromkeys(COLUMNS["parquet"], cpfs))
    pq.write_table(table, tmp_path / "a", row_group_size=4)
    blocks = [
        [block.frame["documento_cpf"].to_list() for block in pieces.read(piece)]
        for piece in read_source("parquet", str(tmp_path / "a")).pieces
    ]
    assert [[len(block) for block in group] for group in blocks] == [[3, 1], [3, 1], [2]]
    assert [cpf for group in blocks for block in group for cpf in block] == cpfs


@pytest.mark.parametrize("piece_bytes", [37, 101, 1 << 20])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("ending", [".gz", ".bz2"])
@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_packed_file_in_blocks_loses_and_repeats_no_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    ending: str,
    end: str,
    piece_bytes: int,
) -> None:
    lines = [{"csv": csv_line, "json": json_line}[name](cpf=str(at)) for at in range(30)]
    text = csv_text(*lines) if name == "csv" else "\n".join([*lines, ""])
    # The last line may or may not have a line end.
    for marked in (text, text.removesuffix("\n"), "\ufeff" + text):
        packed = {".gz": gzip.compress, ".bz2": bz2.compress}[ending](
            marked.replace("\n", end).encode()
        )
        path = save(tmp_path / f"a.{name}{ending}", packed)
        [piece] = read_source(name, str(path)).pieces
        with monkeypatch.context() as patch:
            patch.setattr(pieces, "PIECE_BYTES", piece_bytes)
            blocks = [block.frame for block in pieces.read(piece)]
        assert [cpf for block in blocks for cpf in block["cpf"]] == [str(at) for at in range(30)]
        assert not any(line for block in blocks for line in block[MALFORMED_LINE])
        assert piece_bytes > len(text) or len(blocks) > 5


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_line_longer_than_any_of_a_register_is_not_held(tmp_path: Path, ending: str) -> None:
    text = csv_text(csv_line(), csv_line(nome="x" * (LONGEST + 1)), csv_line()).encode()
    path = save(tmp_path / f"a.csv{ending}", gzip.compress(text, 1) if ending else text)
    with pytest.raises(TooLongError):
        [list(pieces.read(piece)) for piece in read_source("csv", str(path)).pieces]


def test_a_row_of_parquet_may_be_as_long_as_any_line(tmp_path: Path) -> None:
    fits = LONGEST - sum(len("x") for _ in COLUMNS["parquet"]) + 1
    for length, is_too_long in ((fits, False), (fits + 1, True)):
        path = parquet(tmp_path / "a", bairro=pa.array(["x" * length]))
        [piece] = read_source("parquet", str(path)).pieces
        if is_too_long:
            with pytest.raises(TooLongError):
                list(pieces.read(piece))
        else:
            [block] = pieces.read(piece)
            assert block.frame["bairro"].str.len_bytes().to_list() == [length]


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"a\nb", 2),
        (b"a\r\nb", 3),
        (b"a\rb", 2),
        (b"a\r", 0),
        (b"a\rb\r", 2),
        (b"a\nb\r", 2),
        (b"ab", 0),
        (b"", 0),
    ],
)
def test_a_block_ends_where_a_line_end_is_surely_whole(data: bytes, place: int) -> None:
    assert pieces.last_line_end(data) == place


def test_a_piece_of_a_file_that_is_gone_cannot_be_read(tmp_path: Path) -> None:
    gone = Piece("csv", str(tmp_path / "a.csv"), "a.csv", 0, 10, "|".join(COLUMNS["csv"]))
    with pytest.raises(FileNotFoundError):
        list(pieces.read(gone))
