/* Lists as orders drawn item by item (Plackett-Luce). */
#include "list.h"

/* A sum of exponentials as e^high (1 + rest), high the largest exponent: differences to a member keep
 * their relative accuracy however large the scores are. */
struct mass {
    double high, rest;
};

static const struct mass nothing = {-INFINITY, -1};

/* x + share y. */
static struct mass join(struct mass x, struct mass y, double share)
{
    if (y.high == -INFINITY || share == 0)
        return x;
    if (x.high == -INFINITY)
        return (struct mass){y.high, share - 1 + share * y.rest};
    const double gap = align__minus(y.high, x.high), fall = exp(-fabs(gap));
    if (gap > 0)
        return (struct mass){y.high, share - 1 + share * y.rest + fall * (1 + x.rest)};
    return (struct mass){x.high, x.rest + share * fall * (1 + y.rest)};
}

/* The order that is likely, what each place weighs, and what ties mean. */
struct draw {
    const double *key;
    int32_t ties, places;
    double factor;
};

static double place_weight(const struct align__list *list, const struct draw *draw, int64_t k)
{
    const align_loss_params *p = list->params;
    if (p->top_n > 0 && k >= p->top_n)
        return 0;
    if (draw->places == ALIGN_PLACES_POWER)
        return draw->factor * (exp2((double)(list->n - 1 - k)) - 1);
    if (draw->places == ALIGN_PLACES_DISCOUNT)
        return draw->factor * align__discount((double)(k + 1), p->discount);
    return draw->factor;
}

/* First place of the tie that ends before place `end`. */
static int64_t begin_of_tie(const struct align__list *list, const struct draw *draw, int64_t end)
{
    int64_t k = end - 1;
    while (draw->ties != ALIGN_LABEL_TIES_INDEX && k > 0 &&
           draw->key[list->order[k - 1]] == draw->key[list->order[end - 1]])
        k--;
    return k;
}

static double share_of(const struct draw *draw, int64_t k, int64_t low, int64_t end)
{
    return draw->ties == ALIGN_LABEL_TIES_EFRON ? 1 - (double)(k - low) / (double)(end - low) : 1;
}

/* What is chosen from at place k of the tie [low, high): all behind it, and a share of the tie itself. */
static struct mass choice_at(const struct draw *draw, struct mass behind, struct mass tie,
                             double own, int64_t k, int64_t low, int64_t end)
{
    if (draw->ties == ALIGN_LABEL_TIES_SKIP)
        return join(behind, (struct mass){own, 0}, 1);
    return join(behind, tie, share_of(draw, k, low, end));
}

/* The places from the last to the first: minus log-probability of each choice to lost, and what is chosen
 * from to high and rest; rank at the first place of a tie becomes its end. Returns the weighted sum. */
static double walk_back(struct align__list *list, const struct draw *draw)
{
    double *high = list->work[0], *rest = list->work[1], *lost = list->work[2];
    const double *s = list->ratio;
    const int64_t *order = list->order;
    struct align__total value = {0};
    struct mass behind = nothing;
    for (int64_t end = list->n, low; end > 0; end = low) {
        struct mass tie = nothing;
        low = begin_of_tie(list, draw, end);
        list->rank[low] = end;
        for (int64_t k = low; k < end; k++)
            tie = join(tie, (struct mass){s[order[k]], 0}, 1);
        for (int64_t k = end - 1; k >= low; k--) {
            const double own = s[order[k]];
            const struct mass from = choice_at(draw, behind, tie, own, k, low, end);
            high[k] = from.high;
            rest[k] = from.rest;
            lost[k] = from.high == -INFINITY ? 0 : align__minus(from.high, own) + log1p(from.rest);
            align__add(&value, align__times(place_weight(list, draw, k), lost[k]));
        }
        behind = join(behind, tie, 1);
    }
    return align__total(value);
}

/* Sums over choices of weight and of weight squared probability, relative to e^at. */
struct carried {
    double at, sum, squares;
};

static void carry(struct carried *c, double weight, double share, double high, double rest)
{
    const double part = share * exp(align__minus(c->at, high)) / (1 + rest);
    c->sum += align__times(weight, part);
    c->squares += align__times(weight, part * part);
}

static double top_of_tie(const struct align__list *list, int64_t low)
{
    double top = -INFINITY;
    for (int64_t k = low; low < list->n && k < list->rank[low]; k++)
        top = list->work[0][k] > top ? list->work[0][k] : top;
    return top;
}

