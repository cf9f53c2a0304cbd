// The delays of a series whose length is not known yet, and how far a part of it is settled: those of every length
// (xpcs/delays.hpp) are the first ones of one endless list (scheme.hpp).
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "scheme.hpp"

namespace xpcs {

class StreamScheme {
 public:
  /// A level's blocks are correlated, and handed to the next one, so many at a time.
  static constexpr std::uint32_t kStep = 8;
  /// Blocks of a level that may wait for others before they are: what the level before hands on.
  static constexpr std::uint32_t kWaiting = kStep / 2;

  StreamScheme(std::uint32_t dpl, std::uint64_t framesMax) : dpl_(dpl), levelsMax_(levels(framesMax)) {}

  [[nodiscard]] std::uint32_t dpl() const noexcept { return dpl_; }
  [[nodiscard]] std::uint32_t lag_max() const noexcept { return 2 * dpl_; }
  [[nodiscard]] std::uint32_t lag_min(std::uint32_t level) const noexcept { return level == 0 ? 1 : dpl_ + 1; }
  [[nodiscard]] std::uint32_t levels_max() const noexcept { return levelsMax_; }
  [[nodiscard]] std::size_t delays(std::uint32_t levels) const noexcept { return std::size_t{levels + 1} * dpl_; }
  /// Blocks of a level that are settled when the first `frames` frames are in: correlated with those before them, and in the next level.
  [[nodiscard]] static std::uint64_t settled(std::uint32_t level, std::uint64_t frames) noexcept { return frames >> level & ~std::uint64_t{kStep - 1}; }
  /// Blocks that a level above 0 then has from the level before.
  [[nodiscard]] static std::uint64_t received(std::uint32_t level, std::uint64_t frames) noexcept { return settled(level - 1, frames) / 2; }
  /// Levels that have received blocks, at least one.
  [[nodiscard]] static std::uint32_t levels(std::uint64_t frames) noexcept {
    std::uint32_t levels = 1;
    while (settled(levels - 1, frames) > 0) ++levels;
    return levels;
  }
  /// The first frame whose photons are still needed one by one after `frames` frames, where the blocks of the levels from `fine` on are kept.
  [[nodiscard]] std::uint64_t photons_from(std::uint64_t frames, std::uint32_t fine) const noexcept {
    std::uint64_t from = settled(fine, frames) << fine;
    for (std::uint32_t level = 0; level < fine; ++level) {
      const std::uint64_t at = settled(level, frames);
      from = std::min(from, (at - std::min<std::uint64_t>(at, lag_max())) << level);
    }
    return from;
  }
  /// Frames that these are at most.
  [[nodiscard]] std::uint64_t photons_span(std::uint32_t fine) const noexcept {
    const std::uint64_t waiting = std::uint64_t{kStep} << fine;
    return fine == 0 ? waiting : std::max(waiting, std::uint64_t{lag_max() + kStep} << (fine - 1));
  }

  /// The delays at which the blocks that the first `frames` frames settle can make a pair.
  [[nodiscard]] Scheme settled_scheme(std::uint64_t frames) const {
    Scheme scheme(0, dpl_);
    scheme.frames = frames;
    scheme.levels = levels(frames);
    scheme.reach = std::uint64_t{lag_max() + 1} << (scheme.levels - 1);
    for (std::uint32_t level = 0; level < scheme.levels; ++level) scheme.levelEnd.push_back(settled(level, frames) << level);
    for (std::size_t d = 0; d < delays(scheme.levels); ++d) {
      const std::uint32_t level = d < lag_max() ? 0 : static_cast<std::uint32_t>(d / dpl_) - 1;
      scheme.delays.push_back({level, delay_at(d, dpl_), delay_at(d, dpl_) >> level, 0, 0, 0});
    }
    return scheme;
  }

 private:
  std::uint32_t dpl_;
  std::uint32_t levelsMax_;
};

}  // namespace xpcs
