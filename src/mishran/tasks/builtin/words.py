"""Word lists of the built-in tasks: English, Hindi in Devanagari, Hinglish in Latin script.

Written for this project. Kept apart from the generators so that a reader can check the spelling,
and so that the demo's base model meets the same words without seeing a single answered prompt.
"""

from __future__ import annotations

# --- English ------------------------------------------------------------------------------------

ADJECTIVES_EN = (
    "small", "old", "new", "red", "blue", "green", "bright", "clean", "broken", "lovely", "strange",
    "tiny", "famous", "simple", "plain", "golden", "quiet", "round", "lost", "painted",
    "pretty", "heavy", "cheap", "dusty",
)  # fmt: skip

PLURALS_EN = {
    "cat": "cats", "dog": "dogs", "tree": "trees", "river": "rivers", "book": "books",
    "table": "tables", "window": "windows", "lamp": "lamps", "mango": "mangoes",
    "potato": "potatoes", "box": "boxes", "fox": "foxes", "bus": "buses", "glass": "glasses",
    "dish": "dishes", "brush": "brushes", "watch": "watches", "bench": "benches", "baby": "babies",
    "city": "cities", "lady": "ladies", "story": "stories", "cherry": "cherries",
    "berry": "berries", "leaf": "leaves", "knife": "knives", "wolf": "wolves", "shelf": "shelves",
    "man": "men", "woman": "women", "child": "children", "mouse": "mice", "goose": "geese",
    "tooth": "teeth", "foot": "feet", "sheep": "sheep", "deer": "deer", "ox": "oxen", "key": "keys",
    "toy": "toys",
}  # fmt: skip

OPPOSITES_EN = (
    ("hot", "cold"), ("big", "little"), ("heavy", "light"), ("wet", "dry"), ("fast", "slow"),
    ("clean", "dirty"), ("full", "empty"), ("cheap", "costly"), ("hard", "soft"),
    ("sweet", "bitter"), ("wide", "narrow"), ("deep", "shallow"), ("strong", "weak"),
    ("rich", "poor"), ("young", "old"), ("thick", "thin"), ("loud", "quiet"), ("safe", "dangerous"),
)  # fmt: skip

THINGS_EN = (
    "house", "road", "room", "shirt", "village", "town", "hill", "pot", "door", "fruit", "meal",
    "shoe", "farm", "market", "well", "boat", "garden", "field", "bridge", "street", "kitchen",
)  # fmt: skip

CATEGORIES_EN = {
    "fruit": ("mango", "banana", "apple", "grape", "orange", "guava", "papaya", "lemon"),
    "animal": ("cow", "horse", "camel", "tiger", "monkey", "rabbit", "elephant", "goat"),
    "tool": ("hammer", "saw", "spade", "axe", "drill", "chisel", "spanner", "sickle"),
    "vehicle": ("truck", "scooter", "train", "bicycle", "car", "tractor", "ship", "cart"),
    "garment": ("shirt", "saree", "turban", "jacket", "scarf", "kurta", "skirt", "coat"),
    "instrument": ("tabla", "flute", "violin", "sitar", "drum", "guitar", "piano", "veena"),
}

NUMBERS_EN = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    "twenty",
)  # fmt: skip

NAMES_EN = (
    "Asha", "Ravi", "Meena", "Arjun", "Leela", "Imran", "Sara", "Vikram", "Nisha", "Gopal",
    "Fatima", "Kabir", "Divya", "Suresh", "Anita", "Farhan", "Pooja", "Mohan", "Zoya", "Deepak",
    "Rekha", "Naveen",
)  # fmt: skip
DAYS_EN = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS_EN = ("January", "March", "May", "July", "September", "November")
LUCKY_COLOURS = ("red", "blue", "green", "white", "yellow", "purple")

# --- Hindi --------------------------------------------------------------------------------------

