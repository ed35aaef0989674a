// A management library with two GPUs: index 0 is "GPU-zero", index 1 is "GPU-one". The second is fuller.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct memory {
    uint64_t total, free, used;
};

struct process {
    unsigned pid;
    unsigned long long used;
    unsigned gpu_instance, compute_instance;
};

static int is_started;

int nvmlInit_v2(void) {
    is_started = 1;
    return 0;
}

int nvmlShutdown(void) {
    is_started = 0;
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = 2;
    return is_started ? 0 : 1;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    *handle = (void *)(uintptr_t)(index + 1);
    return index < 2 ? 0 : 2;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    *handle = (void *)(uintptr_t)(strcmp(uuid, "GPU-one") == 0 ? 2 : 1);
    return strncmp(uuid, "GPU-", 4) == 0 ? 0 : 2;
}

int nvmlDeviceGetName(void *handle, char *name, unsigned length) {
    snprintf(name, length, "Card %d", (int)(uintptr_t)handle - 1);
    return 0;
}

int nvmlDeviceGetMemoryInfo(void *handle, struct memory *memory) {
    memory->total = 80;
    memory->free = handle == (void *)1 ? 70 : 10;
    memory->used = memory->total - memory->free;
    return 0;
}

// On the second GPU, in no order: the smaller, one whose memory is not told, the larger.
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, struct process *processes) {
    const struct process running[] = {{41, 20, 0, 0}, {42, ~0ull, 0, 0}, {43, 50, 0, 0}};
    const unsigned room = *count;
    *count = handle == (void *)2 ? 3 : 0;
    if (room < *count) {
        return 7;
    }
    memcpy(processes, running, *count * sizeof(running[0]));
    return 0;
}
