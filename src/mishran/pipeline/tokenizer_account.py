"""`mishran tokenizer account`: a corpus, or shares of it, in tokens, bytes and content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mishran.config_corpus import TextFile
from mishran.errors import ConfigError
from mishran.pipeline.corpus_inputs import read_texts
from mishran.pipeline.corpus_models import plain
from mishran.pipeline.progress import Progress, Silent
from mishran.pipeline.tokenizer_compare import once, read_beside, reference_of
from mishran.pipeline.tokenizer_inputs import corpus_texts
from mishran.tokenizer.content import UNITS, account, convert, rates
from mishran.tokenizer.encoded import Tokenizer
from mishran.tokenizer.open_bytes import utf8_bytes
from mishran.tokenizer.opened import open_tokenizer
from mishran.tokenizer.parallel import Parallel

_BATCH = 256  # documents counted at once
# Tags of data sets of parallel text (ISO 639-3) for those that corpora use (ISO 639-1).
_LONG = {"en": "eng", "hi": "hin", "mr": "mar", "ne": "npi", "bn": "ben", "gu": "guj", "ta": "tam"}
_LONG |= {"te": "tel", "kn": "kan", "ml": "mal", "pa": "pan", "or": "ory", "as": "asm", "ur": "urd"}
_LONG |= {"sd": "snd", "de": "deu", "fr": "fra", "ru": "rus", "ar": "ara", "zh-Hans": "zho_simpl"}
_SHORT = {long: tag for tag, long in _LONG.items()}


def account_tokenizer(
    path: str,
    beside: Sequence[str],
    *,
    corpus: Path | None = None,
    text: Sequence[str] = (),
    share: Sequence[str] = (),
    unit: str = "content",
    reference: str | None = None,
    online: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Accounts of a corpus and converted shares, as JSON values.

    Args:
        path: of the tokenizer. beside: parallel text, as for `compare`. corpus: folder of a cleaned one.
        text: LANGUAGE=FILE instead. share: LANGUAGE=SHARE in `unit`; the reference takes the rest.

    Raises:
        MishranError: a file, language or share that cannot be used.
    """
    if unit not in UNITS:
        raise ConfigError(
            expected=f"a unit among {', '.join(UNITS)}",
            found=repr(unit),
            where="--unit",
            fix="choose one",
        )
    if corpus and text:
        raise ConfigError(
            expected="--corpus or --text", found="both", where="arguments", fix="leave one out"
        )
    for option, given in (("--text", text), ("--share", share)):
        once(option, given)
    if not (corpus or text or share):
        raise ConfigError(
            expected="--corpus, --text or --share",
            found="none of them",
            where="arguments",
            fix="say what is to be counted or converted",
        )
    tokenizer = open_tokenizer(path, online=online)
    texts = read_beside(beside)
    texts = _renamed(texts)
    base = reference_of(texts, _SHORT.get(reference or "", reference))
    if base not in texts.texts:
        raise ConfigError(
            expected=f"one of the languages {', '.join(texts.texts)}",
            found=repr(reference),
            where="--reference",
            fix="choose of these",
        )
    at = rates(tokenizer, texts, base)
    accounts: list[dict[str, Any]] = []
    if corpus is not None or text:
        counted = _count(tokenizer, _documents(corpus, text), progress or Silent())
        known = {k: row for k, row in counted.items() if k in texts.texts}
        accounts = [plain(one) for one in account(known, at)] if known else []
        accounts += _unknown(counted, texts)
        _whole_shares(accounts)
    shares = _shares(share, texts, base)
    rows = [
        {"language": tag, "unit": wanted, "share": plain(found)}
        for wanted in UNITS
        if shares
        for tag, found in convert(shares, unit, wanted, at).items()
    ]
    return {
        "tokenizer": tokenizer.name,
        "reference": base,
        "parallel": {"name": texts.name, "texts": texts.num},
        "unit": unit,
        "accounts": accounts,
        "shares": rows,
        "per_content": {
            tag: {
                "tokens": plain(_estimate(at.tokens[tag])),
                "bytes": plain(_estimate(at.bytes[tag])),
            }
            for tag in texts.texts
        },
    }


