"""Evidence in, a mixture out: every published static way, and our learning curves, behind one interface.

    method = parse("taskpgm:t=0.6:floor=0.3")
    proposal = method.solve(evidence)
    proposal.weights, proposal.certificate, canonical(method)

NumPy, SciPy and the solver of `mishran.energy`; nothing here loads torch or reads a file.
`mishran.pipeline.evidence` makes evidence of a run.
"""

from mishran.methods.evidence import (
    Budget,
    Curve,
    Distributions,
    Embeddings,
    Evidence,
    Trials,
)
from mishran.methods.floored import Floored
from mishran.methods.gains import gains_of
from mishran.methods.method import Invariance, Proposal, Source, StaticMethod
from mishran.methods.registry import METHODS, canonical, parse, places

__all__ = [
    "METHODS",
    "Budget",
    "Curve",
    "Distributions",
    "Embeddings",
    "Evidence",
    "Floored",
    "Invariance",
    "Proposal",
    "Source",
    "StaticMethod",
    "Trials",
    "canonical",
    "gains_of",
    "parse",
    "places",
]
