"""Installing modules in a session: --additional-python-modules, as AWS Glue 5 handles it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.local_api import Api
from tests.support.wheels import wheel, zip_of_wheels

from glue_local.launch import LocalService

# An index that doesn't answer, so every request to it shows up as an error.
INDEX = "http://127.0.0.1:1/simple"
NO_INDEX = {"--python-modules-installer-option": "--no-index"}
IN_WORKERS = """
def found(_):
    try:
        import {0}
        return {0}.__file__
    except ModuleNotFoundError as error:
        return str(error)
print(sorted(set(sc.parallelize(range(2), 2).map(found).collect())))
"""


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    outer = {**os.environ, "UV_INDEX_URL": INDEX, "UV_HTTP_RETRIES": "0"}
    with LocalService(driver_memory="512m", environment=outer) as service:
        yield Api(service)


@pytest.fixture(scope="module")
def listed(api: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a session with a list of requirements."""
    folder = tmp_path_factory.mktemp("listed")
    found = wheel(folder, "listed", "NAME = 'listed'")
    (folder / "requirements.txt").write_text(f"listed @ {found.as_uri()}\n")
    return api.ready(
        DefaultArguments={
            "--additional-python-modules": str(folder / "requirements.txt"),
            "--python-modules-installer-option": "--no-index -r",
        }
    )


def failure(api: Api, **arguments: str) -> str:
    """Return the reason why a session with these arguments fails to start."""
    names = {f"--{name.replace('_', '-')}": value for name, value in arguments.items()}
    described = api.wait(api.create(DefaultArguments=names))
    assert described["Status"] == "FAILED"
    return str(described["ErrorMessage"])


def test_a_zip_of_wheels_is_installed_without_an_index_for_one_session_alone(
    api: Api, listed: str, tmp_path: Path
) -> None:
    below = wheel(tmp_path, "shipped_below", "NAME = 'below'")
    above = wheel(tmp_path, "shipped_above", "import shipped_below", requires="shipped_below")
    archive = tmp_path / "library-1.0.gluewheels.zip"
    archive.write_bytes(zip_of_wheels(above, below, requirements="shipped_above==1.0\n"))
    session = api.ready(DefaultArguments={"--additional-python-modules": str(archive), **NO_INDEX})
    try:
        print_name = "import shipped_above; print(shipped_above.shipped_below.NAME)"
        assert api.text(session, print_name) == "below"
        folder = api.text(session, "print(sc.getConf().get('spark.local.dir'))")
        in_workers = api.text(session, IN_WORKERS.format("shipped_above"))
        assert in_workers == f"['{Path(folder).parent / 'modules' / 'shipped_above.py'}']"
    finally:
        api.stop(session)
    assert api.text(listed, IN_WORKERS.format("shipped_above")) == (
        "[\"No module named 'shipped_above'\"]"
    )


def test_what_a_zip_of_wheels_lacks_fails_the_session_without_asking_an_index(
    api: Api, tmp_path: Path
) -> None:
    archive = tmp_path / "library-1.0.gluewheels.zip"
    archive.write_bytes(zip_of_wheels(wheel(tmp_path, "lonely", "", requires="absent_package")))
    message = failure(
        api, additional_python_modules=str(archive), python_modules_installer_option="--no-index"
    )
    assert "absent-package" in message
    assert INDEX not in message


def test_without_that_option_an_index_is_asked_as_on_aws(api: Api, tmp_path: Path) -> None:
    archive = tmp_path / "library-1.0.gluewheels.zip"
    archive.write_bytes(zip_of_wheels(wheel(tmp_path, "lonely", "", requires="absent_package")))
    assert INDEX in failure(api, additional_python_modules=str(archive))


def test_a_list_of_requirements_is_installed_with_the_installers_option_for_it(
    api: Api, listed: str
) -> None:
    assert api.text(listed, "import listed; print(listed.NAME)") == "listed"


def test_a_zip_that_says_not_what_to_install_is_refused(api: Api, tmp_path: Path) -> None:
    archive = tmp_path / "library-1.0.gluewheels.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("library.py", "")
    assert "has no wheels/requirements.txt" in failure(api, additional_python_modules=str(archive))
    archive.write_bytes(b"no zip")
    assert "isn't a zip of wheels" in failure(api, additional_python_modules=str(archive))
    other = archive.rename(tmp_path / "library.zip")
    assert "expected a file in .gluewheels.zip" in failure(
        api, additional_python_modules=str(other)
    )


def test_a_wheel_is_no_python_file_of_spark(api: Api, tmp_path: Path) -> None:
    """Spark would add it to no executor's path, whatever its name is."""
    message = failure(api, extra_py_files=str(wheel(tmp_path, "renamed_no_more", "")))
    assert "renamed_no_more-1.0-py3-none-any.whl was named; expected a file in .py" in message
