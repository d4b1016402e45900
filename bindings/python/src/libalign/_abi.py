"""The C ABI of libalign for ctypes: constants, structs, prototypes. Written from the headers by ./dev docs."""
from ctypes import (CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint32,
                    c_uint64, c_void_p)

ALIGN_ABI = 0
ALIGN_CPU_AVX2 = 1
ALIGN_CPU_AVX512 = 2
ALIGN_CPU_NEON = 4
ALIGN_NORM_BYTES = 400
ALIGN_POOL_WORKERS_MOST = 1024
ALIGN_VERSION_MAJOR = 0
ALIGN_VERSION_MINOR = 1
ALIGN_VERSION_PATCH = 0
ALIGN_E_NONE = 0
ALIGN_E_ARG = -1
ALIGN_E_SHAPE = -2
ALIGN_E_DTYPE = -3
ALIGN_E_LAYOUT = -4
ALIGN_E_RANGE = -5
ALIGN_E_SCRATCH = -6
ALIGN_E_VERSION = -7
ALIGN_E_PARALLEL = -8
ALIGN_E_COMM = -9
ALIGN_E_NOT_CONVERGED = -10
ALIGN_E_NO_SOLUTION = -11
ALIGN_E_CANCELLED = -12
ALIGN_I32 = 32
ALIGN_I64 = 64
ALIGN_U8 = 264
ALIGN_F16 = 528
ALIGN_F32 = 544
ALIGN_F64 = 576
ALIGN_BF16 = 1040
ALIGN_BOOL = 1544
ALIGN_REDUCE_SUM = 0
ALIGN_REDUCE_MAX = 1
ALIGN_FLAG_FINITE = 1
ALIGN_FLAG_FAST = 2
ALIGN_KL_NONE = 0
ALIGN_KL_K1 = 1
ALIGN_KL_K2 = 2
ALIGN_KL_K3 = 3
ALIGN_KL_ABS = 4
ALIGN_NORM_ZSCORE = 1
ALIGN_NORM_CENTER = 2
ALIGN_NORM_SCALE = 3
ALIGN_NORM_MINMAX = 4
ALIGN_NORM_AFFINE = 5
ALIGN_NORM_REFERENCE = 6
ALIGN_NORM_SIGMOID = 7
ALIGN_NORM_LOG_SIGMOID = 8
ALIGN_NORM_TANH = 9
ALIGN_NORM_RANK = 10
ALIGN_NORM_RANK_CENTER = 11
ALIGN_NORM_RANK_NORMAL = 12
ALIGN_NORM_QUANTILE = 13
ALIGN_NORM_LEAVE_OUT = 14
ALIGN_NORM_LEAVE_OUT_ZSCORE = 15
ALIGN_NORM_BATCH_SCALE = 16
ALIGN_NORM_MEAN_RATIO = 17
ALIGN_NORM_LENGTH_CENTER = 18
ALIGN_NORM_NONZERO = 19
ALIGN_NORM_BEST = 20
ALIGN_NORM_RESCALE = 21
ALIGN_NORM_EPS_ADD = 1
ALIGN_NORM_EPS_SQRT = 2
ALIGN_NORM_EPS_MAX = 3
ALIGN_NORM_EPS_MAX_SQRT = 4
ALIGN_NORM_NAN_KEEP = 0
ALIGN_NORM_NAN_ZERO = 1
ALIGN_NORM_NAN_REFUSE = 2
ALIGN_NORM_AS_ZERO = 0
ALIGN_NORM_AS_KEEP = 1
ALIGN_NORM_AS_CENTER = 2
ALIGN_NORM_AS_HALF = 3
ALIGN_NORM_AS_NAN = 4
ALIGN_NORM_AS_FORMULA = 5
ALIGN_NORM_AS_REFUSE = 6
ALIGN_NORM_AS_UNIT = 7
ALIGN_NORM_GROUPS_EACH = 1
ALIGN_ADVANTAGE_GAE = 1
ALIGN_ADVANTAGE_RETURN = 2
ALIGN_ADVANTAGE_N_STEP = 3
ALIGN_DENSE_EOS_SUBTRACT = 1
ALIGN_DENSE_EOS_REPLACE = 2
ALIGN_PIPELINE_OVERLONG = 1
ALIGN_PIPELINE_CLIP = 2
ALIGN_PIPELINE_SCORE_KL = 3
ALIGN_PIPELINE_GROUP = 4
ALIGN_PIPELINE_DENSE = 5
ALIGN_PIPELINE_WHITEN_REWARD = 6
ALIGN_PIPELINE_ADVANTAGE = 7
ALIGN_PIPELINE_BROADCAST = 8
ALIGN_PIPELINE_WHITEN = 9
ALIGN_BT_TIES_HALF = 0
ALIGN_BT_TIES_DAVIDSON = 1
ALIGN_BT_TIES_RAO_KUPPER = 2
ALIGN_BT_PRIOR_NONE = 0
ALIGN_BT_PRIOR_GAUSSIAN = 1
ALIGN_BT_PRIOR_GAMMA = 2
ALIGN_BT_PRIOR_GHOST = 3
ALIGN_BT_PRIOR_EDGE = 4
ALIGN_BT_PRIOR_JEFFREYS = 5
ALIGN_BT_HOME = 1
ALIGN_BT_ANCHOR = 2
ALIGN_BT_BIAS = 4
ALIGN_BT_RELIABILITY = 8
ALIGN_BT_FISHER = 0
ALIGN_BT_SANDWICH = 1
ALIGN_BT_CLUSTER = 2
ALIGN_BT_SOLVER_AUTO = 0
ALIGN_BT_SOLVER_CHOLESKY = 1
ALIGN_BT_SOLVER_CG = 2
ALIGN_BT_SOLVER_MM = 3
ALIGN_BT_SOLVER_NEWMAN = 4
ALIGN_BT_FINITE = 1
ALIGN_BT_ISLANDS = 2
ALIGN_BT_SEPARATED = 3
ALIGN_BT_BOUNDARY = 4
ALIGN_BT_UNBOUNDED = 5
ALIGN_BT_RANK_DEFICIENT = 6
ALIGN_HEAD_ADD_DLOGITS = 1
ALIGN_HEAD_ADD_DHIDDEN = 2
ALIGN_HEAD_ADD_DWEIGHT = 4
ALIGN_HEAD_ADD_DBIAS = 8
ALIGN_HEAD_KL_REVERSE = 16
ALIGN_TOKEN_WEIGHTS_LD = 0
ALIGN_TOKEN_WEIGHTS_SAMPO = 1
ALIGN_LOSS_DPO = 1
ALIGN_LOSS_HINGE = 2
ALIGN_LOSS_SLIC = 3
ALIGN_LOSS_BRADLEY_TERRY = 4
ALIGN_LOSS_PAIR_LOGISTIC = 5
ALIGN_LOSS_PAIR_HINGE = 6
ALIGN_LOSS_LIST_MLE = 7
ALIGN_LOSS_SOFTMAX = 8
ALIGN_LOSS_POINT_MSE = 9
ALIGN_LOSS_POINT_SIGMOID = 10
ALIGN_LOSS_LIPO_LAMBDA = 11
ALIGN_LOSS_SFT = 12
ALIGN_LOSS_IPO = 13
ALIGN_LOSS_EXO = 14
ALIGN_LOSS_NCA_PAIR = 15
ALIGN_LOSS_ROBUST = 16
ALIGN_LOSS_BCO_PAIR = 17
ALIGN_LOSS_SPPO = 18
ALIGN_LOSS_AOT = 19
ALIGN_LOSS_AOT_UNPAIRED = 20
ALIGN_LOSS_APO_ZERO = 21
ALIGN_LOSS_APO_DOWN = 22
ALIGN_LOSS_DISCOPOP = 23
ALIGN_LOSS_SIGMOID_NORM = 24
ALIGN_LOSS_DPOP = 25
ALIGN_LOSS_CAL_DPO = 26
ALIGN_LOSS_BETA_DPO = 27
ALIGN_LOSS_RPO_BWD = 28
ALIGN_LOSS_RPO_FWD = 29
ALIGN_LOSS_RPO_SQ = 30
ALIGN_LOSS_R_DPO = 31
ALIGN_LOSS_TDPO = 32
ALIGN_LOSS_SLIC_MARGIN = 33
ALIGN_LOSS_SIMPO = 34
ALIGN_LOSS_CPO = 35
ALIGN_LOSS_ALPHA_PO = 36
ALIGN_LOSS_ORPO = 37
ALIGN_LOSS_ASFT = 38
ALIGN_LOSS_ARPO = 39
ALIGN_LOSS_RRHF = 40
ALIGN_LOSS_TPO = 41
ALIGN_LOSS_BT_TIES_RK = 42
ALIGN_LOSS_BT_TIES_DAVIDSON = 43
ALIGN_LOSS_ORDINAL = 44
ALIGN_LOSS_COST_MODEL = 45
ALIGN_LOSS_FOCAL = 46
ALIGN_LOSS_MSE_PAIR = 47
ALIGN_LOSS_KTO = 48
ALIGN_LOSS_BCO = 49
ALIGN_LOSS_APO_ZERO_SINGLE = 50
ALIGN_LOSS_NPO = 51
ALIGN_LOSS_BCE = 52
ALIGN_LOSS_MSE = 53
ALIGN_LOSS_NBPO = 54
ALIGN_LOSS_W2S_CONFIDENCE = 55
ALIGN_LOSS_W2S_PRODUCT = 56
ALIGN_LOSS_PPO_CLIP = 57
ALIGN_LOSS_REINFORCE = 58
ALIGN_LOSS_VALUE_CLIP = 59
ALIGN_LOSS_GRPO = 60
ALIGN_LOSS_PAIR_MSE = 61
ALIGN_LOSS_LISTNET = 62
ALIGN_LOSS_INFO_NCA = 63
ALIGN_LOSS_NCA = 64
ALIGN_LOSS_NDCG_LOSS2 = 65
ALIGN_LOSS_NDCG_LOSS2PP = 66
ALIGN_LOSS_APPROX_NDCG = 67
ALIGN_LOSS_NEURAL_NDCG = 68
ALIGN_LOSS_PRO = 69
ALIGN_LOSS_LIRE = 70
ALIGN_LOSS_SPPO_LIST = 71
ALIGN_LOSS_ROBUST_PL = 72
ALIGN_LOSS_S_DPO = 73
ALIGN_LOSS_LIST = 0
ALIGN_LOSS_SINGLE = 1
ALIGN_LOSS_PAIR = 2
ALIGN_LENGTH_SUM = 0
ALIGN_LENGTH_MEAN = 1
ALIGN_GAIN_EXP2 = 0
ALIGN_GAIN_LINEAR = 1
ALIGN_DISCOUNT_LN = 0
ALIGN_DISCOUNT_LOG2 = 1
ALIGN_DISCOUNT_RECIPROCAL = 2
ALIGN_NORMALISE_SUM = 0
ALIGN_NORMALISE_ITEMS = 1
ALIGN_NORMALISE_PAIRS = 2
ALIGN_NORMALISE_RAX = 3
ALIGN_NORMALISE_MAX_DCG = 4
ALIGN_TOP_CUT = 0
ALIGN_TOP_BOTH = 1
ALIGN_TOP_EITHER = 2
ALIGN_TOP_BEYOND = 3
ALIGN_SCORE_TIES_STABLE = 0
ALIGN_SCORE_TIES_SEEDED = 1
ALIGN_SCORE_TIES_EXPECTED = 2
ALIGN_LABEL_TIES_INDEX = 0
ALIGN_LABEL_TIES_SKIP = 1
ALIGN_LABEL_TIES_BRESLOW = 2
ALIGN_LABEL_TIES_EFRON = 3
ALIGN_PLACES_EVEN = 0
ALIGN_PLACES_POWER = 1
ALIGN_PLACES_DISCOUNT = 2
ALIGN_PAIR_WEIGHT_EVEN = 0
ALIGN_PAIR_WEIGHT_DCG = 1
ALIGN_RESCALE_NONE = 0
ALIGN_RESCALE_LOG = 1
ALIGN_UNIT_NAT = 0
ALIGN_UNIT_BIT = 1
ALIGN_DIVERGENCE_REVERSE_KL = 0
ALIGN_DIVERGENCE_FORWARD_KL = 1
ALIGN_DIVERGENCE_JS = 2
ALIGN_DIVERGENCE_ALPHA = 3
ALIGN_DIVERGENCE_ALPHA_PAPER = 4
ALIGN_DIVERGENCE_CHI = 5
ALIGN_STOP_NONE = 0
ALIGN_STOP_CHOSEN = 1
ALIGN_FORM_EXACT = 0
ALIGN_FORM_SURROGATE = 1
ALIGN_TARGETS_SHARE = 0
ALIGN_TARGETS_RAW = 1
ALIGN_LOSS_READS_REF = 1
ALIGN_LOSS_READS_OLD = 2
ALIGN_LOSS_READS_COUNT = 4
ALIGN_LOSS_READS_AUX = 8
ALIGN_LOSS_READS_LABEL = 16
ALIGN_LOSS_READS_PROB = 32
ALIGN_LOSS_READS_OFFSET = 64
ALIGN_LOSS_READS_OFFSETS = 128
ALIGN_LOSS_WRITES_DAUX = 256
ALIGN_LOSS_WRITES_DPARAM = 512
ALIGN_LOSS_WRITES_HSCORE = 1024
ALIGN_LOSS_READS_WEIGHT = 2048
ALIGN_LOSS_READS_RANK = 4096
ALIGN_LOSS_ADD = 1
ALIGN_SHIFT_CLASSES = 0
ALIGN_SHIFT_ALL = 1
ALIGN_LOSS_STATE_BYTES = 128
ALIGN_REWARD_FINITE = 1
ALIGN_REWARD_DEFICIENT = 2
ALIGN_REWARD_SEPARATED = 3
ALIGN_REWARD_LOGISTIC = 0
ALIGN_REWARD_DAVIDSON = 1
ALIGN_REWARD_RAO_KUPPER = 2
ALIGN_REWARD_ORDINAL = 3
ALIGN_REWARD_LISTS = 4
ALIGN_REWARD_POSITION = 1
ALIGN_REWARD_TWO_SIDED = 2
ALIGN_REWARD_SYMMETRIC = 4
ALIGN_REWARD_POOL_FIXED = 0
ALIGN_REWARD_POOL_DERSIMONIAN_LAIRD = 1
ALIGN_REWARD_POOL_PAULE_MANDEL = 2
ALIGN_REWARD_POOL_REML = 3
ALIGN_REWARD_POOL_ML = 4
ALIGN_REWARD_LABELS_SIGMOID = 0
ALIGN_REWARD_LABELS_VOTES = 1
ALIGN_REWARD_LABELS_FLIPPED = 2
ALIGN_REWARD_LABELS_SMOOTHED = 3
ALIGN_REWARD_ENSEMBLE_MEAN = 0
ALIGN_REWARD_ENSEMBLE_WORST = 1
ALIGN_REWARD_ENSEMBLE_VARIANCE = 2
ALIGN_REWARD_ENSEMBLE_SOFT_MIN = 3

