#include "metrics.h"

#include "list.h"
#include "params.h"

/* A name and a sentence a metric. The order is the order of the output. */
#define SINGLE_METRICS(M)                                                                          \
    M(loss, "loss of a group before its weight")                                                   \
    M(score, "score")                                                                              \
    M(reward, "beta times log-ratio")                                                              \
    M(non_finite, "share of groups with an infinity or NaN in score, ref, old or aux")             \
    M(saturated, "share of groups whose gradient is at most 1e-6 beta")                            \
    M(weight, "weight of a group")                                                                 \
    M(weight_squared, "its square; effective sample size is sum(weight)^2 / sum(weight_squared)")  \
    M(score_desirable, "score of items with label 1/2 and above, in rows whose labels are kinds")  \
    M(score_undesirable, "score of the other items of these rows")                                 \
    M(reward_desirable, "beta times log-ratio of items with label 1/2 and above")                  \
    M(reward_undesirable, "beta times log-ratio of the other items")                               \
    M(falls, "share of items whose log-ratio is below 0, in rows that read ref")                   \
    M(kl, "k3 estimate e^-q - 1 + q of KL to ref from the log-ratio q, in rows that read ref")     \
    M(ratio, "e^(score - old), in rows with clips")                                                \
    M(clipped_low, "share of items with a negative advantage and a ratio below 1 - clip_low")      \
    M(clipped_high, "share of items with a positive advantage and a ratio above 1 + clip_high")

#define PAIR_METRICS(M)                                                                            \
    M(loss, "loss of a group before its weight")                                                   \
    M(score_chosen, "score of the chosen item")                                                    \
    M(score_rejected, "score of the rejected item")                                                \
    M(reward_chosen, "beta times log-ratio of the chosen item")                                    \
    M(reward_rejected, "beta times log-ratio of the rejected item")                                \
    M(reward_margin, "their difference")                                                           \
    M(reward_accuracy, "share of groups with a positive reward_margin, ties half")                 \
    M(ties, "share of groups with reward_margin 0")                                                \
    M(margin, "the margin that the loss looks at")                                                 \
    M(chosen_falls, "share of groups whose chosen log-ratio is below 0")                           \
    M(non_finite, "share of groups with an infinity or NaN in score, ref, old or aux")             \
    M(saturated, "share of groups whose gradients are at most 1e-6 beta")                          \
    M(weight, "weight of a group")                                                                 \
    M(weight_squared, "its square; effective sample size is sum(weight)^2 / sum(weight_squared)")  \
    M(chosen_nll, "minus the score of the chosen item a token, where count is given")

#define LIST_METRICS(M)                                                                            \
    M(loss, "loss of a list before its weight")                                                    \
    M(items, "items of a list")                                                                    \
    M(pairs, "pairs of unequal label of a list")                                                   \
    M(pair_accuracy, "share of these pairs that the scores order as the labels do, ties half")     \
    M(pair_ties, "share of these pairs with equal scores")                                         \
    M(kendall_tau, "Kendall's tau-b of scores and labels, of lists where it is defined")           \
    M(top_accuracy, "share of lists whose highest score is on a highest label, ties shared")       \
    M(non_finite, "share of lists with an infinity or NaN in score, ref, old or aux")              \
    M(saturated, "share of lists whose gradients are at most 1e-6 beta")                           \
    M(weight, "weight of a list")                                                                  \
    M(weight_squared, "its square; effective sample size is sum(weight)^2 / sum(weight_squared)")  \
    M(ndcg, "NDCG of all places, gain 2^y - 1, discount 1 / log2(1 + place), mean over orders of " \
            "equal scores; of lists with a gain")                                                  \
    M(ndcg_5, "the same of the first 5 places")

#define AS_ROW(name, brief)    {#name, brief},
#define AS_SINGLE(name, brief) SINGLE_##name,
#define AS_PAIR(name, brief)   PAIR_##name,
#define AS_LIST(name, brief)   LIST_##name,

enum { SINGLE_METRICS(AS_SINGLE) N_SINGLE };
enum { PAIR_METRICS(AS_PAIR) N_PAIR };
enum { LIST_METRICS(AS_LIST) N_LIST };

static const struct align__metric_row single_rows[] = {SINGLE_METRICS(AS_ROW)};
static const struct align__metric_row pair_rows[] = {PAIR_METRICS(AS_ROW)};
static const struct align__metric_row list_rows[] = {LIST_METRICS(AS_ROW)};

