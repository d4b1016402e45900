"""python -m libalign check: a kernel's own results against libalign's in f64, in units of the last place."""
from __future__ import annotations

import os
import sys
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

import numpy as np

from ._head import head
from ._loss import loss
from ._table import row
from .errors import AlignError

# Digits of the significand and exponent of the smallest normal number.
_FORMATS = {"f16": (11, -14), "bf16": (8, -126), "f32": (24, -126), "f64": (53, -1022)}
_LOSS_INPUTS = ("ref", "old", "count", "aux", "index", "offsets", "label", "prob", "weight", "offset", "mask", "rank")
_LOSS_RESULTS = ("value", "group_value", "dscore", "daux", "hscore")
_HEAD_INPUTS = ("logits", "hidden", "weight", "bias", "target", "mask", "offsets", "other")
_HEAD_RESULTS = ("logp", "count", "wsum", "token_logp", "lse", "entropy", "kl", "collision", "hit")
_HEAD_GRADIENTS = ("dlogits", "dhidden", "dweight", "dbias")
_HEAD_ONLY = ("logits", "hidden", "target")


class Comparison(NamedTuple):
    """How far a result is from the truth."""
    name: str
    format: str
    worst: float
    mean: float
    index: Tuple[int, ...]
    mine: float
    right: float


def widened(array: np.ndarray) -> Tuple[np.ndarray, str]:
    """Numbers of any dtype as F64 or integers, and the name of their format. Two bytes without a type are BF16."""
    name = array.dtype.name
    if name == "bfloat16" or array.dtype.kind == "V" and array.dtype.itemsize == 2:
        bits = np.ascontiguousarray(array).view(np.uint16).astype(np.uint32) << 16
        return bits.view(np.float32).astype(np.float64), "bf16"
    if array.dtype.kind == "f":
        return array.astype(np.float64), {2: "f16", 4: "f32"}.get(array.dtype.itemsize, "f64")
    if array.dtype.kind in "biu":
        return array.astype(bool if array.dtype.kind == "b" else np.int64), "f64"
    raise AlignError(f"dtype {array.dtype} holds no numbers")


def ulps(mine: np.ndarray, right: np.ndarray, form: str) -> np.ndarray:
    """Distance of each number from the right one, in units of the last place that the format has there.

    Two NaN are equal, and so are infinities, and what the format cannot hold and its infinity.
    """
    digits, least = _FORMATS[form]
    exponent = np.where(right == 0, least, np.maximum(np.frexp(right)[1] - 1, least))
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(mine - right) / np.ldexp(1.0, np.maximum(exponent - digits + 1, -1074))
        overflow = np.abs(right) >= np.ldexp(2.0 - 2.0 ** -digits, 1 - least)
    same = (mine == right) | (np.isnan(mine) & np.isnan(right)) | (overflow & np.isinf(mine) & (mine * right > 0))
    return np.where(same, 0.0, np.where(np.isfinite(mine) & np.isfinite(right), distance, np.inf))


def compare(name: str, array: np.ndarray, right: Any) -> Comparison:
    """One result against its answer."""
    mine, form = widened(np.asarray(array))
    mine, right = mine.astype(np.float64), np.asarray(right, np.float64)
    if mine.size != right.size:
        raise AlignError(f"{name} has shape {mine.shape}, expected {right.shape}", name)
    mine = mine.reshape(right.shape)
    distance = ulps(mine, right, form)
    if distance.size == 0:
        return Comparison(name, form, 0.0, 0.0, (), 0.0, 0.0)
    at = np.unravel_index(int(distance.argmax()), distance.shape)
    return Comparison(name, form, float(distance[at]), float(distance.mean()), tuple(map(int, at)), float(mine[at]),
                      float(right[at]))


def load(paths: Iterable[str]) -> Dict[str, np.ndarray]:
    """Arrays by name: of .npz files, and of .npy files by the names of the files or as name=file."""
    arrays: Dict[str, np.ndarray] = {}
    for path in paths:
        name, _, file = path.rpartition("=")
        found = np.load(file, allow_pickle=False)
        if isinstance(found, np.ndarray):
            arrays[name or os.path.splitext(os.path.basename(file))[0]] = found
        else:
            arrays.update({key: found[key] for key in found.files})
    return arrays


