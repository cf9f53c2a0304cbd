// Settings of the two-time analysis, and the memory that it may take.
#pragma once
#include "photon_sample.hpp"
#include "xpcs/analysis.hpp"

namespace xpcs {

/// Fills settings.twoTime: the request wins, then the job file (`entry` is its group), then the defaults of docs/twotime.md.
/// @throws invalid_argument a name, bin or window that cannot be
void resolve_two_time(const Request& request, Settings& settings);

/// For an analysis that is none: none of its settings may be asked for. @throws invalid_argument
void refuse_two_time_options(const Request& request);

/// Bytes that this process may still take: the machine's available memory, or what its control group leaves.
std::uint64_t memory_available();

/// What its memory depends on beside the settings.
struct TwoTimeAhead {
  std::uint64_t frames = 0;       ///< of the series; 0: not known before the file is read
  bool whole = false;             ///< frames come whole, not as lists of photons
  PhotonSample photons;
  std::uint32_t firstFrames = 0;  ///< that are kept to be written too
};

/// Says through `control` what the analysis will need beside the reader's buffers, and refuses it where that is more than
/// settings.twoTime.memoryBytes. Nothing is said of a series of unknown length.
/// @returns the bytes @throws out_of_memory
std::uint64_t check_two_time_memory(const Settings& settings, const Partition& partition, const TwoTimeAhead& ahead, const Control& control);

}  // namespace xpcs
