"""Handmade wheels and zips of wheels."""

from __future__ import annotations

import io
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
