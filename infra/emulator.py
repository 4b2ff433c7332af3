"""What the local emulator of AWS does not support in the template."""

from __future__ import annotations

from collections.abc import Mapping

from infra.settings import Settings

UNSUPPORTED = {
    "AWS::Athena::NamedQuery": "the emulator's CloudFormation has no saved queries",
    "AWS::Budgets::Budget": "the emulator has no bills",
    "AWS::Glue::Classifier": "the emulator does not crawl, so it has no classifiers",
    "AWS::Glue::SecurityConfiguration": "the emulator encrypts nothing",
    "AWS::Glue::TableOptimizer": "the emulator optimizes no tables",
    "AWS::LakeFormation::PrincipalPermissions": "the emulator grants nothing by column",
    "AWS::LakeFormation::Resource": "the emulator grants nothing by column",
    "AWS::LakeFormation::Tag": "the emulator grants nothing by column",
    "AWS::LakeFormation::TagAssociation": "the emulator grants nothing by column",
    "AWS::QuickSight::Analysis": "the emulator has no QuickSight",
    "AWS::QuickSight::Dashboard": "the emulator has no QuickSight",
    "AWS::QuickSight::DataSet": "the emulator has no QuickSight",
    "AWS::QuickSight::DataSource": "the emulator has no QuickSight",
}


def emulator_settings(
    environment: Mapping[str, str] | None = None, *, packages: bool = False
) -> Settings:
    """Return the settings of a deployment to the emulator.

    Parameters
    ----------
    environment
        The variables that point clients at it.
    packages
        Whether the job gets its packages from an archive. It does not need to in this environment,
        which has them installed.
    """
    return Settings(
        unsupported=UNSUPPORTED,
        packages=packages,
        poll_seconds=0.1,
        environment=environment or {},
    )
