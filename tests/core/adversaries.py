"""Names as those choose them who want to be taken for somebody else, or to make a mess."""

from __future__ import annotations

__all__ = ["LEGIBLE", "NAMES"]

NAMES = {
    # the name that is typed, and what is shown of it
    "\u202ecila\u202c": "cila",
    "alice\u202egnp.exe": "alicegnp.exe",
    "\u2066alice\u2069": "alice",
    "\u2067alice": "alice",
    "\u200ealice\u200f": "alice",
    "al\u200bice": "alice",
    "al\u200cice": "alice",
    "al\u200dice": "alice",
    "alice\u2060\ufeff": "alice",
    "ali\u00adce": "alice",
    "alice\ufe0f": "alice",
    "alice\U000e0041\U000e007f": "alice",
    "alice\U000e0100": "alice",
    "al\u034fice": "alice",
    "alice\u3164": "alice",
    "\uffa0alice\u115f\u1160": "alice",
    "alice\u2800smith": "alice smith",
    "alice\u00a0\u2003\u3000smith": "alice smith",
    "alice\nsmith": "alice smith",
    "alice\r\n<bob> hi": "alice <bob> hi",
    "alice\u2028smith\u2029": "alice smith",
    "alice\x85smith": "alice smith",
    "alice\x00\x1b[31m\x9b": "alice[31m",
    "alice\ue000": "alice",
    "a" + "\u0335" * 50 + "lice": "a" + "\u0335" * 4 + "lice",
    "\u0301\u0302alice": "alice",
    "alice \u20ddsmith": "alice smith",
    "\ud800alice": "alice",
    "\u200b\u2060\u3164": "",
}

LEGIBLE = (
    "Zoë",
    "Zoe\u0308",
    "Đặng Thị Ngọc",
    "愛田",
    "علی\u200cرضا",  # Persian: the joiner parts the two letters
    "می\u200cخواهم",
    "श्री\u200dक",
    "ക\u0d4d\u200d‌ന".replace("\u200c", ""),  # Malayalam, as it was written before its chillus were encoded
    "שָׁלוֹם",
    "مُحَمَّد",
    "ภูมิใจ",
    "👩\u200d💻",
    "🧑🏽\u200d🚀 Sam",
    "❤\ufe0f\u200d🔥",
    "🏳\ufe0f\u200d🌈",
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # the flag of Scotland
    "1\ufe0f\u20e3",
    "🇩🇪",
)
"""What people write, and what stays as it is."""
