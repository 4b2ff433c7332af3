"""`client-health sample-data`: write a synthetic delivery."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from client_health_cli.errors import SettingsError
from client_health_cli.terminal import progress_bar, size_text
from register_contract.sources import SOURCES


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("sample-data")(sample_data)


def sample_data(  # noqa: PLR0917 - one for each option
    out: Annotated[Path, typer.Option(help="Folder for the three files; created if needed.")],
    rows: Annotated[int, typer.Option(min=1, help="Rows of each file.")] = 30_000,
    seed: Annotated[int, typer.Option(help="The same seed writes the same bytes.")] = 7,
    duplicates: Annotated[
        float,
        typer.Option(
            min=0, max=0.9, help="Share of rows that repeat a CPF, within and across files."
        ),
    ] = 0.05,
    defects: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE=SHARE",
            help="Share of rows that break a rule; repeatable, or with commas between pairs. "
            "all=0 writes a clean delivery.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files of the same names in the folder.")
    ] = False,
) -> None:
    """Write a synthetic delivery: three files with faults in them.

    They have the columns, formats, and oddities of a day's register; the people are invented.
    Files get their names only when all three are complete. They have the names of a real
    delivery's, so a folder that has one of them already is refused.

    Rules: cpf_ausente, cpf_formato, linha_malformada (these reject a row),
    cpf_digito_verificador, data_nascimento_invalida, data_nascimento_futura,
    data_cadastro_invalida, data_cadastro_futura, sexo_desconhecido, estado_desconhecido,
    numero_invalido, nome_ausente, convenio_ausente.

    Example: client-health sample-data --out data/raw --defects cpf_formato=0.02

    Exit codes: 0 written; 2 an argument can't be used.
    """
    from client_health_cli.sample_data import (  # noqa: PLC0415
        SampleSettings,
        defects_from_text,
        write,
    )

    there = [source.file for source in SOURCES if (out / source.file).exists()]
    if there and not force:
        raise SettingsError(
            f"{out} has {', '.join(there)} already: name another folder, or give --force if they "
            "can be replaced"
        )
    settings = SampleSettings(duplicates=duplicates, defects=defects_from_text(defects or ()))
    with progress_bar("Writing sample data", rows * 3) as advance:
        files = write(out, rows, seed, settings, advance)
    listed = ", ".join(f"{file.path.name} ({size_text(file.size)})" for file in files)
    typer.echo(f"{out}: {listed}; {rows:,} rows each")
