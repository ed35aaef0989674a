// A step's bookkeeping on the device, so that step N feeds step N + 1 with no host in between.
//
//   write_runs      what the host changed, from a staging buffer into the tables
//                   grid (runs), one block a run
//   expand_step     token, position and slot of every token of a step
//                   grid (ceil(num_tokens / 256)); num_tokens is what the step is padded to
//   append_sampled  sampled tokens behind their sequences, and into the counts of the penalised
//                   grid (ceil(sampling rows / 256)); of a sequence with drafts, as many as are
//                   right, and one more
//   count_seen      the counts of one sequence from all its tokens
//                   grid (1), one block
//
// Drafts stand in the table of tokens behind the known ones, so that they are run like those. Row i
// of a sequence samples behind i of them, which it takes for right; its rows follow one another.
//
// Counts [vocab] of a sequence, see seen.cuh, are kept for sequences with penalties only.
// Constants: BLOCK_SIZE, tokens in a KV block; PARAM_... and PARAM_WORDS, from device_tables.py.

#include "row_status.cuh"
#include "seen.cuh"

#ifndef BLOCK_SIZE
#error "step.cu needs BLOCK_SIZE, the number of tokens in a KV block"
#endif
#ifndef PARAM_WORDS
#error "step.cu needs PARAM_WORDS and the PARAM_... of device_tables.py"
#endif

constexpr int NUM_THREADS = 256;
constexpr int RUN_THREADS = 128;
constexpr int COUNT_THREADS = 1024;

constexpr int LIVE_TOKENS = 0;  // indices into `counts`
constexpr int LIVE_SEQUENCES = 1;
constexpr int LIVE_LOGITS = 2;

constexpr long long NO_SLOT = -1;  // of entries beyond the live ones; nothing is stored for them

struct Run {
    int target;  // the first word, counted from the start of the tables
    int source;  // the first word, counted from the start of the staging buffer
    int length;
};

extern "C" __global__ void __launch_bounds__(RUN_THREADS)
    write_runs(int* tables, const int* staging, int first_run_word)
{
    const Run run = reinterpret_cast<const Run*>(staging + first_run_word)[blockIdx.x];
    for (int i = threadIdx.x; i < run.length; i += RUN_THREADS) {
        tables[run.target + i] = staging[run.source + i];
    }
}

// The sequence that owns `token`: the last that starts at or before it.
__device__ __forceinline__ int owner_of(int token, const int* query_starts, int num_sequences)
{
    int first = 0;
    int last = num_sequences - 1;
    while (first < last) {
        const int middle = (first + last + 1) / 2;
        if (query_starts[middle] <= token) {
            first = middle;
        } else {
            last = middle - 1;
        }
    }
    return first;
}

extern "C" __global__ void __launch_bounds__(NUM_THREADS)
    expand_step(const int* counts, const int* sequence_rows, const int* query_starts,
                const int* context_lens, const int* token_table, const int* block_tables,
                int* token_ids, int* positions, long long* slots, int num_tokens, int token_width,
                int max_blocks)
{
    const int token = blockIdx.x * NUM_THREADS + threadIdx.x;
    if (token >= num_tokens) {
        return;
    }
    if (token >= counts[LIVE_TOKENS]) {
        token_ids[token] = 0;
        positions[token] = 0;
        slots[token] = NO_SLOT;
        return;
    }
    const int sequence = owner_of(token, query_starts, counts[LIVE_SEQUENCES]);
    const long long row = sequence_rows[sequence];
    const int position = context_lens[sequence] - (query_starts[sequence + 1] - token);
    const long long block = block_tables[row * max_blocks + position / BLOCK_SIZE];
    token_ids[token] = token_table[row * token_width + position];
    positions[token] = position;
    slots[token] = block * BLOCK_SIZE + position % BLOCK_SIZE;
}

// What is known of sequences, and what has been sampled for rows of them.
struct Appending {
    const int* params;
    int* token_table;
    uint16_t* seen;
    int token_width;
    int seen_width;

    // Put `token` at `place`; whether a draft of the same stood there.
    __device__ __forceinline__ bool append(long long row, int place, int token) const
    {
        int* known = token_table + row * token_width + place;
        const bool is_drafted = *known == token;
        *known = token;
        if (params[row * PARAM_WORDS + PARAM_HAS_PENALTIES]) {
            uint16_t* count = seen + row * seen_width + token;
            *count = static_cast<uint16_t>(with_output(*count));
        }
        return is_drafted;
    }
};

// The thread of a sequence's first row goes through all of them.
extern "C" __global__ void __launch_bounds__(NUM_THREADS)
    append_sampled(const int* counts, const int* rows, const int* context_lens, const int* assumed,
                   const int* sampled, const int* statuses, const int* params, int* token_table,
                   uint16_t* seen, int token_width, int seen_width)
{
    int index = blockIdx.x * NUM_THREADS + threadIdx.x;
    const int num_rows = counts[LIVE_LOGITS];
    if (index >= num_rows || assumed[index] > 0) {
        return;
    }
    const Appending appending{params, token_table, seen, token_width, seen_width};
    bool goes_on = true;
    while (goes_on && statuses[index] == SOUND) {
        goes_on = appending.append(rows[index], context_lens[index], sampled[index]);
        ++index;
        goes_on = goes_on && index < num_rows && assumed[index] > 0;
    }
}

// Two counts share a word, since that is the least that can be changed atomically everywhere.
__device__ __forceinline__ void count_token(uint32_t* words, int token, bool is_prompt)
{
    uint32_t* word = words + token / 2;
    const int shift = 16 * (token % 2);
    uint32_t expected = *word;
    while (true) {
        const uint32_t seen = expected >> shift & 0xffffu;
        const uint32_t counted = is_prompt ? seen | IN_PROMPT : with_output(seen);
        const uint32_t wanted = (expected & ~(0xffffu << shift)) | counted << shift;
        const uint32_t found = atomicCAS(word, expected, wanted);
        if (found == expected) {
            return;
        }
        expected = found;
    }
}

extern "C" __global__ void __launch_bounds__(COUNT_THREADS)
    count_seen(uint32_t* seen_row, const int* token_row, int num_prompt_tokens, int num_tokens,
               int num_words)
{
    for (int word = threadIdx.x; word < num_words; word += COUNT_THREADS) {
        seen_row[word] = 0;
    }
    __syncthreads();
    for (int place = threadIdx.x; place < num_tokens; place += COUNT_THREADS) {
        count_token(seen_row, token_row[place], place < num_prompt_tokens);
    }
}
