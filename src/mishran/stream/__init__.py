"""From a mixture to training data: plan, order, rows of tokens, packs, files."""
