"""20 steps of TRL's trainers with their own losses and with libalign's: the same numbers. Prints the log of docs/trl.md."""
import os
import random

import pytest
import torch
import trl
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import libalign as la
import libalign.torch as lt
from libalign.trl import DPOTrainer, KTOTrainer

STEPS = 20
WORDS = "the a one small large red blue old new cat dog bird house tree sees likes finds makes and or . yes no".split()


def tokenizer():
    vocabulary = {word: i for i, word in enumerate(["<pad>", "<s>", "</s>", "<unk>", *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
                                   unk_token="<unk>")


def model():
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=len(WORDS) + 4, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2))


def sentences():
    rng = random.Random(1)

    def sentence(low, high):
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(low, high)))
    return [(sentence(2, 5), " " + sentence(3, 9), " " + sentence(3, 9)) for _ in range(STEPS * 4)]


def pairs():
    return Dataset.from_list([{"prompt": p, "chosen": a, "rejected": b} for p, a, b in sentences()])


def singles():
    return Dataset.from_list([{"prompt": p, "completion": (a, b)[i % 2], "label": i % 2 == 0}
                              for i, (p, a, b) in enumerate(sentences())])


def config(kind, folder, **options):
    return kind(output_dir=str(folder), per_device_train_batch_size=4, max_steps=STEPS, logging_steps=1,
                learning_rate=2e-3, lr_scheduler_type="constant", report_to="none", use_cpu=True, bf16=False,
                gradient_checkpointing=False, seed=7, disable_tqdm=True, save_strategy="no", **options)


def train(trainer_class, kind, data, folder, align_loss=None, **options):
    extra = {} if align_loss is None else {"align_loss": align_loss}
    trainer = trainer_class(model(), ref_model=model(), args=config(kind, folder, **options), train_dataset=data,
                            processing_class=tokenizer(), **extra)
    trainer.train()
    return [line for line in trainer.state.log_history if "loss" in line]


def compare(name, theirs, mine, tolerance):
    print(f"\n{name}\nstep        TRL   libalign")
    for step, (a, b) in enumerate(zip(theirs, mine), 1):
        print(f"{step:4d} {a['loss']:10.6f} {b['loss']:10.6f}")
    assert len(theirs) == len(mine) == STEPS
    for a, b in zip(theirs, mine):
        assert b["loss"] == pytest.approx(a["loss"], abs=tolerance)
        assert b["grad_norm"] == pytest.approx(a["grad_norm"], rel=1e-3, abs=1e-4)
    assert mine[-1]["loss"] != mine[0]["loss"]


@pytest.mark.parametrize("name, trl_options, mine, params", [
    ("dpo", {}, "dpo", {}),
    ("ipo", {"loss_type": ["ipo"]}, "ipo", {"length": "mean"}),
    ("ipo, js_divergence", {"loss_type": ["ipo"], "f_divergence_type": "js_divergence"}, "ipo",
     {"length": "mean", "divergence": "js"}),
    ("cdpo", {"loss_type": ["robust"], "label_smoothing": 0.1}, "robust", {"noise": 0.1}),
])
def test_dpo_trainer_is_that_of_trl(tmp_path, name, trl_options, mine, params):
    theirs = train(trl.DPOTrainer, trl.DPOConfig, pairs(), tmp_path, **trl_options)
    ours = train(DPOTrainer, trl.DPOConfig, pairs(), tmp_path, lt.Loss(mine, beta=0.1, **params))
    compare(name, theirs, ours, 1e-5 if name == "dpo" else 1e-4)
    if name == "dpo":
        for a, b in zip(theirs, ours):
            assert b["rewards/margins"] == pytest.approx(a["rewards/margins"], abs=1e-5)
            assert b["rewards/accuracies"] >= a["rewards/accuracies"]  # ties count half here, nothing there


@pytest.mark.parametrize("theirs, order, mine", [
    ("forward_kl", 0.5, {"divergence": "forward_kl"}),
    ("js_divergence", 0.5, {"divergence": "js"}),
    ("alpha_divergence", 0.7, {"divergence": "alpha", "order": 0.7}),
    ("alpha_divergence", 1.0, {"divergence": "alpha", "order": 1.0}),
])
def test_divergences_are_those_of_trl(tmp_path, theirs, order, mine):
    options = {"f_divergence_type": theirs, "f_alpha_divergence_coef": order}
    both = [train(trl.DPOTrainer, trl.DPOConfig, pairs(), tmp_path, **options),
            train(DPOTrainer, trl.DPOConfig, pairs(), tmp_path, lt.Loss("dpo", beta=0.1, **mine), **options)]
    compare(f"dpo, {theirs}, alpha {order}" if "order" in mine else f"dpo, {theirs}", *both, 1e-5)
    for a, b in zip(*both):
        assert b["rewards/margins"] == pytest.approx(a["rewards/margins"], abs=1e-5)
    if order == 1.0:
        return  # reverse KL
    plain = train(DPOTrainer, trl.DPOConfig, pairs(), tmp_path, lt.Loss("dpo", beta=0.1))
    assert abs(plain[-1]["loss"] - both[1][-1]["loss"]) > 1e-4


def test_kto_trainer_is_that_of_trl(tmp_path):
    theirs = train(trl.KTOTrainer, trl.KTOConfig, singles(), tmp_path, beta=0.1)
    ours = train(KTOTrainer, trl.KTOConfig, singles(), tmp_path, lt.Loss("kto", beta=0.1), beta=0.1)
    compare("kto", theirs, ours, 1e-5)
    for a, b in zip(theirs, ours):
        assert b["kl"] == pytest.approx(a["kl"], abs=1e-5)


def test_a_loss_that_trl_does_not_have(tmp_path):
    lines = train(DPOTrainer, trl.DPOConfig, pairs(), tmp_path, lt.Loss("simpo", beta=2.0), beta=2.0)
    assert lines[-1]["rewards/margins"] > lines[0]["rewards/margins"]


def test_what_would_be_ignored_is_refused(tmp_path):
    for loss, options, field in ((lt.Loss("dpo"), {"label_smoothing": 0.1}, "label_smoothing"),
                                 (lt.Loss("dpo"), {"loss_type": ["ipo"]}, "loss_type"),
                                 (lt.Loss("dpo", beta=0.3), {}, "beta"), (lt.Loss("kto"), {}, "align_loss")):
        refused(tmp_path, loss, options, field, "")
    js, alpha = {"f_divergence_type": "js_divergence"}, {"f_divergence_type": "alpha_divergence"}
    refused(tmp_path, lt.Loss("dpo"), js, "f_divergence_type", "is divergence='js' of align_loss, which has 'reverse_kl'")
    refused(tmp_path, lt.Loss("aot", beta=0.1), js, "f_divergence_type", "aot sorts policy and reference apart")
    refused(tmp_path, lt.Loss("dpo"), {"f_divergence_type": "chi"}, "f_divergence_type", "expected one of reverse_kl, ")
    refused(tmp_path, lt.Loss("dpo", divergence="alpha", order=0.3), alpha, "f_alpha_divergence_coef",
            "f_alpha_divergence_coef of the config is 0.5, order of align_loss is 0.3")


def refused(folder, loss, options, field, words):
    with pytest.raises(la.errors.ArgumentError) as caught:
        train(DPOTrainer, trl.DPOConfig, pairs(), folder, loss, **options)
    assert caught.value.field == field and words in str(caught.value)


os.environ.setdefault("HF_HUB_OFFLINE", "1")
