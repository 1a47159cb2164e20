"""Where work runs: in local processes. Knows nothing about mixtures."""
