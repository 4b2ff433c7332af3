"""The reconciler's settings, from the function's environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_type_hints


@dataclass(frozen=True)
class Settings:
    """Locations and limits; ``lake`` is ``s3://bucket/prefix``."""

    raw_bucket: str
    lake: str
    job_name: str
    topic_arn: str
    database: str = "db_client_insurance"
    upload_prefix: str = "upload/"
    alert_secret: str = ""
    alert_format: str = ""
    late_hour: int = 9
    max_attempts: int = 3
    retry_seconds: int = 600

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Settings":
        """Read each setting from the variable with its name in capitals."""
        given = {n: kind for n, kind in get_type_hints(cls).items() if n.upper() in variables}
        return cls(**{name: kind(variables[name.upper()]) for name, kind in given.items()})
