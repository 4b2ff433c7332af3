"""Sample deliveries: columns and formats of the contract, requested faults, same bytes."""

import csv
import datetime as dt
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_health_cli.errors import SettingsError
from client_health_cli.sample_data import (
    DEFAULT_DEFECTS,
    SampleFile,
    SampleSettings,
    defects_from_text,
    write,
)
from client_health_cli.sample_data import cpf as cpf_numbers
from client_health_cli.sample_data.arrays import filled
from client_health_cli.sample_data.draws import Draws
from client_health_cli.sample_data.words import STATE_WEIGHTS, unaccented
from register_contract import contract

Row = dict[str, object]
ROWS = 20_000
CLEAN = dict.fromkeys(DEFAULT_DEFECTS, 0.0)
STATE_NAMES = 27


def read_parquet(file: SampleFile) -> list[Row]:
    return pq.read_table(file.path).to_pylist()


def read_csv(file: SampleFile) -> list[Row]:
    lines = file.path.read_text(encoding="utf-8").splitlines()
    names = lines[0].split("|")
    rows = [line.split("|") for line in lines[1:]]
    return [dict(zip(names, row, strict=True)) for row in rows if len(row) == len(names)]


def read_json(file: SampleFile) -> list[Row]:
    rows = []
    for line in file.path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def digits_of(text: object) -> str:
    return re.sub(r"[.\-\s]", "", str(text or ""))


def verifies(cpf: str) -> bool:
    """Check a CPF's check digits with code that is independent of the code under test."""
    if not re.fullmatch(r"[0-9]{11}", cpf) or len(set(cpf)) == 1:
        return False
    for length in (9, 10):
        total = sum(int(d) * (length + 1 - i) for i, d in enumerate(cpf[:length]))
        remainder = total % 11
        if int(cpf[length]) != (0 if remainder < 2 else 11 - remainder):
            return False
    return True


def checksums(files: Iterable[SampleFile]) -> list[str]:
    return [hashlib.sha256(file.path.read_bytes()).hexdigest() for file in files]


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    out = tmp_path_factory.mktemp("clean")
    return write(out, ROWS, 7, SampleSettings(duplicates=0, defects=CLEAN))


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    return write(tmp_path_factory.mktemp("usual"), ROWS, 7)


def test_files_defects_and_states_are_those_of_the_contract(usual):
    assert [(file.source, file.path.name) for file in usual] == [
        (source.name, source.file) for source in contract.SOURCES
    ]
    rules = contract.rules(contract.Criticality.ERROR) + contract.rules(contract.Criticality.WARN)
    assert list(DEFAULT_DEFECTS) == [rule.name for rule in rules]
    assert {unaccented(name).upper() for name in STATE_WEIGHTS} == set(contract.STATES)


