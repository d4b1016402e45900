/* llama2.c's version-0 checkpoint: seven int32 (dim, hidden, layers, heads, kv heads, vocabulary,
 * context; a negative vocabulary says that the classifier is not the embedding), then the f32
 * parameters in the order of `weights`, with two [context, head size / 2] tables of cosines and sines
 * between final_norm and classifier. Little-endian, as on every machine this trainer is for. */
#ifndef TUNE_CHECKPOINT_H
#define TUNE_CHECKPOINT_H

#include "model.h"
#include "util.h"

bool checkpoint_load(model *m, const char *path, problem *why);
/* Writes path.part first and renames it, so that a reader never sees half a file. */
bool checkpoint_save(const model *m, const char *path, problem *why);

#endif
