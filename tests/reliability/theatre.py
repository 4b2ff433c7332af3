"""Plays scenarios."""

from __future__ import annotations

from pathlib import Path

from misbehaving import Endpoint
from scenarios import HERE, Scenario
from ways import Ended, Place, Way, run

from glue_local.launch import LocalService

_SHORT = {"retries": 5.0, "stop": 3.0, "poll": 0.2}


class Theatre:
    """Plays a scenario in one of the ways."""

    def __init__(self, service: LocalService, endpoint: Endpoint, shared: str, folder: Path):
        self.service, self.endpoint, self.shared, self.folder = service, endpoint, shared, folder

    def play(self, scenario: Scenario, way: Way, *, patience: float = 150.0) -> Ended:
        """Play a scenario."""
        self.place = Place(self.folder, scenario.cell)
        self.endpoint.start(
            *scenario.rules(),
            watch=HERE,
            share=self.shared if scenario.shared else "",
        )
        return self.again(scenario, way, patience=patience)

    def again(self, scenario: Scenario, way: Way, *, patience: float = 150.0) -> Ended:
        """Start what was played once more, without the endpoint forgetting anything."""
        limits = {**_SHORT, **scenario.limits}
        url = "http://127.0.0.1:9" if scenario.unreachable else self.endpoint.url
        return run(
            way,
            self.place,
            {
                **self.endpoint.environment,
                "AWS_ENDPOINT_URL_GLUE": url,
                "glue_endpoint_url": url,
                **{f"GLUE_PAPERMILL_{k.upper()}_SECONDS": str(v) for k, v in limits.items()},
            },
            url,
            does=scenario.does,
            struck=self.endpoint.struck,
            patience=patience,
            since=self.endpoint.misbehaved if scenario.plain.exit_code is None else None,
            removed=self.service.removed_variables,
        )
