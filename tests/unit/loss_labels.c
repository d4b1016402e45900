/* Labels from a win matrix and from ranks. */
#include "../suite.h"

#include <libalign/align.h>

#include <math.h>
#include <string.h>

/* LiPO's ranks of 3 and 8 items, as the project's list reference has them: (K - r + 1/2) / K. */
START_TEST(ranks)
{
    int32_t rank[] = {2, 1, 3}, tied[] = {1, 1, 2};
    double label[3];
    align_loss_labels l;
    align_loss_labels_init(&l, sizeof l);
    l.rank = align_2d(rank, ALIGN_I32, 1, 3);
    l.label = align_2d(label, ALIGN_F64, 1, 3);
    ck_assert_int_eq(align_loss_labels_apply(NULL, &l), 0);
    ck_assert_double_eq_tol(label[0], 0.5, 1e-15);
    ck_assert_double_eq_tol(label[1], 2.5 / 3, 1e-15);
    ck_assert_double_eq_tol(label[2], 0.5 / 3, 1e-15);
    l.rank = align_2d(tied, ALIGN_I32, 1, 3);
    ck_assert_int_eq(align_loss_labels_apply(NULL, &l), 0);
    ck_assert_double_eq_tol(label[0], 2. / 3, 1e-15);
    ck_assert_double_eq_tol(label[1], 2. / 3, 1e-15);
}
END_TEST

/* The third item is not there: what stands in its row and column is not read. */
START_TEST(wins)
{
    float win[9] = {9, 0.75f, NAN, 0.25f, 9, NAN, NAN, NAN, NAN};
    uint8_t mask[] = {1, 1, 0};
    float label[] = {7, 7, 7};
    align_loss_labels l;
    align_loss_labels_init(&l, sizeof l);
    l.wins = align_3d(win, ALIGN_F32, 1, 3, 3);
    l.mask = align_2d(mask, ALIGN_BOOL, 1, 3);
    l.label = align_2d(label, ALIGN_F32, 1, 3);
    ck_assert_int_eq(align_loss_labels_apply(NULL, &l), 0);
    ck_assert(label[0] == 0.625f && label[1] == 0.375f && label[2] == 0);
}
END_TEST

static void refused(align_loss_labels *l, align_status status, const char *text)
{
    align_error error;
    align_exec exec;
    align_error_init(&error, sizeof error);
    align_exec_init(&exec, sizeof exec);
    exec.error = &error;
    ck_assert_int_eq(align_loss_labels_apply(&exec, l), status);
    ck_assert_str_eq(error.text, text);
}

START_TEST(mistakes)
{
    double win[4] = {0, 1.5, 0, 0}, rank[2] = {1, NAN}, label[2] = {7, 7};
    align_loss_labels l;
    align_loss_labels_init(&l, sizeof l);
    l.label = align_2d(label, ALIGN_F64, 1, 2);
    refused(&l, ALIGN_E_ARG, "align_loss_labels.wins is absent, and a call without rank needs it");
    l.wins = align_3d(win, ALIGN_F64, 1, 2, 2);
    refused(&l, ALIGN_E_RANGE, "align_loss_labels.wins[0,0,1] = 1.5, expected 0..1");
    l.rank = align_2d(rank, ALIGN_F64, 1, 2);
    refused(&l, ALIGN_E_ARG,
            "align_loss_labels.rank is set, and a call with wins does not read it");
    l.wins.ndim = 0;
    refused(&l, ALIGN_E_RANGE, "align_loss_labels.rank[0,1] = nan, expected a finite number");
    l.label.data = rank;
    refused(&l, ALIGN_E_LAYOUT, "align_loss_labels.label is written, and shares memory with rank");
    l.label.ndim = 0;
    refused(&l, ALIGN_E_ARG,
            "align_loss_labels.label is absent, and align_loss_labels_apply needs it");
    ck_assert(label[0] == 7 && label[1] == 7);
}
END_TEST

SUITE_MAIN("loss labels", ranks, wins, mistakes)
