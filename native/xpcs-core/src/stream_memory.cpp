#include "stream_memory.hpp"

#include <algorithm>

#include "real_stream.hpp"
#include "stream_tile.hpp"
#include "tile_collector.hpp"

namespace xpcs {
namespace {

/// Bytes per pixel of the photons in batches, 4 bytes each, at which they go to the tiles.
constexpr std::uint64_t kPoolBytes = 16;

/// What folding and answering take beside the states, of one worker.
std::uint64_t worker_bytes(const StreamScheme& scheme) {
  const std::uint64_t levels = scheme.levels_max();
  const std::uint64_t rows = 4 * scheme.delays(static_cast<std::uint32_t>(levels)) * 8;                          // products, and totals at the stops
  return kTilePixels * (rows + levels * (scheme.lag_max() + LaneLevels::kChunk + 1) * 11 + 512) + (std::uint64_t{1} << 20);
}

}  // namespace

std::uint64_t photon_bytes(const Partition& partition, const StreamOptions& options) {
  return options.photonBytes > 0 ? options.photonBytes : std::max(kPhotonBytesLeast, kPoolBytes * partition.pixelOfRank.size());
}

std::uint64_t stream_bytes(const Partition& partition, const StreamOptions& options) {
  const StreamScheme scheme(options.dpl, options.framesMax);
  const std::uint64_t n = partition.pixelOfRank.size();
  const std::uint64_t tiles = tile_count(n);
  const std::uint64_t levels = scheme.levels_max();
  const std::uint64_t D = scheme.delays(scheme.levels_max());
  const std::uint64_t S = partition.staticBins;
  const std::uint64_t Q = partition.dynamicBins;
  const std::uint64_t W = options.staticWindow > 0 ? options.framesMax / options.staticWindow : 0;
  const std::uint64_t perPixel = D * (8 + 4) + 4 + levels * KeptLevel::bytes_max(KeptLevel::Form::ints, scheme.lag_max());
  const std::uint64_t state = tiles * (kTilePixels * perPixel + levels * sizeof(KeptLevel) + 1024);
  // Batches, the photons that the tiles hold until they are many, and those of them that are kept one by one afterwards.
  const std::uint64_t gains = options.pixelFactor.empty() ? 0 : std::max(1U, options.threads) * kPieceMost * kWaitingBytes;
  const std::uint64_t photons = gains + 2 * (photon_bytes(partition, options) + kPieceMost * 4) + kPiece * kWaitingBytes + tiles * kTilePixels * StreamTile::kManyFirst * 2 * 5;
  const std::uint64_t trace = 2 * 8 * std::min(options.intensityRows, options.framesMax);
  const std::uint64_t maps = 32ull * partition.pixels() + 16 * n + 8 * options.pixelFactor.size();  // partition, mean image and flatfield
  const GroupPlan plan(partition);
  const unsigned threads = std::max(1U, options.threads);
  const std::uint64_t held = TileCollector<Int128>::ahead(threads) + threads;  // tiles whose runs wait for an earlier one, or are made
  const std::uint64_t heldRuns = std::min<std::uint64_t>(held * kTilePixels, n);
  const std::uint64_t runs = (heldRuns + S + Q) * (sizeof(RunSums<Int128>) + D * 144);  // of a query, and their sums
  const std::uint64_t groups = (plan.begin.back() * 2 + heldRuns) * D * 24 + threads * kGroupsMax * D * 48;
  const std::uint64_t moments = S * D * (sizeof(Moment) + 96) + Q * D * (80 + D * 8) + 16 * W * (S + heldRuns + tiles);
  const std::uint64_t ofCounts = state + photons;
  return (is_real(options) ? RealStream::bytes_max(partition, options) : ofCounts) + trace + maps + runs + groups + moments + threads * worker_bytes(scheme);
}

}  // namespace xpcs
