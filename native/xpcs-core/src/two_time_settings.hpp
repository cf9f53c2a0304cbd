// Settings of the two-time analysis, and the memory that it may take.
#pragma once
#include "xpcs/analysis.hpp"

namespace xpcs {

/// Fills settings.twoTime: the request wins, then the job file (`entry` is its group), then the defaults of docs/twotime.md.
/// @throws invalid_argument a name, bin or window that cannot be
void resolve_two_time(const Request& request, Settings& settings);

/// Bytes that this process may still take: the machine's available memory, or what its control group leaves.
std::uint64_t memory_available();

/// Says through `control` what the analysis will need, and refuses it where that is more than settings.twoTime.memoryBytes.
/// @param frames of the series; 0: not known before the file is read, nothing is said
/// @returns the bytes @throws out_of_memory
std::uint64_t check_two_time_memory(const Settings& settings, const Partition& partition, std::uint64_t frames, bool dense, const Control& control);

}  // namespace xpcs
