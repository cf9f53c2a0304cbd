// How many photons of a stream wait for others before their tiles take them, and what a stream takes in all.
#pragma once
#include <string>

#include "xpcs/stream_correlator.hpp"

namespace xpcs {

/// Photons that are made into a batch at a time, where they come in smaller pieces.
constexpr std::size_t kPiece = std::size_t{1} << 16;
constexpr std::size_t kPieceMost = std::size_t{1} << 18;
constexpr std::size_t kWaitingBytes = 16;  // of a photon that is in no batch yet
/// Bytes of photons in batches from which on they may go to the tiles.
constexpr std::uint64_t kPhotonBytesLeast = std::uint64_t{1} << 20;

/// Bytes of photons in batches at which they go to the tiles.
std::uint64_t photon_bytes(const Partition& partition, const StreamOptions& options);

/// As messages say it, rounded up.
inline std::string megabytes(std::uint64_t bytes) { return std::to_string((bytes + 999999) / 1000000) + " MB"; }

/// Frames are divided, or values real: not a stream of counts.
inline bool is_real(const StreamOptions& options) { return options.real || options.normalizeByFrameSum || !options.monitor.empty(); }

}  // namespace xpcs
