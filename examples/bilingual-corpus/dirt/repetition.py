# ruff: noqa: E501 (a template reads best on one line)
"""The same again and again: keyword stuffing, a model in a loop, lines and paragraphs that return.

The look-alikes repeat as people do: refrains, clauses of a contract, dialogues and command help that share
their phrases (real ones).
"""

from __future__ import annotations

import numpy as np

from .duplicates import unlike
from .planted import Pieces, Planted, Texts, expand, pick, sides, some

FORMS = ("seo", "loop", "lines", "paragraphs", "words")
HARD = ("refrain", "legal", "technical", "real-dialogue", "real-help")
PHRASES = {
    "en": ["{cheap|best|buy|discount} {flights|laptops|insurance|sarees} {online|in Delhi|near me|2024}", "{home loan|weight loss|packers and movers} {tips|service|offer} {today|online|for you}"],
    "hi": ["{सस्ते|बेहतरीन} {मोबाइल|लैपटॉप|कपड़े} {ऑनलाइन|दिल्ली में|खरीदें}", "{होम लोन|वज़न घटाने|नौकरी} के {उपाय|ऑफर|टिप्स} {आज|हिन्दी में}"],
    "hi-Latn": ["{saste|behtareen} {mobile|laptop|kapde} {online|delhi mein|kharidein}", "{home loan|weight loss|naukri} ke {upay|offer|tips} {aaj|hindi mein}"],
}  # fmt: skip
REFRAINS = {
    "en": ["{O|Oh} {row|sing|turn}, {boatman|weaver|little wheel}, {row|sing|turn} {till morning|with me|again},", "{Hush|Come away|Rise} {my heart|sister|brother}, {the river|the rain|the night} is {long|near|kind}."],
    "hi": ["{ओ|हो} {माँझी|बुनकर|पंछी} रे, {चलता चल|गाता चल|रुकना मत},", "{धीरे|हौले} {बह|गा} {नदिया|पुरवा|कोयल}, {रात|भोर|साँझ} {दूर है|पास है}।"],
    "hi-Latn": ["{O|Ho} {maanjhi|panchhi} re, {chalta chal|gaata chal|rukna mat},", "{Dheere|Haule} {beh|gaa} {nadiya|purva}, {raat|bhor} {door hai|paas hai}."],
}  # fmt: skip
LEGAL = {
    "en": "{num}. The {party} shall {duty} within {days} days of {event}, and the {other} shall have no claim against the {party} {except|other than} for {loss}.",
    "hi": "{num}. {party} {event} के {days} दिनों के भीतर {duty}, और {other} को {loss} के अतिरिक्त कोई दावा नहीं होगा।",
    "hi-Latn": "{num}. {party} {event} ke {days} din ke andar {duty}, aur {other} ko {loss} ke alawa koi daava nahin hoga.",
}  # fmt: skip
FILL = {
    "en": {"party": "{Supplier|Tenant|Carrier|Licensee|Author}", "other": "{Buyer|Owner|Shipper|Licensor|Publisher}", "duty": "{deliver the goods|return the deposit|repair the premises|submit accounts|notify the agent|insure the cargo}",
           "event": "{the date hereof|receipt of notice|termination|delivery|payment in full}", "loss": "{direct loss|unpaid sums|freight|agreed damages}"},
    "hi": {"party": "{विक्रेता|किरायेदार|वाहक|लेखक}", "other": "{क्रेता|स्वामी|प्रेषक|प्रकाशक}", "duty": "{माल सौंपेगा|जमा राशि लौटाएगा|मरम्मत कराएगा|लेखा देगा}",
           "event": "{सूचना मिलने|करार समाप्त होने|भुगतान|हस्ताक्षर}", "loss": "{प्रत्यक्ष हानि|बकाया राशि|भाड़े}"},
    "hi-Latn": {"party": "{Vikreta|Kirayedar|Vahak}", "other": "{Kreta|Malik|Prakashak}", "duty": "{maal dega|deposit lautayega|marammat karayega}",
                "event": "{notice milne|karar khatam hone|payment}", "loss": "{seedhi haani|bakaya rakam}"},
}  # fmt: skip
STEPS = {
    "en": "{Open|Press|Check|Turn|Note|Record} the {valve|meter|relay|pump|gauge|switch} {A|B|C|D|E} {slowly|until it clicks|for ten seconds|at the marked point}, then {wait|log the value|close the cover|sign the sheet}.",
    "hi": "{वाल्व|मीटर|पंप|स्विच|रिले} {क|ख|ग|घ} को {धीरे से|दस सेकंड तक|निशान पर} {खोलें|दबाएँ|जाँचें|घुमाएँ}, फिर {प्रतीक्षा करें|मान लिखें|ढक्कन बंद करें}।",
    "hi-Latn": "{Valve|Meter|Pump|Switch} {A|B|C|D} ko {dheere se|das second tak} {kholein|dabayein|jaanchein}, phir {wait karein|value likhein|cover band karein}.",
}  # fmt: skip


