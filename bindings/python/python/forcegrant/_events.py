"""Events as records of the standard `logging`, under the logger `forcegrant`.

Imported when the first event is told and something else has imported `logging`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forcegrant._native import Event

LOGGER = logging.getLogger("forcegrant")
# What libraries do, so that a program without logging hears nothing.
LOGGER.addHandler(logging.NullHandler())

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


def log(event: Event) -> None:
    """Log an event as of the time when it happened."""
    level = LEVELS[event.level]
    if not LOGGER.isEnabledFor(level):
        return
    record = LOGGER.makeRecord(
        LOGGER.name, level, event.login_host, 0, "%s", (event,), None, extra={"event": event}
    )
    record.created = event.at.timestamp()
    record.msecs = event.at.microsecond // 1000
    LOGGER.handle(record)
