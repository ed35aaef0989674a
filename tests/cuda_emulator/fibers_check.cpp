// Two fibers count in turns, on stacks of their own (test_fibers.py compiles and runs this).
#include <stdio.h>

#include "cpp/fibers.h"

using emulator::Fiber;

namespace {

constexpr int NUM_ROUNDS = 3;

Fiber launcher;
Fiber fibers[2];

// Locals must survive while the other runs, and so must a sum in a floating-point register.
void count(int number)
{
    double sum = 0.25;
    for (int round = 0; round < NUM_ROUNDS; ++round) {
        sum += number + 1;
        printf("%d:%d:%.2f ", number, round, sum);
        const bool is_end = number == 1 && round == NUM_ROUNDS - 1;
        emulator::switch_fiber(fibers[number], is_end ? launcher : fibers[1 - number]);
    }
}

void count_first()
{
    count(0);
}

void count_second()
{
    count(1);
}

}  // namespace

int main()
{
    for (int repetition = 0; repetition < 2; ++repetition) {
        if (!emulator::reserve_stacks(2)) {
            return 1;
        }
        emulator::prepare_fiber(fibers[0], 0, count_first);
        emulator::prepare_fiber(fibers[1], 1, count_second);
        emulator::switch_fiber(launcher, fibers[0]);
    }
    return 0;
}
