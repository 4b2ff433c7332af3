"""What a deployment is told, read once at the edge."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.errors import SettingsError

HERE = Path(__file__).resolve().parent
STACK = "client-health"
# Bucket, role and log names are made of it.
_NAME = re.compile(r"\A[a-z][a-z0-9-]{0,39}\Z")


@dataclass(frozen=True)
class Settings:
    """How the chain is deployed.

    Parameters
    ----------
    stack : str
        Name of the stack; the artifacts bucket is in a stack of its own, ``<stack>-artifacts``,
        and so is the table's upkeep, ``<stack>-maintenance``.
    parameters : mapping of str to str
        Values of the template's parameters; others keep theirs.
    allowed : frozenset of str
        Logical names of resources whose loss is meant.
    template, artifacts_template, maintenance_template : Path
        The three templates.
    unsupported : mapping of str to str
        Resource types that this place can't make, and why; empty on AWS.
    packages : bool
        Whether the job brings its packages; where they are installed already it need not.
    poll_seconds : float
        Between two looks at what is going on.
    """

    stack: str = STACK
    parameters: Mapping[str, str] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()
    template: Path = HERE / "template.yaml"
    artifacts_template: Path = HERE / "artifacts.yaml"
    maintenance_template: Path = HERE / "maintenance.yaml"
    unsupported: Mapping[str, str] = field(default_factory=dict)
    packages: bool = True
    poll_seconds: float = 2.0

    def __post_init__(self) -> None:
        if not _NAME.match(self.stack):
            raise SettingsError(
                f"{self.stack!r} is no name for the stack: at most 40 lower-case letters, digits "
                "and hyphens, a letter first"
            )

    @property
    def artifacts_stack(self) -> str:
        """Name of the stack with the artifacts bucket."""
        return f"{self.stack}-artifacts"

    @property
    def maintenance_stack(self) -> str:
        """Name of the stack with the optimizers of the published table."""
        return f"{self.stack}-maintenance"


def read_parameters(texts: Iterable[str]) -> dict[str, str]:
    """Read ``Name=value`` texts.

    Raises
    ------
    SettingsError
        One has no name or no equals sign.
    """
    read = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.isalnum():
            raise SettingsError(f"{text!r} is no parameter: write Name=value")
        read[name] = value
    return read