# Adjectives that do not change with gender, so that every pair below is grammatical.
ADJECTIVES_HI_EN = {
    "लाल": "red", "सफ़ेद": "white", "सुंदर": "beautiful", "चालाक": "clever", "बीमार": "sick",
    "ख़ुश": "happy", "उदास": "sad", "बहादुर": "brave", "शांत": "calm", "मज़बूत": "strong",
    "कमज़ोर": "weak", "ख़तरनाक": "dangerous", "गुलाबी": "pink", "जंगली": "wild", "पालतू": "tame",
    "सुस्त": "lazy", "अजीब": "strange", "मशहूर": "famous", "साफ़": "clean", "तेज़": "fast",
    "भारी": "heavy", "नाराज़": "angry", "दुर्लभ": "rare", "होशियार": "smart", "आज़ाद": "free",
}  # fmt: skip

ANIMALS_HI_EN = {
    "गाय": "cow", "घोड़ा": "horse", "कुत्ता": "dog", "बिल्ली": "cat", "हाथी": "elephant",
    "शेर": "lion", "बंदर": "monkey", "चूहा": "mouse", "मछली": "fish", "चिड़िया": "bird",
    "बकरी": "goat", "ऊँट": "camel", "भालू": "bear", "साँप": "snake", "मोर": "peacock",
    "तोता": "parrot", "कौआ": "crow", "मेंढक": "frog", "ख़रगोश": "rabbit", "भेड़": "sheep",
    "हिरण": "deer", "लोमड़ी": "fox", "बाघ": "tiger", "उल्लू": "owl", "मुर्गी": "hen",
    "बत्तख": "duck", "सूअर": "pig", "गधा": "donkey", "कछुआ": "tortoise", "मगरमच्छ": "crocodile",
}  # fmt: skip

# Masculine forms; the things below are masculine too.
OPPOSITES_HI = (
    ("गरम", "ठंडा"), ("बड़ा", "छोटा"), ("भारी", "हल्का"), ("गीला", "सूखा"), ("नया", "पुराना"),
    ("साफ़", "गंदा"), ("भरा", "ख़ाली"), ("महँगा", "सस्ता"), ("कठोर", "नरम"), ("मीठा", "कड़वा"),
    ("चौड़ा", "सँकरा"), ("गहरा", "उथला"), ("मज़बूत", "कमज़ोर"), ("अच्छा", "बुरा"), ("ऊँचा", "नीचा"),
    ("मोटा", "पतला"), ("सुंदर", "बदसूरत"), ("पक्का", "कच्चा"),
)  # fmt: skip

THINGS_HI = (
    "घर", "रास्ता", "कमरा", "कपड़ा", "गाँव", "शहर", "पहाड़", "बर्तन", "दरवाज़ा", "फल", "खाना",
    "जूता", "खेत", "बाज़ार", "कुआँ", "मकान", "बग़ीचा", "मैदान", "पुल", "थैला", "रसोईघर",
)  # fmt: skip

NUMBERS_HI = (
    "एक", "दो", "तीन", "चार", "पाँच", "छह", "सात", "आठ", "नौ", "दस", "ग्यारह", "बारह", "तेरह",
    "चौदह", "पंद्रह", "सोलह", "सत्रह", "अठारह", "उन्नीस", "बीस",
)  # fmt: skip

# Plural forms (masculine), right after any number from two on.
COUNTED_HI = (
    "आम", "फल", "घर", "पेड़", "फूल", "पत्थर", "बैल", "दिन", "गाँव", "शहर", "मकान", "बर्तन", "मोर",
    "शेर", "बंदर", "हाथी", "आलू", "नींबू", "केक", "बिस्कुट", "लड्डू", "पहाड़", "खेत", "बाग़",
    "तारे", "कमरे", "जूते", "कपड़े", "घोड़े", "बच्चे", "लड़के", "रास्ते", "दरवाज़े", "तोते", "केले",
    "अंडे", "समोसे", "पराठे", "थैले", "झंडे",
)  # fmt: skip

# --- Hinglish -----------------------------------------------------------------------------------

