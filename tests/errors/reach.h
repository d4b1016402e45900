/* Which rows of lib/base/errors.def a test program has provoked.
 *
 * Each program of this folder demands its area: the rows whose name begins with the area ("HEAD_"), or,
 * for base, the rows that belong to no area of tests/errors/meson.build. So every row is demanded by
 * exactly one program, and a row that no call can reach fails a test. Provoke and demand in one
 * START_TEST: Check runs each of them in a process of its own. */
#ifndef TESTS_ERRORS_REACH_H
#define TESTS_ERRORS_REACH_H

#include "base/error.h"

#include <check.h>
#include <stdbool.h>
#include <string.h>

static bool reach_seen[ALIGN__SITE_COUNT];

/* Notes what a failed call reported, and that the parts of the report fit each other. */
static inline void reach_note(const align_error *error)
{
    ck_assert_uint_gt(error->site, 0);
    ck_assert_uint_lt(error->site, ALIGN__SITE_COUNT);
    ck_assert_int_lt(error->status, 0);
    ck_assert_uint_le(error->axes, 3);
    ck_assert_msg(strncmp(error->text, error->field, strlen(error->field)) == 0,
                  "'%s' does not begin with '%s'", error->text, error->field);
    reach_seen[error->site] = true;
}

static inline bool reach_has_prefix(const char *name, const char *const *prefixes)
{
    for (; *prefixes != NULL; prefixes++)
        if (strncmp(name, *prefixes, strlen(*prefixes)) == 0)
            return true;
    return false;
}

/* Fails unless every row that begins with one of the prefixes was noted; with `others`, every row that
 * begins with none of them. The list ends with NULL. */
static inline void reach_demand(const char *const *prefixes, bool others)
{
    static const char *const names[ALIGN__SITE_COUNT] = {
        "",
#define SITE(name, status, text) #name,
#include "base/errors.def"
#undef SITE
    };
    for (int site = 1; site < ALIGN__SITE_COUNT; site++)
        if (reach_has_prefix(names[site], prefixes) != others)
            ck_assert_msg(reach_seen[site], "no test reaches %s", names[site]);
}

#endif
