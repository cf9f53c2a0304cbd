// A tile of a stream whose counts are negative or too many for 32 bits: pixel by pixel. What count_tile.hpp is for all others.
#pragma once
#include "stream_part.hpp"

namespace xpcs {

class WideTile {
 public:
  /// As CountTile::fold. @throws invalid_argument counts too large to be summed exactly
  std::vector<std::vector<double>> fold(const TileTask& task, std::size_t tile, const StreamPart& part, std::uint32_t fine, WideState& state);
  /// As CountTile::answer.
  template <class Sum>
  std::vector<RunSums<Sum>> answer(const TileTask& task, std::size_t tile, const StreamPart& part, const WideState& state, std::vector<double>& pixelMean);

 private:
  void begin(const TileTask& task, std::size_t tile, const StreamPart& part, const WideState& state);
  void walk();
  void stop_until(std::uint64_t frame);
  void columns(const ColumnKeep* keep);

  const TileTask* task_ = nullptr;
  const StreamPart* part_ = nullptr;
  const WideState* state_ = nullptr;
  std::size_t tile_ = 0;
  std::uint32_t first_ = 0;
  std::uint32_t pixels_ = 0;
  std::size_t nextSnapshot_ = 0;
  std::uint64_t window_ = 0;
  std::vector<RunWindows> ranges_;
  std::vector<Int128> products_;         // [D, kTilePixels]
  std::vector<std::int64_t> snapshots_;  // [stops, kTilePixels]
  std::vector<std::int64_t> total_;      // [kTilePixels]
  std::vector<double> magnitude_;        // [kTilePixels]
  std::vector<std::vector<ColumnEntry>> photons_;
  ColumnScratch scratch_;
};

}  // namespace xpcs
