// Frames of which most pixels count, kept whole: one byte per valid pixel and frame, sixteen pixels of consecutive rank side by
// side, four frames in 32 bits (the rows of lane_sums.hpp). Counts above 127 are kept aside. The dense counterpart of
// event_store.hpp.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "event_store.hpp"
#include "xpcs/partition.hpp"

namespace xpcs {

class DenseBatch {
 public:
  static constexpr std::uint32_t kFrames = 64;
  static constexpr std::uint32_t kQuadFrames = 4;
  static constexpr std::uint32_t kQuads = kFrames / kQuadFrames;
  static constexpr std::uint32_t kGroupPixels = 16;
  static constexpr std::uint8_t kLargest = 127;

  struct Escape {
    std::uint32_t rank, frame;  ///< frame of the series
    std::int64_t count;
  };

  /// Room for the frames base .. base + 63: every quad must be taken, also those behind the last frame.
  DenseBatch(std::uint32_t base, const Partition& partition);

  /// Takes frames 4 quad .. 4 quad + 3 of the batch, in place of what was taken before. Several threads may take different ones at a time.
  /// @param rows [frames, pixels] counts of up to 4 frames, the others are empty; signedCounts: 0x8000 and above are negative and count
  /// as 0; scratch: any
  void take(std::uint32_t quad, std::span<const std::uint16_t> rows, const Partition& partition, bool signedCounts, std::vector<std::uint32_t>& scratch);
  /// Every quad is taken: adds up what they hold.
  void close();

  [[nodiscard]] std::uint32_t base() const noexcept { return base_; }
  /// The bytes of sixteen pixels and 64 frames from the rank on, a multiple of 16; those of the next sixteen follow.
  [[nodiscard]] const std::uint8_t* lines(std::uint32_t rank) const noexcept { return reinterpret_cast<const std::uint8_t*>(lines_.get() + line_of(rank, 0)); }
  /// Counts above 127 of one tile, by frame.
  [[nodiscard]] std::span<const Escape> escapes(std::size_t tile) const noexcept {
    return std::span(escapes_).subspan(escapeStart_[tile], escapeStart_[tile + 1] - escapeStart_[tile]);
  }
  /// visit(frame of the series, count) for the counts of one pixel, by frame.
  template <class Visit>
  void for_each(std::uint32_t rank, std::size_t tile, Visit visit) const {
    const auto aside = escapes(tile);
    auto next = aside.begin();
    for (std::uint32_t f = 0; f < kFrames; ++f) {
      std::uint32_t count = lines_[line_of(rank, f / kQuadFrames)] >> (8 * (f % kQuadFrames)) & 0xFF;
      for (; next != aside.end() && next->frame <= base_ + f; ++next) {
        if (next->rank == rank) count = static_cast<std::uint32_t>(next->count);
      }
      if (count != 0) visit(base_ + f, count);
    }
  }
  /// Pixels of all its frames that have a count.
  [[nodiscard]] std::uint64_t events() const noexcept { return events_; }
  /// Sum of the counts of each frame over the valid pixels.
  [[nodiscard]] const std::array<double, kFrames>& frame_sums() const noexcept { return frameSums_; }

 private:
  /// What one quad gave beside its bytes.
  struct Quad {
    std::vector<Escape> escapes;
    std::uint64_t events = 0;
    std::array<std::uint64_t, kQuadFrames> sums{};
  };

  [[nodiscard]] static std::size_t line_of(std::uint32_t rank, std::uint32_t quad) noexcept {
    return (std::size_t{rank / kGroupPixels} * kQuads + quad) * kGroupPixels + rank % kGroupPixels;
  }

  std::uint32_t base_;
  std::uint32_t ranks_;
  std::unique_ptr<std::uint32_t[]> lines_;
  std::array<Quad, kQuads> quads_;
  std::vector<Escape> escapes_;
  std::vector<std::size_t> escapeStart_;
  std::array<double, kFrames> frameSums_{};
  std::uint64_t events_ = 0;
};

}  // namespace xpcs
