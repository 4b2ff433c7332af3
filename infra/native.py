"""Whether native libraries can be loaded where the job runs: by the symbols that they ask for.

A wheel's tag says what it was built for, the versions in its libraries say what they need. AWS does
not document the C library of Python Shell; Amazon Linux 2 is assumed, to be on the safe side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

Version = tuple[int, ...]
# Its glibc, and the newest symbols of the C++ and run-time libraries of its GCC 7.3.
AMAZON_LINUX_2: Mapping[str, Version] = MappingProxyType(
    {"GLIBC": (2, 26), "GLIBCXX": (3, 4, 24), "CXXABI": (1, 3, 11), "GCC": (7, 0, 0)}
)
_MAGIC = b"\x7fELF"


def libraries(folder: Path) -> list[Path]:
    """Return the native libraries and programs below a folder, by what is in them."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in files if _starts(path) == _MAGIC]


def too_new(folder: Path, limits: Mapping[str, Version] = AMAZON_LINUX_2) -> list[str]:
    """Name what is needed and is newer than the limits.

    Parameters
    ----------
    folder
        What is to be loaded.
    limits
        The newest version that is there, by the prefix of a symbol's version.

    Returns
    -------
    list of str
        ``<file>: <version>``, sorted; empty when everything can be loaded.
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
                    # GLIBC_PRIVATE and the like are of no version.
                    if all(number.isdigit() for number in numbers):
                        yield prefix, tuple(map(int, numbers))
