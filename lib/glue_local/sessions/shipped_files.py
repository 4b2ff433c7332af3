"""Copies the files that a session or job run starts with, from paths and URIs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from glue_local.api.forward import USER_AGENT
from glue_local.errors import SessionStartError

# What Spark's --py-files accepts: it adds nothing else to the executors' path.
ARCHIVES = (".zip", ".egg")
# A Python Shell job has no Spark, and accepts wheels.
JOB_ARCHIVES = (*ARCHIVES, ".whl")
_LONGEST_SHOWN = 200


def local_copy(
    uri: str, folder: Path, endings: tuple[str, ...], *, s3_endpoint: str | None = None
) -> Path:
    """Copy a file, named by a path or a file: or s3: URI, into the folder.

    Parameters
    ----------
    uri : str
        The file.
    folder : Path
        Folder for the copy, which keeps its name.
    endings : tuple of str
        The allowed endings.
    s3_endpoint : str, optional
        Endpoint of S3 (default: from the environment).

    Raises
    ------
    SessionStartError
        If the file can't be copied.
    """
    shown = uri if len(uri) <= _LONGEST_SHOWN else f"{uri[:_LONGEST_SHOWN]}…"
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise SessionStartError(f"{shown} isn't an address: {error}.") from None
    in_s3 = parts.scheme in ("s3", "s3a")
    path = Path(unquote(parts.path) if in_s3 or parts.scheme == "file" else uri)
    # A name becomes part of search paths and lists, where these characters would split it.
    if path.name in ("", "..") or any(sign in path.name for sign in (os.pathsep, ",", "\0")):
        raise SessionStartError(
            f"{shown} has the file name {path.name!r}; expected one without '{os.pathsep}' and ','."
        )
    if not path.name.endswith(endings):
        raise SessionStartError(f"{shown} was named; expected a file in {', '.join(endings)}.")
    target = folder / path.name
    if target.exists():
        raise SessionStartError(f"{shown} has the name of another file; rename one of them.")
    try:
        if in_s3:
            import botocore.session  # noqa: PLC0415 - a slow import that few sessions need

            session = botocore.session.get_session()
            client: Any = session.create_client(
                "s3", endpoint_url=s3_endpoint, config=Config(user_agent_extra=f"app/{USER_AGENT}")
            )
            body = client.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"]
            target.write_bytes(body.read())
        elif path.is_file():
            shutil.copyfile(path, target)
        else:
            raise SessionStartError(
                f"{shown} isn't a file here. Give a local path, or a file: or s3: address."
            )
    except (OSError, BotoCoreError, ClientError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SessionStartError(f"{shown} could not be read: {reason}.") from error
    return target


def python_files(
    uris: tuple[str, ...],
    folder: Path,
    *,
    archives: tuple[str, ...] = ARCHIVES,
    s3_endpoint: str | None = None,
) -> tuple[Path, ...]:
    """Copy the files of --extra-py-files: modules, and archives with one of these endings."""
    copies = []
    for uri in dict.fromkeys(uris):
        folder.mkdir(exist_ok=True)
        copies.append(local_copy(uri, folder, (".py", *archives), s3_endpoint=s3_endpoint))
    return tuple(copies)


def search_path(files: tuple[Path, ...], folder: Path) -> list[str]:
    """Return the search path for these files: the archives themselves, and the folder."""
    archives = [str(file) for file in files if file.suffix != ".py"]
    return archives + ([str(folder)] if len(archives) < len(files) else [])
