/* Pairs of aot are matched by places, whatever their margins look like to a sort by bytes: against the C library's sort. */
#include "../suite.h"

#include <libalign/align.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { N = 5000 };

static uint64_t seed = 88172645463325252;

static double uniform(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (double)(seed >> 11) * 0x1p-53;
}

/* Margins of all kinds: spread, few different ones, in a narrow band beside one far away (so that their high bits are all
 * equal), the same in falling order, of both signs and sizes. */
static double margin_of(int kind, int i)
{
    switch (kind) {
    case 0:
        return 200 * uniform() - 100;
    case 1:
        return floor(5 * uniform()) - 2;
    case 2:
        return i == 7 ? -1e200 : 1 + 0x1p-52 * floor(0x1p20 * uniform());
    case 3:
        return i == 7 ? 1e200 : 1 - 0x1p-53 * i;
    default:
        return ldexp(uniform() - 0.5, (int)(60 * uniform()) - 50);
    }
}

struct key {
    double x;
    int group;
};

/* Greatest first, equal ones in the order given. */
static int by_key(const void *a, const void *b)
{
    const struct key *p = a, *q = b;
    if (p->x != q->x)
        return p->x > q->x ? -1 : 1;
    return p->group - q->group;
}

static void match(int kind, bool masked)
{
    static double score[N][2], ref[N][2], dscore[N][2];
    static struct key own[N], other[N];
    static uint8_t mask[N];
    static char scratch[1 << 19];
    int m = 0;
    for (int i = 0; i < N; i++) {
        score[i][0] = margin_of(kind, i);
        ref[i][0] = margin_of(kind, i);
        mask[i] = !masked || uniform() < 0.7;
        if (mask[i] == 0)
            continue;
        own[m] = (struct key){score[i][0], i};
        other[m++] = (struct key){ref[i][0], i};
    }
    qsort(own, (size_t)m, sizeof own[0], by_key);
    qsort(other, (size_t)m, sizeof other[0], by_key);
    align_loss_args a;
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    exec.scratch = scratch;
    exec.scratch_size = sizeof scratch;
    align_loss_args_init(&a, sizeof a);
    a.loss = ALIGN_LOSS_AOT;
    a.scale = m;
    a.score = align_2d(score, ALIGN_F64, N, 2);
    a.ref = align_2d(ref, ALIGN_F64, N, 2);
    a.dscore = align_2d(dscore, ALIGN_F64, N, 2);
    if (masked)
        a.mask = align_1d(mask, ALIGN_U8, N);
    align_status status = align_loss_eval(&exec, &a);
    ck_assert_msg(status == ALIGN_E_NONE, "%s", align_status_name(status));
    for (int r = 0; r < m; r++) {
        const double z = 0.01 * (own[r].x - other[r].x), want = -0.01 / (1 + exp(z));
        ck_assert_msg(fabs(dscore[own[r].group][0] - want) <= 1e-12 * fabs(want),
                      "kind %d, place %d: %g, expected %g", kind, r, dscore[own[r].group][0], want);
    }
}

START_TEST(pairs_are_matched_by_places)
{
    for (int kind = 0; kind < 5; kind++)
        for (int masked = 0; masked < 2; masked++)
            match(kind, masked != 0);
}
END_TEST

SUITE_MAIN("loss match", pairs_are_matched_by_places)
