#include "error.h"

#include <string.h>

struct site_row {
    align_status status;
    const char *text;
};

static const struct site_row sites[ALIGN__SITE_COUNT] = {
    {ALIGN_E_NONE, ""},
#define SITE(name, status, text) {ALIGN_E_##status, text},
#include "errors.def"
#undef SITE
};

/* A bounded text that never overflows and is always ended by a zero. */
struct line {
    char *at;
    char *end;
};

static void put_char(struct line *line, char c)
{
    if (line->at < line->end) {
        *line->at++ = c;
        *line->at = '\0';
    }
}

static void put_text(struct line *line, const char *text)
{
    while (text != NULL && *text != '\0')
        put_char(line, *text++);
}

static void put_digits(struct line *line, uint64_t number)
{
    char digits[20];
    int n = 0;
    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (n > 0)
        put_char(line, digits[--n]);
}

/* Six significant digits, as in 0.25 or 1.5e-07; the sign is written already. */
static void put_fraction(struct line *line, double x)
{
    int exponent = 0;
    for (; x >= 10; exponent++)
        x /= 10;
    for (; x < 1; exponent--)
        x *= 10;
    uint64_t digits = (uint64_t)(x * 1e5 + 0.5);
    if (digits >= 1000000) {
        digits /= 10;
        exponent++;
    }
    int places = 5;
    for (; places > 0 && digits % 10 == 0; places--)
        digits /= 10;
    if (exponent < 0 && exponent >= -4) {
        put_text(line, "0.");
        for (int i = -1; i > exponent; i--)
            put_char(line, '0');
        put_digits(line, digits);
        return;
    }
    uint64_t unit = 1;
    for (int i = exponent > 0 && exponent <= places ? exponent : 0; i < places; i++)
        unit *= 10;
    put_digits(line, digits / unit);
    if (unit > 1) {
        put_char(line, '.');
        for (uint64_t rest = digits % unit, u = unit / 10; u > 0; rest %= u, u /= 10)
            put_digits(line, rest / u);
    }
    if (exponent != 0 && !(exponent > 0 && exponent <= places)) {
        put_text(line, exponent < 0 ? "e-" : "e+");
        put_digits(line, (uint64_t)(exponent < 0 ? -exponent : exponent));
    }
}

static void put_number(struct line *line, double x)
{
    if (x != x) {
        put_text(line, "nan");
        return;
    }
    if (x < 0) {
        put_char(line, '-');
        x = -x;
    }
    if (x > 1.7976931348623157e308)
        put_text(line, "inf");
    else if (x < 9007199254740992.0 && x == (double)(uint64_t)x)
        put_digits(line, (uint64_t)x);
    else
        put_fraction(line, x);
}

static void put_field(struct line *line, const struct align__fault *fault)
{
    put_text(line, fault->owner);
    if (fault->owner != NULL && fault->field != NULL)
        put_char(line, '.');
    put_text(line, fault->field);
}

static void put_where(struct line *line, const struct align__fault *fault)
{
    put_field(line, fault);
    for (uint32_t i = 0; i < fault->axes; i++) {
        put_char(line, i == 0 ? '[' : ',');
        put_number(line, (double)fault->index[i]);
    }
    if (fault->axes > 0)
        put_char(line, ']');
}

static void put_sentence(struct line *line, const char *text, const struct align__fault *fault)
{
    for (; *text != '\0'; text++) {
        if (*text != '%') {
            put_char(line, *text);
            continue;
        }
        switch (*++text) {
        case 'f':
            put_where(line, fault);
            break;
        case 'v':
            put_number(line, fault->value);
            break;
        case 'l':
            put_number(line, fault->low);
            break;
        case 'h':
            put_number(line, fault->high);
            break;
        default:
            put_text(line, fault->word);
            break;
        }
    }
}

align_status align__fail(const align_exec *exec, const struct align__fault *fault)
{
    const struct site_row *row = &sites[fault->site];
    if (exec->error == NULL)
        return row->status;
    align_error e;
    memset(&e, 0, sizeof e);
    e.size = exec->error->size;
    e.status = row->status;
    e.axes = fault->axes;
    memcpy(e.index, fault->index, sizeof e.index);
    e.value = fault->value;
    e.site = (uint32_t)fault->site;
    struct line field = {e.field, e.field + sizeof e.field - 1};
    put_field(&field, fault);
    struct line text = {e.text, e.text + sizeof e.text - 1};
    put_sentence(&text, row->text, fault);
    memcpy(exec->error, &e, sizeof e);
    return row->status;
}

void align_error_init(align_error *error, size_t size)
{
    memset(error, 0, size);
    error->size = size;
}

const char *align_status_name(align_status status)
{
    static const char *const names[] = {
        "NONE",    "ARG",      "SHAPE", "DTYPE",         "LAYOUT",      "RANGE",     "SCRATCH",
        "VERSION", "PARALLEL", "COMM",  "NOT_CONVERGED", "NO_SOLUTION", "CANCELLED",
    };
    const int32_t count = (int32_t)(sizeof names / sizeof names[0]);
    return status <= 0 && status > -count ? names[-status] : "?";
}
