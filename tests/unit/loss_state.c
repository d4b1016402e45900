/* States of losses: what update, merge, apply, save and load say, by hand-made numbers. */
#include "../suite.h"

#include <libalign/align.h>

#include <math.h>
#include <string.h>

enum { G = 4 };

struct batch {
    align_loss_args args;
    align_loss_params params;
    double score[2 * G], ref[2 * G], label[2 * G], offset[2 * G];
};

/* Log-ratios u as singles or pairs. */
static void make_batch(struct batch *b, align_loss_id loss, const double *u, int n)
{
    align_loss_info info = {0};
    memset(b, 0, sizeof *b);
    ck_assert_int_eq(align_loss_get_info(loss, &info), 0);
    ck_assert_int_eq(align_loss_params_init(&b->params, sizeof b->params, loss, NULL), 0);
    for (int i = 0; i < n; i++) {
        b->ref[i] = -20 - i;
        b->score[i] = b->ref[i] + u[i];
        b->label[i] = i % 2;
    }
    const int64_t k = info.arity, g = n / k;
    align_loss_args_init(&b->args, sizeof b->args);
    b->args.loss = loss;
    b->args.params = &b->params;
    b->args.score = align_2d(b->score, ALIGN_F64, g, k);
    b->args.ref = align_2d(b->ref, ALIGN_F64, g, k);
    if ((info.needs & ALIGN_LOSS_READS_LABEL) != 0)
        b->args.label = align_2d(b->label, ALIGN_F64, g, k);
    b->args.offset = align_1d(b->offset, ALIGN_F64, g);
}

static align_loss_state new_state(align_loss_id loss)
{
    align_loss_state state;
    ck_assert_int_eq(align_loss_state_init(&state, sizeof state, loss), 0);
    return state;
}

static void near(double got, double wanted)
{
    ck_assert_msg(fabs(got - wanted) <= 1e-14 * (1 + fabs(wanted)), "%.17g, expected %.17g", got,
                  wanted);
}

static const double ratios[] = {1, -2, 3, 4, -0.5, 2.5, 0.25, 7};

/* The mean of the batch, over two micro-batches on two workers, and not below 0. */
START_TEST(kto_takes_the_mean_of_the_batch)
{
    struct batch whole, first, second;
    align_loss_state one = new_state(ALIGN_LOSS_KTO), a = one, b = one;
    make_batch(&whole, ALIGN_LOSS_KTO, ratios, 8);
    make_batch(&first, ALIGN_LOSS_KTO, ratios, 3);
    make_batch(&second, ALIGN_LOSS_KTO, ratios + 3, 5);
    ck_assert_int_eq(align_loss_state_update(NULL, &one, &whole.args), 0);
    ck_assert_int_eq(align_loss_state_apply(NULL, &one, &whole.args), 0);
    for (int g = 0; g < 8; g++)
        near(whole.offset[g], 0.1 * 15.25 / 8);
    ck_assert_int_eq(align_loss_state_update(NULL, &a, &first.args), 0);
    ck_assert_int_eq(align_loss_state_update(NULL, &b, &second.args), 0);
    ck_assert_int_eq(align_loss_state_merge(NULL, &a, &b), 0);
    ck_assert(a.count[0] == 8);
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(align_loss_state_apply(NULL, &a, &first.args), 0);
        near(first.offset[0], 0.1 * 15.25 / 8);
    }
    const double falling[] = {-1, -3};
    make_batch(&first, ALIGN_LOSS_KTO, falling, 2);
    ck_assert_int_eq(align_loss_state_update(NULL, &a, &first.args), 0);
    ck_assert_int_eq(align_loss_state_apply(NULL, &a, &first.args), 0);
    ck_assert(a.count[0] == 2 && first.offset[0] == 0);
}
END_TEST

/* Mean of class means against the mean of all, over two batches; rewards are beta u. */
START_TEST(bco_counts_on)
{
    struct batch b;
    align_loss_state state = new_state(ALIGN_LOSS_BCO);
    const double more[] = {8};
    make_batch(&b, ALIGN_LOSS_BCO, ratios, 8);
    ck_assert_int_eq(align_loss_state_update(NULL, &state, &b.args), 0);
    ck_assert_int_eq(align_loss_state_apply(NULL, &state, &b.args), 0);
    near(b.offset[0], 0.1 * ((-2 + 4 + 2.5 + 7) / 4 + (1 + 3 - 0.5 + 0.25) / 4) / 2);
    make_batch(&b, ALIGN_LOSS_BCO, more, 1);
    ck_assert_int_eq(align_loss_state_update(NULL, &state, &b.args), 0);
    state.form = ALIGN_SHIFT_ALL;
    ck_assert_int_eq(align_loss_state_apply(NULL, &state, &b.args), 0);
    near(b.offset[0], 0.1 * (15.25 + 8) / 9);
}
END_TEST

START_TEST(bco_pair_has_a_class_a_side)
{
    struct batch b;
    align_loss_state state = new_state(ALIGN_LOSS_BCO_PAIR);
    make_batch(&b, ALIGN_LOSS_BCO_PAIR, ratios, 8);
    ck_assert_int_eq(align_loss_state_update(NULL, &state, &b.args), 0);
    ck_assert_int_eq(align_loss_state_apply(NULL, &state, &b.args), 0);
    near(b.offset[0], 0.01 * ((-2 + 4 + 2.5 + 7) / 4 + (1 + 3 - 0.5 + 0.25) / 4) / 2);
}
END_TEST

