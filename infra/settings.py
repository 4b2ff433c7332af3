"""The settings of a deployment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.errors import SettingsError
from infra.tags import as_parameter
from register_contract import contract

HERE = Path(__file__).resolve().parent
STACK = "client-health"
# Names of buckets, roles, and logs contain it.
_NAME = re.compile(r"\A[a-z][a-z0-9-]{0,39}\Z")


# As in the templates.
_PREFIX = re.compile(r"\A([a-z][a-z0-9]{0,7}-)?\Z")


@dataclass(frozen=True)
class Settings:
    """Settings of a deployment.

    Parameters
    ----------
    stack : str
        Name of the stack, by default ``client-health`` after the prefix; the artifacts bucket has a
        separate stack, ``<stack>-artifacts``, and so have the table's maintenance,
        ``<stack>-maintenance``, and the dashboard in QuickSight, ``<stack>-quicksight``.
    prefix : str
        Start of the names of all resources, the default stack's included; see the template.
    parameters : mapping of str to str
        Values of the template's parameters; others keep theirs.
    tags : mapping of str to str
        Tags of the stacks, and of the sessions; without any, stacks keep theirs.
    allowed : frozenset of str
        Logical names of resources that may be lost.
    template, artifacts_template, maintenance_template, quicksight_template : Path
        The four templates.
    unsupported : mapping of str to str
        Resource types that this place does not support, and why; empty on AWS.
    packages : bool
        Whether the job gets its packages from an archive; not needed if they are installed.
    poll_seconds : float
        Seconds between two requests for progress.
    environment : mapping of str to str
        Variables that point the SAM CLI at the same place as the clients; empty if this process
        has them.
    """

    stack: str = ""
    prefix: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()
    template: Path = HERE / "template.yaml"
    artifacts_template: Path = HERE / "artifacts.yaml"
    maintenance_template: Path = HERE / "maintenance.yaml"
    quicksight_template: Path = HERE / "quicksight.yaml"
    unsupported: Mapping[str, str] = field(default_factory=dict)
    packages: bool = True
    poll_seconds: float = 2.0
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _PREFIX.match(self.prefix):
            raise SettingsError(
                f"{self.prefix!r} can't begin the names: use up to eight lower-case letters and "
                "digits, a letter first, and a hyphen, such as dev-"
            )
        if not self.stack:
            object.__setattr__(self, "stack", f"{self.prefix}{STACK}")
        if not _NAME.match(self.stack):
            raise SettingsError(
                f"{self.stack!r} can't name the stack: use at most 40 lower-case letters, digits, "
                "and hyphens, a letter first"
            )

    @property
    def given(self) -> dict[str, str]:
        """The template's parameters, the prefix and the sessions' tags included."""
        more = {"Prefix": self.prefix, "SessionTags": as_parameter(self.tags)}
        return {**self.parameters, **{name: value for name, value in more.items() if value}}

    @property
    def database(self) -> str:
        """Database of the published table: the given one, or as the template names it."""
        return self.parameters.get("DatabaseName") or self._named(contract.DATABASE)

    @property
    def raw_database(self) -> str:
        """Database of the deliveries, as the template names it."""
        return self._named(f"{contract.DATABASE}_raw")

    def _named(self, database: str) -> str:
        return f"{self.prefix.replace('-', '_')}{database}"

    @property
    def artifacts_stack(self) -> str:
        """Name of the stack with the artifacts bucket."""
        return f"{self.stack}-artifacts"

    @property
    def maintenance_stack(self) -> str:
        """Name of the stack with the optimizers of the published table."""
        return f"{self.stack}-maintenance"

    @property
    def quicksight_stack(self) -> str:
        """Name of the stack with the dashboard in QuickSight."""
        return f"{self.stack}-quicksight"


def read_parameters(texts: Iterable[str]) -> dict[str, str]:
    """Return the parameters in ``Name=value`` texts.

    Raises
    ------
    SettingsError
        A text has no name or no equals sign.
    """
    read = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.isalnum():
            raise SettingsError(f"{text!r} is not a parameter: write Name=value")
        read[name] = value
    return read
