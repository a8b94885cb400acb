"""Reports: a brief that an adviser can read without help, as text, as data and as one HTML file."""

from __future__ import annotations

from .brief import Brief, WriteError, brief, check_target

__all__ = ["Brief", "WriteError", "brief", "check_target"]
