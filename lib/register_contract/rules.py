"""The rules for rows and runs, each declared once.

``client_health`` binds their conditions by name. Errors, reference, data dictionary, fingerprint,
and sample data are generated from these declarations.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Criticality(enum.Enum):
    """Effect of a broken rule: reject the row, count it, or stop the run."""

    ERROR = "error"
    WARN = "warn"
    GATE = "gate"


_DEFECT = "This is a defect of the library, not the data: go back to the last version that worked."


class Gate(str, enum.Enum):
    """The gates. An error can name only these.

    Parameters
    ----------
    meaning, significado : str
        When the gate stops a run, in English and in Portuguese.
    next_step : str
        What to do then.
    column : str
        The column that it checks; empty for a whole delivery.
    """

    meaning: str
    significado: str
    next_step: str
    column: str

    def __new__(
        cls,
        name: str,
        meaning: str = "",
        significado: str = "",
        next_step: str = "",
        column: str = "",
    ) -> Gate:
        """Create a member that equals its name and has its facts as attributes."""
        gate = str.__new__(cls, name)
        gate._value_ = name
        gate.meaning, gate.significado = meaning, significado
        gate.next_step, gate.column = next_step, column
        return gate

    COLUNAS_DE_ENTRADA = (
        "colunas_de_entrada",
        "a source's column is missing or present twice",
        "uma coluna da fonte falta ou aparece duas vezes",
        "Have the source delivered with the columns that docs/reference.md lists for it, each "
        "once. Columns are never guessed from their position.",
    )
    CODIFICACAO_DE_ENTRADA = (
        "codificacao_de_entrada",
        "a source is not written in UTF-8",
        "uma fonte não está em UTF-8",
        "Have the source delivered in UTF-8: in any other encoding, names would have wrong "
        "letters.",
    )
    ESQUEMA_DIFERENTE = (
        "esquema_diferente",
        "the output's columns differ from the contract",
        "as colunas de saída diferem do contrato",
        "The notebook and the contract disagree: go back to the last version that worked, or fix "
        "the one that changed.",
    )
    SAIDA_VAZIA = (
        "saida_vazia",
        "no row to publish",
        "nenhuma linha para publicar",
        "Every row was rejected: see the reasons in the receipt of 02_transform, and have the "
        "sources fixed.",
    )
    FONTE_VAZIA = (
        "fonte_vazia",
        "a source without a row",
        "uma fonte sem linhas",
        "Have the source delivered again, with its rows: if it were published empty, all its "
        "people would disappear from the table.",
    )
    NULO_OBRIGATORIO = (
        "nulo_obrigatorio",
        "a null in a required column",
        "um nulo em uma coluna obrigatória",
        _DEFECT,
    )
    CPF_FORA_DO_FORMATO = (
        "cpf_fora_do_formato",
        "a CPF to publish that is not 11 digits",
        "um CPF que seria publicado não tem 11 dígitos",
        _DEFECT,
        "cpf",
    )
    CPF_DUPLICADO = (
        "cpf_duplicado",
        "a CPF occurs twice after duplicates were removed",
        "um CPF se repete depois da remoção de duplicatas",
        _DEFECT,
        "cpf",
    )
    CONTAGEM_DIVERGENTE = (
        "contagem_divergente",
        "the rows of a source do not add up",
        "as linhas de uma fonte não fecham a conta",
        "Run again with --force, which repeats every stage; if that doesn't help, go back to the "
        "last version that worked.",
    )
    REJEITADOS_DEMAIS = (
        "rejeitados_demais",
        "more rows rejected than the limit allows",
        "mais linhas rejeitadas do que o limite permite",
        "See which rule rejects in the receipt of 02_transform, and the rows with `client-health "
        "rejected --run RUN`; have that source fixed and delivered again.",
    )
    VOLUME_DIFERENTE = (
        "volume_diferente",
        "the number of rows differs too much from the last publication's",
        "o número de linhas está longe do da última publicação",
        "If this number of rows is right, run again with --accept-volume-change; on AWS, start the"
        " job by hand with --ACCEPT_VOLUME_CHANGE true (docs/operations.md). If not, have the"
        " complete files delivered again.",
    )
    REMESSA_ANTIGA = (
        "remessa_antiga",
        "a later day's delivery is already published",
        "a remessa de um dia posterior já está publicada",
        "To replace the newer register with the older one, run again with --accept-older; on AWS,"
        " start the job by hand with --ACCEPT_OLDER true (docs/operations.md).",
    )
    DISTRIBUICAO_DIFERENTE = (
        "distribuicao_diferente",
        "a category's share of the rows is far from its usual one",
        "a proporção de uma categoria está longe do habitual",
        "If the change is right, run again with --accept-drift; on AWS, start the job by hand with"
        " --ACCEPT_DRIFT true (docs/operations.md). If not, have the source fixed and delivered"
        " again.",
    )
    NULOS_EM_ALTA = (
        "nulos_em_alta",
        "a column has many more missing values than usual",
        "uma coluna tem muito mais valores ausentes do que o habitual",
        "See which source lost the column's values; have it fixed and delivered again. If the "
        "values are really missing, run again with --accept-drift; on AWS, start the job by hand"
        " with --ACCEPT_DRIFT true (docs/operations.md).",
    )
    AUDITORIA_DIVERGENTE = (
        "auditoria_divergente",
        "the audit branch differs from what was written",
        "o branch de auditoria difere do que foi gravado",
        "Run the same command again: it rewrites the branch. If that doesn't help, go back to the "
        "last version that worked.",
    )
    REGRA_PROPRIA = (
        "regra_propria",
        "a rule of the rules file is broken by more rows than its share allows",
        "uma regra do arquivo de regras é violada por mais linhas do que sua cota permite",
        "See how many rows break the rule in the receipt of 02_transform; have the source fixed and"
        " delivered again, or change the rule's share in the rules file.",
    )

    __str__ = str.__str__


@dataclass(frozen=True)
class Rule:
    """One rule.

    Parameters
    ----------
    name : str
        Also the name of its condition in ``client_health.clean.rules``, and of its count.
    criticality : Criticality
        What it does.
    meaning, significado : str
        When it is broken, in English and in Portuguese.
    column : str
        The column that it checks; empty for a whole line or delivery.
    of_run : bool
        Whether a warning is about the whole run, compared with earlier ones, instead of a row.
    """

    name: str
    criticality: Criticality
    meaning: str
    significado: str
    column: str = ""
    of_run: bool = False


RULES: tuple[Rule, ...] = (
    Rule(
        "linha_malformada",
        Criticality.ERROR,
        "the line could not be split into its columns",
        "a linha não pôde ser dividida em colunas",
    ),
    Rule("cpf_ausente", Criticality.ERROR, "no CPF", "sem CPF", "cpf"),
    Rule(
        "cpf_formato",
        Criticality.ERROR,
        "not exactly 11 ASCII digits without . and -",
        "o CPF não tem exatamente 11 dígitos ASCII depois de retirados . e -",
        "cpf",
    ),
    Rule(
        "cpf_digito_verificador",
        Criticality.WARN,
        "the CPF's check digits do not agree",
        "os dígitos verificadores do CPF não conferem",
        "cpf",
    ),
    Rule(
        "data_nascimento_invalida",
        Criticality.WARN,
        "date of birth given but unreadable",
        "data de nascimento informada, mas ilegível",
        "data_nascimento",
    ),
    Rule(
        "data_nascimento_futura",
        Criticality.WARN,
        "date of birth after the delivery's day",
        "data de nascimento depois do dia da remessa",
        "data_nascimento",
    ),
    Rule(
        "data_cadastro_invalida",
        Criticality.WARN,
        "time of registration given but unreadable",
        "data de cadastro informada, mas ilegível",
        "data_cadastro",
    ),
    Rule(
        "data_cadastro_futura",
        Criticality.WARN,
        "time of registration after the delivery's day",
        "data de cadastro depois do dia da remessa",
        "data_cadastro",
    ),
    Rule(
        "sexo_desconhecido",
        Criticality.WARN,
        "sexo given but neither F nor M",
        "sexo informado, mas nem F nem M",
        "sexo",
    ),
    Rule(
        "estado_desconhecido",
        Criticality.WARN,
        "estado given but not a Brazilian state",
        "estado informado, mas que não é do Brasil",
        "estado",
    ),
    Rule(
        "numero_invalido",
        Criticality.WARN,
        "house number given but not a whole number",
        "número da casa informado, mas que não é um inteiro",
        "numero",
    ),
    Rule("nome_ausente", Criticality.WARN, "no name", "sem nome", "nome_completo"),
    Rule("convenio_ausente", Criticality.WARN, "no health plan", "sem convênio", "convenio"),
    Rule(
        "convenios_diferentes",
        Criticality.WARN,
        "a health plan appeared, or has no client any more",
        "um convênio apareceu, ou não tem mais clientes",
        "convenio",
        of_run=True,
    ),
    Rule(
        "cadastros_incomuns",
        Criticality.WARN,
        "far more or fewer registrations than usual on the day before the delivery",
        "muito mais ou menos cadastros do que o habitual na véspera da remessa",
        "data_cadastro",
        of_run=True,
    ),
    *(Rule(gate, Criticality.GATE, gate.meaning, gate.significado, gate.column) for gate in Gate),
)


def rules(criticality: Criticality) -> tuple[Rule, ...]:
    """Return the rules of one criticality, in their order; without warnings about whole runs."""
    return tuple(rule for rule in RULES if rule.criticality is criticality and not rule.of_run)
