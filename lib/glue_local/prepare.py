"""``python -m glue_local.prepare``: fetch, check and make everything that a session starts with."""

from __future__ import annotations

import sys

from glue_local import class_data, jars
from glue_local.errors import GlueLocalError


def main() -> int:
    """Fetch what is missing, check everything, say so in a line."""
    archive = "a class archive"
    try:
        jars.verify(*jars.every_jar())
        class_data.ensure()
    except class_data.ClassDataError as error:
        sys.stderr.write(f"{error}\n")
        archive = "no class archive"
    except GlueLocalError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    where = jars.cache_folder().parent
    sys.stdout.write(f"{len(jars.every_jar())} jars and {archive} for Spark are in {where}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
