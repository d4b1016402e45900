/* Rows of every shape, added strip by strip, against sums in long double: where the maximum stands, how far it is
 * above the rest and what lies before it decide how a strip is summed. */
#include "../suite.h"

#include "base/cpu.h"
#include "base/tensor.h"
#include "head/row.h"

#include <math.h>
#include <string.h>

enum { MOST = 5 * ALIGN__STRIP + 77 };

static float z[MOST];
static uint16_t halves[MOST];
static uint64_t seed;

static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 32) * 0x1p-32;
}

/* Elements from `begin` on, behind which come others, become x. */
static void set_from(int64_t begin, int64_t n, float x)
{
    for (int64_t i = begin; i < n; i++)
        z[i] = x;
}

static void noise(int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        z[i] = (float)(16 * uniform() - 8);
}

static void one_peak(int64_t n)
{
    noise(n);
    z[(int64_t)(uniform() * (double)n)] = (float)(8 + 690 * uniform() * uniform());
}

/* Of sums of about 10 times the peak, where its term may or may not be taken away again. */
static void low_peak(int64_t n)
{
    noise(n);
    z[(int64_t)(uniform() * (double)n)] = (float)(8 + 8 * uniform());
}

static void two_peaks(int64_t n)
{
    one_peak(n);
    z[(int64_t)(uniform() * (double)n)] = (float)(8 + 110 * uniform());
    z[(int64_t)(uniform() * (double)n)] = z[(int64_t)(uniform() * (double)n)];
}

static void rising(int64_t n)
{
    double step = 200 * uniform() * uniform();
    for (int64_t i = 0; i < n; i++)
        z[i] = (float)(step * (double)i / MOST - 100 + uniform());
}

static void falling(int64_t n)
{
    double step = 200 * uniform() * uniform();
    for (int64_t i = 0; i < n; i++)
        z[i] = (float)(100 - step * (double)i / MOST + uniform());
}

static void begins_hidden(int64_t n)
{
    noise(n);
    for (int64_t i = 0; i < n / 2; i++)
        z[i] = -INFINITY;
}

static void ends_hidden(int64_t n)
{
    one_peak(n);
    set_from(n / 3, n, -INFINITY);
}

static void masked_low(int64_t n)
{
    one_peak(n);
    set_from(n - n / 3, n, -1e9f);
}

static void far_out(int64_t n)
{
    double at = 600 * uniform() - 300;
    noise(n);
    for (int64_t i = 0; i < n; i++)
        z[i] = (float)((double)z[i] + at);
}

static void equal(int64_t n)
{
    set_from(0, n, (float)(20 * uniform() - 10));
}

static void (*const shapes[])(int64_t) = {
    noise,         one_peak,    low_peak,   two_peaks, rising, falling,
    begins_hidden, ends_hidden, masked_low, far_out,   equal,
};

enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* Rounds z to a dtype; what holds it. */
static const void *stored(const struct align__kernels *kernels, align_dtype dtype, int64_t n)
{
    if (dtype == ALIGN_F32)
        return z;
    (dtype == ALIGN_BF16 ? kernels->to_bf16 : kernels->to_f16)(halves, z, n);
    (dtype == ALIGN_BF16 ? kernels->from_bf16 : kernels->from_f16)(z, halves, n);
    return halves;
}

static struct align__row added(const struct align__kernels *kernels, align_dtype dtype,
                               const void *from, int64_t n, enum align__row_how how)
{
    struct align__row row;
    align__row_start(&row);
    for (int64_t i = 0; i < n; i += ALIGN__STRIP)
        align__row_add(&row, kernels, dtype, (const char *)from + i * align_dtype_bytes(dtype),
                       n - i < ALIGN__STRIP ? n - i : ALIGN__STRIP, i, how);
    return row;
}

static void check_row(align_dtype dtype, int shape, int64_t n, enum align__row_how how)
{
    const struct align__kernels *kernels = align__kernels(align_cpu());
    shapes[shape](n);
    struct align__row row = added(kernels, dtype, stored(kernels, dtype, n), n, how);
    int64_t at = 0;
    long double sum = 0;
    for (int64_t i = 1; i < n; i++)
        at = z[i] > z[at] ? i : at;
    for (int64_t i = 0; i < n; i++)
        sum += i == at ? 0 : expl((long double)z[i] - (long double)z[at]);
    ck_assert_msg(row.at == at && row.top == (double)z[at], "shape %d n %lld: %g at %lld", shape,
                  (long long)n, row.top, (long long)row.at);
    double bound = how == ALIGN__ROW_FAST ? 3e-7 : 5e-10;
    ck_assert_msg(fabs((double)(row.sum / sum - 1)) < bound || row.sum + (double)sum < 1e-300,
                  "shape %d n %lld dtype %#x how %d: %.17g, expected %.17Lg", shape, (long long)n,
                  (unsigned)dtype, (int)how, row.sum, sum);
}

START_TEST(sums_of_every_shape)
{
    static const align_dtype dtypes[] = {ALIGN_F32, ALIGN_BF16, ALIGN_F16};
    seed = (uint64_t)_i + 1;
    for (int trial = 0; trial < 40; trial++)
        for (int shape = 0; shape < SHAPES; shape++) {
            int64_t n = trial % 4 == 0 ? 2 + (int64_t)(600 * uniform()) : MOST;
            check_row(dtypes[_i % 3], shape, n, _i < 3 ? ALIGN__ROW_SUM : ALIGN__ROW_FAST);
        }
}
END_TEST

/* One of them anywhere makes the sum NaN. */
START_TEST(what_is_no_number_is_seen)
{
    const struct align__kernels *kernels = align__kernels(align_cpu());
    for (int trial = 0; trial < 400; trial++) {
        enum align__row_how how = trial % 2 ? ALIGN__ROW_FAST : ALIGN__ROW_SUM;
        shapes[trial % SHAPES](MOST);
        z[(int64_t)(uniform() * MOST)] = trial % 3 == 0 ? INFINITY : NAN;
        struct align__row row = added(kernels, ALIGN_F32, z, MOST, how);
        ck_assert(isnan(row.sum));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head rows");
    TCase *tcase = tcase_create("head rows");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, sums_of_every_shape, 0, 6);
    tcase_add_test(tcase, what_is_no_number_is_seen);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
