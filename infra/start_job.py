"""What the Python Shell job starts with: brings its packages, then runs the production job.

Runs on the Python 3.9 of AWS Glue, with the standard library and the boto3 that is there. No
package index is asked: ``--PACKAGES`` names zip archives in S3, unpacked one over the other into a
folder that the job's own process looks into first, and the processes that it starts as well.
Everything else is handed on as it came.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from types import FrameType

OPTION = "--PACKAGES"
JOB = "job_client_health"


def split_arguments(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Take the archives out of the job's arguments.

    Parameters
    ----------
    arguments
        ``--NAME value`` pairs.

    Returns
    -------
    tuple of list of str
        The archives' URIs, and what is left for the job.
    """
    if OPTION not in arguments:
        return [], arguments
    at = arguments.index(OPTION)
    named = "".join(arguments[at + 1 : at + 2])
    rest = arguments[:at] + arguments[at + 2 :]
    return [uri.strip() for uri in named.split(",") if uri.strip()], rest


def unpack(uri: str, folder: Path) -> None:
    """Unpack an archive of S3.

    Parameters
    ----------
    uri
        ``s3://bucket/key`` of a zip archive.
    folder
        Where its files go.
    """
    import boto3  # noqa: PLC0415 - of the host, before ours is there

    bucket, _, key = uri[len("s3://") :].partition("/")
    archive = folder / "archive.zip"
    boto3.client("s3").download_file(bucket, key, str(archive))
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    archive.unlink()


def run(arguments: list[str], folder: Path) -> int:
    """Run the job in a process of its own, which stops when this one is told to.

    Parameters
    ----------
    arguments
        The job's.
    folder
        Looked into before everything that is installed.

    Returns
    -------
    int
        The job's exit code.
    """
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, "-m", JOB, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        cwd=str(folder),
    )

    def hand_on(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hand_on)
    return process.wait()


def main() -> int:
    """Bring the packages and run the job."""
    # CloudTrail then tells the job's calls from those of others.
    os.environ["AWS_SDK_UA_APP_ID"] = JOB
    archives, rest = split_arguments(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="job-") as name:
        for uri in archives:
            unpack(uri, Path(name))
        return run(rest, Path(name))


if __name__ == "__main__":
    sys.exit(main())
