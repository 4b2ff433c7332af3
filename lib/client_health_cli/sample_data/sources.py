"""A batch of the register in a source's own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import pyarrow as pa

from client_health_cli.sample_data import cpf
from client_health_cli.sample_data.calendar import Days, Milliseconds, Stamps
from client_health_cli.sample_data.draws import Draws, Mask
from client_health_cli.sample_data.layouts import Layout
from client_health_cli.sample_data.register import Batch
from client_health_cli.sample_data.texts import join, numerals, replace, some

_SEXES = ("X", "Outro", "Indef.", "3")
_STATES = ("XX", "Exterior", "Lisboa", "ZZ")
_NUMBERS = ("s/n", "S/N", "sem numero", "12A", "km 14")
_CPF_SPACE_SHARE = 0.004

Columns: TypeAlias = dict[str, pa.StringArray]


class Source:
    """Writes batches as one source does.

    Parameters
    ----------
    layout
        The source's columns and formats.
    draws
        Where choices come from.
    """

    def __init__(self, layout: Layout, draws: Draws) -> None:
        self._layout = layout
        self._draws = draws
        self._days = Days(layout.day_style)
        separator = layout.stamp_separator
        self._stamps = Milliseconds() if separator is None else Stamps(separator)

    def columns(self, batch: Batch) -> Columns:
        """Give a batch as text, by the source's column names and in its order."""
        layout, defects = self._layout, batch.defects
        texts = {
            **batch.texts,
            "cpf": self._cpf(batch),
            "data_nascimento": self._days.texts(batch.birth),
            "data_cadastro": self._stamps.texts(batch.registered),
            "numero": join(numerals(batch.number), layout.number_end),
        }
        replacements: list[tuple[str, str, Mask, Sequence[str | None]]] = [
            (f"blank {column}", column, mask, layout.absent) for column, mask in batch.blank.items()
        ]
        replacements += [
            (rule, column, defects[rule], values)
            for rule, column, values in (
                ("cpf_ausente", "cpf", layout.absent),
                ("data_nascimento_invalida", "data_nascimento", layout.invalid_days),
                ("data_cadastro_invalida", "data_cadastro", layout.invalid_stamps),
                ("sexo_desconhecido", "sexo", _SEXES),
                ("estado_desconhecido", "estado", _STATES),
                ("numero_invalido", "numero", _NUMBERS),
                ("nome_ausente", "nome_completo", layout.absent),
                ("convenio_ausente", "convenio", layout.absent),
            )
        ]
        for purpose, column, mask, values in replacements:
            choice = self._draws.below(f"value {purpose}", batch.rows[mask], len(values))
            texts[column] = replace(texts[column], mask, [values[position] for position in choice])
        return {theirs: texts[ours] for ours, theirs in layout.columns.items()}

    def _cpf(self, batch: Batch) -> pa.StringArray:
        layout, draws = self._layout, self._draws
        texts = (cpf.punctuated if layout.punctuated_cpf else cpf.plain)(batch.cpf)

        mask = draws.chance("cpf space", batch.rows, _CPF_SPACE_SHARE)
        forms = draws.below("cpf spaces", batch.rows[mask], len(layout.cpf_spaces))
        pairs = zip(forms, some(texts, mask), strict=True)
        texts = replace(texts, mask, [layout.cpf_spaces[form].format(text) for form, text in pairs])

        mask = batch.defects["cpf_formato"]
        kinds = draws.below("cpf kind", batch.rows[mask], cpf.MISSHAPEN_KINDS)
        pairs = zip(kinds, some(cpf.plain(batch.cpf), mask), strict=True)
        spoiled = [cpf.misshapen(digits, int(kind)) for kind, digits in pairs]
        if layout.punctuated_cpf:
            spoiled = [cpf.with_punctuation(text) for text in spoiled]
        return replace(texts, mask, spoiled)
