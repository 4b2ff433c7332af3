"""Every statement names actions that AWS has, and resources that fit these actions.

IAM accepts a policy that names an action with a resource of another type, but it grants nothing.
"""

from __future__ import annotations

from collections import defaultdict

import pytest
from tests.support.deployed import DEPLOY_ROLE, MAINTENANCE, QUICKSIGHT, Deployed
from tests.support.policy import Grant, Permissions
from tests.support.reference import fits, is_known, knows_resources

GIVEN = {
    "LakeBucket": "lake",
    "KeyArn": "arn:aws:kms:sa-east-1:123456789012:key/0",
    "QuickSightPrincipalArn": "arn:aws:quicksight:us-east-1:123456789012:group/default/readers",
}
OF_CI = {"ProviderArn": "arn:aws:iam::123456789012:oidc-provider/issuer", "Subject": "repo:a/b"}
DEPLOYED = (
    Deployed(parameters={"ConnectionName": "network"}),
    *(Deployed(path, parameters=GIVEN) for path in (MAINTENANCE, QUICKSIGHT)),
    Deployed(DEPLOY_ROLE, parameters=OF_CI),
    Deployed(DEPLOY_ROLE, parameters={**OF_CI, "BoundaryArn": "arn:aws:iam::1:policy/b"}),
)


def statements() -> list:
    """Return the grants of each statement of each role and managed policy."""
    found: dict[tuple[str, str], list[Grant]] = defaultdict(list)
    roles = [
        (one, name)
        for one in DEPLOYED
        for kind in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy")
        for name, found in one.of_type(kind)
        if "Policies" in found or "PolicyDocument" in found
    ]
    for one, name in roles:
        for grant in Permissions(one).grants(name):
            found[name, grant.sid].append(grant)
    return [pytest.param(grants, id=f"{name} {sid}") for (name, sid), grants in found.items()]


@pytest.mark.parametrize("grants", statements())
def test_aws_has_the_actions_and_they_know_the_resources(grants: list[Grant]):
    actions = {grant.action for grant in grants}
    resources = {grant.resource for grant in grants}
    assert [action for action in actions if not is_known(action)] == []
    if resources == {"*"}:
        assert [action for action in actions if knows_resources(action)] == []
        return
    lost = [a for a in actions if not any(fits(a, resource) for resource in resources)]
    idle = [r for r in resources if not any(fits(action, r) for action in actions)]
    assert (lost, idle) == ([], [])


def test_the_reference_tells_resources_apart():
    session = "arn:aws:glue:sa-east-1:123456789012:session/client-health-*"
    assert fits("glue:StopSession", session)
    assert not fits("glue:GetTable", session)
    assert not knows_resources("glue:ListSessions")
    assert not is_known("glue:StopSessions")
