"""JSD affinity: S = 1 - J, J the mean Jensen-Shannon divergence of two specialists' answers.

J_ij is a mean over probe examples in which every task weighs the same, every example of a task, and
every answer token of an example; in units of ln 2, so in [0, 1]. On a pool that all specialists
answer, S is a positive semi-definite kernel (the Jensen-Shannon kernel ln 2 - JSD is positive
definite), so the energy needs no repair.

`pairwise_jsd` is the float64 reference that faster paths are compared with.

Source: TaskPGM, arXiv 2507.12612, names the JSD; pool, weights and kernel are derived (Hein and
Bousquet, AISTATS 2005, show that the kernel is positive definite).
"""

from __future__ import annotations

import numpy as np

from mishran.affinity.bootstrap import bootstrap_weights, even_weights
from mishran.errors import DataError
from mishran.types import Affinity, Array, DivergenceTable, Repair

TILE = 2**21
NORMALISED = 1e-3
ROUNDING = 1e-6
LN2 = float(np.log(2.0))


def pairwise_jsd(log_probs: Array) -> Array:
    """JSD / ln 2 of every pair of specialists at every token, in float64 over the whole vocabulary.

    With m the mean of p and q and a = |log p - log q| / 2, the divergence is the sum over the
    vocabulary of m (a tanh a - log cosh a), terms that are never negative and 0 only where p = q;
    only differences of logarithms enter, so nothing is clipped. Temporaries stay below 2**21
    numbers per array.

    Args:
        log_probs: (n, T, V) log-probabilities in nats; -inf is a probability of 0.

    Returns:
        (T, n (n-1) / 2), pairs in the order of `numpy.triu_indices(n, 1)`.

    Raises:
        DataError: a distribution with a NaN, or one that does not sum to 1 within 1e-3.
    """
    n, num_tokens, vocab = log_probs.shape
    block = max(1, TILE // max(1, n * num_tokens))
    out = np.zeros((num_tokens, n * (n - 1) // 2))
    total = np.zeros((n, num_tokens))
    for start in range(0, vocab, block):
        logs = np.asarray(log_probs[:, :, start : start + block], dtype=np.float64)
        probs = np.exp(logs)
        total += probs.sum(axis=2)
        first = 0
        for i in range(n - 1):
            terms = (probs[i] + probs[i + 1 :]) / 2 * _excess(logs[i], logs[i + 1 :])
            out[:, first : first + n - 1 - i] += terms.sum(axis=2).T
            first += n - 1 - i
    wrong = ~(np.abs(total - 1.0) <= NORMALISED)
    if wrong.any():
        i, token = (int(k) for k in np.argwhere(wrong)[0])
        raise DataError(
            expected="log-probabilities (log_softmax of the logits) that sum to 1",
            found=f"a sum of {total[i, token]:.6g} for specialist {i} at token {token}",
            where="pairwise_jsd",
            fix="apply log_softmax over the whole vocabulary, in float32 or better",
        )
    return np.asarray(np.minimum(out / LN2, 1.0))  # rounding can leave 1 + 1e-16


def _excess(left: Array, right: Array) -> Array:
    """a tanh a - log cosh a for a = |left - right| / 2; 0 where both are -inf.

    Below a = 1/2 as written, by log1p and sinh; above, with e = exp(-2a), as
    ln 2 - log1p(e) - 2 a e / (1 + e), which does not overflow.
    """
    with np.errstate(invalid="ignore"):
        a = np.abs(left - right) / 2
    a[np.isneginf(left) & np.isneginf(right)] = 0.0
    small = np.minimum(a, 0.5)
    near = small * np.tanh(small) - np.log1p(2.0 * np.square(np.sinh(small / 2)))
    e = np.exp(-2.0 * a)
    far = LN2 - np.log1p(e) - 2.0 * np.where(e > 0, a, 0.0) * e / (1.0 + e)
    return np.asarray(np.where(a < 0.5, near, far))


def jsd_affinity(divergence: DivergenceTable, replicas: int = 200, seed: int = 0) -> Affinity:
    """S = 1 - J with diagonal 1, and its replicas over resampled probes.

    Eigenvalues of S between -n * 1e-6 and 0 are rounding of a table kept in float32: they are set
    to 0, the diagonal is scaled back to 1, and the result says so. Lower ones are left alone, since
    they mean that the pool was not shared; the energy deals with them as it is told.

    Raises:
        DataError: no probes, or a divergence that is not finite or not in [0, 1] to 1e-6.
    """
    names, table = divergence.specialists, divergence.jsd
    _check(divergence)
    n = len(names)
    mean = _similarity(even_weights(divergence.probe_task)[None, :] @ table, n)
    weights = bootstrap_weights(divergence.probe_task, divergence.probe_id, replicas, seed)
    drawn = _similarity(weights @ table, n)
    lowest, matrix = _without_rounding(mean[0])
    repairs: tuple[Repair, ...] = ()
    if lowest < 0:
        detail = f"eigenvalues down to {lowest:.3g} set to 0, diagonal scaled back to 1"
        repairs = (Repair(name="rounding", amount=-lowest, detail=detail),)
    return Affinity(
        names=names,
        matrix=matrix,
        kind="jsd",
        replicas=np.array([_without_rounding(s)[1] for s in drawn]).reshape(replicas, n, n),
        repairs=repairs,
    )


def _check(divergence: DivergenceTable) -> None:
    table = divergence.jsd
    if len(table) == 0:
        raise DataError(
            expected="at least one probe example",
            found="none",
            where="divergence table",
            fix="raise probes.per_task and run again",
        )
    wrong = ~((table >= -ROUNDING) & (table <= 1.0 + ROUNDING))
    if wrong.any():
        row, pair = (int(k) for k in np.argwhere(wrong)[0])
        left, right = (
            int(index[pair]) for index in np.triu_indices(len(divergence.specialists), 1)
        )
        names = divergence.specialists
        raise DataError(
            expected="divergences between 0 and 1 (units of ln 2)",
            found=f"{table[row, pair]} between {names[left]} and {names[right]}",
            where=f"divergence table, example {divergence.probe_id[row]} "
            f"of {divergence.probe_task[row]}",
            fix="delete the table and run again; it is measured anew",
        )


def _similarity(pairs: Array, n: int) -> Array:
    """(B, n, n) of 1 - J from (B, k) J, diagonal 1."""
    out = np.ones((len(pairs), n, n))
    rows, columns = np.triu_indices(n, 1)
    out[:, rows, columns] = out[:, columns, rows] = 1.0 - pairs
    return out


def _without_rounding(matrix: Array) -> tuple[float, Array]:
    """Lowest eigenvalue that was taken for rounding (0 if none was), and the matrix without it."""
    n = len(matrix)
    try:
        np.linalg.cholesky(matrix)
        return 0.0, matrix
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(matrix)
    lowest = float(values[0])
    exact = -4 * n * np.finfo(float).eps * values[-1]
    if not -n * ROUNDING <= lowest < exact:
        return 0.0, matrix
    kernel = (vectors * np.maximum(values, 0.0)) @ vectors.T
    size = np.sqrt(np.diag(kernel))
    kernel = (kernel + kernel.T) / 2 / np.outer(size, size)
    np.fill_diagonal(kernel, 1.0)
    return lowest, kernel
