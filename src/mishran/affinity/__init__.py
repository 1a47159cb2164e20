"""Score and divergence tables in, n x n similarities of tasks out, with replicas and diagnostics.

    affinity = jsd_affinity(divergence)
    AffinityDiagnostics.of(affinity).twins

NumPy only; nothing here loads torch.
"""

from mishran.affinity.bootstrap import bootstrap_weights
from mishran.affinity.diagnostics import AffinityDiagnostics, FamilyAuc, family_auc
from mishran.affinity.jsd import jsd_affinity, pairwise_jsd
from mishran.affinity.matrix import matrix_affinity, read_matrix
from mishran.affinity.pmi import Variant, pmi_affinity

__all__ = [
    "AffinityDiagnostics",
    "FamilyAuc",
    "Variant",
    "bootstrap_weights",
    "family_auc",
    "jsd_affinity",
    "matrix_affinity",
    "pairwise_jsd",
    "pmi_affinity",
    "read_matrix",
]
