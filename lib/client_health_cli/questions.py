"""The queries that are kept in files, one a question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from client_health_cli.errors import SettingsError


@dataclass(frozen=True)
class Question:
    """A query with a name.

    Attributes
    ----------
    name
        The file's, without its ending.
    meaning
        What it answers: the comment in its first line.
    sql
        Athena's SQL, the comment included.
    """

    name: str
    meaning: str
    sql: str


def questions(folder: Path | None = None) -> dict[str, Question]:
    """Read all queries, by name.

    Parameters
    ----------
    folder
        Where the files are; if None, `queries/` of the current directory, then of the source
        tree that this package was installed from.

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
    """Read one query.

    Raises
    ------
    SettingsError
        If there is none of that name.
    """
    known = questions(folder)
    if name not in known:
        raise SettingsError(f"there is no query {name!r}: there are {', '.join(known)}")
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
