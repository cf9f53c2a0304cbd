// The answer of one tile of a stream: what correlate_tile (tile_kernel.hpp) gives for the same photons, the same bits.
#pragma once
#include "stream_tile.hpp"
#include "tile_kernel.hpp"

namespace xpcs {

/// What one worker reuses from tile to tile.
struct QueryScratch {
  StreamScratch photons;
  CurveScratch<std::int64_t> curve;
};

/// All pixels of one tile after task.frames frames; every photon of the tile lies before. Leaves the tile as it is.
/// @param pixelMean gets the tile's pixels
std::vector<RunSums<Int128>> query_tile(const TileTask& task, const StreamScheme& stream, std::size_t index, const StreamTile& tile, QueryScratch& scratch,
                                        std::vector<double>& pixelMean);

}  // namespace xpcs
