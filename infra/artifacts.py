"""Builds what is deployed in addition to the template, named by its content.

The files are under ``<version>/`` in the artifacts bucket. The version is the library's and the
first digits of a hash over all of them, so that nothing is ever overwritten:

- ``def_lambda.zip``: the Lambda function, its modules, and ``register_contract``;
- ``start_job.py``: the script of the Python Shell job;
- ``job.zip``: the production job with those of our packages that it needs;
- ``client_health-<version>.gluewheels.zip``: the library, for the Spark session
  (``infra.library``);
- ``notebooks/``: the three notebooks;
- ``studio/``: their copies for Glue Studio, when the stack's resources are known
  (``infra.studio``).

The job's other packages are at ``packages/<hash of the lock>.zip``.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.build_wheels import build

from infra.archives import pack, unpacked
from infra.errors import DeployError
from infra.library import pack_library
from infra.packages import packages_key

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "locks" / "runner-py39.txt"
SESSION_LOCK = ROOT / "locks" / "session.txt"
STUDIO = "studio"
# Our packages that a session and the job's host get.
SESSION_PACKAGES = ("client_health", "register_contract")
JOB_PACKAGES = ("register_run", "strict_glue", "register_contract")
# Lambda allows far more; ours should stay a file that a person can read.
_LAMBDA_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Artifacts:
    """All files of one version.

    Parameters
    ----------
    version : str
        ``<library version>-<hash>``: the prefix in the bucket.
    files : mapping of str to bytes
        Content by key below the prefix.
    library : str
        Name of the archive with the library.
    packages : str
        Key of the archive of the locked packages.
    """

    version: str
    files: Mapping[str, bytes]
    library: str
    packages: str

    def key(self, name: str) -> str:
        """Return the full key of one of the files."""
        return f"{self.version}/{name}"

    def parameters(self, bucket: str, *, packages: bool) -> dict[str, str]:
        """Return the values of the template's parameters for the files' locations.

        Parameters
        ----------
        bucket
            The artifacts bucket.
        packages
            Whether the job gets its packages from an archive; on the local chain they are
            installed.
        """
        brought = [f"s3://{bucket}/{self.packages}"] if packages else []
        return {
            "ArtifactsBucket": bucket,
            "ArtifactsVersion": self.version,
            "LibraryArchive": self.library,
            "JobPackages": ",".join([*brought, f"s3://{bucket}/{self.key('job.zip')}"]),
        }


def build_artifacts(
    root: Path = ROOT, lock: Path = LOCK, session_lock: Path = SESSION_LOCK
) -> Artifacts:
    """Build everything except the packages; the same commit gives the same bytes.

    Parameters
    ----------
    root
        The repository.
    lock
        The lock file of the job's host.
    session_lock
        The lock file of what sessions get in addition to the library.

    Raises
    ------
    DeployError
        The Lambda function is larger than its limit, or a package can't be fetched.
    """
    files: dict[str, bytes] = {}
    job: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="wheels-") as folder:
        wheels = build(Path(folder))
        library, content = pack_library([wheels[name] for name in SESSION_PACKAGES], session_lock)
        files[library] = content
        for name in JOB_PACKAGES:
            job.update(unpacked(wheels[name]))
        number = wheels["client_health"].name.split("-")[1]
    function = root / "jobs" / "def_lambda.py"
    scripts = (path for path in (root / "jobs").glob("*.py") if path != function)
    job.update({path.name: path.read_bytes() for path in scripts})
    files["job.zip"] = pack(job)
    files["start_job.py"] = (root / "infra" / "start_job.py").read_bytes()
    folders = (root / "jobs" / "reconciler", root / "lib" / "register_contract")
    modules = [path for folder in folders for path in folder.glob("*.py")]
    # Of a run, the function needs only what sends alerts.
    modules += [root / "lib" / "register_run" / f"{name}.py" for name in ("__init__", "webhook")]
    brought = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in modules}
    files["def_lambda.zip"] = pack({function.name: function.read_bytes(), **brought})
    if len(files["def_lambda.zip"]) >= _LAMBDA_LIMIT:
        raise DeployError(
            f"{function.name} is packed into {len(files['def_lambda.zip']):,} bytes, "
            f"the limit is {_LAMBDA_LIMIT:,}: make it smaller"
        )
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        files[f"notebooks/{notebook.name}"] = notebook.read_bytes()
    packages = packages_key(lock)
    return Artifacts(f"{number}-{digest(files, packages)}", files, library, packages)


def digest(files: Mapping[str, bytes], packages: str) -> str:
    """Return the digest in a version's name: of its files, and of the key of their packages."""
    lines = [f"{hashlib.sha256(files[name]).hexdigest()} {name}\n" for name in sorted(files)]
    return hashlib.sha256("".join([*lines, packages]).encode()).hexdigest()[:10]
