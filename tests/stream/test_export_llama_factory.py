"""Export to LLaMA-Factory: counts, texts that give our tokens, keys that it knows, and what it refuses."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
import tiny_tokenizers as tiny
import yaml
from export_jobs import KINDS, NAMES, SIZES, TOKENIZER, ids, job, planned, value, written

from mishran.errors import ArtifactError, ConfigError
from mishran.stream.export.llama_factory import LlamaFactory

# Fields of its dataclasses in 0.9.5: hparams.DataArguments; of the others, those that are written.
DATA_ARGUMENTS = {
    *("template", "dataset", "eval_dataset", "dataset_dir", "media_dir", "cutoff_len"),
    *("train_on_prompt", "mask_history", "streaming", "buffer_size", "mix_strategy"),
    *("interleave_probs", "overwrite_cache", "preprocessing_batch_size"),
    *("preprocessing_num_workers", "max_samples", "eval_num_beams", "ignore_pad_token_for_loss"),
    *("val_size", "eval_on_each_dataset", "packing", "neat_packing", "tool_format"),
    *("default_system", "enable_thinking", "preserve_thinking", "tokenized_path"),
    "data_shared_file_system",
}
MODEL_ARGUMENTS = {"model_name_or_path"}
TRAINING_ARGUMENTS = {"do_train", "output_dir", "num_train_epochs"}
FINETUNING_ARGUMENTS = {"stage", "finetuning_type", "disable_shuffling"}
# data.parser.DatasetAttr, and what get_dataset_list looks up.
ATTRIBUTES = {"file_name", "formatting", "ranking", "subset", "split", "folder", "num_samples"}
ATTRIBUTES |= {"columns", "tags"}
COLUMNS = {"prompt", "query", "response", "history", "messages", "system", "tools", "images"}
COLUMNS |= {"videos", "audios", "chosen", "rejected", "kto_tag"}
TAGS = {"role_tag", "content_tag", "user_tag", "assistant_tag", "observation_tag", "function_tag"}
TAGS |= {"system_tag"}


def read(folder):
    settings = yaml.safe_load((folder / "train.yaml").read_text(encoding="utf-8"))
    info = json.loads((folder / "data/dataset_info.json").read_text(encoding="ascii"))
    return settings, info


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("config_only", [False, True], ids=["data", "weights"])
def test_counts_and_keys(tmp_path, kind, config_only):
    made = job(kind, config_only)
    folder = written("llama-factory", made, tmp_path / "out")
    assert LlamaFactory().count(made, folder) == planned(made)
    settings, info = read(folder)
    known = DATA_ARGUMENTS | MODEL_ARGUMENTS | TRAINING_ARGUMENTS | FINETUNING_ARGUMENTS
    assert set(settings) <= known
    for entry in info.values():
        assert set(entry) <= ATTRIBUTES
        assert set(entry["columns"]) <= COLUMNS and set(entry.get("tags", ())) <= TAGS
        assert set(entry["columns"].values()) <= set(
            pq.read_schema(folder / "data" / entry["file_name"]).names
        )
    assert settings["dataset"].split(",") == list(info)
    assert settings["stage"] == ("pt" if kind == "text" else "sft")
    assert settings["num_train_epochs"] == 1 and settings["packing"] is False
    assert settings["cutoff_len"] > made.max_tokens
    assert settings["mix_strategy"] == "concat"
    assert settings["disable_shuffling"] is not config_only
    if config_only:
        assert {name: entry["num_samples"] for name, entry in info.items()} == planned(made)
        for name, size in list(zip(NAMES, SIZES, strict=True))[:2]:
            assert pq.read_metadata(folder / "data" / f"{name}.parquet").num_rows == size
    assert not [p for p in folder.rglob("*") if "zero" in p.name]


@pytest.mark.parametrize("bos", [True, False])
@pytest.mark.parametrize("eos", [True, False])
@pytest.mark.parametrize("tokenizer", [TOKENIZER, tiny.sentencepiece()], ids=["bytes", "pieces"])
def test_prompts_give_our_tokens(tmp_path, bos, eos, tokenizer):
    """As LLaMA-Factory's `empty` template does: system message, prompt and answer, tokenised apart."""
    made = job(bos=bos, eos=eos, tokenizer=tokenizer)
    folder = written("llama-factory", made, tmp_path / "out")
    settings, _ = read(folder)
    assert settings["template"] == "empty"
    rows = pq.read_table(folder / "data/train.parquet").to_pylist()

    def encode(text):
        return tokenizer.encode(text, add_special_tokens=False) if text else []

    begin = encode(settings.get("default_system", ""))
    assert [
        (row["task"], begin + encode(row["prompt"]) + encode(row["answer"])) for row in rows
    ] == ids(made)


def test_bos_and_eos_that_are_there_already(tmp_path):
    values = [[("<s>a?", "b</s>"), ("c?", "d")]]
    made = job(values=values, weights=(1.0,), rows=4)
    folder = written("llama-factory", made, tmp_path / "out")
    rows = pq.read_table(folder / "data/train.parquet").to_pylist()
    assert {(row["prompt"], row["answer"]) for row in rows} == {("a?", "b</s>"), ("c?", "d</s>")}


