/* Rows that must say the same: special cases, mixtures, frozen places, ties. */
#include "../loss_case.h"

struct said {
    double value, d[CASE_ALL];
};

/* That of all rows which take one: identities of rows hold under each. */
static int32_t divergence = ALIGN_DIVERGENCE_REVERSE_KL;

static void say(struct loss_case *c, struct said *out)
{
    align_loss_args a;
    case_args(c, &a);
    a.value = align_1d(&out->value, ALIGN_F64, 1);
    a.dscore = align_2d(out->d, ALIGN_F64, c->groups, c->items);
    must_eval(NULL, &a);
}

/* The same numbers under another row at its defaults; params_of sets what differs. */
static struct loss_case as_row(const struct loss_case *c, align_loss_id id)
{
    struct loss_case other = *c;
    other.row = align__loss_row(id);
    ck_assert_int_eq(align_loss_params_init(&other.params, sizeof other.params, id, NULL), 0);
    if (align__loss_has(other.row, ALIGN__PARAM_DIVERGENCE))
        other.params.divergence = divergence;
    return other;
}

static struct loss_case make_case(struct random *r, align_loss_id id, int items)
{
    struct loss_case c;
    random_case(r, align__loss_row(id), 3, &c);
    c.groups = 4;
    c.items = items;
    random_items(r, &c, 3);
    c = as_row(&c, id);
    if (align__loss_has(c.row, ALIGN__PARAM_BETA))
        c.params.beta = 0.7;
    return c;
}

/* x = factor y + shift, gradients x = factor y. */
static void same(const struct loss_case *c, const struct said *x, const struct said *y,
                 double factor, double shift)
{
    ck_assert_msg(fabs(x->value - factor * y->value - shift) <= 1e-12 * (1 + fabs(x->value)),
                  "%s: %.17g, %.17g", c->row->name, x->value, factor * y->value + shift);
    for (int i = 0; i < c->groups * c->items; i++)
        ck_assert_msg(fabs(x->d[i] - factor * y->d[i]) <= 1e-13, "%s: d[%d] %.17g, %.17g",
                      c->row->name, i, x->d[i], factor * y->d[i]);
}

static void both(struct loss_case *x, struct loss_case *y, double shift)
{
    struct said first, second;
    say(x, &first);
    say(y, &second);
    same(x, &first, &second, 1, shift);
}

static void set_gap(struct loss_case *c, double gap)
{
    for (int g = 0; g < c->groups; g++) {
        c->label[2 * g] = gap;
        c->label[2 * g + 1] = 0;
        c->prob[g] = 1;
    }
}

/* A smoothed label is a reward gap of logit(1 - eps): EXO is RPO forward, cDPO is RPO backward and the
 * entropy of the label. */
START_TEST(smoothed_labels_are_rewards)
{
    divergence = _i;
    struct random r = {11};
    const double eps = 0.2, entropy = -(0.8 * log(0.8) + 0.2 * log(0.2));
    struct loss_case exo = make_case(&r, ALIGN_LOSS_EXO, 2);
    exo.params.label_smoothing = eps;
    set_gap(&exo, log((1 - eps) / eps));
    struct loss_case rpo = as_row(&exo, ALIGN_LOSS_RPO_FWD), dpo = as_row(&exo, ALIGN_LOSS_DPO);
    rpo.params.beta = dpo.params.beta = 0.7;
    both(&exo, &rpo, 0);
    rpo = as_row(&exo, ALIGN_LOSS_RPO_BWD);
    rpo.params.beta = 0.7;
    dpo.params.label_smoothing = eps;
    both(&dpo, &rpo, 4 * entropy);
}
END_TEST

/* Labels flipped with the rate that `robust` corrects for give dpo's loss on average. */
START_TEST(robust_is_unbiased)
{
    divergence = _i;
    struct random r = {12};
    struct loss_case robust = make_case(&r, ALIGN_LOSS_ROBUST, 2);
    struct loss_case dpo = as_row(&robust, ALIGN_LOSS_DPO);
    dpo.params.beta = 0.7;
    for (int g = 0; g < 4; g++) {
        dpo.prob[g] = 1;
        robust.prob[g] = 1 - robust.params.noise;
    }
    both(&robust, &dpo, 0);
}
END_TEST

/* Corrections of strength 0, and rows that are others with one parameter. */
START_TEST(special_cases)
{
    divergence = _i;
    struct random r = {13};
    struct loss_case dpo = make_case(&r, ALIGN_LOSS_DPO, 2), other = as_row(&dpo, ALIGN_LOSS_TDPO);
    other.params.beta = 0.7;
    other.params.alpha = 0;
    both(&dpo, &other, 0);
    other = as_row(&dpo, ALIGN_LOSS_R_DPO);
    other.params.beta = 0.7;
    other.params.alpha = 0;
    both(&dpo, &other, 0);
    other = as_row(&dpo, ALIGN_LOSS_DPOP);
    other.params.beta = 0.7;
    other.params.lambda = 0;
    both(&dpo, &other, 0);
    struct loss_case simpo = make_case(&r, ALIGN_LOSS_SIMPO, 2);
    other = as_row(&simpo, ALIGN_LOSS_ALPHA_PO);
    other.params.beta = 0.7;
    other.params.alpha = 0;
    both(&simpo, &other, 0);
    struct loss_case ties = make_case(&r, ALIGN_LOSS_BT_TIES_RK, 2);
    for (int i = 0; i < 8; i++)
        ties.label[i] = i % 3;
    other = as_row(&ties, ALIGN_LOSS_ORDINAL);
    other.params.beta = 0.7;
    other.params.levels = 1;
    other.params.threshold1 = 1;
    both(&ties, &other, 0);
}
END_TEST

