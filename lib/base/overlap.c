/* Do two strided views share a byte? Interleaved views do not, although their byte ranges meet.
 *
 * Every view is a lattice: base + sum of k_i * step_i, 0 <= k_i < n_i, with steps in bytes, made
 * positive, and a solid block of bytes at each point (runs that touch are merged into the block). Two
 * views share a byte when  difference + sum k_i step_i - sum l_j step_j  lies in an open interval that
 * the two blocks give: a bounded linear equation in at most six unknowns, solved by search from the
 * largest step down, with a cut wherever the rest cannot reach the interval or cannot meet it modulo
 * the common divisor of its steps. */
#include "tensor.h"

enum { MOST_TERMS = 6 };

struct term {
    int64_t step, last; /* 0..last times step */
};

struct lattice {
    int64_t base, block;
    bool repeats; /* an axis of step 0: one byte, many indices */
    int count;
    struct term terms[3];
};

static bool make_lattice(const align_tensor *t, struct lattice *l)
{
    int64_t bytes = align__bytes(t->dtype);
    *l = (struct lattice){.base = (int64_t)(intptr_t)t->data, .block = bytes};
    for (int32_t k = 0; k < t->ndim; k++) {
        if (t->shape[k] == 0)
            return false;
        int64_t step = t->stride[k] * bytes, last = t->shape[k] - 1;
        if (step < 0) {
            l->base += step * last;
            step = -step;
        }
        if (last > 0 && step == 0)
            l->repeats = true;
        else if (last > 0)
            l->terms[l->count++] = (struct term){step, last};
    }
    for (int i = 1; i < l->count; i++)
        for (int j = i; j > 0 && l->terms[j].step < l->terms[j - 1].step; j--) {
            struct term swap = l->terms[j];
            l->terms[j] = l->terms[j - 1];
            l->terms[j - 1] = swap;
        }
    while (l->count > 0 && l->terms[0].step == l->block) {
        l->block += l->terms[0].step * l->terms[0].last;
        l->count--;
        for (int i = 0; i < l->count; i++)
            l->terms[i] = l->terms[i + 1];
    }
    return t->ndim > 0;
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Terms sorted by falling step, all with plus sign: is there a sum in [low, high]? */
struct search {
    struct term terms[MOST_TERMS];
    int64_t reach[MOST_TERMS + 1];   /* largest sum of the terms from i on */
    int64_t divisor[MOST_TERMS + 1]; /* common divisor of the steps from i on */
    int count;
};

static bool reaches(const struct search *s, int i, int64_t low, int64_t high)
{
    if (low > s->reach[i] || high < 0)
        return false;
    if (low <= 0)
        return true;
    int64_t divisor = s->divisor[i];
    if (divisor == 0 || floor_div(high, divisor) * divisor < low)
        return false;
    const struct term *t = &s->terms[i];
    int64_t most = floor_div(high, t->step);
    int64_t least = -floor_div(s->reach[i + 1] - low, t->step);
    if (most > t->last)
        most = t->last;
    for (int64_t k = least < 0 ? 0 : least; k <= most; k++)
        if (reaches(s, i + 1, low - k * t->step, high - k * t->step))
            return true;
    return false;
}

static bool search_sum(struct search *s, int64_t low, int64_t high)
{
    for (int i = 1; i < s->count; i++)
        for (int j = i; j > 0 && s->terms[j].step > s->terms[j - 1].step; j--) {
            struct term swap = s->terms[j];
            s->terms[j] = s->terms[j - 1];
            s->terms[j - 1] = swap;
        }
    s->reach[s->count] = s->divisor[s->count] = 0;
    for (int i = s->count - 1; i >= 0; i--) {
        s->reach[i] = s->reach[i + 1] + s->terms[i].step * s->terms[i].last;
        s->divisor[i] = common_divisor(s->terms[i].step, s->divisor[i + 1]);
    }
    return reaches(s, 0, low, high);
}

/* The bytes low..high-1 that hold all of a view. */
struct extent {
    int64_t low, high;
};

static inline struct extent extent_of(const align_tensor *t)
{
    const int64_t bytes = align__bytes(t->dtype), base = (int64_t)(intptr_t)t->data;
    int64_t back = 0, all = 0;
    for (int32_t k = 0; k < t->ndim; k++) {
        const int64_t length = t->stride[k] * (t->shape[k] - 1);
        back += length & -(int64_t)(length < 0);
        all += length;
    }
    return (struct extent){base + back * bytes, base + (all - back + 1) * bytes};
}

/* Most pairs of views are told apart by where they begin and end. */
static inline bool are_apart(struct extent x, struct extent y)
{
    return (x.high <= y.low) | (y.high <= x.low);
}

/* One row after the other without gaps, as most outputs are. */
static bool is_packed(const align_tensor *t)
{
    int64_t step = 1;
    for (int32_t k = t->ndim - 1; k >= 0; k--) {
        if (t->stride[k] != step)
            return false;
        step *= t->shape[k];
    }
    return true;
}

static bool lattices_share(const align_tensor *a, const align_tensor *b)
{
    struct lattice x, y;
    if (!make_lattice(a, &x) || !make_lattice(b, &y))
        return false;
    /* x.base + X + [0, x.block) meets y.base + Y + [0, y.block); Y = its reach - Y' turns minus into plus. */
    struct search s = {.count = 0};
    int64_t shift = y.base - x.base;
    for (int i = 0; i < x.count; i++)
        s.terms[s.count++] = x.terms[i];
    for (int i = 0; i < y.count; i++) {
        s.terms[s.count++] = y.terms[i];
        shift += y.terms[i].step * y.terms[i].last;
    }
    return search_sum(&s, shift - x.block + 1, shift + y.block - 1);
}

bool align__shares(const align_tensor *a, const align_tensor *b)
{
    if (!align__present(a) || !align__present(b) || are_apart(extent_of(a), extent_of(b)))
        return false;
    return lattices_share(a, b);
}

int align__find_shared(const align_tensor *output, const struct align__named *others, int count)
{
    const struct extent own = extent_of(output);
    for (int i = 0; i < count; i++) {
        const align_tensor *t = others[i].tensor;
        if (t != output && align__present(t) && !are_apart(own, extent_of(t)) &&
            lattices_share(output, t))
            return i;
    }
    return -1;
}

/* Two different points of one lattice meet when, for the axis i on which they differ first (by at
 * least 1), the step of that axis is met by differences -last..last on the others. */
bool align__shares_itself(const align_tensor *t)
{
    struct lattice x;
    if (is_packed(t) || !make_lattice(t, &x))
        return false;
    if (x.repeats)
        return true;
    for (int i = 0; i < x.count; i++) {
        if (x.terms[i].step < x.block)
            return true;
        struct search s = {.count = 0};
        int64_t shift = -x.terms[i].step;
        s.terms[s.count++] = (struct term){x.terms[i].step, x.terms[i].last - 1};
        for (int j = i + 1; j < x.count; j++) {
            s.terms[s.count++] = (struct term){x.terms[j].step, 2 * x.terms[j].last};
            shift += x.terms[j].step * x.terms[j].last;
        }
        if (search_sum(&s, shift - x.block + 1, shift + x.block - 1))
            return true;
    }
    return false;
}