/* Step 1 has averages of a tenth, as the authors' code: started at 0, taken before use. */
START_TEST(beta_dpo_moves_its_averages_once)
{
    struct batch b;
    align_loss_state state = new_state(ALIGN_LOSS_BETA_DPO);
    const double gaps[] = {3, -1, -3, -6.75};
    double mean = 0, squares = 0;
    for (int i = 0; i < 4; i++)
        mean += gaps[i] / 4;
    for (int i = 0; i < 4; i++)
        squares += (gaps[i] - mean) * (gaps[i] - mean);
    make_batch(&b, ALIGN_LOSS_BETA_DPO, ratios, 8);
    ck_assert_int_eq(align_loss_state_update(NULL, &state, &b.args), 0);
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(align_loss_state_apply(NULL, &state, &b.args), 0);
        near(state.gap_mean, 0.1 * mean);
        near(state.gap_spread, 0.1 * sqrt(squares / 3));
        near(b.params.beta, fmax(1e-3, 0.1 * (1 + 0.6 * (mean - 0.1 * mean))));
    }
    ck_assert(b.params.beta == 1e-3);
    ck_assert_int_eq(align_loss_state_update(NULL, &state, &b.args), 0);
    ck_assert_int_eq(align_loss_state_apply(NULL, &state, &b.args), 0);
    near(state.gap_mean, 0.19 * mean);
}
END_TEST

/* Under a divergence each log-ratio is its worth, here 1 - e^-u. */
START_TEST(states_follow_the_divergence)
{
    static const align_loss_id rows[] = {ALIGN_LOSS_KTO, ALIGN_LOSS_BCO, ALIGN_LOSS_BCO_PAIR,
                                         ALIGN_LOSS_BETA_DPO};
    double worth[8];
    for (int i = 0; i < 8; i++)
        worth[i] = 1 - exp(-ratios[i]);
    for (int i = 0; i < 4; i++) {
        struct batch plain, b;
        align_loss_state wanted = new_state(rows[i]), state = wanted;
        make_batch(&plain, rows[i], worth, 8);
        make_batch(&b, rows[i], ratios, 8);
        b.params.divergence = ALIGN_DIVERGENCE_FORWARD_KL;
        ck_assert_int_eq(align_loss_state_update(NULL, &wanted, &plain.args), 0);
        ck_assert_int_eq(align_loss_state_update(NULL, &state, &b.args), 0);
        for (int k = 0; k < 2; k++) {
            ck_assert(state.count[k] == wanted.count[k]);
            near(state.mean[k], wanted.mean[k]);
            near(state.squares[k], wanted.squares[k]);
        }
    }
}
END_TEST

START_TEST(bytes_come_back)
{
    struct batch b;
    unsigned char bytes[ALIGN_LOSS_STATE_BYTES];
    align_loss_state state = new_state(ALIGN_LOSS_BETA_DPO), back = new_state(ALIGN_LOSS_KTO);
    make_batch(&b, ALIGN_LOSS_BETA_DPO, ratios, 8);
    ck_assert_int_eq(align_loss_state_update(NULL, &state, &b.args), 0);
    ck_assert_int_eq(align_loss_state_apply(NULL, &state, &b.args), 0);
    ck_assert_int_eq(align_loss_state_save(NULL, &state, bytes, sizeof bytes), 0);
    ck_assert_int_eq(align_loss_state_load(NULL, &back, bytes, sizeof bytes), 0);
    ck_assert_mem_eq(&back, &state, sizeof state);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 1;
        ck_assert_int_eq(align_loss_state_load(NULL, &back, bytes, sizeof bytes), ALIGN_E_VERSION);
        bytes[i] ^= 1;
    }
    ck_assert_mem_eq(&back, &state, sizeof state);
}
END_TEST

/* What is not finite is left out, what is masked not looked at, and nothing is not divided by. */
START_TEST(odd_numbers_are_left_out)
{
    struct batch b;
    uint8_t mask[] = {1, 1, 0, 1};
    align_loss_state state = new_state(ALIGN_LOSS_KTO);
    make_batch(&b, ALIGN_LOSS_KTO, ratios, 4);
    b.score[1] = -INFINITY;
    b.score[2] = NAN;
    b.args.mask = align_1d(mask, ALIGN_U8, 4);
    ck_assert_int_eq(align_loss_state_apply(NULL, &state, &b.args), 0);
    ck_assert(b.offset[0] == 0);
    ck_assert_int_eq(align_loss_state_update(NULL, &state, &b.args), 0);
    ck_assert(state.count[0] == 2 && state.mean[0] == 2.5);
}
END_TEST

SUITE_MAIN("loss state", kto_takes_the_mean_of_the_batch, bco_counts_on,
           bco_pair_has_a_class_a_side, beta_dpo_moves_its_averages_once,
           states_follow_the_divergence, bytes_come_back, odd_numbers_are_left_out)
