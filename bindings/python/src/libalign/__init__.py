"""Preference alignment of language models: losses, log-probabilities, strengths, rewards. See docs/bindings.md.

>>> import libalign as la
>>> la.loss("dpo", [[-12.0, -15.5]], ref=[[-12.5, -14.0]], beta=0.5).dscore.round(6).tolist()
[[-0.134471, 0.134471]]
"""
from . import errors
from ._advantage import Advantage, gae
from ._any import Args, call, functions, struct
from ._bt import BtFit, bt_fit
from ._head import Head, head
from ._hooks import all_reduce, threads
from ._library import version
from ._loss import Loss, LossResult, loss
from ._norm import Moments, Norm, norm_apply, norm_groups
from ._reward import RewardFit, RewardPath, reward_fit, reward_path
from ._state import LossState
from ._table import LossInfo, MetricInfo, ParamInfo, losses
from .errors import AlignError, Status

__version__ = version()
__all__ = ["Advantage", "AlignError", "Args", "BtFit", "Head", "Loss", "LossInfo", "LossResult", "LossState", "MetricInfo", "Moments", "Norm",
           "ParamInfo", "RewardFit", "RewardPath", "Status", "all_reduce", "bt_fit", "call", "errors", "functions", "gae", "head", "loss",
           "losses", "norm_apply", "norm_groups", "reward_fit", "reward_path", "struct", "threads", "version"]