def repeated(form: str, text: str, language: str, rng: np.random.Generator) -> str:
    """A real text with what repeats in it or behind it."""
    words = text.split()
    if form == "seo":
        phrase = expand(pick(PHRASES[language], rng), rng)
        every = int(rng.integers(5, 10))
        return " ".join(
            w + (f" {phrase}" if i % every == every - 1 else "") for i, w in enumerate(words)
        )
    if form == "words":
        at = len(words) // 2
        return " ".join(words[:at] + [words[at]] * int(rng.integers(60, 150)) + words[at:])
    half = " ".join(words[: len(words) // 2])
    if form == "loop":  # the end of a sentence, over and over, as small models do
        size = int(rng.integers(4, 20))
        return half + " " + " ".join(words[len(words) // 2 :][:size] * int(rng.integers(8, 25)))
    if form == "lines":
        line = " ".join(words[:8])
        return half + "\n" + "\n".join([line] * int(rng.integers(15, 40)))
    return "\n\n".join([half] * int(rng.integers(3, 7)) + [" ".join(words[len(words) // 2 :])])


def refrain(text: str, language: str, rng: np.random.Generator) -> str:
    """A song of real lines with two that return: about a fifth of it."""
    words, lines, at = text.split(), [], 0
    chorus = [expand(t, rng) for t in REFRAINS[language]]
    while at < len(words) - 6:
        for _ in range(6):
            step = int(rng.integers(5, 8))
            if at < len(words):
                lines.append(" ".join(words[at : at + step]))
            at += step
        lines += [*chorus, ""]
    return "\n".join(lines).strip()


def clause(language: str, num: int, rng: np.random.Generator) -> str:
    text = (
        LEGAL[language].replace("{num}", str(num)).replace("{days}", str(int(rng.integers(3, 90))))
    )
    for name, options in FILL[language].items():
        text = text.replace(f"{{{name}}}", expand(options, rng))
    return expand(text, rng)


def whole(texts: Texts, domain: str) -> list[tuple[str, str]]:
    """Text and source of the real documents of a domain, each once; none is near a piece of `texts`."""
    found: dict[str, str] = {}
    for row in texts.later(domain):
        if len(str(row["text"]).split()) >= 80:
            found.setdefault(str(row["text"]), f"{domain}:{row['id']}")
    kept = unlike(list(found), texts.pieces(domain))
    return [own for own, far in zip(found.items(), kept, strict=True) if far]


def plant(num: int, rng: np.random.Generator, pieces: Pieces, texts: Texts) -> list[Planted]:
    """Of the hard ones, dialogues and help are real documents as they stand."""
    out = []
    for i, language in enumerate(sides(num, romanised=True)):
        form = FORMS[i // 2 % len(FORMS)]
        piece = pieces.take(language)
        text = repeated(form, piece.text, language, rng)
        out.append(
            Planted(f"repetition-dirt-{i}", text, "repetition", form, False, language, piece.source)
        )
    real = {
        name: some(whole(texts, name), 10**6, rng)
        for name in ("en_dialogue", "en_cli", "hi_cli", "hing_dialogue")
    }
    for i, language in enumerate(sides(num, romanised=True)):
        form = HARD[i // 2 % len(HARD)]
        tongue = {"real-dialogue": {"en": "en_dialogue", "hi": "hi_cli", "hi-Latn": "hing_dialogue"},
                  "real-help": {"en": "en_cli", "hi": "hi_cli", "hi-Latn": "hing_dialogue"}}.get(form)  # fmt: skip
        if tongue and real[tongue[language]]:
            name = tongue[language]
            text, source = real[name].pop()
            form = "real-help" if name.endswith("cli") else "real-dialogue"
        else:
            form = form if tongue is None else "refrain"
            piece = pieces.take(language)
            source = piece.source
            if form == "refrain":
                text = refrain(piece.text, language, rng)
            elif form == "legal":
                text = (
                    piece.text
                    + "\n"
                    + "\n".join(
                        clause(language, k + 1, rng) for k in range(int(rng.integers(4, 8)))
                    )
                )
            else:
                text = (
                    piece.text
                    + "\n"
                    + "\n".join(
                        expand(STEPS[language], rng) for _ in range(int(rng.integers(5, 10)))
                    )
                )
        out.append(
            Planted(f"repetition-hard-{i}", text, "repetition", form, True, language, source, text)
        )
    return out
