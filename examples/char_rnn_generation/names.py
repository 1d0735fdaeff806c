"""Names by language. Made up from syllables that are typical of each, the same for a seed."""

import random

SYLLABLES = {
    "Italian": ["ro", "ssi", "bian", "chi", "fer", "ra", "ri", "mo", "ret", "ti", "el", "lo"],
    "Japanese": ["ta", "na", "ka", "su", "zu", "ki", "mo", "ri", "ya", "ma", "shi", "to"],
    "German": ["schu", "mann", "berg", "wei", "sen", "bach", "kauf", "stein", "hof", "er"],
    "Polish": ["kow", "al", "ski", "wicz", "now", "ak", "czyk", "lew", "an", "dow", "ska"],
    "Greek": ["pa", "pou", "los", "dis", "ge", "or", "gi", "ou", "kos", "ta", "nis"],
}


def make(per_language, seed=0):
    """`{language: names}` with so many names of each."""
    chance = random.Random(seed)
    result = {}
    for language, parts in SYLLABLES.items():
        names = ("".join(chance.choices(parts, k=chance.randint(2, 3))) for _ in range(per_language))
        result[language] = [name.capitalize() for name in names]
    return result
