# ruff: noqa: E501 (a template reads best on one line)
"""Documents in a language that was not asked for, and ones that only look as if they were.

The wrong ones are paragraphs of FLORES-101, of its second half (records from 506): a classifier that
learns from FLORES must learn from the first. Marathi and Nepali share the script of Hindi. Romanised Hindi is not
wrong: it has to come out with its own label, and so do the code-mixed ones, whatever theirs is.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .planted import UTTERANCES, Pieces, Planted, Texts, expand, pick, sides, some, weave

FIRST = 506  # of FLORES that is planted; what comes before is for seed text
MIXED_TO = 5_000  # of Hinglish-TOP that is planted; what comes after is for seed text
# of a hundred documents
WRONG = {
    "mar": 22,
    "npi": 22,
    "deu": 10,
    "fra": 10,
    "urd": 10,
    "ben": 6,
    "pan": 6,
    "rus": 6,
    "tam": 4,
    "guj": 4,
}
TAGS = {"mar": "mr", "npi": "ne", "deu": "de", "fra": "fr", "urd": "ur", "ben": "bn", "pan": "pa", "rus": "ru",
        "tam": "ta", "guj": "gu"}  # fmt: skip
HARD = ("loanwords", "indian-names", "code-mixed", "quotes-marathi", "short", "romanised")
LOANS = [
    "{प्रस्तुत|उक्त} {अनुसंधान|शोधप्रबन्ध} में {पर्यावरणीय|सांस्कृतिक|भाषावैज्ञानिक} {परिवर्तनशीलता|विविधता} का {तुलनात्मक विश्लेषण|सूक्ष्म परीक्षण} {अभीष्ट|अपेक्षित} है।",
    "{कंप्यूटर|लैपटॉप|सर्वर} पर {सॉफ्टवेयर|ब्राउज़र|डेटाबेस} {अपडेट|इंस्टॉल|रीस्टार्ट} करके {पासवर्ड|प्रोफाइल|बैकअप} {चेक|सेव} कर लें और {मैनेजर|टीम लीडर} को {ईमेल|मैसेज} {फॉरवर्ड|सेंड} कर दें।",
    "{अतएव|तथापि|फलस्वरूप} {धर्मनिरपेक्षता|राष्ट्रीयता|सार्वभौमिकता} एवं {उत्तरदायित्व|कर्तव्यनिष्ठा} की {सम्यक् व्याख्या|पुनर्प्रतिष्ठा} {अनिवार्य|वांछनीय} है।",
    "{मीटिंग|प्रेज़ेंटेशन|वर्कशॉप} के {टाइम|एजेंडा} में {लास्ट मिनट|छोटा} {चेंज|अपडेट} है, {प्लीज़|कृपया} {कैलेंडर|शेड्यूल} {रिफ्रेश|कन्फर्म} करें।",
]  # fmt: skip
NAMES = [
    "{Venkataraman Subramaniam|Chandrashekhar Bhattacharya|Gurpreet Kaur Dhillon|Lakshmibai Deshpande} of {Tiruchirappalli|Vishakhapatnam|Gorakhpur|Thiruvananthapuram} {met|taught|wrote to} {Meenakshi Sundaram|Harivansh Tripathi|Jaswinder Ahluwalia} at the {Mahalakshmi|Jagannath|Meenakshi} temple.",
    "The {dhaba|panchayat|kirana shop} near {Chandni Chowk|Koramangala|Bhubaneswar} sells {puri bhaji|kachori|idli and sambar} to {Ramaswamy|Shivaprasad|Anasuya} and his {chacha|didi|bhabhi} {every Somvar|after the aarti|till Diwali}.",
    "{Bhagirathi|Mandakini|Alaknanda}, {Nanda Devi|Kanchenjunga|Trishul} and {Kedarnath|Rishikesh|Joshimath} {are names that|come up where} {Pandit Omkarnath|Ustad Bismillah|Vidushi Kishori} {sang|played} {Yaman|Bhairavi|Malkauns}.",
]  # fmt: skip
MIXED = [
    "{मुझे|हमें} यह {project|assignment|report} {Monday|kal|next week} तक {submit|complete|finish} करना है।",
    "{Sorry यार|Actually|By the way}, {traffic|network|signal} {बहुत खराब|काफी slow} था, इसलिए {late हो गया|call drop हो गई}।",
    "{Weekend|छुट्टी} पर {movie|shopping|trek} का {plan|program} {बना लो|fix कर दो}, {I am free|tickets मैं ले लूँगा}।",
]


def sentence(row: Mapping[str, object], key: str) -> str:
    """Of FLORES, without the quoting that some rows kept from a CSV file."""
    text = str(row[key]).strip()
    if '""' in text and text.startswith('"'):
        text = text.removesuffix('"')[1:].replace('""', '"')
    return text


def paragraphs(texts: Texts, key: str, num: int, rng: np.random.Generator) -> list[str]:
    """Five to eight sentences each, all used about equally often."""
    rows = texts.rows("parallel/flores101_devtest")[FIRST:]
    order: list[int] = []
    out = []
    for _ in range(num):
        size = int(rng.integers(5, 9))
        while len(order) < size:
            order += [int(i) for i in rng.permutation(len(rows))]
        out.append(" ".join(sentence(rows[i], key) for i in order[:size]))
        order = order[size:]
    return out


def code_mixed(texts: Texts, rng: np.random.Generator) -> list[str]:
    """Documents of eight to eleven sentences in Latin letters, every sentence in one of them only."""
    rows = texts.rows("hindi/hinglish_top_en2hing")
    others = {str(r["target"]) for r in rows[:UTTERANCES]}
    own = dict.fromkeys(str(r["target"]) for r in rows[UTTERANCES:MIXED_TO])
    order = some([sentence for sentence in own if sentence not in others], 10**6, rng)
    out = []
    while len(order) >= (size := int(rng.integers(8, 12))):
        out.append(". ".join(order[:size]))
        order = order[size:]
    return out


def plant(num: int, rng: np.random.Generator, pieces: Pieces, texts: Texts) -> list[Planted]:
    """Neighbours in script most of all."""
    out = []
    counts = {key: num * share // 100 for key, share in WRONG.items()}
    counts["mar"] += num - sum(counts.values())
    for key, count in counts.items():
        for text in paragraphs(texts, key, count, rng):
            out.append(
                Planted(f"languages-dirt-{len(out)}", text, "languages", TAGS[key], False, TAGS[key], f"flores:{key}")
            )  # fmt: skip
    mixed = code_mixed(texts, rng)
    marathi = some(
        [sentence(r, "mar") for r in texts.rows("parallel/flores101_devtest")[FIRST:]], 10**6, rng
    )
    for i in range(num):
        form = HARD[i % len(HARD)]
        language, label = "hi", "hi"
        own: list[str] = []
        if form == "romanised":
            piece = pieces.take("hi-Latn")
            language = label = "hi-Latn"
        elif form == "code-mixed" and i // len(HARD) % 2 and mixed:
            text = mixed.pop()
            out.append(
                Planted(f"languages-hard-{i}", text, "languages", form, True, "hi-en", "hinglish_top", text)
            )  # fmt: skip
            continue
        elif form in ("indian-names", "short"):
            language = label = "en" if form == "indian-names" or i // len(HARD) % 2 else "hi"
            piece = pieces.take(language)
        else:
            piece = pieces.take("hi")
        if form == "loanwords":
            own = [expand(t, rng) for t in LOANS]
        elif form == "indian-names":
            own = [expand(t, rng) for t in NAMES]
        elif form == "code-mixed":
            own, label = [expand(pick(MIXED, rng), rng) for _ in range(5)], None
        elif form == "quotes-marathi":
            own = [
                f"{pick(['उसने मराठी में कहा', 'पत्र में मराठी में लिखा था', 'दीवार पर लिखा था'], rng)}: “{marathi[i // len(HARD) % len(marathi)]}”"
            ]
        text = piece.text
        if form == "short":
            text = " ".join(text.split()[: int(rng.integers(53, 62))])
        text = weave(text, own, rng) if own else text
        out.append(
            Planted(f"languages-hard-{i}", text, "languages", form, True, language if label else "hi-en",
                    piece.source, text, keep=tuple(own), label=label)
        )  # fmt: skip
    return out


def untouched(num: int, pieces: Pieces) -> list[Planted]:
    """Real text as it is: what is dropped of it is the price of the rules, whatever was planted."""
    out = []
    for i, language in enumerate(sides(num, romanised=True)):
        piece = pieces.take(language)
        domain = piece.source.partition(":")[0]
        out.append(
            Planted(f"untouched-{i}", piece.text, "untouched", domain, True, language, piece.source,
                    piece.text, label=language)
        )  # fmt: skip
    return out
