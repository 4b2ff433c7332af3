"""Handmade wheels and zips of wheels, and what a wheel's metadata says."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path


def wheel(folder: Path, name: str, code: str, *, requires: str = "") -> Path:
    """Write the wheel of a module with one file."""
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": metadata + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": f"{name}.py,,\n",
    }
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for key, text in files.items():
            archive.writestr(key, text)
    return path


def zip_of_wheels(*wheels: Path, requirements: str | None = None) -> bytes:
    """Write a zip of wheels whose requirements name all of them, or something else."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in wheels:
            archive.write(path, f"wheels/{path.name}")
        names = "".join(f"{path.name.partition('-')[0]}\n" for path in wheels)
        archive.writestr("wheels/requirements.txt", names if requirements is None else requirements)
    return buffer.getvalue()


def asks_for(wheel: Path) -> set[str]:
    """Name the modules of the packages that a wheel asks for, whatever is installed with it."""
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = archive.read(path).decode()
    lines = re.findall(r"^Requires-Dist: ([\w-]+)(.*)$", metadata, re.MULTILINE)
    return {name.replace("-", "_") for name, rest in lines if "extra ==" not in rest}
