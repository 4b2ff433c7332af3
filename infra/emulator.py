"""What the local emulator of AWS can't make of the template."""

from __future__ import annotations

from infra.settings import Settings

UNSUPPORTED = {
    "AWS::Athena::NamedQuery": "the emulator's CloudFormation knows no saved queries",
    "AWS::Glue::Classifier": "the emulator does not crawl, so it knows no classifiers",
    "AWS::Glue::SecurityConfiguration": "the emulator encrypts nothing",
    "AWS::QuickSight::Analysis": "the emulator has no QuickSight",
    "AWS::QuickSight::Dashboard": "the emulator has no QuickSight",
    "AWS::QuickSight::DataSet": "the emulator has no QuickSight",
    "AWS::QuickSight::DataSource": "the emulator has no QuickSight",
}


def emulator_settings() -> Settings:
    """Give the settings of a deployment to the emulator.

    The job runs in this environment, where its packages are installed.
    """
    return Settings(unsupported=UNSUPPORTED, packages=False, poll_seconds=0.1)