/* Derivatives of the choices of one tie by its items: each is part of every choice of the tie, unless the
 * tie has one item or is skipped. `all` is what the choices before it weigh. */
static void derive_tie(struct align__list *list, const struct draw *draw, const struct carried *all,
                       int64_t low, int64_t end)
{
    const double *high = list->work[0], *rest = list->work[1], *lost = list->work[2];
    const bool apart = end - low == 1 || draw->ties == ALIGN_LABEL_TIES_SKIP;
    struct carried tie = {all->at, 0, 0};
    for (int64_t k = low; k < end && !apart; k++)
        carry(&tie, place_weight(list, draw, k), share_of(draw, k, low, end), high[k], rest[k]);
    for (int64_t k = low; k < end; k++) {
        const int64_t i = list->order[k];
        const double x = exp(align__minus(list->ratio[i], all->at));
        const double w = place_weight(list, draw, k), miss = -expm1(-lost[k]);
        const double own = apart ? -align__times(w, miss) : align__times(x, tie.sum) - w;
        const double bend = apart ? align__times(w, exp(-lost[k]) * miss)
                                  : align__times(x, tie.sum) - align__times(x * x, tie.squares);
        list->d[i] += align__times(x, all->sum) + own;
        list->h[i] += align__times(x, all->sum) - align__times(x * x, all->squares) + bend;
    }
}

/* The places from the first to the last. `all` is kept relative to the largest score that is left. */
static void walk_on(struct align__list *list, const struct draw *draw)
{
    const double *high = list->work[0], *rest = list->work[1];
    struct carried all = {top_of_tie(list, 0), 0, 0};
    for (int64_t low = 0, end; low < list->n && all.at > -INFINITY; low = end) {
        end = list->rank[low];
        derive_tie(list, draw, &all, low, end);
        const double next = top_of_tie(list, end), fall = exp(align__minus(next, all.at));
        all = (struct carried){next, all.sum * fall, all.squares * fall * fall};
        for (int64_t k = low; k < end; k++)
            carry(&all, place_weight(list, draw, k), 1, high[k], rest[k]);
    }
}

static double add_order(struct align__list *list, const struct draw *draw)
{
    const double value = walk_back(list, draw);
    walk_on(list, draw);
    return value;
}

static void list_mle(struct align__list *list)
{
    const align_loss_params *p = list->params;
    const struct draw draw = {list->label, p->label_ties, p->places, 1};
    align__list_scale(list);
    align__sort_down(list, list->label, list->order);
    const double value = add_order(list, &draw);
    align__list_finish(list, value, align__normaliser(list, 0));
}

#define ORDER_ROW(id, most_ref)                                                                    \
    .name = #id, .list = id, .arity = ALIGN_LOSS_LIST, .needs = ALIGN_LOSS_READS_LABEL,            \
    .reads = ALIGN_LOSS_READS_REF | ALIGN_LOSS_WRITES_HSCORE | most_ref,                           \
    .label_least = -ALIGN__ANY, .label_most = ALIGN__ANY
#define BETA(standard)                                                                             \
    {                                                                                              \
        ALIGN__PARAM_BETA, standard, ALIGN__ABOVE_0, ALIGN__ANY                                    \
    }
#define TOP_N                                                                                      \
    {                                                                                              \
        ALIGN__PARAM_TOP_N, 0, 0, INT32_MAX                                                        \
    }
#define LABEL_TIES                                                                                 \
    {                                                                                              \
        ALIGN__PARAM_LABEL_TIES, ALIGN_LABEL_TIES_INDEX, ALIGN_LABEL_TIES_INDEX,                   \
            ALIGN_LABEL_TIES_EFRON                                                                 \
    }
#define SUM_OR_ITEMS                                                                               \
    {                                                                                              \
        ALIGN__PARAM_NORMALISE, ALIGN_NORMALISE_SUM, ALIGN_NORMALISE_SUM, ALIGN_NORMALISE_ITEMS    \
    }

static const struct align__preset mle_presets[] = {
    {"p-listmle", {{ALIGN__PARAM_PLACES, ALIGN_PLACES_POWER}}},
    {NULL, {{0}}},
};

