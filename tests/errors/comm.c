/* What can go wrong between ranks, from the side of one of them: the hook here is the other. */
#include "../suite.h"

#include "reach.h"

#include <libalign/head.h>

enum { N = 3, V = 4, TOTAL = 10 };

/* The other rank: what it says of itself, and in which call the hook fails. */
struct peer {
    int64_t failed, begin, vocab, rows;
    int fails_at, late; /* late: well at first, and broken in the first round after */
    int calls;
};

static int64_t square(int64_t x)
{
    return x * x % INT32_MAX;
}

static int32_t talk(void *user, void *buffer, int64_t count, align_dtype dtype, int32_t op)
{
    struct peer *peer = user;
    int64_t *sums = buffer;
    double *most = buffer;
    if (++peer->calls == peer->fails_at)
        return 9;
    if (dtype == ALIGN_I64 && count == 5) {
        ck_assert_int_eq(op, ALIGN_REDUCE_SUM);
        const int64_t end = peer->begin + peer->vocab;
        const int64_t said[] = {peer->failed, 1, peer->vocab, square(end) - square(peer->begin),
                                peer->rows};
        for (int i = 0; i < 5; i++)
            sums[i] += said[i];
    } else if (dtype == ALIGN_F64 && peer->late) {
        ck_assert_int_eq(op, ALIGN_REDUCE_MAX);
        most[count - 1] = 1;
    }
    return 0;
}

static void expect(struct peer peer, align_status status, const char *text)
{
    static const int32_t target[N] = {0, 9, 3};
    static const float logits[N][V];
    double logp = 77, value = 78;
    align_exec exec;
    align_error error;
    align_tokens tokens;
    align_head head;
    align_exec_init(&exec, sizeof exec);
    align_error_init(&error, sizeof error);
    align_tokens_init(&tokens, sizeof tokens);
    align_head_init(&head, sizeof head);
    exec.error = &error;
    exec.allreduce = talk;
    exec.allreduce_user = &peer;
    tokens.target = align_1d(target, ALIGN_I32, N);
    head.tokens = &tokens;
    head.logits = align_2d(logits, ALIGN_F32, N, V);
    head.vocab_begin = 6;
    head.vocab_total = TOTAL;
    head.logp = align_1d(&logp, ALIGN_F64, 1);
    head.wsum = align_1d(&value, ALIGN_F64, 1);
    ck_assert_int_eq(align_head_forward(&exec, &head), status);
    if (status == ALIGN_E_NONE)
        return;
    ck_assert_str_eq(error.text, text);
    ck_assert(logp == 77 && value == 78);
    reach_note(&error);
}

START_TEST(ranks_that_fail)
{
    static const char *const prefixes[] = {"COMM_", NULL};
    const struct peer good = {.begin = 0, .vocab = 6, .rows = N};
    struct peer peer = good;
    expect(peer, ALIGN_E_NONE, NULL);
    peer.failed = 1;
    expect(peer, ALIGN_E_COMM,
           "align_exec.allreduce: 1 other ranks failed or refused their arguments");
    peer = good;
    peer.late = 1;
    expect(peer, ALIGN_E_COMM,
           "align_exec.allreduce: 1 other ranks failed or refused their arguments");
    for (int call = 1; call <= 5; call++) {
        peer = good;
        peer.fails_at = call;
        expect(peer, ALIGN_E_COMM, "align_exec.allreduce returned 9");
    }
    peer = good;
    peer.vocab = 5;
    expect(
        peer, ALIGN_E_RANGE,
        "align_head.vocab_begin = 6, and the parts of all ranks do not make up the vocabulary of "
        "10 elements");
    peer = good;
    peer.begin = 4; /* as many as there should be, but over each other */
    expect(
        peer, ALIGN_E_RANGE,
        "align_head.vocab_begin = 6, and the parts of all ranks do not make up the vocabulary of "
        "10 elements");
    peer = good;
    peer.rows = N + 1;
    expect(peer, ALIGN_E_SHAPE, "align_tokens.target has 3 rows, and that of other ranks has not");
    reach_demand(prefixes, false);
}
END_TEST

SUITE_MAIN("errors/comm", ranks_that_fail)
