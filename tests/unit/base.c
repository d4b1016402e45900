/* Tensors, dtypes, error texts and entry to a call. */
#include "../suite.h"

#include "base/error.h"
#include "base/exec.h"
#include "base/tensor.h"

#include <math.h>
#include <string.h>

START_TEST(views_are_contiguous)
{
    float data[24];
    align_tensor t = align_3d(data, ALIGN_F32, 2, 3, 4);
    ck_assert_int_eq(t.ndim, 3);
    ck_assert_int_eq(t.stride[0], 12);
    ck_assert_int_eq(t.stride[1], 4);
    ck_assert_int_eq(t.stride[2], 1);
    /* 64 where pointers have 8 bytes, or where int64_t is aligned to 8. */
    ck_assert_int_eq((int)sizeof t, (int)(offsetof(align_tensor, shape) + 6 * sizeof(int64_t) + 8));
    ck_assert(sizeof(void *) < 8 || sizeof t == 64);
}
END_TEST

START_TEST(half_floats_round_trip)
{
    const align_dtype dtypes[] = {ALIGN_F16, ALIGN_BF16};
    for (int d = 0; d < 2; d++)
        for (uint32_t bits = 0; bits < 65536; bits++) {
            uint16_t in = (uint16_t)bits, out = 0;
            double x = align__load(dtypes[d], &in);
            align__store(dtypes[d], &out, x);
            if (isnan(x)) {
                ck_assert(isnan(align__load(dtypes[d], &out)));
                continue;
            }
            ck_assert_int_eq(in, out);
        }
}
END_TEST

/* Between two neighbours, the middle goes to the even one and anything off the middle to the nearer. */
START_TEST(half_floats_round_to_nearest_even)
{
    const align_dtype dtypes[] = {ALIGN_F16, ALIGN_BF16};
    const uint16_t last[] = {0x7bfe, 0x7f7e};
    for (int d = 0; d < 2; d++)
        for (uint16_t bits = 0; bits < last[d]; bits++) {
            uint16_t next = (uint16_t)(bits + 1), out;
            double low = align__load(dtypes[d], &bits), high = align__load(dtypes[d], &next);
            double middle = (low + high) / 2;
            align__store(dtypes[d], &out, middle);
            ck_assert_int_eq(out, bits % 2 == 0 ? bits : next);
            align__store(dtypes[d], &out, nextafter(middle, 0));
            ck_assert_int_eq(out, bits);
            align__store(dtypes[d], &out, nextafter(middle, INFINITY));
            ck_assert_int_eq(out, next);
        }
}
END_TEST

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void mark(const align_tensor *t, int *hits, const char *origin, bool *again)
{
    for (int64_t i = 0; i < t->shape[0]; i++)
        for (int64_t j = 0; j < (t->ndim > 1 ? t->shape[1] : 1); j++)
            for (int64_t k = 0; k < (t->ndim > 2 ? t->shape[2] : 1); k++) {
                int64_t step = i * t->stride[0] + (t->ndim > 1 ? j * t->stride[1] : 0) +
                               (t->ndim > 2 ? k * t->stride[2] : 0);
                const char *at = (const char *)t->data + step * align_dtype_bytes(t->dtype);
                for (int32_t b = 0; b < align_dtype_bytes(t->dtype); b++)
                    *again |= hits[at - origin + b]++ > 0;
            }
}

static align_tensor random_view(uint32_t *state, char *middle)
{
    static const align_dtype dtypes[] = {ALIGN_U8, ALIGN_BF16, ALIGN_F32};
    align_dtype dtype = dtypes[next_random(state) % 3];
    int64_t offset = (int64_t)(next_random(state) % 40) * align_dtype_bytes(dtype);
    align_tensor t = align_3d(middle + offset, dtype, 1, 1, 1);
    t.ndim = 1 + (int32_t)(next_random(state) % 3);
    for (int k = 0; k < 3; k++) {
        t.shape[k] = next_random(state) % 5;
        t.stride[k] = (int64_t)(next_random(state) % 25) - 12;
    }
    return t;
}