# Enums by their first constant; names are without the words that all of one begin with.
ENUMS = {
    "ALIGN_E_NONE": {"none": 0, "arg": -1, "shape": -2, "dtype": -3, "layout": -4, "range": -5, "scratch": -6,
        "version": -7, "parallel": -8, "comm": -9, "not_converged": -10, "no_solution": -11, "cancelled": -12},
    "ALIGN_I32": {"i32": 32, "i64": 64, "u8": 264, "f16": 528, "f32": 544, "f64": 576, "bf16": 1040, "bool": 1544},
    "ALIGN_REDUCE_SUM": {"sum": 0, "max": 1},
    "ALIGN_FLAG_FINITE": {"finite": 1, "fast": 2},
    "ALIGN_KL_NONE": {"none": 0, "k1": 1, "k2": 2, "k3": 3, "abs": 4},
    "ALIGN_NORM_ZSCORE": {"zscore": 1, "center": 2, "scale": 3, "minmax": 4, "affine": 5, "reference": 6, "sigmoid": 7,
        "log_sigmoid": 8, "tanh": 9, "rank": 10, "rank_center": 11, "rank_normal": 12, "quantile": 13, "leave_out": 14,
        "leave_out_zscore": 15, "batch_scale": 16, "mean_ratio": 17, "length_center": 18, "nonzero": 19, "best": 20,
        "rescale": 21},
    "ALIGN_NORM_EPS_ADD": {"add": 1, "sqrt": 2, "max": 3, "max_sqrt": 4},
    "ALIGN_NORM_NAN_KEEP": {"keep": 0, "zero": 1, "refuse": 2},
    "ALIGN_NORM_AS_ZERO": {"zero": 0, "keep": 1, "center": 2, "half": 3, "nan": 4, "formula": 5, "refuse": 6,
        "unit": 7},
    "ALIGN_ADVANTAGE_GAE": {"gae": 1, "return": 2, "n_step": 3},
    "ALIGN_DENSE_EOS_SUBTRACT": {"subtract": 1, "replace": 2},
    "ALIGN_PIPELINE_OVERLONG": {"overlong": 1, "clip": 2, "score_kl": 3, "group": 4, "dense": 5, "whiten_reward": 6,
        "advantage": 7, "broadcast": 8, "whiten": 9},
    "ALIGN_BT_TIES_HALF": {"half": 0, "davidson": 1, "rao_kupper": 2},
    "ALIGN_BT_PRIOR_NONE": {"none": 0, "gaussian": 1, "gamma": 2, "ghost": 3, "edge": 4, "jeffreys": 5},
    "ALIGN_BT_HOME": {"home": 1, "anchor": 2, "bias": 4, "reliability": 8},
    "ALIGN_BT_FISHER": {"fisher": 0, "sandwich": 1, "cluster": 2},
    "ALIGN_BT_SOLVER_AUTO": {"auto": 0, "cholesky": 1, "cg": 2, "mm": 3, "newman": 4},
    "ALIGN_BT_FINITE": {"finite": 1, "islands": 2, "separated": 3, "boundary": 4, "unbounded": 5, "rank_deficient": 6},
    "ALIGN_HEAD_ADD_DLOGITS": {"add_dlogits": 1, "add_dhidden": 2, "add_dweight": 4, "add_dbias": 8, "kl_reverse": 16},
    "ALIGN_TOKEN_WEIGHTS_LD": {"ld": 0, "sampo": 1},
    "ALIGN_LOSS_DPO": {"dpo": 1, "hinge": 2, "slic": 3, "bradley_terry": 4, "pair_logistic": 5, "pair_hinge": 6,
        "list_mle": 7, "softmax": 8, "point_mse": 9, "point_sigmoid": 10, "lipo_lambda": 11, "sft": 12, "ipo": 13,
        "exo": 14, "nca_pair": 15, "robust": 16, "bco_pair": 17, "sppo": 18, "aot": 19, "aot_unpaired": 20,
        "apo_zero": 21, "apo_down": 22, "discopop": 23, "sigmoid_norm": 24, "dpop": 25, "cal_dpo": 26, "beta_dpo": 27,
        "rpo_bwd": 28, "rpo_fwd": 29, "rpo_sq": 30, "r_dpo": 31, "tdpo": 32, "slic_margin": 33, "simpo": 34, "cpo": 35,
        "alpha_po": 36, "orpo": 37, "asft": 38, "arpo": 39, "rrhf": 40, "tpo": 41, "bt_ties_rk": 42,
        "bt_ties_davidson": 43, "ordinal": 44, "cost_model": 45, "focal": 46, "mse_pair": 47, "kto": 48, "bco": 49,
        "apo_zero_single": 50, "npo": 51, "bce": 52, "mse": 53, "nbpo": 54, "w2s_confidence": 55, "w2s_product": 56,
        "ppo_clip": 57, "reinforce": 58, "value_clip": 59, "grpo": 60, "pair_mse": 61, "listnet": 62, "info_nca": 63,
        "nca": 64, "ndcg_loss2": 65, "ndcg_loss2pp": 66, "approx_ndcg": 67, "neural_ndcg": 68, "pro": 69, "lire": 70,
        "sppo_list": 71, "robust_pl": 72, "s_dpo": 73},
    "ALIGN_LOSS_LIST": {"list": 0, "single": 1, "pair": 2},
    "ALIGN_LENGTH_SUM": {"sum": 0, "mean": 1},
    "ALIGN_GAIN_EXP2": {"exp2": 0, "linear": 1},
    "ALIGN_DISCOUNT_LN": {"ln": 0, "log2": 1, "reciprocal": 2},
    "ALIGN_NORMALISE_SUM": {"sum": 0, "items": 1, "pairs": 2, "rax": 3, "max_dcg": 4},
    "ALIGN_TOP_CUT": {"cut": 0, "both": 1, "either": 2, "beyond": 3},
    "ALIGN_SCORE_TIES_STABLE": {"stable": 0, "seeded": 1, "expected": 2},
    "ALIGN_LABEL_TIES_INDEX": {"index": 0, "skip": 1, "breslow": 2, "efron": 3},
    "ALIGN_PLACES_EVEN": {"even": 0, "power": 1, "discount": 2},
    "ALIGN_PAIR_WEIGHT_EVEN": {"even": 0, "dcg": 1},
    "ALIGN_RESCALE_NONE": {"none": 0, "log": 1},
    "ALIGN_UNIT_NAT": {"nat": 0, "bit": 1},
    "ALIGN_DIVERGENCE_REVERSE_KL": {"reverse_kl": 0, "forward_kl": 1, "js": 2, "alpha": 3, "alpha_paper": 4, "chi": 5},
    "ALIGN_STOP_NONE": {"none": 0, "chosen": 1},
    "ALIGN_FORM_EXACT": {"exact": 0, "surrogate": 1},
    "ALIGN_TARGETS_SHARE": {"share": 0, "raw": 1},
    "ALIGN_LOSS_READS_REF": {"reads_ref": 1, "reads_old": 2, "reads_count": 4, "reads_aux": 8, "reads_label": 16,
        "reads_prob": 32, "reads_offset": 64, "reads_offsets": 128, "writes_daux": 256, "writes_dparam": 512,
        "writes_hscore": 1024, "reads_weight": 2048, "reads_rank": 4096},
    "ALIGN_SHIFT_CLASSES": {"classes": 0, "all": 1},
    "ALIGN_REWARD_FINITE": {"finite": 1, "deficient": 2, "separated": 3},
    "ALIGN_REWARD_LOGISTIC": {"logistic": 0, "davidson": 1, "rao_kupper": 2, "ordinal": 3, "lists": 4},
    "ALIGN_REWARD_POSITION": {"position": 1, "two_sided": 2, "symmetric": 4},
    "ALIGN_REWARD_POOL_FIXED": {"fixed": 0, "dersimonian_laird": 1, "paule_mandel": 2, "reml": 3, "ml": 4},
    "ALIGN_REWARD_LABELS_SIGMOID": {"sigmoid": 0, "votes": 1, "flipped": 2, "smoothed": 3},
    "ALIGN_REWARD_ENSEMBLE_MEAN": {"mean": 0, "worst": 1, "variance": 2, "soft_min": 3},
}


