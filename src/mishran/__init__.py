"""Mishran (Hindi: mixture): in what proportions to mix training data, why, and whether it helped.

    import mishran as mx

    run = mx.fit("mix.yaml")                                   # the whole job, in a run directory
    affinity = mx.read_matrix("matrix.csv")                    # or only the mathematics
    mixture = mx.solve(mx.Energy.coverage(affinity, t=0.6))
    mixture.weights["gsm8k"], mixture.certificate.gap, mixture.interval("gsm8k")

Names are loaded when they are first used: importing the package loads neither torch nor NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mishran.affinity import jsd_affinity, matrix_affinity, pmi_affinity, read_matrix
    from mishran.energy import Energy
    from mishran.errors import MishranError
    from mishran.mixture import Mixture
    from mishran.pipeline.build import build_from, plan_from
    from mishran.pipeline.corpus import clean_corpus
    from mishran.pipeline.corpus_result import open_corpus
    from mishran.pipeline.fit import fit
    from mishran.pipeline.mix import solve
    from mishran.pipeline.tokenizer import train_tokenizer
    from mishran.stream.build import open_ordered, open_tokens
    from mishran.stream.pack_stream import PackStream
    from mishran.stream.plan import Plan
    from mishran.stream.row_stream import OrderedStream, RowStream
    from mishran.tokenizer.opened import open_tokenizer

_WHERE = {
    "Energy": "mishran.energy",
    "MishranError": "mishran.errors",
    "Mixture": "mishran.mixture",
    "OrderedStream": "mishran.stream.row_stream",
    "PackStream": "mishran.stream.pack_stream",
    "Plan": "mishran.stream.plan",
    "RowStream": "mishran.stream.row_stream",
    "build_from": "mishran.pipeline.build",
    "clean_corpus": "mishran.pipeline.corpus",
    "fit": "mishran.pipeline.fit",
    "jsd_affinity": "mishran.affinity",
    "matrix_affinity": "mishran.affinity",
    "open_corpus": "mishran.pipeline.corpus_result",
    "open_ordered": "mishran.stream.build",
    "open_tokenizer": "mishran.tokenizer.opened",
    "open_tokens": "mishran.stream.build",
    "plan_from": "mishran.pipeline.build",
    "pmi_affinity": "mishran.affinity",
    "read_matrix": "mishran.affinity",
    "solve": "mishran.pipeline.mix",
    "train_tokenizer": "mishran.pipeline.tokenizer",
}

__all__ = [
    "Energy",
    "MishranError",
    "Mixture",
    "OrderedStream",
    "PackStream",
    "Plan",
    "RowStream",
    "build_from",
    "clean_corpus",
    "fit",
    "jsd_affinity",
    "matrix_affinity",
    "open_corpus",
    "open_ordered",
    "open_tokenizer",
    "open_tokens",
    "plan_from",
    "pmi_affinity",
    "read_matrix",
    "solve",
    "train_tokenizer",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'mishran' has no attribute {name!r}")
    try:
        return getattr(import_module(_WHERE[name]), name)
    except ImportError as error:
        from mishran.errors import missing_package

        raise missing_package(error) or error from error


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