START_TEST(overlap_agrees_with_marking_bytes)
{
    enum { REACH = 1024 };
    static char bytes[2 * REACH];
    static int first[2 * REACH], second[2 * REACH];
    uint32_t state = 7;
    int shared = 0, apart = 0;
    for (int trial = 0; trial < 20000; trial++) {
        align_tensor a = random_view(&state, bytes + REACH), b = random_view(&state, bytes + REACH);
        memset(first, 0, sizeof first);
        memset(second, 0, sizeof second);
        bool a_again = false, b_again = false, both = false;
        mark(&a, first, bytes, &a_again);
        mark(&b, second, bytes, &b_again);
        for (int i = 0; i < 2 * REACH; i++)
            both |= first[i] > 0 && second[i] > 0;
        ck_assert_msg(align__shares(&a, &b) == both, "trial %d", trial);
        ck_assert_msg(align__shares_itself(&a) == a_again, "self, trial %d", trial);
        shared += both;
        apart += !both;
    }
    ck_assert_int_gt(shared, 1000);
    ck_assert_int_gt(apart, 1000);
}
END_TEST

/* Where a glance says yes, so do the checks; and it does say yes to what most calls give. */
START_TEST(a_glance_is_never_kinder_than_the_checks)
{
    enum { REACH = 1024, SETS = ALIGN__SET_REAL | ALIGN__SET_MASK };
    static char bytes[2 * REACH];
    uint32_t state = 11;
    int passed = 0;
    for (int trial = 0; trial < 200000; trial++) {
        align_tensor a = random_view(&state, bytes + REACH), b = random_view(&state, bytes + REACH);
        if (next_random(&state) % 2 == 0) /* as outputs are */
            b.stride[b.ndim - 1] = 1, b.stride[0] = b.ndim == 1 ? 1 : b.shape[1];
        b.data = (char *)b.data + next_random(&state) % 2;
        const int set = next_random(&state) % 2 == 0 ? ALIGN__SET_REAL : ALIGN__SET_MASK;
        const struct align__named named[] = {{"owner", "a", &a}, {"owner", "b", &b}};
        int64_t shape[3] = {b.shape[0], b.shape[1], b.shape[2]};
        shape[next_random(&state) % 3] += next_random(&state) % 4 == 0;
        struct align__seen seen = {.n = 0};
        if (!align__glance(&seen, &a, SETS, a.ndim, a.shape, false) ||
            !align__glance(&seen, &b, set, b.ndim, shape, true))
            continue;
        align_exec exec = {.size = sizeof exec};
        ck_assert_int_eq(align__check_closely(&exec, &named[1], set), ALIGN_E_NONE);
        ck_assert_int_eq(align__check_shape(&exec, named[1], b.ndim, shape), ALIGN_E_NONE);
        ck_assert_int_eq(align__check_output(&exec, named[1], named, 1), ALIGN_E_NONE);
        passed++;
    }
    ck_assert_int_gt(passed, 1000);
    struct align__seen seen = {.n = 0};
    const align_tensor scores = align_2d(bytes, ALIGN_F32, 4, 2),
                       slopes = align_2d(bytes + 32, ALIGN_F32, 4, 2);
    ck_assert(align__glance(&seen, &scores, ALIGN__SET_REAL, 2, scores.shape, false));
    ck_assert(align__glance(&seen, &slopes, ALIGN__SET_REAL, 2, scores.shape, true));
    ck_assert(!align__glance(&seen, &slopes, ALIGN__SET_REAL, 2, scores.shape, true));
}
END_TEST

static align_exec with_error(align_error *error)
{
    align_exec exec;
    align_exec_init(&exec, sizeof exec);
    align_error_init(error, sizeof *error);
    exec.error = error;
    return exec;
}

