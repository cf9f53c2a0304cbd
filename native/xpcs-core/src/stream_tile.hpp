// One tile of pixels of a stream: its state (tile_state.hpp), the photons before the state's end that are still needed one by one, and
// those behind it, of a tile that has few. Many photons are folded into the state: by the tile engine, or pixel by pixel where counts are
// negative or huge.
#pragma once
#include <memory>

#include "count_tile.hpp"
#include "wide_tile.hpp"

namespace xpcs {

/// What one worker reuses from tile to tile.
struct StreamWorker {
  CountTile counts;
  WideTile wide;
};

class StreamTile {
 public:
  /// Photons per pixel at which a tile folds them: a dark tile costs nothing but these.
  static constexpr std::size_t kMany = 32;
  /// And those up to which it may wait the first time: tiles that are lit alike take turns.
  static constexpr std::size_t kManyFirst = 48;
  /// Photons per pixel, on average, that may be kept of frames that the state covers.
  static constexpr double kContextMost = 2;

  explicit StreamTile(std::uint32_t pixels) : pixels_(pixels) {}

  /// Takes what the batches hold of the tile; they are not needed any more. Photons from task.frames on, of the newest frame, are kept.
  /// task.scheme is StreamScheme::settled_scheme of task.frames, its stops are the delays before.
  void fold(const TileTask& task, const StreamScheme& stream, std::size_t tile, std::span<const IntegerBatch> batches, StreamWorker& worker);
  /// The runs of the tile after task.frames frames. Changes nothing. Sum: double where there is a flatfield.
  template <class Sum>
  std::vector<RunSums<Sum>> answer(const TileTask& task, const StreamScheme& stream, std::size_t tile, std::span<const IntegerBatch> batches, StreamWorker& worker,
                                      std::vector<double>& pixelMean) const;
  /// Drops the photons of the newest frame, which no batch holds any more.
  void drop_frame(std::uint32_t frame) {
    WordList kept;
    fresh_.for_each([&](std::uint32_t at, std::uint32_t local, std::int64_t count) {
      if (at != frame) kept.append(at, local, count);
    });
    fresh_ = std::move(kept);
  }

  [[nodiscard]] std::uint64_t frames() const noexcept { return wide_ ? wide_->frames : state_.frames; }
  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t sum = context_.bytes() + fresh_.bytes() + state_.bytes() + (wide_ ? wide_->bytes() : 0);
    for (const auto& windows : windows_) sum += windows.capacity() * sizeof(double);
    return sum;
  }

 private:
  [[nodiscard]] std::size_t many(std::size_t tile) const;
  [[nodiscard]] bool narrow(const StreamPart& part, std::size_t tile) const;
  [[nodiscard]] std::uint32_t fine_level(const StreamScheme& stream, std::uint64_t frames, double photons) const;
  void keep_photons(const StreamPart& part, std::size_t tile, std::uint64_t from, std::uint64_t frames);

  std::uint32_t pixels_;
  NarrowState state_;
  std::unique_ptr<WideState> wide_;  ///< in place of state_
  WordList context_, fresh_;
  std::vector<std::vector<double>> windows_;  // [runs, windows] those that the state covers
};

}  // namespace xpcs
