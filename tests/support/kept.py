"""Prepared files that are put back before each test that uses them.

Iceberg's files name one another by their absolute paths, so a lake is not copied to another folder,
but put back in the same place.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kept:
    """A folder, and copies of what it had at some moments.

    Parameters
    ----------
    folder : Path
        Where tests use the files.
    copies : Path
        A folder for the copies.
    """

    folder: Path
    copies: Path

    def keep(self, name: str) -> None:
        """Keep what the folder has now, under a name."""
        shutil.copytree(self.folder, self.copies / name)

    def put_back(self, name: str) -> None:
        """Give the folder the content that was kept, and nothing else."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.copies / name, self.folder)
