/* How a check says what it found: one call, one row of errors.def. */
#ifndef ALIGN__ERROR_H
#define ALIGN__ERROR_H

#include <libalign/base.h>

enum align__site {
    ALIGN__SITE_NONE,
#define SITE(name, status, text) ALIGN__SITE_##name,
#include "errors.def"
#undef SITE
    ALIGN__SITE_COUNT
};

struct align__fault {
    enum align__site site;
    const char *owner; /* "align_tokens" */
    const char *field; /* "target" */
    uint32_t axes;
    int64_t index[3];
    double value;
    double low, high;
    const char *word;
};

/* Fills exec->error, if there is one, and returns the status of the site. */
align_status align__fail(const align_exec *exec, const struct align__fault *fault);

#define ALIGN__FAIL(exec, name, ...)                                                               \
    align__fail((exec), &(struct align__fault){.site = ALIGN__SITE_##name, __VA_ARGS__})

#endif
