// The photons of one series: batches in arrival order, each partitioned by tile of consecutive pixel ranks. A tile's
// photons fit in cache when they are sorted by pixel later, so no frame is ever dense. 4 bytes per photon (2 in crowded frames, 16 for
// real values).
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace xpcs {

constexpr std::uint32_t kTileBits = 9;
constexpr std::uint32_t kTilePixels = 1u << kTileBits;
constexpr std::uint32_t kNoRank = 0xFFFFFFFF;
/// Tiles of so many pixels.
constexpr std::size_t tile_count(std::size_t pixels) { return (pixels + kTilePixels - 1) / kTilePixels; }

/// Events on their way into an IntegerBatch, in order of arrival. Used again: `begin` keeps the memory.
struct PackedEvents {
  struct Run {
    std::uint32_t frame;
    std::size_t end;  ///< index behind its last event
  };
  std::uint32_t base = 0;  ///< first frame
  std::size_t n = 0;
  bool crowded = false;  ///< the events are in shortWord, shortTile and runs
  std::vector<std::uint32_t> word, tile;  ///< the first n; tile even.size() - 1 takes events without a rank
  std::vector<std::uint16_t> shortWord, shortTile;
  std::vector<Run> runs;
  std::vector<std::uint32_t> even, odd;   ///< events of each tile: the sum of both
  std::vector<std::pair<std::uint32_t, std::int64_t>> large;  ///< tile and count of those kept aside
  bool plain = true;
  std::uint32_t lastFrame = 0;

  void begin(std::uint32_t first, std::size_t tiles, bool crowd = false);
  /// Room for so many events more.
  void reserve(std::size_t more);
  /// The room is there. The first `events` are of one frame, of base .. base + 65535; those behind them come next.
  /// @returns the sum of their counts and how many there are, without those of rank kNoRank
  /// @tparam Count int64, int16 or uint16
  template <class Count>
  std::pair<std::int64_t, std::uint64_t> add(std::uint32_t frame, std::size_t events, std::span<const std::uint32_t> pixel, const Count* count,
                                             const std::uint32_t* rankOfPixel);
};

/// Photons of up to 65536 consecutive frames, packed: frame - base (16 bits), rank within the tile (9), count (7).
/// Counts outside 0..126 are kept aside per tile, in order of arrival. Crowded frames, which have several photons in every tile, take
/// half of that: rank and count only, and before the photons of each frame a mark, which is the step from the frame before, with count 0.
class IntegerBatch {
 public:
  using Value = std::int64_t;
  static constexpr std::uint32_t kFrames = 1u << 16;
  static constexpr std::uint32_t kFrameShift = 16;
  static constexpr std::uint32_t kRankShift = 7;
  static constexpr std::uint32_t kEscape = 127;  ///< in place of a count that is kept aside
  static constexpr std::uint32_t kStepMax = kTilePixels - 1;  ///< between crowded frames of one batch
  static constexpr std::uint32_t kCrowdedTilesMax = 0xFFFF;

  explicit IntegerBatch(const PackedEvents& events);

  /// Photons in the tile.
  [[nodiscard]] std::size_t size(std::size_t tile) const noexcept { return start_[tile + 1] - start_[tile] - marks_; }

  /// visit(frame, local rank, count) for the photons of one tile, in order of arrival.
  template <class Visit>
  void for_each(std::size_t tile, Visit visit) const {
    std::size_t large = largeStart_.empty() ? 0 : largeStart_[tile];
    if (crowded()) {
      std::uint32_t frame = base_;
      for (const std::uint16_t word : crowded_words(tile)) {
        const std::uint32_t count = word & kEscape;
        if (count == 0) frame += word >> kRankShift;
        else visit(frame, std::uint32_t{word} >> kRankShift, count == kEscape ? large_[large++] : std::int64_t{count});
      }
      return;
    }
    for (std::size_t i = start_[tile]; i < start_[tile + 1]; ++i) {
      const std::uint32_t word = words_[i];
      const std::uint32_t count = word & kEscape;
      visit(base_ + (word >> kFrameShift), word >> kRankShift & (kTilePixels - 1), count == kEscape ? large_[large++] : std::int64_t{count});
    }
  }
  /// visit(frame, local rank) only.
  template <class Visit>
  void for_each_place(std::size_t tile, Visit visit) const {
    if (crowded()) {
      for_each(tile, [&](std::uint32_t frame, std::uint32_t rank, std::int64_t) { visit(frame, rank); });
      return;
    }
    for (std::size_t i = start_[tile]; i < start_[tile + 1]; ++i) visit(base_ + (words_[i] >> kFrameShift), words_[i] >> kRankShift & (kTilePixels - 1));
  }
  [[nodiscard]] std::uint32_t base() const noexcept { return base_; }
  [[nodiscard]] bool crowded() const noexcept { return crowded_ != nullptr; }
  /// The packed photons of one tile; of crowded frames the other.
  [[nodiscard]] std::span<const std::uint32_t> words(std::size_t tile) const noexcept { return {words_.get() + start_[tile], size(tile)}; }
  /// With the marks.
  [[nodiscard]] std::span<const std::uint16_t> crowded_words(std::size_t tile) const noexcept { return {crowded_.get() + start_[tile], start_[tile + 1] - start_[tile]}; }
  /// The counts of one tile that are kept aside.
  [[nodiscard]] std::span<const std::int64_t> large(std::size_t tile) const noexcept {
    return largeStart_.empty() ? std::span<const std::int64_t>() : std::span(large_).subspan(largeStart_[tile], largeStart_[tile + 1] - largeStart_[tile]);
  }
  /// The photons came in the order of their frames, and no count is negative.
  [[nodiscard]] bool plain() const noexcept { return plain_; }
  /// Of the last photon.
  [[nodiscard]] std::uint32_t last_frame() const noexcept { return lastFrame_; }
  /// Bound of the sum of the magnitudes of one tile's counts.
  [[nodiscard]] double magnitude(std::size_t tile) const;
  /// That it takes, about.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return sizeof *this + start_.back() * (crowded() ? sizeof crowded_[0] : sizeof words_[0]) + (start_.size() + largeStart_.size()) * sizeof start_[0] + large_.capacity() * sizeof large_[0];
  }

 private:
  static_assert(kTileBits == 9, "the packing has 9 bits for the rank");
  void fill_words(const PackedEvents& events);
  void fill_crowded(const PackedEvents& events);

  std::uint32_t base_;
  bool plain_ = true;
  std::uint32_t lastFrame_ = 0;
  std::unique_ptr<std::uint32_t[]> words_;
  std::unique_ptr<std::uint16_t[]> crowded_;
  std::uint32_t marks_ = 0;  ///< in every tile
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
