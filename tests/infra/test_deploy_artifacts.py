"""The artifacts of a deployment: the same commit gives the same bytes."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from infra.archives import pack, pack_folder, unpacked
from infra.artifacts import JOB_PACKAGES, LOCK, SESSION_PACKAGES, build_artifacts
from infra.errors import DeployError
from infra.native import libraries, too_new
from infra.packages import build_packages, kept_packages, packages_key
from tests.support import built
from tests.support.built import build_once
from tests.support.wheels import asks_for

# These tests build wheels, and fetch packages from an index.
pytestmark = pytest.mark.slow


@pytest.fixture
def same_wheels() -> Iterator[None]:
    """Build only what the tests change: the wheels are those of the first build."""
    with built.same_wheels():
        yield


def names(archive: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(archive)).namelist()


def test_the_same_commit_gives_the_same_bytes_and_version() -> None:
    assert build_artifacts() == build_once()


def test_the_function_brings_only_its_modules_and_what_every_side_agrees_on(root: Path) -> None:
    content = build_once().files["def_lambda.zip"]
    first, *others = names(content)
    assert first == "def_lambda.py"
    assert others
    # Of a run, it has only what posts alerts.
    run = {name for name in others if name.startswith("register_run/")}
    assert run == {"register_run/__init__.py", "register_run/webhook.py"}
    rest = {name.split("/")[0] for name in set(others) - run}
    assert rest == {"reconciler", "register_contract"}
    assert len(content) < 1024 * 1024
    packed = zipfile.ZipFile(io.BytesIO(content)).read("def_lambda.py")
    assert packed == (root / "jobs" / "def_lambda.py").read_bytes()


def test_the_function_starts_with_what_it_brings(tmp_path: Path) -> None:
    archive = tmp_path / "def_lambda.zip"
    archive.write_bytes(build_once().files["def_lambda.zip"])
    code = (
        f"import sys; sys.path.insert(0, {str(archive)!r})\n"
        "import def_lambda, register_contract\n"
        "from register_run import webhook\n"
        "webhook.read('https://example.com')\n"
        "brought = [def_lambda, register_contract, webhook]\n"
        "print(all('def_lambda.zip' in one.__file__ for one in brought))\n"
        "print({'papermill', 'strict_glue', 'jsonschema', 'tenacity'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "True\nset()\n"


def test_the_jobs_archive_holds_the_job_its_runner_and_its_papermill_engine() -> None:
    inside = names(build_once().files["job.zip"])
    assert {"job_client_health.py", "register_contract/contract.py"} <= set(inside)
    assert "register_contract/receipt.schema.json" in inside
    assert any(
        name.startswith("strict_glue-") and name.endswith("entry_points.txt") for name in inside
    )
    assert "def_lambda.py" not in inside


def test_the_library_is_a_zip_of_wheels_as_aws_describes_it() -> None:
    made = build_once()
    number = made.version.rpartition("-")[0]
    assert made.library == f"client_health-{number}.gluewheels.zip"
    assert made.parameters("b", packages=False)["LibraryArchive"] == made.library
    archive = zipfile.ZipFile(io.BytesIO(made.files[made.library]))
    own = f"wheels/client_health-{number}-py3-none-any.whl"
    pins = archive.read("wheels/requirements.txt").decode().splitlines()
    assert {f"client-health=={number}", f"register-contract=={number}"} <= set(pins)
    # One wheel for each pin, and the list of pins.
    assert {own, "wheels/requirements.txt"} <= set(archive.namelist())
    assert len(archive.namelist()) == len(pins) + 1
    protocol = f"wheels/register_contract-{number}-py3-none-any.whl"
    assert "client_health/clean/identity.py" in names(archive.read(own))
    assert "register_contract/contract.py" in names(archive.read(protocol))


def test_what_is_shipped_needs_no_other_package_of_ours(tmp_path: Path) -> None:
    wheels = built.wheels(tmp_path)
    for shipped in (SESSION_PACKAGES, (*JOB_PACKAGES, "job_client_health")):
        asked = set().union(*(asks_for(wheels[name]) for name in shipped))
        assert asked & set(wheels) <= set(shipped)


def test_no_wheel_is_left_for_spark_which_takes_none() -> None:
    assert not [name for name in build_once().files if name.endswith(".whl")]


@pytest.mark.usefixtures("same_wheels")
def test_what_the_library_needs_beside_glue_is_shipped_with_it(
    wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tags = ["cp311-cp311-manylinux_2_28_x86_64", "cp39-cp39-manylinux_2_28_x86_64"]
    hashes = [wheel(wheels, tag) for tag in (*tags, "cp311-cp311-manylinux_2_39_x86_64")]
    lock = tmp_path / "lock.txt"
    lock.write_text("thing==1.0 " + " ".join(f"--hash=sha256:{found}" for found in hashes) + "\n")
    made = build_artifacts(session_lock=lock)
    archive = zipfile.ZipFile(io.BytesIO(made.files[made.library]))
    assert f"wheels/thing-1.0-{tags[0]}.whl" in archive.namelist()
    assert len(archive.namelist()) == 4
    assert archive.read("wheels/requirements.txt").decode().splitlines()[2:] == ["thing==1.0"]
    for path in wheels.glob("*.whl"):  # packages that were fetched once aren't requested again
        path.unlink()
    assert made == build_artifacts(session_lock=lock)
    nothing = tmp_path / "nothing.txt"
    nothing.write_text("")
    assert made.version != build_artifacts(session_lock=nothing).version


@pytest.mark.usefixtures("same_wheels")
def test_a_package_of_another_hash_is_not_shipped(wheels: Path, tmp_path: Path) -> None:
    wheel(wheels, "py3-none-any")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"thing==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(DeployError, match=r"lock\.txt can't be fetched as wheels for Python 3\.11"):
        build_artifacts(session_lock=lock)


@pytest.mark.usefixtures("same_wheels")
def test_another_lock_is_another_version(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("six==1.17.0\n")
    assert build_artifacts(lock=lock).version != build_once().version
    assert packages_key(lock) == packages_key(lock)


def test_neither_times_nor_order_nor_modes_show_in_an_archive(tmp_path: Path) -> None:
    for folder, order in (("one", ("a", "b")), ("two", ("b", "a"))):
        for name in order:
            path = tmp_path / folder / "sub" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        pack_folder(tmp_path / folder, tmp_path / f"{folder}.zip")
        os.utime(path, (1, 1))
        path.chmod(0o755)
        pack_folder(tmp_path / folder, tmp_path / f"{folder}-touched.zip")
    made = {path.read_bytes() for path in tmp_path.glob("*.zip")}
    assert len(made) == 1
    assert pack({"b": b"1", "a": b"2"}) == pack({"a": b"2", "b": b"1"})
    assert unpacked(tmp_path / "one.zip") == {"sub/a": b"a", "sub/b": b"b"}


def wheel(folder: Path, tag: str, **more: bytes) -> str:
    """Write a wheel of the package `thing` that contains its tag; return its hash."""
    info = "thing-1.0.dist-info"
    files = {
        "thing.py": f"TAG = {tag!r}\n".encode(),
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
        **more,
    }
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip('=')},"
        for name, content in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    content = pack(files)
    (folder / f"thing-1.0-{tag}.whl").write_bytes(content)
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that pip searches instead of an index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_packages_are_those_that_the_jobs_python_and_glibc_can_load(
    wheels: Path, tmp_path: Path
) -> None:
    tags = ["cp311-cp311-manylinux_2_17_x86_64", "cp39-cp39-manylinux_2_28_x86_64"]
    hashes = [wheel(wheels, tag) for tag in (*tags, "cp39-cp39-manylinux_2_26_x86_64")]
    lock = tmp_path / "lock.txt"
    lock.write_text("thing==1.0 " + " ".join(f"--hash=sha256:{found}" for found in hashes) + "\n")
    build_packages(lock, tmp_path / "one.zip")
    assert (
        unpacked(tmp_path / "one.zip")["thing.py"] == b"TAG = 'cp39-cp39-manylinux_2_26_x86_64'\n"
    )
    build_packages(lock, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_packages_of_another_hash_are_refused(wheels: Path, tmp_path: Path) -> None:
    wheel(wheels, "py3-none-any")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"thing==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(DeployError, match=r"lock\.txt can't be fetched as wheels for Python 3\.9"):
        build_packages(lock, tmp_path / "packages.zip")


def test_a_package_without_a_fitting_wheel_is_named(wheels: Path, tmp_path: Path) -> None:
    found = wheel(wheels, "cp39-cp39-manylinux_2_28_x86_64")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"thing==1.0 --hash=sha256:{found}\n")
    with pytest.raises(DeployError, match=r"thing==1\.0"):
        build_packages(lock, tmp_path / "packages.zip")


def test_no_library_of_the_jobs_packages_is_newer_than_its_host(tmp_path: Path) -> None:
    with zipfile.ZipFile(kept_packages(LOCK)) as archive:
        archive.extractall(tmp_path)
    assert any("zmq" in str(library) for library in libraries(tmp_path))
    assert too_new(tmp_path) == []


@pytest.fixture(scope="module")
def modern() -> bytes:
    """Return a program of this machine that needs symbols which the job's host doesn't have."""
    kind, version = platform.libc_ver()
    if kind != "glibc" or tuple(map(int, version.split("."))) < (2, 34):
        pytest.skip("the C library of this machine is not newer than the job's")
    return Path("/bin/sh").read_bytes()


def test_a_library_that_needs_a_newer_symbol_is_named(modern: bytes, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "modern.so").write_bytes(modern)
    (tmp_path / "text.so").write_text("GLIBC_2.99")
    assert "deep/modern.so: GLIBC_2.34" in too_new(tmp_path)
    assert too_new(tmp_path, {"GLIBC": (2, 999)}) == []


def test_packages_whose_library_is_newer_than_its_tag_says_are_refused(
    wheels: Path, tmp_path: Path, modern: bytes
) -> None:
    found = wheel(wheels, "cp39-cp39-manylinux2014_x86_64", **{"thing.so": modern})
    lock = tmp_path / "lock.txt"
    lock.write_text(f"thing==1.0 --hash=sha256:{found}\n")
    with pytest.raises(DeployError, match=r"thing\.so: GLIBC_2\.34"):
        build_packages(lock, tmp_path / "packages.zip")
