"""The rules that rows and runs must keep, by name; ``client_health`` has their conditions."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Criticality(enum.Enum):
    """What a rule does: reject the row, count it, or stop the run."""

    ERROR = "error"
    WARN = "warn"
    GATE = "gate"


class Gate(str, enum.Enum):
    """The gates by name: what an error can name, and nothing else."""

    COLUNAS_DE_ENTRADA = "colunas_de_entrada"
    CODIFICACAO_DE_ENTRADA = "codificacao_de_entrada"
    ESQUEMA_DIFERENTE = "esquema_diferente"
    SAIDA_VAZIA = "saida_vazia"
    FONTE_VAZIA = "fonte_vazia"
    NULO_OBRIGATORIO = "nulo_obrigatorio"
    CPF_FORA_DO_FORMATO = "cpf_fora_do_formato"
    CPF_DUPLICADO = "cpf_duplicado"
    CONTAGEM_DIVERGENTE = "contagem_divergente"
    REJEITADOS_DEMAIS = "rejeitados_demais"
    VOLUME_DIFERENTE = "volume_diferente"
    REMESSA_ANTIGA = "remessa_antiga"
    AUDITORIA_DIVERGENTE = "auditoria_divergente"

    __str__ = str.__str__


@dataclass(frozen=True)
class Rule:
    """One rule, with its meaning in a line."""

    name: str
    criticality: Criticality
    meaning: str


RULES: tuple[Rule, ...] = (
    Rule("linha_malformada", Criticality.ERROR, "the line could not be split into its columns"),
    Rule("cpf_ausente", Criticality.ERROR, "no CPF"),
    Rule("cpf_formato", Criticality.ERROR, "not exactly 11 ASCII digits without . and -"),
    Rule("cpf_digito_verificador", Criticality.WARN, "the CPF's check digits do not agree"),
    Rule("data_nascimento_invalida", Criticality.WARN, "date of birth given but unreadable"),
    Rule("data_nascimento_futura", Criticality.WARN, "date of birth after the delivery's day"),
    Rule("data_cadastro_invalida", Criticality.WARN, "time of registration given but unreadable"),
    Rule("data_cadastro_futura", Criticality.WARN, "time of registration after the delivery's day"),
    Rule("sexo_desconhecido", Criticality.WARN, "sexo given but neither F nor M"),
    Rule("estado_desconhecido", Criticality.WARN, "estado given but no Brazilian state"),
    Rule("numero_invalido", Criticality.WARN, "house number given but no whole number"),
    Rule("nome_ausente", Criticality.WARN, "no name"),
    Rule("convenio_ausente", Criticality.WARN, "no health plan"),
    Rule(Gate.COLUNAS_DE_ENTRADA, Criticality.GATE, "a source's column is missing or there twice"),
    Rule(Gate.CODIFICACAO_DE_ENTRADA, Criticality.GATE, "a source is not written in UTF-8"),
    Rule(Gate.ESQUEMA_DIFERENTE, Criticality.GATE, "the output's columns differ from the contract"),
    Rule(Gate.SAIDA_VAZIA, Criticality.GATE, "not one row to publish"),
    Rule(Gate.FONTE_VAZIA, Criticality.GATE, "a source without a row"),
    Rule(Gate.NULO_OBRIGATORIO, Criticality.GATE, "a null in a required column"),
    Rule(Gate.CPF_FORA_DO_FORMATO, Criticality.GATE, "a CPF to publish that is not 11 digits"),
    Rule(Gate.CPF_DUPLICADO, Criticality.GATE, "a CPF twice after duplicates were removed"),
    Rule(Gate.CONTAGEM_DIVERGENTE, Criticality.GATE, "the rows of a source do not add up"),
    Rule(Gate.REJEITADOS_DEMAIS, Criticality.GATE, "more rows rejected than the limit allows"),
    Rule(Gate.VOLUME_DIFERENTE, Criticality.GATE, "far from the number of rows last published"),
    Rule(Gate.REMESSA_ANTIGA, Criticality.GATE, "a later day's delivery is published already"),
    Rule(Gate.AUDITORIA_DIVERGENTE, Criticality.GATE, "the audit branch is not what was written"),
)


def rules(criticality: Criticality) -> tuple[Rule, ...]:
    """Return the rules of one criticality, in their order."""
    return tuple(rule for rule in RULES if rule.criticality is criticality)
