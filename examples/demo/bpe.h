/* Learns a byte-pair vocabulary (Sennrich et al., 2016) from text and writes it as llama2.c's tokenizer
 * file, so that the trainer and any other reader of that format can use it. */
#ifndef DEMO_BPE_H
#define DEMO_BPE_H

#include "prose.h"

/* vocab counts the 259 entries that the format begins with. A piece is a space and a word, a part of
 * that, or one other character: it never reaches into the next word. */
bool bpe_learn(const prose *t, int vocab, const char *path, problem *why);

#endif
