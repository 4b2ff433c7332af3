"""Invented people, and how source systems distort their values: every kind of dirt, by seed."""

from __future__ import annotations

import random
import unicodedata
from datetime import date, datetime, timedelta

FIRST = (
    "João", "Conceição", "Íris", "Ângelo", "Antônia", "Müller", "Noël", "Ana", "D'Ávila", "Zoë",
    "Luís", "Ýasmin", "Ñandu", "Øyvind", "Straße", "李", "Şule", "Drauzio", "Srgio", "Sra",
)  # fmt: skip
LAST = ("da Silva", "Gonçalves", "de Assunção", "Araújo", "SOUZA", "d’Oeste", "O'Neill", "Pão-Doce")
TITLES = ("Dr. ", "DRA. ", "sr. ", "Srta.  ", "Sra.\u00a0", "Sr. Dr. ", " dr. ", "Dr ", "Dr.")
PLANS = ("Itaú", "AMIL", "SUS", "SaúdeMais", "Vida & Saúde", "Bronze=1/2")
STATES = (
    ("São Paulo", "SP"), ("Ceará", "CE"), ("Pará", "PA"), ("Paraná", "PR"), ("Goiás", "GO"),
    ("Mato Grosso", "MT"), ("Mato Grosso do Sul", "MS"), ("Rio Grande do Norte", "RN"),
    ("Distrito Federal", "DF"), ("Amapá", "AP"), ("Espírito Santo", "ES"), ("Piauí", "PI"),
)  # fmt: skip
STREETS = ("Rua São João", "Av. Brasil | Sul", 'Rua "A"', "Praça\\Norte", "Rua {B}, [1]", "R. Ç")
CITIES = ("são luís", "RECIFE", "Olho d'Água", "Embu-Guaçu", "o'brien", "")
SPACES = (
    " ",
    "  ",
    "\t",
    "\u00a0",
    "\u2003",
    "\u3000",
    "\u2009 ",
    "\u202f",
    "\x0b",
    "\x0c",
    "\u2028",
)
NOT_SPACES = ("\u200b", "\ufeff", "\u180e")
BLANKS = ("", " ", "   ", "\t", "\u00a0", "\u3000 ")
WORDS = (
    "N/A",
    "null",
    "NULL",
    "None",
    "-",
    "?",
    "0",
    "NaN",
    "😀",
    "\\",
    "\\N",
    "''",
    "é",
    "e\u0301",
)
BAD_CPF = (
    "", " ", ".-", "-", "\u00a0", "1234567890", "123456789012", "ABCDEFGHIJK", "5299822472A",
    "５２９９８２２４７２５", "529 982 247 25", "529.982.247–25", "529,982,247-25", "+52998224725",
    "52998224725.0", "5.2998224725E10", "٥٢٩٩٨٢٢٤٧٢٥", "529982247\u200b25", "null", "0", "529/982",
    "5299822472²", "52998224725;", "\u200b52998224725", "000", "1.234.567.890-1-2",
)  # fmt: skip
GOOD_NUMBERS = ("0", "007", "100", "120.0", "1200", "9", "10.00", "999999999")
BAD_NUMBERS = (
    "s/n", "S/N", "-3", "-1.0", "1.5", "12A", "1,0", "1e3", "1E2", "2147483648", "2147483648.0",
    "99999999999999999999", "+7", "12.", ".5", "１２", "1 2", "0x10", "½", "null", "NaN", "1_000",
    "1.0.0", "Infinity", "12.000001", "--", "12d", "12L", "12f", "1.0d",
)  # fmt: skip
BAD_DATES = (
    "31/02/1999", "1999-02-29", "2021-02-29", "32/01/2000", "00/01/2000", "01/00/2000", "1/2/1999",
    "01-02-1999", "1999-1-5", "19990105", "01/13/1999", "1999", "1999-12", "ontem", "99-01-01",
    "01/01/99", "January 32, 1990", "January 00, 1990", "Janeiro 07, 1949", "Jan 07, 1949",
    "Février 7, 1990", "January 07 1949", "January 07,1949", "January  07, 1949", "07 January 1949",
    "January 007, 1949", "Januarys 07, 1949", "2000-01-01Z", "2000-01-01T00:00:00", "+2000-01-01",
    "1999-12-31 ", "10000-01-01", "01/01/10000", "January 01, 10000", "0", "-", "today", "now",
    "epoch", "2000-01-01T", "２０００-01-01", "01.02.1999", "February 29, 1900", "29/02/1900",
    "1900-02-29", "-2000-01-01", "infinity", "tomorrow", "01/1/1999", "1/01/1999", "April 31, 2001",
    "January 7, 49",
)  # fmt: skip
GOOD_ODD_DATES = (
    date(2000, 2, 29), date(1900, 1, 1), date(1582, 10, 15), date(9999, 12, 31), date(1970, 1, 1),
    date(1969, 12, 31), date(1904, 2, 29), date(1753, 1, 1), date(2024, 2, 29),
)  # fmt: skip
# Dates before the Gregorian calendar, and times before all zones had a standard time.
ANCIENT_DATES = (date(1, 1, 1), date(1, 12, 31), date(1582, 10, 4), date(1582, 10, 10))
ODD_TIMES = (datetime(1970, 1, 1), datetime(1900, 1, 1), datetime(2199, 12, 31, 23, 59, 59))
ANCIENT_TIMES = (datetime(1, 1, 1), datetime(1899, 12, 31, 23, 59, 59), datetime(1582, 10, 10))
BAD_TIMES = (
    "2020-05-01", "2020-05-01T24:00:00", "2020-05-01 24:00:00", "2020-05-01T23:60:00",
    "2020-05-01 23:59:60", "2020-05-01T1:02:03", "2020-05-01 1:2:3", "2020-05-01T10:00",
    "2020-05-01T10:00:00Z", "2020-05-01 10:00:00-03:00", "01/05/2020 10:00:00",
    "2020-02-30T10:00:00", "2020-02-30 10:00:00",
    "1.5e12", "1574853122000.0", "1574853122000.5", "15748531220x", "yesterday", "now", "-",
    "2020-05-01  10:00:00", "2020-05-01t10:00:00", "99999-01-01 00:00:00", "--1", "1 574", "+5",
    "2020-5-1 10:00:00", "2020-5-1T10:00:00", "epoch", "10:00:00", "T10:00:00", "0x10", "１５７４",
    "9" * 25, "-" + "9" * 25, "1574853122000L",
)  # fmt: skip
# The contract defines whether these are readable; earlier code interpreted them differently.
DISPUTED_NUMBERS = ("2147483647", "1234567890", "00000000012", "2147483647.0")
DISPUTED_TIMES = {
    "parquet": ("2020-05-01 10:00:00", "2020-05-01T10:00:00.5", "2020-05-01 10:00:00.000"),
    "csv": ("2020-05-01T10:00:00", "2020-05-01 10:00:00.5", "2020-05-01T10:00:00.000"),
    "json": ("253402300799000", "0001574853122000", "-0", "99999999999999"),
}


