"""The data dictionary: the contract as a page for readers, in Portuguese."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from client_health import contract
from client_health_cli.dashboard import html

COLUMNS: Final = {
    "id": "UUID versão 8, o mesmo para uma pessoa em cada carga",
    "cpf": "número do CPF",
    "nome_completo": "nome completo, sem título e sem acentos",
    "convenio": "convênio de saúde; coluna de partição",
    "data_nascimento": "data de nascimento",
    "sexo": "F, M ou N/A",
    "logradouro": "rua",
    "numero": "número da casa",
    "bairro": "bairro",
    "cidade": "cidade, com iniciais maiúsculas",
    "estado": "sigla da UF",
    "data_cadastro": "momento do cadastro, em UTC",
}
"""Meaning of each column in the readers' language."""

RULES: Final = {
    "linha_malformada": "a linha não pôde ser dividida em colunas",
    "cpf_ausente": "sem CPF",
    "cpf_formato": "o CPF não tem exatamente 11 dígitos depois de tirados . e -",
    "cpf_digito_verificador": "os dígitos verificadores do CPF não conferem",
    "data_nascimento_invalida": "data de nascimento informada, mas ilegível",
    "data_nascimento_futura": "data de nascimento depois do dia dos arquivos",
    "data_cadastro_invalida": "momento do cadastro informado, mas ilegível",
    "data_cadastro_futura": "momento do cadastro depois do dia dos arquivos",
    "sexo_desconhecido": "sexo informado, mas nem F nem M",
    "estado_desconhecido": "estado informado, mas que não é do Brasil",
    "numero_invalido": "número da casa informado, mas que não é inteiro",
    "nome_ausente": "sem nome",
    "convenio_ausente": "sem convênio",
    "colunas_de_entrada": "uma coluna da fonte falta ou aparece duas vezes",
    "codificacao_de_entrada": "uma fonte não está em UTF-8",
    "esquema_diferente": "as colunas de saída diferem do contrato",
    "saida_vazia": "nenhuma linha para publicar",
    "fonte_vazia": "uma fonte sem linhas",
    "nulo_obrigatorio": "um nulo em coluna obrigatória",
    "cpf_fora_do_formato": "um CPF a publicar que não tem 11 dígitos",
    "cpf_duplicado": "um CPF repetido depois de tiradas as duplicatas",
    "contagem_divergente": "as linhas de uma fonte não fecham a conta",
    "rejeitados_demais": "mais linhas rejeitadas do que o limite permite",
    "volume_diferente": "longe do número de linhas da última publicação",
    "remessa_antiga": "já está publicada a remessa de um dia posterior",
    "auditoria_divergente": "o ramo de auditoria não é o que foi escrito",
}
"""Meaning of each rule in the readers' language."""

EFFECTS: Final = {
    contract.Criticality.ERROR: "a linha é rejeitada",
    contract.Criticality.WARN: "a linha é publicada e contada",
    contract.Criticality.GATE: "nada é publicado",
}
"""What a rule does, by its criticality."""


@dataclass(frozen=True)
class Entry:
    """One column as the page shows it.

    Attributes
    ----------
    name, type, meaning
        Of the column.
    sources
        What each source calls it, and how it writes it.
    default
        What a null becomes.
    mask
        What readers see instead of the value; empty where they see the value.
    personal
        Whether it says something about a person.
    rules
        Names of the rules about it.
    """

    name: str
    type: str
    meaning: str
    sources: tuple[tuple[str, str, str], ...]
    default: str
    mask: str
    personal: bool
    rules: tuple[str, ...]


def entries() -> tuple[Entry, ...]:
    """Describe the columns in their published order."""
    return tuple(
        Entry(
            name=column.name,
            type=column.type,
            meaning=COLUMNS.get(column.name, column.meaning),
            sources=_sources(column),
            default="" if column.default is None else str(column.default),
            mask=contract.MASK if column.masked else "",
            personal=column.personal,
            rules=tuple(rule.name for rule in contract.RULES if _is_about(rule.name, column.name)),
        )
        for column in contract.COLUMNS
    )


def write() -> str:
    """Write the page."""
    return html.render(
        "dictionary.html",
        policy=html.policy(),
        css=html.style(),
        table=contract.TABLE,
        columns=entries(),
        rules=[
            (rule.name, EFFECTS[rule.criticality], RULES.get(rule.name, rule.meaning))
            for rule in contract.RULES
        ],
        sources=contract.SOURCES,
        limits=contract.LIMITS,
        fingerprint=contract.rules_fingerprint(),
    )


def _sources(column: contract.Column) -> tuple[tuple[str, str, str], ...]:
    if column not in contract.REGISTER_COLUMNS:
        return ()
    formats = {"date": "date", "timestamp_ntz": "timestamp"}
    return tuple(
        (
            source.name,
            source.column(column.name),
            getattr(source, formats[column.type]).value if column.type in formats else "",
        )
        for source in contract.SOURCES
    )


def _is_about(rule: str, column: str) -> bool:
    """Say whether a rule's name begins with the column's, or with its first word for the name."""
    return rule.startswith((f"{column}_", f"{column.removesuffix('_completo')}_"))
