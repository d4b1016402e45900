"""python -m libalign leaderboard: votes in CSV to strengths. libalign-leaderboard, the program in C, does more."""
from __future__ import annotations

import csv
import sys
from typing import Any, Dict, List

import numpy as np

from ._bt import BtFit, bt_fit
from .errors import AlignError

_WORDS = {"left": 1.0, "right": 0.0, "model_a": 1.0, "model_b": 0.0, "tie": 0.5, "tie (bothbad)": 0.5}


def outcome(cell: str, left: str, right: str) -> float:
    """The left item's share of the point."""
    if cell in (left, right):
        return float(cell == left)
    if cell in _WORDS:
        return _WORDS[cell]
    share = float(cell)
    if not 0 <= share <= 1:
        raise ValueError
    return share


def votes(file: Any, options: Any) -> Dict[str, List[Any]]:
    """Columns of the fit."""
    rows = csv.DictReader(file)
    wanted = [options.left, options.right, options.winner] + ([options.weight] if options.weight else [])
    missing = [name for name in wanted if name not in (rows.fieldnames or ())]
    if missing:
        raise AlignError(f"{options.votes} has no column {missing[0]}; it has {', '.join(rows.fieldnames or ())}", missing[0])
    found: Dict[str, List[Any]] = {"winner": [], "loser": [], "outcome": [], "weight": []}
    for vote in rows:
        left, right, cell = (vote[name] for name in wanted[:3])
        try:
            found["outcome"].append(outcome(cell, left, right))
            found["weight"].append(float(vote[options.weight]) if options.weight else 1.0)
        except (TypeError, ValueError):
            raise AlignError(f"{options.votes}:{rows.line_num}: who won is {cell!r}", options.winner) from None
        found["winner"].append(left)
        found["loser"].append(right)
    return found


def table(fit: BtFit, form: str) -> None:
    """The board, best first, with intervals of 95 %."""
    order = np.argsort(-fit.strength, kind="stable")
    low, high = fit.strength - 1.959963984540054 * fit.se, fit.strength + 1.959963984540054 * fit.se
    if form == "csv":
        out = csv.writer(sys.stdout, lineterminator="\n")
        out.writerow(["item", "score", "se", "lower", "upper"])
        out.writerows([fit.items[i], *(f"{x[i]:.6g}" for x in (fit.strength, fit.se, low, high))] for i in order)
        return
    width = max([4, *map(len, map(str, fit.items))])
    print(f"{'':>4} {'item':<{width}} {'score':>10} {'95 %':>23}")
    for place, i in enumerate(order, 1):
        print(f"{place:>4} {fit.items[i]:<{width}} {fit.strength[i]:>10.5g} {low[i]:>11.5g} .. {high[i]:<.5g}")


def leaderboard(options: Any) -> int:
    if options.votes == "-":
        columns = votes(sys.stdin, options)
    else:
        with open(options.votes, newline="", encoding="utf-8-sig") as file:
            columns = votes(file, options)
    elo = options.scale == "elo"
    fit = bt_fit(**columns, ties=options.ties, variance="sandwich", scale=400 / np.log(10) if elo else 1.0,
                 offset=1000.0 if elo else 0.0)
    fit.raise_for_status()
    table(fit, options.format)
    return 0