def digits(chance: random.Random) -> str:
    """Invent a CPF with valid check digits."""
    made = [chance.randrange(10) for _ in range(9)]
    for _ in range(2):
        weights = range(len(made) + 1, 1, -1)
        made.append(sum(a * b for a, b in zip(made, weights, strict=True)) * 10 % 11 % 10)
    return "".join(map(str, made))


def punctuated(cpf: str) -> str:
    """Format a CPF with dots and dash."""
    return f"{cpf[:3]}.{cpf[3:6]}.{cpf[6:9]}-{cpf[9:]}"


def spoilt(chance: random.Random, text: str) -> str:
    """Distort a text: decomposed accents, odd white space, another case, or unchanged."""
    draw = chance.random()
    if draw < 0.70:
        return text
    if draw < 0.78:
        return unicodedata.normalize("NFD", text)
    if draw < 0.90:
        space = chance.choice(SPACES)
        return chance.choice(SPACES) + text.replace(" ", space) + chance.choice(("", space))
    if draw < 0.94:
        return chance.choice((text.upper(), text.lower(), text.swapcase()))
    if draw < 0.95:
        return text + chance.choice(NOT_SPACES)
    return chance.choice(BLANKS if draw < 0.98 else WORDS)


def person(chance: random.Random) -> dict[str, str]:
    """Invent the texts of a person, each in a form that its source might use."""
    full = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
    title = chance.choice(TITLES) if chance.random() < 0.2 else ""
    name, short = chance.choice(STATES)
    state = chance.choice((name, short, name.upper(), short.lower(), name))
    if chance.random() < 0.04:
        state = chance.choice(
            ("Nárnia", "ZZ", "S P", "S.P.", "Sao  Paolo", "Brasil", "nárnia do sul")
        )
    sexo = chance.choice(("F", "M", "Fem", "Masc", "fem", "MASC", " f ", "m"))
    if chance.random() < 0.04:
        sexo = chance.choice(("X", "Feminino", "Masculino", "Fêm", "FM", "1", "N/A", "f."))
    return {
        "nome": spoilt(chance, title + full),
        "convenio": spoilt(chance, chance.choice(PLANS)),
        "sexo": sexo if chance.random() < 0.97 else chance.choice(BLANKS),
        "logradouro": spoilt(chance, chance.choice(STREETS)),
        "bairro": spoilt(chance, chance.choice(("Centro", "Água Fria"))),
        "cidade": spoilt(chance, chance.choice(CITIES)),
        "estado": spoilt(chance, state),
    }


def birth(chance: random.Random, as_of: date, *, ancient: bool) -> date:
    """Invent a date of birth: mostly an ordinary one, sometimes an edge case."""
    draw = chance.random()
    if draw < 0.9:
        return date(1930, 1, 1) + timedelta(days=chance.randrange(34_000))
    if draw < 0.95:
        return as_of + timedelta(days=chance.choice((-1, 0, 1, 400)))
    return chance.choice(GOOD_ODD_DATES + (ANCIENT_DATES if ancient else ()))


def time(chance: random.Random, as_of: date, *, ancient: bool) -> datetime:
    """Invent a time of registration; many people share a few times, so that there are ties."""
    draw = chance.random()
    midnight = datetime(as_of.year, as_of.month, as_of.day)
    if draw < 0.35:
        return datetime(2021, 6, 1, 12, 0, chance.randrange(2))
    if draw < 0.92:
        return datetime(2015, 1, 1) + timedelta(seconds=chance.randrange(330_000_000))
    if draw < 0.97:
        edges = (-1, 0, 86_399, 86_400, 86_401, 40_000_000)
        return midnight + timedelta(seconds=chance.choice(edges))
    return chance.choice(ODD_TIMES + (ANCIENT_TIMES if ancient else ()))
