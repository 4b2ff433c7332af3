"""Script of the Python Shell job: unpacks its packages, then runs the production job.

It runs on the Python 3.9 of AWS Glue. With ``library-set: none``, that has the standard library,
awscli 1.23.5, and botocore 1.23.5, but no boto3. No package index is used: ``--PACKAGES`` names zip
archives in S3, which are unpacked one over the other into a folder that the job's process and its
child processes search first. ``--REGION`` names the region if the host doesn't. All other arguments
are passed on unchanged.
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
from typing import Any

OPTION = "--PACKAGES"
REGION = "--REGION"
JOB = "job_client_health"
_BLOCK = 1024 * 1024
_MISSING = frozenset({"404", "NoSuchKey", "NoSuchBucket"})
_DENIED = frozenset({"403", "AccessDenied"})
# Same as the job's: usage or configuration, and a service that failed.
_CONFIGURATION = 2
_SERVICE = 4


class StartError(Exception):
    """The job could not be started.

    Parameters
    ----------
    uri : str
        The archive.
    found : str
        What is wrong with it.
    next_step : str
        What to do.
    exit_code : int
        2 if another start would end the same way, otherwise 4.
    """

    def __init__(self, uri: str, found: str, next_step: str, exit_code: int) -> None:
        super().__init__(f"start_job: {uri} {found}: {next_step}")
        self.exit_code = exit_code


def split_arguments(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the archives and the other arguments of the job.

    Parameters
    ----------
    arguments
        ``--NAME value`` pairs.

    Returns
    -------
    tuple of list of str
        The archives' URIs, and the other arguments.
    """
    if OPTION not in arguments:
        return [], arguments
    at = arguments.index(OPTION)
    named = "".join(arguments[at + 1 : at + 2])
    rest = arguments[:at] + arguments[at + 2 :]
    return [uri.strip() for uri in named.split(",") if uri.strip()], rest


def region_of(arguments: list[str]) -> str:
    """Return the region among the job's arguments; empty if there is none.

    Parameters
    ----------
    arguments
        ``--NAME value`` pairs.
    """
    at = arguments.index(REGION) if REGION in arguments else len(arguments)
    return "".join(arguments[at + 1 : at + 2])


def fetch(uri: str, target: Path) -> None:
    """Copy an object from S3 to a file, block by block.

    Parameters
    ----------
    uri
        ``s3://bucket/key``.
    target
        The file to write.

    Raises
    ------
    StartError
        The object can't be fetched.
    """
    import botocore.session  # noqa: PLC0415 - the host's, only for this function
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    bucket, _, key = uri[len("s3://") :].partition("/")
    # Unlike newer versions, the host's botocore reads neither these variables nor
    # AWS_SDK_UA_APP_ID. On AWS, no endpoint is set.
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    try:
        client: Any = botocore.session.get_session().create_client(
            "s3", endpoint_url=endpoint, config=Config(user_agent_extra=f"app/{JOB}")
        )
        body = client.get_object(Bucket=bucket, Key=key)["Body"]
        with target.open("wb") as file:
            for block in body.iter_chunks(_BLOCK):
                file.write(block)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _MISSING:
            found, step = f"does not exist ({code})", "deploy again, which uploads what is missing"
            raise StartError(uri, found, step, _CONFIGURATION) from error
        if code in _DENIED:
            found = f"may not be read ({code})"
            step = "let the job's role read it, and use the key that it is encrypted with"
            raise StartError(uri, found, step, _CONFIGURATION) from error
        raise StartError(uri, f"was refused ({error})", "start again", _SERVICE) from error
    except (BotoCoreError, HTTPError, OSError) as error:
        raise StartError(uri, f"did not arrive ({error})", "start again", _SERVICE) from error


def unpack(uri: str, folder: Path) -> None:
    """Unpack an archive from S3.

    Parameters
    ----------
    uri
        ``s3://bucket/key`` of a zip archive.
    folder
        Folder for its files.

    Raises
    ------
    StartError
        The archive can't be fetched, or isn't a zip archive.
    """
    archive = folder / "archive.zip"
    fetch(uri, archive)
    try:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
    except zipfile.BadZipFile as error:
        step = "delete it and deploy again, which uploads it again"
        raise StartError(uri, f"isn't a zip archive ({error})", step, _CONFIGURATION) from error
    except OSError as error:
        raise StartError(uri, f"was not unpacked ({error})", "start again", _SERVICE) from error
    archive.unlink()


def run(arguments: list[str], folder: Path) -> int:
    """Run the job in a child process, which gets the signal when this one is asked to stop.

    Parameters
    ----------
    arguments
        The job's arguments.
    folder
        Folder that is searched before all installed packages.

    Returns
    -------
    int
        The job's exit code.
    """
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    # Jupyter and IPython need a home folder; the host's user may have none.
    home = folder / "home"
    home.mkdir(exist_ok=True)
    # With the last variable, CloudTrail distinguishes the job's calls from others.
    own = {"PYTHONPATH": path, "HOME": str(home), "AWS_SDK_UA_APP_ID": JOB}
    process = subprocess.Popen(
        [sys.executable, "-m", JOB, *arguments],
        env={**os.environ, **own},
        cwd=str(folder),
    )

    def hand_on(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, hand_on)
    return process.wait()


def main() -> int:
    """Unpack the packages and run the job."""
    archives, rest = split_arguments(sys.argv[1:])
    if region := region_of(rest):
        # No page of AWS says which of these a Python Shell job has.
        for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            os.environ[variable] = os.environ.get(variable) or region
    with tempfile.TemporaryDirectory(prefix="job-") as name:
        try:
            for uri in archives:
                unpack(uri, Path(name))
        except StartError as error:
            sys.stderr.write(f"{error}\n")
            return error.exit_code
        return run(rest, Path(name))


if __name__ == "__main__":
    # AWS Glue runs this file in its own script, so success must not raise SystemExit.
    if status := main():
        sys.exit(status)
