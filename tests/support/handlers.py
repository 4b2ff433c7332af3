"""What CloudFormation calls for a resource, from its registry's schemas, which cfn-lint brings."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_FOLDER = "lib/python*/site-packages/cfnlint/data/schemas"
# "list" is for importing what is there, which no deployment does.
_OF_A_STACK = ("create", "read", "update", "delete")


def permissions_of(kind: str) -> frozenset[str]:
    """Return the actions of a resource type's handlers; empty if the registry names none."""
    handlers = _schema(kind).get("handlers", {})
    return frozenset(
        action for name in _OF_A_STACK for action in handlers.get(name, {}).get("permissions", ())
    )


def _schema(kind: str) -> dict[str, Any]:
    (folder,) = (ROOT / ".venv-scan").glob(_FOLDER)
    path = folder / "resources" / f"{_names()[kind]}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@functools.cache
def _names() -> dict[str, str]:
    (folder,) = (ROOT / ".venv-scan").glob(_FOLDER)
    text = (folder / "providers" / "us-east-1.json").read_text(encoding="utf-8")
    found: dict[str, str] = json.loads(text)
    return found
