"""The queries in files, one query per file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from client_health_cli.errors import SettingsError


@dataclass(frozen=True)
class Question:
    """A named query.

    Attributes
    ----------
    name
        The file's name, without its ending.
    meaning
        What it answers: the comment in its first line.
    sql
        Athena's SQL, including the comment.
    """

    name: str
    meaning: str
    sql: str


def questions(folder: Path | None = None) -> dict[str, Question]:
    """Return all queries, by name.

    Parameters
    ----------
    folder
        Folder of the files; if None, `queries/` in the current directory, then in the source tree
        that this package was installed from.

    Raises
    ------
    SettingsError
        If there are none, or one doesn't begin with a comment that says what it answers.
    """
    found = {}
    for path in sorted(_folder(folder).glob("*.sql")):
        sql = path.read_text(encoding="utf-8")
        first = sql.partition("\n")[0]
        if not first.startswith("-- "):
            raise SettingsError(f"{path} must begin with a comment, `-- what it answers`")
        found[path.stem] = Question(path.stem, first.removeprefix("-- ").strip(), sql)
    return found


def question(name: str, folder: Path | None = None) -> Question:
    """Return one query.

    Raises
    ------
    SettingsError
        If there is none with that name.
    """
    known = questions(folder)
    if name not in known:
        raise SettingsError(f"there is no query {name!r}: choose one of {', '.join(known)}")
    return known[name]


def _folder(asked: Path | None) -> Path:
    tree = Path(__file__).resolve().parents[2]
    places = [asked] if asked else [Path.cwd() / "queries", tree / "queries"]
    for place in places:
        if any(place.glob("*.sql")):
            return place
    raise SettingsError(
        f"no .sql file in {' nor in '.join(map(str, places))}: start in the repository, or name "
        "the folder with --queries"
    )
