/* Every check of counts of comparisons, and of their saved bytes. */
#include "../suite.h"

#include "bt_bed.h"

#include "base/bytes.h"

#define ROWS "align_bt_rows."

/* ---- counts -------------------------------------------------------------------------------- */

struct counts_bed {
    struct bed bed;
    align_bt_counts counts, other;
    uint64_t memory[2048], other_memory[2048];
};

static void make_counts_bed(struct counts_bed *c, align_error *error)
{
    memset(c, 0, sizeof *c);
    make_bed(&c->bed);
    align_bt_counts_init(&c->counts, c->memory, sizeof c->memory, N);
    align_bt_counts_init(&c->other, c->other_memory, sizeof c->other_memory, N);
    align_error_init(error, sizeof *error);
    c->bed.exec.error = error;
}

static void expect_counts(const struct counts_bed *c, const struct counts_bed *before,
                          align_status status, const align_error *error, enum align__site site,
                          const char *field)
{
    reach_note(error);
    ck_assert_int_eq(status, statuses[site]);
    ck_assert_msg(error->site == (uint32_t)site, "%s", error->text);
    ck_assert_str_eq(error->field, field);
    ck_assert_mem_eq(c->memory, before->memory, sizeof c->memory);
    ck_assert_mem_eq(c->other_memory, before->other_memory, sizeof c->other_memory);
    ck_assert_mem_eq(&c->counts, &before->counts, sizeof c->counts);
}

static void check_counts(void)
{
    static struct counts_bed c, before;
    align_error error;
    align_status status;
    make_counts_bed(&c, &error);
    c.bed.weight[3] = -1;
    before = c;
    status = align_bt_counts_update(&c.bed.exec, &c.counts, &c.bed.rows);
    expect_counts(&c, &before, status, &error, SITE_OF(FIELD_BOUNDS), ROWS "weight");
    ck_assert_int_eq((int)error.index[0], 3);

    make_counts_bed(&c, &error);
    c.bed.rows.second.ndim = 0;
    before = c;
    status = align_bt_counts_update(&c.bed.exec, &c.counts, &c.bed.rows);
    expect_counts(&c, &before, status, &error, SITE_OF(FIELD_MISSING), ROWS "second");

    make_counts_bed(&c, &error);
    align_bt_counts_init(&c.counts, c.memory, sizeof c.memory, 1);
    before = c;
    status = align_bt_counts_update(&c.bed.exec, &c.counts, &c.bed.rows);
    expect_counts(&c, &before, status, &error, SITE_OF(FIELD_BOUNDS), "align_bt_counts.n_items");

    make_counts_bed(&c, &error);
    align_bt_counts_init(&c.other, c.other_memory, sizeof c.other_memory, N + 1);
    before = c;
    status = align_bt_counts_merge(&c.bed.exec, &c.counts, &c.other);
    expect_counts(&c, &before, status, &error, SITE_OF(FIELD_BOUNDS), "align_bt_counts.n_items");

    make_counts_bed(&c, &error);
    c.other.room++;
    before = c;
    status = align_bt_counts_merge(&c.bed.exec, &c.counts, &c.other);
    expect_counts(&c, &before, status, &error, SITE_OF(COUNTS_BROKEN), "align_bt_counts.room");

    make_counts_bed(&c, &error);
    c.other.size = 8;
    before = c;
    status = align_bt_counts_merge(&c.bed.exec, &c.counts, &c.other);
    expect_counts(&c, &before, status, &error, SITE_OF(STRUCT_SIZE), "align_bt_counts.size");

    make_counts_bed(&c, &error);
    ck_assert_int_eq(align_bt_counts_update(NULL, &c.other, &c.bed.rows), 0);
    align_bt_counts_init(&c.counts, c.memory, 300, N);
    before = c;
    status = align_bt_counts_merge(&c.bed.exec, &c.counts, &c.other);
    expect_counts(&c, &before, status, &error, SITE_OF(COUNTS_FULL), "align_bt_counts.room");

    make_counts_bed(&c, &error);
    ck_assert_int_eq(align_bt_counts_update(NULL, &c.counts, &c.bed.rows), 0);
    before = c;
    status = align_bt_counts_grow(&c.bed.exec, &c.counts, NULL, 0);
    expect_counts(&c, &before, status, &error, SITE_OF(COUNTS_FULL), "align_bt_counts.room");
    ck_assert_int_eq(align_bt_counts_grow(NULL, NULL, NULL, 0), ALIGN_E_ARG);
}

