"""Copies of the notebooks for Glue Studio, which know where they run.

The committed notebooks say nothing of an account: role, library and lake reach them from outside.
In Glue Studio nothing is outside, so each copy has one more cell, before all others, and every
other cell is as it was.

That cell holds line magics. A second ``%%configure`` would not do: the kernel keeps one ``--conf``,
that of the last such cell. What ``%spark_conf`` says replaces any of them, whichever comes first,
so the cell repeats the notebook's own ``--conf`` and adds the places.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from typing import Any

from infra.errors import SettingsError

_CELL_ID = "places"
_CONFIGURE = "%%configure"
_CONF = "--conf"
_PREFIX = "spark.client_health."
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
        URI of the library's wheel.
    lake : str
        URI of the lake.
    id_key : str
        ARN of the secret that holds the key of the ids.
    """

    role: str
    library: str
    lake: str
    id_key: str


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
        The same notebook with one more cell.

    Raises
    ------
    SettingsError
        The notebook asks for no session, or its Spark settings are too long with the places.
    """
    content: dict[str, Any] = json.loads(notebook)
    conf = " --conf ".join(
        [
            *filter(None, [_own_conf(content)]),
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
        f"%extra_py_files {places.library}\n",
        f"%spark_conf {conf}",
    ]
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": _CELL_ID,
        "metadata": {},
        "outputs": [],
        "source": lines,
    }
    copy = {**content, "cells": [cell, *content["cells"]]}
    return (json.dumps(copy, indent=1, ensure_ascii=False) + "\n").encode()


def _own_conf(content: dict[str, Any]) -> str:
    for cell in content["cells"]:
        first, _, settings = "".join(cell["source"]).partition("\n")
        if cell["cell_type"] == "code" and first.strip() == _CONFIGURE:
            # As the kernel reads it: a literal of Python, which may end with a comma.
            return str(ast.literal_eval(settings).get(_CONF, ""))
    raise SettingsError(f"the notebook has no cell that begins with {_CONFIGURE}")
