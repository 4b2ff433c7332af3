"""Checks of the deployment: it works, a second one changes nothing, the table's upkeep follows."""

from __future__ import annotations

from infra.smoke.checks import expect
from infra.smoke.trial import Trial
from infra.stack import Stack
from register_contract import publications

_OPTIMIZERS = ("retention", "orphan_file_deletion")


def deploy(trial: Trial) -> str:
    """Deploy the chain under its own prefix."""
    trial.marker.create()
    trial.chain.deploy()
    resources = stack_of(trial).resources()
    trial.marker.complete(trial.chain.outputs, resources["ReaderPolicy"][1])
    return f"{len(resources)} resources, version {trial.chain.artifacts_version}"


def deploy_again(trial: Trial) -> str:
    """Deploy the same again."""
    changed = _changes_of_a_deployment(trial)
    expect(not changed, f"a second deployment would change {', '.join(changed)}, expected nothing")
    return "no stack has a change"


def deploy_maintenance(trial: Trial) -> str:
    """Deploy a third time: now that the table exists, its maintenance gets its stack."""
    changed = _changes_of_a_deployment(trial)
    wanted = [trial.chain.settings.maintenance_stack]
    expect(changed == wanted, f"the deployment changed {changed}, expected {wanted} alone")
    return f"created {wanted[0]}"


def optimizers(trial: Trial) -> str:
    """Look at the optimizers of the published table."""
    glue, outputs = trial.chain.client("glue"), trial.chain.outputs
    account = str(trial.chain.client("sts").get_caller_identity()["Account"])
    for kind in _OPTIMIZERS:
        found = glue.get_table_optimizer(
            CatalogId=account,
            DatabaseName=outputs["DatabaseName"],
            TableName=publications.TABLE,
            Type=kind,
        )["TableOptimizer"]
        enabled = found["configuration"].get("enabled")
        expect(enabled, f"the optimizer {kind} is not enabled: {found['configuration']}")
    return f"{' and '.join(_OPTIMIZERS)} are enabled; they run once a day, so none has run yet"


def stack_of(trial: Trial) -> Stack:
    """Return the chain's stack."""
    return Stack(trial.chain.client("cloudformation"), trial.chain.settings.stack)


def _changes_of_a_deployment(trial: Trial) -> list[str]:
    """Deploy, and return the names of the stacks that had changes."""
    trial.listener.changed.clear()
    trial.chain.deploy()
    return list(trial.listener.changed)
