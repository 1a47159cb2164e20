"""Exports, read back by the trainers' own code: `python tools/readback.py --python trl=/path/to/python ...`.

Makes exports of real tasks (a prompt recipe, a chat recipe, raw text; from $MISHRAN_DATA) for every
target that has a script in `tools/readback/`, runs each script with the interpreter of its trainer, and
writes `docs/results/export.md`.

Protocol of `tools/readback/<target, "-" as "_">.py`. It runs in the trainer's environment, where mishran
need not be installed, and imports nothing of ours:

    python -P tools/readback/trl.py FOLDER --reference FILE

-P: without it Python looks for the module `trl` beside the script and finds the script itself.

FOLDER: the export. The script may write below a temporary folder, never into the export; it must not
need a network or an accelerator.

FILE: JSON lines in UTF-8, one for each row of the plan, in the plan's order:

    {"task": "sums", "id": "sums-12", "epoch": 0, "input_ids": [1, 17, 30, 2], "num_prompt_tokens": 2}

`input_ids` are our tokens with BOS and EOS; those from `num_prompt_tokens` on are trained on (for raw
text it is 0). The file is the same for a config-only export, whose order is the trainer's.

The last line of stdout is one JSON object; what comes before is not read:

    trainer       name, as in "TRL"
    version       of the installed package
    what          what was run, one sentence for the table
    tasks         {task: rows} that the trainer's own loader yields in one pass
    rows          their sum
    unit          "rows", or "tokens" where the trainer counts those
    checked       rows whose tokens were compared with the reference
    same_tokens   of those, rows with exactly our token ids and trained positions
    in_order      true if they come in the plan's order, false if not, null where that says nothing

Exit code 0: read back. Exit code 3: the trainer cannot be imported here; the object may then be missing,
and the table says "schema check only". Any other code is a failure, shown with the last line of stderr.
"""
