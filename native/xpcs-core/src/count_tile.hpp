// One tile of pixels with small counts in the order of their frames: one walk over its photons, or over its dense frames, gives the
// running totals at every stop and the products of every delay. Photons that lie close together are paired as they come; from the
// base level on, blocks are correlated side by side (lane_levels.hpp). A pixel that does not fit this (many photons in a burst,
// a block above 127) is correlated by itself afterwards (pixel_kernel.hpp). All sums are integers, the same by either way.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "dense_store.hpp"
#include "event_store.hpp"
#include "lane_levels.hpp"
#include "series_kernel.hpp"
#include "stop_table.hpp"
#include "stream_part.hpp"
#include "tile_task.hpp"

namespace xpcs {

class CountTile {
 public:
  /// Correlates the photons of one tile. `out` has one run per bin, without its sums over delays until `finish`.
  template <class Sum>
  std::vector<RunSums<Sum>> correlate(const TileTask& task, std::size_t tile, std::span<const IntegerBatch> batches, std::vector<double>& pixelMean);
  /// The same for dense frames.
  template <class Sum>
  std::vector<RunSums<Sum>> correlate(const TileTask& task, std::size_t tile, std::span<const DenseBatch> batches, std::vector<double>& pixelMean);

  // A stream, which comes in parts (count_tile_stream.cpp).
  /// Takes a part in: `state` covers the frames before task.frames afterwards, with the blocks from the level `fine` on kept, or from the one
  /// where series begin. task.scheme is that of the settled blocks. Returns the sums of the windows that the part closes, [runs, windows].
  std::vector<std::vector<double>> fold(const TileTask& task, std::size_t tile, const StreamPart& part, std::uint32_t fine, NarrowState& state);
  /// What `correlate` gives for all photons of the stream, without those of the state's windows.
  template <class Sum>
  std::vector<RunSums<Sum>> answer(const TileTask& task, std::size_t tile, const StreamPart& part, const NarrowState& state, std::vector<double>& pixelMean);

 private:
  /// The photons of a pixel before its latest that had a successor within reach. A photon is its frame << 32 | count, with
  /// `reach + 1` added to the frame, so that 0 is out of reach.
  static constexpr std::uint32_t kRecent = 7;
  struct Recent {
    std::array<std::uint64_t, kRecent> photon{};
    std::uint32_t newest = 0;
  };

  void begin(const TileTask& task, std::size_t tile, std::uint32_t base);
  template <class Batch>
  void walk_events(std::span<const Batch> batches);
  template <bool kSeries, bool kPairs, class Batch>
  void walk_as(std::span<const Batch> batches);
  void walk(std::span<const IntegerBatch> batches) { walk_events(batches); }
  void walk(std::span<const DenseBatch> batches);
  void take_lines(const DenseBatch& batch, std::uint32_t frames);
  void stop_until(std::uint64_t frame);
  void close_window();
  template <bool kAgain>
  [[nodiscard]] bool pair(std::uint32_t pixel, std::uint32_t frame, std::uint32_t count, std::uint64_t latest);
  void close_stops();
  void end_series();

  void correlate_apart(std::span<const IntegerBatch> batches);
  void correlate_apart(std::span<const DenseBatch> batches);
  void correlate_pixel(std::uint32_t pixel);

  void begin_part(const TileTask& task, std::size_t tile, const StreamPart& part, const NarrowState& state, std::uint32_t baseMax);
  void load_levels(const NarrowState& state);
  void load_base(const KeptLevel& kept);
  void set_apart(std::uint32_t pixel);
  void walk_again(const StreamPart& part, const NarrowState& state);
  void walk_part(const StreamPart& part);
  void columns_apart(const StreamPart& part, const NarrowState& state, const ColumnKeep* keep);

  template <class Sum>
  std::vector<RunSums<Sum>> finish(std::vector<double>& pixelMean);
  template <class Sum>
  void add_rows(RunSums<Sum>& run, std::uint32_t from, std::uint32_t n);
  void write_pixels();

  const TileTask* task_ = nullptr;
  std::uint32_t first_ = 0;   // rank of the tile's first pixel
  std::uint32_t pixels_ = 0;
  std::uint32_t tile_ = 0;
  std::uint32_t base_ = 0;    // level of the series; scheme.levels: none
  std::uint32_t pairReach_ = 0;

  std::uint64_t stop_ = 0;          // frame before which nothing happens
  std::size_t nextSnapshot_ = 0;
  std::uint64_t chunkStart_ = 0;    // block of the base level
  std::uint64_t windowEnd_ = 0;
  std::size_t window_ = 0;

  std::vector<RunWindows> ranges_;

  std::vector<std::int64_t> products_;    // [D, kTilePixels]
  std::vector<std::uint32_t> snapshots_;  // [stops, kTilePixels]
  std::vector<std::uint32_t> total_;      // [kTilePixels]
  std::vector<double> factor_, alive_;    // [kTilePixels], where there is a flatfield
  std::vector<Recent> recent_;            // [kTilePixels]
  std::vector<std::uint64_t> latest_;     // [kTilePixels] photon
  std::vector<std::uint32_t> offset_;     // [kTilePixels] of each pixel in a chunk
  std::vector<std::uint8_t> apart_;       // [kTilePixels] pixels that are correlated by themselves
  bool anyApart_ = false;
  LaneLevels levels_;

  std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> apartPhotons_;  // [kTilePixels] frame, count
  std::vector<std::uint32_t> frames_;
  std::vector<std::int64_t> counts_;
  std::vector<std::int64_t> column_;
  std::vector<std::uint64_t> settledEnd_;  // per level, frames of a stream whose products the state has
  std::vector<KeptLevel> kept_;
  ColumnScratch stream_;
  SeriesKernel series_;
};

/// The level from which a part of a stream is correlated as series. @param photons per pixel, in the part's frames
std::uint32_t part_base(const StreamScheme& stream, std::uint64_t frames, double photons);

}  // namespace xpcs