class align_tensor(Structure):
    pass


class align_error(Structure):
    pass


class align_exec(Structure):
    pass


class align_norm_params(Structure):
    pass


class align_norm(Structure):
    pass


class align_norm_moments(Structure):
    pass


class align_norm_args(Structure):
    pass


class align_norm_ring(Structure):
    pass


class align_norm_groups_args(Structure):
    pass


class align_popart_args(Structure):
    pass


class align_advantage_args(Structure):
    pass


class align_dense_source(Structure):
    pass


class align_dense_args(Structure):
    pass


class align_kl_controller(Structure):
    pass


class align_lagrange(Structure):
    pass


class align_pipeline(Structure):
    pass


class align_pipeline_args(Structure):
    pass


class align_renorm_args(Structure):
    pass


class align_progress_args(Structure):
    pass


class align_followup_args(Structure):
    pass


class align_claims_args(Structure):
    pass


class align_aspects_args(Structure):
    pass


class align_bt_rows(Structure):
    pass


class align_bt_rankings(Structure):
    pass


class align_bt_counts(Structure):
    pass


class align_bt_ballots(Structure):
    pass


class align_bt_args(Structure):
    pass


class align_bt_elo_args(Structure):
    pass


class align_bt_ranks_args(Structure):
    pass


class align_tokens(Structure):
    pass


