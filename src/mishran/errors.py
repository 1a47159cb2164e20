"""Every error a person can cause, as one line that says how to go on.

An error carries four answers: what was expected, what was found, where, and what to do. The command
line prints it on one line and exits with code 2; `--json` prints the same four fields. Anything else
that reaches the top is our own mistake and keeps its traceback.
"""


class MishranError(Exception):
    """Base of all errors that are help, not accidents.

    Args:
        expected: what would have been right.
        found: what was there instead (value, index, name).
        where: file and line, task, option or stage; empty when there is no place to name.
        fix: the exact remedy.
    """

    def __init__(self, *, expected: str, found: str, where: str = "", fix: str) -> None:
        self.expected, self.found, self.where, self.fix = expected, found, where, fix
        place = f"{where}: " if where else ""
        text = f"{place}expected {expected}, found {found}; {fix}"
        super().__init__(" ".join(text.split()))

    def as_dict(self) -> dict[str, str]:
        """The four answers and the kind of error, for `--json`."""
        return {
            "error": type(self).__name__,
            "expected": self.expected,
            "found": self.found,
            "where": self.where,
            "fix": self.fix,
        }


class ConfigError(MishranError):
    """A configuration or an option that says something impossible."""


class DataError(MishranError):
    """A file, record or example that is not what its task needs."""


class ModelError(MishranError):
    """A model or tokenizer folder that cannot be used."""


class InfeasibleError(MishranError):
    """Bounds, group sums or a dial that no mixture satisfies."""


class EnergyError(MishranError):
    """A matrix or vector that is no energy: not square, not symmetric, not finite, not convex."""


class TrainingError(MishranError):
    """A specialist whose training failed (a NaN loss, say); the other tasks go on."""


class ArtifactError(MishranError):
    """A run directory, or a file in it, that is missing or damaged."""


class DependencyError(MishranError):
    """An optional package that is not installed."""


def first_line(error: BaseException) -> str:
    """What a foreign exception says, short enough for our one line."""
    text = str(error).strip().splitlines()
    if not text or isinstance(error, KeyError):  # a KeyError's text is the key alone
        return repr(error)
    line = text[0].rstrip(".")
    return line if len(line) <= 200 else line[:197] + "..."


_TORCH = ("torch", "transformers", "peft", "datasets", "safetensors", "tokenizers")
_CORPUS = ("datatrove", "ftfy", "indicnlp", "loguru", "numba", "orjson", "regex", "sklearn")
_CORPUS += ("trafilatura", "xxhash")
_TOKENIZER = ("google", "sentencepiece", "tiktoken")
_OPTIONAL = {
    **dict.fromkeys(_CORPUS, "corpus"),
    **dict.fromkeys(_TOKENIZER, "tokenizer"),
    **dict.fromkeys(_TORCH, "torch"),
}


def missing_package(error: ImportError) -> DependencyError | None:
    """The help for an import that failed, None when the package is none of our optional ones."""
    package = (error.name or "").split(".")[0]
    if package not in _OPTIONAL:
        return None
    return DependencyError(
        expected=f"the package {package}",
        found="it is not installed",
        fix=f'pip install "mishran[{_OPTIONAL[package]}]"',
    )
