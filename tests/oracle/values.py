"""The meaning of a source's single values, according to the contract."""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
import uuid
from datetime import date, datetime, timedelta

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
STATES = {
    "acre": "AC", "alagoas": "AL", "amapa": "AP", "amazonas": "AM", "bahia": "BA", "ceara": "CE",
    "distrito federal": "DF", "espirito santo": "ES", "goias": "GO", "maranhao": "MA",
    "mato grosso": "MT", "mato grosso do sul": "MS", "minas gerais": "MG", "para": "PA",
    "paraiba": "PB", "parana": "PR", "pernambuco": "PE", "piaui": "PI", "rio de janeiro": "RJ",
    "rio grande do norte": "RN", "rio grande do sul": "RS", "rondonia": "RO", "roraima": "RR",
    "santa catarina": "SC", "sao paulo": "SP", "sergipe": "SE", "tocantins": "TO",
}  # fmt: skip
TITLES = re.compile(r"(?:(?:sr|sra|dr|dra|srta)\. ?)+", re.IGNORECASE)
SEXOS = {"f": "F", "fem": "F", "feminino": "F", "m": "M", "masc": "M", "masculino": "M"}
MASK = "*" * 10
LARGEST_INT = 2**31 - 1
EPOCH = datetime(1970, 1, 1)


def blank(text: str | None) -> bool:
    """Return whether a text counts as null."""
    return text is None or not text.strip()


def without_accents(text: str) -> str:
    """Remove accents from letters, whether they are composed or decomposed."""
    kept = []
    for letter in text:
        parts = unicodedata.normalize("NFD", letter)
        if unicodedata.combining(letter):
            continue
        kept.append(parts[0] if parts[0].isascii() else letter)
    return "".join(kept)


def tidy(text: str | None) -> str | None:
    """Trim and collapse white space; null if nothing is left."""
    return (" ".join(text.split()) or None) if text is not None else None


def plain(text: str | None) -> str | None:
    """Tidy a text and remove its accents."""
    return tidy(without_accents(text)) if text is not None else None


def name(text: str | None) -> str | None:
    """Return a name without the titles at its start."""
    given = plain(text) or ""
    titles = TITLES.match(given)
    return given[titles.end() if titles else 0 :] or None


def cpf(text: str | None) -> str | None:
    """Return a CPF without its punctuation and the white space around it."""
    return (text.replace(".", "").replace("-", "").strip() or None) if text is not None else None


def cpf_well_formed(digits: str) -> bool:
    """Return whether these are eleven ASCII digits."""
    return len(digits) == 11 and all(digit in "0123456789" for digit in digits)


def cpf_checks(digits: str) -> bool:
    """Return whether both check digits are right, as the tax authority computes them."""
    if len(set(digits)) == 1:
        return False
    for place in (9, 10):
        weighted = sum(int(digits[at]) * (place + 1 - at) for at in range(place))
        if int(digits[place]) != weighted * 10 % 11 % 10:
            return False
    return True


def sexo(text: str | None) -> str | None:
    """Return F or M, or null for anything else."""
    return SEXOS.get((tidy(text) or "").lower())


def estado(text: str | None) -> str | None:
    """Return the abbreviation for a state's name or abbreviation; other texts stay unchanged."""
    found = (plain(text) or "").lower()
    if found in STATES:
        return STATES[found]
    return found.upper() if found.upper() in STATES.values() else tidy(text)


def house_number(text: str) -> int | None:
    """Return a whole number, with or without a zero fraction; null for anything else."""
    found = re.fullmatch(r"([0-9]+)(?:\.0*)?", text)
    number = int(found[1]) if found else None
    return number if number is not None and number <= LARGEST_INT else None


def iso_date(text: str) -> date | None:
    """Parse ``yyyy-MM-dd``."""
    found = re.fullmatch(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", text)
    return _date(int(found[1]), int(found[2]), int(found[3])) if found else None


def day_first(text: str) -> date | None:
    """Parse ``dd/MM/yyyy``."""
    found = re.fullmatch(r"([0-9]{2})/([0-9]{2})/([0-9]{4})", text)
    return _date(int(found[3]), int(found[2]), int(found[1])) if found else None


def english_month(text: str) -> date | None:
    """Parse ``MMMM dd, yyyy``, with English month names."""
    found = re.fullmatch(r"([A-Za-z]+) ([0-9]{1,2}), ([0-9]{4})", text)
    if not found or found[1].lower() not in MONTHS:
        return None
    return _date(int(found[3]), MONTHS.index(found[1].lower()) + 1, int(found[2]))


def iso_time(text: str, between: str) -> datetime | None:
    """Parse ``yyyy-MM-dd`` and ``HH:mm:ss`` with a T or a space between them."""
    day, _, clock = text.partition(between)
    when = iso_date(day)
    found = re.fullmatch(r"([0-9]{2}):([0-9]{2}):([0-9]{2})", clock)
    if when is None or found is None:
        return None
    try:
        return datetime(
            when.year, when.month, when.day, int(found[1]), int(found[2]), int(found[3])
        )
    except ValueError:
        return None


def epoch_milliseconds(text: str) -> datetime | None:
    """Parse a number of milliseconds since 1970, in UTC."""
    if not re.fullmatch(r"-?[0-9]+", text):
        return None
    try:
        return EPOCH + timedelta(milliseconds=int(text))
    except OverflowError:
        return None


def client_id(key: bytes, digits: str) -> str:
    """Return a person's id: 122 bits of the HMAC, formatted as a UUID of version 8 (RFC 9562)."""
    bits = int.from_bytes(hmac.new(key, digits.encode(), hashlib.sha256).digest()[:16], "big")
    bits = bits & ~(0xF << 76) | 8 << 76
    bits = bits & ~(0b11 << 62) | 0b10 << 62
    return str(uuid.UUID(int=bits))


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