class align_head(Structure):
    pass


class align_token_weights(Structure):
    pass


class align_wpo(Structure):
    pass


class align_loss_params(Structure):
    pass


class align_loss_info(Structure):
    pass


class align_param_info(Structure):
    pass


class align_metric_info(Structure):
    pass


class align_loss_args(Structure):
    pass


class align_loss_state(Structure):
    pass


class align_loss_labels(Structure):
    pass


class align_reward_args(Structure):
    pass


class align_reward_path_args(Structure):
    pass


class align_reward_query(Structure):
    pass


class align_reward_calibration_args(Structure):
    pass


class align_reward_pool_args(Structure):
    pass


class align_reward_slopes_args(Structure):
    pass


class align_reward_strength_args(Structure):
    pass


class align_reward_ensemble_args(Structure):
    pass


class align_step_args(Structure):
    pass


class align_pool(Structure):
    pass


class align_pool_args(Structure):
    pass


align_task_fn = CFUNCTYPE(None, c_void_p, c_int64)
align_parallel_fn = CFUNCTYPE(c_int32, c_void_p, c_int64, align_task_fn, c_void_p)
align_allreduce_fn = CFUNCTYPE(c_int32, c_void_p, c_void_p, c_int64, c_int32, c_int32)
align_tensor._fields_ = [("data", c_void_p), ("shape", c_int64 * 3), ("stride", c_int64 * 3), ("ndim", c_int32),
    ("dtype", c_int32)]
align_error._fields_ = [("size", c_size_t), ("status", c_int32), ("axes", c_uint32), ("index", c_int64 * 3),
    ("value", c_double), ("site", c_uint32), ("reserved", c_uint32), ("field", c_char * 64), ("text", c_char * 256)]
align_exec._fields_ = [("size", c_size_t), ("scratch", c_void_p), ("scratch_size", c_size_t),
    ("parallel", align_parallel_fn), ("parallel_user", c_void_p), ("workers", c_uint32),
    ("allreduce", align_allreduce_fn), ("allreduce_user", c_void_p), ("cancel", CFUNCTYPE(c_int32, c_void_p)),
    ("cancel_user", c_void_p), ("error", POINTER(align_error)), ("cpu_forbidden", c_uint64), ("flags", c_uint32)]
align_norm_params._fields_ = [("size", c_size_t), ("kind", c_int32), ("eps_form", c_int32), ("eps", c_double),
    ("ddof", c_double), ("clip_low", c_double), ("clip_high", c_double), ("gain", c_double), ("bias", c_double),
    ("nan", c_int32), ("few", c_int32), ("equal", c_int32), ("reserved", c_int32), ("steepness", c_double),
    ("rate", c_double)]
align_norm._fields_ = [("size", c_size_t), ("kind", c_int32), ("eps_form", c_int32), ("eps", c_double),
    ("ddof", c_double), ("clip_low", c_double), ("clip_high", c_double), ("gain", c_double), ("bias", c_double),
    ("nan", c_int32), ("few", c_int32), ("equal", c_int32), ("reserved", c_int32), ("count", c_int64),
    ("skipped", c_int64), ("least", c_double), ("most", c_double), ("sum_w", c_uint32 * 12), ("sum_wx", c_uint32 * 20),
    ("sum_wxx", c_uint32 * 28), ("rate", c_double), ("recent_weight", c_double), ("recent_mean", c_double),
    ("recent_variance", c_double)]
align_norm_moments._fields_ = [("size", c_size_t), ("count", c_int64), ("skipped", c_int64), ("weight", c_double),
    ("mean", c_double), ("variance", c_double), ("deviation", c_double), ("least", c_double), ("most", c_double)]
align_norm_args._fields_ = [("size", c_size_t), ("params", POINTER(align_norm_params)), ("reward", align_tensor),
    ("mask", align_tensor), ("reference", align_tensor), ("key", align_tensor), ("n_states", c_int64),
    ("out", align_tensor), ("dout", align_tensor), ("dreward", align_tensor)]
align_norm_ring._fields_ = [("size", c_size_t), ("value", align_tensor), ("next", c_int64), ("filled", c_int64)]
align_norm_groups_args._fields_ = [("size", c_size_t), ("params", POINTER(align_norm_params)),
    ("then", POINTER(align_norm_params)), ("reward", align_tensor), ("offsets", align_tensor), ("mask", align_tensor),
    ("weight", align_tensor), ("length", align_tensor), ("reference", align_tensor), ("out", align_tensor),
    ("flags", c_uint32), ("dout", align_tensor), ("dreward", align_tensor)]
align_popart_args._fields_ = [("size", c_size_t), ("mean", c_double), ("deviation", c_double), ("new_mean", c_double),
    ("new_deviation", c_double), ("weight", align_tensor), ("bias", align_tensor)]
align_advantage_args._fields_ = [("size", c_size_t), ("kind", c_int32), ("reserved", c_int32), ("gamma", c_double),
    ("lambda", c_double), ("n", c_int64), ("reward", align_tensor), ("value", align_tensor), ("mask", align_tensor),
    ("offsets", align_tensor), ("truncated", align_tensor), ("bootstrap", align_tensor), ("advantage", align_tensor),
    ("target", align_tensor)]
align_dense_source._fields_ = [("size", c_size_t), ("value", align_tensor), ("end", align_tensor),
    ("offsets", align_tensor), ("clip_low", c_double), ("clip_high", c_double), ("mean", c_double),
    ("deviation", c_double), ("scale", c_double), ("bias", c_double), ("weight", c_double)]
