"""Runs scenarios."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.misbehaving import Endpoint
from tests.support.scenarios import HERE, Scenario
from tests.support.seams import Scene
from tests.support.ways import LONGEST, Ended, Place, Way, run

from glue_local.launch import LocalService
from strict_glue.settings import Limits

_SHORT = {"retries": 5.0, "stop": 3.0, "poll": 0.2}
_PORT_LOST = "zmq.error.ZMQError: Address already in use"


class Theatre:
    """Runs a scenario through a whole program, or at a lower level."""

    def __init__(self, service: LocalService, endpoint: Endpoint, shared: str, folder: Path):
        self.service, self.endpoint, self.shared, self.folder = service, endpoint, shared, folder
        #: Further variables of whole programs.
        self.variables: dict[str, str] = {}

    def play(self, scenario: Scenario, way: Way, *, patience: float = LONGEST) -> Ended:
        """Run a scenario through a whole program."""
        ended = self._once(scenario, way, patience)
        # A program that finds its kernel's ports itself may lose one to another program before it
        # binds it. In that case, the scenario hasn't run yet.
        if _PORT_LOST in ended.said and not self.endpoint.struck.is_set():
            ended = self._once(scenario, way, patience)
        return ended

    def _once(self, scenario: Scenario, way: Way, patience: float) -> Ended:
        self._set_up(scenario)
        return self.again(scenario, way, patience=patience)

    def again(self, scenario: Scenario, way: Way, *, patience: float = LONGEST) -> Ended:
        """Run the same again, without resetting the endpoint."""
        return run(
            way,
            self.place,
            {
                **self._variables(scenario),
                **self._limits(scenario).environment(),
                **self.variables,
            },
            self._url(scenario),
            does=scenario.does,
            struck=self.endpoint.struck,
            patience=patience,
            since=self.endpoint.misbehaved if scenario.plain.exit_code is None else None,
            removed=self.service.removed_variables,
        )

    def at_the_seam(
        self, scenario: Scenario, seam: Callable[[Scene], Ended], *, patience: float = LONGEST
    ) -> Ended:
        """Run a scenario at a lower level."""
        self._set_up(scenario)
        return seam(
            Scene(
                place=self.place,
                variables=self._variables(scenario),
                removed=self.service.removed_variables,
                limits=self._limits(scenario),
                misbehaved=self.endpoint.misbehaved,
                patience=patience,
                succeeds=scenario.exit_code == 0,
            )
        )

    def _set_up(self, scenario: Scenario) -> None:
        self.place = Place(self.folder, scenario.cell)
        self.endpoint.start(
            *scenario.rules(),
            watch=HERE,
            share=self.shared if scenario.shared else "",
        )

    def _url(self, scenario: Scenario) -> str:
        return "http://127.0.0.1:9" if scenario.unreachable else self.endpoint.url

    def _variables(self, scenario: Scenario) -> Mapping[str, str]:
        url = self._url(scenario)
        given = self.endpoint.environment
        return {**given, "AWS_ENDPOINT_URL_GLUE": url, "glue_endpoint_url": url}

    @staticmethod
    def _limits(scenario: Scenario) -> Limits:
        return Limits(**{**_SHORT, **scenario.limits})
