"""The permissions of the template's roles, for comparison with what their code calls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.support.deployed import Deployed

# The names that the local chain's recorder uses, and the roles of the same code on AWS.
ROLES = {
    "def_lambda": "ReconcilerRole",
    "job_client_health": "JobRole",
    "session": "SessionRole",
}
# AWS services use these with the role, or require them beside a call; our code never calls them.
_OF_THE_SERVICES = ("logs:", "kms:", "sqs:", "iam:PassRole", "glue:TagResource")
_SIDS_OF_THE_SERVICES = frozenset({"KnowItsEncryption"})
_S3 = "arn:aws:s3:::"
_NO_TAGS: Mapping[str, str] = MappingProxyType({})
_OBJECTS = re.compile(r"\As3:\w+Object")
_OF_TAGS = ("aws:requesttag/", "aws:resourcetag/")
# A call on a table needs permission for the table, its database, and the catalog.
_CATALOGUE = re.compile(r":(catalog$|database/|table/)")


@dataclass(frozen=True)
class Grant:
    """One action on one resource, as in a statement; both may be patterns.

    Parameters
    ----------
    sid : str
        The statement's name.
    effect : str
        ``Allow`` or ``Deny``.
    action, resource : str
        With ``*`` and ``?`` as in IAM.
    condition : mapping
        As written; empty if there is none.
    """

    sid: str
    effect: str
    action: str
    resource: str
    condition: Mapping[str, Any]

    def covers(self, action: str, resource: str) -> bool:
        """Return whether the grant matches this call.

        An empty resource means any resource. For actions on objects, a bucket alone means any of
        its objects: a request that deletes many objects names them in its body.
        """
        if not _matches(self.action.lower(), action.lower()):
            return False
        if _OBJECTS.search(action) and resource.startswith(_S3) and "/" not in resource:
            return self.resource.startswith(f"{resource}/")
        return not resource or _matches(self.resource, resource)

    def takes(self, request_tags: Mapping[str, str], resource_tags: Mapping[str, str]) -> bool:
        """Return whether a call's tags are those that the condition wants; it may want none."""
        given = {
            f"{start}{name}".lower(): value
            for start, tags in zip(_OF_TAGS, (request_tags, resource_tags), strict=True)
            for name, value in tags.items()
        }
        return all(
            given.get(key.lower()) in _listed(values)
            for key, values in self.condition.get("StringEquals", {}).items()
            if key.lower().startswith(_OF_TAGS)
        )

    def is_needed_for(self, action: str, resource: str) -> bool:
        """Return whether this call needs the grant."""
        in_catalogue = self.action.startswith("glue:") and _CATALOGUE.search(self.resource)
        return self.covers(action, "" if in_catalogue else resource)


class Permissions:
    """The policies of a deployed template.

    Parameters
    ----------
    deployed : Deployed
        The template, with its account, region, and parameters.

    Notes
    -----
    Of the conditions, only ``StringEquals`` on tags of the request and of the resource is
    evaluated. Other conditions count as met; `grants` shows them.
    """

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed

    def grants(self, role: str) -> list[Grant]:
        """Return every action on every resource of a role or managed policy.

        Parameters
        ----------
        role : str
            Logical name, or one of `ROLES`.
        """
        properties = self._deployed.properties(ROLES.get(role, role))
        inline = [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
        documents = inline or [properties["PolicyDocument"]]
        return [grant for document in documents for grant in grants_of(document)]

    def allows(
        self,
        role: str,
        action: str,
        resource: str = "",
        *,
        request_tags: Mapping[str, str] = _NO_TAGS,
        resource_tags: Mapping[str, str] = _NO_TAGS,
    ) -> bool:
        """Return whether a role may do something.

        Parameters
        ----------
        role : str
            Logical name, or one of `ROLES`.
        action : str
            Such as ``s3:GetObject``.
        resource : str
            An ARN; for S3 also ``bucket/key``. Empty if the caller doesn't know it: then an allowed
            action on any resource is enough.
        request_tags : mapping of str to str
            Tags that the call gives.
        resource_tags : mapping of str to str
            Tags that the resource has.
        """
        found = [
            grant
            for grant in self.grants(role)
            if grant.covers(action, _arn(action, resource))
            and grant.takes(request_tags, resource_tags)
        ]
        effects = {grant.effect for grant in found}
        return "Allow" in effects and "Deny" not in effects

    def unused(self, role: str, calls: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return what a role may do although none of the calls needs it.

        Parameters
        ----------
        role : str
            Logical name, or one of `ROLES`.
        calls : iterable of tuple of str
            Action and resource, as `allows` takes them.

        Returns
        -------
        list of tuple of str
            Action and resource of the statements, without what AWS services do with the role (logs,
            encryption, dead letters, passing a role).
        """
        made = [(action, _arn(action, resource)) for action, resource in calls]
        return [
            (grant.action, grant.resource)
            for grant in self.grants(role)
            if grant.effect == "Allow"
            and not grant.action.startswith(_OF_THE_SERVICES)
            and grant.sid not in _SIDS_OF_THE_SERVICES
            and not any(grant.is_needed_for(action, resource) for action, resource in made)
        ]


def documented(root: Path, **names: str) -> Mapping[str, Any]:
    """Return the policy in docs/lgpd.md, with its placeholders replaced."""
    text = (root / "docs" / "lgpd.md").read_text(encoding="utf-8")
    (block,) = (one for one in re.findall(r"```json\n(.*?)```", text, re.DOTALL) if "Sid" in one)
    for placeholder, name in names.items():
        block = block.replace(placeholder, name)
    found: Mapping[str, Any] = json.loads(block)
    return found


def document_allows(document: Mapping[str, Any], action: str, resource: str = "") -> bool:
    """Return whether a policy that is no template's allows something; see `Permissions.allows`."""
    return any(grant.covers(action, _arn(action, resource)) for grant in grants_of(document))


def grants_of(document: Mapping[str, Any]) -> Iterator[Grant]:
    """Yield every action on every resource of a policy."""
    for statement in document["Statement"]:
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                yield Grant(
                    statement["Sid"],
                    statement["Effect"],
                    action,
                    resource,
                    statement.get("Condition", {}),
                )


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _arn(action: str, resource: str) -> str:
    bare = resource and not resource.startswith("arn:") and action.startswith("s3:")
    return f"{_S3}{resource}" if bare else resource


def _matches(pattern: str, text: str) -> bool:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None
