"""PySpark's daemon of workers, without what costs more than the tests' few rows do.

Before each task, a worker would read the names of all classes of a jar of Spark's, which is on its
search path, and after each task look for garbage among all objects of all modules. Besides, each
worker would import the same modules, and Spark ends a worker that had nothing to do for a minute.
"""

from __future__ import annotations

import gc
import sys

sys.path[:] = [path for path in sys.path if not path.endswith(".jar")]
for jar in [path for path in sys.path_importer_cache if path.endswith(".jar")]:
    del sys.path_importer_cache[jar]

import pandas  # noqa: E402, F401 - PySpark imports it for tasks with Arrow data
from pyspark import daemon  # noqa: E402

from client_health import parcels, worker  # noqa: E402, F401
from client_health.clean import own_rules, profile, register  # noqa: E402, F401
from client_health.publish import data_files  # noqa: E402, F401
from client_health.read import pieces, sources  # noqa: E402, F401

if __name__ == "__main__":
    gc.collect()
    gc.freeze()
    daemon.manager()