align_dense_args._fields_ = [("size", c_size_t), ("sources", POINTER(align_dense_source)), ("n_sources", c_int64),
    ("mask", align_tensor), ("offsets", align_tensor), ("ended", align_tensor), ("eos_kind", c_int32),
    ("kl_kind", c_int32), ("eos_penalty", c_double), ("logp", align_tensor), ("ref", align_tensor), ("beta", c_double),
    ("kl_clip_ratio", c_double), ("kl_clip_low", c_double), ("kl_clip_high", c_double), ("cost", align_tensor),
    ("multiplier", c_double), ("reward", align_tensor), ("sequence_kl", align_tensor)]
align_kl_controller._fields_ = [("size", c_size_t), ("beta", c_double), ("target", c_double), ("horizon", c_double),
    ("rate", c_double), ("limit", c_double)]
align_lagrange._fields_ = [("size", c_size_t), ("multiplier", c_double), ("rate", c_double), ("bound", c_double),
    ("logarithmic", c_int32), ("reserved", c_int32)]
align_pipeline._fields_ = [("size", c_size_t), ("step", c_int32 * 12), ("overlong_limit", c_double),
    ("overlong_buffer", c_double), ("overlong_factor", c_double), ("clip_low", c_double), ("clip_high", c_double),
    ("beta", c_double), ("kl_kind", c_int32), ("advantage", c_int32), ("gamma", c_double), ("lambda", c_double),
    ("n", c_int64), ("group", POINTER(align_norm_params)), ("group_then", POINTER(align_norm_params)),
    ("whiten_reward", POINTER(align_norm_params)), ("whiten", POINTER(align_norm_params))]
align_pipeline_args._fields_ = [("size", c_size_t), ("pipeline", POINTER(align_pipeline)), ("score", align_tensor),
    ("group_size", c_int64), ("group_offsets", align_tensor), ("mask", align_tensor), ("offsets", align_tensor),
    ("logp", align_tensor), ("ref", align_tensor), ("value", align_tensor), ("truncated", align_tensor),
    ("bootstrap", align_tensor), ("shaped", align_tensor), ("sequence_kl", align_tensor), ("reward", align_tensor),
    ("advantage", align_tensor), ("target", align_tensor)]
align_renorm_args._fields_ = [("size", c_size_t), ("score", align_tensor), ("most", align_tensor),
    ("offsets", align_tensor), ("outcome", align_tensor), ("beta", c_double), ("reward", align_tensor)]
align_progress_args._fields_ = [("size", c_size_t), ("prover", align_tensor), ("offsets", align_tensor),
    ("best_of", c_double), ("alpha", c_double), ("policy", align_tensor), ("advantage", align_tensor),
    ("effective", align_tensor)]
align_followup_args._fields_ = [("size", c_size_t), ("logp", align_tensor), ("mask", align_tensor),
    ("sign", align_tensor), ("reward", align_tensor)]
align_claims_args._fields_ = [("size", c_size_t), ("accept", align_tensor), ("reject", align_tensor),
    ("offsets", align_tensor), ("reward", align_tensor)]
align_aspects_args._fields_ = [("size", c_size_t), ("rating", align_tensor), ("score", align_tensor),
    ("chosen", align_tensor), ("rejected", align_tensor), ("range", c_double), ("margin", align_tensor)]
align_bt_rows._fields_ = [("size", c_size_t), ("first", align_tensor), ("second", align_tensor),
    ("outcome", align_tensor), ("weight", align_tensor), ("covariate", align_tensor), ("annotator", align_tensor),
    ("cluster", align_tensor)]
align_bt_rankings._fields_ = [("size", c_size_t), ("offsets", align_tensor), ("item", align_tensor),
    ("place", align_tensor), ("weight", align_tensor), ("cluster", align_tensor)]
align_bt_counts._fields_ = [("size", c_size_t), ("memory", c_void_p), ("bytes", c_size_t), ("n_items", c_int64),
    ("pairs", c_int64), ("room", c_int64), ("rows", c_int64), ("taken", c_int64)]
align_bt_ballots._fields_ = [("size", c_size_t), ("memory", c_void_p), ("bytes", c_size_t), ("used", c_size_t),
    ("n_items", c_int64), ("rankings", c_int64), ("entries", c_int64), ("longest", c_int64), ("rows", c_int64),
    ("taken", c_int64)]
align_bt_args._fields_ = [("size", c_size_t), ("n_items", c_int64), ("rows", POINTER(align_bt_rows)),
    ("counts", POINTER(align_bt_counts)), ("ties", c_int32), ("prior", c_int32), ("variance", c_int32),
    ("solver", c_int32), ("prior_mean", c_double), ("prior_precision", c_double), ("prior_shape", c_double),
    ("prior_rate", c_double), ("prior_games", c_double), ("scale", c_double), ("offset", c_double), ("anchor", c_int64),
    ("tolerance", c_double), ("max_iterations", c_int64), ("flags", c_uint32), ("existence", c_int32),
    ("strength", align_tensor), ("se", align_tensor), ("covariance", align_tensor), ("component", align_tensor),
    ("part", align_tensor), ("draws", align_tensor), ("seed", c_uint64), ("components", c_int64), ("parts", c_int64),
    ("iterations", c_int64), ("score_norm", c_double), ("decrement", c_double), ("last_step", c_double),
    ("condition", c_double), ("log_likelihood", c_double), ("deviance", c_double), ("penalty", c_double),
    ("tie", c_double), ("tie_se", c_double), ("home", c_double), ("home_se", c_double),
    ("rankings", POINTER(align_bt_rankings)), ("fixed", align_tensor), ("item_feature", align_tensor),
    ("coefficient_precision", c_double), ("bias_precision", c_double), ("reliability_precision", c_double),
    ("n_annotators", c_int64), ("n_clusters", c_int64), ("coefficient", align_tensor), ("coefficient_se", align_tensor),
    ("bias", align_tensor), ("reliability", align_tensor), ("orders", align_tensor), ("bias_se", align_tensor),
    ("reliability_se", align_tensor), ("ballots", POINTER(align_bt_ballots)),
    ("cluster_counts", POINTER(align_bt_counts)), ("cluster_ballots", POINTER(align_bt_ballots))]
align_bt_elo_args._fields_ = [("size", c_size_t), ("rows", POINTER(align_bt_rows)), ("rating", align_tensor),
    ("k", c_double), ("scale", c_double)]
align_bt_ranks_args._fields_ = [("size", c_size_t), ("strength", align_tensor), ("covariance", align_tensor),
    ("draws", align_tensor), ("level", c_double), ("samples", c_int64), ("seed", c_uint64), ("rank", align_tensor),
    ("rank_low", align_tensor), ("rank_high", align_tensor), ("first", align_tensor), ("difference_se", align_tensor),
    ("critical", c_double), ("used", c_int64)]
align_tokens._fields_ = [("size", c_size_t), ("target", align_tensor), ("mask", align_tensor),
    ("offsets", align_tensor), ("ignore", c_int64), ("shift", c_int32)]
