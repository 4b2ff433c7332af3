"""Names of the chain's resources; a test compares them with the template's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """Names of the chain's resources, as infra/template.yaml makes them from a prefix.

    Parameters
    ----------
    prefix : str
        Start of all names.
    """

    prefix: str

    @property
    def own(self) -> str:
        """Start of most names: rules, alarms, sessions, queues."""
        return f"{self.prefix}client-health-"

    @property
    def buckets(self) -> str:
        """Start of the buckets' names."""
        return f"{self.prefix}cliente-data-"

    @property
    def secret(self) -> str:
        """Name of the secret with the id key."""
        return f"{self.prefix}client-health/id-key"

    @property
    def crawler(self) -> str:
        """Name of the crawler."""
        return f"{self.prefix}crawler_clients"

    @property
    def job(self) -> str:
        """Name of the job."""
        return f"{self.prefix}job_client_health"

    @property
    def queue(self) -> str:
        """Name of the queue of lost events."""
        return f"{self.own}lost-events"

    @property
    def namespace(self) -> str:
        """Namespace of the metrics."""
        return f"{self.prefix}ClientHealth"

    @property
    def function_log(self) -> str:
        """Name of the function's log group."""
        return f"/aws/lambda/{self.prefix}def_lambda"

    def job_log(self, region: str) -> str:
        """Return the start of the names of the job's two log groups."""
        return f"/aws-glue/python-jobs/{self.own}role/{self.own}job-{region}"

    @property
    def rules(self) -> tuple[str, str]:
        """Names of the rules that call the function."""
        return f"{self.own}schedule", f"{self.own}job-state"

    @property
    def log_groups(self) -> tuple[str, ...]:
        """Starts of the log groups' names."""
        return (
            self.function_log,
            f"/aws-glue/python-jobs/{self.own}",
            f"/aws-glue/crawlers-role/{self.own}",
        )
