"""python -m libalign, command by command."""
import re

import libalign as la
import numpy as np
import pytest
from libalign import __main__ as program
from libalign import _check

RNG = np.random.default_rng(1)
SCORE, REF = (RNG.normal(size=(2, 40, 2)) * 5 - 30).astype(np.float32)


def test_show(capsys):
    assert program.main([]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"libalign {la.version()} at ")
    assert re.search(r"^cpu      \S", out, re.MULTILINE) and re.search(r"^blas     \S", out, re.MULTILINE)
    for info in la.losses():
        assert re.search(rf"^{info.name} +{info.arity}", out, re.MULTILINE)


def dpo(dtype):
    """DPO as a kernel might do it in a dtype."""
    z = dtype(0.1) * ((SCORE - REF)[:, 0] - (SCORE - REF)[:, 1]).astype(dtype)
    slope = -dtype(0.1) / (1 + np.exp(z)) / dtype(len(z))
    return {"score": SCORE, "ref": REF, "value": np.logaddexp(dtype(0), -z).mean(dtype=dtype),
            "dscore": np.stack([slope, -slope], 1)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_check_says_good(tmp_path, capsys, dtype):
    np.savez(tmp_path / "mine.npz", **dpo(dtype))
    assert program.main(["check", str(tmp_path / "mine.npz"), "--loss", "dpo", "--ulps", "64"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "good: 2 results within 64 ulp"
    assert f"dscore      {'f32' if dtype is np.float32 else 'f64'}" in out


def test_check_finds_the_wrong_number(tmp_path, capsys):
    mine = dpo(np.float64)
    mine["dscore"][17, 1] *= 1 + 2.0 ** -40
    np.savez(tmp_path / "mine.npz", **mine)
    assert program.main(["check", str(tmp_path / "mine.npz"), "--loss", "dpo", "--ulps", "64"]) == 1
    out = capsys.readouterr().out
    wrong = next(line for line in out.splitlines() if line.startswith("dscore")).split()
    assert wrong[4] == "[17,1]" and wrong[-1] == "off" and 2 ** 11 < float(wrong[2]) < 2 ** 14
    assert out.splitlines()[-1] == "off: 1 of 2 results are beyond 64 ulp"


def test_check_parameters_matter(tmp_path):
    np.savez(tmp_path / "mine.npz", **dpo(np.float64))
    command = ["check", str(tmp_path / "mine.npz"), "--loss", "dpo", "--ulps", "64", "--param"]
    assert program.main([*command, "beta=0.1"]) == 0
    assert program.main([*command, "beta=0.2"]) == 1
    assert program.main([*command, "divergence=js"]) == 1


def test_check_a_head_and_a_loss_behind_it(tmp_path, capsys):
    logits = RNG.normal(size=(4, 6, 11)).astype(np.float32)
    target = RNG.integers(0, 11, (4, 6))
    head = la.head(logits=logits.astype(float), target=target)
    r = la.loss("dpo", head.logp.reshape(2, 2))
    bf16 = (head.token_logp.astype(np.float32).view(np.uint32) + 0x7FFF >> 16).astype(np.uint16).view("V2")
    arrays = {"logits": logits, "target": target, "token_logp": bf16, "lse": head.lse.astype(np.float16),
              "dscore": r.dscore, "dlogits": head.backward(r.dscore.ravel()).astype(np.float32)}
    np.savez(tmp_path / "all.npz", **arrays)
    assert program.main(["check", str(tmp_path / "all.npz"), "--loss", "dpo", "--ulps", "1"]) == 0
    assert "bf16" in capsys.readouterr().out
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    files = [str(tmp_path / f"{name}.npy") for name in ("logits", "target", "lse")]
    assert program.main(["check", *files, f"token_logp={tmp_path}/token_logp.npy"]) == 0


@pytest.mark.parametrize("mine, right, form, distance", [
    (1.0, 1.0, "f32", 0), (1 + 2.0 ** -23, 1.0, "f32", 1), (1 - 2.0 ** -24, 1.0, "f32", 0.5), (2.0 ** -149, 0.0, "f32", 1),
    (np.inf, 1e39, "f32", 0), (-np.inf, 1e39, "f32", np.inf), (np.nan, np.nan, "f32", 0), (np.nan, 1.0, "f32", np.inf),
    (65504.0, 65504.0 + 16, "f16", 0.5), (1 + 2.0 ** -7, 1.0, "bf16", 1), (5e-324, 0.0, "f64", 1),
    (np.inf, np.inf, "f64", 0)])
def test_ulps(mine, right, form, distance):
    assert _check.ulps(np.array(mine), np.array(right), form) == distance


def test_check_refuses(tmp_path, capsys):
    np.savez(tmp_path / "mine.npz", **dpo(np.float64), dscoer=SCORE)
    for words, said in ((["--loss", "dpo"], "dscoer: neither an input nor a result"), (["--loss", "dpq"], "no loss 'dpq'"),
                        (["--loss", "dpo", "--param", "beta"], "expected name=value")):
        assert program.main(["check", str(tmp_path / "mine.npz"), *words]) == 2
        assert said in capsys.readouterr().err
    np.savez(tmp_path / "inputs.npz", score=SCORE)
    assert program.main(["check", str(tmp_path / "inputs.npz"), "--loss", "dpo"]) == 2
    assert "no results to compare" in capsys.readouterr().err


def test_leaderboard(tmp_path, capsys):
    file = tmp_path / "votes.csv"
    file.write_text('model_a,model_b,winner,n\n"x, y",b,model_a,2\nb,"x, y",b,1\nb,c,tie,1\nc,"x, y",0,1\n')
    assert program.main(["leaderboard", str(file), "--format", "csv", "--weight", "n"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "item,score,se,lower,upper" and len(lines) == 4
    fit = la.bt_fit(["x, y", "b", "b", "c"], ["b", "x, y", "c", "x, y"], outcome=[1, 1, .5, 0], weight=[2, 1, 1, 1])
    assert lines[1].startswith(f'"x, y",{fit.strength[2]:.6g},')
    assert program.main(["leaderboard", str(file), "--scale", "elo"]) == 0
    assert re.search(r"   1 x, y +1\d{3}", capsys.readouterr().out)
    file.write_text("model_a,model_b,winner\na,b,model_c\n")
    assert program.main(["leaderboard", str(file)]) == 2
    assert "votes.csv:2: who won is 'model_c'" in capsys.readouterr().err
    file.write_text("model_a,model_b,winner\na,b,a\n")
    assert program.main(["leaderboard", str(file)]) == 2
    assert capsys.readouterr().err.startswith("libalign: ")
