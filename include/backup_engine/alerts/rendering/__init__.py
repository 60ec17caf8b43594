"""One alert in every shape that people and machines are told in: pure functions, bounded, nothing in it breaks out."""

from __future__ import annotations

from backup_engine.alerts.rendering.documents import document
from backup_engine.alerts.rendering.headline import title
from backup_engine.alerts.rendering.mail import html, text
from backup_engine.alerts.rendering.pagerduty_events import pagerduty
from backup_engine.alerts.rendering.slack_blocks import slack
from backup_engine.alerts.rendering.teams_card import teams

__all__ = ["document", "html", "pagerduty", "slack", "teams", "text", "title"]
