// One tile of pixels of a stream. New photons wait in a log, 8 bytes each; when the log is full, pixels with many photons in it
// fold them into their state (stream_pixel.hpp), those with few keep them: a dark pixel costs nothing but its photons.
#pragma once
#include <limits>
#include <memory>

#include "stream_pixel.hpp"
#include "xpcs/moments.hpp"

namespace xpcs {

using NarrowState = PixelState<std::int32_t, std::int64_t>;  ///< up to 2^31 - 1 photons
using WideState = PixelState<std::int64_t, Int128>;

/// The state of one pixel, or none.
struct PixelSlot {
  std::unique_ptr<NarrowState> narrow;
  std::unique_ptr<WideState> wide;
  [[nodiscard]] bool empty() const noexcept { return !narrow && !wide; }
};

/// What one worker reuses from tile to tile: the tile's photons by pixel, and what folding needs.
struct StreamScratch {
  std::vector<std::uint32_t> start;  // [pixels + 1]
  std::vector<std::uint32_t> frame;
  std::vector<std::int64_t> count;
  FoldScratch<std::int32_t> narrow;
  FoldScratch<std::int64_t> wide;
  NarrowState narrowState;  // of the pixel that a query looks at
  WideState wideState;

  [[nodiscard]] std::span<const std::uint32_t> frames_of(std::uint32_t local) const { return std::span(frame).subspan(start[local], start[local + 1] - start[local]); }
  [[nodiscard]] std::span<const std::int64_t> counts_of(std::uint32_t local) const { return std::span(count).subspan(start[local], start[local + 1] - start[local]); }
};

class StreamTile {
 public:
  /// Photons that a pixel without a state may keep in the log.
  static constexpr std::size_t kFew = 16;
  /// Photons in the log, per pixel, at which it is folded.
  static constexpr std::size_t kFull = 2 * kFew;
  /// And up to which it may grow before somebody looks, but for a burst.
  static constexpr std::size_t kRoom = kFull + 2;

  explicit StreamTile(std::uint32_t pixels) : pixels_(pixels) {}

  void append(std::uint32_t frame, std::uint32_t local, std::int64_t count) {
    const bool packs = count > kEscape && count <= std::numeric_limits<std::int16_t>::max();
    if (!packs) {
      grow(large_);
      large_.push_back(count);
    }
    grow(log_);
    log_.push_back({frame, static_cast<std::uint16_t>(local), packs ? static_cast<std::int16_t>(count) : kEscape});
  }
  [[nodiscard]] bool full() const noexcept { return log_.size() >= kFull * pixels_; }

  /// Folds the photons of the frames before `newest`, where a pixel has many; the newest frame may still get others.
  void fold_log(const StreamScheme& scheme, std::uint32_t newest, StreamScratch& scratch);
  /// Drops the photons of the newest frame. visit(local, count) for each of them.
  template <class Visit>
  void drop_frame(std::uint32_t frame, Visit visit) {
    std::size_t large = 0;
    std::size_t kept = 0;
    std::size_t keptLarge = 0;
    for (const Photon& photon : log_) {
      const std::int64_t count = photon.count == kEscape ? large_[large++] : std::int64_t{photon.count};
      if (photon.frame == frame) {
        visit(photon.local, count);
        continue;
      }
      log_[kept++] = photon;
      if (photon.count == kEscape) large_[keptLarge++] = count;
    }
    log_.resize(kept);
    large_.resize(keptLarge);
  }

  /// The log's photons by pixel, of each pixel by frame, those of one frame added up.
  void sort(StreamScratch& scratch) const;
  /// State of a pixel; empty where all its photons are in the log.
  [[nodiscard]] const PixelSlot* slot(std::uint32_t local) const noexcept { return slots_.empty() || slots_[local].empty() ? nullptr : &slots_[local]; }
  [[nodiscard]] std::uint32_t pixels() const noexcept { return pixels_; }
  [[nodiscard]] std::size_t bytes() const noexcept {
    return stateBytes_ + log_.capacity() * sizeof(Photon) + large_.capacity() * sizeof large_[0] + slots_.capacity() * sizeof(PixelSlot);
  }
  /// Bytes of the log and the slots of one pixel at most.
  static constexpr std::size_t kLogBytes = kRoom * (8 + sizeof(std::int64_t)) + sizeof(PixelSlot);

 private:
  struct Photon {
    std::uint32_t frame;
    std::uint16_t local;
    std::int16_t count;  ///< kEscape: the next one of large_
  };
  static_assert(sizeof(Photon) == 8);
  static constexpr std::int16_t kEscape = std::numeric_limits<std::int16_t>::min();

  /// Room for one more: half again as much, but no more than a full log, and little more behind it, so that memory stays within the
  /// stated bound.
  template <class T>
  void grow(std::vector<T>& values) const {
    const std::size_t full = kFull * pixels_;
    const std::size_t size = values.size();
    if (size < values.capacity()) return;
    values.reserve(size < full ? std::min(full, std::max<std::size_t>(16, size + size / 2)) : size + size / kFull + 1);
  }
  void fold_pixel(PixelSlot& slot, const StreamScheme& scheme, std::span<const std::uint32_t> t, std::span<const std::int64_t> v, std::uint32_t newest,
                  StreamScratch& scratch);

  std::uint32_t pixels_;
  std::vector<Photon> log_;  // of each pixel by frame
  std::vector<std::int64_t> large_;
  std::vector<PixelSlot> slots_;  // [pixels], or none
  std::size_t stateBytes_ = 0;
};

/// Sum of the magnitudes; what a state must hold.
double magnitude_of(std::span<const std::int64_t> counts);
/// Largest magnitude of a pixel's counts that a narrow state holds.
constexpr double kNarrowMax = 2147483647.0;
/// The same of a wide one. @throws invalid_argument beyond
void check_magnitude(double magnitude);

}  // namespace xpcs
