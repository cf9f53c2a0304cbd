// What --streaming takes, and the memory that it may use.
#pragma once
#include "xpcs/analysis.hpp"
#include "xpcs/stream_correlator.hpp"

namespace xpcs {

/// Rows of the intensity against time: a series of a million frames has one for each.
constexpr std::uint64_t kStreamIntensityRows = std::uint64_t{1} << 20;

/// Refuses what a stream cannot do, and sets settings.streamBytesMax. @throws unsupported what cannot be combined, and the way out
void resolve_streaming(const Request& request, Settings& settings);

/// The stream of one q-map. Says through `control` the most that it will take, and refuses it where that is more than is left.
/// @param how of the correlation @param frames of the series; 0: not known before the file is read
/// @param bytesTaken by the streams of the maps before @param bytes gets those of this one
/// @throws out_of_memory
StreamOptions plan_stream(const Request& request, Settings& settings, const Partition& partition, const CorrelatorOptions& how, const FrameReader& reader,
                          std::uint64_t frames, std::uint64_t bytesTaken, const Control& control, std::uint64_t& bytes);

}  // namespace xpcs
