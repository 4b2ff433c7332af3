"""What shows only while a file is read: the file and line to blame are named, and nobody else."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from test_readers import COLUMNS, csv_line, csv_text, json_line, rows, save, save_parquet

from client_health import contract, sources, storage
from client_health.accounting import RowCounter
from client_health.errors import ClientHealthError, InputError, QualityGateError, StorageError
from client_health.inspection import blame, is_undecodable
from client_health.readers import read_source
from client_health.sources import MALFORMED_LINE


def blamed(spark: SparkSession, name: str, path: Path) -> Exception | None:
    """Read a source as a stage does; return what is said of its files."""
    found = read_source(spark, name, str(path))
    shaped = getattr(sources, f"transform_{name}")(found.frame)
    counter = RowCounter({"x": is_undecodable([name] if found.decoded else [])})
    try:
        try:
            shaped.transform(counter).write.format("noop").mode("overwrite").save()
            suspicious = counter.by_condition()["x"] > 0
        except (Py4JJavaError, PySparkException):
            suspicious = True
        if suspicious:
            blame(spark, [found])
    except ClientHealthError as error:
        return error
    return None


def lines_of(name: str, count: int, **special: str) -> list[str]:
    make = {"csv": csv_line, "json": json_line}[name]
    lines = [make(nome=f"Ana {number}") for number in range(count)]
    lines[count // 2] = make(**special)
    return [csv_text().strip(), *lines] if name == "csv" else lines


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["csv", "json"])
@pytest.mark.parametrize("text", ["São Paulo", "nº 5", "Itaú"])
def test_the_file_and_line_of_latin_1_are_named(
    spark: SparkSession, tmp_path: Path, name: str, packed: bool, text: str
) -> None:
    lines = lines_of(name, 3000, bairro=text)
    place = next(at for at, line in enumerate(lines, start=1) if text in line)
    content = "\n".join(lines).encode("latin-1")
    save(tmp_path / "d" / "1", "\n".join(lines))
    save(
        tmp_path / "d" / ("2.gz" if packed else "2"), gzip.compress(content) if packed else content
    )
    error = blamed(spark, name, tmp_path / "d")
    assert isinstance(error, QualityGateError)
    ending = ".gz" if packed else ""
    told = f"codificacao_de_entrada: 2{ending} is not UTF-8 from line {place:,} on"
    assert str(error).startswith(told)


def test_the_line_is_right_where_a_file_is_read_in_pieces(
    spark: SparkSession, tmp_path: Path
) -> None:
    lines = lines_of("csv", 3000, bairro="São Paulo")
    path = save(tmp_path / "a.csv", "\n".join(lines).encode("latin-1"))
    place = next(at for at, line in enumerate(lines, start=1) if "São" in line)
    before = spark.conf.get("spark.sql.files.maxPartitionBytes") or ""
    spark.conf.set("spark.sql.files.maxPartitionBytes", "10k")
    try:
        assert spark.read.text(str(path)).rdd.getNumPartitions() > 5
        assert f"from line {place:,} on" in str(blamed(spark, "csv", path))
    finally:
        spark.conf.set("spark.sql.files.maxPartitionBytes", before)


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_letter_that_was_lost_before_delivery_is_no_fault_of_the_file(
    spark: SparkSession, tmp_path: Path, name: str
) -> None:
    path = save(tmp_path / "a", "\n".join(lines_of(name, 3, bairro="S\ufffdo Paulo")))
    assert blamed(spark, name, path) is None


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_file_cut_off_within_a_letter_costs_its_last_line(
    spark: SparkSession, tmp_path: Path, name: str
) -> None:
    content = "\n".join([*lines_of(name, 3, bairro="Sul"), "São"]).encode()
    path = save(tmp_path / "a", content[:-2])
    assert blamed(spark, name, path) is None
    assert [row[MALFORMED_LINE] for row in rows(read_source(spark, name, str(path)))][
        -1
    ] == "S\ufffd"


def test_text_that_parquet_holds_as_bytes_is_decoded_or_refused(
    spark: SparkSession, tmp_path: Path
) -> None:
    cities = ["Recife", "São Paulo"]
    good = save_parquet(
        tmp_path / "a.parquet",
        **{n: pa.array(["x"] * 2) for n in COLUMNS["parquet"] if n != "cidade"},
        cidade=pa.array([city.encode() for city in cities]),
    )
    assert [row["cidade"] for row in rows(read_source(spark, "parquet", str(good)))] == cities
    assert blamed(spark, "parquet", good) is None
    bad = save_parquet(
        tmp_path / "b.parquet",
        **{n: pa.array(["x"] * 2) for n in COLUMNS["parquet"] if n != "cidade"},
        cidade=pa.array([city.encode("latin-1") for city in cities]),
    )
    assert "b.parquet is not UTF-8 from row 2 on" in str(blamed(spark, "parquet", bad))


@pytest.mark.parametrize("name", contract.SOURCE_NAMES)
def test_a_row_longer_than_any_of_a_register_is_named(
    spark: SparkSession, tmp_path: Path, name: str
) -> None:
    huge = "x" * 17_000_000
    if name == "parquet":
        columns = {n: pa.array(["x"] * 3) for n in COLUMNS["parquet"]}
        path = save_parquet(tmp_path / "a", **{**columns, "bairro": pa.array(["x", huge, "x"])})
        place = "row 2"
    else:
        path = save(tmp_path / "a", "\n".join(lines_of(name, 3, bairro=huge)))
        place = "line 3" if name == "csv" else "line 2"
    error = blamed(spark, name, path)
    assert isinstance(error, InputError)
    assert str(error).startswith(f"a: {place} is longer than 16,777,216 bytes; expected a record")


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_first_line_without_an_end_is_refused_before_it_is_read(
    spark: SparkSession, tmp_path: Path, name: str
) -> None:
    path = save(tmp_path / "a", {"csv": "cpf|", "json": "{"}[name] * 17_000_000)
    with pytest.raises(InputError, match="no line end in its first 16,777,216 bytes"):
        read_source(spark, name, str(path))


def test_a_file_that_ends_or_changes_behind_its_start_is_named(
    spark: SparkSession, tmp_path: Path
) -> None:
    # Noise does not compress: the damage lies behind what is read first.
    noise = [csv_line(bairro=random.Random(at).randbytes(200).hex()) for at in range(5000)]
    packed = gzip.compress(csv_text(*noise).encode())
    cut = save(tmp_path / "cut.csv.gz", packed[:-1000])
    error = blamed(spark, "csv", cut)
    assert isinstance(error, InputError)
    assert str(error).startswith("cut.csv.gz: it cannot be read: it ends too early, cut off")

    plain = save(tmp_path / "a.csv", csv_text(*noise))
    spark.read.text(str(plain)).write.text(str(tmp_path / "summed"))
    part = next(path for path in (tmp_path / "summed").glob("part-*"))
    part.write_bytes(part.read_bytes()[:-100] + b"x" * 100)
    error = blamed(spark, "csv", part)
    assert isinstance(error, InputError)
    assert "it cannot be read: its bytes are not those of its checksum" in str(error)

    whole = save_parquet(
        tmp_path / "a.parquet",
        **{
            n: pa.array([random.Random(at).randbytes(99).hex() for at in range(2000)])
            for n in COLUMNS["parquet"]
        },
    )
    content = bytearray(whole.read_bytes())
    content[5000:9000] = b"\xff" * 4000
    error = blamed(spark, "parquet", save(tmp_path / "b.parquet", bytes(content)))
    assert isinstance(error, InputError)
    assert str(error).startswith("b.parquet: it cannot be read: its content is damaged")


def test_storage_that_does_not_answer_is_no_fault_of_the_file(spark: SparkSession) -> None:
    java = spark._jvm.java
    away = java.io.IOException("x", java.net.SocketTimeoutException("secret"))
    told = storage.unreadable("a.csv", away)
    assert isinstance(told, StorageError)
    assert str(told).startswith("a.csv: its storage does not answer (SocketTimeoutException);")
    assert "secret" not in str(told)
    assert isinstance(storage.unreadable("a.csv", java.io.EOFException("x")), InputError)


def thrown(name: str, cause: SimpleNamespace | None = None) -> SimpleNamespace:
    """A Java exception as far as its name and cause: Hadoop 3.4 and its SDK are not installed."""
    kind = SimpleNamespace(getSimpleName=lambda: name)
    return SimpleNamespace(getClass=lambda: kind, getCause=lambda: cause)


@pytest.mark.parametrize(
    "names",
    [
        # hadoop-aws 3.4, S3AUtils.translateException, and what it makes of the SDK's timeouts.
        ("AWSApiCallTimeoutException", "ApiCallTimeoutException"),
        ("AWSApiCallTimeoutException", "ApiCallAttemptTimeoutException"),
        ("HttpChannelEOFException",),
        ("InterruptedIOException", "SdkInterruptedException"),
        # software.amazon.awssdk.core.exception, as a reader's own client throws them.
        ("RuntimeException", "ApiCallTimeoutException"),
        ("RuntimeException", "ApiCallAttemptTimeoutException"),
        ("RuntimeException", "RetryableException"),
        ("RuntimeException", "ConnectionPoolTimeoutException"),
    ],
    ids=" ".join,
)
def test_a_timeout_of_the_newer_sdk_is_no_fault_of_the_file(names: tuple[str, ...]) -> None:
    found = None
    for name in reversed(names):
        found = thrown(name, found)
    told = storage.unreadable("a.csv", found)
    assert isinstance(told, StorageError)
    assert names[-1] in str(told)


@pytest.mark.parametrize(
    "name", ["AccessDeniedException", "FileNotFoundException", "EOFException", "IOException"]
)
def test_what_s3_says_of_the_file_itself_stays_its_fault(name: str) -> None:
    assert isinstance(storage.unreadable("a.csv", thrown(name)), InputError)
