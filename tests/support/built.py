"""What is built once for all tests of a process: the tree is the same for all of them."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from infra.artifacts import Artifacts, build_artifacts
from tools import build_wheels


@functools.cache
def _wheels() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="wheels-") as folder:
        return {path.name: path.read_bytes() for path in build_wheels.build(Path(folder)).values()}


def wheels(out: Path) -> dict[str, Path]:
    """Write the wheels that were built once into a folder, as ``build_wheels.build`` does."""
    out.mkdir(parents=True, exist_ok=True)
    for name, content in _wheels().items():
        (out / name).write_bytes(content)
    return build_wheels.by_module(out)


@contextmanager
def same_wheels() -> Iterator[None]:
    """Give ``build_artifacts`` the wheels that were built once, for what else it packs."""
    with patch("infra.artifacts.build", wheels):
        yield


@functools.cache
def build_once() -> Artifacts:
    """Return the artifacts, which the first call builds."""
    with same_wheels():
        return build_artifacts()
