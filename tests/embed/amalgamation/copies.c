/* Three copies of the library in one program: the shared one, and two amalgamations made by two compilers under two
 * names. All give the same bits, on every instruction set of this machine. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

uint64_t bits(uint64_t cpu_forbidden);
uint64_t one_bits(uint64_t cpu_forbidden);
uint64_t two_bits(uint64_t cpu_forbidden);

int main(void)
{
    int failed = 0;
    for (uint64_t forbidden = 0; forbidden < 8; forbidden = forbidden * 2 + 1) {
        uint64_t shared = bits(forbidden), one = one_bits(forbidden), two = two_bits(forbidden);
        printf("%016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n", shared, one, two);
        failed |= shared == 0 || one != shared || two != shared;
    }
    return failed;
}
