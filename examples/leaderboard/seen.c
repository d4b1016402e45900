#include "seen.h"

#include "memory.h"

/* Two multiplicative hashes with different constants; each cell ends with its zero, so that "a","bc" is not "ab","c". */
struct key seen_start(void)
{
    return (struct key){UINT64_C(0x243f6a8885a308d3), UINT64_C(0x13198a2e03707344)};
}

static uint64_t mixed(uint64_t hash, uint64_t byte, uint64_t factor)
{
    hash = (hash ^ byte) * factor;
    return hash ^ hash >> 29;
}

void seen_mix(struct key *key, const char *cell)
{
    const unsigned char *at = (const unsigned char *)cell;
    do {
        key->low = mixed(key->low, *at, UINT64_C(0x9e3779b97f4a7c15));
        key->high = mixed(key->high, *at, UINT64_C(0xd6e8feb86659fd93));
    } while (*at++ != '\0');
}

static struct key *find(const struct seen *seen, struct key key)
{
    size_t at = (size_t)key.low & (seen->room - 1);
    for (;; at = (at + 1) & (seen->room - 1)) {
        struct key *k = &seen->keys[at];
        bool is_free = k->low == 0 && k->high == 0;
        if (is_free || (k->low == key.low && k->high == key.high))
            return k;
    }
}

static void grow(struct seen *seen)
{
    struct seen larger = {NULL, seen->count, seen->room == 0 ? 1024 : 2 * seen->room};
    larger.keys = take(larger.room, sizeof *larger.keys);
    for (size_t i = 0; i < seen->room; i++)
        if (seen->keys[i].low != 0 || seen->keys[i].high != 0)
            *find(&larger, seen->keys[i]) = seen->keys[i];
    free(seen->keys);
    *seen = larger;
}

bool seen_add(struct seen *seen, struct key key)
{
    if (2 * seen->count >= seen->room)
        grow(seen);
    struct key *place = find(seen, key);
    if (place->low == key.low && place->high == key.high)
        return false;
    *place = key;
    seen->count++;
    return true;
}

void seen_free(struct seen *seen)
{
    free(seen->keys);
}
