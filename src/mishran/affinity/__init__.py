"""Score and divergence tables in, n x n similarities of tasks out, with replicas and diagnostics.

    affinity = jsd_affinity(divergence)
    AffinityDiagnostics.of(affinity).twins

NumPy only; nothing here loads torch.
"""

from mishran.affinity.bootstrap import bootstrap_weights
from mishran.affinity.diagnostics import AffinityDiagnostics, FamilyAuc, family_auc
from mishran.affinity.gradient import GradientTable, GradientVariant, gradient_affinity
from mishran.affinity.jsd import jsd_affinity, pairwise_jsd
from mishran.affinity.matrix import matrix_affinity, read_matrix
from mishran.affinity.pmi import Variant, pmi_affinity
from mishran.affinity.seeds import SeedVariance, combine_seeds, seed_variance

__all__ = [
    "AffinityDiagnostics",
    "FamilyAuc",
    "GradientTable",
    "GradientVariant",
    "SeedVariance",
    "Variant",
    "bootstrap_weights",
    "combine_seeds",
    "family_auc",
    "gradient_affinity",
    "jsd_affinity",
    "matrix_affinity",
    "pairwise_jsd",
    "pmi_affinity",
    "read_matrix",
    "seed_variance",
]
