#!/usr/bin/env python3
"""libalign-tune on real data: what it reaches, what it writes, and what it says when something is wrong.

usage: program.py LIBALIGN_TUNE SOURCE_ROOT [seeds]
    ALIGN_DATA names the data folder, default ROOT/../shared/data; seeds: four losses with three seeds each, alone
"""
import concurrent.futures
import json
import math
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import xml.dom.minidom

PROGRAM, ROOT = sys.argv[1:3]
ALL_SEEDS = sys.argv[3:] == ["seeds"]
DATA = os.environ.get("ALIGN_DATA", os.path.join(ROOT, "..", "shared", "data"))
MODEL, TOKENIZER = f"{DATA}/tinylm/stories260K.bin", f"{DATA}/tinylm/tok512.bin"
PAIRS = f"{DATA}/pairs/rasbt_instruction_preference_1100.json"
LISTS = f"{DATA}/lists/unieval_sfres.json"
SKIP = 77


def command(*options):
    return [PROGRAM, "--model", MODEL, "--tokenizer", TOKENIZER, *map(str, options)]


def tune(*options):
    return subprocess.run(command(*options), capture_output=True, text=True, check=False)


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def held_out(path):
    return [line for line in lines(path) if "held_out_loss" in line]


class Program(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.few = cls.first(300, PAIRS, "few.json")
        cls.tiny = cls.first(24, PAIRS, "tiny.json")
        cls.few_lists = cls.first(200, LISTS, "few_lists.json")

    @classmethod
    def first(cls, count, source, name):
        """A file of the first rows of another, in which the answers to one prompt stand together."""
        with open(source, encoding="utf-8") as file:
            rows = json.load(file)
        with open(cls.at(name), "w", encoding="utf-8") as file:
            json.dump(sorted(rows, key=lambda row: row.get("source", ""))[:count], file)
        return cls.at(name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def at(cls, name):
        return os.path.join(cls.folder.name, name)

    def trained(self, *options):
        done = tune(*options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def refused(self, words, *options):
        done = subprocess.run([PROGRAM, *map(str, options)], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(words, done.stderr)

    def test_dpo_reaches_its_target(self):
        log, plot, save, cache = map(self.at, ("dpo.jsonl", "it's a plot.svg", "dpo.bin", "dpo.ref"))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = self.trained("--pairs", PAIRS, "--batch", 8, "--steps", 41, "--held-out", 100, "--log", log,
                            "--plot", plot, "--save", save, "--ref-cache", cache, "--sample", "One day")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.assertLess(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 60)
        self.assertIn("1100 pairs read, 1094 usable", done.stderr)
        self.assertIn("6 pairs: equal answers", done.stderr)
        self.assertEqual(done.stdout.count("One day"), 2)
        first, last = held_out(log)[0], held_out(log)[-1]
        self.assertEqual((first["step"], last["step"]), (0, 41))
        self.assertAlmostEqual(first["held_out_loss"], math.log(2), places=8)
        self.assertEqual(first["held_out_accuracy"], 0.5)
        self.assertLessEqual(last["held_out_loss"], 0.32)
        self.assertGreaterEqual(last["held_out_accuracy"], 0.80)
        self.assertGreater(last["held_out_margin"], 1)
        steps = [line for line in lines(log) if "loss" in line]
        self.assertEqual([line["step"] for line in steps], list(range(1, 42)))
        self.assertEqual(xml.dom.minidom.parse(plot).documentElement.tagName, "svg")
        self.assertEqual(os.path.getsize(save), os.path.getsize(MODEL))

        again = self.trained("--pairs", PAIRS, "--steps", 0, "--held-out", 100, "--ref-cache", cache)
        self.assertIn(f"reference: read from {cache}", again.stderr)
        small = self.at("tiny.ref")
        self.trained("--pairs", self.tiny, "--steps", 0, "--ref-cache", small)
        tuned = [PROGRAM, "--model", save, "--tokenizer", TOKENIZER, "--pairs", self.tiny, "--steps", "0",
                 "--ref-cache", small]
        other = subprocess.run(tuned, capture_output=True, text=True, check=True)
        self.assertIn("another model or other data: computed anew", other.stderr)

    def rises(self, loss, seed, *options):
        log = self.at(f"{loss}.{seed}.jsonl")
        self.trained("--loss", loss, "--seed", seed, "--threads", 1, "--interval", 1000, "--log", log, *options)
        accuracy = [line["held_out_accuracy"] for line in held_out(log)]
        return f"{loss}, seed {seed}: {accuracy[0]:.3f} -> {accuracy[-1]:.3f}", accuracy[-1] > accuracy[0]

    def test_accuracy_rises(self):
        pairs = ("--pairs", self.few, "--held-out", 100, "--steps", 24, "--ref-cache", self.at("pairs.ref"))
        lists = ("--lists", LISTS, "--held-out", 200, "--steps", 40, "--ref-cache", self.at("lists.ref"))
        if ALL_SEEDS:
            self.trained(*pairs[:2], "--steps", 0, "--held-out", 100, "--ref-cache", self.at("pairs.ref"))
            self.trained(*lists[:2], "--steps", 0, "--held-out", 200, "--ref-cache", self.at("lists.ref"))
        losses = (("lipo_lambda", lists), ("slic", pairs), ("hinge", pairs), ("list_mle", lists))
        runs = [(loss, seed, *options) for seed in ((1, 2, 3) if ALL_SEEDS else (1,))
                for loss, options in (losses if ALL_SEEDS else losses[:1])]
        with concurrent.futures.ThreadPoolExecutor(2) as workers:
            results = list(workers.map(lambda run: self.rises(*run), runs))
        for said, _ in results:
            print(said)
        self.assertTrue(all(rose for _, rose in results), results)

    def test_threads_change_no_number(self):
        logs = [self.at(f"threads{count}.jsonl") for count in (1, 2, 3)]
        for count, log in enumerate(logs, 1):
            self.trained("--pairs", self.tiny, "--steps", 3, "--batch", 4, "--held-out", 10, "--threads", count,
                         "--log", log)
        clock = ("tokens_per_second", "seconds")
        runs = [[{k: v for k, v in line.items() if k not in clock} for line in lines(log)] for log in logs]
        self.assertEqual(runs[0], runs[1])
        self.assertEqual(runs[0], runs[2])

    def test_every_kind_of_loss_on_every_kind_of_data(self):
        for loss in ("dpo", "softmax", "sft"):
            for data in (("--pairs", self.tiny), ("--lists", self.few_lists)):
                log = self.at("kinds.jsonl")
                self.trained(*data, "--loss", loss, "--steps", 1, "--held-out", 8, "--log", log,
                             "--ref-cache", self.at(f"kinds{data[0]}.ref"))
                last = held_out(log)[-1]
                self.assertTrue(math.isfinite(last["held_out_loss"] + last["held_out_margin"]), loss)

    def test_every_row_of_pairs_and_lists(self):
        log = self.at("rows.jsonl")
        said = subprocess.run([PROGRAM, "--list-losses"], capture_output=True, text=True, check=True).stdout
        names = [line.split()[0] for line in said.splitlines()
                 if line[:1] != " " and ("(pair)" in line or "(list)" in line)]
        self.assertEqual(len(names), 59)
        for loss in names:
            self.trained("--pairs", self.tiny, "--loss", loss, "--steps", 1, "--batch", 4, "--held-out", 4, "--log", log,
                         "--ref-cache", self.at("rows.ref"))
            self.assertTrue(math.isfinite(held_out(log)[-1]["held_out_loss"]), loss)

    def test_divergences(self):
        losses = set()
        for divergence in ("reverse_kl", "js", "chi"):
            log = self.at("divergences.jsonl")
            self.trained("--lists", self.few_lists, "--loss", "softmax", "--set", f"divergence={divergence}", "--steps", 2,
                         "--held-out", 8, "--log", log, "--ref-cache", self.at("labels.ref"))
            losses.add(held_out(log)[-1]["held_out_loss"])
        self.assertEqual(len(losses), 3)

    def test_scores_become_labels(self):
        losses = set()
        for norm in ((), ("--reward-norm", "minmax"), ("--reward-norm", "zscore"), ("--reward-norm", "trl/grpo")):
            log = self.at("labels.jsonl")
            self.trained("--lists", self.few_lists, "--loss", "lipo_lambda", "--steps", 2, "--held-out", 8, "--log", log,
                         "--ref-cache", self.at("labels.ref"), *norm)
            losses.add(held_out(log)[-1]["held_out_loss"])
        self.assertEqual(len(losses), 4)
        self.assertTrue(all(math.isfinite(loss) for loss in losses))

    def test_interrupt_saves(self):
        log, save = self.at("interrupt.jsonl"), self.at("interrupt.bin")
        run = subprocess.Popen(command("--pairs", self.few, "--steps", 1000000, "--interval", 1000000, "--held-out", 10, "--loss", "slic",
                                       "--log", log, "--save", save), stderr=subprocess.PIPE, text=True)
        for _ in range(600):
            time.sleep(0.1)
            if os.path.exists(log) and any(line.get("step") == 3 for line in lines(log)):
                break
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=60)[1]
        self.assertEqual(run.returncode, 130, said)
        self.assertIn(f"interrupted; {save}: saved", said)
        self.assertEqual(os.path.getsize(save), os.path.getsize(MODEL))
        self.assertIn("held_out_loss", lines(log)[-1])

    def test_help_and_losses(self):
        said = tune("--help")
        self.assertEqual(said.returncode, 0)
        for option in ("--model", "--tokenizer", "--pairs", "--lists", "--loss", "--beta", "--steps", "--batch",
                       "--lr", "--held-out", "--interval", "--seed", "--threads", "--ref-cache", "--log", "--plot", "--save",
                       "--sample", "--list-losses"):
            self.assertIn(option, said.stdout)
        said = subprocess.run([PROGRAM, "--list-losses"], capture_output=True, text=True, check=True).stdout
        for loss in ("dpo (pair)", "slic (pair)", "lipo_lambda (list)", "sft (single)", "beta = 0.1",
                     "divergence = reverse_kl: how a score is made from a log-ratio; or forward_kl js"):
            self.assertIn(loss, said)

    def test_refusals(self):
        base = ("--model", MODEL, "--tokenizer", TOKENIZER)
        broken = self.at("broken.jsonl")
        with open(broken, "w", encoding="utf-8") as file:
            file.write('{"prompt": "a", "chosen": "b", "rejected": "c"}\n{"prompt": "a", "chosen": "b"\n')
        cut = self.at("cut.bin")
        with open(MODEL, "rb") as whole, open(cut, "wb") as file:
            file.write(whole.read(500000))
        pairs = ("--pairs", self.few)
        self.refused("--model is missing")
        self.refused("--pairs or --lists is missing", *base)
        self.refused("expected one of --pairs and --lists", *base, *pairs, "--lists", LISTS)
        self.refused("no such option", "--nonsense")
        self.refused("its value is missing", "--beta")
        self.refused("--steps x: expected a whole number", *base, *pairs, "--steps", "x")
        self.refused("--batch 0: expected a whole number in 1..", *base, *pairs, "--batch", 0)
        self.refused("--lr -1: expected a number", *base, *pairs, "--lr", -1)
        self.refused("loss \"dop\" is not known", *base, *pairs, "--loss", "dop")
        self.refused("beta of loss \"dpo\" = -0.1", *base, *pairs, "--beta", -0.1)
        self.refused("loss \"slic\" has no parameter beta", *base, *pairs, "--loss", "slic", "--beta", 1)
        self.refused("loss \"aot\" has no parameter divergence", *base, *pairs, "--loss", "aot", "--set", "divergence=js")
        self.refused("divergence of loss \"dpo\" has no value kl", *base, *pairs, "--set", "divergence=kl")
        self.refused("--held-out 300: expected fewer than", *base, *pairs, "--held-out", 300)
        self.refused("pairs have no scores", *base, *pairs, "--reward-norm", "zscore")
        self.refused("dpo is no loss over lists", *base, "--lists", LISTS, "--loss", "dpo", "--reward-norm", "zscore")
        self.refused("expected TRAINER/ESTIMATOR or one of center, zscore", *base, "--lists", LISTS, "--reward-norm", "z")
        self.refused("needs more than the scores of one list", *base, "--lists", LISTS, "--reward-norm", "verl/remax")
        self.refused("No such file", *base, "--pairs", "/no/such/file")
        self.refused(f"{broken}:2:", *base, "--pairs", broken)
        self.refused("truncated, 500000 bytes where", "--model", cut, "--tokenizer", TOKENIZER, *pairs)
        self.refused("not a version-0 checkpoint", "--model", TOKENIZER, "--tokenizer", TOKENIZER, *pairs)
        self.refused("length of token 2 = ", "--model", MODEL, "--tokenizer", MODEL, *pairs)
        self.refused("few.json[0]: field \"prompt\" is missing", *base, "--lists", self.few)
        self.refused("cannot write", *base, *pairs, "--log", "/no/such/folder/log")
        self.refused("cannot write", *base, *pairs, "--save", "/no/such/folder/out.bin")
        self.refused("not a file of reference log-probabilities", *base, *pairs, "--ref-cache", TOKENIZER)


if __name__ == "__main__":
    if not os.path.exists(PAIRS):
        print(f"SKIP: no {PAIRS}; set ALIGN_DATA to the folder that holds pairs/")
        sys.exit(SKIP)
    unittest.main(argv=[sys.argv[0], *(["Program.test_accuracy_rises"] if ALL_SEEDS else [])])
