"""Boilerplate: furniture of sites goes, prose, verse, recipes, dialogue, code and documentation stay."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
from corpus_growth import LIMIT, growth
from hypothesis import given
from hypothesis import strategies as st

from mishran.corpus.boilerplate import strip_boilerplate
from mishran.corpus.boilerplate_phrases import PHRASES
from mishran.corpus.boilerplate_signs import LIMIT as LIMIT_OF_SIGNS
from mishran.corpus.boilerplate_signs import Scored, score, sign_table
from mishran.corpus.edited import Edited
from mishran.corpus.phrase_expressions import firsts, spellings
from mishran.corpus.phrase_reading import phrase_table, words_of

PROSE = {
    "en": "The river rises in the hills, feeds the fields of the plain, and never quite reaches the sea.",
    "hi": "नदी पहाड़ों से निकलती है, मैदान के खेतों को सींचती है और समुद्र तक नहीं पहुँचती।",
    "hi-Latn": "Nadi pahaadon se nikalti hai, maidan ke kheton ko seenchti hai aur sagar tak nahin jaati.",
}
DIRT = {  # (language, what a line of it is counted as)
    ("en", "navigation"): [
        "Home | About Us | Services | Contact",
        "Home » Politics » Elections",
        "Home > Products > Shoes > Running",
        "Politics | Sports | Business | Tech | Opinion",
        "Home About Us Gallery Contact Us",
        "Facebook Twitter Pinterest WhatsApp",
        "Log in | Register",  # a menu as much as a form
    ],
    ("en", "cookies"): [
        "We use cookies to improve our website. By continuing, you agree to our use of cookies.",
        "This website uses cookies. Accept all | Reject | Manage preferences",
        "By using this site you agree to our Terms of Service and Privacy Policy.",
    ],
    ("en", "copyright"): [
        "© 2024 Daily Example Media Pvt. Ltd. All rights reserved.",
        "Copyright 2019 - Example Inc.",
        "All rights reserved.",
    ],
    ("en", "subscribe"): [
        "Subscribe to our newsletter",
        "Sign up for our weekly newsletter and never miss an update!",
        "Get breaking news delivered straight to your inbox",
        "Your email address will not be published.",
    ],
    ("en", "share"): [
        "Share this article on Facebook, Twitter and WhatsApp",
        "Follow us on Instagram",
        "Like us on Facebook!",
    ],
    ("en", "login"): [
        "Login to post a comment",
        "Forgot your password?",
        "Sign in with Google",
    ],
    ("en", "read-more"): [
        "Read more »",
        "Continue reading →",
        "Click here to download",
        "Leave a Reply",
        "Back to top",
        "Related Articles",
    ],
    ("en", "legal"): ["Terms and Conditions", "Accept all cookies", "Powered by WordPress"],
    ("en", "javascript"): [
        "Please enable JavaScript to view this page.",
        "JavaScript is disabled in your browser.",
    ],
    ("en", "advert"): ["Advertisement", "ADVERTISEMENT - CONTINUE READING BELOW", "Add to cart"],
    ("hi", "navigation"): [
        "होम | हमारे बारे में | संपर्क करें",
        "मुख्य पृष्ठ > राजनीति > चुनाव",
        "देश | विदेश | खेल | मनोरंजन | व्यापार",
    ],
    ("hi", "cookies"): [
        "हम आपके अनुभव को बेहतर बनाने के लिए कुकीज़ का उपयोग करते हैं।",
        "यह वेबसाइट कुकीज का इस्तेमाल करती है।",
        "इस वेबसाइट का उपयोग जारी रखकर आप हमारी शर्तों से सहमत होते हैं।",
    ],
    ("hi", "copyright"): ["© 2023 दैनिक उदाहरण। सर्वाधिकार सुरक्षित।", "सभी अधिकार सुरक्षित"],
    ("hi", "subscribe"): ["हमारे न्यूज़लेटर की सदस्यता लें", "हमारे यूट्यूब चैनल को सब्सक्राइब करें"],
    ("hi", "share"): ["फेसबुक पर शेयर करें", "हमें ट्विटर पर फॉलो करें", "इस खबर को अपने दोस्तों के साथ शेयर करें"],
    ("hi", "read-more"): ["और पढ़ें", "पूरी खबर पढ़ने के लिए यहां क्लिक करें", "यह भी पढ़ें: सोने के दाम में गिरावट"],
    ("hi", "javascript"): ["कृपया अपने ब्राउज़र में जावास्क्रिप्ट चालू करें।"],
    ("hi-Latn", "navigation"): [
        "Home | Hamare baare mein | Sampark karein",
        "Home » Samachar » Khel",
        "Gopniyata niti | Niyam aur shartein",
    ],
    ("hi-Latn", "cookies"): [
        "Hum aapke anubhav ko behtar banane ke liye cookies ka upyog karte hain."
    ],
    ("hi-Latn", "share"): [
        "Facebook par share karein",
        "Humein Twitter par follow karein",
        "Dosto ke saath share kare",
    ],
    ("hi-Latn", "read-more"): ["Aur padhein", "Poori khabar padhne ke liye yahan click karein"],
}
CLEAN = {
    "en": [
        "The ministry's website uses cookies to track visitors, a court found in 2019.",
        "She baked cookies, and we use cookies to bribe the children.",
        "The website asks readers to accept cookies, which many find annoying.",
        "Copyright law protects authors for seventy years after their death.",
        "Copyright Act of 1976",
        'The phrase "all rights reserved" was once required by treaty.',
        "User: I want to log in to my account",
        "# Contact",
        "## Privacy policy",
        "- Log in to the server",
        "| Home | About | Contact |",
        "Home is the sailor, home from sea,",
        "Share your bread with the hungry",
        "Salt | Pepper | Cumin",
        "2 cups flour",
        "Health, education and science",
        "A developer must enable JavaScript modules in the build before running the tests.",
        "I love this place. Read more.",
        "Click here, she said, and pointed at the button on the old machine.",
        "Terms of the treaty were harsh.",
        "ROMEO:",
        "Follow me.",
        "print(login)",
        "The next story is about a home.",
        "Settings > Network > Proxy",
        "Name | Age | City",
        "3 comments from the judges followed.",
        "In 2004 the newsletter was sent to 300 members who had asked for it.",
        "**Learn more**:",
        '"Read more," he said.',
        "Sed ut unde omnis iste natus",
    ],
    "hi": [
        "वेबसाइटें कुकीज़ का उपयोग करती हैं ताकि उपयोगकर्ता की पसंद याद रहे।",
        "माँ ने कुकीज़ बनाईं और हम सबने मिलकर खाईं।",
        "कॉपीराइट कानून लेखकों के अधिकारों की रक्षा करता है।",
        "घर से निकला तो देखा खेल शुरू हो चुका था",
        "और पढ़ो, माँ ने कहा।",
        "राम ने कहा, आगे देखें क्या होता है।",
        "नाम | आयु | शहर",
        "सूचना का अधिकार सुरक्षित रहना चाहिए।",
        "# संपर्क",
        "- लॉग इन करें",
        "राम: होम चलें?",
        "चीनी | नमक | आटा",
        "विज्ञापन का असर बच्चों पर पड़ता है।",
        "खेल",
    ],
    "hi-Latn": [
        "User: mujhe login karna hai",
        "Websites cookies ka upyog karti hain taaki pasand yaad rahe.",
        "Maa ne cookies banayi aur humne khayi.",
        "System: aur jankari ke liye puche",
        "mujhe sampark number chahiye",
        "Aur padho, maa ne kaha.",
    ],
}


@pytest.mark.parametrize(
    ("language", "kind", "line"), [(l, k, line) for (l, k), ls in DIRT.items() for line in ls]
)
def test_furniture_goes(language: str, kind: str, line: str) -> None:
    prose = PROSE[language]
    once = strip_boilerplate(f"{prose}\n\n{line}\n\n{prose}", language)
    assert once == Edited(f"{prose}\n\n{prose}", {kind: 1})


@pytest.mark.parametrize(
    ("language", "line"), [(l, line) for l, ls in CLEAN.items() for line in ls]
)
def test_what_only_speaks_of_it_stays(language: str, line: str) -> None:
    text = f"{PROSE[language]}\n\n{line}\n\n{PROSE[language]}"
    assert strip_boilerplate(text, language) == Edited(text)


def test_menus_with_one_item_per_line() -> None:
    prose = PROSE["en"]
    menu = "Home\nAbout\nProducts\nGallery\nContact"
    assert strip_boilerplate(f"{menu}\n\n{prose}", "en") == Edited(prose, {"navigation": 5})
    listed = menu.replace("\n", "\n- ")
    assert strip_boilerplate(f"- {listed}\n\n{prose}", "en").counts == {"navigation": 5}
    assert strip_boilerplate(f"होम\nसमाचार\nखेल\nवीडियो\nसंपर्क करें\n{prose}", "hi").counts == {
        "navigation": 5
    }
    for lines in (
        "Milk\nBread\nHome\nSoap\nRice",
        "Home\nAnd then the night\nContact\nWith the cold sea\nMenu\nOf stars",
        "Contact\nHome",
    ):
        assert strip_boilerplate(f"{lines}\n\n{prose}", "en") == Edited(f"{lines}\n\n{prose}")


def test_tables_and_code_stay() -> None:
    table = "Name | Home | Contact | Blog\n--- | --- | --- | ---\nAnn | Home | Contact | Blog"
    code = "```\nHome | About | Contact\nRead more »\n```\n    Log in\nlogin = share;"
    for text in (table, code):
        assert strip_boilerplate(text, "en") == Edited(text)


def test_the_end_of_a_paragraph_is_cut() -> None:
    for language, end in (
        ("en", "Read more »"),
        ("en", "[Read more...]"),
        ("hi", "और पढ़ें →"),
        ("hi-Latn", "Aur padhein"),
    ):
        text = PROSE[language]
        assert strip_boilerplate(f"{text} {end}", language) == Edited(text, {"tail": 1})


def test_a_language_without_phrases_has_the_structural_rules_only() -> None:
    text = "Ini paragraf panjang tentang sungai yang mengalir dari gunung ke laut."
    menu = "Beranda | Berita | Olahraga | Ekonomi | Kontak"
    for language in ("id", "en-Deva"):
        assert strip_boilerplate(f"{menu}\n{text}", language) == Edited(text, {"navigation": 1})
        assert strip_boilerplate(f"Read more\n{text}", language) == Edited(f"Read more\n{text}")
    assert strip_boilerplate(f"Read more\n{text}", "en-IN").counts == {"read-more": 1}
    assert strip_boilerplate("3.4K shares | 120 comments\n5 likes", "id") == Edited(
        "", {"counter": 2}
    )
    lorem = "Lorem ipsum dolor sit amet, consectetur adipiscing elit."
    assert strip_boilerplate(lorem, "ta") == Edited("", {"lorem-ipsum": 1})


SPOKEN = {  # no phrase of these is listed: enough signs make them furniture
    "en": [
        "Get the best of our cookery pages in your inbox every Friday.",
        "Want more stories like this? Leave your email below.",
        "Be the first to know about new arrivals and special offers.",
        "By ordering from this shop you accept our terms of sale.",
        "Please read our terms and conditions before you use this site.",
        "The views expressed here are those of the author.",
        "This article contains affiliate links. We may earn a commission.",
        "We reserve the right to change this policy.",
        "Click Accept to agree to our use of all cookies.",
        "Text and photographs © Maria Example",
        "Liked this recipe? Share it with your friends!",
        "Tell us what you think in the comments below.",
    ],
    "hi": [
        "ताज़ा ख़बरें सीधे अपने इनबॉक्स में पाएँ।",
        "हमारी मेलिंग सूची में शामिल हों",
        "इस साइट का उपयोग करके आप हमारी शर्तों से सहमत होते हैं।",
        "लेख में व्यक्त विचार लेखक के निजी हैं।",
        "आपकी निजता हमारे लिए महत्वपूर्ण है।",
        "हमारी कुकी नीति पढ़ें",
        "सर्वाधिकार © उदाहरण प्रकाशन",
        "आपको यह लेख कैसा लगा? हमें बताएँ।",
    ],
    "hi-Latn": [
        "Taza khabrein seedhe apne inbox mein paayein.",
        "Hamare newsletter ke liye apna email daalein",
        "Is website ka upyog karke aap hamari sharton se sahmat hote hain.",
        "Aapki privacy hamare liye zaroori hai.",
        "Apni raay comment mein likhein",
    ],
}
TOLD = {  # the same matters, told and not asked
    "en": [
        "The newspaper's weekly newsletter reaches 40,000 readers and is free.",
        "To subscribe to the journal, readers once had to send a cheque by post.",
        "If you receive too many newsletters, unsubscribe from those you never read.",
        "You should read the privacy policy of an app before you install it.",
        "Most people click on accept without reading the terms and conditions.",
        "The privacy policy was changed after the leak, the company said.",
        "Under the law, a website must ask for your consent before it sets cookies.",
        "We use butter cookies for the base of this cheesecake.",
        "Share your toys with your sister, her mother said.",
        "He followed us on his bicycle for a mile.",
        "I want to subscribe to the magazine for one year.",
        "If you like this soup, try it with lentils.",
        "The museum reserves the right to close its doors in bad weather.",
        "Page 45 of the manuscript is missing.",
    ],
    "hi": [
        "अखबार का साप्ताहिक न्यूज़लेटर चालीस हज़ार पाठकों तक पहुँचता है।",
        "ऐप इंस्टॉल करने से पहले उसकी गोपनीयता नीति पढ़नी चाहिए।",
        "लोग नियम और शर्तें पढ़े बिना ही सहमत हो जाते हैं।",
        "उसने अपने दोस्तों के साथ वह कहानी साझा की।",
        "बिना अनुमति के अंदर आना मना है।",
        "मुझे पत्रिका की सदस्यता लेनी है।",
    ],
    "hi-Latn": [
        "Company ne kaha ki policy badal di gayi hai.",
        "Log niyam aur shartein padhe bina hi agree kar dete hain.",
        "Mujhe newsletter ki subscription leni hai.",
        "Kya aapko yeh restaurant pasand aaya?",
    ],
}


@pytest.mark.parametrize(("language", "line"), [(l, x) for l, ls in SPOKEN.items() for x in ls])
def test_a_site_that_speaks_to_its_visitor_goes(language: str, line: str) -> None:
    prose = PROSE[language]
    for text in (f"{prose}\n\n{line}\n\n{prose}", f"{line}\n{prose}\n{prose}"):
        once = strip_boilerplate(text, language)
        assert line not in once.text
        assert once.text.count(prose) == 2
        assert set(once.counts) <= {"subscribe", "legal", "cookies", "copyright", "share"}


@pytest.mark.parametrize(("language", "line"), [(l, x) for l, ls in TOLD.items() for x in ls])
def test_who_only_tells_of_it_stays(language: str, line: str) -> None:
    for text in (f"{PROSE[language]}\n\n{line}", f"{line}\n{PROSE[language]}"):
        assert strip_boilerplate(text, language) == Edited(text)


def test_points_are_the_sum_of_signs() -> None:
    table = sign_table("en")
    assert table is not None
    plain = score("subscribe to our newsletter", table, False)
    assert plain.kind == "subscribe"
    assert plain.points >= LIMIT_OF_SIGNS
    assert score("subscribe to our newsletter", table, True).points == plain.points + 1
    told = score("she told me to subscribe to our newsletter", table, False)
    assert told.points < plain.points
    assert score("the sea is wide", table, True) == Scored(0, None)
    assert sign_table("en-IN") == table
    assert sign_table("en-Deva") is None
    assert sign_table("xx") is None


@pytest.mark.parametrize(
    "line",
    [
        "« Previous 1 2 3 ... 9 Next »",
        "Page 2 of 9",
        "1 2 3 4 5 Next",
        "« 1 2 3 ... 9 »",
        "Showing 1-20 of 1,204 results",
        "पृष्ठ 2 / 9",
        "पिछला | अगला",
        "१ २ ३ ... ९ अगला",
        "pichhla 1 2 3 agla",
        "Previous\n1\n2\n3\n...\n12\nNext",
        "Home > News > India",
        "होम » खेल » क्रिकेट",
        "You are here: Home / Shop / Shoes",
        "Tags: monsoon, farmers, budget",
        "टैग: मानसून, किसान, बजट",
        "Politics\nSports\nOpinion\nTravel\nBooks",
        "राजनीति\nमनोरंजन\nखेल\nमौसम\nयात्रा",
    ],
)
def test_page_numbers_trails_tags_and_sections_go(line: str) -> None:
    for language in ("en", "hi", "hi-Latn"):
        if language != "hi" and re.search(r"[\u0900-\u097f]{4}", line) and "\n" in line:
            continue  # names of sections are a matter of language
        prose = PROSE[language]
        once = strip_boilerplate(f"{prose}\n\n{line}\n\n{prose}", language)
        assert once.text == f"{prose}\n\n{prose}"
        assert sum(once.counts.values()) == line.count("\n") + 1
        assert set(once.counts) <= {"navigation", "read-more"}


@pytest.mark.parametrize(
    "lines",
    [
        "Milk\nEggs\nBread\nButter\nSoap",
        "Contents\nIntroduction\nMethods\nResults\nDiscussion\nReferences",
        "Subjects taught at the school:\nMusic\nArts\nScience\nHealth\nSports",
        "My house\nMy mother\nMy school\nMy world",
        "Delhi\nMumbai\nPatna\nLucknow\nBhopal",
        "1\n2\n3\n4\n5",
        "1 2 3 4 5 6 7 8 9 10",
        "North - South - East - West",
        "- Education\n- Health\n- Employment\n- Housing",
        "Life\nWorld\nTime\nMoney\nHealth",
        "Category: noun, verb",
        "First we went to page 5",
    ],
)
def test_lists_that_are_no_menus_stay(lines: str) -> None:
    text = f"{PROSE['en']}\n\n{lines}\n\n{PROSE['en']}"
    assert strip_boilerplate(text, "en") == Edited(text)


def test_every_head_of_an_action_is_found_again() -> None:
    """The words by which lines are chosen leave none of the phrases out."""
    for language, entry in PHRASES.items():
        table = phrase_table(language)
        assert table is not None
        for phrases in entry.actions.values():
            for phrase in phrases:
                if re.fullmatch(r"[\w\u0900-\u0dff ]+", phrase):
                    assert not table.heads.isdisjoint(words_of(phrase)), phrase


def test_what_an_expression_begins_with_and_its_spellings() -> None:
    assert firsts("(?:a |the )?cat|dogs?") == {"a", "the", "cat", "dog"}
    assert set(spellings("cats? (?:in|on) (?:the )?mat")) >= {"cat in mat", "cats on mat"}


LINES = [
    line
    for lines in (*DIRT.values(), *CLEAN.values(), *SPOKEN.values(), *TOLD.values())
    for line in lines
]


@given(
    st.lists(
        st.one_of(
            st.sampled_from([*LINES, "", "Home", "Contact", "```", "a | b | c | d", "Blog"]),
            st.text(max_size=20),
        ),
        max_size=12,
    ).map("\n".join),
    st.sampled_from(["en", "hi", "hi-Latn", "xx"]),
)
def test_a_second_run_finds_nothing_and_lines_keep_their_order(text: str, language: str) -> None:
    once = strip_boilerplate(text, language)
    assert strip_boilerplate(once.text, language) == Edited(once.text)
    assert (once.text == text) == (not once.counts)
    if "tail" not in once.counts:
        left = iter(text.split("\n"))
        assert all(line in left for line in once.text.split("\n") if line)  # a subsequence


def test_every_plain_phrase_works_by_itself() -> None:
    for language, entry in PHRASES.items():
        prose = PROSE[language]
        plain = [
            p
            for ps in entry.actions.values()
            for p in ps
            if re.fullmatch(r"[^\W\d_ -][\w\u0900-\u0dff ]*", p)
        ]
        assert plain
        for phrase in plain:
            once = strip_boilerplate(f"{prose}\n{phrase.capitalize()}\n{prose}", language)
            assert once.text == f"{prose}\n{prose}", phrase


@pytest.mark.parametrize(
    "piece",
    [
        "Home | ",
        "Home\n",
        "»",
        "| ",
        "read more ",
        "\n",
        " ",
        "- Home\n",
        "cookies we use ",
        "1 like ",
        "```\n",
        "a | b | c | d\n\n",
        "our newsletter a b c d e f g\n",
        "1 2 3 4 5\n",
        "tags: a, b\n\n",
    ],
)
def test_time_grows_with_the_text(piece: str) -> None:
    assert growth(lambda text: strip_boilerplate(text, "hi"), piece) < LIMIT


@pytest.mark.parametrize(
    "name",
    [
        "en_cli",
        "en_dialogue",
        "en_drama",
        "en_fiction",
        "en_science",
        "en_stories",
        "en_tech",
        "hi_cli",
        "hi_literature",
        "hi_stories",
        "hi_tech",
        "hing_dialogue",
    ],
)
def test_false_alarms_on_real_text_are_rare(data_root: Path, name: str) -> None:
    language = "hi-Latn" if name.startswith("hing") else name[:2]
    lines = gone = 0
    with gzip.open(data_root / "pretrain" / f"{name}.valid.jsonl.gz", "rt") as file:
        for row in file:
            text = json.loads(row)["text"]
            lines += len(re.findall(r"\S.*", text))
            gone += sum(strip_boilerplate(text, language).counts.values())
    assert gone <= 1 + lines / 10_000
