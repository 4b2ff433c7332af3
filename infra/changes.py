"""What a change set would do, and which of it loses data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

# What holds data, or without which data can't be read, and the properties that name it: with
# another name comes another, empty resource.
NAMED_BY = {
    "AWS::Glue::Database": frozenset({"CatalogId", "DatabaseInput", "DatabaseName"}),
    "AWS::Glue::Table": frozenset({"CatalogId", "DatabaseName", "Name", "TableInput"}),
    "AWS::KMS::Key": frozenset({"KeySpec", "KeyUsage", "MultiRegion", "Origin"}),
    "AWS::S3::Bucket": frozenset({"BucketName", "BucketNamePrefix", "BucketNamespace"}),
    "AWS::SecretsManager::Secret": frozenset({"Name"}),
}


@dataclass(frozen=True)
class Change:
    """What would be done to a resource.

    Parameters
    ----------
    action : str
        Add, Modify, Remove, Import or Dynamic.
    name, type : str
        Of the resource.
    replacement : str
        Whether another one comes instead: no, maybe (CloudFormation can't tell yet) or yes.
    causes : frozenset of str
        The properties whose change may have it replaced.
    """

    action: str
    name: str
    type: str
    replacement: str
    causes: frozenset[str] = frozenset()

    @property
    def loses(self) -> bool:
        """Whether data may be lost."""
        if self.type not in NAMED_BY:
            return False
        if self.replacement == "maybe":
            # A reference to something else that changes makes many a harmless "maybe".
            return not self.causes or bool(self.causes & NAMED_BY[self.type])
        return self.action in {"Remove", "Dynamic"} or self.replacement == "yes"


@dataclass(frozen=True)
class Plan:
    """A change set that waits to be executed."""

    id: str
    stack_id: str
    creates: bool
    changes: tuple[Change, ...]

    def losses(self, allowed: Collection[str] = ()) -> list[Change]:
        """Give the changes that may lose data and that nobody allowed by name."""
        return [change for change in self.changes if change.loses and change.name not in allowed]


def change_of(entry: Mapping[str, Any]) -> Change:
    """Read an entry of a change set."""
    words = {"True": "yes", "Conditional": "maybe"}
    targets = (detail.get("Target", {}) for detail in entry.get("Details", []))
    return Change(
        str(entry["Action"]),
        str(entry["LogicalResourceId"]),
        str(entry["ResourceType"]),
        words.get(str(entry.get("Replacement", "")), "no"),
        frozenset(
            str(target.get("Name", target.get("Attribute")))
            for target in targets
            if target.get("RequiresRecreation", "Never") != "Never"
        ),
    )
