"""Checks whether native libraries can be loaded where the job runs, by the symbols they need.

A wheel's tag says what it was built for, but the versions in its libraries say what they need. AWS
does not document the C library of Python Shell; to be safe, this assumes Amazon Linux 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

Version = tuple[int, ...]
# Its glibc, and the newest symbols of the C++ and runtime libraries of its GCC 7.3.
AMAZON_LINUX_2: Mapping[str, Version] = MappingProxyType(
    {"GLIBC": (2, 26), "GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11), "GCC": (7, 0, 0)}
)
_MAGIC = b"\x7fELF"


def libraries(folder: Path) -> list[Path]:
    """Return the native libraries and programs below a folder, detected by content."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in files if _starts(path) == _MAGIC]


def too_new(folder: Path, limits: Mapping[str, Version] = AMAZON_LINUX_2) -> list[str]:
    """Return the needed versions that are newer than the limits.

    Parameters
    ----------
    folder
        Folder of the libraries.
    limits
        The newest available version, by the prefix of a symbol's version.

    Returns
    -------
    list of str
        ``<file>: <version>``, sorted; empty if everything can be loaded.
    """
    return sorted(
        f"{path.relative_to(folder)}: {prefix}_{'.'.join(map(str, version))}"
        for path in libraries(folder)
        for prefix, version in _needed(path)
        if version > limits.get(prefix, version)
    )


def _starts(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_MAGIC))


def _needed(path: Path) -> Iterator[tuple[str, Version]]:
    with path.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if not isinstance(section, GNUVerNeedSection):
                continue
            for _, symbols in section.iter_versions():
                for symbol in symbols:
                    prefix, _, version = symbol.name.partition("_")
                    numbers = version.split(".")
                    # GLIBC_PRIVATE and similar have no version.
                    if all(number.isdigit() for number in numbers):
                        yield prefix, tuple(map(int, numbers))