def test_what_another_contract_says_is_what_is_written(tmp_path):
    code = (
        "import sys, dataclasses, pathlib\n"
        "from register_contract import rules, sources\n"
        "rules.RULES += (rules.Rule(\n"
        "    'bairro_ausente', rules.Criticality.WARN, 'no district', 'sem bairro', 'bairro'),)\n"
        "sources.CSV_DELIMITER = ';'\n"
        "other = dataclasses.replace(sources.SOURCES[1], file='outro.csv', ignored=(),\n"
        "    renamed={'cidade': 'municipio'}, date=sources.DateFormat.ENGLISH_MONTH,\n"
        "    timestamp=sources.DateFormat.ISO_T)\n"
        "sources.SOURCES = (sources.SOURCES[0], other, sources.SOURCES[2])\n"
        "from client_health_cli.sample_data import SampleSettings, write\n"
        "shares = {'bairro_ausente': 1.0}\n"
        "files = write(pathlib.Path(sys.argv[1]), 100, 7, SampleSettings(defects=shares))\n"
        "assert [file.defects['bairro_ausente'] for file in files] == [100, 100, 100]"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    with (tmp_path / "outro.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";", quoting=csv.QUOTE_NONE))
    assert len(rows) == 100
    assert list(rows[0]) == [
        "cpf", "nome_completo", "convenio", "data_nascimento", "sexo", "logradouro", "numero",
        "bairro", "municipio", "estado", "data_cadastro",
    ]  # fmt: skip
    days = [row["data_nascimento"] for row in rows]
    assert all(re.fullmatch(r"[A-Z][a-z]+ \d\d, \d{4}|\s*", day) for day in days)
    assert all(re.fullmatch(r"[\d-]{10}T[\d:]{8}", row["data_cadastro"]) for row in rows)
    assert {row["bairro"].strip() for row in rows} == {""}


def test_parquet_has_exactly_the_columns_of_the_contract(usual):
    schema = pq.read_schema(usual[0].path)
    assert schema.names == [
        "documento_cpf", "nome_completo", "convenio", "data_nascimento", "sexo", "logradouro",
        "numero", "bairro", "cidade", "uf", "data_cadastro", "pais", "__index_level_0__",
    ]  # fmt: skip
    assert set(schema.types[:-1]) == {pa.string()}
    assert schema.types[-1] == pa.int64()
    assert pq.read_table(usual[0].path)["__index_level_0__"].to_pylist() == list(range(ROWS))


def test_csv_has_exactly_the_header_of_the_contract(usual):
    with usual[1].path.open(encoding="utf-8") as file:
        assert file.readline() == (
            "cpf|nome|convenio|data_nascimento|sexo|logradouro|numero|bairro|cidade|estado|"
            "data_cadastro|pais_cadastro\n"
        )


def test_csv_reads_the_same_with_and_without_quoting_rules(usual):
    with usual[1].path.open(encoding="utf-8", newline="") as file:
        quoted = [row for row in csv.DictReader(file, delimiter="|") if None not in row]
    assert quoted == read_csv(usual[1])


def test_json_rows_have_the_columns_of_the_contract_or_some_of_them(usual):
    rows = read_json(usual[2])
    names = [
        "cpf", "nome", "convenio", "data_nascimento", "sexo", "logradouro", "numero", "bairro",
        "cidade", "estado", "data_cadastro",
    ]  # fmt: skip
    assert max((list(row) for row in rows), key=len) == names
    assert set().union(*rows) == set(names)


def test_a_clean_delivery_has_every_value_in_the_format_of_its_source(clean):
    formats = (
        (read_parquet, "documento_cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}", r"\d{4}-\d\d-\d\d", r"\d+",
         r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"),
        (read_csv, "cpf", r"\d{11}", r"\d\d/\d\d/\d{4}", r"\d+\.0",
         r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
        (read_json, "cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}", r"[A-Z][a-z]+ \d\d, \d{4}", r"\d+",
         r"\d{13}"),
    )  # fmt: skip
    for file, (read, cpf, cpf_form, birth, number, registered) in zip(clean, formats, strict=True):
        rows = read(file)
        assert len(rows) == ROWS
        for row in rows:
            assert re.fullmatch(cpf_form, str(row[cpf]).strip())
            assert re.fullmatch(birth, str(row.get("data_nascimento") or "").strip() or "") or not (
                str(row.get("data_nascimento") or "").strip()
            )
            assert re.fullmatch(number, str(row.get("numero") or "").strip()) or not (
                str(row.get("numero") or "").strip()
            )
            assert re.fullmatch(registered, str(row["data_cadastro"]))


def test_json_numbers_are_numbers_and_cpfs_are_text(clean):
    rows = read_json(clean[2])
    assert {type(row["data_cadastro"]) for row in rows} == {int}
    assert {type(row["numero"]) for row in rows if row.get("numero")} == {int, str}
    assert all(str(row["numero"]).isspace() for row in rows if type(row.get("numero")) is str
               and row["numero"])  # fmt: skip
    assert {type(row["cpf"]) for row in rows} == {str}


def test_valid_times_lie_in_the_asked_years_and_births_before_2021(clean):
    for row in read_parquet(clean[0]):
        assert "2015-01-01" <= row["data_cadastro"] <= "2025-12-31T23:59:59"
        assert not (row["data_nascimento"] or "").strip() or (
            "1930-01-01" <= row["data_nascimento"] <= "2020-12-31"
        )
    for row in read_json(clean[2]):
        moment = dt.datetime.fromtimestamp(row["data_cadastro"] / 1000, dt.UTC)
        assert 2015 <= moment.year <= 2025


def test_every_cpf_of_a_clean_delivery_verifies_and_is_used_once(clean):
    cpfs = [
        digits_of(row[name])
        for file, read, name in zip(
            clean, (read_parquet, read_csv, read_json), ("documento_cpf", "cpf", "cpf"), strict=True
        )
        for row in read(file)
    ]
    assert all(verifies(cpf) for cpf in cpfs)
    assert len(set(cpfs)) == len(cpfs) == 3 * ROWS


@given(
    seed=st.integers(0, 2**64 - 1), people=st.lists(st.integers(0, 10**9 - 11), min_size=1,
                                                     max_size=50, unique=True)
)  # fmt: skip
@settings(max_examples=50)
def test_any_people_under_any_seed_get_different_valid_cpfs(seed, people):
    numbers = cpf_numbers.CpfNumbers(Draws(seed))
    digits = numbers.digits(np.array(people, dtype=np.uint64))
    texts = filled(cpf_numbers.PLAIN, digits).to_pylist()
    assert all(verifies(text) for text in texts)
    assert len(set(texts)) == len(people)
    punctuated = filled(cpf_numbers.PUNCTUATED, digits).to_pylist()
    assert all(re.fullmatch(r"\d{3}\.\d{3}\.\d{3}-\d{2}", text) for text in punctuated)
    assert [digits_of(text) for text in punctuated] == texts


@given(digits=st.integers(0, 10**11 - 1).map("{:011}".format),
       kind=st.integers(0, cpf_numbers.MISSHAPEN_KINDS - 1))  # fmt: skip
def test_a_misshapen_cpf_is_never_eleven_ascii_digits(digits, kind):
    punctuated = f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}"
    for cpf in (digits, punctuated):
        spoiled = cpf_numbers.misshapen(cpf, kind)
        assert not re.fullmatch(r"[0-9]{11}", digits_of(spoiled))
        assert digits_of(spoiled)


# Of the rows of the Parquet file (its bytes also depend on library and processor), and of the CSV
# and JSON files. They apply to the locked Faker; another version has other names.
DIGESTS = {
    "usual": [
        "a0d41e002582b9316d2169ef5d38f8d49ac0ad3c3f7534617ee5db00971d1f05",
        "a2cfb78a5930a87abc41400fcf7377b05e5ee704657b912fd655ce8d642be313",
        "e8b7a6524a86f7e6683235d4c2e30e73757a4ab4538badb9aea427f0fa467e8b",
    ],
    "clean": [
        "05ad865858ccab6429b251c85667902f0525570384817382db54a9c73a7376b1",
        "9687876a87b51dacb851669f50ff7561eaabaf733e101b25afcd1066f942e8b7",
        "b81446819a3ef7209f068acf6ffbfc17b2d31f91a71400f767c3a85c0d7e3737",
    ],
}


@pytest.mark.parametrize("name", DIGESTS)
def test_a_seed_writes_what_it_has_always_written(name, request):
    parquet, *lines = request.getfixturevalue(name)
    rows = json.dumps(read_parquet(parquet)).encode()
    assert [hashlib.sha256(rows).hexdigest(), *checksums(lines)] == DIGESTS[name]


def test_the_same_seed_writes_the_same_bytes_in_another_process(tmp_path, usual):
    code = (
        "import sys, pathlib; from client_health_cli.sample_data import write; "
        f"write(pathlib.Path(sys.argv[1]), {ROWS}, 7)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    again = [hashlib.sha256((tmp_path / file.path.name).read_bytes()).hexdigest() for file in usual]
    assert again == checksums(usual)


def test_another_seed_writes_other_bytes(tmp_path):
    made, other = (checksums(write(tmp_path / str(seed), 500, seed)) for seed in (7, 8))
    assert not set(other) & set(made)


def test_rows_do_not_depend_on_the_size_of_a_batch(tmp_path, usual):
    small = write(tmp_path, ROWS, 7, SampleSettings(batch_rows=777))
    assert checksums(small)[1:] == checksums(usual)[1:]
    # The Parquet file has other row groups, but the same rows.
    assert pq.read_table(small[0].path).equals(pq.read_table(usual[0].path))


def test_about_the_asked_share_repeats_a_cpf_within_and_across_files(tmp_path):
    files = write(tmp_path, ROWS, 3, SampleSettings(duplicates=0.1, defects=CLEAN))
    by_file = [
        [(digits_of(row[name]), str(row["data_cadastro"])) for row in read(file)]
        for file, read, name in zip(
            files, (read_parquet, read_csv, read_json), ("documento_cpf", "cpf", "cpf"), strict=True
        )
    ]
    everyone = [cpf for rows in by_file for cpf, _ in rows]
    assert 1 - len(set(everyone)) / len(everyone) == pytest.approx(0.1, abs=0.01)
    assert {cpf for cpf, _ in by_file[0]} & {cpf for cpf, _ in by_file[2]}
    within = Counter(cpf for cpf, _ in by_file[1])
    assert max(within.values()) > 1
    # Some duplicates tie with the row that they repeat; most don't.
    pairs = Counter(pair for rows in by_file for pair in rows)
    ties = sum(count - 1 for count in pairs.values())
    assert 0 < ties < 0.2 * 0.1 * len(everyone)


def read_all(files: tuple[SampleFile, ...]) -> list[list[Row]]:
    """Read the valid rows of each file, whatever its source."""
    readers = (read_parquet, read_csv, read_json)
    return [read(file) for read, file in zip(readers, files, strict=True)]


def rows_breaking(
    rule: str, files: tuple[SampleFile, ...], contents: list[list[Row]]
) -> list[float]:
    """Return the share of each source's rows that break a rule, from the files alone."""
    if rule == "linha_malformada":
        return [0.0, *(1 - len(contents[n]) / files[n].rows for n in (1, 2))]
    columns = {
        "cpf_ausente": ("documento_cpf", "cpf"),
        "cpf_formato": ("documento_cpf", "cpf"),
        "cpf_digito_verificador": ("documento_cpf", "cpf"),
        "nome_ausente": ("nome_completo", "nome"),
        "estado_desconhecido": ("uf", "estado"),
    }
    column = columns.get(rule, (rule.rpartition("_")[0],) * 2)
    shares = []
    for number, rows in enumerate(contents):
        values = [row.get(column[min(number, 1)]) for row in rows]
        shares.append(sum(breaks(rule, value, number) for value in values) / files[number].rows)
    return shares


def breaks(rule: str, value: object, source: int) -> bool:
    text = "" if value is None else str(value).strip()
    if rule.endswith("_ausente"):
        return not text
    if rule == "cpf_formato":
        return bool(text) and not re.fullmatch(r"[0-9]{11}", digits_of(text))
    if rule == "cpf_digito_verificador":
        return bool(re.fullmatch(r"[0-9]{11}", digits_of(text))) and not verifies(digits_of(text))
    if rule.startswith("data_"):
        day = parsed(text, source, "cadastro" in rule)
        if rule.endswith("futura"):
            return day is not None and day.year >= 2090
        return bool(text) and day is None
    if rule == "numero_invalido":
        return bool(text) and not re.fullmatch(r"[0-9]+(\.0)?", text)
    if rule == "sexo_desconhecido":
        return bool(text) and text not in {"F", "M", "Fem", "Masc"}
    return text in {"XX", "Exterior", "Lisboa", "ZZ"}


def parsed(text: str, source: int, stamp: bool) -> dt.datetime | None:
    formats = (
        ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", None)
        if stamp
        else ("%Y-%m-%d", "%d/%m/%Y", "%B %d, %Y")
    )
    form = formats[source]
    try:
        if form is None:
            return dt.datetime.fromtimestamp(int(text) / 1000, dt.UTC)
        return dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC)
    except ValueError:
        return None


@pytest.mark.parametrize("rule", DEFAULT_DEFECTS)
def test_about_the_asked_share_of_rows_breaks_a_rule_and_no_other(rule, tmp_path):
    files = write(tmp_path, 2_000, 5, SampleSettings(defects={**CLEAN, rule: 0.2}))
    shares = rows_breaking(rule, files, read_all(files))
    for file, share in zip(files, shares, strict=True):
        lines_only = rule == "linha_malformada" and file.source == "parquet"
        assert share == pytest.approx(0.0 if lines_only else 0.2, abs=0.025)
        assert file.defects[rule] == round(share * file.rows)
        assert sum(file.defects.values()) == file.defects[rule]


def test_the_counts_given_back_are_those_of_the_files(usual):
    contents = read_all(usual)
    for rule in DEFAULT_DEFECTS:
        shares = rows_breaking(rule, usual, contents)
        counted = [round(s * f.rows) for s, f in zip(shares, usual, strict=True)]
        assert counted == [file.defects[rule] for file in usual], rule


def test_rejecting_defects_stay_well_under_one_percent_by_default(usual):
    rejecting = ("cpf_ausente", "cpf_formato", "linha_malformada")
    rejected = sum(file.defects[rule] for file in usual for rule in rejecting)
    assert 0 < rejected < 0.006 * 3 * ROWS


def test_the_quirks_of_the_register_are_there(usual):
    rows = read_parquet(usual[0])
    names = [row["nome_completo"] or "" for row in rows]
    for title in ("Sr. ", "Sra. ", "Dr. ", "Dra. ", "Srta. "):
        assert any(name.startswith(title) for name in names)
    assert any("\N{COMBINING TILDE}" in name for name in names)
    assert any("ã" in name for name in names)
    assert {"F", "M", "Fem", "Masc"} <= {row["sexo"] for row in rows}
    assert any((row["cidade"] or "x").isupper() for row in rows)
    assert any((row["cidade"] or "X").islower() for row in rows)
    assert {"SP", "sp", "São Paulo", "SÃO PAULO", "sao paulo", "  SP "} <= {
        row["uf"] for row in rows
    }
    assert {"SaudeMais", "SaúdeMais", "Itau", "Itaú"} <= {row["convenio"] for row in rows}
    assert any(row["documento_cpf"].endswith("\n") for row in rows if row["documento_cpf"])
    for column in ("sexo", "logradouro", "numero", "bairro", "cidade", "uf", "data_nascimento"):
        values = {row[column] for row in rows}
        assert {None, "", "   "} <= values, column
    states = Counter(row.get("estado") for row in read_json(usual[2]))
    assert states.most_common(1)[0][0] == "São Paulo"
    assert sum(count > 50 for count in states.values()) >= STATE_NAMES - 4


def test_no_file_is_left_when_writing_fails(tmp_path):
    def fail(rows: int) -> None:
        raise RuntimeError("no space")

    with pytest.raises(RuntimeError, match="no space"):
        write(tmp_path, 100, 7, listener=fail)
    assert list(tmp_path.iterdir()) == []


def test_an_older_delivery_stays_when_writing_a_new_one_fails(tmp_path):
    before = checksums(write(tmp_path, 100, 7))
    told = []

    def fail_late(rows: int) -> None:
        told.append(rows)
        if len(told) == 3:
            raise RuntimeError("no space")

    with pytest.raises(RuntimeError, match="no space"):
        write(tmp_path, 200, 8, listener=fail_late)
    names = ["dados_cadastro_1.parquet", "dados_cadastro_2.csv", "dados_cadastro_3.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [hashlib.sha256((tmp_path / n).read_bytes()).hexdigest() for n in names] == before


@pytest.mark.slow
def test_ten_times_the_rows_take_no_more_memory(tmp_path):
    code = (
        "import resource, sys, pathlib\n"
        "from client_health_cli.sample_data import SampleSettings, write\n"
        "write(pathlib.Path(sys.argv[1]), int(sys.argv[2]), 7, SampleSettings(batch_rows=10_000))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def peak_kib(rows: int) -> int:
        arguments = [sys.executable, "-c", code, str(tmp_path), str(rows)]
        return int(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)

    # Another 180,000 rows are 50 MB of JSON alone.
    assert peak_kib(200_000) < peak_kib(20_000) + 30_000


def test_a_delivery_of_one_row_can_be_written(tmp_path):
    files = write(tmp_path, 1, 7, SampleSettings(duplicates=0.9, defects=CLEAN))
    assert [file.rows for file in files] == [1, 1, 1]
    assert len(read_csv(files[1])) == len(read_json(files[2])) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"duplicates": 1.5}, "duplicates is 1.5"),
        ({"defects": {"cpf_errado": 0.1}}, "'cpf_errado' isn't a defect"),
        ({"defects": {"cpf_ausente": -0.1}}, "cpf_ausente is -0.1"),
        ({"defects": {"cpf_ausente": 0.6, "cpf_formato": 0.6}}, "add up to 1.2"),
        ({"batch_rows": 0}, "batch of 0 rows"),
        ({"first_day": dt.date(2020, 1, 1), "last_day": dt.date(2019, 1, 1)}, "2020-01-01"),
    ],
)
def test_settings_that_mean_nothing_are_refused(arguments, said):
    with pytest.raises(SettingsError, match=re.escape(said)):
        SampleSettings(**arguments)


def test_no_rows_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="0 rows"):
        write(tmp_path, 0, 7)


def test_shares_are_read_from_pairs_in_any_grouping():
    shares = defects_from_text(["all=0", "cpf_ausente=0.1,cpf_formato=0.2 nome_ausente=1"])
    asked = {"cpf_ausente": 0.1, "cpf_formato": 0.2, "nome_ausente": 1.0}
    assert shares == {**CLEAN, **asked}
    assert defects_from_text([]) == DEFAULT_DEFECTS


@pytest.mark.parametrize("text", ["cpf_ausente", "cpf_ausente=", "cpf_ausente=much", "x=0.1", "=1"])
def test_pairs_that_cannot_be_read_are_named(text):
    with pytest.raises(SettingsError, match=re.escape(repr(text))):
        defects_from_text([text])