/* Top-1 Plackett-Luce, softmax against one class, and S-DPO. */
START_TEST(one_winner)
{
    divergence = _i;
    struct random r = {14};
    struct loss_case mle = make_case(&r, ALIGN_LOSS_LIST_MLE, 7);
    for (int i = 0; i < 28; i++)
        mle.label[i] = i % 7 == 3 ? 1 : 0;
    mle.params.top_n = 1;
    struct loss_case sdpo = as_row(&mle, ALIGN_LOSS_S_DPO), soft = as_row(&mle, ALIGN_LOSS_SOFTMAX);
    sdpo.params.beta = soft.params.beta = 0.7;
    both(&mle, &sdpo, 0);
    both(&mle, &soft, 0);
}
END_TEST

static void shuffle_scores(struct random *r, struct loss_case *c)
{
    for (int i = 0; i < c->groups * c->items; i++)
        c->score[i] += between(r, -2, 2);
}

/* Places of one call, handed to the next, keep its weights although scores have moved. */
START_TEST(frozen_places_keep_the_weights)
{
    divergence = _i;
    const align_loss_id rows[] = {ALIGN_LOSS_LIPO_LAMBDA, ALIGN_LOSS_NDCG_LOSS2,
                                  ALIGN_LOSS_NDCG_LOSS2PP, ALIGN_LOSS_ROBUST_PL};
    struct random r = {15};
    for (int i = 0; i < 4; i++) {
        struct loss_case c = make_case(&r, rows[i], 8);
        struct said plain, again, moved;
        int32_t rank[CASE_ALL], out[CASE_ALL];
        align_loss_args a;
        say(&c, &plain);
        case_args(&c, &a);
        a.value = align_1d(&again.value, ALIGN_F64, 1);
        a.dscore = align_2d(again.d, ALIGN_F64, 4, 8);
        a.rank_out = align_2d(rank, ALIGN_I32, 4, 8);
        must_eval(NULL, &a);
        a.rank = a.rank_out;
        a.rank_out = align_2d(out, ALIGN_I32, 4, 8);
        must_eval(NULL, &a);
        same(&c, &plain, &again, 1, 0);
        shuffle_scores(&r, &c);
        a.value = align_1d(&moved.value, ALIGN_F64, 1);
        must_eval(NULL, &a);
        ck_assert_mem_eq(rank, out, sizeof(int32_t) * 32);
        say(&c, &again);
        ck_assert_msg(moved.value != again.value, "%s: places did not matter", c.row->name);
    }
}
END_TEST

/* Without ties all three ways to place them agree; with nothing but ties, the expectation does not see the
 * order of the items, and the seeded order is the same for the same seed. */
START_TEST(ties_of_scores)
{
    divergence = _i;
    struct random r = {16};
    struct loss_case c = make_case(&r, ALIGN_LOSS_LIPO_LAMBDA, 6), other = c;
    struct said x, y;
    for (int ties = 1; ties <= 2; ties++) {
        other.params.score_ties = ties;
        both(&c, &other, 0);
    }
    memset(other.ref, 0, sizeof other.ref);
    memset(other.score, 0, sizeof other.score);
    say(&other, &x);
    for (int g = 0; g < 4; g++)
        for (int k = 0; k < 3; k++) {
            double *low = &other.label[6 * g + k], *high = &other.label[6 * g + 5 - k], kept = *low;
            *low = *high;
            *high = kept;
        }
    say(&other, &y);
    for (int i = 0; i < 24; i++)
        ck_assert_double_eq_tol(x.d[i], y.d[i / 6 * 6 + 5 - i % 6], 1e-14);
    other.params.score_ties = ALIGN_SCORE_TIES_SEEDED;
    say(&other, &x);
    say(&other, &y);
    same(&other, &x, &y, 1, 0);
    bool differs = false;
    for (int seed = 1; seed < 5; seed++) {
        other.params.seed = seed;
        say(&other, &y);
        differs = differs || x.value != y.value;
    }
    ck_assert(differs);
}
END_TEST

int main(void)
{
    const TTest *tests[] = {
        smoothed_labels_are_rewards,    robust_is_unbiased, special_cases, one_winner,
        frozen_places_keep_the_weights, ties_of_scores};
    Suite *suite = suite_create("loss identities");
    TCase *tcase = tcase_create("loss identities");
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tcase_add_loop_test(tcase, tests[i], 0, ALIGN_DIVERGENCE_CHI + 1);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
