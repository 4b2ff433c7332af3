"""Ids that stay the same for a person in every run, made from the CPF and a secret key.

The id is a UUID of version 8 (RFC 9562, section 5.8) whose bits come from HMAC-SHA256(key, CPF
digits). Without the key, nobody can compute or test an id; with it, a person gets the same id in
every run and every lake. The key is never a parameter, a literal, or a column: only its location
is passed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
import string
from pathlib import Path

import polars as pl
from polars_hash import CryptographicHashingNameSpace as Hashes

from client_health.errors import SettingsError

# Any partition: AWS has several (GovCloud, China, the European one), and adds more.
_SECRET = re.compile(
    r"\Aarn:aws[a-z-]*:secretsmanager:(?P<region>[a-z0-9-]+):[0-9]{12}:secret:.+\Z"
)
# A secret of this account by its name, which may have the characters that Secrets Manager allows.
_NAMED_SECRET = re.compile(r"\Asecretsmanager:(?P<name>[A-Za-z0-9/_+=.@-]+)\Z")
_KEY_BYTES = 32


def default_key_path() -> Path:
    """Return the path of this user's key file."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    return Path(home) / "client-health" / "id.key"


def load_key(location: str = "") -> bytes:
    """Return the key.

    Parameters
    ----------
    location : str
        ARN of a secret, ``secretsmanager:NAME`` for one in the session's account and region, path
        of a key file, or empty for the user's own key file, which is created on first use. A file
        named here must exist: with a new key created because of a typing error, everybody would
        get a new id.

    Returns
    -------
    bytes

    Raises
    ------
    SettingsError
        If there is no key, it is too short, others may read the file, or no region is known for a
        secret's name.
    """
    secret, named = _SECRET.match(location), _NAMED_SECRET.match(location)
    if secret is not None:
        return _secret(location, secret["region"])
    if named is not None:
        return _secret(named["name"])
    path = Path(location) if location else default_key_path()
    if not location:
        _make(path)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        key = path.read_bytes().strip()
    except OSError as error:
        raise SettingsError(
            f"The id key file {path.name} cannot be read ({error.strerror}). Check its path."
        ) from error
    if mode & 0o077:
        raise SettingsError(
            f"The id key file {path.name} can be read by others (mode {mode:04o}). "
            f"Run: chmod 600 {path.name}"
        )
    return _checked(key, path.name)


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Written to a draft and linked into place: two first uses at once result in one complete key.
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _secret(name: str, region: str | None = None) -> bytes:
    import boto3  # noqa: PLC0415 (only where the key is a secret)
    from botocore.exceptions import NoRegionError  # noqa: PLC0415

    try:
        client = boto3.client("secretsmanager", region_name=region)
    except NoRegionError:
        raise SettingsError(
            f"The region of the secret {name} is not known. Set AWS_REGION, or give the secret's "
            "ARN."
        ) from None
    answer = client.get_secret_value(SecretId=name)
    value = answer.get("SecretBinary") or answer["SecretString"].encode()
    return _checked(bytes(value).strip(), "of the secret")


def _checked(key: bytes, name: str) -> bytes:
    if len(key) < _KEY_BYTES:
        raise SettingsError(
            f"The id key {name} has {len(key)} bytes; at least {_KEY_BYTES} are needed. Use the "
            "key that the table was published with."
        )
    return key


def client_id(key: bytes, cpf: str) -> str:
    """Return the id of one person.

    Parameters
    ----------
    key : bytes
    cpf : str
        The 11 digits.

    Returns
    -------
    str
        A UUID of version 8 in its usual form.
    """
    hexadecimal = hmac.digest(key, cpf.encode(), "sha256").hex()
    return (
        f"{hexadecimal[:8]}-{hexadecimal[8:12]}-8{hexadecimal[13:16]}"
        f"-{_variant(hexadecimal[16])}{hexadecimal[17:20]}-{hexadecimal[20:32]}"
    )


def ids(cpf: pl.Expr, key: bytes) -> pl.Expr:
    """Return the ids of many people, as :func:`client_id` does, in native code.

    Parameters
    ----------
    cpf : Expr
        The 11 digits, as text.
    key : bytes

    Returns
    -------
    Expr
        Text; null where the CPF is null.
    """
    digest = _hmac(cpf, key)

    def part(start: int, length: int) -> pl.Expr:
        return digest.str.slice(start, length)

    dash = pl.lit("-")
    variant = part(16, 1).replace_strict(
        {digit: _variant(digit) for digit in string.hexdigits.lower()}, return_dtype=pl.String
    )
    return pl.concat_str(
        part(0, 8), dash, part(8, 4), pl.lit("-8"), part(13, 3), dash,
        variant, part(17, 3), dash, part(20, 12),
    )  # fmt: skip


def _hmac(cpf: pl.Expr, key: bytes) -> pl.Expr:
    """Return HMAC-SHA256 (RFC 2104) as hexadecimal text."""
    try:
        return Hashes(cpf).hmac_sha256(key=key.decode())
    except UnicodeDecodeError:
        # The library accepts only text keys, like those created here. For a binary key from a
        # secret: two SHA-256 around the key, padded in two ways.
        block = hashlib.sha256().block_size
        padded = (key if len(key) <= block else hashlib.sha256(key).digest()).ljust(block, b"\0")
        inner, outer = (pl.lit(bytes(byte ^ pad for byte in padded)) for pad in (0x36, 0x5C))
        digest = Hashes(inner + cpf.cast(pl.Binary)).sha2_256().str.decode("hex")
        return Hashes(outer + digest).sha2_256()


def _variant(digit: str) -> str:
    """Return the hexadecimal digit with the two bits of a UUID's variant (RFC 9562)."""
    return "89ab"[int(digit, 16) & 3]


def key_check(key: bytes) -> str:
    """Return 16 hex digits that distinguish two keys and reveal nothing else about them."""
    return hmac.digest(key, b"client-health key check", hashlib.sha256).hex()[:16]