@pytest.mark.parametrize("bos", [True, False])
def test_documents_give_our_tokens(tmp_path, bos):
    """Stage pt adds EOS to the text, and tokenises it whole."""
    made = job("text", bos=bos)
    folder = written("llama-factory", made, tmp_path / "out")
    rows = pq.read_table(folder / "data/train.parquet").to_pylist()
    found = [
        (row["task"], TOKENIZER.encode(row["text"] + "</s>", add_special_tokens=False))
        for row in rows
    ]
    assert found == ids(made)


def test_chats_are_trained_on_as_planned(tmp_path):
    made = job("chat")
    folder = written("llama-factory", made, tmp_path / "out")
    settings, info = read(folder)
    assert settings["mask_history"] is True and "template" not in settings
    # Its format "openai" puts a system message of its own into every chat without one.
    assert info["mixture"]["formatting"] == "sharegpt"
    rows = pq.read_table(folder / "data/train.parquet").to_pylist()
    assert [row["messages"] for row in rows] == [r["messages"] for r in made.in_order()]


def test_names_are_not_mistaken(tmp_path):
    """A task called 1e5 must not become a number, and its file must be readable in any locale."""
    folder = written("llama-factory", job(config_only=True), tmp_path / "out")
    settings, info = read(folder)
    assert settings["dataset"] == "सवाल-1.x+,1e5" and list(info) == ["सवाल-1.x+", "1e5"]
    one = job(config_only=True, weights=(0.0, 1.0, 0.0))
    settings, _ = read(written("llama-factory", one, tmp_path / "one"))
    assert settings["dataset"] == "1e5"
    assert 'dataset: "1e5"\n' in (tmp_path / "one/train.yaml").read_text()


def test_what_the_prediction_says():
    said = LlamaFactory().predict(job())
    assert (said.exact, said.unit, said.note) == (True, "rows", "")
    said = LlamaFactory().predict(job(config_only=True))
    assert said.rows == (42.0, 18.0, 0.0)
    assert said.note.startswith("rows of सवाल-1.x+ beyond the first pass are drawn at random with")
    assert "the model's chat template" in LlamaFactory().predict(job("chat")).note
    said = LlamaFactory().predict(job("text", eos=False))
    assert "add_bos_token" in said.note
    assert "ends every document with EOS, which the plan does not count" in said.note
    assert LlamaFactory().predict(job("text", bos=False)).note == ""


SAID = {
    "two questions": (
        [("user", "a"), ("user", "b"), ("assistant", "c")],
        {},
        "found user, user, assistant;",
    ),
    "system later": (
        [("user", "a"), ("system", "b"), ("assistant", "c")],
        {},
        "found user, system, assistant;",
    ),
    "tool": (
        [("user", "a"), ("assistant", "b"), ("tool", "c"), ("assistant", "d")],
        {},
        "found user, assistant, tool, assistant;",
    ),
    "no question": ([("system", "a"), ("assistant", "b")], {}, "found system, assistant;"),
    "more fields": (
        [("user", "a"), ("assistant", "b")],
        {"name": "x"},
        "found messages with name;",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_chats_that_it_would_skip(case):
    turns, more, text = SAID[case]
    messages = [{"role": role, "content": content, **more} for role, content in turns]
    made = job("chat", values=[[value("chat", 0, 1), (messages,)]], weights=(1.0,), rows=4)
    with pytest.raises(ConfigError) as caught:
        LlamaFactory().predict(made)
    assert str(caught.value) == (
        "सवाल-1.x+, row सवाल-1.x+-1: expected chats of user and assistant in turn, after at most one "
        f"system message: LLaMA-Factory skips others, {text} leave such chats out, or choose another "
        "trainer"
    )


def test_chats_written_out_among_prompts():
    """They begin as their template does, and the template `empty` would put BOS before them."""
    made = job()
    chat = job("chat").tokens[1]
    mixed = type(made)(**{**vars(made), "tokens": (made.tokens[0], chat, made.tokens[2])})
    with pytest.raises(ConfigError) as caught:
        LlamaFactory().predict(mixed)
    assert str(caught.value) == (
        "--to llama-factory: expected prompts that all begin with <s>, found chats among them, which "
        "begin as their template does; export the tasks with messages and those with prompts apart, or "
        "set bos: false"
    )
    without = type(made)(**{**vars(mixed), "bos": ""})
    assert LlamaFactory().predict(without).exact


@pytest.mark.parametrize("damage", ["train.yaml", "data/dataset_info.json"])
def test_files_that_do_not_belong_together(tmp_path, damage):
    made = job()
    folder = written("llama-factory", made, tmp_path / "out")
    (folder / damage).write_text("{}")
    with pytest.raises(ArtifactError, match=r"expected train\.yaml and a dataset_info\.json"):
        LlamaFactory().count(made, folder)
