"""A claim: a delivery that the reconciler found complete, and the outcome of its run.

The reconciler (``jobs/reconciler/claims.py``) writes the claim once and never changes it. The job
reads it, works on exactly the versions that it names, and writes the outcome next to it.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from register_run import storage
from register_run.delivery import Delivery, DeliveryObject, delivery_id
from register_run.errors import InputError

_ENDING = ".json"


@dataclass(frozen=True)
class Claim:
    """One claimed delivery.

    Parameters
    ----------
    uri : str
        Location of the claim.
    delivery : Delivery
        The versions that it names.
    """

    uri: str
    delivery: Delivery

    @classmethod
    def read(cls, uri: str) -> "Claim":
        """Read a claim.

        Raises
        ------
        InputError
            There is none, it isn't a claim, or its name does not match its objects.
        """
        body = storage.read_bytes(uri)
        if body is None:
            raise _unusable(uri, "there is none")
        try:
            content = json.loads(body)
            objects = tuple(_object(item) for item in content["objects"])
            named, as_of = str(content["delivery_id"]), str(content["as_of"])
        except (ValueError, KeyError, TypeError) as error:
            raise _unusable(uri, f"it cannot be read ({type(error).__name__})") from error
        if delivery_id(objects) != named:
            raise _unusable(
                uri, f"its objects are delivery {delivery_id(objects)}, it says {named}"
            )
        sources = {item.source: item.name for item in objects}
        return cls(uri, Delivery(named, as_of, sources, objects))


@dataclass(frozen=True)
class Outcome:
    """The outcome of one start of the job.

    Parameters
    ----------
    exit_code : int
        Exit code of the job.
    status : str
        ``published``, ``already_published``, ``stopped`` (a person or a new upload is needed), or
        ``failed`` (another start may continue).
    run_id, job_run_id : str
        The run, and this start of the job; empty if unknown.
    message : str
        What a person should read first.
    """

    exit_code: int
    status: str
    run_id: str = ""
    job_run_id: str = ""
    message: str = ""

    def leave(self, claim: str) -> None:
        """Write the outcome next to the claim, for the reconciler and for people.

        Parameters
        ----------
        claim : str
            URI of the claim.
        """
        text = json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)
        storage.write_text(f"{claim[: -len(_ENDING)]}.outcome{_ENDING}", text + "\n")


def _object(item: Any) -> DeliveryObject:  # noqa: ANN401 - as JSON has it
    return DeliveryObject(
        source=item["source"],
        name=f"s3://{item['bucket']}/{item['key']}",
        version=item["version_id"],
        size=int(item["size"]),
        modified=datetime.fromisoformat(item["modified"].replace("Z", "+00:00")),
    )


def _unusable(uri: str, found: str) -> InputError:
    return InputError(
        f"claim {uri}: {found}; expected the claim of a complete delivery",
        next_step="upload the three files again, so that the reconciler writes a new claim",
    )
