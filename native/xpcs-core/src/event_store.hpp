// The photons of one series: batches in arrival order, each partitioned by tile of consecutive pixel ranks. A tile's
// photons fit in cache when they are sorted by pixel later, so no frame is ever dense. 4 bytes per photon (16 for
// real values).
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace xpcs {

constexpr std::uint32_t kTileBits = 11;
constexpr std::uint32_t kTilePixels = 1u << kTileBits;
constexpr std::uint32_t kNoRank = 0xFFFFFFFF;

/// Photons of up to 65536 consecutive frames, packed: frame - base (16 bits), rank within the tile (11), count (5).
/// Counts outside 0..30 are kept aside per tile, in order of arrival.
class IntegerBatch {
 public:
  using Value = std::int64_t;
  static constexpr std::uint32_t kFrames = 1u << 16;

  /// @param frame, rank, count of one length; frames base .. base + 65535; a rank of kNoRank is passed over
  IntegerBatch(std::uint32_t base, std::span<const std::uint32_t> frame, std::span<const std::uint32_t> rank, std::span<const std::int64_t> count,
               std::size_t tiles);

  [[nodiscard]] std::size_t size(std::size_t tile) const noexcept { return start_[tile + 1] - start_[tile]; }

  /// visit(frame, local rank, count) for the photons of one tile, in order of arrival.
  template <class Visit>
  void for_each(std::size_t tile, Visit visit) const {
    std::size_t large = largeStart_.empty() ? 0 : largeStart_[tile];
    for (std::size_t i = start_[tile]; i < start_[tile + 1]; ++i) {
      const std::uint32_t word = words_[i];
      const std::uint32_t count = word & kEscape;
      visit(base_ + (word >> 16), word >> 5 & (kTilePixels - 1), count == kEscape ? large_[large++] : std::int64_t{count});
    }
  }
  /// visit(frame, local rank) only.
  template <class Visit>
  void for_each_place(std::size_t tile, Visit visit) const {
    for (std::size_t i = start_[tile]; i < start_[tile + 1]; ++i) visit(base_ + (words_[i] >> 16), words_[i] >> 5 & (kTilePixels - 1));
  }
  /// Bound of the sum of the magnitudes of one tile's counts.
  [[nodiscard]] double magnitude(std::size_t tile) const;

 private:
  static constexpr std::uint32_t kEscape = 31;
  static_assert(kTileBits == 11, "the packing has 11 bits for the rank");
  std::uint32_t base_;
  std::vector<std::uint32_t> words_;
  std::vector<std::uint32_t> start_;
  std::vector<std::int64_t> large_;
  std::vector<std::uint32_t> largeStart_;  // per tile, empty when there is no large count
};

/// Real values (dark-subtracted counts), any frames.
class RealBatch {
 public:
  using Value = double;
  struct Event {
    std::uint32_t frame, rank;
    double count;
  };
  RealBatch(std::span<const Event> events, std::size_t tiles);

  [[nodiscard]] std::size_t size(std::size_t tile) const noexcept { return start_[tile + 1] - start_[tile]; }
  template <class Visit>
  void for_each(std::size_t tile, Visit visit) const {
    for (std::size_t i = start_[tile]; i < start_[tile + 1]; ++i) visit(events_[i].frame, events_[i].rank & (kTilePixels - 1), events_[i].count);
  }
  template <class Visit>
  void for_each_place(std::size_t tile, Visit visit) const {
    for (std::size_t i = start_[tile]; i < start_[tile + 1]; ++i) visit(events_[i].frame, events_[i].rank & (kTilePixels - 1));
  }

 private:
  std::vector<Event> events_;
  std::vector<std::uint32_t> start_;
};

}  // namespace xpcs