START_TEST(error_text_names_field_index_and_value)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {50257, "50257"}, {-3, "-3"},          {0.25, "0.25"},         {1.5e-7, "1.5e-7"},
        {NAN, "nan"},     {-INFINITY, "-inf"}, {123.456, "123.456"},   {1e300, "1e+300"},
        {0.05, "0.05"},   {999999.9, "1e+6"},  {-0.00123, "-0.00123"},
    };
    align_error error;
    align_exec exec = with_error(&error);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        align_status status = ALIGN__FAIL(&exec, FIELD_BOUNDS, .owner = "align_tokens",
                                          .field = "target", .axes = 2, .index = {3, 17},
                                          .value = cases[i].value, .low = 0, .high = 9);
        char expected[128];
        strcpy(expected, "align_tokens.target[3,17] = ");
        strcat(strcat(expected, cases[i].text), ", expected 0..9");
        ck_assert_int_eq(status, ALIGN_E_RANGE);
        ck_assert_str_eq(error.text, expected);
        ck_assert_str_eq(error.field, "align_tokens.target");
        ck_assert_int_eq(error.index[1], 17);
    }
}
END_TEST

START_TEST(status_names)
{
    ck_assert_str_eq(align_status_name(ALIGN_E_NONE), "NONE");
    ck_assert_str_eq(align_status_name(ALIGN_E_CANCELLED), "CANCELLED");
    ck_assert_str_eq(align_status_name(-99), "?");
    ck_assert_str_eq(align_status_name(1), "?");
}
END_TEST

START_TEST(import_takes_older_and_refuses_newer_structs)
{
    struct {
        align_exec known;
        uint64_t later;
    } newer;
    align_error error;
    align_exec exec = with_error(&error), local;
    memset(&newer, 0, sizeof newer);
    newer.known.size = sizeof newer;
    ck_assert_int_eq(align__import(&exec, "align_exec", &local, sizeof local, 32, &newer), 0);
    newer.later = 1;
    ck_assert_int_eq(align__import(&exec, "align_exec", &local, sizeof local, 32, &newer),
                     ALIGN_E_VERSION);
    newer.known.size = 32;
    newer.known.flags = 3;
    ck_assert_int_eq(align__import(&exec, "align_exec", &local, sizeof local, 32, &newer), 0);
    ck_assert_int_eq((int)local.flags, 0);
    newer.known.size = 31;
    ck_assert_int_eq(align__import(&exec, "align_exec", &local, sizeof local, 32, &newer),
                     ALIGN_E_VERSION);
    ck_assert_int_eq(align__import(&exec, "align_exec", &local, sizeof local, 32, NULL),
                     ALIGN_E_ARG);
    ck_assert_str_eq(error.text, "align_exec is NULL");
}
END_TEST

static void add_task(void *ctx, int64_t task)
{
    int64_t *sums = ctx;
    sums[task] += task;
}

static int32_t drop_last(void *user, int64_t tasks, align_task_fn fn, void *ctx)
{
    (void)user;
    for (int64_t i = tasks - 2; i >= 0; i--)
        fn(ctx, i);
    return 0;
}

START_TEST(parallel_finds_a_dropped_task)
{
    align_error error;
    align_exec exec = with_error(&error);
    int64_t sums[4] = {0};
    ck_assert_int_eq(align__parallel(&exec, 4, add_task, sums), 0);
    ck_assert_int_eq(sums[3], 3);
    exec.parallel = drop_last;
    ck_assert_int_eq(align__parallel(&exec, 4, add_task, sums), ALIGN_E_PARALLEL);
    ck_assert_str_eq(error.text, "align_exec.parallel returned 0 after 3 of 4 tasks");
}
END_TEST

SUITE_MAIN("base", views_are_contiguous, half_floats_round_trip, half_floats_round_to_nearest_even,
           overlap_agrees_with_marking_bytes, a_glance_is_never_kinder_than_the_checks,
           error_text_names_field_index_and_value, status_names,
           import_takes_older_and_refuses_newer_structs, parallel_finds_a_dropped_task)