static const struct align__metric_set sets[] = {
    [ALIGN_LOSS_LIST] = {N_LIST, list_rows},
    [ALIGN_LOSS_SINGLE] = {N_SINGLE, single_rows},
    [ALIGN_LOSS_PAIR] = {N_PAIR, pair_rows},
};

const struct align__metric_set *align__metrics_of(const struct align__loss_row *row)
{
    return &sets[row->arity];
}

/* One observation; infinities stay out of means and are seen in non_finite. */
static void note(struct align__total total[2], double x)
{
    if (!(fabs(x) <= ALIGN__ANY))
        return;
    align__add(&total[0], x);
    total[1].sum += 1;
}

static double beta_of(const struct align__loss_row *row, const align_loss_params *params)
{
    return align__loss_has(row, ALIGN__PARAM_BETA) ? params->beta : 1;
}

static void note_pair(align__metric_sums sums, const struct align__block *b, int i, double beta)
{
    const double u = b->side[0].ratio[i], v = b->side[1].ratio[i], d = align__minus(u, v);
    note(sums[PAIR_score_chosen], b->side[0].score[i]);
    note(sums[PAIR_score_rejected], b->side[1].score[i]);
    note(sums[PAIR_reward_chosen], beta * u);
    note(sums[PAIR_reward_rejected], beta * v);
    note(sums[PAIR_reward_margin], beta * d);
    note(sums[PAIR_reward_accuracy], d > 0 ? 1 : d == 0 ? 0.5 : 0);
    note(sums[PAIR_ties], d == 0);
    note(sums[PAIR_margin], b->margin[i]);
    note(sums[PAIR_chosen_falls], u < 0);
    note(sums[PAIR_saturated],
         fabs(b->side[0].d[i]) <= 1e-6 * beta && fabs(b->side[1].d[i]) <= 1e-6 * beta);
    if ((b->given & ALIGN_LOSS_READS_COUNT) != 0 && b->side[0].count[i] > 0)
        note(sums[PAIR_chosen_nll], -b->side[0].score[i] / b->side[0].count[i]);
}

static void note_kind(align__metric_sums sums, const struct align__side *side, int i, double beta)
{
    const bool good = side->label[i] >= 0.5;
    note(sums[good ? SINGLE_score_desirable : SINGLE_score_undesirable], side->score[i]);
    note(sums[good ? SINGLE_reward_desirable : SINGLE_reward_undesirable], beta * side->ratio[i]);
}

static void note_clips(align__metric_sums sums, const struct align__block *b, int i)
{
    const struct align__side *side = &b->side[0];
    const double ratio = exp(align__minus(side->score[i], side->old[i]));
    const double gain = side->label[i] - b->offset[i];
    note(sums[SINGLE_ratio], ratio);
    note(sums[SINGLE_clipped_low], gain < 0 && ratio < 1 - b->params->clip_low);
    note(sums[SINGLE_clipped_high], gain > 0 && ratio > 1 + b->params->clip_high);
}

static void note_single(align__metric_sums sums, const struct align__loss_row *row,
                        const struct align__block *b, int i, double beta)
{
    const struct align__side *side = &b->side[0];
    const double q = side->ratio[i];
    note(sums[SINGLE_score], side->score[i]);
    note(sums[SINGLE_reward], beta * q);
    note(sums[SINGLE_saturated], fabs(side->d[i]) <= 1e-6 * beta);
    if ((row->needs & ALIGN_LOSS_READS_LABEL) != 0 && row->label_least == 0 && row->label_most == 1)
        note_kind(sums, side, i, beta);
    if (((row->needs | row->reads) & ALIGN_LOSS_READS_REF) != 0) {
        note(sums[SINGLE_falls], q < 0);
        note(sums[SINGLE_kl], align__plus(expm1(-q), q));
    }
    if (align__loss_has(row, ALIGN__PARAM_CLIP_LOW))
        note_clips(sums, b, i);
}

