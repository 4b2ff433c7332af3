"""Stops a session when the process that owns it ends for any reason.

A kernel or runner that is killed cannot stop its session, which would cost money until its idle
timeout. The guard is a small separate process that holds the other end of a pipe: if the pipe
closes without a dismissal, it stops the session.
"""

import json
import os
import subprocess
import sys
from typing import IO, Any, Optional

from strict_glue.errors import StrictGlueError

_DISMISSED = "dismissed"


class Guard:
    """A guard process for one session.

    Parameters
    ----------
    session_id : str
        The session to stop.
    environment : mapping of str to str, optional
        Variables of the guard's process (default: this process's).
    endpoint, region, profile : str, optional
        Where the session is, unless the environment says so.
    """

    def __init__(
        self,
        session_id: str,
        environment: Optional[dict[str, str]] = None,
        *,
        endpoint: Optional[str] = None,
        region: Optional[str] = None,
        profile: Optional[str] = None,
    ) -> None:
        place = {"endpoint": endpoint, "region": region, "profile": profile}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "strict_glue.guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
            # Signals to the owner's process group must not reach the guard.
            start_new_session=True,
        )
        self._say(json.dumps({"session_id": session_id, "place": place}))

    def dismiss(self) -> None:
        """End the guard: the session has been stopped, or must be left running."""
        self._say(_DISMISSED)
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def take_over(self) -> None:
        """Let the guard stop the session now, which its owner could not do."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _say(self, line: str) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            try:
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                return  # it has ended and can't do anything anymore


def stand(stream: IO[str]) -> None:
    """Wait for the end of ``stream``, then stop the session unless the guard was dismissed."""
    order = json.loads(stream.readline())
    if stream.readline().strip() == _DISMISSED:
        return
    _stop(order)


def _stop(order: dict[str, Any]) -> None:
    # Nearly all guards are dismissed. Without these modules, a waiting guard takes 12 MiB instead
    # of 37, and a fifth of the processor time. Both are scarce on a Python Shell's host.
    from strict_glue import api  # noqa: PLC0415
    from strict_glue.session import Session  # noqa: PLC0415
    from strict_glue.settings import Limits  # noqa: PLC0415

    try:
        client = api.glue_client(**order["place"])
        limits = Limits.from_environment(os.environ)
        # The owner may have been killed while AWS was still provisioning the session.
        Session(client, order["session_id"], limits).stop(patience=limits.provisioning)
    except StrictGlueError:
        return  # there is no one left to report to; the idle timeout is the last resort


if __name__ == "__main__":
    stand(sys.stdin)