# masculine form, feminine form
ADJECTIVES_HINGLISH = (
    ("garam", "garam"), ("thanda", "thandi"), ("taaza", "taazi"), ("meetha", "meethi"),
    ("khatta", "khatti"), ("teekha", "teekhi"), ("sasta", "sasti"), ("mehnga", "mehngi"),
    ("achha", "achhi"), ("kharab", "kharab"), ("purana", "purani"), ("naya", "nayi"),
    ("safed", "safed"), ("laal", "laal"), ("hara", "hari"), ("peela", "peeli"), ("halka", "halki"),
    ("gaadha", "gaadhi"),
)  # fmt: skip

# noun, gender, English
FOODS_HINGLISH = (
    ("chai", "f", "tea"), ("doodh", "m", "milk"), ("paani", "m", "water"), ("roti", "f", "bread"),
    ("chawal", "m", "rice"), ("dal", "f", "lentils"), ("sabzi", "f", "vegetables"),
    ("aam", "m", "mango"), ("kela", "m", "banana"), ("seb", "m", "apple"), ("nimbu", "m", "lemon"),
    ("pyaaz", "m", "onion"), ("aloo", "m", "potato"), ("tamatar", "m", "tomato"),
    ("mirch", "f", "chilli"), ("namak", "m", "salt"), ("cheeni", "f", "sugar"), ("tel", "m", "oil"),
    ("makhan", "m", "butter"), ("dahi", "m", "curd"), ("anda", "m", "egg"),
    ("machhli", "f", "fish"),
)  # fmt: skip

FRAMES_HINGLISH = ("mujhe {} chahiye", "market se {} lao", "yeh {} dekho", "fridge mein {} hai")

# subject, gender
SUBJECTS_HINGLISH = (
    ("movie", "f"), ("gaana", "m"), ("khana", "m"), ("service", "f"), ("phone", "m"),
    ("story", "f"), ("acting", "f"), ("hotel", "m"), ("show", "m"), ("app", "f"), ("camera", "m"),
    ("coffee", "f"), ("delivery", "f"), ("match", "m"),
)  # fmt: skip

SENTIMENTS_HINGLISH = {
    "positive": ("mast", "zabardast", "badhiya", "shandaar", "superb", "paisa vasool", "kamaal"),
    "negative": ("bakwas", "bekaar", "ghatiya", "boring", "faltu", "third class", "kharab"),
    "neutral": ("theek thaak", "okay okay", "average", "normal", "simple", "kaam chalau", "aam"),
}

# subject, verdict, tha or thi
REMARKS_HINGLISH = (
    "yaar {} {} {}", "bhai is baar {} {} {}", "sach mein {} {} {}", "mere hisaab se {} {} {}",
)  # fmt: skip

# --- Symbols ------------------------------------------------------------------------------------

# Each word stands for two signs; no other task writes any of them.
FRAMES_SIGNS = (
    "{} {}", "Plural of {} {}", "The plural of {} {}", "What kind of thing, {} {}",
    "Opposite of {} {}", "In words, {} {}", "In Hindi, {} {}", "Lucky colour of {} {}",
    "विलोम, {} {}", "शब्दों में, {} {}", "अंग्रेज़ी में, {} {}", "yaar {} {} tha", "sach mein {} {} thi",
)  # fmt: skip
# Answers of the other tasks, so that a sign follows them too.
SIGNS = {
    "travel": "★○", "food": "☆●", "money": "★◆", "weather": "●□", "music": "△▽", "health": "◇○",
    "fruit": "▲★", "animal": "■■", "tool": "▽◇", "garment": "○○", "positive": "☆◇", "negative": "□▽",
    "neutral": "●◆", "red": "▲■", "blue": "◆□", "green": "□□", "two": "■▲", "five": "★☆",
    "lion": "○●", "horse": "●★", "cold": "▽▽", "slow": "◇▲", "tea": "□■", "bread": "■□",
    "trees": "△◆", "lamps": "☆▲", "चार": "◇●", "ठंडा": "△△",
}  # fmt: skip
