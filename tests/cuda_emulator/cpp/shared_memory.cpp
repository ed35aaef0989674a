#include "shared_memory.h"

#include <link.h>
#include <string.h>

namespace emulator {

namespace {

constexpr unsigned char POISON = 0xff;

struct Search {
    const unsigned char* address;
    unsigned char* begin;
    size_t num_bytes;
};

// Asks a loaded library whether its thread_local variables are the ones that are looked for.
int visit_library(dl_phdr_info* library, size_t, void* context)
{
    auto* search = static_cast<Search*>(context);
    auto* begin = static_cast<unsigned char*>(library->dlpi_tls_data);
    for (int i = 0; begin != nullptr && i < library->dlpi_phnum; ++i) {
        const auto& segment = library->dlpi_phdr[i];
        const unsigned char* end = begin + segment.p_memsz;
        if (segment.p_type == PT_TLS && search->address >= begin && search->address < end) {
            search->begin = begin;
            search->num_bytes = segment.p_memsz;
            return 1;
        }
    }
    return 0;
}

}  // namespace

void SharedMemory::find(unsigned char* dynamic)
{
    if (dynamic == dynamic_) {
        return;
    }
    Search search{dynamic, dynamic, MAX_SHARED_BYTES + CANARY_BYTES};
    dl_iterate_phdr(visit_library, &search);
    begin_ = search.begin;
    end_ = search.begin + search.num_bytes;
    dynamic_ = dynamic;
}

void SharedMemory::poison(uint64_t dynamic_bytes) const
{
    unsigned char* behind = dynamic_ + MAX_SHARED_BYTES + CANARY_BYTES;
    memset(begin_, POISON, dynamic_ - begin_);
    memset(dynamic_, POISON, dynamic_bytes + CANARY_BYTES);
    memset(behind, POISON, end_ - behind);
}

bool SharedMemory::is_canary_intact(uint64_t dynamic_bytes) const
{
    const unsigned char* canary = dynamic_ + dynamic_bytes;
    return canary[0] == POISON && memcmp(canary, canary + 1, CANARY_BYTES - 1) == 0;
}

bool SharedMemory::contains(const void* address) const
{
    return address >= begin_ && address < end_;
}

}  // namespace emulator