void align__metrics_block(align__metric_sums sums, const struct align__loss_row *row,
                          const struct align__block *block, const double *weight, const bool *odd)
{
    const double beta = beta_of(row, block->params);
    const bool pair = row->arity == ALIGN_LOSS_PAIR;
    for (int i = 0; i < block->n; i++) {
        note(sums[pair ? (int)PAIR_non_finite : (int)SINGLE_non_finite], odd != NULL && odd[i]);
        if (isnan(block->value[i]))
            continue;
        note(sums[0], block->value[i]);
        note(sums[pair ? (int)PAIR_weight : (int)SINGLE_weight], weight[i]);
        note(sums[pair ? (int)PAIR_weight_squared : (int)SINGLE_weight_squared],
             weight[i] * weight[i]);
        if (pair) {
            note_pair(sums, block, i, beta);
            continue;
        }
        note_single(sums, row, block, i, beta);
    }
}

struct order_counts {
    double pairs, right, score_ties, label_ties;
};

static struct order_counts count_orders(const struct align__list *list, const double *score)
{
    struct order_counts c = {0};
    for (int64_t i = 0; i < list->n; i++)
        for (int64_t j = 0; j < i; j++) {
            double label = list->label[i] - list->label[j], d = align__minus(score[i], score[j]);
            c.score_ties += label != 0 && d == 0;
            c.label_ties += label == 0 && d != 0;
            c.pairs += label != 0;
            c.right += (label > 0 && d > 0) || (label < 0 && d < 0);
        }
    return c;
}

static double top_accuracy(const struct align__list *list, const double *score)
{
    double best = -INFINITY, top = -INFINITY, ties = 0, right = 0;
    for (int64_t i = 0; i < list->n; i++) {
        best = list->label[i] > best ? list->label[i] : best;
        top = score[i] > top ? score[i] : top;
    }
    for (int64_t i = 0; i < list->n; i++)
        if (score[i] == top) {
            ties += 1;
            right += list->label[i] == best;
        }
    return right / ties;
}

/* DCG of the first `top` places in the order of key: equal keys share the mean gain of their block. */
static double dcg(const struct align__list *list, const double *key, int64_t top)
{
    double sum = 0;
    align__sort_down(list, key, list->order);
    for (int64_t low = 0, high; low < list->n; low = high) {
        double gain = 0, discount = 0;
        for (high = low; high < list->n && key[list->order[high]] == key[list->order[low]];
             high++) {
            gain += align__gain(list->label[list->order[high]], ALIGN_GAIN_EXP2);
            discount += high < top ? align__discount((double)(high + 1), ALIGN_DISCOUNT_LOG2) : 0;
        }
        sum += gain / (double)(high - low) * discount;
    }
    return sum;
}

static void note_ndcg(struct align__total total[2], const struct align__list *list,
                      const double *score, int64_t top)
{
    const double best = dcg(list, list->label, top);
    if (best > 0)
        note(total, dcg(list, score, top) / best);
}

void align__metrics_list(align__metric_sums sums, const struct align__loss_row *row,
                         const struct align__list *list, double weight, bool odd)
{
    const double beta = beta_of(row, list->params);
    note(sums[LIST_non_finite], odd);
    if (isnan(list->value))
        return;
    double steepest = 0;
    for (int64_t i = 0; i < list->n; i++)
        steepest = fmax(steepest, fabs(list->d[i]));
    const double *ratio = list->log_ratio;
    const struct order_counts c = count_orders(list, ratio);
    const double by_label = c.pairs, by_score = c.pairs - c.score_ties + c.label_ties;
    note(sums[LIST_loss], list->value);
    note(sums[LIST_items], (double)list->n);
    note(sums[LIST_pairs], c.pairs);
    align__add(&sums[LIST_pair_accuracy][0], c.right + 0.5 * c.score_ties);
    align__add(&sums[LIST_pair_accuracy][1], c.pairs);
    align__add(&sums[LIST_pair_ties][0], c.score_ties);
    align__add(&sums[LIST_pair_ties][1], c.pairs);
    if (by_label > 0 && by_score > 0) {
        double wrong = c.pairs - c.right - c.score_ties;
        note(sums[LIST_kendall_tau], (c.right - wrong) / sqrt(by_label * by_score));
    }
    note(sums[LIST_top_accuracy], top_accuracy(list, ratio));
    note(sums[LIST_saturated], steepest <= 1e-6 * beta);
    note_ndcg(sums[LIST_ndcg], list, ratio, list->n);
    note_ndcg(sums[LIST_ndcg_5], list, ratio, 5);
    note(sums[LIST_weight], weight);
    note(sums[LIST_weight_squared], weight * weight);
}
