// Frames of which most pixels count, kept whole: one byte per valid pixel and frame, by pixel rank, 64 frames to a line. Counts
// above 127 are kept aside. The dense counterpart of event_store.hpp.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "event_store.hpp"
#include "xpcs/partition.hpp"

namespace xpcs {

class DenseBatch {
 public:
  static constexpr std::uint32_t kFrames = 64;
  static constexpr std::uint8_t kLargest = 127;

  struct Escape {
    std::uint32_t rank, frame;  ///< frame of the series
    std::int64_t count;
  };

  /// @param rows [frames, pixels] counts of the frames base .. base + frames - 1, frames <= 64; signedCounts: 0x8000 and above are
  /// negative and count as 0
  DenseBatch(std::uint32_t base, std::span<const std::uint16_t> rows, std::uint32_t frames, const Partition& partition, bool signedCounts);

  [[nodiscard]] std::uint32_t base() const noexcept { return base_; }
  /// The 64 bytes of one pixel.
  [[nodiscard]] const std::uint8_t* line(std::uint32_t rank) const noexcept { return lines_.data() + std::size_t{rank} * kFrames; }
  /// Counts above 127 of one tile, by rank.
  [[nodiscard]] std::span<const Escape> escapes(std::size_t tile) const noexcept {
    return std::span(escapes_).subspan(escapeStart_[tile], escapeStart_[tile + 1] - escapeStart_[tile]);
  }
  /// Pixels of all its frames that have a count.
  [[nodiscard]] std::uint64_t events() const noexcept { return events_; }
  /// Sum of the counts of each frame over the valid pixels.
  [[nodiscard]] const std::array<double, kFrames>& frame_sums() const noexcept { return frameSums_; }

 private:
  void take_pixel(std::uint32_t rank, std::uint32_t pixel, std::span<const std::uint16_t> rows, std::size_t pixels, std::uint32_t frames, bool signedCounts);

  std::uint32_t base_;
  std::vector<std::uint8_t> lines_;
  std::vector<Escape> escapes_;
  std::vector<std::size_t> escapeStart_;
  std::array<double, kFrames> frameSums_{};
  std::uint64_t events_ = 0;
};

}  // namespace xpcs