/* ---- saved counts -------------------------------------------------------------------------- */

static void seal(unsigned char *bytes, size_t n)
{
    uint64_t sum = align__checksum(bytes, n - 8);
    align__put_bytes(bytes + n - 8, sum, 8);
}

static const struct {
    size_t at; /* a byte to change in the saved counts of the bed, and what it becomes */
    unsigned char to;
    bool sealed; /* with a checksum that fits */
    size_t cut;
    enum align__site site;
    const char *field;
} damages[] = {
    {0, 'B', true, 0, SITE_OF(COUNTS_MAGIC), "bytes"},
    {8, 2, true, 0, SITE_OF(COUNTS_FORMAT), "bytes"},
    {12, 1, true, 0, SITE_OF(COUNTS_FORMAT), "bytes"},
    {60, 77, false, 0, SITE_OF(COUNTS_CHECKSUM), "bytes"},
    {40, 12, true, 0, SITE_OF(COUNTS_CHECKSUM), "bytes"},
    {0, 'A', true, 1, SITE_OF(COUNTS_SHORT), "n_bytes"},
    {0, 'A', true, 1000, SITE_OF(COUNTS_SHORT), "n_bytes"},
    {16, 1, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {16, N + 1, true, 0, SITE_OF(FIELD_BOUNDS), "align_bt_counts.n_items"},
    {31, 0x80, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {24, 1, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {24, 99, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {39, 0x80, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {48, N, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {52, N, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {52, 0, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {59, 1, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
    {58, 0xff, true, 0, SITE_OF(COUNTS_CONTENT), "bytes"},
};

static void check_saved(void)
{
    static struct counts_bed c, before;
    static unsigned char saved[4096], bytes[4096];
    align_error error;
    size_t size, again;
    make_counts_bed(&c, &error);
    ck_assert_int_eq(align_bt_counts_update(NULL, &c.other, &c.bed.rows), 0);
    ck_assert_int_eq(align_bt_counts_save(NULL, &c.other, saved, sizeof saved, &size), 0);
    before = c;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        memcpy(bytes, saved, size);
        bytes[damages[i].at] = damages[i].to;
        if (damages[i].sealed)
            seal(bytes, size);
        size_t n = size > damages[i].cut ? size - damages[i].cut : 20;
        expect_counts(&c, &before, align_bt_counts_load(&c.bed.exec, &c.counts, bytes, n), &error,
                      damages[i].site, damages[i].field);
    }
    align_status status = align_bt_counts_save(&c.bed.exec, &c.other, bytes, size - 1, &again);
    expect_counts(&c, &before, status, &error, SITE_OF(COUNTS_BYTES), "n_bytes");
    ck_assert_uint_eq(again, size);
    status = align_bt_counts_save(&c.bed.exec, &c.other, bytes, size, NULL);
    expect_counts(&c, &before, status, &error, SITE_OF(NULL_STRUCT), "saved");
    status = align_bt_counts_load(&c.bed.exec, &c.counts, NULL, size);
    expect_counts(&c, &before, status, &error, SITE_OF(NULL_STRUCT), "bytes");
    status = align_bt_counts_get_saved(&c.bed.exec, saved, size, NULL);
    expect_counts(&c, &before, status, &error, SITE_OF(NULL_STRUCT), "align_bt_counts");
    align_bt_counts_init(&c.counts, c.memory, 300, N);
    before = c;
    status = align_bt_counts_load(&c.bed.exec, &c.counts, saved, size);
    expect_counts(&c, &before, status, &error, SITE_OF(COUNTS_FULL), "align_bt_counts.room");
}

START_TEST(every_check_is_reached)
{
    check_counts();
    check_saved();
    reach_demand((const char *const[]){"COUNTS_", NULL}, false);
}
END_TEST

SUITE_MAIN("errors counts", every_check_is_reached)
