"""Alerts about runs and deliveries, as texts and as what chat services take.

The job, the command, and the Lambda function send them. An alert has names, counts, and texts of
this project's own errors only: never a row, and never what another program's error quotes.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Any

#: Replaces what looks like a CPF, whatever it is.
HIDDEN = "***"
# A last safeguard; no text of this project has one. Longer numbers are snapshots or accounts.
_CPF = re.compile(r"(?<!\w)\d{3}[.\s]?\d{3}[.\s]?\d{3}[-.\s]?\d{2}(?!\w)")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
# Slack refuses longer texts: 150 characters in a header, 3,000 in a section, 2,000 in a field.
_TITLE, _TEXT, _FACT = 140, 1500, 300
_ESCAPED = 1900
# SNS takes ASCII, "less than 100 characters".
_SUBJECT = 99
_TEAMS_COLORS = {"red": "attention", "orange": "warning"}


class Kind(str, enum.Enum):
    """What happened, with the color that chat services show."""

    color: str

    def __new__(cls, name: str, color: str = "") -> Kind:
        """Create a member that equals its name and has its color."""
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.color = color
        return kind

    FAILED = ("failed", "red")
    GATE = ("gate", "red")
    INTERRUPTED = ("interrupted", "orange")
    WARNED = ("warned", "orange")
    LATE = ("late", "orange")


class Shape(str, enum.Enum):
    """What a webhook takes: messages with blocks, or Adaptive Cards."""

    SLACK = "slack"
    TEAMS = "teams"


@dataclass(frozen=True)
class Alert:
    """What people are told.

    Parameters
    ----------
    kind : Kind
    title : str
        What happened, in one line.
    cause, next_step : str
        Why, and what to do.
    facts : tuple of (str, str)
        Names with their values, such as the run's; empty values are left out.
    link : str
        Where the executed notebook is: a page's address, a URI, or a path.
    """

    kind: Kind
    title: str
    cause: str
    next_step: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    link: str = ""

    @property
    def subject(self) -> str:
        """The title as a subject of SNS."""
        text = _plain(self.title, _SUBJECT).encode("ascii", "replace").decode()
        return f"client-health: {text}"[:_SUBJECT]

    def text(self) -> str:
        """Return the alert as lines of text."""
        lines = [_plain(self.title, _TITLE), "", _plain(self.cause, _TEXT), ""]
        lines += [f"{name}: {value}" for name, value in self._facts()]
        if self.link:
            lines.append(f"Executed notebook: {_plain(self.link, _TEXT)}")
        if self.next_step:
            lines.append(f"Next: {_plain(self.next_step, _TEXT)}")
        return "\n".join(lines)

    def payload(self, shape: Shape) -> dict[str, Any]:
        """Return the alert as the JSON object that a webhook takes."""
        return self._card() if shape is Shape.TEAMS else self._message()

    def _facts(self) -> list[tuple[str, str]]:
        return [(name, _plain(value, _FACT)) for name, value in self.facts if value]

    def _message(self) -> dict[str, Any]:
        """Return a message of Slack: ``text`` is what notifications show."""
        title, cause = _plain(self.title, _TITLE), _escaped(_plain(self.cause, _TEXT))
        blocks: list[dict[str, Any]] = [
            {"type": "header", "text": {"type": "plain_text", "text": title}},
            _section(cause),
        ]
        fields = [
            {"type": "mrkdwn", "text": f"*{name}*\n{_escaped(value)}"}
            for name, value in self._facts()
        ]
        # A section has at most ten fields.
        blocks += [
            {"type": "section", "fields": fields[start : start + 10]}
            for start in range(0, len(fields), 10)
        ]
        if self.next_step:
            blocks.append(_section(f"*Next*\n{_escaped(_plain(self.next_step, _TEXT))}"))
        if self.link:
            place = _escaped(_plain(self.link, _TEXT))
            shown = f"<{place}|Executed notebook>" if _is_page(self.link) else f"`{place}`"
            blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": shown}]})
        return {"text": f"{_escaped(title)}: {cause}", "blocks": blocks}

    def _card(self) -> dict[str, Any]:
        """Return an Adaptive Card in the message that a Teams workflow takes."""
        color = _TEAMS_COLORS[self.kind.color]
        heading = {"size": "large", "weight": "bolder", "color": color}
        body: list[dict[str, Any]] = [
            {**_block(_plain(self.title, _TITLE)), **heading},
            _block(_plain(self.cause, _TEXT)),
        ]
        facts = [{"title": name, "value": value} for name, value in self._facts()]
        if facts:
            body.append({"type": "FactSet", "facts": facts})
        if self.next_step:
            body.append(_block(f"Next: {_plain(self.next_step, _TEXT)}"))
        card: dict[str, Any] = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "msteams": {"width": "Full"},
            "body": body,
        }
        if _is_page(self.link):
            opened = {"type": "Action.OpenUrl", "title": "Executed notebook", "url": self.link}
            card["actions"] = [opened]
        elif self.link:
            body.append(_block(f"Executed notebook: {_plain(self.link, _TEXT)}"))
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": card,
        }
        return {"type": "message", "attachments": [attachment]}


def late(found: str, at: str) -> Alert:
    """Return the alert that no delivery is complete in time.

    Parameters
    ----------
    found : str
        What is missing.
    at : str
        Day and time.
    """
    return Alert(
        Kind.LATE, "Delivery late", f"No complete delivery by {at}: {found}.",
        next_step="Upload what is missing.",
    )  # fmt: skip


def given_up(delivery_id: str, attempts: int) -> Alert:
    """Return the alert that no attempt to publish a delivery succeeded.

    Parameters
    ----------
    delivery_id : str
    attempts : int
        How often the job was started.
    """
    return Alert(
        Kind.FAILED,
        f"Delivery {delivery_id} given up",
        f"All {attempts} runs of the job for it failed, were killed, or ran out of time. Readers"
        " still see the last publication.",
        next_step="Fix the cause, which the job's log has, then upload the delivery again.",
        facts=(("Delivery", delivery_id),),
    )


def _plain(text: str, most: int) -> str:
    """Return a text without control characters and CPFs, and no longer than ``most``."""
    text = _CPF.sub(HIDDEN, _CONTROL.sub(" ", text)).strip()
    return text if len(text) <= most else f"{text[: most - 2]} …"


def _escaped(text: str) -> str:
    """Escape the three characters that Slack gives a meaning, and keep within its limit."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Not within an escaped character.
    return text if len(text) <= _ESCAPED else f"{text[:_ESCAPED].rpartition('&')[0]} …"


def _is_page(link: str) -> bool:
    return link.startswith("https://")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _block(text: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True}
