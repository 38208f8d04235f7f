"""Events as records of the standard `logging`, under the logger `forcegrant`.

It has no part in importing `logging`: it is called when something else has done that.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger

    from forcegrant._native import Event

# The numbers are those of `logging`.
LEVELS = {"debug": 10, "info": 20, "warning": 30}

_loggers: list[Logger] = []


def _logger() -> Logger:
    if not _loggers:
        import logging  # noqa: PLC0415 - somebody has imported it

        logger = logging.getLogger("forcegrant")
        # What libraries do, so that a program without handlers hears nothing.
        logger.addHandler(logging.NullHandler())
        _loggers.append(logger)
    return _loggers[0]


def log(event: Event) -> None:
    """Log an event as of the time when it happened."""
    logger, level = _logger(), LEVELS[event.level]
    if not logger.isEnabledFor(level):
        return
    record = logger.makeRecord(
        logger.name, level, event.login_host, 0, "%s", (event,), None, extra={"event": event}
    )
    record.created = event.at.timestamp()
    record.msecs = event.at.microsecond // 1000
    logger.handle(record)
