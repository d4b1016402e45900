/* Calls of libalign at sizes that are worth sharing out, as a table. */
#ifndef TESTS_THREADS_CALLS_H
#define TESTS_THREADS_CALLS_H

#include <libalign/align.h>

/* Memory of one run, inputs and outputs, zeroed: two runs of a call that did the same are equal bytes. */
struct memory {
    unsigned char *bytes;
    size_t used;
};

enum { MEMORY_BYTES = 24 << 20 };

/* Makes inputs and outputs in memory and runs the call. `variant` counts from 0; *more is cleared at the
 * last one. */
typedef align_status (*call_fn)(const align_exec *exec, struct memory *memory, int variant);

struct call {
    const char *name;
    call_fn run;
    int variants;
};

extern const struct call calls[];

#endif
