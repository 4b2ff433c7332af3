"""Where a smoke run takes place: an account of AWS, or the emulator."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from rich.console import Console

from infra.chain import Chain
from infra.deployment import Clients
from infra.local_aws import LocalAws
from infra.settings import Settings
from infra.smoke.marker import Marker
from infra.smoke.on_the_emulator import DIFFERENCES
from infra.smoke.trial import LoggedDeployment, Pace, Trial

# A failed run starts again at once, and no delivery is late before the first one is uploaded.
# Nothing else differs from what `make deploy` creates.
PARAMETERS = {"RetrySeconds": "0", "LateHour": "23"}
_LOCAL_PACE = Pace(poll=0.25, publish=600.0, soon=60.0)
_NEW_ROLE_SECONDS = 90.0
_ROLE_POLL_SECONDS = 3.0


@contextmanager
def on_aws(prefix: str, region: str, folder: Path, note: Callable[[str], None]) -> Iterator[Trial]:
    """Yield a smoke run in the account of this process's credentials."""
    session: Any = boto3.Session(region_name=region or None)
    clients = functools.cache(session.client)
    settings = Settings(prefix=prefix, parameters=PARAMETERS)
    with (folder / "deploy.log").open("w", encoding="utf-8") as log:

        def acting(role: str) -> Clients:
            return _assumed(clients("sts"), role, session.region_name)

        yield _trial(clients, settings, folder, Console(file=log, width=200), note, acting=acting)


@contextmanager
def on_the_emulator(prefix: str, folder: Path, note: Callable[[str], None]) -> Iterator[Trial]:
    """Yield a smoke run against the emulator, which runs meanwhile."""
    with (
        LocalAws(folder) as place,
        (folder / "deploy.log").open("w", encoding="utf-8") as log,
    ):

        def acting(role: str) -> Clients:
            # The local service knows one key pair, and evaluates no permissions.
            return place.client

        trial = _trial(
            place.client,
            place.settings(PARAMETERS, prefix),
            folder,
            Console(file=log, width=200),
            note,
            acting=acting,
        )
        trial.pace, trial.differences = _LOCAL_PACE, DIFFERENCES
        yield trial


def _trial(
    clients: Clients,
    settings: Settings,
    folder: Path,
    console: Console,
    note: Callable[[str], None],
    *,
    acting: Callable[[str], Clients],
) -> Trial:
    listener = LoggedDeployment(console)
    chain = Chain(clients, settings, listener)
    return Trial(chain, listener, Marker(clients, settings), folder, note, acting)


def _assumed(sts: Any, role: str, region: str) -> Clients:  # noqa: ANN401 - boto3 makes its clients' classes up
    """Return the clients of a role; a new role can't be assumed for some seconds."""
    deadline = time.monotonic() + _NEW_ROLE_SECONDS
    while True:
        try:
            given = sts.assume_role(RoleArn=role, RoleSessionName="smoke")["Credentials"]
        except ClientError as error:
            denied = error.response["Error"]["Code"] == "AccessDenied"
            if not denied or time.monotonic() > deadline:
                raise
            time.sleep(_ROLE_POLL_SECONDS)
        else:
            break
    session: Any = boto3.Session(
        given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region
    )
    return functools.cache(session.client)
