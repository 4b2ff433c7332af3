"""Stops a session when the process that owns it has gone, however it went.

A kernel or runner that is killed cannot stop its session, which would then be paid for until
its idle timeout. The guard is a small process of its own that holds the other end of a pipe:
when the pipe closes without a word of dismissal, it stops the session.
"""

import json
import os
import subprocess
import sys
from typing import IO, Optional

from strict_glue import api
from strict_glue.errors import StrictGlueError
from strict_glue.session import Session
from strict_glue.settings import Limits

_DISMISSED = "dismissed"


class Guard:
    """A guard on duty for one session.

    Parameters
    ----------
    session_id : str
        The session to stop.
    environment : mapping of str to str, optional
        Variables of the guard's process (default: this process's).
    endpoint, region, profile : str, optional
        Where the session is, when the environment does not say.
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
        """Send the guard home: the session has been stopped, or is to be left running."""
        self._say(_DISMISSED)
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            try:
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                return  # it has ended; there is nothing that it could still do


def stand(stream: IO[str]) -> None:
    """Wait for the end of ``stream``; stop the session unless dismissed before."""
    order = json.loads(stream.readline())
    if stream.readline().strip() == _DISMISSED:
        return
    try:
        client = api.glue_client(**order["place"])
        Session(client, order["session_id"], Limits.from_environment(os.environ)).stop()
    except StrictGlueError:
        return  # nobody is left to tell; the idle timeout is the last resort


if __name__ == "__main__":
    stand(sys.stdin)
