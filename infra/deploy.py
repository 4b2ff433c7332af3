"""The deploy command, behind `make deploy` and `make undeploy`: only reads options.

Run it from the repository as ``python -m infra.deploy``.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any, cast

import boto3
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from infra import deployment, promotion
from infra import drift as drifts
from infra.errors import DeployError
from infra.settings import Settings, read_parameters
from infra.tags import read_tags
from infra.terminal import TerminalListener

app = typer.Typer(
    help="Create, change, and remove the AWS chain.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

StackName = Annotated[
    str,
    typer.Option("--stack", help="Name of the stack (default: <prefix>client-health)."),
]
Prefix = Annotated[
    str, typer.Option(metavar="NAME-", help="Start of all names: one environment of several.")
]
Region = Annotated[str, typer.Option(help="The region (default: that of the credentials).")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing.")]
Force = Annotated[
    str, typer.Option(metavar="NAMES", help="Logical names of what may be lost, with commas.")
]
Parameter = Annotated[
    list[str], typer.Option("--parameter", metavar="NAME=VALUE", help="Parameter of the template.")
]

Tag = Annotated[
    list[str],
    typer.Option("--tag", metavar="NAME=VALUE", help="Tag of everything, sessions included."),
]


@app.command()
def deploy(
    *,
    stack: StackName = "",
    prefix: Prefix = "",
    region: Region = "",
    yes: Yes = False,
    force: Force = "",
    parameter: Parameter = [],  # noqa: B006 - typer's way, never changed
    tag: Tag = [],  # noqa: B006
) -> None:
    """Create or update the chain: build, upload, show the changes, ask, change, wait.

    Exit codes: 0 done, or nothing to change; 1 stopped by you, or a build failed; 2 usage;
    3 refused because data would be lost; 4 CloudFormation or AWS failed.
    """
    listener = TerminalListener(Console(), yes=yes)
    settings = Settings(
        stack=stack,
        prefix=prefix,
        parameters=read_parameters(parameter),
        tags=read_tags(tag),
        allowed=_names(force),
    )
    outputs = deployment.deploy(_clients(region), settings, listener)
    for name, value in sorted(outputs.items()):
        listener.note(f"{name}: {value}")


@app.command()
def promote(
    *,
    source: Annotated[
        str, typer.Option("--from", metavar="NAME-", help="Prefix of the other environment.")
    ] = "",
    prefix: Prefix = "",
    version: Annotated[str, typer.Option(help="The version that is expected there.")] = "",
    region: Region = "",
    yes: Yes = False,
    force: Force = "",
) -> None:
    """Deploy exactly what another environment has: the same bytes by digest, nothing built.

    Exit codes: as for deploy; 3 also if files, version, or template are not those deployed there.
    """
    listener = TerminalListener(Console(), yes=yes)
    target = Settings(prefix=prefix, allowed=_names(force))
    made = promotion.promote(_clients(region), Settings(prefix=source), target, listener, version)
    for name, value in sorted(made.items()):
        listener.note(f"{name}: {value}")


@app.command()
def drift(*, stack: StackName = "", prefix: Prefix = "", region: Region = "") -> None:
    """Show what was changed past CloudFormation: resources, properties, and what isn't checked.

    Exit codes: 0 as deployed; 2 usage; 3 something differs; 4 CloudFormation or AWS failed.
    """
    listener = TerminalListener(Console(), yes=False)
    settings = Settings(stack=stack, prefix=prefix)
    differs = False
    for found in drifts.detect(_clients(region), settings):
        listener.drifted(found)
        differs = differs or bool(found.differences)
    if differs:
        listener.note("'make deploy' alone doesn't undo this: change it back, or in the template")
        raise typer.Exit(3)


@app.command()
def undeploy(
    *,
    stack: StackName = "",
    prefix: Prefix = "",
    region: Region = "",
    yes: Yes = False,
    force: Force = "",
) -> None:
    """Delete the chain; buckets with data, keys, and tables are kept and named.

    Exit codes: as for deploy.
    """
    listener = TerminalListener(Console(), yes=yes)
    settings = Settings(stack=stack, prefix=prefix, allowed=_names(force))
    deployment.undeploy(_clients(region), settings, listener)


def _clients(region: str) -> deployment.Clients:
    session: Any = boto3.Session(region_name=region or None)
    return cast("deployment.Clients", session.client)


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def main() -> None:
    """Run the command and end the process."""
    try:
        app(prog_name="deploy")
    except DeployError as error:
        typer.echo(f"deploy: {error}", err=True)
        sys.exit(error.exit_code)
    except deployment.Stopped:
        typer.echo("deploy: stopped, nothing was changed", err=True)
        sys.exit(1)
    except (BotoCoreError, ClientError) as error:
        typer.echo(
            f"deploy: AWS refuses or can't be reached: {error}\n"
            "Check the credentials (AWS_PROFILE), the region, and the network.",
            err=True,
        )
        sys.exit(4)


if __name__ == "__main__":
    main()
