"""Copies of the notebooks for Glue Studio, which know where they run.

The committed notebooks say nothing of an account: role, library and lake reach them from outside.
In Glue Studio nothing is outside, so each copy has two more cells, before all others, and every
other cell is as it was.

The first holds line magics. ``%%configure`` would not do for Spark's settings: the kernel keeps one
``--conf``, that of the last such cell. What ``%spark_conf`` says replaces any of them, whichever
comes first, so the cell repeats the notebook's own ``--conf`` and adds the places.

The second is a ``%%configure`` with the arguments that have no magic of their own. The kernel adds
each of its arguments to those of other such cells, so the notebook's own keep theirs. It says
that the library's archive is all there is to install from, and switches off what the kernel asks
for by itself: the Data Catalog as Spark's own, for which Glue looks for a database ``default`` and
creates it where there is none.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from typing import Any

from infra.errors import SettingsError

_CONFIGURE = "%%configure"
_ARGUMENTS = {
    "--python-modules-installer-option": "--no-index",
    "--enable-glue-datacatalog": "false",
}
_CONF = "--conf"
_PREFIX = "spark.client_health."
# The notebook's role may use sessions of this name alone.
SESSIONS = "client-health-studio"
# What CreateSession takes in one argument.
_CONF_LIMIT = 4096


@dataclass(frozen=True)
class Places:
    """Where a stack's things are.

    Parameters
    ----------
    role : str
        ARN of the role of interactive sessions.
    library : str
        URI of the archive with the library.
    lake : str
        URI of the lake.
    id_key : str
        ARN of the secret that holds the key of the ids.
    conf : str
        Spark settings of every session on the stack's buckets, as ``--conf`` takes them.
    """

    role: str
    library: str
    lake: str
    id_key: str
    conf: str


def studio_copy(notebook: bytes, places: Places) -> bytes:
    """Give a notebook's copy for Glue Studio.

    Parameters
    ----------
    notebook
        A committed notebook, in JSON.
    places
        Where the stack's things are.

    Returns
    -------
    bytes
        The same notebook with two more cells.

    Raises
    ------
    SettingsError
        The notebook asks for no session, or its Spark settings are too long with the places.
    """
    content: dict[str, Any] = json.loads(notebook)
    conf = " --conf ".join(
        [
            *filter(None, [_own_conf(content), places.conf]),
            f"{_PREFIX}lake={places.lake}",
            f"{_PREFIX}id_key={places.id_key}",
        ]
    )
    if len(conf) > _CONF_LIMIT:
        raise SettingsError(
            f"the Spark settings have {len(conf)} characters, a session takes {_CONF_LIMIT}: "
            "shorten the notebook's own --conf"
        )
    lines = [
        "# Where this stack's things are. The cells below are those of the repository.\n",
        f"%iam_role {places.role}\n",
        f"%session_id_prefix {SESSIONS}\n",
        f"%additional_python_modules {places.library}\n",
        f"%spark_conf {conf}",
    ]
    arguments = f"{_CONFIGURE}\n{json.dumps(_ARGUMENTS, indent=4)}".splitlines(keepends=True)
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
            # As the kernel reads it: a literal of Python, which may end with a comma.
            return str(ast.literal_eval(settings).get(_CONF, ""))
    raise SettingsError(f"the notebook has no cell that begins with {_CONFIGURE}")
