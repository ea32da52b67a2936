"""Pronunciation of words outside the dictionaries: letter-to-sound rules for English, written for this package.

Rules are tried in order at each place of the word; the first whose letters and surroundings fit gives its phones and
moves on behind its letters. Surroundings are regular expressions on what stands before (to its end) and after.
"""

from __future__ import annotations

import re

_V = "[aeiouy]"
_C = "[^aeiouy]"
_END = "(e?s|e?d|)$"

# letters, phones, before, after
_TABLE: list[tuple[str, str, str, str]] = [
    # a
    ("augh", "AO", "", ""), ("au", "AO", "", ""), ("aw", "AO", "", ""), ("ai", "EY", "", ""), ("ay", "EY", "", ""),
    ("air", "EH R", "", ""), ("are", "EH R", "", "$"), ("arr", "AE R", "", ""), ("ar", "ER", f"{_V}.*", "$"),
    ("ar", "AA R", "", f"({_C}|$)"), ("alk", "AO K", "", ""), ("al", "AO L", "", "[dlt]"),
    ("al", "AH L", f"{_V}.*", "$"), ("age", "IH JH", f"{_V}.*", "$"), ("ation", "EY SH AH N", "", ""),
    ("ae", "IY", "", ""), ("a", "AH", "^", "$"), ("a", "AH", f"{_V}{_C}+", "$"), ("a", "AA", "[wq]u?", ""),
    ("a", "EY", "", f"{_C}(e{_END}|ing|ion|iou)"), ("a", "AE", "", ""),
    # b
    ("bb", "B", "", ""), ("b", "", "m", "$"), ("b", "B", "", ""),
    # c
    ("cch", "K", "", ""), ("ch", "K", "", "[rl]"), ("ch", "K", "^", "r"), ("ch", "CH", "", ""), ("ck", "K", "", ""),
    ("cious", "SH AH S", "", "$"), ("cial", "SH AH L", "", ""), ("cian", "SH AH N", "", "$"),
    ("cc", "K S", "", "[ei]"), ("cc", "K", "", ""), ("c", "S", "", "[eiy]"), ("c", "K", "", ""),
    # d
    ("dge", "JH", "", ""), ("dg", "JH", "", "[eiy]"), ("dd", "D", "", ""), ("d", "D", "", ""),
    # e
    ("eigh", "EY", "", ""), ("eau", "OW", "", ""), ("ear", "ER", "", _C), ("ear", "IH R", "", ""),
    ("eer", "IH R", "", ""), ("ee", "IY", "", ""), ("ead", "EH D", "", "$"), ("ea", "IY", "", ""),
    ("ei", "IY", "c", ""), ("ei", "AY", "", ""), ("eu", "Y UW", "", ""), ("ew", "UW", "[rjlchsd]", ""),
    ("ew", "Y UW", "", ""), ("ey", "IY", f"{_V}.*", "$"), ("ey", "EY", "", ""), ("ere", "IH R", "", "$"),
    ("err", "EH R", "", ""), ("er", "ER", "", f"({_C}|$)"), ("ed", "IH D", "[td]", "$"),
    ("ed", "T", f"{_V}.*[pkfsxc]h?", "$"), ("ed", "D", f"{_V}.*", "$"), ("es", "IH Z", "([sxz]|ch|sh|g|c)", "$"),
    ("es", "Z", f"{_V}.*", "$"), ("e", "", f"{_V}.*", "$"), ("e", "IY", "^[^aeiouy]*", "$"),
    ("e", "IY", "", f"{_C}(e{_END}|ia|io|iu)"), ("el", "AH L", f"{_V}.*", "$"), ("en", "AH N", f"{_V}.*", "$"),
    ("e", "", f"{_V}{_C}+", "(ly|ment|less|ness|ful)"), ("e", "EH", "", ""),
    # f
    ("ff", "F", "", ""), ("f", "F", "", ""),
    # g
    ("gh", "G", "^", ""), ("gh", "", "", ""), ("gn", "N", "^", ""), ("gn", "N", "", "$"), ("gg", "G", "", ""),
    ("gu", "G", "^", "[ei]"), ("g", "G", "^", "(e[trl]|i[rlvgm])"), ("g", "JH", "", "[eiy]"), ("g", "G", "", ""),
    # h
    ("h", "", "[rktx]", ""), ("h", "", _V, f"({_C}|$)"), ("h", "HH", "", ""),
    # i
    ("igh", "AY", "", ""), ("ign", "AY N", "", "$"), ("ield", "IY L D", "", ""), ("ier", "IY ER", f"{_V}.*", "$"),
    ("ie", "AY", "^.?.?", "$"), ("ie", "IY", "", ""), ("ious", "IY AH S", "", "$"), ("ir", "ER", "", f"({_C}|$)"),
    ("io", "IY OW", "", "$"), ("ia", "IY AH", "", "$"), ("i", "IY", f"{_V}.*", "$"), ("i", "IY", "", "[aou]"),
    ("ind", "AY N D", "", "$"), ("ing", "IH NG", f"{_V}.*", "s?$"), ("ique", "IY K", "", "$"),
    ("ine", "IY N", f"{_V}.*", "$"), ("i", "AY", "^[^aeiouy]*", f"{_C}e{_END}"), ("i", "AY", "", f"{_C}e$"),
    ("i", "IH", "", ""),
    # j
    ("j", "JH", "", ""),
    # k
    ("kn", "N", "^", ""), ("kk", "K", "", ""), ("k", "K", "", ""),
    # l
    ("le", "AH L", _C, f"{_END}"), ("ll", "L", "", ""), ("l", "L", "", ""),
    # m
    ("mm", "M", "", ""), ("mn", "M", "", "$"), ("m", "M", "", ""),
    # n
    ("ng", "NG G", "", "[lraou]"), ("ng", "NG", "", f"({_C}|$)"), ("nk", "NG K", "", ""), ("nx", "NG K S", "", ""),
    ("nn", "N", "", ""), ("n", "N", "", ""),
    # o
    ("ough", "AO", "", "t"), ("ough", "OW", "", ""), ("ould", "UH D", "", ""), ("ous", "AH S", "", "$"),
    ("our", "AO R", "", ""), ("ou", "AW", "", ""), ("ow", "OW", "", "$"), ("own", "AW N", "", ""), ("ow", "AW", "", ""),
    ("oor", "AO R", "", ""), ("ook", "UH K", "", ""), ("oo", "UW", "", ""), ("oa", "OW", "", ""),
    ("oi", "OY", "", ""), ("oy", "OY", "", ""), ("oe", "OW", "", "$"), ("old", "OW L D", "", ""),
    ("or", "ER", f"({_V}.*[td]|w)", "($|s$)"), ("orr", "AO R", "", ""), ("or", "AO R", "", ""),
    ("on", "AH N", f"{_V}.*[^aeiouy]", "$"), ("o", "OW", "", "$"), ("o", "OW", "", f"{_C}(e{_END}|ia|io|a|o)"),
    ("o", "OW", "", "(ll|lt)$"), ("o", "AA", "", ""),
    # p
    ("ph", "F", "", ""), ("ps", "S", "^", ""), ("pn", "N", "^", ""), ("pp", "P", "", ""), ("p", "P", "", ""),
    # q
    ("que", "K", "", "$"), ("qu", "K W", "", ""), ("q", "K", "", ""),
    # r
    ("rh", "R", "", ""), ("rr", "R", "", ""), ("r", "R", "", ""),
    # s
    ("sch", "SH", "^", ""), ("sch", "S K", "", ""), ("sh", "SH", "", ""), ("sc", "S", "", "[eiy]"),
    ("ssion", "SH AH N", "", ""), ("sion", "ZH AH N", _V, ""), ("sion", "SH AH N", "", ""),
    ("sure", "ZH ER", _V, "$"), ("ss", "S", "", ""), ("st", "S", "", "le"), ("sm", "Z AH M", "", "$"),
    ("s", "Z", "[bdglmnrvw]", "$"), ("s", "Z", f"{_V}.*[aeoy]", "$"), ("s", "Z", _V, "(e|i)"), ("s", "S", "", ""),
    # t
    ("tch", "CH", "", ""), ("tion", "SH AH N", "", ""), ("tial", "SH AH L", "", ""), ("ture", "CH ER", "", "s?$"),
    ("th", "DH", _V, "e"), ("th", "TH", "", ""), ("tt", "T", "", ""), ("t", "T", "", ""),
    # u
    ("ur", "ER", "", f"({_C}|$)"), ("ui", "UW", "[rljsc]", ""), ("ue", "UW", "", "$"), ("u", "Y UW", "^", f"{_C}{_V}"),
    ("u", "UW", "[rljscd]", f"({_C}(e{_END}|a|i|o)|$)"), ("u", "Y UW", "", f"({_C}(e{_END}|a|i|o))"),
    ("u", "UW", "", "$"), ("u", "W", "[gs]", "[aei]"), ("u", "AH", "", ""),
    # v, w
    ("vv", "V", "", ""), ("v", "V", "", ""), ("who", "HH UW", "^", ""), ("wh", "W", "", ""), ("wr", "R", "^", ""),
    ("wor", "W ER", "", _C), ("w", "", "", f"({_C}|$)"), ("w", "W", "", ""),
    # x
    ("x", "Z", "^", ""), ("x", "G Z", "^e", _V), ("x", "K S", "", ""),
    # y
    ("y", "Y", "^", _V), ("y", "AY", "^[^aeiouy]*", "$"), ("y", "IY", "", "$"), ("y", "AY", "", f"{_C}e$"),
    ("y", "IY", _V, ""), ("y", "IH", "", ""),
    # z
    ("zz", "Z", "", ""), ("z", "Z", "", ""),
]  # fmt: skip

_RULES = [
    (spelling, tuple(phones.split()), re.compile(f"(?:{before})$") if before else None, re.compile(after))
    for spelling, phones, before, after in _TABLE
]
_BY_LETTER = {c: [rule for rule in _RULES if rule[0][0] == c] for c in "abcdefghijklmnopqrstuvwxyz"}


def sound_out(word: str) -> tuple[str, ...]:
    """ARPAbet phones, without stress, of a word of the letters a to z."""
    phones: list[str] = []
    place = 0
    while place < len(word):
        for spelling, sounds, before, after in _BY_LETTER[word[place]]:
            end = place + len(spelling)
            if not word.startswith(spelling, place) or not after.match(word, end):
                continue
            if before is not None and not before.search(word[:place]):
                continue
            phones += sounds
            place = end
            break
    return tuple(phones)
