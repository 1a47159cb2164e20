"""Built-in tasks: prompts and answers in English, Hindi and Hinglish, made by generators of ours.

When to use: to see the pipeline work without data, and to test it on structure that is known: a
pair of near-duplicates, one skill in two languages, an outlier, and a task with random answers.
The trade-off: vocabularies of some dozens of words, so that a model trained on the spot learns
them.
"""

from mishran.tasks.builtin.catalogue import (
    BUILTIN,
    CROSS_LANGUAGE,
    OUTLIER,
    RANDOM,
    TWINS,
    Builtin,
    generate,
    write_builtin,
)

__all__ = [
    "BUILTIN",
    "CROSS_LANGUAGE",
    "OUTLIER",
    "RANDOM",
    "TWINS",
    "Builtin",
    "generate",
    "write_builtin",
]
