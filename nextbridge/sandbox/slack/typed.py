"""What a person types into Slack's own program, as the text and the rich_text block that it sends for it."""

from __future__ import annotations

import emoji

from nextbridge.markup.emoji import shortcode
from nextbridge.sandbox.slack.records import Json

__all__ = ["TONES", "escaped", "typed"]

TONES = {
    f"_{name}_skin_tone": number
    for number, name in enumerate(("light", "medium_light", "medium", "medium_dark", "dark"), start=2)
}


def escaped(text: str) -> str:
    """With the three characters that mean something in a message's text as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def typed(text: str) -> tuple[str, list[Json]]:
    """The message's text and its blocks: each emoji by its name, everything else as it was typed."""
    written, elements, at = "", [], 0
    for found in emoji.emoji_list(text):
        element = _emoji(str(found["emoji"]))
        if element is None:
            continue
        before = text[at : int(found["match_start"])]
        at = int(found["match_end"])
        if before:
            elements.append({"type": "text", "text": before})
        elements.append(element)
        tone = f":skin-tone-{element['skin_tone']}:" if "skin_tone" in element else ""
        written += f"{escaped(before)}:{element['name']}:{tone}"
    if text[at:]:
        elements.append({"type": "text", "text": text[at:]})
    section = {"type": "rich_text_section", "elements": elements}
    return written + escaped(text[at:]), [{"type": "rich_text", "block_id": "b1", "elements": [section]}]


def _emoji(sign: str) -> Json | None:
    name = shortcode(sign)
    if name is None:
        return None
    unicode = "-".join(f"{ord(char):04x}" for char in sign)
    for ending, number in TONES.items():
        if name.endswith(ending):
            return {"type": "emoji", "name": name.removesuffix(ending), "skin_tone": number, "unicode": unicode}
    return {"type": "emoji", "name": name, "unicode": unicode}
