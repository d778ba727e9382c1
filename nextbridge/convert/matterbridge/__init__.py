"""Matterbridge's file (TOML) as one of ours. What its settings mean is said in its sample file and its wiki."""

from __future__ import annotations

from nextbridge.convert.matterbridge.reading import from_matterbridge

__all__ = ["from_matterbridge"]
