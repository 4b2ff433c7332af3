"""Builds pages from templates: everything that is not markup is escaped."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources, util
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from client_health_cli.dashboard.wording import FILTERS
from client_health_cli.errors import SettingsError


def render(template: str, **values: Any) -> str:  # noqa: ANN401 - whatever the template shows
    """Return a filled-in template of this package.

    Parameters
    ----------
    template
        File of the template.
    values
        Values for the template, which are escaped unless they are `Markup`.
    """
    environment = Environment(
        loader=PackageLoader("client_health_cli.dashboard", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment.get_template(template).render(**values)


def policy(*scripts: str) -> str:
    """Return a content security policy that allows only these scripts, and no requests.

    It allows inline styles, which the charts need.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes or chr(39) + 'none' + chr(39)}; "
        "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def style(*more: str) -> Markup:
    """Return the pages' style sheet, and further ones of this package."""
    return Markup("".join(map(_own, ("page.css", *more))))  # noqa: S704 - files of this package


def script(name: str) -> Markup:
    """Return a script of this package."""
    return Markup(_own(name))  # noqa: S704 - a file of this package


def chart_library() -> Markup:
    """Return plotly.js, which is part of the plotly package.

    Raises
    ------
    SettingsError
        If the package is not installed.
    """
    # Found without importing the package, which would take half a second.
    spec = util.find_spec("plotly")
    places = spec.submodule_search_locations if spec else None
    for place in places or ():
        path = Path(place) / "package_data" / "plotly.min.js"
        if path.is_file():
            text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
            if "</script" in text.lower() or "<!--" in text:
                raise SettingsError(f"{path} can't be part of a page: it contains a tag")
            return Markup(text)  # noqa: S704 - a script
    raise SettingsError("plotly, which draws the charts, is not installed: run `make setup`")


def data(content: Any) -> Markup:  # noqa: ANN401 - whatever JSON can hold
    """Return JSON in which nothing can end the element around it."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def _own(name: str) -> str:
    folder = resources.files("client_health_cli.dashboard") / "template"
    return (folder / name).read_text(encoding="utf-8")
