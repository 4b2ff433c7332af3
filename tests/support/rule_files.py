"""A rules file with one of everything, and what reads it."""

from __future__ import annotations

import yaml

from register_contract import rule_file
from register_contract.rule_set import RuleSet

EXAMPLE = """\
limits:
  rejected_share: 0.6

criticality:
  sexo_desconhecido: error

rules:
  - name: nome_curto
    column: nome_completo
    expression: LENGTH(nome_completo) >= 4
    criticality: warn
    meaning: the name has fewer than 4 letters
    significado: o nome tem menos de 4 letras
  - name: cadastro_antes_de_2000
    column: data_cadastro
    expression: data_cadastro >= TIMESTAMP '2000-01-01 00:00:00'
    criticality: error
    meaning: registered before the year 2000
    significado: cadastro anterior ao ano 2000
  - name: menor_de_idade
    column: data_nascimento
    expression: >-
      data_nascimento <= as_of - INTERVAL '18 years'
      OR convenio = 'Kids'
    criticality: gate
    share: 0.25
    meaning: under age in a plan for adults
    significado: menor de idade em convênio para adultos
"""


def read(text: str) -> RuleSet:
    """Return the rules of a file's text."""
    return rule_file.read(text.encode(), "rules.yaml", yaml)


def one(**changes: str) -> str:
    """Return a file with one rule, on lines 2 to 7; an empty text leaves an entry out."""
    entries = {
        "name": "nome_curto",
        "column": "nome_completo",
        "expression": "LENGTH(nome_completo) >= 4",
        "criticality": "warn",
        "meaning": "short",
        "significado": "curto",
        **changes,
    }
    lines = [f"{name}: {text}" for name, text in entries.items() if text]
    return "rules:\n  - " + "\n    ".join(lines) + "\n"
