"""The changes of a change set, which of them lose data, and the policy that forbids those."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Resources that hold data or that are needed to read it, with the properties that name them: with
# another name, CloudFormation creates another, empty resource.
NAMED_BY = {
    "AWS::Glue::Database": frozenset({"CatalogId", "DatabaseInput", "DatabaseName"}),
    "AWS::Glue::Table": frozenset({"CatalogId", "DatabaseName", "Name", "TableInput"}),
    "AWS::KMS::Key": frozenset({"KeySpec", "KeyUsage", "MultiRegion", "Origin"}),
    "AWS::S3::Bucket": frozenset({"BucketName", "BucketNamePrefix", "BucketNamespace"}),
    "AWS::SecretsManager::Secret": frozenset({"Name"}),
}


@dataclass(frozen=True)
class Change:
    """A planned change of a resource.

    Parameters
    ----------
    action : str
        Add, Modify, Remove, Import, or Dynamic.
    name, type : str
        Name and type of the resource.
    replacement : str
        Whether it is replaced: no, maybe (CloudFormation can't tell yet), or yes.
    causes : frozenset of str
        The properties whose change may cause the replacement.
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
            # A reference to another changing resource often causes a harmless "maybe".
            return not self.causes or bool(self.causes & NAMED_BY[self.type])
        return self.action in {"Remove", "Dynamic"} or self.replacement == "yes"


@dataclass(frozen=True)
class Plan:
    """A change set that has not been executed."""

    id: str
    creates: bool
    changes: tuple[Change, ...]

    def losses(self, allowed: Collection[str] = ()) -> list[Change]:
        """Return the changes that may lose data and that are not allowed by name."""
        return [change for change in self.changes if change.loses and change.name not in allowed]


def change_of(entry: Mapping[str, Any]) -> Change:
    """Return the change in an entry of a change set."""
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


def stack_policy(names: Iterable[str]) -> dict[str, Any]:
    """Return a stack policy under which an update can't replace or delete some resources.

    Parameters
    ----------
    names
        Their logical names.
    """
    every = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}
    kept = [f"LogicalResourceId/{name}" for name in sorted(names)]
    never = {"Effect": "Deny", "Action": ["Update:Replace", "Update:Delete"], "Principal": "*"}
    return {"Statement": [every, *([{**never, "Resource": kept}] if kept else [])]}
