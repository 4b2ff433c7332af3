"""Copies of the notebooks for Glue Studio, with the stack's settings.

The committed notebooks contain nothing about an account: role, library, and lake are set from
outside. In Glue Studio, that isn't possible, so each copy has two more cells before all others. The
other cells are unchanged.

The first cell has line magics. ``%%configure`` doesn't work for Spark's settings: the kernel keeps
only one ``--conf``, that of the last such cell. ``%spark_conf`` replaces all of them, whichever
comes first, so the cell repeats the notebook's own ``--conf`` and adds the stack's settings.

The second cell is a ``%%configure`` with the arguments that have no magic. The kernel adds its
arguments to those of other such cells, so the notebook's own cell still applies. It allows
installing only from the library's archive, and turns off the kernel's default of using the Data
Catalog as Spark's own catalog, for which Glue looks for a database ``default`` and creates it if
there is none. It also gives the session the tag by which the notebook's role may use it. The id
can't tell: Glue Studio chooses it before any cell runs, and doesn't support ``%session_id_prefix``.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from typing import Any

from infra.errors import SettingsError
from register_contract import contract

_CONFIGURE = "%%configure"
_ARGUMENTS = {
    "--python-modules-installer-option": "--no-index",
    "--enable-glue-datacatalog": "false",
}
_CONF = "--conf"
_PREFIX = "spark.client_health."
# The notebook's role may only use sessions with this tag and, after the stack's prefix, this value.
# Production runs' sessions have another value.
TAG = "project"
SESSIONS = "client-health-studio"
# The limit of CreateSession for one argument.
_CONF_LIMIT = 4096


@dataclass(frozen=True)
class Places:
    """Locations of a stack's resources.

    Parameters
    ----------
    role : str
        ARN of the role of interactive sessions.
    library : str
        URI of the archive with the library.
    lake : str
        URI of the lake.
    id_key : str
        ARN of the secret with the key for ids.
    conf : str
        Spark settings of every session on the stack's buckets, in the form of ``--conf``.
    database : str
        The catalog's database with the lake's tables.
    prefix : str
        Start of the stack's names.
    """

    role: str
    library: str
    lake: str
    id_key: str
    conf: str
    database: str = contract.DATABASE
    prefix: str = ""


def studio_copy(notebook: bytes, places: Places) -> bytes:
    """Return a notebook's copy for Glue Studio.

    Parameters
    ----------
    notebook
        A committed notebook, as JSON.
    places
        Locations of the stack's resources.

    Returns
    -------
    bytes
        The same notebook with two more cells.

    Raises
    ------
    SettingsError
        The notebook configures no session, or its Spark settings become too long.
    """
    content: dict[str, Any] = json.loads(notebook)
    conf = " --conf ".join(
        [
            *filter(None, [_own_conf(content), places.conf]),
            f"{_PREFIX}lake={places.lake}",
            f"{_PREFIX}id_key={places.id_key}",
            f"{_PREFIX}database={places.database}",
        ]
    )
    if len(conf) > _CONF_LIMIT:
        raise SettingsError(
            f"the Spark settings have {len(conf)} characters, a session allows {_CONF_LIMIT}: "
            "shorten the notebook's own --conf"
        )
    lines = [
        "# Where this stack's things are. The cells below are those of the repository.\n",
        f"%iam_role {places.role}\n",
        f"%additional_python_modules {places.library}\n",
        f"%spark_conf {conf}",
    ]
    settings = {**_ARGUMENTS, "tags": {TAG: f"{places.prefix}{SESSIONS}"}}
    arguments = f"{_CONFIGURE}\n{json.dumps(settings, indent=4)}".splitlines(keepends=True)
    added = [_cell("places", lines), _cell("arguments", arguments)]
    copy = {**content, "cells": [*added, *content["cells"]]}
    return (json.dumps(copy, indent=1, ensure_ascii=False) + "\n").encode()


def _cell(name: str, lines: list[str]) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {},
        "outputs": [],
        "source": lines,
    }


def _own_conf(content: dict[str, Any]) -> str:
    for cell in content["cells"]:
        first, _, settings = "".join(cell["source"]).partition("\n")
        if cell["cell_type"] == "code" and first.strip() == _CONFIGURE:
            # The kernel reads it as a Python literal, which may end with a comma.
            return str(ast.literal_eval(settings).get(_CONF, ""))
    raise SettingsError(f"the notebook has no cell that begins with {_CONFIGURE}")
