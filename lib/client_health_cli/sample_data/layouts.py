"""The three sources: their columns, formats, and the ways in which their values go wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from client_health_cli.sample_data.calendar import DayStyle, brazilian, english, iso

_ABSENT = (None, "", "   ")
_SPACED = ("{} ", " {}", "  {}  ")

_COLUMNS = (
    "cpf",
    "nome_completo",
    "convenio",
    "data_nascimento",
    "sexo",
    "logradouro",
    "numero",
    "bairro",
    "cidade",
    "estado",
    "data_cadastro",
)


@dataclass(frozen=True)
class Layout:
    """How one source writes the register.

    Attributes
    ----------
    source, file_name
        The source's name and its file's.
    columns
        The source's column names, in its order, by the contract's.
    country_column
        A further column that says `Brasil` in each row, where the source has one.
    day_style
        How `data_nascimento` is written.
    stamp_separator
        What stands between day and time in `data_cadastro`; None for epoch milliseconds.
    punctuated_cpf
        Whether a CPF has dots and a dash.
    cpf_spaces
        White space that now and then surrounds a CPF.
    number_end
        What follows a house number.
    full_state_names
        Whether states are usually written in full; a UF otherwise.
    made_of_lines
        Whether the file is made of lines, which can be malformed.
    invalid_days, invalid_stamps
        Texts that stand for no day, or no point in time, in the source's format.
    absent
        Ways in which a value is missing.
    """

    source: str
    file_name: str
    columns: Mapping[str, str]
    country_column: str | None
    day_style: DayStyle
    stamp_separator: str | None
    punctuated_cpf: bool
    cpf_spaces: Sequence[str]
    number_end: str
    full_state_names: bool
    made_of_lines: bool
    invalid_days: Sequence[str]
    invalid_stamps: Sequence[str]
    absent: Sequence[str | None] = _ABSENT


PARQUET = Layout(
    source="parquet",
    file_name="dados_cadastro_1.parquet",
    columns={name: name for name in _COLUMNS} | {"cpf": "documento_cpf", "estado": "uf"},
    country_column="pais",
    day_style=iso,
    stamp_separator="T",
    punctuated_cpf=True,
    # Only where a line break can't end the row may it end a value.
    cpf_spaces=(*_SPACED, "{}\n"),
    number_end="",
    full_state_names=False,
    made_of_lines=False,
    invalid_days=("1990-02-31", "1985-13-01", "0000-00-00", "desconhecida"),
    invalid_stamps=("2021-02-30T10:00:00", "2021-10-05T25:61:00", "sem data"),
)

CSV = Layout(
    source="csv",
    file_name="dados_cadastro_2.csv",
    columns={name: name for name in _COLUMNS} | {"nome_completo": "nome"},
    country_column="pais_cadastro",
    day_style=brazilian,
    stamp_separator=" ",
    punctuated_cpf=False,
    cpf_spaces=_SPACED,
    number_end=".0",
    full_state_names=False,
    made_of_lines=True,
    invalid_days=("31/02/1990", "45/10/1985", "00/00/0000", "desconhecida"),
    invalid_stamps=("2021-02-30 10:00:00", "2021-10-05 25:61:00", "sem data"),
)

JSON = Layout(
    source="json",
    file_name="dados_cadastro_3.json",
    columns={name: name for name in _COLUMNS} | {"nome_completo": "nome"},
    country_column=None,
    day_style=english,
    stamp_separator=None,
    punctuated_cpf=True,
    cpf_spaces=(*_SPACED, "{}\n"),
    number_end="",
    full_state_names=True,
    made_of_lines=True,
    invalid_days=("February 31, 1990", "Brumaire 10, 1985", "00 00, 0000", "desconhecida"),
    invalid_stamps=("2021-02-30", "ontem", "sem data"),
)

LAYOUTS = (PARQUET, CSV, JSON)