const struct align__loss_row align__loss_list_mle = {
    .golden = "V1 and V2 of the list reference; allRank listMLE; TF-Ranking doctests",
    ORDER_ROW(list_mle, 0),
    .brief =
        "Plackett-Luce likelihood of the order of the labels (DPO-PL), of all places or the first "
        "top_n; preset p-listmle weights the first places more",
    .source = "Liu et al. 2024 (LiPO), arXiv 2402.01878, Eq. 7; Xia et al. 2008; DPO, arXiv "
              "2305.18290, App. A.3; p-ListMLE, Lan et al. 2014; ties: Breslow 1974, Efron 1977",
    .formula = "sum over places k of w_k (lse(s at places k..K) - s at place k), places by label, "
               "s = beta (score - ref)",
    .gradient = "ds at place k = sum over p <= k of w_p exp(s_k - lse(s at p..K)) - w_k",
    .params = {BETA(0.1),
               SUM_OR_ITEMS,
               LABEL_TIES,
               TOP_N,
               {ALIGN__PARAM_PLACES, ALIGN_PLACES_EVEN, ALIGN_PLACES_EVEN, ALIGN_PLACES_DISCOUNT},
               {ALIGN__PARAM_DISCOUNT, ALIGN_DISCOUNT_LOG2, ALIGN_DISCOUNT_LN,
                ALIGN_DISCOUNT_RECIPROCAL},
               ALIGN__DIVERGENCE},
    .presets = mle_presets,
    .as_pair = ALIGN_LOSS_DPO,
};

/* The second order is by place from the last, so that low scores would be drawn first. */
static void robust_pl(struct align__list *list)
{
    const align_loss_params *p = list->params;
    struct draw draw = {list->label, p->label_ties, ALIGN_PLACES_EVEN, 1 - p->rho};
    align__list_scale(list);
    align__list_places(list);
    align__sort_down(list, list->label, list->order);
    double value = add_order(list, &draw);
    draw = (struct draw){list->place, ALIGN_LABEL_TIES_INDEX, ALIGN_PLACES_EVEN, p->rho};
    align__sort_down(list, list->place, list->order);
    value += add_order(list, &draw);
    align__list_finish(list, value, align__normaliser(list, 0));
}

const struct align__loss_row align__loss_robust_pl = {
    ORDER_ROW(robust_pl, ALIGN_LOSS_READS_RANK),
    .brief = "Plackett-Luce against the worst nearby order: some of the likelihood that the "
             "current scores, "
             "from the lowest, are the order. Places are constants, or rank",
    .source = "Robust listwise preference optimisation, arXiv 2607.01715",
    .formula =
        "(1 - rho) PL(order of labels) + rho PL(order of scores from the lowest), PL as list_mle",
    .gradient = "(1 - rho) that of list_mle by labels + rho that by rising scores",
    .params = {BETA(0.1),
               {ALIGN__PARAM_RHO, 0.1, 0, 1},
               SUM_OR_ITEMS,
               LABEL_TIES,
               {ALIGN__PARAM_SCORE_TIES, ALIGN_SCORE_TIES_STABLE, ALIGN_SCORE_TIES_STABLE,
                ALIGN_SCORE_TIES_SEEDED},
               {ALIGN__PARAM_SEED, 0, 0, INT32_MAX},
               ALIGN__DIVERGENCE},
    .unless = {[ALIGN__PROP_PAIR] = "mixes two orders"},
};

static void s_dpo(struct align__list *list)
{
    const struct draw draw = {list->label, ALIGN_LABEL_TIES_INDEX, ALIGN_PLACES_EVEN, 1};
    int64_t first = 0;
    align__list_scale(list);
    for (int64_t i = 1; i < list->n; i++)
        first = list->label[i] > list->label[first] ? i : first;
    list->order[0] = first;
    for (int64_t i = 0, k = 1; i < list->n; i++)
        if (i != first)
            list->order[k++] = i;
    align_loss_params top = *list->params;
    top.top_n = 1;
    const align_loss_params *kept = list->params;
    list->params = &top;
    const double value = add_order(list, &draw);
    list->params = kept;
    align__list_finish(list, value, 1);
}

const struct align__loss_row align__loss_s_dpo = {
    .golden = "PyTorch cross_entropy",
    ORDER_ROW(s_dpo, 0),
    .brief = "softmax DPO: the item with the highest label (the first of them) against all others",
    .source = "Chen et al. 2024 (S-DPO), arXiv 2406.09215, Eq. 8",
    .formula = "softplus(lse over others of (s_j - s_w)), s = beta (score - ref)",
    .gradient = "ds_w = p_w - 1, ds_j = p_j, p = softmax(s)",
    .params = {BETA(1), ALIGN__DIVERGENCE},
    .as_pair = ALIGN_LOSS_DPO,
};