align_head._fields_ = [("size", c_size_t), ("tokens", POINTER(align_tokens)), ("logits", align_tensor),
    ("hidden", align_tensor), ("weight", align_tensor), ("bias", align_tensor), ("scale", c_double),
    ("softcap", c_double), ("vocab_begin", c_int64), ("vocab_total", c_int64), ("other", POINTER(align_head)),
    ("temperature", c_double), ("logp", align_tensor), ("count", align_tensor), ("wsum", align_tensor),
    ("token_logp", align_tensor), ("lse", align_tensor), ("entropy", align_tensor), ("kl", align_tensor),
    ("collision", align_tensor), ("hit", align_tensor), ("jhidden", align_tensor), ("dlogp", align_tensor),
    ("dtoken_logp", align_tensor), ("dentropy", align_tensor), ("dkl", align_tensor), ("dlse", align_tensor),
    ("dlogits", align_tensor), ("dhidden", align_tensor), ("dweight", align_tensor), ("dbias", align_tensor),
    ("flags", c_uint32)]
align_token_weights._fields_ = [("size", c_size_t), ("tokens", POINTER(align_tokens)), ("kind", c_int32),
    ("seed", c_int32), ("items", c_int32), ("stacked", c_int32), ("alpha", c_double), ("weight", align_tensor)]
align_wpo._fields_ = [("size", c_size_t), ("tokens", POINTER(align_tokens)), ("token_logp", align_tensor),
    ("collision", align_tensor), ("items", c_int32), ("stacked", c_int32), ("most", c_double), ("weight", align_tensor)]
align_loss_params._fields_ = [("size", c_size_t), ("loss", c_int32), ("length", c_int32), ("beta", c_double),
    ("label_smoothing", c_double), ("margin", c_double), ("noise", c_double), ("center", c_double),
    ("norm_penalty", c_double), ("gain", c_int32), ("discount", c_int32), ("normalise", c_int32), ("targets", c_int32),
    ("tau", c_double), ("lambda", c_double), ("alpha", c_double), ("eta", c_double), ("order", c_double),
    ("divergence", c_int32), ("stop", c_int32), ("gamma", c_double), ("nu", c_double), ("flip", c_double),
    ("desirable", c_double), ("undesirable", c_double), ("clip_low", c_double), ("clip_high", c_double),
    ("clip_dual", c_double), ("kl_coef", c_double), ("threshold1", c_double), ("threshold2", c_double),
    ("threshold3", c_double), ("threshold4", c_double), ("levels", c_int32), ("form", c_int32), ("estimator", c_int32),
    ("unit", c_int32), ("temperature", c_double), ("mu", c_double), ("rho", c_double), ("top", c_int32),
    ("top_n", c_int32), ("score_ties", c_int32), ("label_ties", c_int32), ("places", c_int32), ("seed", c_int32),
    ("pair_weight", c_int32), ("sinkhorn", c_int32), ("near_scores", c_double), ("rescale", c_int32),
    ("reserved", c_int32)]
align_loss_info._fields_ = [("size", c_size_t), ("id", c_int32), ("arity", c_int32), ("name", c_char_p),
    ("brief", c_char_p), ("source", c_char_p), ("formula", c_char_p), ("gradient", c_char_p), ("needs", c_uint32),
    ("reads", c_uint32), ("n_params", c_uint32), ("n_metrics", c_uint32)]
align_param_info._fields_ = [("size", c_size_t), ("name", c_char_p), ("brief", c_char_p), ("offset", c_size_t),
    ("dtype", c_int32), ("n_choices", c_uint32), ("standard", c_double), ("least", c_double), ("most", c_double),
    ("choices", POINTER(c_char_p))]
align_metric_info._fields_ = [("size", c_size_t), ("name", c_char_p), ("brief", c_char_p)]
align_loss_args._fields_ = [("size", c_size_t), ("loss", c_int32), ("flags", c_uint32),
    ("params", POINTER(align_loss_params)), ("score", align_tensor), ("ref", align_tensor), ("old", align_tensor),
    ("count", align_tensor), ("aux", align_tensor), ("index", align_tensor), ("offsets", align_tensor),
    ("label", align_tensor), ("prob", align_tensor), ("weight", align_tensor), ("offset", align_tensor),
    ("mask", align_tensor), ("rank", align_tensor), ("denom", c_double), ("scale", c_double), ("value", align_tensor),
    ("group_value", align_tensor), ("dscore", align_tensor), ("daux", align_tensor), ("dparam", align_tensor),
    ("hscore", align_tensor), ("rank_out", align_tensor), ("metrics", align_tensor)]
align_loss_state._fields_ = [("size", c_size_t), ("loss", c_int32), ("form", c_int32), ("applied", c_int32),
    ("reserved", c_int32), ("beta", c_double), ("alpha", c_double), ("momentum", c_double), ("least", c_double),
    ("count", c_double * 2), ("mean", c_double * 2), ("squares", c_double * 2), ("gap_mean", c_double),
    ("gap_spread", c_double)]
align_loss_labels._fields_ = [("size", c_size_t), ("wins", align_tensor), ("rank", align_tensor),
    ("mask", align_tensor), ("label", align_tensor)]
align_reward_args._fields_ = [("size", c_size_t), ("first", align_tensor), ("second", align_tensor),
    ("features", align_tensor), ("index", align_tensor), ("prob", align_tensor), ("margin", align_tensor),
    ("weight", align_tensor), ("l2", c_double), ("l2_each", align_tensor), ("tolerance", c_double),
    ("max_iterations", c_int64), ("flags", c_uint32), ("existence", c_int32), ("coef", align_tensor),
    ("se", align_tensor), ("covariance", align_tensor), ("null_dimension", c_int64), ("iterations", c_int64),
    ("score_norm", c_double), ("decrement", c_double), ("last_step", c_double), ("log_likelihood", c_double),
    ("penalty", c_double), ("accuracy", c_double), ("model", c_int32), ("levels", c_int32), ("stages", c_int64),
    ("grade", align_tensor), ("list", align_tensor), ("offset", align_tensor), ("label_smoothing", c_double),
    ("columns", align_tensor), ("row_offsets", align_tensor), ("start", align_tensor), ("center", align_tensor),
    ("threshold", align_tensor), ("threshold_se", align_tensor), ("position", c_double), ("position_se", c_double),
    ("second_columns", align_tensor), ("second_row_offsets", align_tensor)]
align_reward_path_args._fields_ = [("size", c_size_t), ("fit", POINTER(align_reward_args)),
    ("held", POINTER(align_reward_args)), ("l2", align_tensor), ("coef", align_tensor), ("loss", align_tensor),
    ("best", c_int64)]
align_reward_query._fields_ = [("size", c_size_t), ("features", align_tensor), ("coef", align_tensor),
    ("covariance", align_tensor), ("reward", align_tensor), ("se", align_tensor), ("columns", align_tensor),
    ("row_offsets", align_tensor)]
align_reward_calibration_args._fields_ = [("size", c_size_t), ("first", align_tensor), ("second", align_tensor),
    ("prob", align_tensor), ("weight", align_tensor), ("bins", align_tensor), ("totals", align_tensor)]
align_reward_pool_args._fields_ = [("size", c_size_t), ("estimate", align_tensor), ("variance", align_tensor),
    ("method", c_int32), ("mean", align_tensor), ("se", align_tensor), ("tau2", align_tensor), ("q", align_tensor),
    ("slope", align_tensor)]
align_reward_slopes_args._fields_ = [("size", c_size_t), ("pairs", POINTER(align_reward_args)),
    ("annotator", align_tensor), ("select", align_tensor), ("precision", align_tensor), ("slope", align_tensor),
    ("variance", align_tensor), ("existence", align_tensor)]
align_reward_strength_args._fields_ = [("size", c_size_t), ("first", align_tensor), ("second", align_tensor),
    ("ddof", c_int32), ("labels", c_int32), ("flip_share", c_double), ("smoothing", c_double), ("mean", align_tensor),
    ("deviation", align_tensor), ("flip", align_tensor), ("prob", align_tensor), ("margin", align_tensor)]
