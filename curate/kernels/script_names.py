"""Scripts: how the names of their characters begin, and their codes."""

from __future__ import annotations

# How names begin -> ISO 15924. Of names where two begin alike the longer one is meant.
NAMES = {
    "LATIN": "Latn", "FULLWIDTH LATIN": "Latn", "FEMININE ORDINAL": "Latn", "MASCULINE ORDINAL": "Latn",
    "CYRILLIC": "Cyrl", "GREEK": "Grek", "ARABIC": "Arab", "HEBREW": "Hebr", "DEVANAGARI": "Deva", "BENGALI": "Beng",
    "GURMUKHI": "Guru", "GUJARATI": "Gujr", "ORIYA": "Orya", "TAMIL": "Taml", "TELUGU": "Telu", "KANNADA": "Knda",
    "MALAYALAM": "Mlym", "SINHALA": "Sinh", "THAI": "Thai", "LAO": "Laoo", "KHMER": "Khmr", "MYANMAR": "Mymr",
    "TIBETAN": "Tibt", "GEORGIAN": "Geor", "ARMENIAN": "Armn", "ETHIOPIC": "Ethi", "CJK UNIFIED": "Hani",
    "CJK COMPATIBILITY IDEOGRAPH": "Hani", "CJK RADICAL": "Hani", "KANGXI": "Hani", "IDEOGRAPHIC ITERATION": "Hani",
    "HIRAGANA": "Hira", "KATAKANA": "Kana", "HALFWIDTH KATAKANA": "Kana", "HANGUL": "Hang", "HALFWIDTH HANGUL": "Hang",
    "BOPOMOFO": "Bopo", "OL CHIKI": "Olck", "MEETEI MAYEK": "Mtei", "THAANA": "Thaa", "SYRIAC": "Syrc",
    "CHEROKEE": "Cher", "CANADIAN SYLLABICS": "Cans", "MONGOLIAN": "Mong", "TIFINAGH": "Tfng", "NKO": "Nkoo",
    "YI SYLLABLE": "Yiii", "VAI": "Vaii", "JAVANESE": "Java", "BALINESE": "Bali", "SUNDANESE": "Sund",
    "COPTIC": "Copt", "ADLAM": "Adlm", "NEWA": "Newa", "SYLOTI NAGRI": "Sylo", "LIMBU": "Limb", "LEPCHA": "Lepc",
    "CHAM": "Cham", "CHAKMA": "Cakm", "TAI LE": "Tale", "NEW TAI LUE": "Talu", "TAI THAM": "Lana", "TAI VIET": "Tavt",
    "BUGINESE": "Bugi", "HANIFI ROHINGYA": "Rohg", "SHARADA": "Shrd", "GRANTHA": "Gran", "KAITHI": "Kthi",
    "TAKRI": "Takr", "MODI": "Modi", "WARANG CITI": "Wara", "KAYAH LI": "Kali", "BAMUM": "Bamu", "LISU": "Lisu",
    "MIAO": "Plrd", "NYIAKENG PUACHUE HMONG": "Hmnp", "PAHAWH HMONG": "Hmng", "WANCHO": "Wcho", "OSAGE": "Osge",
    "GOTHIC": "Goth", "RUNIC": "Runr", "OGHAM": "Ogam",
}  # fmt: skip
#: ISO 15924 codes by number; the last is that of letters of all other scripts
SCRIPTS = (*dict.fromkeys(NAMES.values()), "Zyyy")
