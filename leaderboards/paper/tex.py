"""Text from outside as LaTeX that can only be printed."""

from __future__ import annotations

import re
import unicodedata

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "{''}",
    "`": r"\textasciigrave{}",
    "'": "{'}",
    "\u00a0": "~",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\ldots{}",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}

ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}

UNICODE = (
    r"\providecommand{\dubbenchchar}[2]{\ifdefined\Umathchar #2\else\texttt{U+#1}\fi}"
    "\n% A character that pdfTeX has no letter for: itself under XeLaTeX and LuaLaTeX, its code point under pdfLaTeX."
)
"""The definition that `escape` may need; harmless when it stands in several files."""


def escape(text: str) -> str:
    """One line of LaTeX that prints ``text``, without its control and format characters."""
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    out = re.sub("-(?=-)", "-{}", "".join(_char(char) for char in spaced))  # no ligatures
    return "{}" + out if out[:1] in ("[", "*") else out  # else an option of the line end before it


def _char(char: str) -> str:
    if char in SPECIAL:
        return SPECIAL[char]
    if " " <= char <= "~":
        return char
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return ""
    base = unicodedata.normalize("NFD", char)
    if len(base) == 2 and base[0].isascii() and base[0].isalpha() and base[1] in ACCENTS:
        letter = {"i": r"\i", "j": r"\j"}.get(base[0], base[0]) if base[1] not in "\u0327" else base[0]
        return rf"\{ACCENTS[base[1]]}{{{letter}}}"
    return rf"\dubbenchchar{{{ord(char):04X}}}{{{char}}}"
