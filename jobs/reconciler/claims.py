"""The claim of a delivery: only the first call can create it, so a delivery is claimed once.

Objects below ``claims/`` in the lake are created with ``If-None-Match: *`` and never changed:

- ``<group>/000001.turn`` is created first. It has the claim and every version that the group has
  used, so that of two calls that saw different uploads, only one continues;
- ``<group>/<delivery_id>.json`` is the claim. If a call dies before it writes the claim, the next
  call writes it from the turn;
- ``<group>/<delivery_id>.published``, ``.stopped``, or ``.failed`` is its end;
- ``rewritten/<name>`` is created by ``client-health erase --rewrite`` before it uploads a file
  again without a person: that version is no new upload.

``docs/decisions/0011-claims.md`` has the reasons.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from reconciler.deliveries import delivery_id, gaps, rewritten
from reconciler.tasks import Tasks
from reconciler.uploads import Json, current_objects

#: The objects below ``claims/``: by name, their endings and dates.
Entries = dict[str, dict[str, datetime]]
_ALREADY_THERE = {409, 412}
# The claim of an older turn has expired by the lifecycle rule; it is not missing because of a call
# that died.
_UNWRITTEN_FOR = timedelta(days=7)


@dataclass(frozen=True)
class Claims:
    """The objects below ``claims/`` in the lake."""

    s3: Any
    lake: str

    def entries(self) -> Entries:
        """Return all objects."""
        found: Entries = {}
        bucket, root = self._place("").values()
        for item in current_objects(self.s3, bucket, root):
            folder, _, name = item["Key"][len(root) :].rpartition("/")
            stem, _, ending = name.partition(".")
            found.setdefault(f"{folder}/{stem}", {})[ending] = item["LastModified"].astimezone(UTC)
        return found

    def read(self, name: str) -> Json:
        """Return the content of an object; ``name`` has its ending."""
        return dict(json.loads(self.s3.get_object(**self._place(name))["Body"].read()))

    def create(self, name: str, body: str = "") -> bool:
        """Create an object; return False if another call has already done so."""
        try:
            self.s3.put_object(**self._place(name), Body=body, IfNoneMatch="*")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in _ALREADY_THERE:
                raise
            return False
        return True

    def _place(self, name: str) -> Json:
        bucket, _, prefix = self.lake.partition("://")[2].partition("/")
        return {"Bucket": bucket, "Key": f"{prefix}/claims/{name}"}


@dataclass(frozen=True)
class Turn:
    """The newest turn of a group; number 0 before its first."""

    number: int
    taken: datetime
    claim: Json
    used: list[str]


@dataclass(frozen=True)
class Claiming:
    """Claiming of new deliveries; ``prefix`` is that of the uploads."""

    claims: Claims
    prefix: str
    clock: Callable[[], datetime]
    tasks: Tasks

    def claim(self, groups: Mapping[str, Sequence[Json]], entries: Entries) -> list[str]:
        """Claim complete new deliveries, group by group.

        Parameters
        ----------
        groups
            The uploads, by group.
        entries
            The objects below ``claims/``, listed before the uploads.

        Returns
        -------
        list of str
            What is missing in each group that isn't a new delivery.
        """
        taken = sorted(name for name in entries if "turn" in entries[name])
        turns = {name.split("/")[0]: int(name[-6:]) for name in taken}
        claimed = [name.split("/")[0] for name in entries if "json" in entries[name]]
        notes = {name: endings[""] for name, endings in entries.items() if "" in endings}
        lacking: list[str] = []
        for group in sorted(groups.keys() | turns.keys()):
            uploads, number = groups.get(group, []), turns.get(group, 0)
            known = not uploads or f"{group}/{delivery_id(uploads)}" in entries
            if known and number == claimed.count(group):
                continue
            with self.tasks.attempt(f"claim {group}"):
                turn = self._turn(group, number, entries)
                missing = gaps(uploads, [*turn.used, *rewritten(uploads, notes)])
                claim = self._unwritten(group, turn, entries)
                if missing:
                    lacking.append(f"{group}: {', '.join(missing)}")
                elif not claim:
                    claim = self._take_turn(group, turn, uploads)
                if claim:
                    self._write(group, claim)
        return lacking

    def _turn(self, group: str, number: int, entries: Entries) -> Turn:
        if not number:
            return Turn(0, self.clock(), {}, [])
        name = f"{group}/{number:06}"
        content = self.claims.read(f"{name}.turn")
        return Turn(number, entries[name]["turn"], content["claim"], content["used"])

    def _unwritten(self, group: str, turn: Turn, entries: Entries) -> Json:
        """Return the claim of a turn whose call died before it wrote the claim."""
        old = self.clock() - turn.taken > _UNWRITTEN_FOR
        written = f"{group}/{turn.claim.get('delivery_id')}" in entries
        return {} if old or written else turn.claim

    def _take_turn(self, group: str, turn: Turn, uploads: Sequence[Json]) -> Json:
        """Take the group's next turn; return an empty claim if a concurrent call was faster."""
        claim = {
            "delivery_id": delivery_id(uploads),
            "objects": uploads,
            "group": uploads[0]["key"][len(self.prefix) :].rpartition("/")[0],
            "as_of": max(upload["modified"] for upload in uploads)[:10],
            "claimed_at": self.clock().isoformat(),
        }
        used = turn.used + [upload["version_id"] for upload in uploads]
        body = json.dumps({"claim": claim, "used": used})
        return claim if self.claims.create(f"{group}/{turn.number + 1:06}.turn", body) else {}

    def _write(self, group: str, claim: Json) -> None:
        name = f"{group}/{claim['delivery_id']}"
        if self.claims.create(f"{name}.json", json.dumps(claim)):
            self.tasks.log("delivery_claimed", "DeliveryClaimed", claim=name)
