"""``python -m glue_local.prepare``: fetch, check, and create everything that sessions start with.

``--all`` adds what only some sessions need: the jars for ``s3://``, and a class archive for
sessions without a table format.
"""

from __future__ import annotations

import argparse
import sys

from glue_local.errors import GlueLocalError
from glue_local.spark import class_data, jars


def main() -> int:
    """Fetch what is missing, check everything, and report it in one line."""
    parser = argparse.ArgumentParser(prog="python -m glue_local.prepare")
    parser.add_argument(
        "--all", action="store_true", help="the jars of S3 (340 MB) and a second archive too"
    )
    everything = parser.parse_args().all
    wanted = jars.every_jar()
    if everything:
        wanted += jars.SETS[jars.S3]
    archive = "a class archive"
    try:
        jars.verify(*wanted)
        class_data.ensure(tuple(jars.FORMATS))
        if everything:
            class_data.ensure()
    except class_data.ClassDataError as error:
        sys.stderr.write(f"{error}\n")
        archive = "no class archive"
    except GlueLocalError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    where = jars.cache_folder().parent
    sys.stdout.write(f"{len(wanted)} jars and {archive} for Spark are in {where}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