def answers(arrays: Dict[str, np.ndarray], name: Optional[str], preset: Optional[str], params: Dict[str, Any]
            ) -> Dict[str, Any]:
    """What libalign makes of the inputs among the arrays: of a head, a loss, or a loss behind a head."""
    given = {key: widened(array)[0] for key, array in arrays.items()}
    found: Dict[str, Any] = {}
    made = None
    if "target" in given:
        inputs = {key: given[key] for key in _HEAD_INPUTS if key in given}
        also = [key for key in ("wsum", "entropy", "collision", "hit") if key in given]
        made = head(also=also, **inputs)
        found.update({key: getattr(made, key) for key in _HEAD_RESULTS if hasattr(made, key)})
        for key in _HEAD_ONLY + ("mask", "offsets", "weight", "bias"):
            given.pop(key, None)
    if name is not None:
        info = row(name)
        if "score" not in given:
            if made is None:
                raise AlignError(f"{name} needs score, or logits (or hidden and weight) and target", "score")
            given["score"] = made.logp.reshape(_shape(info.arity, given, made.logp))
        result = loss(name, given["score"], preset=preset, also=["group_value"] + ["hscore"] * ("hscore" in given),
                      **{key: given[key] for key in _LOSS_INPUTS if key in given}, **params)
        found.update({key: getattr(result, key) for key in _LOSS_RESULTS if key in result})
    if made is not None and any(key in arrays for key in _HEAD_GRADIENTS):
        found.update(_gradients(made, given, found))
    return found


def _shape(arity: str, given: Dict[str, Any], logp: np.ndarray) -> Tuple[int, ...]:
    """How log-probabilities of sequences stand in groups: like the reference, or as the row asks."""
    for key in ("ref", "label", "old", "aux"):
        if key in given:
            return given[key].shape
    return {"pair": (-1, 2), "single": logp.shape, "list": (1, -1)}[arity]


def _gradients(made: Any, given: Dict[str, Any], found: Dict[str, Any]) -> Dict[str, Any]:
    """The head's backward, from the gradients in the file or from those of the loss."""
    start = {key: given[key] for key in ("dlogp", "dtoken_logp", "dentropy", "dkl", "dlse") if key in given}
    if not start and "dscore" in found:
        start = {"dlogp": found["dscore"].ravel()}
    if not start:
        raise AlignError("gradients of a head need dlogp (or dtoken_logp, dentropy, dkl, dlse), or a loss", "dlogp")
    result = made.backward(**start)
    return {"dlogits": result} if isinstance(result, np.ndarray) else result._asdict()


def report(comparisons: List[Comparison], limit: float, file: Any = None) -> bool:
    """Prints the table; whether all are within limit ulps."""
    file = file or sys.stdout
    print(f"{'result':<12}{'dtype':<7}{'worst ulp':>12}{'mean ulp':>12}  {'at':<14}{'yours':>18}{'libalign':>18}  verdict",
          file=file)
    for c in comparisons:
        verdict = "good" if c.worst <= limit else "off"
        at = "[" + ",".join(map(str, c.index)) + "]"
        print(f"{c.name:<12}{c.format:<7}{c.worst:>12.4g}{c.mean:>12.4g}  {at:<14}{c.mine:>18.10g}{c.right:>18.10g}  {verdict}",
              file=file)
    good = all(c.worst <= limit for c in comparisons)
    print(f"{'good' if good else 'off'}: {len(comparisons)} results within {limit:g} ulp" if good else
          f"off: {sum(c.worst > limit for c in comparisons)} of {len(comparisons)} results are beyond {limit:g} ulp",
          file=file)
    return good


def check(paths: Iterable[str], name: Optional[str], preset: Optional[str], params: Dict[str, Any], limit: float) -> bool:
    """The command: compares all results among the arrays that libalign has an answer for."""
    arrays = load(paths)
    right = answers(arrays, name, preset, params)
    known = {*_HEAD_INPUTS, *_LOSS_INPUTS, "score", "dlogp", "dtoken_logp", "dentropy", "dkl", "dlse"}
    unknown = sorted(key for key in arrays if key not in right and key not in known)
    if unknown:
        raise AlignError(f"{', '.join(unknown)}: neither an input nor a result of this; results are {', '.join(sorted(right))}",
                         unknown[0])
    compared = [compare(key, arrays[key], right[key]) for key in right if key in arrays]
    if not compared:
        raise AlignError(f"no results to compare; libalign has {', '.join(sorted(right))}")
    return report(compared, limit)
