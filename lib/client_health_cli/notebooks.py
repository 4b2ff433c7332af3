"""The location of the three notebooks."""

from __future__ import annotations

from pathlib import Path

from client_health_cli.errors import SettingsError
from register_contract.runs import STAGES


def notebooks_folder(asked: Path | None = None) -> Path:
    """Return the folder with the three notebooks.

    Parameters
    ----------
    asked
        The folder; if None, `notebooks/` in the current directory, then in the source tree that
        this package was installed from.

    Raises
    ------
    SettingsError
        If they are in none of these.
    """
    tree = Path(__file__).resolve().parents[2]
    places = [asked] if asked else [Path.cwd() / "notebooks", tree / "notebooks"]
    for place in places:
        if all((place / f"{stage}.ipynb").is_file() for stage in STAGES):
            return place.absolute()
    raise SettingsError(
        f"no {', '.join(f'{stage}.ipynb' for stage in STAGES)} in "
        f"{' nor in '.join(map(str, places))}: start in the repository, or name their folder "
        "with --notebooks"
    )