align_reward_ensemble_args._fields_ = [("size", c_size_t), ("kind", c_int32), ("ddof", c_int32), ("lambda", c_double),
    ("beta", c_double), ("reward", align_tensor), ("value", align_tensor), ("dvalue", align_tensor),
    ("dreward", align_tensor)]
align_step_args._fields_ = [("size", c_size_t), ("policy", POINTER(align_head)), ("ref", POINTER(align_head)),
    ("losses", POINTER(align_loss_args)), ("n_losses", c_uint32)]
align_pool_args._fields_ = [("size", c_size_t), ("workers", c_uint32), ("spin", c_uint32), ("cpus", POINTER(c_int32)),
    ("n_cpus", c_uint32)]

# What each function returns, and its arguments: libalign, and libalign-threads.
FUNCTIONS = {
    "align_status_name": (c_char_p, c_int32),
    "align_dtype_bytes": (c_int32, c_int32),
    "align_1d": (align_tensor, c_void_p, c_int32, c_int64),
    "align_2d": (align_tensor, c_void_p, c_int32, c_int64, c_int64),
    "align_3d": (align_tensor, c_void_p, c_int32, c_int64, c_int64, c_int64),
    "align_error_init": (None, POINTER(align_error), c_size_t),
    "align_exec_init": (None, POINTER(align_exec), c_size_t),
    "align_version": (c_uint32,),
    "align_abi": (c_uint32,),
    "align_cpu": (c_uint64,),
    "align_norm_params_init": (c_int32, POINTER(align_norm_params), c_size_t, c_int32),
    "align_norm_init": (c_int32, POINTER(align_norm), c_size_t, POINTER(align_norm_params)),
    "align_norm_args_init": (None, POINTER(align_norm_args), c_size_t),
    "align_norm_update": (c_int32, POINTER(align_exec), POINTER(align_norm), POINTER(align_norm_args)),
    "align_norm_ring_init": (None, POINTER(align_norm_ring), c_size_t),
    "align_norm_ring_update": (c_int32, POINTER(align_exec), POINTER(align_norm), POINTER(align_norm_ring),
        POINTER(align_norm_args)),
    "align_norm_merge": (c_int32, POINTER(align_exec), POINTER(align_norm), POINTER(align_norm)),
    "align_norm_apply": (c_int32, POINTER(align_exec), POINTER(align_norm), POINTER(align_norm_args)),
    "align_norm_scratch": (c_int32, POINTER(align_exec), POINTER(align_norm), POINTER(align_norm_args),
        POINTER(c_size_t), POINTER(c_size_t)),
    "align_norm_get": (c_int32, POINTER(align_exec), POINTER(align_norm), POINTER(align_norm_moments)),
    "align_norm_groups_args_init": (None, POINTER(align_norm_groups_args), c_size_t),
    "align_norm_groups_scratch": (c_int32, POINTER(align_exec), POINTER(align_norm_groups_args), POINTER(c_size_t),
        POINTER(c_size_t)),
    "align_norm_groups": (c_int32, POINTER(align_exec), POINTER(align_norm_groups_args)),
    "align_norm_preset_get": (c_int32, c_char_p, c_char_p, POINTER(align_norm_params), POINTER(align_norm_params),
        POINTER(c_uint32)),
    "align_popart_args_init": (None, POINTER(align_popart_args), c_size_t),
    "align_popart_apply": (c_int32, POINTER(align_exec), POINTER(align_popart_args)),
    "align_norm_save": (c_int32, POINTER(align_exec), POINTER(align_norm), c_void_p, c_size_t),
    "align_norm_load": (c_int32, POINTER(align_exec), POINTER(align_norm), c_size_t, c_void_p, c_size_t),
    "align_advantage_args_init": (None, POINTER(align_advantage_args), c_size_t),
    "align_advantage_eval": (c_int32, POINTER(align_exec), POINTER(align_advantage_args)),
    "align_dense_source_init": (None, POINTER(align_dense_source), c_size_t),
    "align_dense_args_init": (None, POINTER(align_dense_args), c_size_t),
    "align_dense_eval": (c_int32, POINTER(align_exec), POINTER(align_dense_args)),
    "align_kl_controller_init": (None, POINTER(align_kl_controller), c_size_t),
    "align_lagrange_init": (None, POINTER(align_lagrange), c_size_t),
    "align_kl_controller_update": (c_int32, POINTER(align_exec), POINTER(align_kl_controller), c_double, c_int64),
    "align_lagrange_update": (c_int32, POINTER(align_exec), POINTER(align_lagrange), c_double),
    "align_pipeline_init": (None, POINTER(align_pipeline), c_size_t),
    "align_pipeline_args_init": (None, POINTER(align_pipeline_args), c_size_t),
    "align_pipeline_eval": (c_int32, POINTER(align_exec), POINTER(align_pipeline_args)),
    "align_pipeline_preset_get": (c_int32, c_char_p, POINTER(align_pipeline), POINTER(align_norm_params)),
    "align_renorm_args_init": (None, POINTER(align_renorm_args), c_size_t),
    "align_renorm_eval": (c_int32, POINTER(align_exec), POINTER(align_renorm_args)),
    "align_progress_args_init": (None, POINTER(align_progress_args), c_size_t),
    "align_progress_eval": (c_int32, POINTER(align_exec), POINTER(align_progress_args)),
    "align_followup_args_init": (None, POINTER(align_followup_args), c_size_t),
    "align_followup_eval": (c_int32, POINTER(align_exec), POINTER(align_followup_args)),
    "align_claims_args_init": (None, POINTER(align_claims_args), c_size_t),
    "align_claims_eval": (c_int32, POINTER(align_exec), POINTER(align_claims_args)),
    "align_aspects_args_init": (None, POINTER(align_aspects_args), c_size_t),
    "align_aspects_eval": (c_int32, POINTER(align_exec), POINTER(align_aspects_args)),
    "align_bt_rows_init": (None, POINTER(align_bt_rows), c_size_t),
    "align_bt_rankings_init": (None, POINTER(align_bt_rankings), c_size_t),
    "align_bt_counts_get_bytes": (c_size_t, c_int64, c_int64),
    "align_bt_counts_init": (None, POINTER(align_bt_counts), c_void_p, c_size_t, c_int64),
    "align_bt_counts_update": (c_int32, POINTER(align_exec), POINTER(align_bt_counts), POINTER(align_bt_rows)),
    "align_bt_counts_merge": (c_int32, POINTER(align_exec), POINTER(align_bt_counts), POINTER(align_bt_counts)),
    "align_bt_counts_grow": (c_int32, POINTER(align_exec), POINTER(align_bt_counts), c_void_p, c_size_t),
    "align_bt_counts_save": (c_int32, POINTER(align_exec), POINTER(align_bt_counts), c_void_p, c_size_t,
        POINTER(c_size_t)),
    "align_bt_counts_load": (c_int32, POINTER(align_exec), POINTER(align_bt_counts), c_void_p, c_size_t),
    "align_bt_counts_get_saved": (c_int32, POINTER(align_exec), c_void_p, c_size_t, POINTER(align_bt_counts)),
    "align_bt_ballots_get_bytes": (c_size_t, c_int64, c_int64, c_int64),
    "align_bt_ballots_init": (None, POINTER(align_bt_ballots), c_void_p, c_size_t, c_int64),
    "align_bt_ballots_update": (c_int32, POINTER(align_exec), POINTER(align_bt_ballots), POINTER(align_bt_rankings)),
    "align_bt_ballots_merge": (c_int32, POINTER(align_exec), POINTER(align_bt_ballots), POINTER(align_bt_ballots)),
    "align_bt_ballots_grow": (c_int32, POINTER(align_exec), POINTER(align_bt_ballots), c_void_p, c_size_t),
    "align_bt_ballots_save": (c_int32, POINTER(align_exec), POINTER(align_bt_ballots), c_void_p, c_size_t,
        POINTER(c_size_t)),
    "align_bt_ballots_load": (c_int32, POINTER(align_exec), POINTER(align_bt_ballots), c_void_p, c_size_t),
    "align_bt_ballots_get_saved": (c_int32, POINTER(align_exec), c_void_p, c_size_t, POINTER(align_bt_ballots)),
    "align_bt_args_init": (None, POINTER(align_bt_args), c_size_t),
    "align_bt_scratch": (c_int32, POINTER(align_exec), POINTER(align_bt_args), POINTER(c_size_t), POINTER(c_size_t)),
    "align_bt_fit": (c_int32, POINTER(align_exec), POINTER(align_bt_args)),
    "align_bt_elo_args_init": (None, POINTER(align_bt_elo_args), c_size_t),
    "align_bt_elo_update": (c_int32, POINTER(align_exec), POINTER(align_bt_elo_args)),
    "align_bt_ranks_args_init": (None, POINTER(align_bt_ranks_args), c_size_t),
    "align_bt_ranks_scratch": (c_int32, POINTER(align_exec), POINTER(align_bt_ranks_args), POINTER(c_size_t),
        POINTER(c_size_t)),
    "align_bt_ranks_eval": (c_int32, POINTER(align_exec), POINTER(align_bt_ranks_args)),
    "align_tokens_init": (None, POINTER(align_tokens), c_size_t),
    "align_head_init": (None, POINTER(align_head), c_size_t),
    "align_head_scratch": (c_int32, POINTER(align_exec), POINTER(align_head), POINTER(c_size_t), POINTER(c_size_t)),
    "align_head_forward": (c_int32, POINTER(align_exec), POINTER(align_head)),
    "align_head_backward": (c_int32, POINTER(align_exec), POINTER(align_head)),
    "align_token_weights_init": (None, POINTER(align_token_weights), c_size_t),
    "align_token_weights_apply": (c_int32, POINTER(align_exec), POINTER(align_token_weights)),
    "align_wpo_init": (None, POINTER(align_wpo), c_size_t),
    "align_wpo_apply": (c_int32, POINTER(align_exec), POINTER(align_wpo)),
    "align_loss_params_init": (c_int32, POINTER(align_loss_params), c_size_t, c_int32, c_char_p),
    "align_loss_count": (c_int32,),
    "align_loss_find": (c_int32, c_char_p),
    "align_loss_get_info": (c_int32, c_int32, POINTER(align_loss_info)),
    "align_loss_get_param": (c_int32, c_int32, c_uint32, POINTER(align_param_info)),
    "align_loss_get_metric": (c_int32, c_int32, c_uint32, POINTER(align_metric_info)),
    "align_loss_args_init": (None, POINTER(align_loss_args), c_size_t),
    "align_loss_scratch": (c_int32, POINTER(align_exec), POINTER(align_loss_args), POINTER(c_size_t),
        POINTER(c_size_t)),
    "align_loss_eval": (c_int32, POINTER(align_exec), POINTER(align_loss_args)),
    "align_loss_state_init": (c_int32, POINTER(align_loss_state), c_size_t, c_int32),
    "align_loss_state_update": (c_int32, POINTER(align_exec), POINTER(align_loss_state), POINTER(align_loss_args)),
    "align_loss_state_merge": (c_int32, POINTER(align_exec), POINTER(align_loss_state), POINTER(align_loss_state)),
    "align_loss_state_apply": (c_int32, POINTER(align_exec), POINTER(align_loss_state), POINTER(align_loss_args)),
    "align_loss_state_save": (c_int32, POINTER(align_exec), POINTER(align_loss_state), c_void_p, c_size_t),
    "align_loss_state_load": (c_int32, POINTER(align_exec), POINTER(align_loss_state), c_void_p, c_size_t),
    "align_loss_labels_init": (None, POINTER(align_loss_labels), c_size_t),
    "align_loss_labels_apply": (c_int32, POINTER(align_exec), POINTER(align_loss_labels)),
    "align_reward_args_init": (None, POINTER(align_reward_args), c_size_t),
    "align_reward_scratch": (c_int32, POINTER(align_exec), POINTER(align_reward_args), POINTER(c_size_t),
        POINTER(c_size_t)),
    "align_reward_fit": (c_int32, POINTER(align_exec), POINTER(align_reward_args)),
    "align_reward_path_args_init": (None, POINTER(align_reward_path_args), c_size_t),
    "align_reward_path_scratch": (c_int32, POINTER(align_exec), POINTER(align_reward_path_args), POINTER(c_size_t),
        POINTER(c_size_t)),
    "align_reward_path_fit": (c_int32, POINTER(align_exec), POINTER(align_reward_path_args)),
    "align_reward_query_init": (None, POINTER(align_reward_query), c_size_t),
    "align_reward_predict": (c_int32, POINTER(align_exec), POINTER(align_reward_query)),
    "align_reward_calibration_args_init": (None, POINTER(align_reward_calibration_args), c_size_t),
    "align_reward_calibration_update": (c_int32, POINTER(align_exec), POINTER(align_reward_calibration_args)),
    "align_reward_pool_args_init": (None, POINTER(align_reward_pool_args), c_size_t),
    "align_reward_pool_fit": (c_int32, POINTER(align_exec), POINTER(align_reward_pool_args)),
    "align_reward_slopes_args_init": (None, POINTER(align_reward_slopes_args), c_size_t),
    "align_reward_slopes_scratch": (c_int32, POINTER(align_exec), POINTER(align_reward_slopes_args), POINTER(c_size_t),
        POINTER(c_size_t)),
    "align_reward_slopes_fit": (c_int32, POINTER(align_exec), POINTER(align_reward_slopes_args)),
    "align_reward_strength_args_init": (None, POINTER(align_reward_strength_args), c_size_t),
    "align_reward_strength_scratch": (c_int32, POINTER(align_exec), POINTER(align_reward_strength_args),
        POINTER(c_size_t), POINTER(c_size_t)),
    "align_reward_strength_eval": (c_int32, POINTER(align_exec), POINTER(align_reward_strength_args)),
    "align_reward_ensemble_args_init": (None, POINTER(align_reward_ensemble_args), c_size_t),
    "align_reward_ensemble_eval": (c_int32, POINTER(align_exec), POINTER(align_reward_ensemble_args)),
    "align_step_args_init": (None, POINTER(align_step_args), c_size_t),
    "align_step_scratch": (c_int32, POINTER(align_exec), POINTER(align_step_args), POINTER(c_size_t),
        POINTER(c_size_t)),
    "align_step_run": (c_int32, POINTER(align_exec), POINTER(align_step_args)),
}
POOL_FUNCTIONS = {
    "align_pool_args_init": (None, POINTER(align_pool_args), c_size_t),
    "align_pool_create": (c_int32, POINTER(POINTER(align_pool)), POINTER(align_pool_args), POINTER(align_error)),
    "align_pool_destroy": (None, POINTER(align_pool)),
    "align_pool_workers": (c_uint32, POINTER(align_pool)),
    "align_pool_run": (c_int32, c_void_p, c_int64, align_task_fn, c_void_p),
}