def _estimate(values: Any) -> Any:
    from mishran.tokenizer.measures import interval

    return interval(float(values[0]), values[1:])


def _renamed(texts: Parallel) -> Parallel:
    """With the short tag where the field is called by the long one."""
    return Parallel(texts.name, {_SHORT.get(k, k): v for k, v in texts.texts.items()})


def _documents(
    corpus: Path | None, text: Sequence[str]
) -> Mapping[str, Callable[[], Iterator[str]]]:
    if corpus is not None:
        return {
            tag: lambda own=own: (text for read in own.values() for text in read())  # type: ignore[misc]
            for tag, own in corpus_texts(corpus)[0].items()
        }
    found: dict[str, Callable[[], Iterator[str]]] = {}
    for one in text:
        tag, equals, file = one.partition("=")
        if not equals:
            raise ConfigError(
                expected="LANGUAGE=FILE", found=repr(one), where="--text", fix="name its language"
            )
        where = f"--text {tag}"
        found[tag] = lambda file=file, where=where: read_texts(  # type: ignore[misc]
            TextFile(path=file), Path(), where
        )
    return found


def _count(
    tokenizer: Tokenizer,
    documents: Mapping[str, Callable[[], Iterator[str]]],
    progress: Progress,
) -> dict[str, tuple[int, int, int]]:
    """Language -> documents, bytes, tokens."""
    out = {}
    with progress.bar("count", len(documents)) as done:
        for tag, texts in documents.items():
            num = size = tokens = 0
            batch: list[str] = []
            for text in texts():
                num += 1
                size += len(utf8_bytes(text))
                batch.append(text)
                if len(batch) == _BATCH:
                    tokens += int(tokenizer.counts(batch).sum())
                    batch = []
            tokens += int(tokenizer.counts(batch).sum()) if batch else 0
            out[tag] = (num, size, tokens)
            done(1)
    return out


def _unknown(counted: Mapping[str, tuple[int, int, int]], texts: Parallel) -> list[dict[str, Any]]:
    """Languages without parallel text: content is not known, and not guessed."""
    return [
        {
            "language": tag,
            "documents": num,
            "num_bytes": size,
            "num_tokens": tokens,
            "content": None,
            "share_content": None,
        }
        for tag, (num, size, tokens) in counted.items()
        if tag not in texts.texts
    ]


def _whole_shares(accounts: list[dict[str, Any]]) -> None:
    """Shares of bytes and tokens are of all languages, those without parallel text counted."""
    for name in ("bytes", "tokens"):
        total = sum(row[f"num_{name}"] for row in accounts)
        for row in accounts:
            row[f"share_{name}"] = row[f"num_{name}"] / max(1, total)


def _shares(share: Sequence[str], texts: Parallel, reference: str) -> dict[str, float]:
    out: dict[str, float] = {}
    for one in share:
        tag, _, value = one.partition("=")
        try:
            out[tag] = float(value)
        except ValueError:
            out[tag] = -1.0
        if not 0 <= out[tag] <= 1 or tag not in texts.texts or tag == reference:
            known = ", ".join(t for t in texts.texts if t != reference)
            raise ConfigError(
                expected=f"LANGUAGE=SHARE with a share from 0 to 1 and a language of {known}",
                found=repr(one),
                where="--share",
                fix="write hi=0.25",
            )
    if out:
        rest = 1 - sum(out.values())
        if rest < -1e-9:
            raise ConfigError(
                expected="shares that sum to at most 1",
                found=f"{sum(out.values()):g}",
                where="--share",
                fix="lower them",
            )
        out = {reference: max(0.0, rest), **out}
    return out
