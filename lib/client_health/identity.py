"""Ids that follow a person through every run, from the CPF and a secret key.

The id is a UUID of version 8 (RFC 9562, section 5.8) whose bits come from HMAC-SHA256(key, CPF
digits). Without the key nobody can compute or test an id; with it the same person gets the same id
in every run and every lake. The key is never a parameter, a literal or a column: only its location
travels.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from pathlib import Path

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from client_health.errors import SettingsError

# Of any partition: AWS has several (GovCloud, China, the European one), and makes more.
_SECRET = re.compile(
    r"\Aarn:aws[a-z-]*:secretsmanager:(?P<region>[a-z0-9-]+):[0-9]{12}:secret:.+\Z"
)
_KEY_BYTES = 32
_INNER, _OUTER, _DIGEST = "id_key_inner", "id_key_outer", "id_digest"


def default_key_path() -> Path:
    """Return where the key is kept for this user."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    return Path(home) / "client-health" / "id.key"


def load_key(location: str = "") -> bytes:
    """Return the key.

    Parameters
    ----------
    location : str
        ARN of a secret, path of a key file, or empty for the user's own key file, which is made
        on first use. A file named here must exist: a key made by a typing error would give
        everybody a new id.

    Returns
    -------
    bytes

    Raises
    ------
    SettingsError
        When there is no key there, it is too short, or others may read the file.
    """
    secret = _SECRET.match(location)
    if secret is not None:
        return _secret(location, secret["region"])
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
    # Written aside and linked into place: two first uses at once end with one whole key.
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


def _secret(arn: str, region: str) -> bytes:
    import boto3  # noqa: PLC0415 (only where the key is a secret)

    answer = boto3.client("secretsmanager", region_name=region).get_secret_value(SecretId=arn)
    value = answer.get("SecretBinary") or answer["SecretString"].encode()
    return _checked(bytes(value).strip(), "of the secret")


def _checked(key: bytes, name: str) -> bytes:
    if len(key) < _KEY_BYTES:
        raise SettingsError(
            f"The id key {name} has {len(key)} bytes; at least {_KEY_BYTES} are needed. Give the "
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
    variant = "89ab"[int(hexadecimal[16], 16) & 3]
    return (
        f"{hexadecimal[:8]}-{hexadecimal[8:12]}-8{hexadecimal[13:16]}"
        f"-{variant}{hexadecimal[17:20]}-{hexadecimal[20:32]}"
    )


def add_ids(register: DataFrame, key: bytes) -> DataFrame:
    """Add the column ``id`` in front.

    Parameters
    ----------
    register : DataFrame
        With the 11-digit ``cpf``.
    key : bytes

    Returns
    -------
    DataFrame

    Notes
    -----
    HMAC (RFC 2104) is two SHA-256 around the key, padded in two ways. The padded keys travel as
    the data of a frame of one row: literals would show in plans, event logs and the Spark UI.
    """
    block = hashlib.sha256().block_size
    padded = (key if len(key) <= block else hashlib.sha256(key).digest()).ljust(block, b"\0")
    pads = [bytearray(byte ^ pad for byte in padded) for pad in (0x36, 0x5C)]
    # From an RDD and not from a list, which a plan would hold.
    spark = register.sparkSession
    row = spark.sparkContext.parallelize([tuple(pads)], 1)
    keys = spark.createDataFrame(row, f"{_INNER} binary, {_OUTER} binary")
    inner = F.sha2(F.concat(F.col(_INNER), F.col("cpf").cast("binary")), 256)
    outer = F.sha2(F.concat(F.col(_OUTER), F.unhex(inner)), 256)
    columns = register.columns
    with_digest = register.crossJoin(F.broadcast(keys)).withColumn(_DIGEST, outer.cast("binary"))
    return with_digest.select(_uuid(F.col(_DIGEST)).alias("id"), *columns)


def _uuid(digest: Column) -> Column:
    """Write the first hexadecimal digits of a digest as a UUID of version 8."""

    def part(start: int, length: int) -> Column:
        # On bytes: on text Spark would look for the start of each character.
        return F.substring(digest, start, length)

    dash = F.lit("-").cast("binary")
    variant = F.translate(part(17, 1).cast("string"), "0123456789abcdef", "89ab" * 4)
    return F.concat(
        part(1, 8), dash, part(9, 4), F.lit("-8").cast("binary"), part(14, 3), dash,
        variant.cast("binary"), part(18, 3), dash, part(21, 12),
    ).cast("string")  # fmt: skip


def key_check(key: bytes) -> str:
    """Return 16 hex digits that tell two keys apart and say nothing else about them."""
    return hmac.digest(key, b"client-health key check", hashlib.sha256).hex()[:16]
