"""Zip files whose bytes depend only on their content."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

# The oldest time in a zip file; real times would change with every checkout.
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644
_UNIX = 3


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of a few small files, uncompressed: compressors differ between machines.

    Parameters
    ----------
    files
        Content by name within the archive.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            archive.writestr(_entry(name), files[name], zipfile.ZIP_STORED)
    return buffer.getvalue()


def pack_folder(folder: Path, archive: Path) -> None:
    """Pack a folder of many files, compressed.

    Parameters
    ----------
    folder
        The folder; names in the archive are relative to it.
    archive
        The zip file to write.
    """
    files = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    with zipfile.ZipFile(archive, "w") as target:
        for name in sorted(files):
            target.writestr(_entry(name), files[name].read_bytes(), zipfile.ZIP_DEFLATED)


def unpacked(archive: Path) -> dict[str, bytes]:
    """Return the files of a zip archive, such as a wheel, by name."""
    with zipfile.ZipFile(archive) as source:
        names = [name for name in source.namelist() if not name.endswith("/")]
        return {name: source.read(name) for name in names}


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.external_attr = _MODE << 16
    entry.create_system = _UNIX
    return entry
